// The last resort of a device that nobody hears: where the operators have been out of reach for long, the modem is made to begin anew.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';

export type Lifeline = {
  /** Something came through, either way. */
  reached(): void;
  /** Something did not. */
  missed(): void;
  close(): void;
};

/**
 * Coverage comes and goes by itself; a modem that is stuck does not come back. Each further step waits twice as long, and up to twice as long
 * again by chance: where it is the broker that is away, a fleet must not come down on the network all at once.
 */
const PATIENCE_MS = 15 * 60_000;
const LONGEST_PATIENCE_MS = 4 * 3_600_000;

/** `refresh` is told how often it was called since something last came through. It never rejects. */
export function createLifeline({
  clock,
  random,
  refresh,
}: {
  readonly clock: Clock;
  readonly random: Random;
  readonly refresh: (attempt: number) => Promise<void>;
}): Lifeline {
  let attempt = 0;
  let cancel: (() => void) | undefined;
  const wait = (): void => {
    const least = Math.min(PATIENCE_MS * 2 ** attempt, LONGEST_PATIENCE_MS);
    const cancelThis = clock.schedule(least * (1 + (random.bytes(1)[0] ?? 0) / 256), () => {
      void refresh(++attempt).then(() => {
        // Whatever came through meanwhile has ended the wait.
        if (cancel === cancelThis) wait();
      });
    });
    cancel = cancelThis;
  };
  const reached = (): void => {
    cancel?.();
    cancel = undefined;
    attempt = 0;
  };
  return {
    reached,
    missed() {
      if (cancel === undefined) wait();
    },
    close: reached,
  };
}
