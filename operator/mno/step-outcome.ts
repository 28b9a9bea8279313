// What each step of a procedure is given and leads to, and how procedures end.
import type { Clock } from '../../base/clock.ts';
import { type AgentError, isAgentError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import type { DownMessage } from '../../codec/wire.ts';
import type { EuiccKeys, PartnerMno, ScriptJob, SmDp, SmSr } from '../roles.ts';
import type { Procedure } from './procedure.ts';
import type { ProfilePolicy } from './profile-check.ts';

export type StepContext = {
  /** This MNO's name. */
  readonly mno: string;
  readonly smdp: SmDp;
  readonly smsr: SmSr;
  /** Given, new procedures bind profiles to the static keys that it names. */
  readonly euiccKeys?: EuiccKeys;
  /** Given, eUICCs are asked for their certificate profile and judged by it too. */
  readonly profilePolicy?: ProfilePolicy;
  readonly partner: (name: string) => PartnerMno | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a device waits for its connectivity verdict after a switch, in milliseconds. */
  readonly switchDeadlineMs: number;
};

type Body<M> = M extends DownMessage ? Omit<M, 'id' | 'eid' | 'transaction'> : never;
/** A message for the device without the fields that the sender adds; a manifest is made from its content when stored. */
export type DownBody = Exclude<Body<DownMessage>, { is: 'manifest' | 'receipt' }>;

/** What a message leads to; all of it is stored in one transaction, with the receipt, before anything is sent. */
export type StepOutcome = {
  readonly procedure?: Procedure;
  readonly send?: readonly DownBody[];
  /** The content of a transfer whose manifest is to be sent. */
  readonly transfer?: { readonly content: Uint8Array; readonly blockSize: number };
  readonly receipt?: { readonly outcome: 'done' | 'duplicate' | 'refused'; readonly reason?: string };
  /** What the audit log says beside the step. */
  readonly detail?: string;
};

/** The message that has the device play a script of the SM-SR's. */
export function scriptBody(
  context: StepContext,
  purpose: 'enable' | 'delete',
  iccid: NonNullable<Procedure['iccid']>,
  job: ScriptJob,
): DownBody {
  return {
    is: 'script',
    purpose,
    iccid,
    script: job.script,
    ...(job.rollback === undefined ? {} : { rollback: job.rollback }),
    deadlineMs: context.switchDeadlineMs,
  };
}

/** A procedure with its end; the device is told by the step. */
export function ended(
  { clock }: StepContext,
  procedure: Procedure,
  step: 'refused' | 'failed',
  reason: string,
): Procedure {
  return { ...procedure, step, reason, endedAt: clock.wall() };
}

/** Ends a procedure whose profile serves, and tells the device. */
export function complete(context: StepContext, procedure: Procedure): StepOutcome {
  const done = { ...procedure, step: 'completed', endedAt: context.clock.wall() } as const;
  if (procedure.iccid === undefined) return { procedure: done };
  return { procedure: done, send: [{ is: 'completed', iccid: procedure.iccid }] };
}

/** Ends a procedure without a profile and tells the device why. */
export function refuse(
  context: StepContext,
  procedure: Procedure,
  reason: string,
  checks?: Extract<DownBody, { is: 'refused' }>['checks'],
): StepOutcome {
  return {
    procedure: ended(context, procedure, 'refused', reason),
    send: [{ is: 'refused', reason: reason.slice(0, 256), ...(checks === undefined ? {} : { checks }) }],
  };
}

/** Ends a procedure that went wrong on the way. */
export function fail(context: StepContext, procedure: Procedure, reason: string): StepOutcome {
  return {
    procedure: ended(context, procedure, 'failed', reason),
    send: [{ is: 'refused', reason: reason.slice(0, 256) }],
  };
}

/** The answer to a message for which the procedure does not wait, or no longer. */
export function stale(procedure: Procedure): StepOutcome {
  return { procedure, receipt: { outcome: 'duplicate', reason: `the procedure is ${procedure.step}` } };
}

/** Whether a role refused what was asked: an answer for the device, not a fault of ours. */
export function isRefusal(error: unknown): error is AgentError {
  return isAgentError(
    error,
    'REFUSED',
    'NOT_FOUND',
    'TLV_INVALID',
    'TLV_MISSING',
    'TLV_VALUE',
    'SIGNATURE_INVALID',
    'CERTIFICATE_INVALID',
    'KEY_INVALID',
    'ID_INVALID',
  );
}
