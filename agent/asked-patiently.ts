// The first questions to the card: asked again where the way to it broke, since every failure teaches the driver a better one.
import { type Clock, sleep } from '../base/clock.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

const ATTEMPTS = 5;
const PAUSE_MS = 1_000;

/** What `ask` answers. A lost exchange is asked again, five times in all; every other failure is thrown at once. */
export async function askedPatiently<T>(
  how: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal },
  ask: () => Promise<T>,
): Promise<T> {
  const { clock, log, signal } = how;
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!isAgentError(error, 'CARD_LOST') || attempt === ATTEMPTS) throw error;
      log.write('warn', 'agent.card', 'asked again', { attempt, error: errorOf(error).message });
      await sleep(clock, PAUSE_MS, { signal });
    }
  }
}
