// Installation results and notifications: SGP.22 2.5.6, 3.5, 5.7.9 to 5.7.11; results of eUICC packages: SGP.32 5.9.11.
import { AgentError } from '../../base/errors.ts';
import { codes } from '../tlv-names.ts';
import {
  boolean,
  choice,
  nothing,
  object,
  octets,
  oid,
  rawOf,
  runOf,
  sequence,
  type Type,
  type TypeOf,
  unsigned,
  utf8,
} from '../tlv-table.ts';
import { euiccResponses } from '../saip/response.ts';
import { eidValue } from './euicc-info.ts';
import { euiccPackageResults } from './sgp32-package.ts';
import {
  aidType,
  alsoBare,
  certificate,
  iccidType,
  notificationEvent,
  signature,
  subjectKeyIdentifier,
  TAG_SIGNATURE,
  transactionId,
} from './types.ts';

const rawObject = octets({ min: 2 });

/** NotificationMetadata as a whole object BF2F; euiccNotificationSignature covers these octets. */
export const NotificationMetadata = object(
  0xbf2f,
  sequence({
    seqNumber: { tag: 0x80, type: unsigned },
    profileManagementOperation: { tag: 0x81, type: notificationEvent },
    notificationAddress: { tag: 0x0c, type: utf8 },
    iccid: { tag: 0x5a, type: iccidType, optional: true },
  }),
);

export type NotificationMetadata = TypeOf<typeof NotificationMetadata>;

export const bppCommandId = codes({
  initialiseSecureChannel: 0,
  configureISDP: 1,
  storeMetadata: 2,
  storeMetadata2: 3,
  replaceSessionKeys: 4,
  loadProfileElements: 5,
});

export const errorReason = codes({
  incorrectInputValues: 1,
  invalidSignature: 2,
  invalidTransactionId: 3,
  unsupportedCrtValues: 4,
  unsupportedRemoteOperationType: 5,
  unsupportedProfileClass: 6,
  scp03tStructureError: 7,
  scp03tSecurityError: 8,
  installFailedDueToIccidAlreadyExistsOnEuicc: 9,
  installFailedDueToInsufficientMemoryForProfile: 10,
  installFailedDueToInterruption: 11,
  installFailedDueToPEProcessingError: 12,
  installFailedDueToIccidMismatch: 13,
  testProfileInstallFailedDueToInvalidNaaKey: 14,
  pprNotAllowed: 15,
  /** These two of a later version of SGP.22. */
  installFailedDueToInsufficientMinimumSecurityLevel: 31,
  installFailedDueToServerAddressAbsentInEuiccAllowList: 32,
  installFailedDueToUnknownError: 127,
});

const simaResponse = octets();

/** `simaResponse` holds the EUICCResponse of the profile package interpreter (TCA interoperable format), DER. */
export const successResult = sequence({
  aid: { tag: 0x4f, type: aidType },
  simaResponse: { tag: 0x04, type: simaResponse, inside: euiccResponses },
});

export const errorResult = sequence({
  bppCommandId: { tag: 0x80, type: bppCommandId },
  errorReason: { tag: 0x81, type: errorReason },
  simaResponse: { tag: 0x82, type: simaResponse, inside: euiccResponses, optional: true },
});

/** ProfileInstallationResultData as a whole object BF27; euiccSignPIR covers these octets. */
export const ProfileInstallationResultData = object(
  0xbf27,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    notificationMetadata: {
      tag: 0xbf2f,
      type: rawObject,
      raw: true,
      inside: NotificationMetadata,
    },
    smdpOid: { tag: 0x06, type: oid, optional: true },
    finalResult: {
      tag: 0xa2,
      type: choice({
        successResult: { tag: 0xa0, type: successResult, bare: true },
        errorResult: { tag: 0xa1, type: errorResult, bare: true },
      }),
    },
  }),
);

const profileInstallationResultMembers = sequence({
  profileInstallationResultData: {
    tag: 0xbf27,
    type: rawObject,
    raw: true,
    inside: ProfileInstallationResultData,
  },
  euiccSignPIR: { tag: TAG_SIGNATURE, type: signature },
});

export const ProfileInstallationResult = object(0xbf37, profileInstallationResultMembers);

const otherSignedNotificationMembers = sequence({
  tbsOtherNotification: { tag: 0xbf2f, type: rawObject, raw: true, inside: NotificationMetadata },
  euiccNotificationSignature: { tag: TAG_SIGNATURE, type: signature },
  euiccCertificate: certificate,
  eumCertificate: certificate,
});

/** OtherSignedNotification as a whole object 30: enable, disable and delete. */
export const OtherSignedNotification = object(0x30, otherSignedNotificationMembers);

