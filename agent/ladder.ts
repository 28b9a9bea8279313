// The steps after a switch, from waiting to the vendor's reset: which comes next, each in the journal before it is taken.
import type { Clock } from '../base/clock.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type LadderRecord, MAX_LADDER } from '../codec/wire.ts';
import type { Device, DeviceOptions, LadderStep } from './device.ts';

export type Climb = {
  /** Takes the next step for what is missing. Answers false when there is none left that could help. */
  next(missing: LadderRecord['missing']): Promise<boolean>;
  /** Takes the last step again where it was cut short: half of it leaves a modem without its radio. */
  resume(): Promise<void>;
};

export type ClimbOptions = {
  readonly ladder: Device['modem'];
  readonly clock: Clock;
  readonly log: Log;
  /** Steps taken before the program was started anew, those of the way there included. */
  readonly earlier: readonly LadderRecord[];
  readonly back: boolean;
  readonly keep: (ladder: readonly LadderRecord[]) => Promise<void>;
};

/** What may move a network that refuses a profile which the card shows: some modems hold on to what belonged to the old one. */
const FOR_REGISTRATION: readonly LadderStep[] = ['radio-cycle', 'restart'];
const LONGEST_FAILURE = 128;

export function createClimb(options: ClimbOptions, how: DeviceOptions): Climb {
  const { ladder, clock, log, back } = options;
  const started = clock.now();
  let records = options.earlier;
  const isOurs = (record: LadderRecord): boolean => (record.back === true) === back;
  let position = Math.max(
    -1,
    ...records.filter(isOurs).map(({ step }) => (step === 'refresh' ? -1 : ladder.steps.indexOf(step))),
  );

  const put = async (record: LadderRecord): Promise<void> => {
    // Of too many the first are the ones that tell the story; the last is the one that may have been cut short.
    const kept = records.length < MAX_LADDER ? records : records.slice(0, -1);
    records = [...kept, record];
    await options.keep(records);
  };
  const take = async (step: LadderStep, missing: LadderRecord['missing']): Promise<void> => {
    const record: LadderRecord = { step, missing, ...(back ? { back } : {}) };
    await put(record);
    position = ladder.steps.indexOf(step);
    log.write('warn', 'agent.switch', 'the modem is made to look again', { step, missing, back });
    const began = clock.now();
    const failure = await attempt(() => ladder.take(step, how));
    const ms = Math.round(clock.now() - began);
    records = [...records.slice(0, -1), { ...record, ms, ...(failure === undefined ? {} : { failure }) }];
    await options.keep(records);
    log.write('info', 'agent.switch', 'step taken', { step, ms, failure });
  };
  return {
    async next(missing) {
      if (!records.some(isOurs)) {
        const ms = Math.round(clock.now() - started);
        await put({ step: 'refresh', missing, ...(back ? { back } : {}), ms });
      }
      const higher = ladder.steps.slice(position + 1);
      const step =
        missing === 'card'
          ? (higher[0] ?? 'restart')
          : higher.find((each) => FOR_REGISTRATION.includes(each));
      if (step === undefined) return false;
      await take(step, missing);
      return true;
    },
    async resume() {
      const last = records.at(-1);
      if (last === undefined || !isOurs(last) || last.ms !== undefined || last.step === 'refresh') return;
      await take(last.step, last.missing);
    },
  };
}

async function attempt(step: () => Promise<void>): Promise<string | undefined> {
  try {
    await step();
    return undefined;
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
    return errorOf(error).message.slice(0, LONGEST_FAILURE);
  }
}
