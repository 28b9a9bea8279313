// Provisioning without a network (seed 56, 72): an MNO makes a bundle for one eUICC, and reads in what the card said to it.
import { toHex } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { AgentError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import { BUNDLE_VERSION, bundleAnswer, type OfflineBundle } from '../../codec/offline-bundle.ts';
import type { NotificationEvent, OfflineSmDp, OfflineSmSr, SmDp, SmSr } from '../roles.ts';
import type { MnoStore } from './mno-store.ts';

export type OfflineOptions = {
  /** This MNO's name, by which devices know its key. */
  readonly name: string;
  readonly store: MnoStore;
  readonly smdp: SmDp & OfflineSmDp;
  readonly smsr: SmSr & OfflineSmSr;
  /** Signs a bundle as this MNO. */
  readonly seal: (bundle: OfflineBundle) => Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
};

export type BundleOrder = {
  readonly eid: Eid;
  /** The same order gets the same subscription; one of its own unless given. */
  readonly orderId?: string;
  /** How long the bundle may be loaded, 30 days unless given. */
  readonly lifetimeMs?: number;
  /** How often a load that loses its power can be begun, 3 times unless given. */
  readonly attempts?: number;
  /** The most octets of data in one command, for devices whose way to the card takes less than 255. */
  readonly maxCommandData?: number;
  /** Where another MNO serves the eUICC: that donor's word. */
  readonly rightsGrant?: Uint8Array;
};

export type MadeBundle = {
  readonly file: Uint8Array;
  readonly iccid: Iccid;
  readonly transactionId: Uint8Array;
  /** Unix milliseconds. */
  readonly expires: number;
};

/** What came of a bundle, as far as the eUICC has signed it. */
export type BundleResult = {
  readonly eid: Eid;
  readonly iccid: Iccid;
  readonly installed: boolean;
  /** Verified ones for this MNO, in the card's order. */
  readonly notifications: readonly { readonly event: NotificationEvent; readonly iccid: Iccid }[];
  /** What the device says went wrong; nobody vouches for it. */
  readonly reason?: string;
};

const DEFAULT_LIFETIME_MS = 30 * 86_400_000;
const DEFAULT_ATTEMPTS = 3;

/** Throws `REFUSED` without an accepted verdict on the eUICC, with the checks that failed. */
export async function makeBundle(options: OfflineOptions, order: BundleOrder): Promise<MadeBundle> {
  const { name: mno, smdp, smsr, store, clock, random } = options;
  const { eid, attempts = DEFAULT_ATTEMPTS, lifetimeMs = DEFAULT_LIFETIME_MS } = order;
  const transactionId = random.bytes(16);
  const { verdict, certificates } = await smsr.verifyRegistered({ mno, eid, transactionId });
  if (!verdict.accepted) {
    const failed = verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);
    throw new AgentError('REFUSED', { why: 'the eUICC is not accepted', failed: failed.join(', ') });
  }
  const orderId = order.orderId ?? `offline ${toHex(transactionId)}`;
  const { iccid } = await smdp.downloadOrder({ eid, orderId });
  const bound = await smdp.offlineProfile({ transactionId, eid, iccid, verdict, certificates });
  const { scripts, sequenceCounter } = await smsr.secureOffline({
    mno,
    eid,
    transactionId,
    iccid,
    attempts,
    boundProfilePackage: bound.boundProfilePackage,
    prepareDownload: bound.prepareDownload,
    ...(order.maxCommandData === undefined ? {} : { maxCommandData: order.maxCommandData }),
    ...(order.rightsGrant === undefined ? {} : { rightsGrant: order.rightsGrant }),
  });
  const issued = Math.floor(clock.wall() / 1000);
  const expires = Math.floor((clock.wall() + lifetimeMs) / 1000);
  const file = options.seal({
    version: BUNDLE_VERSION,
    eid,
    mno,
    transactionId,
    iccid,
    issued,
    expires,
    sequenceCounter,
    scripts,
  });
  const detail = `${iccid}, ${file.length} octets, counter ${sequenceCounter}`;
  await store.commit({ audit: { action: 'offline-bundle', eid, detail } });
  return { file, iccid, transactionId, expires: expires * 1000 };
}

/**
 * Reads an answer file; the same one again changes nothing. Only what the eUICC signed, or proves under its management keys, is believed.
 * Throws `CBOR_INVALID` and `MESSAGE_INVALID` for what is no answer, `REFUSED` for another MNO's.
 */
export async function readBundleAnswer(options: OfflineOptions, file: Uint8Array): Promise<BundleResult> {
  const { name, smdp, smsr, store, clock } = options;
  const answer = bundleAnswer.decode(file);
  const { eid, iccid, mno, reason, responseScript } = answer;
  if (mno !== name) throw new AgentError('REFUSED', { why: `the answer is for ${mno}` });
  if (responseScript !== undefined) await smsr.scriptResult({ eid, responseScript });
  const known = new Set((await store.notifications(eid)).map(({ seqNumber }) => seqNumber));
  const notifications: BundleResult['notifications'][number][] = [];
  for (const pendingNotification of answer.notifications) {
    const atSmSr = await smsr.handleNotification({ eid, pendingNotification });
    const atSmDp = await smdp.handleNotification(pendingNotification);
    const { event, iccid: of, seqNumber } = atSmSr;
    if (!atSmSr.verified || !atSmDp.verified) continue;
    if (event === undefined || of === undefined || seqNumber === undefined) continue;
    notifications.push({ event, iccid: of });
    if (known.has(seqNumber)) continue;
    const receivedAt = clock.wall();
    const notification = {
      eid,
      seqNumber,
      event,
      iccid: of,
      verified: true,
      pendingNotification,
      receivedAt,
    };
    await store.commit({
      notification,
      audit: { action: 'notification', eid, detail: `${event} ${of}, offline` },
    });
  }
  const installed = notifications.some((each) => each.event === 'install' && each.iccid === iccid);
  return { eid, iccid, installed, notifications, ...(reason === undefined ? {} : { reason }) };
}
