// The last resort of a device that nobody hears: where the operators have been out of reach for long, the modem is made to begin anew.
import type { Clock } from '../base/clock.ts';

export type Lifeline = {
  /** Something came through, either way. */
  reached(): void;
  /** Something did not. */
  missed(): void;
  close(): void;
};

/** Coverage comes and goes by itself; a modem that is stuck does not come back. Each further step waits twice as long. */
const PATIENCE_MS = 15 * 60_000;
const LONGEST_PATIENCE_MS = 4 * 3_600_000;

/** `refresh` is told how often it was called since something last came through. It never rejects. */
export function createLifeline({
  clock,
  refresh,
}: {
  readonly clock: Clock;
  readonly refresh: (attempt: number) => Promise<void>;
}): Lifeline {
  let attempt = 0;
  let cancel: (() => void) | undefined;
  const wait = (): void => {
    const patience = Math.min(PATIENCE_MS * 2 ** attempt, LONGEST_PATIENCE_MS);
    const cancelThis = clock.schedule(patience, () => {
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
