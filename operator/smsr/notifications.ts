// Notifications that an eUICC signed (seed 92, 93): verified with the certificate in its EIS, applied in the order of its numbers.
import { equalBytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import type { Aid, Eid, Iccid } from '../../codec/ids.ts';
import {
  eventOf,
  NotificationMetadata,
  PendingNotification,
  ProfileInstallationResultData,
} from '../../codec/rsp/notifications.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import type { NotificationEvent, NotificationResult, SmSr } from '../roles.ts';
import type { Tx } from '../store/store.ts';
import type { EisTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { eisProfiles, findEis, putProfile, updateProfile } from './eis.ts';
import { setEnabled } from './script-result.ts';

type Request = Parameters<SmSr['handleNotification']>[0];

/** A notification taken apart, with what its signature covers. */
type Notification = {
  readonly seqNumber: number;
  readonly event: NotificationEvent;
  readonly iccid: Iccid;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** Where the notification brings its own; it must be the registered one. */
  readonly euiccCertificate?: Uint8Array;
  /** Whether the installation that it reports went wrong. */
  readonly failed: boolean;
  readonly isdPAid?: Aid;
};

const EVENTS: Readonly<Record<string, NotificationEvent>> = {
  notificationInstall: 'install',
  notificationEnable: 'enable',
  notificationDisable: 'disable',
  notificationDelete: 'delete',
};

/** What is not signed by this eUICC changes nothing; what was handled before is answered as before. */
export function handleNotification(context: SmSrContext, request: Request): Promise<NotificationResult> {
  const { name: owner, store, clock } = context;
  const { eid, pendingNotification: raw } = request;
  return store.transaction(async (tx) => {
    const eis = await findEis(tx, owner, eid);
    const notification = takeApart(raw);
    if (eis === undefined || notification === undefined || !isGenuine(context, eis, notification)) {
      await note(context, tx, { actor: eid, action: 'notificationRefused', eid });
      return { verified: false };
    }
    const { seqNumber, event, iccid, failed } = notification;
    const known = await tx
      .selectFrom('notifications')
      .select('raw')
      .where('owner', '=', owner)
      .where('eid', '=', eid)
      .where('seqNumber', '=', seqNumber)
      .executeTakeFirst();
    if (known !== undefined && !equalBytes(known.raw, raw)) {
      await note(context, tx, {
        actor: eid,
        action: 'notificationNumberReused',
        eid,
        details: { seqNumber },
      });
      return { verified: false };
    }
    const result = failed
      ? { verified: true, iccid, seqNumber }
      : { verified: true, event, iccid, seqNumber };
    if (known !== undefined) return result;
    await tx
      .insertInto('notifications')
      .values({ owner, eid, seqNumber, event, iccid, verified: 1, raw, at: clock.wall() })
      .execute();
    await replayFrom(context, tx, eid, seqNumber);
    await note(context, tx, {
      actor: eid,
      action: 'notification',
      eid,
      details: { seqNumber, event, iccid, failed },
    });
    return result;
  });
}

function takeApart(raw: Uint8Array): Notification | undefined {
  try {
    const pending = PendingNotification.decode(raw);
    if (pending.is === 'otherSignedNotification') {
      const { tbsOtherNotification, euiccNotificationSignature, euiccCertificate } = pending.value;
      const rest = { signed: tbsOtherNotification, signature: euiccNotificationSignature, euiccCertificate };
      return named(NotificationMetadata.decode(tbsOtherNotification), { ...rest, failed: false });
    }
    if (pending.is !== 'profileInstallationResult') return undefined;
    const { profileInstallationResultData: signed, euiccSignPIR: signature } = pending.value;
    const data = ProfileInstallationResultData.decode(signed);
    const success = data.finalResult.is === 'successResult' ? data.finalResult.value : undefined;
    return named(NotificationMetadata.decode(data.notificationMetadata), {
      signed,
      signature,
      failed: success === undefined,
      ...(success === undefined ? {} : { isdPAid: success.aid }),
    });
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

function named(
  metadata: NotificationMetadata,
  rest: Omit<Notification, 'seqNumber' | 'event' | 'iccid'>,
): Notification | undefined {
  const event = EVENTS[eventOf(metadata)];
  const { seqNumber, iccid } = metadata;
  return event === undefined || iccid === undefined ? undefined : { seqNumber, event, iccid, ...rest };
}

function isGenuine(context: SmSrContext, eis: EisTable, notification: Notification): boolean {
  const { euiccCertificate, signed, signature } = notification;
  if (euiccCertificate !== undefined && !equalBytes(euiccCertificate, eis.euiccCertificate)) return false;
  const { curve, publicKey } = parseCertificate(eis.euiccCertificate);
  return context.ec.verify(curve, publicKey, signed, signature);
}

/** One that arrives late is put in its place: it and all that follow it are applied again, in order. */
async function replayFrom(context: SmSrContext, tx: Tx, eid: Eid, seqNumber: number): Promise<void> {
  const rows = await tx
    .selectFrom('notifications')
    .select(['seqNumber', 'raw'])
    .where('owner', '=', context.name)
    .where('eid', '=', eid)
    .where('seqNumber', '>=', seqNumber)
    .orderBy('seqNumber')
    .execute();
  for (const row of rows) {
    const notification = takeApart(row.raw);
    if (notification !== undefined) await apply(context, tx, eid, notification);
  }
}

async function apply(context: SmSrContext, tx: Tx, eid: Eid, notification: Notification): Promise<void> {
  const { event, iccid, failed, isdPAid, seqNumber } = notification;
  const source = `eUICC, notification ${seqNumber}`;
  const known = (await eisProfiles(tx, context.name, eid)).find((profile) => profile.iccid === iccid);
  if (failed) {
    if (known?.state === 'ordered')
      await updateProfile(context, tx, eid, iccid, { state: 'deleted' }, source);
    return;
  }
  if (known === undefined) {
    // Installed past this SM-SR: the card's word counts, the owner is not known.
    const profile = { iccid, mno: '', profileClass: 'operational', state: 'ordered' } as const;
    await putProfile(context, tx, eid, profile, source);
  }
  switch (event) {
    case 'install': {
      const aid = isdPAid === undefined ? {} : { isdPAid };
      if (known === undefined || known.state === 'ordered' || known.state === 'deleted') {
        await updateProfile(context, tx, eid, iccid, { state: 'disabled', ...aid }, source);
      }
      break;
    }
    case 'enable':
      await setEnabled(context, tx, eid, iccid, source);
      break;
    case 'disable':
      await updateProfile(context, tx, eid, iccid, { state: 'disabled' }, source);
      break;
    case 'delete':
      await updateProfile(context, tx, eid, iccid, { state: 'deleted' }, source);
      break;
  }
}
