// The card application toolkit as far as an eUICC needs it: TERMINAL PROFILE and CAPABILITY, one proactive command at a
// time, ENVELOPE (ETSI TS 102 221, 11.1.19 and 11.2; ETSI TS 102 223).
import { fromHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv, readTlvs, type Tlv } from '../../codec/ber-tlv.ts';
import { type Card, type Instruction, PROPRIETARY } from './card.ts';
import { ok, refuse, type Reply } from './reply.ts';

const TAG_PROACTIVE = 0xd0;
const TAG_COMMAND_DETAILS = 0x81;
const COMPREHENSION = 0x80;
const TAG_RESULT = 0x03;
const REFRESH = 0x01;
/** From the UICC to the terminal. */
const DEVICE_IDENTITIES = fromHex('82028182');
const TAG_TERMINAL_CAPABILITY = 0xa9;

/** REFRESH modes (ETSI TS 102 223, 8.6). */
export const REFRESH_UICC_RESET = 0x04;

/** How the terminal took a proactive command: 0X done, 2X not now, 3X never (ETSI TS 102 223, 8.12). */
type TerminalResult = 'done' | 'later' | 'refused';

type Proactive = {
  readonly command: Uint8Array;
  readonly type: number;
  readonly onResponse: (result: TerminalResult) => void;
  fetched: boolean;
};

/** The toolkit session. Volatile: a reset ends it. */
export type Cat = {
  /** The command that waits to be fetched. */
  readonly waiting: Uint8Array | undefined;
  /** Whether a proactive command waits or is being carried out. */
  readonly busy: boolean;
  /** Offers a REFRESH; `onResponse` runs within the command that brings the answer. Throws no error: ask `busy` before. */
  refresh(mode: number, onResponse: (result: TerminalResult) => void): void;
  fetched(): void;
  respond(objects: readonly Tlv[]): boolean;
};

export function createCat(): Cat {
  let current: Proactive | undefined;
  let number = 0;
  return {
    get waiting() {
      return current?.fetched === false ? current.command : undefined;
    },
    get busy() {
      return current !== undefined;
    },
    refresh(mode, onResponse) {
      number = (number % 0xfe) + 1;
      const details = encodeTlv(TAG_COMMAND_DETAILS, Uint8Array.of(number, REFRESH, mode));
      const command = encodeTlv(TAG_PROACTIVE, details, DEVICE_IDENTITIES);
      current = { command, type: REFRESH, onResponse, fetched: false };
    },
    fetched() {
      if (current !== undefined) current.fetched = true;
    },
    respond(objects) {
      const answered = current;
      if (answered?.fetched !== true) return false;
      const result = resultOf(objects);
      if (result === undefined) return false;
      current = undefined;
      answered.onResponse(result);
      return true;
    },
  };
}

function resultOf(objects: readonly Tlv[]): TerminalResult | undefined {
  const general = objects.find(({ tag }) => (tag & ~COMPREHENSION) === TAG_RESULT)?.value[0];
  if (general === undefined) return undefined;
  if (general < 0x20) return 'done';
  return general < 0x30 ? 'later' : 'refused';
}

function readObjects(data: Uint8Array): readonly Tlv[] {
  try {
    return readTlvs(data);
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}

function requireZero({ p1, p2 }: CommandApdu): void {
  if (p1 !== 0 || p2 !== 0) refuse(SW.incorrectP1P2);
}

function terminalCapability(_card: Card, _channel: unknown, command: CommandApdu): Reply {
  requireZero(command);
  if (command.data.length === 0) refuse(SW.wrongLength);
  if (readObjects(command.data)[0]?.tag !== TAG_TERMINAL_CAPABILITY) refuse(SW.wrongData);
  return ok();
}

function terminalProfile(_card: Card, _channel: unknown, command: CommandApdu): Reply {
  requireZero(command);
  if (command.data.length === 0) refuse(SW.wrongLength);
  return ok();
}

function fetch(card: Card, _channel: unknown, command: CommandApdu): Reply {
  requireZero(command);
  if (command.data.length > 0) refuse(SW.wrongLength);
  const { waiting } = card.cat;
  if (waiting === undefined) refuse(SW.conditionsOfUse);
  return ok(waiting, () => card.cat.fetched());
}

function terminalResponse(card: Card, _channel: unknown, command: CommandApdu): Reply {
  requireZero(command);
  if (command.data.length === 0) refuse(SW.wrongLength);
  if (!card.cat.busy) refuse(SW.conditionsOfUse);
  if (!card.cat.respond(readObjects(command.data))) refuse(SW.wrongData);
  return ok();
}

function envelope(_card: Card, _channel: unknown, command: CommandApdu): Reply {
  requireZero(command);
  if (command.data.length === 0) refuse(SW.wrongLength);
  if (readObjects(command.data).length !== 1) refuse(SW.wrongData);
  return ok();
}

export const CAT_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0xaa, classes: PROPRIETARY, always: true, run: terminalCapability },
  { ins: 0x10, classes: PROPRIETARY, always: true, run: terminalProfile },
  { ins: 0x12, classes: PROPRIETARY, always: true, run: fetch },
  { ins: 0x14, classes: PROPRIETARY, always: true, run: terminalResponse },
  { ins: 0xc2, classes: PROPRIETARY, always: true, run: envelope },
];
