// The time that octets take on a serial line: one pacer a direction, absolute due times, no drift.
import type { Clock } from '../../base/clock.ts';
import { createQueue } from '../../base/queue.ts';
import type { ByteLink } from '../byte-link.ts';

/** When the first and the last bit of some octets arrive, in microseconds. */
export type Passage = { readonly firstUs: number; readonly lastUs: number };

export type LinePacer = {
  /** Takes octets that are handed over at `nowUs`. They start when the line is free. */
  take(octets: number, nowUs: number): Passage;
};

/** One direction of a line. 8N1 has 10 bits a character. */
export function createLinePacer(baudRate: number, bitsPerOctet = 10): LinePacer {
  const octetUs = (bitsPerOctet * 1e6) / baudRate;
  let freeUs = 0;
  return {
    take(octets, nowUs) {
      const firstUs = Math.max(freeUs, nowUs);
      freeUs = firstUs + octets * octetUs;
      return { firstUs, lastUs: freeUs };
    },
  };
}

/**
 * How a simulated modem sees its line. `timed` delivers every octet when its last bit would arrive, by the clock (the
 * real one, or the spinning one for exact rates); what the terminal sends is worked on while it is still arriving, so that
 * the simulation's own work takes no line time. `counted` delivers at once and only adds the time up.
 */
export type LineTiming =
  | { readonly mode: 'none' }
  | { readonly mode: 'timed' | 'counted'; readonly baudRate: number };

/**
 * Octets from the terminal. `beganUs` is when the first of them started to arrive: an echo may start there. `endedUs` is when
 * the last bit is there: no answer starts before it.
 */
export type Arrival = { readonly bytes: Uint8Array; readonly beganUs: number; readonly endedUs: number };

export type SimLine = {
  readonly arrivals: AsyncIterable<Arrival>;
  /** Sends after what was sent before, not before `notBeforeUs`, which may lie in the past where time is only counted. */
  send(bytes: Uint8Array, notBeforeUs?: number): void;
  /** The line's time: by its clock, or added up. */
  elapsedUs(): number;
  /** Does `job` when what was sent so far is there. */
  afterSent(job: () => void): void;
  /** What comes from here on takes its time at this rate, where the line has any timing. */
  setBaudRate(baudRate: number): void;
  readonly closed: Promise<void>;
  close(): Promise<void>;
};

const MAX_UNREAD_ARRIVALS = 65_536;

/** `spoil` changes octets on their way, in both directions. */
export function openSimLine(
  link: ByteLink,
  clock: Clock,
  timing: LineTiming,
  spoil: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
): SimLine {
  const arrivals = createQueue<Arrival>(MAX_UNREAD_ARRIVALS);
  const pacersAt = (baudRate: number) => ({
    fromTerminal: createLinePacer(baudRate),
    toTerminal: createLinePacer(baudRate),
  });
  let pacers = timing.mode === 'none' ? undefined : pacersAt(timing.baudRate);
  let octetUs = timing.mode === 'none' ? 0 : 1e7 / timing.baudRate;
  let countedUs = 0;
  const nowUs = (): number => Math.max(clock.now() * 1000, countedUs);
  const deliverTo = createDelivery(clock);

  const write = (bytes: Uint8Array): void => {
    // The terminal may be gone: what nobody reads is lost, as on a wire.
    link.write(spoil(bytes)).catch(() => {});
  };
  const pump = async (): Promise<void> => {
    for await (const bytes of link.read) {
      const now = nowUs();
      const { firstUs, lastUs } = pacers?.fromTerminal.take(bytes.length, now) ?? {
        firstUs: now,
        lastUs: now,
      };
      if (timing.mode !== 'timed') countedUs = Math.max(countedUs, lastUs);
      arrivals.push({ bytes: spoil(bytes), beganUs: firstUs + octetUs, endedUs: lastUs });
    }
  };
  pump().then(
    () => arrivals.end(),
    () => arrivals.end(),
  );
  return {
    arrivals,
    send(bytes, notBeforeUs) {
      const startUs =
        timing.mode === 'timed' ? Math.max(notBeforeUs ?? 0, nowUs()) : (notBeforeUs ?? nowUs());
      const { lastUs } = pacers?.toTerminal.take(bytes.length, startUs) ?? { lastUs: 0 };
      if (timing.mode === 'timed') deliverTo(lastUs, () => write(bytes));
      else {
        countedUs = Math.max(countedUs, lastUs);
        write(bytes);
      }
    },
    elapsedUs: nowUs,
    afterSent(job) {
      if (timing.mode === 'timed' && pacers !== undefined)
        deliverTo(pacers.toTerminal.take(0, nowUs()).lastUs, job);
      else job();
    },
    setBaudRate(baudRate) {
      if (pacers === undefined) return;
      pacers = pacersAt(baudRate);
      octetUs = 1e7 / baudRate;
    },
    closed: link.closed,
    close: () => link.close(),
  };
}

/** Runs jobs in order at their due times with one timer: whatever is due goes at once. */
function createDelivery(clock: Clock): (dueUs: number, job: () => void) => void {
  const jobs: { readonly dueUs: number; readonly job: () => void }[] = [];
  let armed = false;
  const run = (): void => {
    armed = false;
    while (jobs[0] !== undefined && jobs[0].dueUs <= clock.now() * 1000 + 1) jobs.shift()?.job();
    arm();
  };
  const arm = (): void => {
    const next = jobs[0];
    if (next === undefined || armed) return;
    armed = true;
    clock.schedule((next.dueUs - clock.now() * 1000) / 1000, run);
  };
  return (dueUs, job) => {
    jobs.push({ dueUs, job });
    arm();
  };
}
