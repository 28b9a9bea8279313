// The card OS: from a command APDU to its response by the rules of T=0 (ISO/IEC 7816-3, 10.3; ETSI TS 102 221, 7.3 and 10).
import { concat, EMPTY } from '../base/bytes.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type CommandApdu, decodeCommandApdu, encodeResponseApdu, SW, swText } from '../codec/apdu.ts';
import type { Card, Channel, InstructionClass } from './os/card.ts';
import { INSTRUCTIONS } from './os/instructions.ts';
import { type Reply, status, StatusWord } from './os/reply.ts';

const INS_GET_RESPONSE = 0xc0;
const SW_CHAINING = 0x6884;
const SW_MORE_DATA = 0x6100;
const SW_CORRECT_LE = 0x6c00;
const SW_PROACTIVE = 0x9100;
/** Warnings of a transfer in blocks, and the same where a proactive command waits (ETSI TS 102 221, 10.2.1.3). */
const PROACTIVE_WARNING: ReadonlyMap<number, number> = new Map([
  [0x62f1, 0x62f2],
  [0x63f1, 0x63f2],
]);
const MAX_LE = 256;

/** Choices that ISO/IEC 7816-3 leaves to the card. */
export type TransmissionOptions = {
  /** A case 4 command without Le: announce the data by 61xx (as T=0 does), or answer it at once. */
  readonly withoutLe?: '61xx' | 'data';
  /** Le 00 where fewer than 256 octets are there: answer them, or 6Cxx with their number. */
  readonly leZero?: 'data' | '6Cxx';
};

/** Executes commands of one power-on session, one at a time. */
export type CardOs = {
  /** Any octets to a response APDU. Throws only what the store throws when its medium is gone. */
  process(command: Uint8Array): Promise<Uint8Array>;
};

/** A response that GET RESPONSE will fetch, on the channel of its command only. */
type Unread = { readonly channel: number; readonly data: Uint8Array; readonly sw: number };

export function createCardOs(options: {
  readonly card: Card;
  readonly log: Log;
  readonly transmission?: TransmissionOptions;
}): CardOs {
  const { card, log } = options;
  const { withoutLe = '61xx', leZero = 'data' } = options.transmission ?? {};
  let unread: Unread | undefined;

  const getResponse = (kept: Unread | undefined, channel: number, command: CommandApdu): Reply => {
    if (command.p1 !== 0 || command.p2 !== 0) return status(SW.incorrectP1P2);
    if (command.data.length > 0) return status(SW.wrongLength);
    // Out of sequence (ETSI TS 102 221, 12.1.1.1).
    if (kept === undefined || kept.channel !== channel) return status(SW.technicalProblem);
    const length = Math.min(kept.data.length, MAX_LE);
    const { le } = command;
    if (le === undefined || (le > length && (le !== MAX_LE || leZero === '6Cxx'))) {
      unread = kept;
      return status(SW_CORRECT_LE | (length & 0xff));
    }
    return part(kept, Math.min(le, length));
  };

  /** The first octets, and 61xx with what is left of them. */
  const part = (whole: Unread, length: number): Reply => {
    const rest = whole.data.subarray(length);
    if (rest.length === 0) return { data: whole.data, sw: final(whole.sw) };
    unread = { ...whole, data: rest };
    return {
      data: whole.data.subarray(0, length),
      sw: SW_MORE_DATA | (Math.min(rest.length, MAX_LE) & 0xff),
    };
  };

  const final = (sw: number): number => {
    const { waiting } = card.cat;
    if (waiting === undefined) return sw;
    return sw === SW.ok ? SW_PROACTIVE | waiting.length : (PROACTIVE_WARNING.get(sw) ?? sw);
  };

  /** Whether a case 2 command asks for another length than there is. */
  const refusesLe = (command: CommandApdu, { data: { length } }: Reply): boolean => {
    if (length === 0 || length > MAX_LE || command.data.length > 0 || command.le === length) return false;
    return command.le !== MAX_LE || leZero === '6Cxx';
  };

  /** Fits a reply to the case of its command. */
  const shape = (channel: number, command: CommandApdu, reply: Reply): Reply => {
    const { length } = reply.data;
    if (length === 0) return { data: EMPTY, sw: final(reply.sw) };
    const whole = { channel, data: reply.data, sw: reply.sw };
    if (command.le !== undefined) return part(whole, Math.min(command.le, length));
    if (withoutLe === 'data') return part(whole, Math.min(length, MAX_LE));
    unread = whole;
    return status(SW_MORE_DATA | (Math.min(length, MAX_LE) & 0xff));
  };

  const run = async (bytes: Uint8Array): Promise<Reply> => {
    const kept = unread;
    unread = undefined;
    const command = readCommand(bytes);
    if (typeof command === 'number') return status(command);
    const klass = readClass(command.cla);
    if (typeof klass === 'number') return status(klass);
    const channel = card.channels.get(klass.channel);
    if (channel === undefined) return status(SW.channelNotSupported);
    if (command.ins === INS_GET_RESPONSE) return getResponse(kept, klass.channel, command);
    const reply = await execute(card, channel, klass, command);
    if (refusesLe(command, reply)) {
      card.state.rollback();
      return status(SW_CORRECT_LE | (reply.data.length & 0xff));
    }
    if (!(await commit())) return status(SW.memoryFailure);
    reply.effect?.();
    return shape(klass.channel, command, reply);
  };

  /** What the command staged is written before it is answered, and before it shows in the volatile state. */
  const commit = async (): Promise<boolean> => {
    try {
      await card.state.commit();
      return true;
    } catch (error) {
      if (isAgentError(error, 'CLOSED')) throw error;
      log.write('error', 'euicc.store', 'a commit failed', { error: errorOf(error).message });
      return false;
    }
  };

  /** A status word that ended the command from within; an error that nobody foresaw leaves the card alive too. */
  const failure = (error: unknown): Reply => {
    if (isAgentError(error, 'CLOSED')) throw error;
    card.state.rollback();
    unread = undefined;
    if (error instanceof StatusWord) return status(error.sw);
    log.write('error', 'euicc.os', 'a command failed', { error: errorOf(error).stack ?? '' });
    return status(SW.technicalProblem);
  };

  return {
    async process(bytes) {
      const reply = await run(bytes).catch(failure);
      log.write('trace', 'euicc.os', 'command', {
        ins: bytes[1],
        octets: bytes.length,
        sw: swText(reply.sw),
      });
      return encodeResponseApdu(reply);
    },
  };
}

