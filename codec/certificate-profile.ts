// The certificate profile of an eUICC (seed 33 to 35, 54): common information and certificates as one object, behind an optional PIN.
// An application of its own, in private-class tags; what it holds are the standards' objects (SGP.22 EUICCInfo2, X.509).
import { AgentError } from '../base/errors.ts';
import { utf8Bytes } from '../base/bytes.ts';
import { type Aid, decodeEid, type Eid, encodeEid } from './ids.ts';
import { EuiccInfo2 } from './rsp/euicc-info.ts';
import { implicitCertificate, octet16, signature, TAG_SIGNATURE, version } from './rsp/types.ts';
import { text } from './tlv-names.ts';
import { boolean, object, octets, sequence, type Type, type TypeOf } from './tlv-table.ts';

/** Of nobody's registration (ISO/IEC 7816-4, 8.2.1.2, category F): the text EUICCCERT behind it. */
export const AID_CERTIFICATE_PROFILE = 'F0455549434343455254' as Aid;

/** P1-P2 of GET DATA for the profile, and its outer tag. */
export const TAG_CERTIFICATE_PROFILE = 0xec;
/** Key reference of the PIN in VERIFY and PIN CHANGE/UNBLOCK. */
export const CERTIFICATE_PROFILE_PIN = 0x01;
export const CERTIFICATE_PROFILE_VERSION = '1.0.0';

const eidType: Type<Eid> = { decode: decodeEid, encode: encodeEid };

export const CertificateProfile = object(
  TAG_CERTIFICATE_PROFILE,
  sequence({
    profileVersion: { tag: 0x80, type: version },
    eidValue: { tag: 0x5a, type: eidType },
    commonInformation: {
      tag: 0xa1,
      type: sequence({
        cardOs: { tag: 0x80, type: text(64) },
        platform: { tag: 0x81, type: text(64) },
        hardware: { tag: 0x82, type: text(64) },
      }),
    },
    /** Firmware, capabilities and certification data, as they were at manufacture. */
    euiccInfo2: { tag: 0xbf22, type: octets({ min: 2 }), raw: true, inside: EuiccInfo2 },
    /** One for each CI, in the order of the eUICC's keys. */
    chain: {
      tag: 0xa2,
      type: sequence({
        eumCertificate: { tag: 0xa5, type: implicitCertificate },
        euiccCertificate: { tag: 0xa6, type: implicitCertificate },
      }),
      many: true,
    },
    /** CERT.ECASD.ECKA. */
    ecasdCertificate: { tag: 0xa3, type: implicitCertificate, many: true },
  }),
);
export type CertificateProfile = TypeOf<typeof CertificateProfile>;

/** What the eUICC signs of its profile for who asks: SHA-256 over the whole object EC, and the challenge. */
export const CertificateProfileSigned = object(
  0xed,
  sequence({
    profileHash: { tag: 0x80, type: octets({ length: 32 }) },
    challenge: { tag: 0x81, type: octet16 },
  }),
);

/** The answer to INTERNAL AUTHENTICATE: the signature covers the object ED. */
export const CertificateProfileProof = object(
  0xee,
  sequence({
    certificateProfileSigned: {
      tag: 0xed,
      type: octets({ min: 2 }),
      raw: true,
      inside: CertificateProfileSigned,
    },
    euiccSignature: { tag: TAG_SIGNATURE, type: signature },
  }),
);

/** What SELECT answers in A5. */
export const CertificateProfileInfo = sequence({
  profileVersion: { tag: 0x80, type: version },
  pinRequired: { tag: 0x81, type: boolean },
});

const PIN = /^\d{4,8}$/;
const PIN_OCTETS = 8;

/** Four to eight digits in eight octets, filled with FF (ETSI TS 102 221, 9.5.1). Throws `ID_INVALID`, without the PIN. */
export function encodeCertificateProfilePin(digits: string): Uint8Array {
  if (!PIN.test(digits)) {
    throw new AgentError('ID_INVALID', { kind: 'certificate profile PIN', why: 'not 4 to 8 digits' });
  }
  const octetsOfPin = new Uint8Array(PIN_OCTETS).fill(0xff);
  octetsOfPin.set(utf8Bytes(digits));
  return octetsOfPin;
}
