// A recorded trace as a modem for a driver that has changed since: each command is answered as it was then, in whatever order they come.
import { utf8Bytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';

import { createQueue } from '../base/queue.ts';
import { latin1, type ReadEntry } from '../codec/modem-trace.ts';
import type { ByteLink } from './byte-link.ts';

export type TraceAnswers = {
  openLink(): Promise<ByteLink>;
  /** Commands that were not recorded. They were refused, as by a modem that does not know them. */
  readonly unrecorded: readonly string[];
};

/** A command line as it was sent, and what came until the next one, with the time after it. */
type Exchange = {
  readonly command: string;
  readonly masked: ReadonlySet<number>;
  readonly answers: { readonly afterMs: number; readonly octets: Uint8Array }[];
};

const MAX_UNREAD_CHUNKS = 65_536;
const REFUSAL = utf8Bytes('\r\nERROR\r\n');
/** What a card answers depends on all that it was sent before. */
const TO_CARD = /^AT\+(?:CSIM=\d+,|C(?:GLA|CHO|CHC)=)/i;

/**
 * The n-th time that a command is sent it is answered as the n-th time that it was recorded, or as the last. What goes to the card
 * is answered by its next recording after the last that was played. Answers come as late as they were recorded.
 */
export function createTraceAnswers(
  entries: readonly ReadEntry[],
  { clock }: { readonly clock: Clock },
): TraceAnswers {
  const exchanges = exchangesOf(entries);
  const toCard = exchanges.filter(({ command }) => TO_CARD.test(command));
  const others = exchanges.filter(({ command }) => !TO_CARD.test(command));
  const asked = new Map<string, number>();
  const unrecorded: string[] = [];
  let next = 0;
  const find = (line: string): Exchange | undefined => {
    if (TO_CARD.test(line)) {
      const ahead = toCard.findIndex((each, i) => i >= next && says(each, line));
      if (ahead < 0) return undefined;
      next = ahead + 1;
      return toCard[ahead];
    }
    const before = asked.get(line) ?? 0;
    asked.set(line, before + 1);
    const same = others.filter((each) => says(each, line));
    return same[before] ?? same.at(-1);
  };
  return {
    unrecorded,
    async openLink() {
      const queue = createQueue<Uint8Array>(MAX_UNREAD_CHUNKS);
      const timers = new Set<() => void>();
      let open = true;
      let typed = '';
      let markClosed: (() => void) | undefined;
      const closed = new Promise<void>((resolve) => (markClosed = resolve));
      const answer = (line: string): void => {
        const found = find(line);
        if (found === undefined) {
          unrecorded.push(line);
          queue.push(REFUSAL);
          return;
        }
        for (const { afterMs, octets } of found.answers) {
          const cancel = clock.schedule(afterMs, () => {
            timers.delete(cancel);
            queue.push(octets);
          });
          timers.add(cancel);
        }
      };
      return {
        async write(bytes) {
          if (!open) throw new AgentError('LINK_CLOSED');
          typed += latin1(bytes);
          for (let end = typed.indexOf('\r'); end >= 0; end = typed.indexOf('\r')) {
            const line = typed.slice(0, end);
            typed = typed.slice(end + 1);
            answer(line);
          }
        },
        read: queue,
        closed,
        async close() {
          open = false;
          for (const cancel of timers) cancel();
          queue.end();
          markClosed?.();
        },
      };
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
  let typed = '';
  let masked = new Set<number>();
  let sentAt = 0;
  for (const entry of entries) {
    if (entry.is === 'event') {
      if (entry.event === 'opened') [typed, masked] = ['', new Set<number>()];
      continue;
    }
    if (entry.dir === 'in') {
      exchanges.at(-1)?.answers.push({ afterMs: Math.max(0, entry.t - sentAt), octets: entry.octets });
      continue;
    }
    for (const [i, character] of Array.from(latin1(entry.octets)).entries()) {
      if (character === '\r') {
        exchanges.push({ command: typed, masked, answers: [] });
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
