// Records a line to a modem: a link around the link that notes every octet with its direction and time, and how the line ends.
import type { Clock } from '../base/clock.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { TraceEntry, TraceEvent, TraceOctets } from '../codec/modem-trace.ts';
import type { ByteLink } from './byte-link.ts';
import type { TraceRedactor } from './trace-redaction.ts';

export type TraceRecorder = {
  /** The link to use in place of `link`, which is at the driver's end of the line unless said otherwise. */
  around(link: ByteLink, end?: 'driver' | 'modem'): ByteLink;
  /** Something worth knowing that is no octet. */
  note(event: string, data?: TraceEvent['data']): void;
  /** Hands over what a redactor still held back. */
  flush(): void;
};

export type TraceRecorderOptions = {
  readonly clock: Clock;
  /** Takes each entry as it happens. Must not throw. */
  readonly write: (entry: TraceEntry) => void;
  /**
   * Takes secrets out. What belongs together, such as a response in parts, is then held back until it is whole: a crash loses
   * the exchange that was running.
   */
  readonly redactor?: TraceRedactor;
};

/** What is held back for a redactor at most: a modem that never ends its line is written down too. */
const HELD_OCTETS = 262_144;

/** Times count from now. */
export function createTraceRecorder(options: TraceRecorderOptions): TraceRecorder {
  const { clock, redactor } = options;
  const startedAt = clock.now();
  let held: TraceEntry[] = [];
  let heldOctets = 0;
  const flush = (): void => {
    const entries = redactor === undefined ? held : redactor.redact(held);
    held = [];
    heldOctets = 0;
    for (const entry of entries) options.write(entry);
  };
  const add = (entry: TraceEntry): void => {
    if (redactor === undefined) {
      options.write(entry);
      return;
    }
    if (entry.is === 'octets') {
      if (entry.dir === 'out' && redactor.mayCutBefore(held, entry.octets)) flush();
      heldOctets += entry.octets.length;
    }
    held.push(entry);
    if (heldOctets > HELD_OCTETS || entry.is === 'event') flush();
  };
  const now = (): number => clock.now() - startedAt;
  const note = (event: string, data: TraceEvent['data'] = {}): void =>
    add({ is: 'event', t: now(), event, data });
  const octets = (dir: TraceOctets['dir'], bytes: Uint8Array): void => {
    if (bytes.length > 0) add({ is: 'octets', t: now(), dir, octets: Uint8Array.from(bytes) });
  };
  return {
    note,
    flush,
    around(link, end = 'driver') {
      const [sent, heard] = end === 'driver' ? (['out', 'in'] as const) : (['in', 'out'] as const);
      let closing = false;
      note('opened');
      void link.closed.then(() => note('closed', closing === (end === 'driver') ? { by: 'driver' } : {}));
      const failed = (error: unknown): void => {
        note('error', isAgentError(error) ? { code: error.code } : { why: errorOf(error).message });
      };
      const { setBaudRate } = link;
      return {
        async write(bytes) {
          octets(sent, bytes);
          try {
            await link.write(bytes);
          } catch (error) {
            failed(error);
            throw error;
          }
        },
        read: (async function* () {
          try {
            for await (const chunk of link.read) {
              octets(heard, chunk);
              yield chunk;
            }
          } catch (error) {
            failed(error);
            throw error;
          }
        })(),
        closed: link.closed,
        close() {
          closing = true;
          return link.close();
        },
        ...(setBaudRate === undefined
          ? {}
          : {
              async setBaudRate(baudRate) {
                note('rate', { baudRate });
                await setBaudRate(baudRate);
              },
            }),
      };
    },
  };
}
