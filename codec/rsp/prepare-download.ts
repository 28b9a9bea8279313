// ES10b.PrepareDownload and ES10b.CancelSession (SGP.22 5.7.5, 5.7.14).
import { codes } from '../tlv-names.ts';
import { boolean, choice, object, octets, oid, sequence } from '../tlv-table.ts';
import { certificate, otpk, signature, TAG_SIGNATURE, transactionId } from './types.ts';

const rawObject = octets({ min: 2 });
const hashCc = octets({ length: 32 });

/** The tag of one-time public keys. */
export const TAG_OTPK = 0x5f49;

/** smdpSigned2 as a whole object 30; smdpSignature2 covers these octets and euiccSignature1's data object. */
export const SmdpSigned2 = object(
  0x30,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    ccRequiredFlag: { tag: 0x01, type: boolean },
    bppEuiccOtpk: { tag: TAG_OTPK, type: otpk, optional: true },
  }),
);

export const PrepareDownloadRequest = object(
  0xbf21,
  sequence({
    smdpSigned2: { tag: 0x30, type: rawObject, raw: true, inside: SmdpSigned2 },
    smdpSignature2: { tag: TAG_SIGNATURE, type: signature },
    hashCc: { tag: 0x04, type: hashCc, optional: true },
    smdpCertificate: certificate,
  }),
);

/** euiccSigned2 as a whole object 30; euiccSignature2 covers these octets and smdpSignature2's data object. */
export const EuiccSigned2 = object(
  0x30,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    euiccOtpk: { tag: TAG_OTPK, type: otpk },
    hashCc: { tag: 0x04, type: hashCc, optional: true },
  }),
);

export const downloadErrorCode = codes({
  invalidCertificate: 1,
  invalidSignature: 2,
  unsupportedCurve: 3,
  noSessionContext: 4,
  invalidTransactionId: 5,
  undefinedError: 127,
});

export const downloadResponseOk = sequence({
  euiccSigned2: { tag: 0x30, type: rawObject, raw: true, inside: EuiccSigned2 },
  euiccSignature2: { tag: TAG_SIGNATURE, type: signature },
});

export const downloadResponseError = sequence({
  transactionId: { tag: 0x80, type: transactionId },
  downloadErrorCode: { tag: 0x81, type: downloadErrorCode },
});

/** The compact form is for an IPA that spares octets towards its eIM (SGP.32 5.14.2). */
export const PrepareDownloadResponse = object(
  0xbf21,
  choice({
    downloadResponseOk: { tag: 0xa0, type: downloadResponseOk, bare: true },
    downloadResponseError: { tag: 0xa1, type: downloadResponseError, bare: true },
    compactDownloadResponseOk: {
      tag: 0xa2,
      type: sequence({
        compactEuiccSigned2: {
          tag: 0x30,
          type: sequence({
            euiccOtpk: { tag: TAG_OTPK, type: otpk, optional: true },
            hashCc: { tag: 0x04, type: hashCc, optional: true },
          }),
        },
        euiccSignature2: { tag: TAG_SIGNATURE, type: signature },
      }),
    },
  }),
);

export const cancelSessionReason = codes({
  endUserRejection: 0,
  postponed: 1,
  timeout: 2,
  pprNotAllowed: 3,
  metadataMismatch: 4,
  loadBppExecutionError: 5,
  undefinedReason: 127,
});

export const CancelSessionRequest = object(
  0xbf41,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    reason: { tag: 0x81, type: cancelSessionReason },
  }),
);

/** euiccCancelSessionSigned as a whole object 30; `smdpOid` is the one in CERT.DPauth. */
export const EuiccCancelSessionSigned = object(
  0x30,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    smdpOid: { tag: 0x81, type: oid },
    reason: { tag: 0x82, type: cancelSessionReason },
  }),
);

export const cancelSessionResponseOk = sequence({
  euiccCancelSessionSigned: { tag: 0x30, type: rawObject, raw: true, inside: EuiccCancelSessionSigned },
  euiccCancelSessionSignature: { tag: TAG_SIGNATURE, type: signature },
});

export const cancelSessionError = codes({ invalidTransactionId: 5, undefinedError: 127 });

export const cancelSessionChoice = choice({
  cancelSessionResponseOk: { tag: 0xa0, type: cancelSessionResponseOk, bare: true },
  cancelSessionResponseError: { tag: 0x81, type: cancelSessionError },
  compactCancelSessionResponseOk: {
    tag: 0xa2,
    type: sequence({
      compactEuiccCancelSessionSigned: {
        tag: 0x30,
        type: sequence({ reason: { tag: 0x80, type: cancelSessionReason, optional: true } }),
      },
      euiccCancelSessionSignature: { tag: TAG_SIGNATURE, type: signature },
    }),
  },
});

/** The compact form is for an IPA that spares octets towards its eIM (SGP.32 5.14.8). */
export const CancelSessionResponse = object(0xbf41, cancelSessionChoice);
