// ListNotification, RetrieveNotificationsList, RemoveNotificationFromList (SGP.22 5.7.9 to 5.7.11).
import {
  ListNotificationRequest,
  ListNotificationResponse,
  NotificationSentRequest,
  NotificationSentResponse,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from '../../codec/rsp/notifications.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import { listResults, removeResult } from '../iot/package-results.ts';
import type { PendingNotification } from '../notifications.ts';
import type { State } from '../state.ts';
import type { Es10, Es10Function } from './functions.ts';

/** Whether one of the events asked for is the notification's. */
function isOf(events: readonly string[] | undefined): (pending: PendingNotification) => boolean {
  return ({ metadata }) =>
    events === undefined || metadata.profileManagementOperation.some((event) => events.includes(event));
}

function list({ notifications }: Es10, request: Uint8Array): Uint8Array {
  const { profileManagementOperation } = ListNotificationRequest.decode(request);
  return ListNotificationResponse.encode({
    is: 'notificationMetadataList',
    value: notifications
      .list()
      .filter(isOf(profileManagementOperation))
      .map(({ metadata }) => metadata),
  });
}

/** Results of eUICC packages where they are asked for, all or the one of a number (SGP.32 5.9.11). */
function packageResults(
  state: State,
  criteria: TypeOf<typeof RetrieveNotificationsListRequest>['searchCriteria'],
): Uint8Array[] | undefined {
  const held = listResults(state);
  if (criteria?.is === 'euiccPackageResults') return held.map(({ whole }) => whole);
  const found = held.find(({ seqNumber }) => criteria?.is === 'seqNumber' && seqNumber === criteria.value);
  return found === undefined ? undefined : [found.whole];
}

function retrieve({ notifications, state }: Es10, request: Uint8Array): Uint8Array {
  const { searchCriteria } = RetrieveNotificationsListRequest.decode(request);
  const results = packageResults(state, searchCriteria);
  if (results !== undefined) {
    return RetrieveNotificationsListResponse.encode({ is: 'euiccPackageResultList', value: results });
  }
  const pending = notifications.list().filter((notification) => {
    switch (searchCriteria?.is) {
      case 'seqNumber':
        return notification.seqNumber === searchCriteria.value;
      case 'profileManagementOperation':
        return isOf(searchCriteria.value)(notification);
      case 'euiccPackageResults':
        return false;
      case undefined:
        return true;
    }
  });
  if (searchCriteria !== undefined && pending.length === 0) {
    return RetrieveNotificationsListResponse.encode({
      is: 'notificationsListResultError',
      value: 'noResultAvailable',
    });
  }
  return RetrieveNotificationsListResponse.encode({
    is: 'notificationList',
    value: pending.map(({ whole }) => whole),
  });
}

function remove({ notifications, state }: Es10, request: Uint8Array): Uint8Array {
  const { seqNumber } = NotificationSentRequest.decode(request);
  return NotificationSentResponse.encode({
    deleteNotificationStatus:
      notifications.remove(seqNumber) || removeResult(state, seqNumber) ? 'ok' : 'nothingToDelete',
  });
}

export const NOTIFICATION_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf28, run: list },
  { tag: 0xbf2b, run: retrieve },
  { tag: 0xbf30, run: remove },
];
