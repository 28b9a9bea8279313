// The PIN of the configuration: entered once where the card asks for it, and never a second time by this program's own will.
import { readFileSync, statSync } from 'node:fs';
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { type Log, Secret } from '../base/log.ts';
import type { Modem } from '../modem/modem.ts';
import type { PinRecord } from './state-folder.ts';

export type PinOptions = {
  readonly modem: Pick<Modem, 'simState' | 'pinTries' | 'enterPin'>;
  readonly pinFile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** What an earlier life wrote down. It is on the disk when `write` settles. */
  readonly read: () => Promise<PinRecord | undefined>;
  readonly write: (record: PinRecord | undefined) => Promise<void>;
};

/** What a card has when its last try was right. */
const ALL_TRIES = 3;
/** A card that was just reset takes seconds until it says what it wants. */
const LOOKS = 15;
const LOOK_EVERY_MS = 1_000;
/** The last try is a person's. */
const LEAST_TRIES = 2;

/**
 * Does nothing where the card asks for no PIN. A PIN that was refused is not tried again before the file is changed; one whose
 * try was cut short only where the card still has all its tries, as it has after a right one. Throws `PIN_REFUSED`.
 */
export async function enterConfiguredPin(options: PinOptions): Promise<void> {
  const { modem, pinFile, log } = options;
  let { is } = await modem.simState();
  for (let look = 1; is === 'busy' && look < LOOKS; look++) {
    await sleep(options.clock, LOOK_EVERY_MS);
    is = (await modem.simState()).is;
  }
  if (is !== 'pin-required') return;
  const file = versionOf(pinFile);
  const before = await options.read();
  const tries = await modem.pinTries();
  if (before?.file === file && before.outcome === 'refused')
    throw new AgentError('PIN_REFUSED', {
      why: 'refused before',
      do: 'put the right PIN into modem.pinFile',
    });
  if (before?.file === file && (tries === undefined || tries < ALL_TRIES))
    throw new AgentError('PIN_REFUSED', {
      why: 'an earlier try was cut short',
      tries,
      do: 'enter the PIN by hand once',
    });
  if (tries !== undefined && tries < LEAST_TRIES)
    throw new AgentError('PIN_REFUSED', { why: 'the last try is not spent here', tries });
  const pin = new Secret(readFileSync(pinFile, 'utf8').trim());
  await options.write({ file, outcome: 'trying' });
  try {
    await modem.enterPin(pin);
  } catch (error) {
    if (isAgentError(error, 'PIN_REFUSED')) await options.write({ file, outcome: 'refused' });
    throw error;
  }
  await options.write(undefined);
  log.write('info', 'agent.pin', 'entered', {});
}

/** Changes with every writing of the file, and tells nothing of what is in it. */
export function versionOf(path: string, key = 'modem.pinFile'): string {
  try {
    const { ino, mtimeMs, size } = statSync(path);
    return `${ino}-${Math.round(mtimeMs)}-${size}`;
  } catch (thrown) {
    const error = errorOf(thrown);
    throw new AgentError('CONFIG_INVALID', { faults: `\n  ${key}: ${error.message}` }, { cause: error });
  }
}
