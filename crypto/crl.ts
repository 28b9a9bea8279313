// Certificate revocation lists (RFC 5280 section 5; SGP.22 4.5.2.1.2): which serial numbers of an issuer are revoked.
import { concat, equalBytes, fromHex, toHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { encodeTlv, readOnly, readTlvs, type Tlv } from '../codec/ber-tlv.ts';
import { EXTENSION_OID, RSP_CRL_OID } from '../codec/oids.ts';
import { unsigned } from '../codec/tlv-table.ts';
import { DER, decodeBits, decodeTime, encodeName, encodeTime, encodeUnsigned, malformed } from './der.ts';
import { type Ec, signatureFromDer } from './ec.ts';
import {
  authorityKeyIdentifierExtension,
  type Certificate,
  type CertificateIssuer,
  extension,
  extensionValues,
  SIGNATURE_ALGORITHM,
  signDer,
} from './x509.ts';

export type Crl = {
  readonly raw: Uint8Array;
  readonly tbs: Uint8Array;
  readonly issuerRaw: Uint8Array;
  /** Unix milliseconds. */
  readonly thisUpdate: number;
  readonly nextUpdate?: number;
  /** Serial numbers in upper-case hex. */
  readonly revoked: ReadonlySet<string>;
  /** r and s, 64 octets. */
  readonly signature: Uint8Array;
  /** Key identifier of the issuer's key. */
  readonly authorityKeyIdentifier?: Uint8Array;
  /** Which part of how many this is, where the list comes in parts; from 1. */
  readonly part?: CrlPart;
};

type CrlPart = { readonly number: number; readonly of: number };

/** More parts than any list needs: 64 KiB each. */
const MAX_PARTS = 64;
/** What this reader understands; issuingDistributionPoint only narrows what a list is about. */
const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([
  EXTENSION_OID.authorityKeyIdentifier,
  EXTENSION_OID.cRLNumber,
  EXTENSION_OID.issuingDistributionPoint,
  ...Object.values(RSP_CRL_OID),
]);

/** Signs a list of revoked serial numbers (upper-case hex). Times are Unix milliseconds. */
export function issueCrl(
  ec: Ec,
  issuer: CertificateIssuer,
  list: {
    readonly number: number;
    readonly thisUpdate: number;
    readonly nextUpdate: number;
    readonly revoked: readonly { readonly serialNumber: string; readonly at: number }[];
    readonly part?: CrlPart;
  },
): Uint8Array {
  const entries = list.revoked.map(({ serialNumber, at }) =>
    encodeTlv(DER.sequence, encodeUnsigned(fromHex(serialNumber)), encodeTime(at)),
  );
  const integer = (value: number): Uint8Array => encodeTlv(DER.integer, unsigned.encode(value));
  const { part } = list;
  const extensions = [
    authorityKeyIdentifierExtension(issuer.publicKey),
    extension(EXTENSION_OID.cRLNumber, false, integer(list.number)),
    ...(part === undefined
      ? []
      : [
          extension(RSP_CRL_OID.totalPartialCrlNumber, true, integer(part.of)),
          extension(RSP_CRL_OID.partialCrlNumber, true, integer(part.number)),
        ]),
  ];
  const tbs = encodeTlv(
    DER.sequence,
    Uint8Array.of(DER.integer, 1, 1),
    SIGNATURE_ALGORITHM,
    encodeName(issuer.name),
    encodeTime(list.thisUpdate),
    encodeTime(list.nextUpdate),
    entries.length === 0 ? concat() : encodeTlv(DER.sequence, ...entries),
    encodeTlv(0xa0, encodeTlv(DER.sequence, ...extensions)),
  );
  return signDer(ec, issuer, tbs);
}

/** Reads a list. Throws `CERTIFICATE_INVALID`. */
export function parseCrl(der: Uint8Array): Crl {
  try {
    return parse(Uint8Array.from(der));
  } catch (cause) {
    if (cause instanceof AgentError && cause.code !== 'CERTIFICATE_INVALID')
      throw malformed('the revocation list', cause);
    throw cause;
  }
}

function parse(der: Uint8Array): Crl {
  const [tbsTlv, algorithm, signatureTlv, ...more] = readTlvs(readOnly(der, DER.sequence).value);
  if (tbsTlv?.tag !== DER.sequence || signatureTlv === undefined || more.length > 0)
    throw malformed('the revocation list');
  const members = readTlvs(tbsTlv.value);
  if (members[0]?.tag === DER.integer) members.shift();
  const [innerAlgorithm, issuer, thisUpdate, ...rest] = members;
  if (issuer === undefined || thisUpdate === undefined) throw malformed('the revocation list');
  if (
    ![algorithm, innerAlgorithm].every(
      (each) => each !== undefined && equalBytes(each.raw, SIGNATURE_ALGORITHM),
    )
  )
    throw malformed('the signature algorithm');
  const next = rest[0] !== undefined && isTime(rest[0]) ? rest.shift() : undefined;
  const entries = rest[0]?.tag === DER.sequence ? readTlvs(rest[0].value) : [];
  const extensions = rest.find(({ tag }) => tag === 0xa0);
  return {
    raw: der,
    tbs: tbsTlv.raw,
    issuerRaw: issuer.raw,
    thisUpdate: decodeTime(thisUpdate),
    ...(next === undefined ? {} : { nextUpdate: decodeTime(next) }),
    revoked: new Set(entries.map((entry) => toHex(readTlvs(entry.value)[0]?.value ?? concat()))),
    signature: signatureFromDer(decodeBits(signatureTlv)),
    ...readExtensions(
      extensions === undefined ? [] : readTlvs(readOnly(extensions.value, DER.sequence).value),
    ),
  };
}

function readExtensions(extensions: readonly Tlv[]): Pick<Crl, 'authorityKeyIdentifier' | 'part'> {
  const values = extensionValues(extensions, KNOWN_EXTENSIONS);
  const integer = (name: string): number | undefined => {
    const value = values.get(name);
    return value === undefined ? undefined : unsigned.decode(readOnly(value, DER.integer).value);
  };
  const issuer = values.get(EXTENSION_OID.authorityKeyIdentifier) ?? encodeTlv(DER.sequence);
  const aki = readTlvs(readOnly(issuer, DER.sequence).value).find(({ tag }) => tag === 0x80);
  const number = integer(RSP_CRL_OID.partialCrlNumber);
  const of = integer(RSP_CRL_OID.totalPartialCrlNumber);
  if ((number === undefined) !== (of === undefined)) throw malformed('the parts of the revocation list');
  if (number !== undefined && of !== undefined && (number < 1 || number > of || of > MAX_PARTS))
    throw malformed('the parts of the revocation list');
  return {
    ...(aki === undefined ? {} : { authorityKeyIdentifier: aki.value }),
    ...(number === undefined || of === undefined ? {} : { part: { number, of } }),
  };
}

function isTime(tlv: Tlv): boolean {
  return tlv.tag === DER.utcTime || tlv.tag === DER.generalizedTime;
}

/** Whether one of the lists names the certificate and is signed by its issuer; what others signed counts for nothing. */
export function isRevoked(
  ec: Ec,
  certificate: Certificate,
  issuer: Certificate,
  crls: readonly Crl[],
): boolean {
  return crls.some(
    (crl) =>
      crl.revoked.has(certificate.serialNumber) &&
      ec.verify(issuer.curve, issuer.publicKey, crl.tbs, crl.signature),
  );
}
