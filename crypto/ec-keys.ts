// Elliptic curve keys as DER: SubjectPublicKeyInfo (RFC 5480) and PKCS#8 PrivateKeyInfo (RFC 5208, RFC 5915).
import { concat, EMPTY } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { encodeTlv, findTlv, needTlv, readOnly, readTlvs, type Tlv } from '../codec/ber-tlv.ts';
import { KEY_OID } from '../codec/oids.ts';
import { oid } from '../codec/tlv-table.ts';
import { assertPointForm, type CurveName, type Ec, EC_OCTETS, type EcKeyPair } from './ec.ts';

/** The namedCurve object identifiers of RFC 5480 and RFC 5639. */
export const CURVE_OID: Readonly<Record<CurveName, string>> = {
  'P-256': KEY_OID['P-256'],
  brainpoolP256r1: KEY_OID.brainpoolP256r1,
};

function algorithm(curve: CurveName): Uint8Array {
  return encodeTlv(
    0x30,
    encodeTlv(0x06, oid.encode(KEY_OID.ecPublicKey)),
    encodeTlv(0x06, oid.encode(CURVE_OID[curve])),
  );
}

function readAlgorithm(tlv: Tlv): CurveName {
  const [type, parameters] = readTlvs(tlv.value);
  if (type?.tag !== 0x06 || oid.decode(type.value) !== KEY_OID.ecPublicKey || parameters?.tag !== 0x06) {
    throw new AgentError('KEY_INVALID', { why: 'not an elliptic curve key with a named curve' });
  }
  return curveOf(oid.decode(parameters.value));
}

function curveOf(dotted: string): CurveName {
  for (const curve of ['P-256', 'brainpoolP256r1'] as const) if (CURVE_OID[curve] === dotted) return curve;
  throw new AgentError('CURVE_UNSUPPORTED', { oid: dotted });
}

/** The public key (04 X Y) as a SubjectPublicKeyInfo. */
export function encodePublicKeyInfo(curve: CurveName, publicKey: Uint8Array): Uint8Array {
  assertPointForm(curve, publicKey);
  return encodeTlv(0x30, algorithm(curve), encodeTlv(0x03, Uint8Array.of(0), publicKey));
}

/** Reads a SubjectPublicKeyInfo with an uncompressed point. Throws `KEY_INVALID`, `CURVE_UNSUPPORTED` or a TLV code. */
export function decodePublicKeyInfo(der: Uint8Array): {
  readonly curve: CurveName;
  readonly publicKey: Uint8Array;
} {
  const members = readTlvs(readOnly(der, 0x30).value);
  const curve = readAlgorithm(needTlv(members, 0x30));
  const bits = needTlv(members, 0x03).value;
  const publicKey = bits.slice(1);
  if (bits[0] !== 0) throw new AgentError('KEY_INVALID', { curve, why: 'unused bits' });
  assertPointForm(curve, publicKey);
  return { curve, publicKey };
}

/** The key pair as PKCS#8, with its public key inside. */
export function encodePrivateKeyInfo(pair: EcKeyPair): Secret<Uint8Array> {
  return privateKeyInfo(pair.curve, pair.privateKey, pair.publicKey);
}

/** PKCS#8 without the public key, where only the private key is at hand. */
export function encodeBarePrivateKeyInfo(
  curve: CurveName,
  privateKey: Secret<Uint8Array>,
): Secret<Uint8Array> {
  return privateKeyInfo(curve, privateKey);
}

function privateKeyInfo(
  curve: CurveName,
  privateKey: Secret<Uint8Array>,
  publicKey?: Uint8Array,
): Secret<Uint8Array> {
  const ecPrivateKey = encodeTlv(
    0x30,
    Uint8Array.of(0x02, 0x01, 0x01),
    encodeTlv(0x04, privateKey.reveal()),
    publicKey === undefined ? EMPTY : encodeTlv(0xa1, encodeTlv(0x03, Uint8Array.of(0), publicKey)),
  );
  return new Secret(
    encodeTlv(0x30, Uint8Array.of(0x02, 0x01, 0x00), algorithm(curve), encodeTlv(0x04, ecPrivateKey)),
  );
}

/**
 * Reads a private key as PKCS#8 PrivateKeyInfo, or as the bare ECPrivateKey of RFC 5915 when it names its curve.
 * A public key inside must be the one of the private key. Throws `KEY_INVALID`, `CURVE_UNSUPPORTED` or a TLV code.
 */
export function decodePrivateKeyInfo(ec: Ec, der: Secret<Uint8Array>): EcKeyPair {
  const members = readTlvs(readOnly(der.reveal(), 0x30).value);
  const algorithmTlv = findTlv(members, 0x30);
  if (algorithmTlv === undefined) return readEcPrivateKey(ec, members);
  const inner = readOnly(needTlv(members, 0x04).value, 0x30);
  return readEcPrivateKey(ec, readTlvs(inner.value), readAlgorithm(algorithmTlv));
}

function readEcPrivateKey(ec: Ec, members: readonly Tlv[], outerCurve?: CurveName): EcKeyPair {
  const parameters = findTlv(members, 0xa0);
  const curve =
    parameters === undefined ? outerCurve : curveOf(oid.decode(readOnly(parameters.value, 0x06).value));
  if (curve === undefined || (outerCurve !== undefined && outerCurve !== curve)) {
    throw new AgentError('KEY_INVALID', { why: 'the curve is missing or named twice' });
  }
  const digits = needTlv(members, 0x04).value;
  if (digits.length > EC_OCTETS) throw new AgentError('KEY_INVALID', { curve, octets: digits.length });
  const privateKey = new Secret(concat(new Uint8Array(EC_OCTETS - digits.length), digits));
  const publicKey = ec.publicKeyOf(curve, privateKey);
  const inside = findTlv(members, 0xa1);
  if (inside !== undefined) {
    const point = readOnly(inside.value, 0x03).value.subarray(1);
    if (point.length !== publicKey.length || point.some((octet, i) => octet !== publicKey[i])) {
      throw new AgentError('KEY_INVALID', { curve, why: 'the public key belongs to another private key' });
    }
  }
  return { curve, privateKey, publicKey };
}
