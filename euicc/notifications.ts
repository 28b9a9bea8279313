// Pending notifications: signed when something happens, kept until the device has delivered them (SGP.22 3.5, 2.5.6).
import { equalBytes } from '../base/bytes.ts';
import {
  NotificationMetadata,
  notificationMetadataOf,
  OtherSignedNotification,
} from '../codec/rsp/notifications.ts';
import type { StoreMetadataRequest } from '../codec/rsp/profiles.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import type { Ec } from '../crypto/ec.ts';
import { notificationCells, settingsCell } from './records.ts';
import type { EuiccIdentity } from './rsp/identity.ts';
import type { State } from './state.ts';

export type NotificationEvent =
  | 'notificationInstall'
  | 'notificationEnable'
  | 'notificationDisable'
  | 'notificationDelete';

export type PendingNotification = {
  readonly seqNumber: number;
  readonly metadata: NotificationMetadata;
  /** The whole notification, BF37 or 30. */
  readonly whole: Uint8Array;
};

export type Notifications = {
  /** The sequence number that the next notification takes. */
  readonly nextSeqNumber: number;
  /** Stages that the next sequence number is taken by something else. */
  takeSeqNumber(): number;
  /** Signs and stages one notification for each address that the profile's metadata names for this event. */
  add(
    ciPKId: Uint8Array,
    metadata: TypeOf<typeof StoreMetadataRequest>,
    event: NotificationEvent,
    /** An address that hears of the event in another way. */
    except?: string,
  ): void;
  /** Stages a notification that is signed already, under the next sequence number. */
  put(whole: Uint8Array): void;
  /** In the order of their sequence numbers. */
  list(): readonly PendingNotification[];
  remove(seqNumber: number): boolean;
};

export function createNotifications(options: {
  readonly state: State;
  readonly ec: Ec;
  readonly identity: EuiccIdentity;
}): Notifications {
  const { state, ec, identity } = options;
  const nextSeqNumber = (): number => state.read(settingsCell).nextSeqNumber;
  const takeSeqNumber = (): number => {
    const seqNumber = nextSeqNumber();
    state.write(settingsCell, { ...state.read(settingsCell), nextSeqNumber: seqNumber + 1 });
    return seqNumber;
  };
  const put = (whole: Uint8Array): void => state.write(notificationCells(takeSeqNumber()), whole);
  return {
    get nextSeqNumber() {
      return nextSeqNumber();
    },
    takeSeqNumber,
    add(ciPKId, metadata, event, except) {
      const credential =
        identity.credentials.find((held) => equalBytes(held.ciPKId, ciPKId)) ?? identity.credentials[0];
      if (credential === undefined) return;
      for (const row of metadata.notificationConfigurationInfo ?? []) {
        if (!row.profileManagementOperation.includes(event) || row.notificationAddress === except) continue;
        const tbsOtherNotification = NotificationMetadata.encode({
          seqNumber: nextSeqNumber(),
          profileManagementOperation: [event],
          notificationAddress: row.notificationAddress,
          iccid: metadata.iccid,
        });
        put(
          OtherSignedNotification.encode({
            tbsOtherNotification,
            euiccNotificationSignature: ec.sign(
              credential.curve,
              credential.privateKey,
              tbsOtherNotification,
            ),
            euiccCertificate: credential.euiccCertificate,
            eumCertificate: credential.eumCertificate,
          }),
        );
      }
    },
    put,
    list: () =>
      state
        .ids(notificationCells.prefix)
        .map(Number)
        .toSorted((a, b) => a - b)
        .flatMap((seqNumber) => {
          const whole = state.read(notificationCells(seqNumber));
          if (whole === undefined) return [];
          return [{ seqNumber, metadata: notificationMetadataOf(whole), whole }];
        }),
    remove(seqNumber) {
      const held = notificationCells(seqNumber);
      if (!state.has(held)) return false;
      state.remove(held);
      return true;
    },
  };
}
