// Time by parameter: the only place that touches timers, and a virtual clock for tests.
import { AgentError, errorOf } from './errors.ts';

/** A source of time. `now` is monotonic milliseconds, `wall` is whole Unix milliseconds and may jump. */
export type Clock = {
  now(): number;
  wall(): number;
  /** Calls `run` once after `delayMs`; the answer cancels it. */
  schedule(delayMs: number, run: () => void): () => void;
};

/** What a timer of Node can hold; beyond it one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  schedule(delayMs, run) {
    let timer: NodeJS.Timeout | undefined;
    const arm = (leftMs: number): void => {
      const later = leftMs > LONGEST_TIMER_MS;
      timer = setTimeout(
        later ? () => arm(leftMs - LONGEST_TIMER_MS) : run,
        Math.min(leftMs, LONGEST_TIMER_MS),
      );
    };
    arm(Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};

/** How long before its time a spinning timer stops sleeping. */
const SPIN_MS = 2;

/** The real clock with timers that are exact to microseconds: they keep a processor busy for their last moments. */
export const spinClock: Clock = {
  ...realClock,
  schedule(delayMs, run) {
    const due = performance.now() + Math.max(0, delayMs);
    let cancelled = false;
    const spin = (): void => {
      if (cancelled) return;
      if (performance.now() >= due) run();
      else setImmediate(spin);
    };
    // A timer of Node takes a millisecond at least.
    const cancelSleep = delayMs > SPIN_MS ? realClock.schedule(delayMs - SPIN_MS, spin) : undefined;
    if (cancelSleep === undefined) setImmediate(spin);
    return () => {
      cancelled = true;
      cancelSleep?.();
    };
  },
};

export type WaitOptions = { readonly signal?: AbortSignal };

/** Waits `delayMs`. Rejects with `ABORTED` when the signal fires. */
export function sleep(clock: Clock, delayMs: number, options: WaitOptions = {}): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new AgentError('ABORTED'));
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(new AgentError('ABORTED'));
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Settles as `work` does, or rejects with `DEADLINE` after `timeoutMs` and with `ABORTED` when the signal fires.
 * `what` names who waited. The work itself is not stopped: give it a signal of its own where it can be.
 */
export function withDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  what: string,
  work: Promise<T>,
  options: WaitOptions = {},
): Promise<T> {
  const { signal } = options;
  return new Promise<T>((resolve, reject) => {
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      done();
      reject(new AgentError('ABORTED', { what }));
    };
    const cancel = clock.schedule(timeoutMs, () => {
      done();
      reject(new AgentError('DEADLINE', { what, timeoutMs }));
    });
    work.then(
      (value) => {
        done();
        resolve(value);
      },
      (error: unknown) => {
        done();
        reject(errorOf(error));
      },
    );
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Lets promises and work on files come to rest: files take real time, and no timer may overtake them. */
async function quiet(): Promise<void> {
  do await new Promise<void>((resolve) => setImmediate(resolve));
  while (process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq') || name === 'CloseReq'));
}

/** Real time that work may stand still, without any timer due, before the virtual clock gives it up. */
const IDLE_LIMIT_MS = 2000;
/** The same where the next timer lies past the limit of virtual time. */
const IDLE_PAST_LIMIT_MS = 100;

type Timer = { readonly at: number; readonly order: number; readonly run: () => void };

/** A clock that stands still until a test moves it. */
export type VirtualClock = Clock & {
  /** Runs every timer due within the next `ms`, in order, letting promises settle between them. */
  advance(ms: number): Promise<void>;
  /** Steps from timer to timer until `work` settles; fails after `limitMs` of virtual time, or when nothing moves any more. */
  settle<T>(work: Promise<T>, limitMs?: number): Promise<T>;
};

export function createVirtualClock(startWallMs = 1_800_000_000_000): VirtualClock {
  let nowMs = 0;
  let order = 0;
  const timers = new Set<Timer>();
  const nextTimer = (): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers) {
      if (
        first === undefined ||
        timer.at < first.at ||
        (timer.at === first.at && timer.order < first.order)
      ) {
        first = timer;
      }
    }
    return first;
  };
  const step = async (limit: number): Promise<boolean> => {
    await quiet();
    const timer = nextTimer();
    if (timer === undefined || timer.at > limit) return false;
    timers.delete(timer);
    nowMs = Math.max(nowMs, timer.at);
    timer.run();
    return true;
  };
  return {
    now: () => nowMs,
    wall: () => Math.floor(startWallMs + nowMs),
    schedule(delayMs, run) {
      const timer = { at: nowMs + Math.max(0, delayMs), order: order++, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const end = nowMs + ms;
      while (await step(end));
      nowMs = Math.max(nowMs, end);
    },
    async settle(work, limitMs = 3_600_000) {
      let settled = false;
      const mark = (): void => void (settled = true);
      work.then(mark, mark);
      const limit = nowMs + limitMs;
      let idleSince = performance.now();
      const idleLimitMs = (): number => (timers.size > 0 ? IDLE_PAST_LIMIT_MS : IDLE_LIMIT_MS);
      while (!settled && performance.now() - idleSince < idleLimitMs()) {
        if (await step(limit)) idleSince = performance.now();
      }
      if (!settled) throw new AgentError('DEADLINE', { what: 'virtual clock', timeoutMs: limitMs });
      return work;
    },
  };
}
