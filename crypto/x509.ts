// X.509 certificates as the RSP roles use them (RFC 5280; SGP.22 4.5.2): what a verdict needs is read, the rest is kept raw.
import { concat, equalBytes, toHex, utf8Bytes } from '../base/bytes.ts';
import { AgentError, type ErrorCode } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { encodeTlv, findTlv, readOnly, readTlvs, type Tlv } from '../codec/ber-tlv.ts';
import { EXTENSION_OID, KEY_OID, KEY_PURPOSE_OID, RSP_ROLE_OID } from '../codec/oids.ts';
import { namedBits, oid, unsigned } from '../codec/tlv-table.ts';
import {
  DER,
  decodeBits,
  decodeName,
  decodeTime,
  encodeBits,
  encodeName,
  encodeTime,
  encodeUnsigned,
  malformed,
  type Name,
} from './der.ts';
import { type CurveName, type Ec, signatureFromDer, signatureToDer } from './ec.ts';
import { decodePublicKeyInfo, encodePublicKeyInfo } from './ec-keys.ts';
import { sha1 } from './hash.ts';

/** Certificate policies of the RSP roles (SGP.22 Annex H, id-rspRole). */
export const RSP_ROLE = RSP_ROLE_OID;

/** Bits of KeyUsage in use (RFC 5280 4.2.1.3). */
export const KEY_USAGE = { digitalSignature: 0, keyAgreement: 4, keyCertSign: 5, cRLSign: 6 } as const;

/** Purposes of ExtendedKeyUsage. */
export const EXTENDED_KEY_USAGE = KEY_PURPOSE_OID;

export type Certificate = {
  /** The whole certificate, and the part that is signed. */
  readonly raw: Uint8Array;
  readonly tbs: Uint8Array;
  /** Upper-case hex. */
  readonly serialNumber: string;
  readonly issuer: Name;
  readonly subject: Name;
  readonly issuerRaw: Uint8Array;
  readonly subjectRaw: Uint8Array;
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly curve: CurveName;
  /** 04 X Y. */
  readonly publicKey: Uint8Array;
  /** r and s, 64 octets. */
  readonly signature: Uint8Array;
  readonly subjectKeyIdentifier?: Uint8Array;
  readonly authorityKeyIdentifier?: Uint8Array;
  readonly isCa: boolean;
  readonly pathLength?: number;
  /** Numbers of the bits that are set; absent where the extension is. */
  readonly keyUsage?: readonly number[];
  readonly policies: readonly string[];
  /** Registered ids of the subjectAltName: the role's object identifier. */
  readonly registeredIds: readonly string[];
  /** Permitted directory names of the nameConstraints: an EUM's organization and EID prefix. */
  readonly permittedNames: readonly Name[];
};

const MAX_CERTIFICATE = 16_384;

/** Reads a certificate. Throws `CERTIFICATE_INVALID`, `KEY_INVALID` or `CURVE_UNSUPPORTED`, naming the part. */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE) throw malformed(`${der.length} octets`);
  try {
    return parse(Uint8Array.from(der));
  } catch (cause) {
    if (!(cause instanceof AgentError) || NAMED.has(cause.code)) throw cause;
    throw malformed(String(cause.data['field'] ?? cause.code), cause);
  }
}

const NAMED: ReadonlySet<ErrorCode> = new Set(['CERTIFICATE_INVALID', 'KEY_INVALID', 'CURVE_UNSUPPORTED']);

