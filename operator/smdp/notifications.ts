// Results and notifications that eUICCs sign for an SM-DP (ES9+.HandleNotification, SGP.22 5.6.4), and what they change.
import { isAgentError } from '../../base/errors.ts';
import { type Eid, type Iccid, parseEid } from '../../codec/ids.ts';
import {
  eventOf,
  NotificationMetadata,
  PendingNotification,
  ProfileInstallationResultData,
} from '../../codec/rsp/notifications.ts';
import { verifyEuicc } from '../../crypto/chain.ts';
import type { Ec } from '../../crypto/ec.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import type { Store, Tx } from '../store/store.ts';
import { findSubscription, setSubscriptionState } from '../store/subscriptions.ts';
import type { NotificationTable } from '../store/tables.ts';
import { changeSession, findSession, type SessionRow, supersede } from './sessions.ts';

export type NotificationContext = {
  readonly store: Store;
  readonly owner: string;
  readonly ec: Ec;
  readonly ciCertificate: Uint8Array;
  /** Both certificates of the SM-DP bear it; a result names it. */
  readonly registeredId: string;
  /** Unix milliseconds. */
  readonly at: number;
};

type Pending = ReturnType<typeof PendingNotification.decode>;
type Result = Extract<Pending, { is: 'profileInstallationResult' }>['value'];
type Other = Extract<Pending, { is: 'otherSignedNotification' }>['value'];

const UNVERIFIED = { verified: false } as const;

/** Verifies and records one PendingNotification (BF37 or 30). What is no such structure is unverified too. */
export async function handlePendingNotification(
  context: NotificationContext,
  raw: Uint8Array,
): Promise<{ readonly verified: boolean }> {
  try {
    const pending = PendingNotification.decode(raw);
    if (pending.is === 'profileInstallationResult')
      return await installationResult(context, pending.value, raw);
    if (pending.is === 'otherSignedNotification') return await otherNotification(context, pending.value, raw);
    return UNVERIFIED;
  } catch (error) {
    if (isAgentError(error, 'TLV_INVALID', 'TLV_VALUE', 'TLV_MISSING', 'TEXT_INVALID', 'ID_INVALID'))
      return UNVERIFIED;
    throw error;
  }
}

/** Signed by the eUICC of the session that the result names. */
async function installationResult(
  context: NotificationContext,
  { profileInstallationResultData: signed, euiccSignPIR }: Result,
  raw: Uint8Array,
): Promise<{ readonly verified: boolean }> {
  const { store, owner, ec } = context;
  const data = ProfileInstallationResultData.decode(signed);
  const metadata = NotificationMetadata.decode(data.notificationMetadata);
  if (eventOf(metadata) !== 'notificationInstall') return UNVERIFIED;
  return store.transaction(async (tx) => {
    const session = await findSession(tx, owner, data.transactionId);
    if (session === undefined) return UNVERIFIED;
    const { eid, iccid, euiccCertificate } = session;
    if (eid === null || iccid === null || euiccCertificate === null) return UNVERIFIED;
    if (
      (session.prepareDownloadResponse === null && session.built === 0) ||
      (metadata.iccid !== undefined && metadata.iccid !== iccid)
    )
      return UNVERIFIED;
    if (data.smdpOid !== undefined && data.smdpOid !== context.registeredId) return UNVERIFIED;
    const { curve, publicKey } = parseCertificate(euiccCertificate);
    if (!ec.verify(curve, publicKey, signed, euiccSignPIR)) return UNVERIFIED;
    const installed = data.finalResult.is === 'successResult';
    await finishSession(tx, context, { session, eid, iccid, installed });
    if (installed) {
      const { seqNumber } = metadata;
      await record(tx, context, { eid, seqNumber, event: 'install', iccid, raw });
    }
    return { verified: true };
  });
}

/**
 * The first result counts; the bound package is of no use to anyone after it. A session that was given up for a newer one says
 * nothing of a failure any more; that its package was installed all the same, is true whichever session brought it.
 */
