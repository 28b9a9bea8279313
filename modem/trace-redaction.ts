// Takes secrets out of a trace, each replaced by as many other octets, so that what is left reads and plays as before.
import { fromHex } from '../base/bytes.ts';
import { passwordsIn } from '../codec/at-passwords.ts';
import { storeDataIsOpen } from '../codec/es10-openness.ts';
import { latin1, type MaskedRun, type TraceEntry, type TraceOctets } from '../codec/modem-trace.ts';
import { createIdentities, type IdentityKind, type Replacement } from './trace-identities.ts';

export type RedactionOptions = {
  /** ICCID, IMSI, EID and IMEI too, beside PINs, passwords, keys and what is loaded onto a card. */
  readonly identities: boolean;
};

export type TraceRedactor = {
  /** Entries that belong together: whole exchanges. */
  redact(entries: readonly TraceEntry[]): readonly TraceEntry[];
  /** Whether what was `held` so far is whole when `octets` are the next that are written. */
  mayCutBefore(held: readonly TraceEntry[], octets: Uint8Array): boolean;
  /** A text about the trace, such as a report. */
  text(text: string): string;
};

type Direction = TraceOctets['dir'];
type Line = { readonly dir: Direction; readonly from: number; text: string };

/** The hex of an APDU in a command or an answer; with a length before it, and a session before that. */
const APDU = /\+C(?:SIM|GLA)\s*[=:][^"]*?,\s*"?([0-9A-Fa-f]{4,})(?![0-9A-Fa-f]|\s*,)/i;
const CRSM_ANSWER = /\+CRSM\s*:\s*\d+\s*,\s*\d+\s*,\s*"?([0-9A-Fa-f]+)/i;
const CRSM_FILE = /\+CRSM\s*=\s*\d+\s*,\s*(\d+)/i;
/** EF.Keys and EF.KeysPS hold session keys (3GPP TS 31.102, 4.2.3, 4.2.4). */
const KEY_FILES = ['28424', '28425'];

const INS = { authenticate: 0x88, getResponse: 0xc0, putKey: 0xd8, storeData: 0xe2 } as const;
/** VERIFY, CHANGE, DISABLE, ENABLE and UNBLOCK PIN (ETSI TS 102 221, 11.1.9 to 11.1.13). */
const PIN_INS: readonly number[] = [0x20, 0x24, 0x26, 0x28, 0x2c];
const HEADER_DIGITS = 10;
const STATUS_DIGITS = 4;

/** What was asked for, where the answer does not say what it is. */
const ASKED: readonly (readonly [RegExp, IdentityKind])[] = [
  [/\+CGSN/i, 'imei'],
  [/\+CIMI/i, 'imsi'],
];

/** Remembers identities: one redactor for one recording. */
export function createTraceRedactor(options: RedactionOptions): TraceRedactor {
  const identities = options.identities ? createIdentities() : undefined;
  /** The chain of STORE DATA that is under way, and whether the answer that comes is secret. */
  let secretChain = false;
  let secretAnswer = false;

  const redact = (entries: readonly TraceEntry[]): readonly TraceEntry[] => {
    const page = createPage(entries);
    let command = '';
    /** Places in `page` of the data that went by, put together: objects may be cut between two APDUs. */
    const data: Record<Direction | 'echo', number[]> = { out: [], in: [], echo: [] };
    const cover = (dir: Direction, from: number, length: number): void =>
      page.put(dir, { from, text: '0'.repeat(Math.max(0, length)) });
    const apdu = (dir: Direction, from: number, hex: string, echo: boolean): void => {
      if (dir === 'out' || echo) {
        const secret = commandSecret(hex);
        if (secret !== undefined) cover(dir, from + secret.from, secret.length);
        for (let at = HEADER_DIGITS; at < hex.length; at++) data[echo ? 'echo' : dir].push(from + at);
        return;
      }
      const length = hex.length - STATUS_DIGITS;
      if (secretAnswer) cover(dir, from, length);
      if (identities !== undefined) {
        for (const each of identities.inHex(hex.slice(0, length), true)) page.put(dir, shifted(each, from));
      }
      for (let at = 0; at < length; at++) data[dir].push(from + at);
    };
    const commandSecret = (hex: string): { readonly from: number; readonly length: number } | undefined => {
      const [, ins = 0, , p2 = 0] = fromHex(hex.slice(0, HEADER_DIGITS).padEnd(HEADER_DIGITS, '0'));
      const all = { from: HEADER_DIGITS, length: hex.length - HEADER_DIGITS };
      if (ins === INS.getResponse) return undefined;
      if (ins === INS.storeData) {
        const open = p2 === 0 ? storeDataIsOpen(hex.slice(HEADER_DIGITS)) : !secretChain;
        secretChain = !open;
        secretAnswer = secretChain;
        return open ? undefined : all;
      }
      secretAnswer = ins === INS.authenticate;
      return ins === INS.putKey || PIN_INS.includes(ins) ? all : undefined;
    };

    for (const { dir, from, text } of linesOf(entries)) {
      const echo = dir === 'in' && text === command;
      if (dir === 'out') command = text;
      const hex = APDU.exec(text);
      if (hex?.[1] !== undefined) {
        apdu(dir, from + hex.index + hex[0].length - hex[1].length, hex[1], echo);
        continue;
      }
      for (const { from: at, length } of passwordsIn(text)) cover(dir, from + at, length);
      const file = CRSM_ANSWER.exec(text);
      if (file?.[1] !== undefined) {
        const at = from + file.index + file[0].length - file[1].length;
        if (KEY_FILES.includes(CRSM_FILE.exec(command)?.[1] ?? '')) cover(dir, at, file[1].length);
        for (const each of identities?.inHex(file[1], true) ?? []) page.put(dir, shifted(each, at));
        continue;
      }
      const asked = ASKED.find(([pattern]) => pattern.test(command))?.[1];
      for (const each of identities?.inText(text, asked) ?? []) page.put(dir, shifted(each, from));
    }
    for (const stream of ['out', 'in', 'echo'] as const) {
      const dir = stream === 'echo' ? 'in' : stream;
      const hex = data[stream].map((at) => page.at(dir, at)).join('');
      for (const { from, text } of identities?.inHex(hex, false) ?? []) {
        for (const [i, character] of Array.from(text).entries()) {
          page.put(dir, { from: data[stream][from + i] ?? -1, text: character });
        }
      }
    }
    return page.entries();
  };
  return {
    redact,
    mayCutBefore(held, octets) {
      const last = held.findLast(
        (entry): entry is TraceOctets => entry.is === 'octets' && entry.dir === 'out',
      );
      if (last !== undefined && !/[\r\n]$/.test(latin1(last.octets))) return false;
      const next = latin1(octets);
      if (/^AT\+CSIM=[01]\s/i.test(next)) return false;
      const hex = APDU.exec(next)?.[1];
      if (hex === undefined) return true;
      const [, ins = 0, , p2 = 0] = fromHex(hex.slice(0, 8).padEnd(8, '0'));
      return ins !== INS.getResponse && !(ins === INS.storeData && p2 !== 0);
    },
    text(text) {
      const changed = Array.from(text);
      for (const { from, text: other } of identities?.inText(text, undefined) ?? []) {
        changed.splice(from, other.length, ...Array.from(other));
      }
      return changed.join('');
    },
  };
}

function shifted({ from, text }: Replacement, by: number): Replacement {
  return { from: from + by, text };
}

/** Both directions as texts in which runs are replaced, cut into entries again afterwards. */
function createPage(entries: readonly TraceEntry[]): {
  put(dir: Direction, replacement: Replacement): void;
  at(dir: Direction, position: number): string;
  entries(): readonly TraceEntry[];
} {
  const texts: Record<Direction, string[]> = { out: [], in: [] };
  const masked: Record<Direction, Set<number>> = { out: new Set(), in: new Set() };
  for (const entry of entries) {
    if (entry.is !== 'octets') continue;
    for (const octet of entry.octets) texts[entry.dir].push(String.fromCharCode(octet));
    for (const [from, octets] of entry.masked ?? []) {
      const start = texts[entry.dir].length - entry.octets.length + from;
      for (let at = start; at < start + octets; at++) masked[entry.dir].add(at);
    }
  }
  return {
    put(dir, { from, text }) {
      for (const [i, character] of Array.from(text).entries()) {
        if (texts[dir][from + i] === undefined) continue;
        texts[dir][from + i] = character;
        masked[dir].add(from + i);
      }
    },
    at: (dir, position) => texts[dir][position] ?? '',
    entries() {
      const next: Record<Direction, number> = { out: 0, in: 0 };
      return entries.map((entry) => {
        if (entry.is !== 'octets') return entry;
        const from = next[entry.dir];
        const to = from + entry.octets.length;
        next[entry.dir] = to;
        const { masked: _, ...rest } = entry;
        const octets = Uint8Array.from(texts[entry.dir].slice(from, to), (character) =>
          character.charCodeAt(0),
        );
        const runs = runsOf(masked[entry.dir], from, to);
        return { ...rest, octets, ...(runs.length === 0 ? {} : { masked: runs }) };
      });
    },
  };
}

function runsOf(masked: ReadonlySet<number>, from: number, to: number): readonly MaskedRun[] {
  const runs: [number, number][] = [];
  for (let at = from; at < to; at++) {
    if (!masked.has(at)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === at - from) last[1]++;
    else runs.push([at - from, 1]);
  }
  return runs;
}

/** Lines with their place in what was said in their direction, in the order in which they began. */
function linesOf(entries: readonly TraceEntry[]): readonly Line[] {
  const lines: Line[] = [];
  const open: { out?: Line | undefined; in?: Line | undefined } = {};
  const length: Record<Direction, number> = { out: 0, in: 0 };
  for (const entry of entries) {
    if (entry.is !== 'octets') continue;
    const { dir } = entry;
    for (const octet of entry.octets) {
      const at = length[dir]++;
      if (octet === 0x0d || octet === 0x0a) {
        open[dir] = undefined;
        continue;
      }
      let line = open[dir];
      if (line === undefined) lines.push((line = open[dir] = { dir, from: at, text: '' }));
      line.text += String.fromCharCode(octet);
    }
  }
  return lines;
}
