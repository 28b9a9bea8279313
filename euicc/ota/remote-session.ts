// One remote application's session while a script runs: commands in their own transactions, GET RESPONSE, and what ends a script
// (ETSI TS 102 226, 5).
import { EMPTY } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, decodeCommandApdu, type ResponseApdu, SW } from '../../codec/apdu.ts';
import { type Reply, status, StatusWord } from '../os/reply.ts';
import type { State } from '../state.ts';

/** What takes the commands of a script: files, a security domain, the ISD-R. */
export type RemoteCommands = {
  /** One command in the clear, of class 0X or 8X on no channel. May end by a `StatusWord`. */
  process(command: CommandApdu): Reply | Promise<Reply>;
};

export type RemoteSession = {
  /** Executes one C-APDU; what it changed is stored when the promise resolves. At most `room` octets of data come back. */
  execute(apdu: Uint8Array, room: number): Promise<ResponseApdu>;
};

const INS_GET_RESPONSE = 0xc0;
const SW_MORE_DATA = 0x6100;
/** The answer is longer than asked for, or than the card can keep: part of it is lost. */
export const SW_TRUNCATED = 0x62f1;
const SW_MORE_EXPECTED = 0x63f1;
const MAX_LE = 256;

/** Whether the commands behind one with this status word are executed. */
export function goesOn(sw: number): boolean {
  if (sw === SW_TRUNCATED) return false;
  const first = sw >> 8;
  return first === 0x90 || first === 0x91 || first === 0x61 || first === 0x62 || sw === SW_MORE_EXPECTED;
}

export function createRemoteSession(state: State, commands: RemoteCommands): RemoteSession {
  let unread: Uint8Array | undefined;

  const perform = async (command: CommandApdu): Promise<Reply> => {
    let reply: Reply;
    try {
      reply = await commands.process(command);
    } catch (error) {
      state.rollback();
      if (error instanceof StatusWord) return status(error.sw);
      throw error;
    }
    try {
      await state.commit();
    } catch (error) {
      // Without power nothing is answered at all; a medium that is full or worn leaves the card as it was.
      if (isAgentError(error, 'CLOSED')) throw error;
      return status(SW.memoryFailure);
    }
    reply.effect?.();
    return reply;
  };

  /** Data without a Le waits for GET RESPONSE; with one that is too small it is cut. */
  const fitted = ({ data, sw }: Reply, le: number | undefined, room: number): ResponseApdu => {
    if (data.length === 0) return { data: EMPTY, sw };
    if (le === undefined) {
      unread = data;
      return status(SW_MORE_DATA | (Math.min(data.length, MAX_LE) & 0xff));
    }
    const most = Math.min(room, le === MAX_LE ? data.length : le);
    return data.length <= most ? { data, sw } : { data: data.subarray(0, most), sw: SW_TRUNCATED };
  };

  return {
    async execute(apdu, room) {
      const kept = unread;
      unread = undefined;
      const command = readCommand(apdu);
      if (typeof command === 'number') return status(command);
      if (command.ins !== INS_GET_RESPONSE) return fitted(await perform(command), command.le, room);
      if (kept === undefined || command.le === undefined) return status(SW.conditionsOfUse);
      return fitted({ data: kept, sw: SW.ok }, command.le, room);
    },
  };
}

/** The command, or the status word that refuses it: no channel, no secure messaging, no chaining, no extended length here. */
function readCommand(apdu: Uint8Array): CommandApdu | number {
  if (apdu.length > 5 && apdu[4] === 0) return SW.wrongLength;
  try {
    const command = decodeCommandApdu(apdu);
    if ((command.cla & 0x7f) === 0) return command;
    return (command.cla & 0x70) === 0 && (command.cla & 0x0c) === 0
      ? SW.channelNotSupported
      : SW.claNotSupported;
  } catch (error) {
    if (isAgentError(error, 'APDU_INVALID')) return SW.wrongLength;
    throw error;
  }
}
