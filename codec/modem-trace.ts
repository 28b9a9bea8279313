// Traces of the line to a modem: every octet with its direction and time, a line of JSON each. docs/hardware.md shows one.
import { bytesUtf8, fromHex, toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';

/** The first line of a trace, and of each part of it after the file was full. */
export type TraceHeader = {
  /** Wall time of `t` 0, ISO 8601. */
  readonly started: string;
  /** Who recorded it, and with what at the other end. */
  readonly program: string;
  readonly port?: string;
  /** What was replaced: `secrets`, `identities`. */
  readonly redacted?: readonly string[];
  /** Further parts of one recording count from 2. */
  readonly part?: number;
};

/** A run of octets that stands for others of the same number: where it begins, and how many there are. */
export type MaskedRun = readonly [from: number, octets: number];

export type TraceOctets = {
  readonly is: 'octets';
  /** Monotonic milliseconds from the start of the recording. */
  readonly t: number;
  /** `out` goes to the modem. */
  readonly dir: 'out' | 'in';
  readonly octets: Uint8Array;
  readonly masked?: readonly MaskedRun[];
};

export type TraceEvent = {
  readonly is: 'event';
  readonly t: number;
  /** `opened`, `closed`, `error`, `rate`, `step`, or what the recording program has to say. */
  readonly event: string;
  readonly data: Readonly<Record<string, string | number | boolean>>;
};

export type TraceEntry = TraceOctets | TraceEvent;

/** An entry as it was read, with the number of its line from 1. */
export type ReadEntry = TraceEntry & { readonly line: number };

export type TraceSession = {
  readonly header: TraceHeader;
  readonly entries: readonly ReadEntry[];
};

export type ModemTrace = {
  readonly sessions: readonly TraceSession[];
  /** Lines that a crash cut off; nothing is read from them. */
  readonly torn: readonly number[];
};

const FORMAT = 'modem line';
const VERSION = 1;

export function encodeTraceHeader(header: TraceHeader): string {
  return JSON.stringify({ trace: FORMAT, version: VERSION, ...header });
}

/** Text stands for itself where all of it is ASCII that a modem says in order; anything else is hex. */
const PLAIN = /^[\t\n\r\x20-\x7e]*$/;

export function encodeTraceEntry(entry: TraceEntry): string {
  const t = Math.round(entry.t * 1000) / 1000;
  if (entry.is === 'event') return JSON.stringify({ t, event: entry.event, ...entry.data });
  const text = latin1(entry.octets);
  const content = PLAIN.test(text) ? { text } : { hex: toHex(entry.octets) };
  const masked = entry.masked === undefined || entry.masked.length === 0 ? {} : { masked: entry.masked };
  return JSON.stringify({ t, dir: entry.dir, ...content, ...masked });
}

/** Octets as characters, one each. */
export function latin1(octets: Uint8Array): string {
  let text = '';
  for (let from = 0; from < octets.length; from += 4096) {
    text += String.fromCharCode(...octets.subarray(from, from + 4096));
  }
  return text;
}

/** Whether a text begins like a trace of a modem's line. */
export function isModemTrace(text: string): boolean {
  return /^\s*\{\s*"trace"\s*:\s*"modem line"/.test(text);
}

/**
 * Reads a trace. A line that a crash cut off, the last one or the last before a new recording, is told and left out. Throws
 * `TRACE_INVALID` with the line and what was expected there.
 */
export function parseModemTrace(content: Uint8Array): ModemTrace {
  const sessions: { header: TraceHeader; entries: ReadEntry[] }[] = [];
  const torn: number[] = [];
  /** The fault of the line before, if it may be a torn one. */
  let doubt: AgentError | undefined;
  for (const [i, text] of textOf(content).split('\n').entries()) {
    const line = i + 1;
    if (text.trim() === '') continue;
    try {
      const value = objectOf(text, line);
      if (sessions.length === 0 || value['trace'] !== undefined) {
        sessions.push({ header: headerOf(value, line), entries: [] });
        doubt = undefined;
        continue;
      }
      if (doubt !== undefined) throw doubt;
      sessions.at(-1)?.entries.push(entryOf(value, line));
    } catch (error) {
      if (doubt !== undefined || sessions.length === 0 || !isAgentError(error)) throw doubt ?? error;
      doubt = error;
      torn.push(line);
    }
  }
  if (doubt !== undefined && content.at(-1) === 0x0a) throw doubt;
  if (sessions.length === 0) throw invalid(1, 'the first line of a trace', 'nothing');
  return { sessions, torn };
}

function textOf(content: Uint8Array): string {
  try {
    return bytesUtf8(content);
  } catch {
    // Octets of a torn page: the lines around them are good.
    return latin1(content);
  }
}

type Json = Readonly<Record<string, unknown>>;

function objectOf(text: string, line: number): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(line, 'a JSON object', text);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(line, 'a JSON object', text);
  }
  return value as Json;
}

