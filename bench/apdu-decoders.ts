// Decoders of APDUs, and of the scripts that bring them over the air.
import { concat } from '../base/bytes.ts';
import {
  decodeCommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  encodeResponseApdu,
} from '../codec/apdu.ts';
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
