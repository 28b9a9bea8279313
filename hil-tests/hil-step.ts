// What a hardware run is made of: steps that ask, steps that change and put back, and what comes of them.
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Modem, ModemMemory } from '../modem/modem.ts';

export type Verdict = { readonly is: 'passed' } | { readonly is: 'failed' | 'skipped'; readonly why: string };

export const PASSED: Verdict = { is: 'passed' };
export const failed = (why: string): Verdict => ({ is: 'failed', why });
export const skipped = (why: string): Verdict => ({ is: 'skipped', why });

export type StepContext = {
  readonly modem: Modem;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What the driver has learned of the modem so far, with the sessions on the card that are open. */
  readonly memory: () => ModemMemory;
  /** The last session on the card that the driver opened. */
  readonly lastSession: () => NonNullable<ModemMemory['openSessions']>[number] | undefined;
  /** Something that was found, for the report. */
  readonly note: (name: string, value: string | number | boolean) => void;
};

/** Asks through the driver and changes nothing. */
export type ReadStep = {
  readonly id: string;
  readonly title: string;
  run(context: StepContext): Promise<Verdict>;
};

/** A change that was prepared: nothing is changed yet. */
export type Change = {
  /** Makes the change and looks whether it took effect. */
  run(): Promise<Verdict>;
  /** Puts back what was before. Also after a failure in the middle of `run`; may be called again. */
  restore(): Promise<void>;
  /** Undefined when all is as before, else what is not. */
  left(): Promise<string | undefined>;
};

export type WriteStep = {
  readonly id: string;
  readonly title: string;
  /** What is changed meanwhile, for those who decide on it. */
  readonly changes: string;
  /** Looks at what is there and prepares; a verdict where there is nothing to do. */
  prepare(context: StepContext, wish: { readonly profile?: string }): Promise<Change | Verdict>;
};

export type StepReport = {
  readonly id: string;
  readonly title: string;
  readonly verdict: Verdict;
  readonly findings: readonly (readonly [name: string, value: string])[];
  /** Milliseconds from the start of the trace, and how long it took. */
  readonly at: number;
  readonly ms: number;
};
