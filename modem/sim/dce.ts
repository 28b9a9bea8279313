// The simulated modem's side of the dialogue (ITU-T V.250, 5 and 6.2): collects command lines, echoes, formats results.
import { bytesUtf8, utf8Bytes } from '../../base/bytes.ts';
import { CME_ERRORS } from '../cme-errors.ts';
import type { SpoiledAnswer } from './faults.ts';
import type { Arrival, SimLine } from './line-pacer.ts';

/** What shapes the dialogue; ATZ and &F put the defaults back. */
export type DialogueSettings = {
  echo: boolean;
  verbose: boolean;
  quiet: boolean;
  /** Line terminator, line feed and backspace characters. */
  s3: number;
  s4: number;
  s5: number;
  /** +CMEE: 0 plain ERROR, 1 numbers, 2 words. */
  errorLevel: 0 | 1 | 2;
};

export function defaultDialogue(): DialogueSettings {
  return { echo: true, verbose: true, quiet: false, s3: 13, s4: 10, s5: 8, errorLevel: 0 };
}

/** The end of a command line. */
export type FinalResult =
  | 'OK'
  | 'ERROR'
  | 'NO CARRIER'
  | { readonly cme: number }
  /** +CMS ERROR of 3GPP TS 27.005, 3.2.5. */
  | { readonly cms: number }
  /** No result at all: the modem resets, hangs, or drops it. */
  | 'SILENT';

export type LineResult = { readonly info: readonly string[]; readonly final: FinalResult };

export type Dce = {
  /** An unsolicited result code; held back while a command line is executed. */
  unsolicited(text: string): void;
  /** Prompts for a text (3GPP TS 27.005, 3.5.1): up to Ctrl-Z. Undefined when the terminal gives it up with ESC. */
  ask(): Promise<string | undefined>;
  /** Forgets what was typed and said, as a restart does. */
  reset(): void;
};

export type DceOptions = {
  readonly settings: DialogueSettings;
  /** The line to answer on; undefined while no terminal is there. */
  readonly line: () => SimLine | undefined;
  /** Executes the body of one command line, without its AT. */
  readonly execute: (body: string) => Promise<LineResult>;
  /** Called when the answer of a line is on its way. */
  readonly onAnswered: () => void;
  /** What stands around lines in place of S3 and S4. */
  readonly lineEnd?: string;
  /** Echoes whatever ATE says. */
  readonly stuckEcho?: boolean;
  /** An unsolicited line in front of every answer. */
  readonly lineBefore?: string;
  /** The vendor's words for errors, in place of numbers and standard texts. */
  readonly errorWords?: (cme: number) => string;
  /** Spoils an answer on its way out. */
  readonly spoil?: (text: string) => SpoiledAnswer;
  readonly sleep?: (ms: number) => Promise<void>;
};

const NUMERIC: Readonly<Record<string, string>> = { OK: '0', 'NO CARRIER': '3', ERROR: '4' };
const MAX_LINE_OCTETS = 16_384;
const MAX_QUEUED_LINES = 64;
/** Reports that wait for the end of a command; of more, the latest. */
const MAX_HELD_REPORTS = 128;
const MAX_TEXT_OCTETS = 1_024;
const SPACE = 0x20;
const CTRL_Z = 0x1a;
const ESC = 0x1b;
const SLASH = 0x2f;

