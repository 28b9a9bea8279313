// A wait that ends at a call, after a time, or with the signal, whichever comes first.
import type { Clock } from '../base/clock.ts';

/** `onWaiting` gets the function that ends the wait. Never rejects. */
export function untilWoken(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  onWaiting: (wake: () => void) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.schedule(ms, done);
    onWaiting(done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
