// Decoders of APDUs, and of the scripts that bring them over the air.
import { concat } from '../base/bytes.ts';
import {
  decodeCommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  encodeResponseApdu,
} from '../codec/apdu.ts';
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

export const APDU_DECODERS: readonly Decoder[] = [
  decoder('decodeCommandApdu', sampleCommand, decodeCommandApdu, encodeCommandApdu),
  decoder(
    'decodeResponseApdu',
    (dice) => dice.bytes(2 + below(dice, 20)),
    decodeResponseApdu,
    encodeResponseApdu,
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
