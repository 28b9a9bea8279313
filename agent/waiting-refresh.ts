// A REFRESH that the card has asked for and no modem carries out (ETSI TS 102 221, 7.4.2; SGP.22, 3.2.1): until the card is reset it keeps
// its old profile and refuses to switch again. The agent has it reset.
import { sleep } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { listProfiles } from './card-operations.ts';
import { type CarryOutContext, onIsdR, type StepOptions } from './carry-out-context.ts';
import { wakeMuteCard } from './mute-card.ts';

type Needed = Pick<CarryOutContext, 'device' | 'cardLock' | 'clock' | 'log'>;

/** Modems that fetch what the card announces do it at once; the reset that follows takes some seconds. */
const PATIENCE_MS = 10_000;
const RESTART_MS = 30_000;
const LOOK_EVERY_MS = 1_000;

/** Whether the status word announces a command of the card for its modem. */
export function announcesCommand(sw: number): boolean {
  return sw >> 8 === 0x91;
}

/**
 * Where the card goes on announcing a command, has it started anew by `restart`, once: some announce something for ever. One that cannot be
 * asked now is left alone, as is one that announces nothing.
 */
export async function settleWaitingRefresh(
  context: Needed,
  restart: () => Promise<unknown>,
  options: StepOptions,
): Promise<void> {
  const { clock } = context;
  const givenUpAt = clock.now() + PATIENCE_MS;
  while (await isAnnouncing(context, options)) {
    if (clock.now() >= givenUpAt) {
      await restart();
      await shown(context, options);
      return;
    }
    await sleep(clock, LOOK_EVERY_MS, options);
  }
}

/** Starts the card anew before anything is in the journal that it could be told by: cut short, the card is asked again. */
export async function restartCard({ device, log }: Needed, options: StepOptions): Promise<void> {
  // The restart before the radio: it resets the card for certain, and some modems hold on to the old profile without it.
  const { steps } = device.modem;
  const step = steps.find((each) => each === 'restart') ?? steps[0];
  const modem = { ...device.modem, steps: step === undefined ? [] : [step] };
  await wakeMuteCard({ device: { ...device, modem }, log }, 1, { ...options, anyway: true });
}

/** By its answer to a question that changes nothing. */
async function isAnnouncing(context: Needed, options: StepOptions): Promise<boolean> {
  let last = 0;
  try {
    await onIsdR(context, options, (channel) =>
      listProfiles(
        {
          ...channel,
          async transmit(apdu, how) {
            const response = await channel.transmit(apdu, how);
            last = response.sw;
            return response;
          },
        },
        options,
      ),
    );
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
  }
  return announcesCommand(last);
}

async function shown({ clock, device }: Needed, options: StepOptions): Promise<void> {
  for (const until = clock.now() + RESTART_MS; clock.now() < until; ) {
    try {
      if ((await device.readIccid(options)) !== undefined) return;
    } catch (error) {
      if (!isAgentError(error) || error.code === 'ABORTED') throw error;
    }
    await sleep(clock, LOOK_EVERY_MS, options);
  }
}
