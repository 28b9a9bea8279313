// The first questions to the card: asked again where the way to it broke, since every failure teaches the driver a better one.
import { type Clock, sleep } from '../base/clock.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Device } from './device.ts';
import { wakeMuteCard } from './mute-card.ts';

const ATTEMPTS = 5;
const PAUSE_MS = 1_000;
/** How often a card that is silent is started anew. */
const WAKES = 2;

/**
 * What `ask` answers. A lost exchange is asked again, five times in all; where there is no way to the card, a silent one is started anew
 * first, twice at most. Every other failure is thrown at once.
 */
export async function askedPatiently<T>(
  how: {
    readonly clock: Clock;
    readonly log: Log;
    readonly signal: AbortSignal;
    readonly device: Device;
  },
  ask: () => Promise<T>,
): Promise<T> {
  const { clock, log, signal } = how;
  let wakes = 0;
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const silent = isAgentError(error, 'CARD_ACCESS') && wakes < WAKES;
      if (!silent && (!isAgentError(error, 'CARD_LOST') || attempt >= ATTEMPTS)) throw error;
      log.write('warn', 'agent.card', 'asked again', { attempt, error: errorOf(error).message });
      if (silent && !(await wakeMuteCard(how, ++wakes, { signal }))) throw error;
      await sleep(clock, PAUSE_MS, { signal });
    }
  }
}
