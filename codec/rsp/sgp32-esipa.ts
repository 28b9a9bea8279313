// ESipa: the messages between IPA and eIM, DER binding (SGP.32 6.3).
import { codes } from '../tlv-names.ts';
import { choice, nothing, object, octets, sequence, utf8 } from '../tlv-table.ts';
import { AuthenticateServerResponse, CtxParams1, ServerSigned1 } from './authenticate-server.ts';
import { BoundProfilePackage } from './bpp.ts';
import { eidValue, emptySequence, EuiccInfo1 } from './euicc-info.ts';
import { PendingNotification, pendingNotifications } from './notifications.ts';
import { cancelSessionChoice, PrepareDownloadResponse, SmdpSigned2 } from './prepare-download.ts';
import { StoreMetadataRequest } from './profiles.ts';
import {
  EimAcknowledgements,
  IpaEuiccDataRequest,
  IpaEuiccDataResponse,
  ProfileDownloadTriggerRequest,
  ProfileDownloadTriggerResult,
} from './sgp32-data.ts';
import { EuiccPackageRequest, EuiccPackageResult } from './sgp32-package.ts';
import {
  certificate,
  octet16,
  signature,
  subjectKeyIdentifier,
  TAG_SIGNATURE,
  transactionId,
} from './types.ts';

const rawObject = octets({ min: 2 });

/** A whole object that travels on unchanged. */
function relayed<const T extends number, const I>(tag: T, inside: I) {
  return { tag, type: rawObject, raw: true, inside } as const;
}

export const InitiateAuthenticationRequestEsipa = object(
  0xbf39,
  sequence({
    euiccChallenge: { tag: 0x81, type: octet16 },
    smdpAddress: { tag: 0x83, type: utf8, optional: true },
    euiccInfo1: { ...relayed(0xbf20, EuiccInfo1), optional: true },
    eimTransactionId: { tag: 0x82, type: transactionId, optional: true },
  }),
);

export const InitiateAuthenticationResponseEsipa = object(
  0xbf39,
  choice({
    initiateAuthenticationOkEsipa: {
      tag: 0xa0,
      type: sequence({
        transactionId: { tag: 0x80, type: transactionId, optional: true },
        serverSigned1: relayed(0x30, ServerSigned1),
        serverSignature1: { tag: TAG_SIGNATURE, type: signature },
        euiccCiPKIdentifierToBeUsed: { tag: 0x04, type: subjectKeyIdentifier },
        serverCertificate: certificate,
        matchingId: { tag: 0x0c, type: utf8, optional: true },
        ctxParams1: { tag: 0xa2, type: rawObject, inside: CtxParams1, optional: true },
      }),
      bare: true,
    },
    initiateAuthenticationErrorEsipa: {
      tag: 0x81,
      type: codes({
        invalidDpAddress: 1,
        euiccVersionNotSupportedByDp: 2,
        ciPKIdNotSupported: 3,
        smdpAddressMismatch: 50,
        smdpOidMismatch: 51,
        invalidEimTransactionId: 52,
        undefinedError: 127,
      }),
    },
  }),
);

export const AuthenticateClientRequestEsipa = object(
  0xbf3b,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    authenticateServerResponse: relayed(0xbf38, AuthenticateServerResponse),
  }),
);

export const AuthenticateClientResponseEsipa = object(
  0xbf3b,
  choice({
    authenticateClientOkDPEsipa: {
      tag: 0xa0,
      type: sequence({
        transactionId: { tag: 0x80, type: transactionId, optional: true },
        profileMetaData: { ...relayed(0xbf25, StoreMetadataRequest), optional: true },
        smdpSigned2: relayed(0x30, SmdpSigned2),
        smdpSignature2: { tag: TAG_SIGNATURE, type: signature },
        smdpCertificate: certificate,
        hashCc: { tag: 0x04, type: octets({ length: 32 }), optional: true },
      }),
      bare: true,
    },
    authenticateClientOkDSEsipa: {
      tag: 0xa1,
      type: sequence({
        transactionId: { tag: 0x80, type: transactionId },
        profileDownloadTrigger: { ...relayed(0xbf54, ProfileDownloadTriggerRequest), optional: true },
      }),
    },
    authenticateClientErrorEsipa: {
      tag: 0x82,
      type: codes({
        eumCertificateInvalid: 1,
        eumCertificateExpired: 2,
        euiccCertificateInvalid: 3,
        euiccCertificateExpired: 4,
        euiccSignatureInvalid: 5,
        matchingIdRefused: 6,
        eidMismatch: 7,
        noEligibleProfile: 8,
        ciPKUnknown: 9,
        invalidTransactionId: 10,
        insufficientMemory: 11,
        downloadOrderExpired: 18,
        pprNotAllowed: 50,
        eventIdUnknown: 56,
        undefinedError: 127,
      }),
    },
  }),
);

export const GetBoundProfilePackageRequestEsipa = object(
  0xbf3a,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    prepareDownloadResponse: relayed(0xbf21, PrepareDownloadResponse),
  }),
);

export const GetBoundProfilePackageResponseEsipa = object(
  0xbf3a,
  choice({
    getBoundProfilePackageOkEsipa: {
      tag: 0xa0,
      type: sequence({
        transactionId: { tag: 0x80, type: transactionId, optional: true },
        boundProfilePackage: relayed(0xbf36, BoundProfilePackage),
      }),
      bare: true,
    },
    getBoundProfilePackageErrorEsipa: {
      tag: 0x81,
      type: codes({
        euiccSignatureInvalid: 1,
        confirmationCodeMissing: 2,
        confirmationCodeRefused: 3,
        confirmationCodeRetriesExceeded: 4,
        bppRebindingRefused: 5,
        downloadOrderExpired: 6,
        metadataMismatch: 50,
        invalidTransactionId: 95,
        undefinedError: 127,
      }),
    },
  }),
);