async function finishSession(
  tx: Tx,
  { owner, at }: NotificationContext,
  ended: {
    readonly session: SessionRow;
    readonly eid: Eid;
    readonly iccid: Iccid;
    readonly installed: boolean;
  },
): Promise<void> {
  const { session, iccid, installed } = ended;
  if (session.state !== 'bound' && !(session.state === 'cancelled' && installed)) return;
  const state = installed ? 'installed' : 'failed';
  await changeSession(tx, session, { state, boundProfilePackage: null }, at);
  if (installed) await supersede(tx, session, ended, at);
  const subscription = await findSubscription(tx, owner, { iccid });
  // A subscription in use is not taken back.
  if (subscription?.state !== 'downloaded' && subscription?.state !== 'reserved') return;
  await setSubscriptionState(tx, owner, iccid, installed ? 'installed' : 'reserved', at);
}

const EVENTS: Readonly<Record<string, NotificationTable['event']>> = {
  notificationInstall: 'install',
  notificationEnable: 'enable',
  notificationDisable: 'disable',
  notificationDelete: 'delete',
};

const STATE_AFTER = {
  install: 'installed',
  enable: 'enabled',
  disable: 'disabled',
  delete: 'deleted',
} as const;

/** Brings its own certificates: they must lead to our CI, and name the eUICC that our subscription is on. */
async function otherNotification(
  context: NotificationContext,
  notification: Other,
  raw: Uint8Array,
): Promise<{ readonly verified: boolean }> {
  const { store, owner, at } = context;
  const metadata = NotificationMetadata.decode(notification.tbsOtherNotification);
  const event = EVENTS[eventOf(metadata)];
  const eid = signerOf(context, notification);
  if (eid === undefined || event === undefined) return UNVERIFIED;
  const { iccid, seqNumber } = metadata;
  if (iccid === undefined) return { verified: true };
  return store.transaction(async (tx) => {
    const subscription = await findSubscription(tx, owner, { iccid });
    if (subscription === undefined) return { verified: true };
    if (subscription.eid !== eid) return UNVERIFIED;
    await record(tx, context, { eid, seqNumber, event, iccid, raw });
    const last = await lastEvent(tx, owner, eid, iccid);
    const state = STATE_AFTER[last ?? event];
    if (subscription.state !== state) await setSubscriptionState(tx, owner, iccid, state, at);
    return { verified: true };
  });
}

/** The EID of the eUICC that signed, when its chain and its signature hold. */
function signerOf({ ec, ciCertificate, at }: NotificationContext, notification: Other): Eid | undefined {
  const { euiccCertificate, eumCertificate } = notification;
  try {
    const eid = parseEid(parseCertificate(euiccCertificate).subject.serialNumber ?? '');
    const { accepted } = verifyEuicc(
      ec,
      {
        euiccCertificate,
        eumCertificate,
        eid,
        proof: {
          signed: notification.tbsOtherNotification,
          signature: notification.euiccNotificationSignature,
          // A notification answers no challenge: its sequence number says which one it is.
          challengeMatches: true,
        },
      },
      {
        trustedCis: [parseCertificate(ciCertificate)],
        crls: [],
        at,
        eisStatus: 'ok',
        deniedFirmware: [],
      },
    );
    return accepted ? eid : undefined;
  } catch (error) {
    if (isAgentError(error, 'CERTIFICATE_INVALID', 'KEY_INVALID', 'ID_INVALID')) return undefined;
    throw error;
  }
}

async function record(
  tx: Tx,
  { owner, at }: NotificationContext,
  notification: Pick<NotificationTable, 'eid' | 'seqNumber' | 'event' | 'iccid' | 'raw'>,
): Promise<void> {
  await tx
    .insertInto('notifications')
    .values({ owner, ...notification, verified: 1, at })
    .onConflict((conflict) => conflict.columns(['owner', 'eid', 'seqNumber']).doNothing())
    .execute();
}

/** What the eUICC did last with the profile: notifications may come in any order, their numbers count up. */
async function lastEvent(
  tx: Tx,
  owner: string,
  eid: Eid,
  iccid: Iccid,
): Promise<NotificationTable['event'] | undefined> {
  const row = await tx
    .selectFrom('notifications')
    .select('event')
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('iccid', '=', iccid)
    .where('verified', '=', 1)
    .orderBy('seqNumber', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.event;
}