/** One per modem; `feed` takes what arrives. */
export function createDce(options: DceOptions): Dce & { feed(arrival: Arrival): void } {
  const { settings } = options;
  let typed: number[] = [];
  let overflow = false;
  let lastBody = '';
  let queue: { readonly body: string; readonly endedUs: number }[] = [];
  let running = false;
  let held: string[] = [];
  let life = 0;
  /** The text that a command has prompted for. */
  let entry: { readonly text: number[]; readonly done: (text: string | undefined) => void } | undefined;
  /** When the octets that are taken now have arrived: what they ask for is answered after that. */
  let endedUs = 0;

  const send = (text: string, notBeforeUs?: number): void => {
    if (text !== '') options.line()?.send(utf8Bytes(text), notBeforeUs);
  };
  const eol = (): string => options.lineEnd ?? String.fromCharCode(settings.s3, settings.s4);
  const infoText = (lines: readonly string[]): string => {
    if (lines.length === 0) return '';
    const body = lines.join(eol());
    return settings.verbose ? `${eol()}${body}${eol()}` : `${body}${eol()}`;
  };
  const finalText = (final: FinalResult): string => {
    if (final === 'SILENT' || settings.quiet) return '';
    if (typeof final === 'object' && 'cms' in final) return `${eol()}+CMS ERROR: ${final.cms}${eol()}`;
    if (typeof final === 'object') {
      if (options.errorWords !== undefined)
        return `${eol()}+CME ERROR: ${options.errorWords(final.cme)}${eol()}`;
      if (settings.errorLevel === 0) return finalText('ERROR');
      const err = settings.errorLevel === 1 ? String(final.cme) : (CME_ERRORS[final.cme] ?? 'unknown');
      // V does not change the form of this result code (3GPP TS 27.007, 9.2).
      return `${eol()}+CME ERROR: ${err}${eol()}`;
    }
    return settings.verbose
      ? `${eol()}${final}${eol()}`
      : `${NUMERIC[final]}${String.fromCharCode(settings.s3)}`;
  };

  const runQueue = async (): Promise<void> => {
    if (running) return;
    running = true;
    const mine = life;
    for (let line = queue.shift(); line !== undefined; line = queue.shift()) {
      const { info, final } = await options.execute(line.body);
      if (mine !== life) return; // the modem restarted meanwhile
      const before =
        options.lineBefore === undefined || final === 'SILENT' ? '' : urcText(options.lineBefore);
      const answer = before + infoText(info) + finalText(final);
      const { text, pause } = options.spoil?.(answer) ?? { text: answer };
      const at = pause?.at ?? text.length;
      send(text.slice(0, at), Math.max(line.endedUs, options.line()?.elapsedUs() ?? 0));
      if (pause !== undefined) await options.sleep?.(pause.ms);
      if (mine !== life) return;
      send(text.slice(at) + releaseHeld());
      options.onAnswered();
    }
    running = false;
  };
  const releaseHeld = (): string => {
    const text = held.map(urcText).join('');
    held = [];
    return text;
  };
  const urcText = (text: string): string =>
    settings.quiet ? '' : settings.verbose ? `${eol()}${text}${eol()}` : `${text}${eol()}`;

  const endLine = (): void => {
    const text = overflow ? undefined : decode(typed);
    typed = [];
    const tooLong = overflow;
    overflow = false;
    const at = text?.search(/AT|at|At|aT/) ?? -1;
    if (tooLong || (text !== undefined && at >= 0)) {
      // A body that cannot be parsed answers ERROR.
      const body = tooLong || text === undefined ? '\0' : text.slice(at + 2);
      lastBody = body;
      enqueue(body);
    }
  };
  const enqueue = (body: string): void => {
    if (queue.length < MAX_QUEUED_LINES) queue.push({ body, endedUs });
    void runQueue();
  };
  const takeText = (octet: number): void => {
    if (entry === undefined) return;
    if (octet === CTRL_Z || octet === ESC) {
      const { text, done } = entry;
      entry = undefined;
      done(octet === ESC ? undefined : (decode(text) ?? ''));
    } else if (octet === settings.s5) {
      entry.text.pop();
    } else if (octet >= SPACE && entry.text.length < MAX_TEXT_OCTETS) {
      entry.text.push(octet);
    }
  };
  const take = (octet: number): void => {
    if (entry !== undefined) {
      takeText(octet);
      return;
    }
    if (octet === settings.s3) {
      endLine();
      return;
    }
    if (octet === settings.s5) {
      typed.pop();
    } else if (octet >= SPACE) {
      // Other control characters are ignored (5.2.2).
      if (typed.length < MAX_LINE_OCTETS) typed.push(octet);
      else overflow = true;
    }
    if (octet === SLASH && typed.length === 2 && (typed[0] === 0x41 || typed[0] === 0x61)) {
      typed = []; // A/ repeats the last line at once, without a terminator (5.2.4)
      enqueue(lastBody);
    }
  };

  return {
    feed({ bytes, beganUs, endedUs: lastUs }) {
      endedUs = lastUs;
      if (settings.echo || options.stuckEcho === true) options.line()?.send(bytes, beganUs);
      for (const octet of bytes) take(octet);
    },
    unsolicited(text) {
      if (running) held = [...held.slice(1 - MAX_HELD_REPORTS), text];
      else send(urcText(text));
    },
    ask() {
      send(`${eol()}> `);
      return new Promise((resolve) => {
        entry = { text: [], done: resolve };
      });
    },
    reset() {
      life++;
      entry?.done(undefined);
      entry = undefined;
      typed = [];
      overflow = false;
      queue = [];
      held = [];
      running = false;
      lastBody = '';
    },
  };
}

function decode(octets: readonly number[]): string | undefined {
  try {
    return bytesUtf8(Uint8Array.from(octets));
  } catch {
    return undefined;
  }
}