export const CancelSessionRequestEsipa = object(
  0xbf41,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    cancelSessionResponse: { tag: 0xa1, type: cancelSessionChoice, also: [0xbf41] },
  }),
);

export const CancelSessionResponseEsipa = object(
  0xbf41,
  choice({
    cancelSessionOk: { tag: 0xa0, type: emptySequence },
    cancelSessionError: {
      tag: 0x81,
      type: codes({ invalidTransactionId: 1, euiccSignatureInvalid: 2, undefinedError: 127 }),
    },
  }),
);

const eimPackage = {
  euiccPackageRequest: relayed(0xbf51, EuiccPackageRequest),
  ipaEuiccDataRequest: relayed(0xbf52, IpaEuiccDataRequest),
  profileDownloadTriggerRequest: relayed(0xbf54, ProfileDownloadTriggerRequest),
} as const;

const eimPackageResult = {
  euiccPackageResult: relayed(0xbf51, EuiccPackageResult),
  ePRAndNotifications: {
    tag: 0x30,
    type: sequence({
      euiccPackageResult: relayed(0xbf51, EuiccPackageResult),
      notificationList: { tag: 0xa0, type: pendingNotifications },
    }),
  },
  ipaEuiccDataResponse: relayed(0xbf52, IpaEuiccDataResponse),
} as const;

export const stateChangeCause = codes({
  otherEim: 0,
  fallback: 1,
  emergencyProfile: 2,
  local: 3,
  reset: 4,
  immediateEnableProfile: 5,
  deviceChange: 6,
  undefined: 127,
});

export const GetEimPackageRequest = object(
  0xbf4f,
  sequence({
    eidValue,
    notifyStateChange: { tag: 0x80, type: nothing, optional: true },
    stateChangeCause: { tag: 0x81, type: stateChangeCause, optional: true },
    rPLMN: { tag: 0x82, type: octets({ length: 3 }), optional: true },
  }),
);

export const GetEimPackageResponse = object(
  0xbf4f,
  choice({
    ...eimPackage,
    eimPackageError: {
      tag: 0x02,
      type: codes({
        noEimPackageAvailable: 1,
        eidNotFound: 2,
        invalidEid: 3,
        missingEid: 4,
        undefinedError: 127,
      }),
    },
  }),
);

const eimPackageResultErrorCode = codes({ invalidPackageFormat: 1, unknownPackage: 2, undefinedError: 127 });

const provideEimPackageResultMembers = sequence({
  eidValue: { ...eidValue, optional: true },
  euiccPackageResult: { ...eimPackageResult.euiccPackageResult, optional: true },
  ePRAndNotifications: { ...eimPackageResult.ePRAndNotifications, optional: true },
  ipaEuiccDataResponse: { ...eimPackageResult.ipaEuiccDataResponse, optional: true },
  profileDownloadTriggerResult: { ...relayed(0xbf54, ProfileDownloadTriggerResult), optional: true },
  eimPackageResultResponseError: {
    tag: 0xa0,
    type: sequence({
      eimTransactionId: { tag: 0x80, type: transactionId, optional: true },
      eimPackageResultErrorCode: { tag: 0x02, type: eimPackageResultErrorCode },
    }),
    optional: true,
  },
});

/** Holds the EID and exactly one kind of result. */
export const ProvideEimPackageResult = object(0xbf50, provideEimPackageResultMembers);

export const ProvideEimPackageResultResponse = object(
  0xbf50,
  choice({
    eimAcknowledgements: relayed(0xbf53, EimAcknowledgements),
    emptyResponse: { tag: 0x30, type: emptySequence },
    provideEimPackageResultError: {
      tag: 0x02,
      type: codes({ eidNotFound: 2, invalidEid: 3, missingEid: 4, undefinedError: 127 }),
    },
  }),
);

/** In v1.0 the notification follows at once, without A0. */
export const HandleNotificationEsipa = object(
  0xbf3d,
  choice({
    pendingNotification: { tag: 0xa0, type: PendingNotification, bare: true },
    provideEimPackageResult: { tag: 0xbf50, type: provideEimPackageResultMembers },
  }),
);

export const TransferEimPackageRequest = object(
  0xbf4e,
  choice({ ...eimPackage, eimAcknowledgements: relayed(0xbf53, EimAcknowledgements) }),
);

/** Which package is meant: its transaction, else the eUICC. */
const correlationId = {
  tag: 0xa0,
  type: choice({ eimTransactionId: { tag: 0x80, type: transactionId }, eidValue }),
  optional: true,
} as const;

export const TransferEimPackageResponse = object(
  0xbf4e,
  choice({
    ...eimPackageResult,
    eimPackageReceived: { tag: 0x05, type: nothing },
    eimPackageReceivedWithCid: { tag: 0xbf60, type: sequence({ correlationId }) },
    eimPackageError: { tag: 0x02, type: eimPackageResultErrorCode },
    eimPackageErrorWithCid: {
      tag: 0xbf61,
      type: sequence({ correlationId, eimPackageError: { tag: 0x81, type: eimPackageResultErrorCode } }),
    },
  }),
);
