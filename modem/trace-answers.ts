// A recorded trace as a modem for a driver that has changed since: each command is answered as it was then, in whatever order they come.
import { utf8Bytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';

import { createQueue } from '../base/queue.ts';
import { latin1, type ReadEntry } from '../codec/modem-trace.ts';
import type { ByteLink } from './byte-link.ts';

export type TraceAnswers = {
  openLink(): Promise<ByteLink>;
  /** What the driver does next, as the trace names it: what was answered there comes first. */
  enter(step: string): void;
  /** Commands that were not recorded. They were refused, as by a modem that does not know them. */
  readonly unrecorded: readonly string[];
};

/** A command line as it was sent, and what came until the next one, with the time after it. */
type Exchange = {
  readonly step: string;
  readonly command: string;
  readonly masked: ReadonlySet<number>;
  readonly answers: { readonly afterMs: number; readonly octets: Uint8Array }[];
  /** When the line went away, without the driver's doing. */
  lostAfterMs?: number;
};

const MAX_UNREAD_CHUNKS = 65_536;
const REFUSAL = utf8Bytes('\r\nERROR\r\n');
/** What a card answers depends on all that it was sent before. */
const TO_CARD = /^AT\+(?:CSIM=\d+,|C(?:GLA|CHO|CHC)=)/i;

/** Answers come as late as they were recorded. */
export function createTraceAnswers(
  entries: readonly ReadEntry[],
  { clock }: { readonly clock: Clock },
): TraceAnswers {
  const find = createFinder(exchangesOf(entries));
  const unrecorded: string[] = [];
  return {
    unrecorded,
    enter: (step) => find.enter(step),
    async openLink() {
      const queue = createQueue<Uint8Array>(MAX_UNREAD_CHUNKS);
      const timers = new Set<() => void>();
      let open = true;
      let typed = '';
      let markClosed: (() => void) | undefined;
      const closed = new Promise<void>((resolve) => (markClosed = resolve));
      const end = (): void => {
        open = false;
        for (const cancel of timers) cancel();
        queue.end();
        markClosed?.();
      };
      const later = (afterMs: number, what: () => void): void => {
        const cancel = clock.schedule(afterMs, () => {
          timers.delete(cancel);
          what();
        });
        timers.add(cancel);
      };
      const answer = (line: string): void => {
        const found = find.next(line);
        if (found === undefined) {
          unrecorded.push(line);
          queue.push(REFUSAL);
          return;
        }
        for (const { afterMs, octets } of found.answers) later(afterMs, () => queue.push(octets));
        if (found.lostAfterMs !== undefined) later(found.lostAfterMs, end);
      };
      return {
        async write(bytes) {
          if (!open) throw new AgentError('LINK_CLOSED');
          typed += latin1(bytes);
          for (let at = typed.indexOf('\r'); at >= 0; at = typed.indexOf('\r')) {
            const line = typed.slice(0, at);
            typed = typed.slice(at + 1);
            answer(line);
          }
        },
        read: queue,
        closed,
        async close() {
          end();
        },
      };
    },
  };
}

/**
 * The n-th time that a command is sent in a step it is answered as the n-th time that it was recorded there, or as the last; one
 * that was not recorded there, as in the steps around it. What goes to the card is answered by what followed in the recording,
 * where it did, else by its next recording in the step, else by the next at all.
 */
function createFinder(exchanges: readonly Exchange[]): {
  enter(step: string): void;
  next(line: string): Exchange | undefined;
} {
  const toCard = exchanges.filter(({ command }) => TO_CARD.test(command));
  const others = exchanges.filter(({ command }) => !TO_CARD.test(command));
  let step = '';
  let asked = new Map<string, number>();
  let last = -1;
  const nextOfCard = (line: string): Exchange | undefined => {
    const search = (from: number, inStep: boolean): number =>
      toCard.findIndex((each, i) => i >= from && (!inStep || each.step === step) && says(each, line));
    const following = toCard[last + 1];
    const found = [
      following !== undefined && says(following, line) ? last + 1 : -1,
      search(last + 1, true),
      search(last + 1, false),
      search(0, false),
    ].find((index) => index >= 0);
    if (found === undefined) return undefined;
    last = found;
    return toCard[found];
  };
  return {
    enter(next) {
      step = next;
      asked = new Map();
    },
    next(line) {
      if (TO_CARD.test(line)) return nextOfCard(line);
      const before = asked.get(line) ?? 0;
      asked.set(line, before + 1);
      const same = others.filter((each) => says(each, line));
      const here = same.filter((each) => each.step === step);
      if (here.length > 0) return here[before] ?? here.at(-1);
      const begun = exchanges.findIndex((each) => each.step === step);
      return same.findLast((each) => begun < 0 || exchanges.indexOf(each) < begun) ?? same[0];
    },
  };
}

function says({ command, masked }: Exchange, line: string): boolean {
  if (command.length !== line.length) return false;
  if (masked.size === 0) return command === line;
  return Array.from(line).every((character, i) => character === command[i] || masked.has(i));
}

function exchangesOf(entries: readonly ReadEntry[]): readonly Exchange[] {
  const exchanges: Exchange[] = [];
  let step = '';
  let typed = '';
  let masked = new Set<number>();
  let sentAt = 0;
  for (const entry of entries) {
    const last = exchanges.at(-1);
    const afterMs = Math.max(0, entry.t - sentAt);
    if (entry.is === 'event') {
      if (entry.event === 'step') step = String(entry.data['name']);
      if (entry.event === 'opened') [typed, masked] = ['', new Set<number>()];
      const lost = entry.event === 'closed' && entry.data['by'] !== 'driver';
      if (lost && last !== undefined) last.lostAfterMs = afterMs;
      continue;
    }
    if (entry.dir === 'in') {
      last?.answers.push({ afterMs, octets: entry.octets });
      continue;
    }
    for (const [i, character] of Array.from(latin1(entry.octets)).entries()) {
      if (character === '\r') {
        exchanges.push({ step, command: typed, masked, answers: [] });
        [typed, masked, sentAt] = ['', new Set<number>(), entry.t];
        continue;
      }
      if (entry.masked?.some(([from, octets]) => i >= from && i < from + octets) === true) {
        masked.add(typed.length);
      }
      typed += character;
    }
  }
  return exchanges;
}
