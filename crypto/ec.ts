// The elliptic curve port: ECDSA with SHA-256 and ECDH on P-256 and brainpoolP256r1 (SGP.22 2.6.7, BSI TR-03111).
import { EMPTY, fromHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { encodeTlv, readTlvs } from '../codec/ber-tlv.ts';

export type CurveName = 'P-256' | 'brainpoolP256r1';

/** Both curves have 256 bits: a private key or a coordinate is 32 octets. */
export const EC_OCTETS = 32;
/** 04 X Y. */
export const EC_POINT_OCTETS = 65;
/** r and s, 32 octets each (BSI TR-03111 5.2.1, plain format). */
export const EC_SIGNATURE_OCTETS = 64;

/** `privateKey` is 32 octets big endian, `publicKey` the uncompressed point 04 X Y. */
export type EcKeyPair = {
  readonly curve: CurveName;
  readonly privateKey: Secret<Uint8Array>;
  readonly publicKey: Uint8Array;
};

/** Signatures are r and s, 64 octets. Every method but `verify` throws `KEY_INVALID` for a key that is not on its curve. */
export type Ec = {
  generate(curve: CurveName): EcKeyPair;
  publicKeyOf(curve: CurveName, privateKey: Secret<Uint8Array>): Uint8Array;
  /** ECDSA over SHA-256 of `message`. */
  sign(curve: CurveName, privateKey: Secret<Uint8Array>, message: Uint8Array): Uint8Array;
  /** Never throws: what is malformed does not verify. Takes s in either half of its range. */
  verify(curve: CurveName, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** The x coordinate of the shared point, 32 octets. `peer` is 04 X Y and is checked to lie on the curve. */
  sharedSecret(curve: CurveName, privateKey: Secret<Uint8Array>, peer: Uint8Array): Secret<Uint8Array>;
};

/** Throws `KEY_INVALID` unless `point` has the form 04 X Y; whether it lies on the curve is not checked here. */
export function assertPointForm(curve: CurveName, point: Uint8Array): void {
  if (point.length !== EC_POINT_OCTETS || point[0] !== 0x04) {
    throw new AgentError('KEY_INVALID', { curve, octets: point.length, why: 'not an uncompressed point' });
  }
}

/** The number of points of each curve's group (FIPS 186-4 D.1.2.3, RFC 5639 3.4). */
const GROUP_ORDER: Readonly<Record<CurveName, Uint8Array>> = {
  'P-256': fromHex('FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551'),
  brainpoolP256r1: fromHex('A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7'),
};

/** Throws `KEY_INVALID` unless the private key is 32 octets and from 1 to the group order less one. */
export function assertPrivateKey(curve: CurveName, privateKey: Secret<Uint8Array>): void {
  const key = privateKey.reveal();
  if (key.length !== EC_OCTETS) throw new AgentError('KEY_INVALID', { curve, octets: key.length });
  // The borrow of key - order, taken through all octets so that the time says nothing about the key.
  let borrow = 0;
  let any = 0;
  for (let i = EC_OCTETS - 1; i >= 0; i--) {
    borrow = (key[i] ?? 0) - (GROUP_ORDER[curve][i] ?? 0) - borrow < 0 ? 1 : 0;
    any |= key[i] ?? 0;
  }
  if (borrow === 0 || any === 0)
    throw new AgentError('KEY_INVALID', { curve, why: 'private key out of range' });
}

/** Writes r and s as the DER SEQUENCE of X.509 and CMS (RFC 3279 2.2.3). Throws `SIGNATURE_INVALID`. */
export function signatureToDer(signature: Uint8Array): Uint8Array {
  if (signature.length !== EC_SIGNATURE_OCTETS) {
    throw new AgentError('SIGNATURE_INVALID', { octets: signature.length });
  }
  return encodeTlv(
    0x30,
    encodeTlv(0x02, positiveInteger(signature.subarray(0, EC_OCTETS))),
    encodeTlv(0x02, positiveInteger(signature.subarray(EC_OCTETS))),
  );
}

/** Reads the DER form, and only DER: padded integers or lengths are refused. Throws `SIGNATURE_INVALID`. */
export function signatureFromDer(der: Uint8Array): Uint8Array {
  const signature = new Uint8Array(EC_SIGNATURE_OCTETS);
  try {
    const [outer, ...after] = readTlvs(der);
    const [r, s, ...more] = readTlvs(outer?.value ?? EMPTY);
    if (r === undefined || s === undefined || after.length > 0 || more.length > 0) throw malformed(der);
    for (const [at, integer] of [
      [0, r],
      [EC_OCTETS, s],
    ] as const) {
      const digits = integer.value[0] === 0 ? integer.value.subarray(1) : integer.value;
      if (digits.length > EC_OCTETS) throw malformed(der);
      signature.set(digits, at + EC_OCTETS - digits.length);
    }
  } catch (cause) {
    throw cause instanceof AgentError && cause.code === 'SIGNATURE_INVALID' ? cause : malformed(der, cause);
  }
  const canonical = signatureToDer(signature);
  if (canonical.length !== der.length || canonical.some((octet, i) => octet !== der[i])) throw malformed(der);
  return signature;
}

function malformed(der: Uint8Array, cause?: unknown): AgentError {
  return new AgentError('SIGNATURE_INVALID', { octets: der.length, why: 'not DER' }, { cause });
}

function positiveInteger(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const digits = bytes.subarray(at);
  if ((digits[0] ?? 0) < 0x80) return digits;
  const out = new Uint8Array(digits.length + 1);
  out.set(digits, 1);
  return out;
}