/** The command, or the status word for octets that are none. Extended length is not for this card. */
function readCommand(bytes: Uint8Array): CommandApdu | number {
  if (bytes.length > 5 && bytes[4] === 0) return SW.wrongLength;
  try {
    return decodeCommandApdu(bytes);
  } catch (error) {
    if (isAgentError(error, 'APDU_INVALID')) return SW.wrongLength;
    throw error;
  }
}

type CommandClass = {
  readonly is: InstructionClass;
  readonly channel: number;
  readonly secure: boolean;
};

/** The class of SIM cards (3GPP TS 51.011), which older terminals still use for the toolkit. */
const SIM_CLASS = 0xa0;

/** What the class octet says (ISO/IEC 7816-4, 5.4.1; ETSI TS 102 221, 10.1.1), or the status word that refuses it. */
function readClass(cla: number): CommandClass | number {
  const is = (cla & 0x80) === 0 ? 'interindustry' : 'proprietary';
  if (cla === SIM_CLASS) return { is, channel: 0, secure: false };
  if ((cla & 0x40) !== 0) {
    if (cla === 0xff) return SW.claNotSupported;
    if ((cla & 0x10) !== 0) return is === 'interindustry' ? SW_CHAINING : SW.claNotSupported;
    return { is, channel: 4 + (cla & 0x0f), secure: (cla & 0x20) !== 0 };
  }
  if ((cla & 0x20) !== 0) return SW.claNotSupported;
  if ((cla & 0x10) !== 0) return is === 'interindustry' ? SW_CHAINING : SW.claNotSupported;
  return { is, channel: cla & 0x03, secure: (cla & 0x0c) !== 0 };
}

function execute(
  card: Card,
  channel: Channel,
  klass: CommandClass,
  command: CommandApdu,
): Reply | Promise<Reply> {
  const instruction = INSTRUCTIONS.get(command.ins);
  const always =
    typeof instruction?.always === 'function' ? instruction.always(command) : instruction?.always;
  if (channel.applet !== undefined && always !== true) {
    return channel.applet.process(channel.number, command);
  }
  if (instruction === undefined) return status(SW.insNotSupported);
  if (!instruction.classes.includes(klass.is)) return status(SW.claNotSupported);
  if (instruction.basicOnly === true && channel.number !== 0) return status(SW.claNotSupported);
  if (command.cla === SIM_CLASS && always !== true) return status(SW.claNotSupported);
  if (klass.secure) return status(SW.secureMessagingNotSupported);
  return instruction.run(card, channel, command);
}

/** ATR of ETSI TS 102 221, 6.3: T=0 and T=15 with the bit that says "eUICC", historical octets, check octet. */
export const ATR: Uint8Array = (() => {
  const body = Uint8Array.of(
    // T0 TA1 TD1 TD2 TA3 TB3
    0x9f,
    0x96,
    0x80,
    0x3f,
    0xc7,
    0x82,
    // Card service data and capabilities: selection by full and partial AID, path and identifier; eight or more channels.
    0x80,
    0x31,
    0xe0,
    0x73,
    0xfe,
    0x21,
    0x1f,
    // Pre-issuing data
    0x67,
    0x65,
    0x55,
    0x49,
    0x43,
    0x43,
    0x31,
    0x30,
  );
  return concat(Uint8Array.of(0x3b), body, Uint8Array.of(body.reduce((check, octet) => check ^ octet, 0)));
})();
