// After a profile switch: waits until the modem sees the new profile, and helps it along step by step.
import { type Clock, sleep } from '../base/clock.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Iccid } from '../codec/ids.ts';

/** `refresh` is the card's own REFRESH, which needs no help. The others are used in this order, as far as the modem has them. */
export type SwitchStep = 'refresh' | 'slot-power' | 'radio-cycle' | 'restart' | 'vendor-reset';

export type SwitchRecord = {
  readonly step: SwitchStep;
  readonly ms: number;
  /** The last ICCID read in this step, where one could be read. */
  readonly iccid?: Iccid;
  /** Why the step itself failed, where it did. */
  readonly failure?: string;
};

export type SwitchOutcome = {
  /** Whether the expected profile was seen. */
  readonly seen: boolean;
  readonly iccid?: Iccid;
  readonly steps: readonly SwitchRecord[];
};

export type SwitchTools = {
  readonly clock: Clock;
  readonly log: Log;
  readonly readIccid: () => Promise<Iccid>;
  /** What each step does; a missing one is left out. */
  readonly actions: Partial<Record<Exclude<SwitchStep, 'refresh'>, () => Promise<void>>>;
};

export type SwitchOptions = {
  /** How long each step may take to show the new profile. */
  readonly stepMs?: number;
  readonly signal?: AbortSignal;
};

const STEP_MS = 30_000;
const POLL_MS = 1_000;
/** The order in which steps are taken. */
export const SWITCH_STEPS: readonly Exclude<SwitchStep, 'refresh'>[] = [
  'slot-power',
  'radio-cycle',
  'restart',
  'vendor-reset',
];

/** Polls the ICCID until it is `expected`; after each `stepMs` without it takes the next step. Never throws but `ABORTED`. */
export async function awaitProfile(
  expected: Iccid,
  tools: SwitchTools,
  options: SwitchOptions = {},
): Promise<SwitchOutcome> {
  const { clock, log } = tools;
  const steps: SwitchRecord[] = [];
  let last: Iccid | undefined;
  const steady = ['refresh', ...SWITCH_STEPS.filter((step) => tools.actions[step] !== undefined)] as const;
  for (const step of steady) {
    const started = clock.now();
    const failure = step === 'refresh' ? undefined : await attempt(tools.actions[step]);
    const seen = await pollUntil(expected, started + (options.stepMs ?? STEP_MS), tools, options, (iccid) => {
      last = iccid;
    });
    const record: SwitchRecord = {
      step,
      ms: Math.round(clock.now() - started),
      ...(last === undefined ? {} : { iccid: last }),
      ...(failure === undefined ? {} : { failure }),
    };
    steps.push(record);
    log.write('info', 'modem.switch', seen ? 'profile seen' : 'profile not seen', { step, ms: record.ms });
    if (seen) break;
  }
  return { seen: last === expected, steps, ...(last === undefined ? {} : { iccid: last }) };
}

async function attempt(action: (() => Promise<void>) | undefined): Promise<string | undefined> {
  try {
    await action?.();
    return undefined;
  } catch (error) {
    if (isAgentError(error, 'ABORTED')) throw error;
    return errorOf(error).message;
  }
}

async function pollUntil(
  expected: Iccid,
  endsAt: number,
  tools: SwitchTools,
  options: SwitchOptions,
  onIccid: (iccid: Iccid) => void,
): Promise<boolean> {
  const waiting = options.signal === undefined ? {} : { signal: options.signal };
  do {
    try {
      const iccid = await tools.readIccid();
      onIccid(iccid);
      if (iccid === expected) return true;
    } catch (error) {
      // The card is being reset, or the port is away: that is what the wait is for.
      if (isAgentError(error, 'ABORTED')) throw error;
    }
    await sleep(tools.clock, POLL_MS, waiting);
  } while (tools.clock.now() < endsAt);
  return false;
}
