// ES10b.AuthenticateServer (SGP.22 5.7.13): server values go in and out byte for byte, signatures cover them as they came.
import { codes } from '../tlv-names.ts';
import { choice, object, octets, sequence, utf8 } from '../tlv-table.ts';
import { euiccInfo2Members } from './euicc-info.ts';
import {
  certificate,
  implicitCertificate,
  octet16,
  signature,
  subjectKeyIdentifier,
  TAG_SIGNATURE,
  transactionId,
  version,
} from './types.ts';

const DeviceCapabilities = sequence({
  gsmSupportedRelease: { tag: 0x80, type: version, optional: true },
  utranSupportedRelease: { tag: 0x81, type: version, optional: true },
  cdma2000onexSupportedRelease: { tag: 0x82, type: version, optional: true },
  cdma2000hrpdSupportedRelease: { tag: 0x83, type: version, optional: true },
  cdma2000ehrpdSupportedRelease: { tag: 0x84, type: version, optional: true },
  eutranEpcSupportedRelease: { tag: 0x85, type: version, optional: true },
  contactlessSupportedRelease: { tag: 0x86, type: version, optional: true },
  rspCrlSupportedVersion: { tag: 0x87, type: version, optional: true },
  nrEpcSupportedRelease: { tag: 0x88, type: version, optional: true },
  nr5gcSupportedRelease: { tag: 0x89, type: version, optional: true },
  eutran5gcSupportedRelease: { tag: 0x8a, type: version, optional: true },
  lpaSvn: { tag: 0x8b, type: version, optional: true },
  // Of later versions of SGP.22.
  catSupportedClasses: { tag: 0x8c, type: octets(), optional: true },
  euiccFormFactorType: { tag: 0x8d, type: octets(), optional: true },
  deviceAdditionalFeatureSupport: { tag: 0xae, type: octets(), optional: true },
});

/** `tac` and `imei` as `encodeTac` and `encodeImei` give them. They stay octets: devices send what is no valid IMEI, too. */
export const DeviceInfo = sequence({
  tac: { tag: 0x80, type: octets({ length: 4 }) },
  deviceCapabilities: { tag: 0xa1, type: DeviceCapabilities },
  imei: { tag: 0x82, type: octets({ length: 8 }), optional: true },
});

/** ctxParams1 as a whole object: the one alternative that SGP.22 v2 knows. */
export const CtxParams1 = object(
  0xa0,
  sequence({
    matchingId: { tag: 0x80, type: utf8, optional: true },
    deviceInfo: { tag: 0xa1, type: DeviceInfo },
  }),
);

/** serverSigned1 as a whole object 30; serverSignature1 covers these octets. */
export const ServerSigned1 = object(
  0x30,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    euiccChallenge: { tag: 0x81, type: octet16 },
    serverAddress: { tag: 0x83, type: utf8 },
    serverChallenge: { tag: 0x84, type: octet16 },
  }),
);

const rawObject = octets({ min: 2 });

export const AuthenticateServerRequest = object(
  0xbf38,
  sequence({
    serverSigned1: { tag: 0x30, type: rawObject, raw: true, inside: ServerSigned1 },
    serverSignature1: { tag: TAG_SIGNATURE, type: signature },
    euiccCiPKIdToBeUsed: { tag: 0x04, type: subjectKeyIdentifier },
    serverCertificate: certificate,
    ctxParams1: { tag: 0xa0, type: rawObject, raw: true, inside: CtxParams1 },
  }),
);

/** euiccSigned1 as a whole object 30; euiccSignature1 covers these octets. ctxParams1 is echoed as it came. */
export const EuiccSigned1 = object(
  0x30,
  sequence({
    transactionId: { tag: 0x80, type: transactionId },
    serverAddress: { tag: 0x83, type: utf8 },
    serverChallenge: { tag: 0x84, type: octet16 },
    euiccInfo2: { tag: 0xbf22, type: euiccInfo2Members },
    ctxParams1: { tag: 0xa0, type: rawObject, raw: true, inside: CtxParams1 },
  }),
);

export const authenticateErrorCode = codes({
  invalidCertificate: 1,
  invalidSignature: 2,
  unsupportedCurve: 3,
  noSessionContext: 4,
  invalidOid: 5,
  euiccChallengeMismatch: 6,
  ciPKUnknown: 7,
  undefinedError: 127,
});

export const authenticateResponseOk = sequence({
  euiccSigned1: { tag: 0x30, type: rawObject, raw: true, inside: EuiccSigned1 },
  euiccSignature1: { tag: TAG_SIGNATURE, type: signature },
  euiccCertificate: certificate,
  eumCertificate: certificate,
});

export const authenticateResponseError = sequence({
  transactionId: { tag: 0x80, type: transactionId },
  authenticateErrorCode: { tag: 0x81, type: authenticateErrorCode },
});

/** Holds euiccSigned1 or compactEuiccSigned1. */
const compactAuthenticateResponseOk = sequence({
  euiccSigned1: { tag: 0x30, type: rawObject, raw: true, inside: EuiccSigned1, optional: true },
  compactEuiccSigned1: {
    tag: 0xa0,
    type: sequence({
      extCardResource: { tag: 0x84, type: octets() },
      ctxParams1: { tag: 0xa2, type: rawObject, inside: CtxParams1, optional: true },
    }),
    optional: true,
  },
  euiccSignature1: { tag: TAG_SIGNATURE, type: signature },
  euiccCertificate: { tag: 0xa1, type: implicitCertificate, optional: true },
  eumCertificate: { tag: 0xa2, type: implicitCertificate, optional: true },
});

/** The compact form is for an IPA that spares octets towards its eIM (SGP.32 5.14.3). */
export const AuthenticateServerResponse = object(
  0xbf38,
  choice({
    authenticateResponseOk: { tag: 0xa0, type: authenticateResponseOk, bare: true },
    authenticateResponseError: { tag: 0xa1, type: authenticateResponseError, bare: true },
    compactAuthenticateResponseOk: { tag: 0xa2, type: compactAuthenticateResponseOk },
  }),
);
