// Faults of a simulated modem: scripted ("at APDU 37: reset") or by rate, drawn from a seeded source.
import { utf8Bytes } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';

type Level = 'apdu' | 'answer' | 'octet';
type Kind = {
  readonly level: Level;
  /** What the argument is, where there is one. */
  readonly argument?: 'ms' | 'cme' | 'count';
  readonly what: string;
};

export const FAULTS = {
  reset: { level: 'apdu', what: 'the modem restarts before the card sees the command' },
  'reset-after': { level: 'apdu', what: 'the modem restarts when the card has executed the command' },
  'card-mute': { level: 'apdu', what: 'the card stops answering until its next reset' },
  'card-out': { level: 'apdu', argument: 'ms', what: 'the card loses contact for so long' },
  'card-swap': {
    level: 'apdu',
    argument: 'ms',
    what: 'the card is taken out, and after so long another one is in',
  },
  mute: { level: 'apdu', what: 'the card executes the command, its answer never comes' },
  cme: { level: 'apdu', argument: 'cme', what: 'the card executes the command, the modem answers an error' },
  stall: { level: 'apdu', argument: 'ms', what: 'the answer takes so much longer' },
  'drop-port': { level: 'apdu', argument: 'ms', what: 'the port goes away in mid-command and comes back' },
  exhaust: { level: 'apdu', what: 'unknown owners take all logical channels' },
  silence: { level: 'answer', what: 'an answer is lost' },
  truncate: { level: 'answer', what: 'an answer ends early' },
  tear: { level: 'answer', what: 'octets are missing inside an answer' },
  repeat: { level: 'answer', what: 'an answer comes twice' },
  pause: { level: 'answer', argument: 'ms', what: 'an answer stops in the middle for so long' },
  foreign: {
    level: 'answer',
    what: 'another owner of the port has asked something: its answer comes in front',
  },
  'urc-storm': { level: 'answer', argument: 'count', what: 'unsolicited lines come inside an answer' },
  lose: { level: 'octet', what: 'octets are lost, both ways' },
  duplicate: { level: 'octet', what: 'octets come twice, both ways' },
  flip: { level: 'octet', what: 'bits flip, both ways' },
} as const satisfies Readonly<Record<string, Kind>>;

export type FaultKind = keyof typeof FAULTS;

/** When a fault strikes: at the n-th of its level counted from 1, at every n-th, or with a chance at each. */
export type FaultTime = { readonly at: number } | { readonly every: number } | { readonly rate: number };

export type Fault = { readonly kind: FaultKind; readonly argument: number; readonly when: FaultTime };

export type ApduFault = { readonly kind: FaultKind; readonly argument: number };

/** `pause` splits the text at an offset for so many milliseconds. */
export type SpoiledAnswer = {
  readonly text: string;
  readonly pause?: { readonly at: number; readonly ms: number };
};

export type Faults = {
  /** The fault that strikes the next command to the card. */
  nextApdu(): ApduFault | undefined;
  /** What becomes of an answer: the text, and where it stops for how long. */
  answer(text: string): SpoiledAnswer;
  octets(bytes: Uint8Array): Uint8Array;
  /** Nothing strikes any more. */
  stop(): void;
  /** How often each kind struck. */
  readonly struck: Readonly<Record<string, number>>;
};

const DEFAULT_ARGUMENT = { ms: 3_000, cme: 13, count: 5 } as const;

