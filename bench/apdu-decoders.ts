// Decoders of APDUs, and of the scripts that bring them over the air.
import { concat } from '../base/bytes.ts';
import {
  decodeCommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  encodeResponseApdu,
} from '../codec/apdu.ts';
import { encodeDataGrouping, readDataGroupings } from '../codec/data-groupings.ts';
import {
  decodeGpCertificate,
  decodeGpPoint,
  encodeGpCertificate,
  encodeGpCertificateBody,
  encodeGpPoint,
} from '../codec/gp-certificate.ts';
import { decodeAgreedKeyset, encodeAgreedKeyset } from '../codec/key-agreement.ts';
import { deleteKeyCommand, putKeyCommand, readDeleteKey, readPutKey } from '../codec/put-key.ts';
import {
  decodeCompactResponse,
  encodeCompactResponse,
  readRemoteScript,
  splitCompactCommands,
} from '../codec/remote-commands.ts';
import {
  decodeCommandScript,
  decodeResponseScript,
  encodeCommandScript,
  encodeResponseScript,
} from '../codec/script.ts';
import { type Decoder, decoder } from './decoder.ts';
import { below, type Dice } from './mutate.ts';

export const sampleCommand = (dice: Dice): Uint8Array =>
  encodeCommandApdu({
    cla: 0x80,
    ins: 0xe2,
    p1: 0x91,
    p2: below(dice, 4),
    data: dice.bytes(below(dice, 300)),
    le: 256,
  });

const samplePutKey = (dice: Dice): Uint8Array => {
  const key = { type: 0x88, length: 16, encrypted: dice.bytes(16), checkValue: dice.bytes(3) };
  return putKeyCommand({ replaces: 0, version: 0x31, identifier: 1, keys: [key, key, key] }).data;
};

const sampleCertificate = (dice: Dice): Uint8Array =>
  encodeGpCertificate(
    encodeGpCertificateBody({
      serialNumber: dice.bytes(4),
      caIdentifier: dice.bytes(8),
      subject: dice.bytes(8),
      expiry: dice.bytes(4),
      role: below(dice, 4),
      caKeyIdentifier: dice.bytes(20),
      curve: 'P-256',
      publicKey: dice.bytes(65),
    }),
    dice.bytes(64),
  );

export const APDU_DECODERS: readonly Decoder[] = [
  decoder('decodeCommandApdu', sampleCommand, decodeCommandApdu, encodeCommandApdu),
  decoder(
    'decodeResponseApdu',
    (dice) => dice.bytes(2 + below(dice, 20)),
    decodeResponseApdu,
    encodeResponseApdu,
  ),
  decoder('readPutKey', samplePutKey, (data) => readPutKey({ p1: 0, p2: 0x81, data })),
  decoder(
    'readDeleteKey',
    (dice) => deleteKeyCommand(below(dice, 256)).data,
    (data) => readDeleteKey(data),
  ),
  decoder(
    'readDataGroupings',
    (dice) =>
      concat(
        encodeDataGrouping(0x3a01, dice.bytes(below(dice, 300))),
        encodeDataGrouping(0x85, dice.bytes(16)),
      ),
    readDataGroupings,
  ),
  decoder('decodeGpCertificate', sampleCertificate, decodeGpCertificate),
  decoder(
    'decodeGpPoint',
    (dice) => encodeGpPoint('P-256', dice.bytes(65)),
    (bytes) => decodeGpPoint(bytes),
  ),
  decoder(
    'decodeAgreedKeyset',
    (dice) =>
      encodeAgreedKeyset({
        version: below(dice, 256),
        keyOctets: 16,
        replaces: below(dice, 2) === 1,
        derivationRandom: below(dice, 2) === 1,
        counter: 0,
      }),
    decodeAgreedKeyset,
  ),
  decoder(
    'readRemoteScript',
    (dice) => encodeCommandScript([sampleCommand(dice), sampleCommand(dice)]),
    readRemoteScript,
  ),
  decoder(
    'splitCompactCommands',
    (dice) => concat(sampleCommand(dice), sampleCommand(dice)),
    splitCompactCommands,
  ),
  decoder(
    'decodeCompactResponse',
    (dice) => dice.bytes(3 + below(dice, 20)),
    decodeCompactResponse,
    encodeCompactResponse,
  ),
  decoder(
    'decodeCommandScript',
    (dice) => encodeCommandScript([sampleCommand(dice), sampleCommand(dice)]),
    decodeCommandScript,
    encodeCommandScript,
  ),
  decoder(
    'decodeResponseScript',
    (dice) => encodeResponseScript({ executed: 2, responses: [dice.bytes(20)] }),
    decodeResponseScript,
    encodeResponseScript,
  ),
];
