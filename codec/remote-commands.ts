// Remote command data as a card takes it apart: expanded scripts and compact command strings (ETSI TS 102 226, 5.1 and 5.2).
import { bytesUint, concat, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { BAD_FORMAT, SCRIPT_TAG } from './script.ts';

/** One object of a Command Scripting template, in its order. Values are views. */
export type ScriptObject =
  | { readonly is: 'command'; readonly apdu: Uint8Array }
  | { readonly is: 'immediateAction' | 'errorAction' | 'chaining'; readonly value: Uint8Array };

export type RemoteScript = {
  readonly form: 'definite' | 'indefinite';
  /** The objects up to the end, or to the first octets that are none. */
  readonly objects: readonly ScriptObject[];
  /** Why nothing was read beyond them, as in `BAD_FORMAT`. */
  readonly badFormat?: number;
};

/** The bit of a COMPREHENSION-TLV tag that asks for comprehension. */
const COMPREHENSION = 0x80;

const ACTIONS: Readonly<Record<number, Exclude<ScriptObject['is'], 'command'>>> = {
  [SCRIPT_TAG.immediateAction]: 'immediateAction',
  [SCRIPT_TAG.errorAction]: 'errorAction',
  [SCRIPT_TAG.chaining]: 'chaining',
};

/** Whether secured data is a script of the expanded format; everything else is a compact command string. */
export function isExpanded(data: Uint8Array): boolean {
  return data[0] === SCRIPT_TAG.command || data[0] === SCRIPT_TAG.commandIndefinite;
}

type Length = { readonly length: number; readonly valueAt: number };

/** A definite length of one to four octets, or why there is none. */
function readLength(bytes: Uint8Array, at: number): Length | number {
  const first = bytes[at];
  if (first === undefined) return BAD_FORMAT.lengthNotFound;
  const more = first < 0x80 ? 0 : first - 0x80;
  if (first === 0x80 || more > 3) return BAD_FORMAT.wrongLength;
  const valueAt = at + 1 + more;
  if (valueAt > bytes.length) return BAD_FORMAT.lengthNotFound;
  return { length: more === 0 ? first : bytesUint(bytes.subarray(at + 1, valueAt)), valueAt };
}

/** Reads a script of either form. Total: what cannot be read is told in `badFormat`. */
export function readRemoteScript(script: Uint8Array): RemoteScript {
  const indefinite = script[0] === SCRIPT_TAG.commandIndefinite && script[1] === 0x80;
  const form = script[0] === SCRIPT_TAG.commandIndefinite ? 'indefinite' : 'definite';
  if (indefinite) return { form, ...readObjects(script.subarray(2), true) };
  const template = readLength(script, 1);
  if (typeof template === 'number') return { form, objects: [], badFormat: template };
  if (template.valueAt + template.length !== script.length) {
    return { form, objects: [], badFormat: BAD_FORMAT.wrongLength };
  }
  return { form, ...readObjects(script.subarray(template.valueAt), false) };
}

function readObjects(bytes: Uint8Array, indefinite: boolean): Omit<RemoteScript, 'form'> {
  const objects: ScriptObject[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    if (indefinite && tag === 0) {
      const ended = bytes[at + 1] === 0 && at + 2 === bytes.length;
      return ended ? { objects } : { objects, badFormat: BAD_FORMAT.wrongLength };
    }
    const isCommand = (tag & ~COMPREHENSION) === SCRIPT_TAG.commandApdu;
    const action = ACTIONS[tag];
    if (!isCommand && action === undefined) return { objects, badFormat: BAD_FORMAT.unknownTag };
    const length = readLength(bytes, at + 1);
    if (typeof length === 'number') return { objects, badFormat: length };
    const end = length.valueAt + length.length;
    if (end > bytes.length) return { objects, badFormat: BAD_FORMAT.wrongLength };
    const value = bytes.subarray(length.valueAt, end);
    objects.push(action === undefined ? { is: 'command', apdu: value } : { is: action, value });
    at = end;
  }
  return indefinite ? { objects, badFormat: BAD_FORMAT.lengthNotFound } : { objects };
}

/** Instructions whose P3 is a length of the answer: READ BINARY, READ RECORD, GET RESPONSE, GET DATA. */
const READING: ReadonlySet<number> = new Set([0xb0, 0xb2, 0xc0, 0xca]);
const HEADER_OCTETS = 5;

/**
 * The commands of a compact string, each as an APDU. P3 is Lc, except for the commands that read. Behind the last command Le may
 * stand. Octets that are no whole command come last, as they are, for the card to refuse. Views.
 */
export function splitCompactCommands(data: Uint8Array): Uint8Array[] {
  const commands: Uint8Array[] = [];
  for (let at = 0; at < data.length; ) {
    const rest = data.subarray(at);
    const p3 = rest[4];
    if (p3 === undefined) return [...commands, rest];
    const reads = READING.has(rest[1] ?? 0);
    const end = HEADER_OCTETS + (reads ? 0 : p3);
    // Case 1 has P3 too in this format, case 4 may have Le at the very end.
    const whole = rest.length === end + 1 && !reads && p3 > 0 ? rest.length : end;
    commands.push(!reads && p3 === 0 ? rest.subarray(0, 4) : rest.subarray(0, whole));
    at += whole;
  }
  return commands;
}

/** How a compact string went: commands executed, status word and data of the last one. */
export type CompactResponse = {
  readonly executed: number;
  readonly sw: number;
  readonly data: Uint8Array;
};

const MOST_COUNTED = 255;

/** Number, status word and data (5.1.2). */
export function encodeCompactResponse({ executed, sw, data }: CompactResponse): Uint8Array {
  return concat(Uint8Array.of(Math.min(executed, MOST_COUNTED)), uintBytes(sw, 2), data);
}

/** Reads what a card answered to a compact string. Throws `PACKET_INVALID`. `data` is a view. */
export function decodeCompactResponse(bytes: Uint8Array): CompactResponse {
  const [executed] = bytes;
  if (executed === undefined || bytes.length < 3)
    throw new AgentError('PACKET_INVALID', { octets: bytes.length, why: 'no compact response' });
  return { executed, sw: bytesUint(bytes.subarray(1, 3)), data: bytes.subarray(3) };
}
