// The donor's policy control function: may this eUICC leave, and may its profile be deleted afterwards (seed 87 to 89).
import type { EisProfile } from '../roles.ts';

/** An MNO's policy for MNO changes away from it. */
export type ChangePolicy = {
  /** Receiving MNOs with a contract made in advance; others need `adHoc`. */
  readonly contracts: readonly string[];
  /** Whether a receiving MNO without a contract may be approved. */
  readonly adHoc: boolean;
  /** Whether the profile may be deleted once the receiving MNO has confirmed (POL2). */
  readonly deleteAfterChange: boolean;
};

export type PolicyDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: string };

/** Decides on a change to `receiving`, given what the EIS says of this MNO's profile on the eUICC. */
export function decideChange(
  policy: ChangePolicy,
  receiving: string,
  profile: Pick<EisProfile, 'iccid'> | undefined,
): PolicyDecision {
  if (profile === undefined) {
    return { allowed: false, reason: 'this MNO has no profile on the eUICC' };
  }
  if (!policy.contracts.includes(receiving) && !policy.adHoc) {
    return { allowed: false, reason: `no contract with ${receiving}, and no approval without one` };
  }
  return { allowed: true };
}
