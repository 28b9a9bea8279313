// The donor's and the receiving MNO's side of a change, as partners see this MNO (seed 85 to 93).
import type { Clock } from '../../base/clock.ts';
import type { Lock } from '../../base/lock.ts';
import type { Random } from '../../base/random.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import { rightsGrant } from '../rights-grant.ts';
import type { PartnerMno, SmSr } from '../roles.ts';
import type { GrantRecord, MnoStore } from './mno-store.ts';
import { type ChangePolicy, decideChange } from './pcf.ts';
import type { Procedure } from './procedure.ts';

export type PartnerOptions = {
  readonly mno: string;
  readonly store: MnoStore;
  readonly smsr: SmSr;
  readonly policy: ChangePolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly lock: (eid: Eid) => Lock;
  readonly partner: (name: string) => PartnerMno | undefined;
  /** COSE_Sign1 with this MNO's key under the context of rights grants. */
  readonly signGrant: (payload: Uint8Array) => Uint8Array;
  /** Goes on with a procedure of ours after the donor's word changed it. */
  readonly resume: (
    eid: Eid,
    transaction: Uint8Array,
    change: (procedure: Procedure) => Procedure,
  ) => Promise<void>;
};

/** A grant is meant for a change that is under way, not for next week. */
const GRANT_LIFETIME_MS = 24 * 3_600_000;

export type Partner = PartnerMno & {
  /** Our profile was disabled or deleted, says the eUICC's signed notification: the receiving MNO may hear it. */
  profileLeft(eid: Eid, iccid: Iccid): Promise<void>;
};

export function createPartner(options: PartnerOptions): Partner {
  const { mno, store, smsr, policy, clock, random } = options;
  const ownProfile = async (eid: Eid): Promise<{ readonly iccid: Iccid } | { readonly refusal: string }> => {
    const eis = await smsr.getEis(eid);
    const profile =
      eis.profiles.find((held) => held.mno === mno && held.state === 'enabled') ??
      eis.profiles.find((held) => held.mno === mno && held.state !== 'deleted');
    return profile ?? { refusal: 'this MNO has no profile on the eUICC' };
  };
  const release = async (grant: GrantRecord): Promise<void> => {
    if (!grant.confirmed || !grant.released) return;
    await options.partner(grant.receiving)?.profileReleased({
      eid: grant.eid,
      donor: mno,
      transactionId: grant.transaction,
      iccid: grant.iccid,
      deleteAllowed: policy.deleteAfterChange,
    });
  };
  return {
    name: mno,
    requestRightsGrant: ({ eid, receiving, transactionId }) =>
      options.lock(eid).run(async () => {
        const made = await store.grant(eid, transactionId);
        if (made !== undefined) return { granted: true, rightsGrant: made.rightsGrant, iccid: made.iccid };
        const held = await ownProfile(eid);
        const decision = decideChange(policy, receiving, 'refusal' in held ? undefined : held);
        if (!decision.allowed || 'refusal' in held) {
          const reason = decision.allowed ? 'this MNO has no profile on the eUICC' : decision.reason;
          await store.commit({ audit: { action: 'rights-refused', eid, detail: `${receiving}: ${reason}` } });
          return { granted: false, reason };
        }
        const expires = clock.wall() + GRANT_LIFETIME_MS;
        const signed = options.signGrant(
          rightsGrant.encode({
            eid,
            donor: mno,
            receiving,
            transactionId,
            iccid: held.iccid,
            nonce: random.bytes(16),
            expires: Math.floor(expires / 1000),
            deleteAllowed: policy.deleteAfterChange,
          }),
        );
        const grant = {
          transaction: transactionId,
          eid,
          receiving,
          iccid: held.iccid,
          rightsGrant: signed,
          expires,
        };
        await store.commit({
          grant: { ...grant, confirmed: false, released: false },
          audit: { action: 'rights-granted', eid, detail: receiving },
        });
        return { granted: true, rightsGrant: signed, iccid: held.iccid };
      }),
    changeConfirmed: ({ eid, receiving, transactionId }) =>
      options.lock(eid).run(async () => {
        const held = await store.grant(eid, transactionId);
        if (held === undefined || held.receiving !== receiving)
          return { released: false, deleteAllowed: false };
        if (!held.confirmed) {
          const audit = { action: 'change-confirmed', eid, detail: receiving };
          await store.commit({ grant: { ...held, confirmed: true }, audit });
        }
        return { released: held.released, deleteAllowed: policy.deleteAfterChange };
      }),
    async profileReleased({ eid, donor, transactionId, deleteAllowed }) {
      await options.resume(eid, transactionId, (procedure) =>
        procedure.donor?.mno === donor ? { ...procedure, released: { deleteAllowed } } : procedure,
      );
    },
    async profileLeft(eid, iccid) {
      const grant = await options.lock(eid).run(async () => {
        const held = await store.grant(eid);
        if (held === undefined || held.iccid !== iccid || held.released) return held;
        const released = { ...held, released: true };
        await store.commit({
          grant: released,
          audit: { action: 'profile-released', eid, detail: held.receiving },
        });
        return released;
      });
      if (grant !== undefined) await release(grant);
    },
  };
}