const compactProfileInstallationResultData = sequence({
  transactionId: { tag: 0x80, type: transactionId },
  seqNumber: { tag: 0x02, type: unsigned },
  iccidPresent: { tag: 0x01, type: boolean, optional: true },
  compactFinalResult: {
    tag: 0xa2,
    type: choice({
      compactSuccessResult: {
        tag: 0xa0,
        type: sequence({
          compactAid: { tag: 0x4f, type: octets({ length: 2 }) },
          simaResponse: { tag: 0x04, type: simaResponse, inside: euiccResponses, optional: true },
        }),
      },
      errorResult: { tag: 0xa1, type: errorResult },
    }),
  },
});

/** One whole notification, BF37 or 30; the compact forms only travel from an IPA to its eIM (SGP.32 5.14.7). */
export const PendingNotification = choice({
  profileInstallationResult: { tag: 0xbf37, type: profileInstallationResultMembers },
  otherSignedNotification: { tag: 0x30, type: otherSignedNotificationMembers },
  compactProfileInstallationResult: {
    tag: 0xa0,
    type: sequence({
      compactProfileInstallationResultData: { tag: 0xa0, type: compactProfileInstallationResultData },
      euiccSignPIR: { tag: TAG_SIGNATURE, type: signature },
    }),
  },
  compactOtherSignedNotification: {
    tag: 0xa1,
    type: sequence({
      eidValue: { ...eidValue, optional: true },
      tbsOtherNotification: { tag: 0xbf2f, type: rawObject, raw: true, inside: NotificationMetadata },
      euiccNotificationSignature: { tag: TAG_SIGNATURE, type: signature },
      /** SGP.32 v1.3. */
      euiccCiPKIdentifierToBeUsed: { tag: 0x04, type: subjectKeyIdentifier, optional: true },
    }),
  },
});

/** The metadata of a whole notification. Throws `TLV_MISSING` for a compact result, which has none. */
export function notificationMetadataOf(pendingNotification: Uint8Array): NotificationMetadata {
  const pending = PendingNotification.decode(pendingNotification);
  switch (pending.is) {
    case 'otherSignedNotification':
    case 'compactOtherSignedNotification':
      return NotificationMetadata.decode(pending.value.tbsOtherNotification);
    case 'profileInstallationResult': {
      const data = ProfileInstallationResultData.decode(pending.value.profileInstallationResultData);
      return NotificationMetadata.decode(data.notificationMetadata);
    }
    case 'compactProfileInstallationResult':
      throw new AgentError('TLV_MISSING', { field: 'notificationMetadata' });
  }
}

export const ListNotificationRequest = object(
  0xbf28,
  sequence({ profileManagementOperation: { tag: 0x81, type: notificationEvent, optional: true } }),
);

export const ListNotificationResponse = object(
  0xbf28,
  choice({
    notificationMetadataList: { tag: 0xa0, type: runOf(NotificationMetadata), bare: true },
    listNotificationsResultError: { tag: 0x81, type: codes({ undefinedError: 127 }) },
  }),
);

const searchCriteria = choice({
  seqNumber: { tag: 0x80, type: unsigned },
  profileManagementOperation: { tag: 0x81, type: notificationEvent },
  euiccPackageResults: { tag: 0x82, type: nothing },
});

export const RetrieveNotificationsListRequest = object(
  0xbf2b,
  alsoBare(
    sequence({ searchCriteria: { tag: 0xa0, type: searchCriteria, optional: true } }),
    'searchCriteria',
    searchCriteria,
  ),
);

/** Whole notifications, kept as they came: they travel on unchanged. */
export const pendingNotifications: Type<Uint8Array[]> = runOf(rawOf(PendingNotification));

export const RetrieveNotificationsListResponse = object(
  0xbf2b,
  choice({
    notificationList: { tag: 0xa0, type: pendingNotifications, bare: true },
    notificationsListResultError: {
      tag: 0x81,
      type: codes({ noResultAvailable: 1, undefinedError: 127 }),
    },
    euiccPackageResultList: { tag: 0xa2, type: euiccPackageResults },
    notificationAndEprList: {
      tag: 0xa3,
      type: sequence({
        notificationList: { tag: 0xa0, type: pendingNotifications },
        euiccPackageResultList: { tag: 0xa1, type: euiccPackageResults },
      }),
    },
  }),
);

/** ES10b.RemoveNotificationFromList. */
export const NotificationSentRequest = object(0xbf30, sequence({ seqNumber: { tag: 0x80, type: unsigned } }));

export const deleteNotificationStatus = codes({ ok: 0, nothingToDelete: 1, undefinedError: 127 });

export const NotificationSentResponse = object(
  0xbf30,
  sequence({ deleteNotificationStatus: { tag: 0x80, type: deleteNotificationStatus } }),
);

/** The one event of a notification's metadata. Throws `TLV_VALUE` where not exactly one is set. */
export function eventOf(metadata: NotificationMetadata): TypeOf<typeof notificationEvent>[number] {
  const [event, ...others] = metadata.profileManagementOperation;
  if (event === undefined || others.length > 0) {
    throw new AgentError('TLV_VALUE', { field: 'profileManagementOperation', why: 'not exactly one event' });
  }
  return event;
}
