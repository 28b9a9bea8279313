// Whether a start without a broker is worth waiting for: a wrong address or CA is told to a person at once, a dead spot is not.
import type { Clock } from '../base/clock.ts';
import type { MessageLink } from '../transport/message-link.ts';

/** How long a broker may stay away from a device that has a network, before the first connection. */
const PATIENCE_MS = 10_000;

/**
 * Rejects with the link's reason when the first connection fails for a cause that waiting does not mend, or for any cause once the
 * patience is over while `hasNetwork`. Resolves at the first connection; from then on the link keeps trying for ever.
 */
export function firstConnection(
  link: MessageLink,
  clock: Clock,
  hasNetwork: () => Promise<boolean>,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const started = clock.now();
  return new Promise((resolve, reject) => {
    let over = false;
    let unwatch = (): void => {};
    const end = (settle: () => void): void => {
      if (over) return;
      over = true;
      queueMicrotask(() => unwatch());
      settle();
    };
    unwatch = link.watch((state) => {
      if (state.up) {
        end(resolve);
        return;
      }
      const { error } = state;
      if (error === undefined) return;
      if (error.retry === 'never') {
        end(() => reject(error));
        return;
      }
      if (clock.now() - started < PATIENCE_MS) return;
      hasNetwork().then(
        (registered) => {
          if (registered) end(() => reject(error));
        },
        () => {},
      );
    });
    signal.addEventListener('abort', () => end(resolve), { once: true });
  });
}