function headerOf(value: Json, line: number): TraceHeader {
  if (value['trace'] !== FORMAT) throw invalid(line, `"trace": "${FORMAT}"`, value['trace']);
  if (value['version'] !== VERSION) throw invalid(line, `"version": ${VERSION}`, value['version']);
  const { started, program, port, redacted, part } = value;
  return {
    started: typeof started === 'string' ? started : '',
    program: typeof program === 'string' ? program : '',
    ...(typeof port === 'string' ? { port } : {}),
    ...(Array.isArray(redacted) ? { redacted: redacted.map(String) } : {}),
    ...(typeof part === 'number' ? { part } : {}),
  };
}

function entryOf(value: Json, line: number): ReadEntry {
  const { t, event, dir, text, hex, masked, ...data } = value;
  if (typeof t !== 'number' || !Number.isFinite(t) || t < 0) throw invalid(line, '"t": milliseconds', t);
  if (event !== undefined) {
    if (typeof event !== 'string') throw invalid(line, '"event": a name', event);
    return { is: 'event', line, t, event, data: plainData(data) };
  }
  if (dir !== 'out' && dir !== 'in') throw invalid(line, '"dir": "out" or "in", or "event"', dir);
  const octets = octetsOf(text, hex, line);
  const runs = masked === undefined ? undefined : runsOf(masked, octets.length, line);
  return { is: 'octets', line, t, dir, octets, ...(runs === undefined ? {} : { masked: runs }) };
}

function octetsOf(text: unknown, hex: unknown, line: number): Uint8Array {
  if (typeof text === 'string') {
    // eslint-disable-next-line no-control-regex -- any octet of seven bits is text to a modem
    if (!/^[\0-\x7f]*$/.test(text)) throw invalid(line, '"text" of ASCII, or "hex"', text);
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }
  if (typeof hex !== 'string' || !/^(?:[0-9A-Fa-f]{2})*$/.test(hex)) {
    throw invalid(line, '"text", or "hex" of whole octets', hex);
  }
  return fromHex(hex);
}

function runsOf(masked: unknown, octets: number, line: number): readonly MaskedRun[] {
  const isRun = (run: unknown): run is MaskedRun =>
    Array.isArray(run) &&
    run.length === 2 &&
    run.every((value) => Number.isInteger(value) && value >= 0) &&
    Number(run[0]) + Number(run[1]) <= octets;
  if (!Array.isArray(masked) || !masked.every(isRun)) {
    throw invalid(line, '"masked": runs [from, octets] inside the octets', masked);
  }
  return masked;
}

function plainData(data: Json): TraceEvent['data'] {
  return Object.fromEntries(
    Object.entries(data).filter(
      (pair): pair is [string, string | number | boolean] =>
        typeof pair[1] === 'string' || typeof pair[1] === 'number' || typeof pair[1] === 'boolean',
    ),
  );
}

const SHOWN = 60;

function invalid(line: number, expected: string, found: unknown): AgentError {
  const text = typeof found === 'string' ? found : (JSON.stringify(found) ?? 'nothing');
  return new AgentError('TRACE_INVALID', { line, expected, found: text.trim().slice(0, SHOWN) });
}
