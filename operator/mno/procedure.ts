// One procedure of an MNO as data: provisioning or MNO change, and what follows from what is known of it.
import type { Eid, Iccid, Imei } from '../../codec/ids.ts';
import type { UpMessage } from '../../codec/wire.ts';
import type { Verdict } from '../../crypto/verdict.ts';
import type { ScriptJob } from '../roles.ts';

/** Where a procedure stands: the name says what the MNO waits for. */
export type ProcedureStep =
  /** Sent the status and capability request; waits for the eUICC's answer with its certificate. */
  | 'authenticating'
  /** Sent the request for a one-time key. */
  | 'preparing'
  /** Sent the manifest; waits for the report of the installation. */
  | 'installing'
  /** Sent the enable script; waits for its report. */
  | 'enabling'
  /** Waits for the eUICC's signed notifications, and for the donor's word in a change. */
  | 'confirming'
  /** Sent the script that deletes the donor's profile. */
  | 'deleting'
  | 'completed'
  | 'refused'
  | 'failed'
  /** A later request for the same eUICC took its place. */
  | 'superseded';

/** The end states: nothing is expected any more. */
export const ENDED: ReadonlySet<ProcedureStep> = new Set(['completed', 'refused', 'failed', 'superseded']);

/** Everything an MNO knows of one procedure. It holds no key and no profile content. */
export type Procedure = {
  /** 16 octets, chosen by the agent. */
  readonly transaction: Uint8Array;
  readonly eid: Eid;
  readonly imei: Imei;
  readonly kind: 'provisioning' | 'mno-change';
  readonly family: 'C';
  /** Which key of the eUICC its profile is bound to: its static one, or one that it makes for this download (seed 57, 59). */
  readonly keyMode: 'static' | 'dynamic';
  readonly secondLayer: ScriptJob['secondLayer'];
  readonly step: ProcedureStep;
  /** The SM-DP's transactionId and what it signed, to check the eUICC's answer against. */
  readonly rspTransaction: Uint8Array;
  readonly serverSigned1: Uint8Array;
  /** The challenge over which the eUICC is to sign its certificate profile, where this MNO wants one. */
  readonly profileChallenge?: Uint8Array;
  readonly maxBlockSize?: number;
  /** What the device's way to its card carries in one command, where that is less than 255 octets. */
  readonly maxCommandData?: number;
  /** Names the reservation at the SM-DP; a resumed procedure keeps it and so keeps its profile. */
  readonly orderId: string;
  readonly verdict?: Verdict;
  readonly iccid?: Iccid;
  readonly donor?: { readonly mno: string; readonly iccid: Iccid; readonly rightsGrant: Uint8Array };
  /** BF21 as the eUICC answered it: the same bound package can be asked for again. */
  readonly prepareDownloadResponse?: Uint8Array;
  readonly transferId?: Uint8Array;
  readonly profileBytes?: number;
  readonly packageBytes?: number;
  readonly blocks?: number;
  readonly installed?: boolean;
  /** The verified enable notification of this MNO's own profile is stored. */
  readonly enableVerified?: boolean;
  /** The donor's word: its disable notification is verified, and whether its profile may go. */
  readonly released?: { readonly deleteAllowed: boolean };
  /** How often a script was made anew because the card was at another sequence counter. */
  readonly scriptsRemade?: number;
  readonly reason?: string;
  readonly startedAt: number;
  readonly endedAt?: number;
};

/** What a procedure in `confirming` does next, from what is known. */
export function afterConfirmation(procedure: Procedure): 'wait' | 'delete-donor' | 'complete' {
  if (procedure.enableVerified !== true) return 'wait';
  if (procedure.donor === undefined) return 'complete';
  if (procedure.released === undefined) return 'wait';
  return procedure.released.deleteAllowed ? 'delete-donor' : 'complete';
}

/** What the device tells beside the step: why it failed, and what it took to make the modem take a profile. */
export function wordsOf(message: UpMessage): string {
  if (message.is === 'failure') return `: ${message.code} ${message.detail ?? ''}`.trimEnd();
  if (message.is !== 'scriptReport' || message.ladder === undefined) return '';
  const steps = message.ladder.map(({ step, back, failure }) =>
    [back === true ? 'back:' : '', step, failure === undefined ? '' : '(failed)'].filter(Boolean).join(' '),
  );
  return `: ${steps.join(', ')}`;
}