function parse(der: Uint8Array): Certificate {
  const [tbsTlv, algorithm, signatureTlv, ...more] = readTlvs(readOnly(der, DER.sequence).value);
  if (
    tbsTlv?.tag !== DER.sequence ||
    algorithm === undefined ||
    signatureTlv === undefined ||
    more.length > 0
  ) {
    throw malformed('the outer structure');
  }
  const members = readTlvs(tbsTlv.value);
  if (members[0]?.tag !== 0xa0) throw malformed('the version');
  const [, serial, innerAlgorithm, issuer, validity, subject, keyInfo] = members;
  if (serial?.tag !== DER.integer || innerAlgorithm === undefined || keyInfo === undefined)
    throw malformed('the body');
  if (issuer?.tag !== DER.sequence || validity === undefined || subject?.tag !== DER.sequence)
    throw malformed('the body');
  if (!equalBytes(algorithm.raw, innerAlgorithm.raw) || !equalBytes(algorithm.raw, SIGNATURE_ALGORITHM)) {
    throw malformed('the signature algorithm');
  }
  const [notBefore, notAfter] = readTlvs(validity.value);
  if (notBefore === undefined || notAfter === undefined) throw malformed('the validity');
  const key = decodePublicKeyInfo(keyInfo.raw);
  return {
    raw: der,
    tbs: tbsTlv.raw,
    serialNumber: toHex(serial.value),
    issuer: decodeName(issuer.value),
    subject: decodeName(subject.value),
    issuerRaw: issuer.raw,
    subjectRaw: subject.raw,
    notBefore: decodeTime(notBefore),
    notAfter: decodeTime(notAfter),
    curve: key.curve,
    publicKey: key.publicKey,
    signature: signatureOf(signatureTlv),
    ...readExtensions(members.find(({ tag }) => tag === 0xa3)),
  };
}

/** ecdsa-with-SHA256, the one AlgorithmIdentifier in use (SGP.22 2.6.7.2). */
export const SIGNATURE_ALGORITHM = encodeTlv(
  DER.sequence,
  encodeTlv(DER.oid, oid.encode(KEY_OID.ecdsaWithSha256)),
);

function signatureOf(tlv: Tlv): Uint8Array {
  try {
    return signatureFromDer(decodeBits(tlv));
  } catch (cause) {
    throw malformed('the signature value', cause);
  }
}

type Extensions = Pick<
  Certificate,
  | 'subjectKeyIdentifier'
  | 'authorityKeyIdentifier'
  | 'isCa'
  | 'pathLength'
  | 'keyUsage'
  | 'policies'
  | 'registeredIds'
  | 'permittedNames'
>;

const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set(Object.values(EXTENSION_OID));

/** The values of extensions by their object identifier. Throws where one is critical and not `known`, or there twice. */
export function extensionValues(
  extensions: readonly Tlv[],
  known: ReadonlySet<string>,
): ReadonlyMap<string, Uint8Array> {
  const values = new Map<string, Uint8Array>();
  for (const extension of extensions) {
    const parts = readTlvs(extension.value);
    const type = parts[0];
    const value = parts.at(-1);
    if (type?.tag !== DER.oid || value?.tag !== DER.octetString) throw malformed('an extension');
    const name = oid.decode(type.value);
    if (values.has(name)) throw malformed(`extension ${name} twice`);
    const critical = parts.length === 3 && parts[1]?.value[0] !== 0;
    if (critical && !known.has(name)) throw malformed(`critical extension ${name}`);
    values.set(name, value.value);
  }
  return values;
}

function readExtensions(tlv: Tlv | undefined): Extensions {
  const values = extensionValues(
    tlv === undefined ? [] : readTlvs(readOnly(tlv.value, DER.sequence).value),
    KNOWN_EXTENSIONS,
  );
  const inside = (name: string): Tlv[] | undefined => {
    const value = values.get(name);
    return value === undefined ? undefined : readTlvs(readOnly(value, DER.sequence).value);
  };
  const ski = values.get(EXTENSION_OID.subjectKeyIdentifier);
  const aki = findTlv(inside(EXTENSION_OID.authorityKeyIdentifier) ?? [], 0x80);
  const usage = values.get(EXTENSION_OID.keyUsage);
  const constraints = inside(EXTENSION_OID.basicConstraints);
  const pathLength = findTlv(constraints ?? [], DER.integer);
  return {
    ...(ski === undefined ? {} : { subjectKeyIdentifier: readOnly(ski, DER.octetString).value }),
    ...(aki === undefined ? {} : { authorityKeyIdentifier: aki.value }),
    isCa: (findTlv(constraints ?? [], DER.boolean)?.value[0] ?? 0) !== 0,
    ...(pathLength === undefined ? {} : { pathLength: unsigned.decode(pathLength.value) }),
    ...(usage === undefined ? {} : { keyUsage: namedBits.decode(readOnly(usage, DER.bitString).value) }),
    policies: (inside(EXTENSION_OID.certificatePolicies) ?? []).map((policy) => firstOid(policy.value)),
    registeredIds: (inside(EXTENSION_OID.subjectAltName) ?? [])
      .filter(({ tag }) => tag === 0x88)
      .map(({ value }) => oid.decode(value)),
    permittedNames: permittedNames(inside(EXTENSION_OID.nameConstraints) ?? []),
  };
}