/** Reads `kind[=argument]@(at|every|rate)=number`, like `reset@at=37` or `lose@rate=0.001`. Throws `CONFIG_INVALID`. */
export function parseFault(spec: string): Fault {
  const match = /^([a-z-]+)(?:=(\d+))?@(at|every|rate)=(\d+(?:\.\d+)?)$/.exec(spec);
  const [, name = '', argument, word, number = ''] = match ?? [];
  const kind: Kind | undefined = (FAULTS as Readonly<Record<string, Kind>>)[name];
  if (match === null || kind === undefined) {
    throw new AgentError('CONFIG_INVALID', { fault: spec, expected: 'KIND[=N]@at=N, @every=N or @rate=P' });
  }
  if (argument !== undefined && kind.argument === undefined) {
    throw new AgentError('CONFIG_INVALID', { fault: spec, expected: `no argument for ${name}` });
  }
  const value = Number(number);
  const valid = word === 'rate' ? value <= 1 : Number.isInteger(value) && value >= 1;
  if (!valid)
    throw new AgentError('CONFIG_INVALID', { fault: spec, expected: 'a count from 1, or a rate up to 1' });
  return {
    kind: name as FaultKind,
    argument: argument === undefined ? DEFAULT_ARGUMENT[kind.argument ?? 'count'] : Number(argument),
    when: word === 'at' ? { at: value } : word === 'every' ? { every: value } : { rate: value },
  };
}

/** `next` gives numbers in [0, 1); the same source strikes at the same places. */
export function createFaults(faults: readonly Fault[], random: { next(): number }): Faults {
  const struck: Record<string, number> = {};
  const counts: Record<Level, number> = { apdu: 0, answer: 0, octet: 0 };
  const of = (level: Level): readonly Fault[] => faults.filter(({ kind }) => FAULTS[kind].level === level);
  const byLevel = { apdu: of('apdu'), answer: of('answer'), octet: of('octet') };

  let stopped = false;
  const draw = (level: Level): Fault | undefined => {
    if (stopped) return undefined;
    counts[level]++;
    const found = byLevel[level].find(({ when }) => {
      if ('at' in when) return when.at === counts[level];
      if ('every' in when) return counts[level] % when.every === 0;
      return random.next() < when.rate;
    });
    if (found !== undefined) struck[found.kind] = (struck[found.kind] ?? 0) + 1;
    return found;
  };
  const below = (limit: number): number => Math.floor(random.next() * limit);

  return {
    struck,
    stop: () => void (stopped = true),
    nextApdu: () => (byLevel.apdu.length === 0 ? undefined : draw('apdu')),
    answer(text) {
      if (byLevel.answer.length === 0 || text === '') return { text };
      const fault = draw('answer');
      if (fault === undefined) return { text };
      if (fault.kind === 'pause') return { text, pause: { at: below(text.length), ms: fault.argument } };
      return { text: spoil(text, fault, below) };
    },
    octets(bytes) {
      if (byLevel.octet.length === 0) return bytes;
      const out: number[] = [];
      for (const octet of bytes) {
        const kind = draw('octet')?.kind;
        if (kind === 'lose') continue;
        out.push(kind === 'flip' ? octet ^ (1 << below(8)) : octet);
        if (kind === 'duplicate') out.push(octet);
      }
      return Uint8Array.from(out);
    },
  };
}

const URCS = [
  '+CREG: 2',
  '+CEREG: 1',
  '+CMTI: "SM",3',
  'RING',
  '+CSQN: 20,99',
  '^RSSI: 18',
  '+QIND: "csq",20,99',
];

function spoil(text: string, fault: Fault, below: (limit: number) => number): string {
  const at = below(text.length);
  switch (fault.kind) {
    case 'silence':
      return '';
    case 'truncate':
      return text.slice(0, at);
    case 'tear':
      return text.slice(0, at) + text.slice(at + 1 + below(8));
    case 'repeat':
      return text + text;
    case 'foreign':
      return `\r\n+CSQ: ${below(32)},99\r\n\r\nOK\r\n${text}`;
    case 'urc-storm': {
      let stormy = text;
      for (let i = 0; i < fault.argument; i++) {
        const place = below(stormy.length + 1);
        stormy = `${stormy.slice(0, place)}\r\n${URCS[below(URCS.length)]}\r\n${stormy.slice(place)}`;
      }
      return stormy;
    }
    default:
      return text;
  }
}

/** Lines that no AT client understands, as a diagnostics port sends them. */
export const DIAGNOSTIC_NOISE = Uint8Array.of(0x7e, 0x13, 0x42, ...utf8Bytes('BAD CMD'), 0x9a, 0xce, 0x7e);
