// The profile of a subscription, built and bound to one eUICC's key: what both the online and the offline way end in.
import type { Clock } from '../../base/clock.ts';
import { isAgentError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import type { Ec } from '../../crypto/ec.ts';
import type { SmDpPki } from '../issuer/pki.ts';
import type { Store } from '../store/store.ts';
import type { SealKeys, Subscription, subscriptionSecrets } from '../store/subscriptions.ts';
import { bindProfile, profileMetadata, type Witness } from './bound-profile.ts';
import { refused } from './evidence.ts';
import { buildProfilePackage } from './profile-builder.ts';
import type { SubscriptionDefaults, SubscriptionPorts } from './subscriptions.ts';

export type SmDpOptions = {
  readonly store: Store;
  /** Names the SM-DP's rows in the database. */
  readonly owner: string;
  readonly ec: Ec;
  /** serverAddress: where the eUICC's notifications go. */
  readonly address: string;
  readonly pki: SmDpPki;
  readonly subscriptions: SubscriptionDefaults;
  /** Seal subscribers' secrets; the first for new ones. */
  readonly sealKeys: SealKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly witness?: Witness;
};

/** What all steps of an SM-DP work with. */
export type SmDpContext = SmDpOptions & { readonly ports: SubscriptionPorts; readonly ciPkId: Uint8Array };

/** Throws `REFUSED` unless the subscription is this eUICC's and its profile is not installed yet. */
export function deliverable(subscription: Subscription | undefined, eid: Eid, iccid: Iccid): Subscription {
  if (subscription === undefined || subscription.eid !== eid) {
    throw refused('no profile is reserved for this eUICC', { iccid });
  }
  if (subscription.state !== 'reserved' && subscription.state !== 'downloaded') {
    throw refused('the profile was installed already', { iccid, state: subscription.state });
  }
  return subscription;
}

/** What the profile of a subscription says of itself, BF25. */
export function metadataOf(
  { address, subscriptions: { mccMnc, profileName } }: SmDpContext,
  { iccid, spn }: Subscription,
): Uint8Array {
  return profileMetadata({ iccid, spn, profileName, mccMnc, address });
}

/** The only place where an unprotected profile package exists. */
export function build(
  context: SmDpContext,
  subscription: Subscription,
  secrets: Awaited<ReturnType<typeof subscriptionSecrets>>,
  target: { readonly eid: Eid; readonly transactionId: Uint8Array; readonly euiccOtpk: Uint8Array },
): { readonly boundProfilePackage: Uint8Array; readonly profileBytes: number } {
  const { ec, random, pki, subscriptions, ports } = context;
  const { mccMnc, profileName, profileBytes } = subscriptions;
  const { iccid, imsi, spn } = subscription;
  const { witness } = ports;
  const upp = buildProfilePackage({
    ...secrets,
    iccid,
    imsi,
    mccMnc,
    spn,
    profileName,
    ...(profileBytes === undefined ? {} : { targetBytes: profileBytes }),
  });
  witness('UPP', upp);
  try {
    const boundProfilePackage = bindProfile({
      ec,
      random,
      dpPbKey: pki.dpPb.key,
      registeredId: pki.registeredId,
      ...target,
      metadata: metadataOf(context, subscription),
      upp,
      witness,
    });
    return { boundProfilePackage, profileBytes: upp.length };
  } catch (error) {
    if (isAgentError(error, 'KEY_INVALID')) throw refused('otPK.EUICC is no key of the curve');
    throw error;
  }
}