function firstOid(bytes: Uint8Array): string {
  const [first] = readTlvs(bytes);
  if (first?.tag !== DER.oid) throw malformed('a policy');
  return oid.decode(first.value);
}

function permittedNames(constraints: readonly Tlv[]): Name[] {
  const permitted = findTlv(constraints, 0xa0);
  if (permitted === undefined) return [];
  return readTlvs(permitted.value).flatMap((subtree) => {
    const directoryName = findTlv(readTlvs(subtree.value), 0xa4);
    return directoryName === undefined ? [] : [decodeName(readOnly(directoryName.value, DER.sequence).value)];
  });
}

/** Whether `certificate` was signed by `issuer`'s key; says nothing of dates or rights. */
export function isSignedBy(
  ec: Ec,
  certificate: Certificate,
  issuer: Pick<Certificate, 'curve' | 'publicKey'>,
): boolean {
  return ec.verify(issuer.curve, issuer.publicKey, certificate.tbs, certificate.signature);
}

/** Key identifier of a public key: SHA-1 over the point (RFC 5280 4.2.1.2, method 1), 20 octets. */
export function keyIdentifier(publicKey: Uint8Array): Uint8Array {
  return sha1(publicKey);
}

/** What a certificate is to say. Times are Unix milliseconds. */
export type CertificateRequest = {
  readonly serialNumber: Uint8Array;
  readonly subject: Name;
  readonly curve: CurveName;
  readonly publicKey: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly keyUsage: readonly number[];
  readonly policies?: readonly string[];
  /** A certification authority, with the number of further authorities below it where that is limited. */
  readonly ca?: { readonly pathLength?: number };
  readonly registeredId?: string;
  /** DNS names, for TLS. */
  readonly dnsNames?: readonly string[];
  /** IPv4 addresses (dotted), for TLS on a machine without a name. */
  readonly ipAddresses?: readonly string[];
  readonly extendedKeyUsage?: readonly string[];
  /** Where the issuer's revocation lists are found: URIs. */
  readonly crlDistributionPoints?: readonly string[];
  readonly permittedNames?: readonly Name[];
};

export type CertificateIssuer = {
  readonly name: Name;
  readonly curve: CurveName;
  readonly privateKey: Secret<Uint8Array>;
  readonly publicKey: Uint8Array;
};

/** Signs a certificate; a root names itself as issuer. Answers DER. */
export function issueCertificate(ec: Ec, issuer: CertificateIssuer, request: CertificateRequest): Uint8Array {
  const tbs = encodeTlv(
    DER.sequence,
    encodeTlv(0xa0, Uint8Array.of(DER.integer, 1, 2)),
    encodeUnsigned(request.serialNumber),
    SIGNATURE_ALGORITHM,
    encodeName(issuer.name),
    encodeTlv(DER.sequence, encodeTime(request.notBefore), encodeTime(request.notAfter)),
    encodeName(request.subject),
    encodePublicKeyInfo(request.curve, request.publicKey),
    encodeTlv(0xa3, encodeTlv(DER.sequence, ...extensionsOf(issuer, request))),
  );
  return signDer(ec, issuer, tbs);
}

