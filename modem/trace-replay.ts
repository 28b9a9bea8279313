// A recorded trace in place of a modem: the driver must write what was recorded and is answered with what was recorded.
import type { Clock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import { latin1, type ReadEntry, type TraceOctets } from '../codec/modem-trace.ts';
import type { ByteLink } from './byte-link.ts';

export type TraceReplay = {
  /** The next connection of the trace. Throws `TRACE_DIVERGES` where it has no more. */
  openLink(): Promise<ByteLink>;
  /** What the driver did otherwise first. */
  readonly divergence: AgentError | undefined;
  /** Throws `TRACE_DIVERGES` where the driver did otherwise, or ended before the trace does. */
  finish(): void;
};

export type TraceReplayOptions = {
  readonly clock: Clock;
  /** Answers come as late as they came in the recording, or as soon as they are due. */
  readonly pace: 'recorded' | 'at-once';
};

type Step =
  | { readonly is: 'out' | 'in'; readonly line: number; readonly t: number; readonly entry: TraceOctets }
  /** The line went away without the driver's doing. */
  | { readonly is: 'lost'; readonly line: number; readonly t: number };

const MAX_UNREAD_CHUNKS = 65_536;
const SHOWN = 48;

/** Octets may be cut otherwise than they were recorded; masked ones stand for any. */
export function createTraceReplay(entries: readonly ReadEntry[], options: TraceReplayOptions): TraceReplay {
  const connections = connectionsOf(entries);
  const opened: (() => AgentError | undefined)[] = [];
  let divergence: AgentError | undefined;
  const diverges = (error: AgentError): AgentError => (divergence ??= error);
  return {
    get divergence() {
      return divergence;
    },
    async openLink() {
      const connection = connections[opened.length];
      if (connection === undefined) {
        throw diverges(
          new AgentError('TRACE_DIVERGES', { expected: 'no further connection', found: 'one more' }),
        );
      }
      const { link, unsaid } = playedLink(connection, options, diverges);
      opened.push(unsaid);
      return link;
    },
    finish() {
      if (divergence !== undefined) throw divergence;
      const left = opened.map((unsaid) => unsaid()).find((error) => error !== undefined);
      if (left !== undefined) throw diverges(left);
      const next = connections[opened.length];
      if (next === undefined) return;
      const line = next[0]?.line;
      throw diverges(
        new AgentError('TRACE_DIVERGES', { line, expected: 'one more connection', found: 'none' }),
      );
    },
  };
}

/** What was recorded of each connection. One on which nothing was said, such as a failed attempt, counts too. */
function connectionsOf(entries: readonly ReadEntry[]): readonly (readonly Step[])[] {
  const connections: Step[][] = [];
  for (const entry of entries) {
    if (entry.is === 'octets') {
      const steps = connections.at(-1);
      // What was written to a line that is gone was never sent.
      if (steps?.at(-1)?.is === 'lost') continue;
      const step: Step = { is: entry.dir, line: entry.line, t: entry.t, entry };
      if (steps === undefined) connections.push([step]);
      else steps.push(step);
    } else if (entry.event === 'opened') connections.push([]);
    else if (entry.event === 'closed' && entry.data['by'] !== 'driver') {
      connections.at(-1)?.push({ is: 'lost', line: entry.line, t: entry.t });
    }
  }
  return connections;
}

function playedLink(
  steps: readonly Step[],
  { clock, pace }: TraceReplayOptions,
  diverges: (error: AgentError) => AgentError,
): { readonly link: ByteLink; readonly unsaid: () => AgentError | undefined } {
  const queue = createQueue<Uint8Array>(MAX_UNREAD_CHUNKS);
  let open = true;
  let next = 0;
  /** Octets of the step `next` that were written already, and of all steps. */
  let written = 0;
  let offset = 0;
  let cancel: (() => void) | undefined;
  let markClosed: (() => void) | undefined;
  const closed = new Promise<void>((resolve) => (markClosed = resolve));
  const end = (error?: AgentError): void => {
    open = false;
    cancel?.();
    queue.end(error);
    markClosed?.();
  };
  /** What the modem does now. */
  const play = (): void => {
    const step = steps[next];
    if (step === undefined || step.is === 'out') return;
    next++;
    if (step.is === 'lost') end();
    else queue.push(step.entry.octets);
  };
  const arm = (): void => {
    cancel?.();
    cancel = undefined;
    const step = steps[next];
    if (!open || step === undefined || step.is === 'out') return;
    const delayMs = pace === 'at-once' ? 0 : Math.max(0, step.t - (steps[next - 1]?.t ?? step.t));
    cancel = clock.schedule(delayMs, () => {
      play();
      arm();
    });
  };
  const compare = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; ) {
      // What the modem was about to say comes before the answer to this.
      while (open && steps[next] !== undefined && steps[next]?.is !== 'out') play();
      if (!open) throw new AgentError('LINK_CLOSED');
      const step = steps[next];
      const expected = step?.is === 'out' ? step.entry : undefined;
      if (expected === undefined) {
        const found = shown(bytes.subarray(at));
        throw new AgentError('TRACE_DIVERGES', { offset, expected: 'nothing more', found });
      }
      const fits =
        expected.octets[written] === bytes[at] ||
        (expected.masked ?? []).some(([from, octets]) => written >= from && written < from + octets);
      if (!fits) {
        throw new AgentError('TRACE_DIVERGES', {
          line: step?.line,
          offset,
          expected: shown(expected.octets.subarray(written)),
          found: shown(bytes.subarray(at)),
        });
      }
      at++;
      offset++;
      if (++written === expected.octets.length) {
        next++;
        written = 0;
      }
    }
  };
  arm();
  return {
    link: {
      async write(bytes) {
        if (!open) throw new AgentError('LINK_CLOSED');
        const before = next;
        try {
          compare(bytes);
        } catch (error) {
          if (error instanceof AgentError && error.code === 'TRACE_DIVERGES') end(diverges(error));
          throw error;
        }
        if (next !== before) arm();
      },
      read: queue,
      closed,
      async close() {
        end();
      },
    },
    unsaid() {
      const step = steps.slice(next).find(({ is }) => is === 'out');
      if (step?.is !== 'out') return undefined;
      const expected = shown(step.entry.octets.subarray(step === steps[next] ? written : 0));
      return new AgentError('TRACE_DIVERGES', { line: step.line, offset, expected, found: 'nothing more' });
    },
  };
}

function shown(octets: Uint8Array): string {
  return JSON.stringify(latin1(octets.subarray(0, SHOWN)));
}
