// What an eIM asks an IPA for beside eUICC packages: eUICC data, profile downloads, acknowledgements (SGP.32 2.11.1.2 to 2.11.2.3, 4.1).
import { codes, flags, text } from '../tlv-names.ts';
import { choice, nothing, object, octets, runOf, sequence, unsigned, utf8 } from '../tlv-table.ts';
import { DeviceInfo } from './authenticate-server.ts';
import { euiccInfo1Members, euiccInfo2Members } from './euicc-info.ts';
import { pendingNotifications, ProfileInstallationResult } from './notifications.ts';
import { associationToken } from './sgp32-eim.ts';
import { euiccPackageResults } from './sgp32-package.ts';
import { implicitCertificate, notificationEvent, tagList, transactionId } from './types.ts';

/** The tag list names members of IpaEuiccData only. */
export const IpaEuiccDataRequest = object(
  0xbf52,
  sequence({
    tagList: { tag: 0x5c, type: tagList },
    euiccCiPKIdentifierToBeUsed: { tag: 0x04, type: octets(), optional: true },
    searchCriteriaNotification: {
      tag: 0xa1,
      type: choice({
        seqNumber: { tag: 0x80, type: unsigned },
        profileManagementOperation: { tag: 0x81, type: notificationEvent },
      }),
      optional: true,
    },
    searchCriteriaEuiccPackageResult: {
      tag: 0xa2,
      type: choice({ seqNumber: { tag: 0x80, type: unsigned } }),
      optional: true,
    },
    eimTransactionId: { tag: 0x83, type: transactionId, optional: true },
  }),
);

export const IpaCapabilities = sequence({
  ipaFeatures: {
    tag: 0x80,
    type: flags({
      directRspServerCommunication: 0,
      indirectRspServerCommunication: 1,
      eimDownloadDataHandling: 2,
      eimCtxParams1Generation: 3,
      eimProfileMetadataVerification: 4,
      minimizeEsipaBytes: 5,
    }),
  },
  ipaSupportedProtocols: {
    tag: 0x81,
    type: flags({
      ipaRetrieveHttps: 0,
      ipaRetrieveCoaps: 1,
      ipaInjectHttps: 2,
      ipaInjectCoaps: 3,
      ipaProprietary: 4,
    }),
    optional: true,
  },
  eSipaProprietaryProtocolInformation: { tag: 0xa2, type: octets(), optional: true },
});

const ipaEuiccData = sequence({
  notificationsList: { tag: 0xa0, type: pendingNotifications, optional: true },
  defaultSmdpAddress: { tag: 0x81, type: utf8, optional: true },
  euiccPackageResultList: { tag: 0xa2, type: euiccPackageResults, optional: true },
  euiccInfo1: { tag: 0xbf20, type: euiccInfo1Members, optional: true },
  euiccInfo2: { tag: 0xbf22, type: euiccInfo2Members, optional: true },
  rootSmdsAddress: { tag: 0x83, type: utf8, optional: true },
  associationToken: { tag: 0x84, type: associationToken, optional: true },
  eumCertificate: { tag: 0xa5, type: implicitCertificate, optional: true },
  euiccCertificate: { tag: 0xa6, type: implicitCertificate, optional: true },
  eimTransactionId: { tag: 0x87, type: transactionId, optional: true },
  ipaCapabilities: { tag: 0xa8, type: IpaCapabilities, optional: true },
  deviceInfo: { tag: 0xa9, type: DeviceInfo, optional: true },
});

export const ipaEuiccDataErrorCode = codes({
  incorrectTagList: 1,
  euiccCiPKIdNotFound: 5,
  ecallActive: 104,
  undefinedError: 127,
});

export const IpaEuiccDataResponse = object(
  0xbf52,
  choice({
    ipaEuiccData: { tag: 0xa0, type: ipaEuiccData, bare: true },
    ipaEuiccDataResponseError: {
      tag: 0xa1,
      type: sequence({
        eimTransactionId: { tag: 0x80, type: transactionId, optional: true },
        ipaEuiccDataErrorCode: { tag: 0x02, type: ipaEuiccDataErrorCode },
      }),
    },
  }),
);

/** Sequence numbers of results and notifications that the eIM has and the eUICC may forget. */
export const EimAcknowledgements = object(
  0xbf53,
  runOf(choice({ sequenceNumber: { tag: 0x80, type: unsigned } })),
);

export const ProfileDownloadTriggerRequest = object(
  0xbf54,
  sequence({
    profileDownloadData: {
      tag: 0xa0,
      type: choice({
        activationCode: { tag: 0x80, type: text(255) },
        contactDefaultSmdp: { tag: 0x81, type: nothing },
        contactSmds: {
          tag: 0xa2,
          type: sequence({ smdsAddress: { tag: 0x80, type: utf8, optional: true } }),
        },
      }),
      optional: true,
    },
    eimTransactionId: { tag: 0x82, type: transactionId, optional: true },
  }),
);

/** Holds profileInstallationResult or profileDownloadError. */
export const ProfileDownloadTriggerResult = object(
  0xbf54,
  sequence({
    eimTransactionId: { tag: 0x82, type: transactionId, optional: true },
    profileInstallationResult: {
      tag: 0xbf37,
      type: octets({ min: 2 }),
      raw: true,
      inside: ProfileInstallationResult,
      optional: true,
    },
    profileDownloadError: {
      tag: 0x30,
      type: sequence({
        profileDownloadErrorReason: { tag: 0x80, type: codes({ ecallActive: 104, undefinedError: 127 }) },
        errorResponse: { tag: 0x04, type: octets(), optional: true },
      }),
      optional: true,
    },
  }),
);