/** Completes what is to be signed with algorithm and signature, as certificates and CRLs share it. */
export function signDer(ec: Ec, issuer: CertificateIssuer, tbs: Uint8Array): Uint8Array {
  const signature = signatureToDer(ec.sign(issuer.curve, issuer.privateKey, tbs));
  return encodeTlv(DER.sequence, tbs, SIGNATURE_ALGORITHM, encodeBits(signature));
}

export function authorityKeyIdentifierExtension(publicKey: Uint8Array): Uint8Array {
  const value = encodeTlv(DER.sequence, encodeTlv(0x80, keyIdentifier(publicKey)));
  return extension(EXTENSION_OID.authorityKeyIdentifier, false, value);
}

function extensionsOf(issuer: CertificateIssuer, request: CertificateRequest): Uint8Array[] {
  const { ca, policies, registeredId, dnsNames, ipAddresses, permittedNames: names } = request;
  const list = [
    authorityKeyIdentifierExtension(issuer.publicKey),
    extension(
      EXTENSION_OID.subjectKeyIdentifier,
      false,
      encodeTlv(DER.octetString, keyIdentifier(request.publicKey)),
    ),
    extension(EXTENSION_OID.keyUsage, true, encodeTlv(DER.bitString, namedBits.encode(request.keyUsage))),
  ];
  if (policies !== undefined) {
    const items = policies.map((policy) => encodeTlv(DER.sequence, encodeTlv(DER.oid, oid.encode(policy))));
    list.push(extension(EXTENSION_OID.certificatePolicies, true, encodeTlv(DER.sequence, ...items)));
  }
  if (ca !== undefined) {
    const depth = ca.pathLength === undefined ? [] : [encodeTlv(DER.integer, unsigned.encode(ca.pathLength))];
    const value = encodeTlv(DER.sequence, Uint8Array.of(DER.boolean, 1, 0xff), ...depth);
    list.push(extension(EXTENSION_OID.basicConstraints, true, value));
  }
  const alternatives = [
    ...(registeredId === undefined ? [] : [encodeTlv(0x88, oid.encode(registeredId))]),
    ...(dnsNames ?? []).map((name) => encodeTlv(0x82, utf8Bytes(name))),
    ...(ipAddresses ?? []).map((address) => encodeTlv(0x87, Uint8Array.from(address.split('.').map(Number)))),
  ];
  if (alternatives.length > 0) {
    list.push(extension(EXTENSION_OID.subjectAltName, false, encodeTlv(DER.sequence, ...alternatives)));
  }
  if (request.extendedKeyUsage !== undefined) {
    const purposes = request.extendedKeyUsage.map((purpose) => encodeTlv(DER.oid, oid.encode(purpose)));
    list.push(extension(EXTENSION_OID.extendedKeyUsage, true, encodeTlv(DER.sequence, ...purposes)));
  }
  if (request.crlDistributionPoints !== undefined) {
    const points = request.crlDistributionPoints.map((uri) =>
      encodeTlv(DER.sequence, encodeTlv(0xa0, encodeTlv(0xa0, encodeTlv(0x86, utf8Bytes(uri))))),
    );
    list.push(extension(EXTENSION_OID.crlDistributionPoints, false, encodeTlv(DER.sequence, ...points)));
  }
  if (names !== undefined) {
    const subtrees = names.map((name) => encodeTlv(DER.sequence, encodeTlv(0xa4, encodeName(name))));
    list.push(
      extension(EXTENSION_OID.nameConstraints, true, encodeTlv(DER.sequence, encodeTlv(0xa0, ...subtrees))),
    );
  }
  return list;
}

/** One extension as DER. */
export function extension(type: string, critical: boolean, value: Uint8Array): Uint8Array {
  return encodeTlv(
    DER.sequence,
    encodeTlv(DER.oid, oid.encode(type)),
    critical ? Uint8Array.of(DER.boolean, 1, 0xff) : concat(),
    encodeTlv(DER.octetString, value),
  );
}
