// The layout of X.509 certificates, revocation lists and public keys as tables (RFC 5280), for the names of their parts.
// Verification reads the same octets in crypto/x509.ts; nothing here judges them.
import { bytesUtf8, toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { readTlvs } from './ber-tlv.ts';
import { oidName } from './oids.ts';
import { type AnyType, boolean, object, octets, oid, sequence, type Type, unsigned } from './tlv-table.ts';

/** A leaf that is only read. */
function reading(decode: (bytes: Uint8Array) => string): Type<string> {
  return {
    decode,
    encode: () => {
      throw new AgentError('INTERNAL', { why: 'the names of X.509 are not for writing' });
    },
  };
}

const namedOid = reading((bytes) => {
  const dotted = oid.decode(bytes);
  return `${oidName(dotted) ?? 'unnamed'} ${dotted}`;
});

/** YYMMDDhhmmssZ and YYYYMMDDhhmmssZ. */
const time = reading((bytes) => {
  const text = bytesUtf8(bytes);
  const digits = /^(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (digits === null) throw new AgentError('TLV_VALUE', { why: 'not a time of X.509' });
  const [, century, year, month, day, hour, minute, second] = digits;
  const full = `${century ?? (Number(year) < 50 ? '20' : '19')}${year}`;
  return `${full}-${month}-${day} ${hour}:${minute}:${second} UTC`;
});

/** `country=ES, organization=…` in the order of the octets. */
const distinguishedName = reading((bytes) =>
  readTlvs(bytes)
    .flatMap((set) => readTlvs(set.value))
    .map((attribute) => {
      const [type, value] = readTlvs(attribute.value);
      if (type === undefined || value === undefined) {
        throw new AgentError('TLV_VALUE', { why: 'not an attribute of a name' });
      }
      const dotted = oid.decode(type.value);
      return `${oidName(dotted) ?? dotted}=${textOrHex(value.value)}`;
    })
    .join(', '),
);

function textOrHex(bytes: Uint8Array): string {
  try {
    return bytesUtf8(bytes);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return toHex(bytes);
  }
}

const anyDer: AnyType = { ...octets(), shape: { kind: 'der' } };

const AlgorithmIdentifier = sequence({
  algorithm: { tag: 0x06, type: namedOid },
  namedCurve: { tag: 0x06, type: namedOid, optional: true },
  parameters: { tag: 0x05, type: octets(), optional: true },
});

const extensions = object(
  0x30,
  sequence({
    extension: {
      tag: 0x30,
      type: sequence({
        extnID: { tag: 0x06, type: namedOid },
        critical: { tag: 0x01, type: boolean, optional: true },
        extnValue: { tag: 0x04, type: octets(), inside: anyDer },
      }),
      many: true,
    },
  }),
);

const validity = sequence({
  notBefore: { tag: 0x17, type: time, also: [0x18] },
  notAfter: { tag: 0x17, type: time, also: [0x18] },
});

const subjectPublicKeyInfo = sequence({
  algorithm: { tag: 0x30, type: AlgorithmIdentifier },
  subjectPublicKey: { tag: 0x03, type: octets({ min: 1 }) },
});

export const SubjectPublicKeyInfo = object(0x30, subjectPublicKeyInfo);

export const X509Certificate = object(
  0x30,
  sequence({
    tbsCertificate: {
      tag: 0x30,
      type: sequence({
        version: { tag: 0xa0, type: object(0x02, unsigned), optional: true },
        serialNumber: { tag: 0x02, type: octets({ min: 1 }) },
        signature: { tag: 0x30, type: AlgorithmIdentifier },
        issuer: { tag: 0x30, type: distinguishedName },
        validity: { tag: 0x30, type: validity },
        subject: { tag: 0x30, type: distinguishedName },
        subjectPublicKeyInfo: { tag: 0x30, type: subjectPublicKeyInfo },
        extensions: { tag: 0xa3, type: extensions, optional: true },
      }),
    },
    signatureAlgorithm: { tag: 0x30, type: AlgorithmIdentifier },
    signatureValue: { tag: 0x03, type: octets({ min: 1 }) },
  }),
);

export const X509CertificateList = object(
  0x30,
  sequence({
    tbsCertList: {
      tag: 0x30,
      type: sequence({
        version: { tag: 0x02, type: unsigned, optional: true },
        signature: { tag: 0x30, type: AlgorithmIdentifier },
        issuer: { tag: 0x30, type: distinguishedName },
        thisUpdate: { tag: 0x17, type: time, also: [0x18] },
        nextUpdate: { tag: 0x17, type: time, also: [0x18], optional: true },
        revokedCertificates: {
          tag: 0x30,
          type: sequence({
            revoked: {
              tag: 0x30,
              type: sequence({
                userCertificate: { tag: 0x02, type: octets({ min: 1 }) },
                revocationDate: { tag: 0x17, type: time, also: [0x18] },
                crlEntryExtensions: { tag: 0x30, type: octets(), inside: anyDer, optional: true },
              }),
              many: true,
            },
          }),
          optional: true,
        },
        crlExtensions: { tag: 0xa0, type: extensions, optional: true },
      }),
    },
    signatureAlgorithm: { tag: 0x30, type: AlgorithmIdentifier },
    signatureValue: { tag: 0x03, type: octets({ min: 1 }) },
  }),
);
