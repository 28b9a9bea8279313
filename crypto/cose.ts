// COSE_Sign1 (RFC 9052, section 4.2) with ES256: the operators' signatures on commands, manifests and grants.
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { EMPTY } from '../base/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../codec/cbor.ts';
import type { CurveName, Ec } from './ec.ts';

/** COSE algorithm ES256 and the header parameters in use (RFC 9053 2.1, RFC 9052 3.1). */
const ES256 = -7;
const HEADER_ALG = 1;
const HEADER_KID = 4;
/** The tag of COSE_Sign1, 18, as one octet. */
const TAG_COSE_SIGN1 = 0xd2;

export type CoseSigner = {
  readonly curve: CurveName;
  readonly privateKey: Secret<Uint8Array>;
  /** Names the key; part of what is signed. */
  readonly kid: Uint8Array;
};

/** Signs `payload`; `externalAad` is signed too but does not travel. Answers the tagged structure. */
export function signCose(
  ec: Ec,
  signer: CoseSigner,
  payload: Uint8Array,
  externalAad: Uint8Array = EMPTY,
): Uint8Array {
  const protectedHeader = encodeCbor(
    new Map<number, CborValue>([
      [HEADER_ALG, ES256],
      [HEADER_KID, signer.kid],
    ]),
  );
  const signature = ec.sign(
    signer.curve,
    signer.privateKey,
    sigStructure(protectedHeader, externalAad, payload),
  );
  const body = encodeCbor([protectedHeader, new Map<number, CborValue>(), payload, signature]);
  const whole = new Uint8Array(1 + body.length);
  whole[0] = TAG_COSE_SIGN1;
  whole.set(body, 1);
  return whole;
}

/** Sig_structure of RFC 9052 4.4. */
function sigStructure(protectedHeader: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  return encodeCbor(['Signature1', protectedHeader, externalAad, payload]);
}

export type CoseSign1 = {
  /** Empty when the signature names no key. */
  readonly kid: Uint8Array;
  readonly payload: Uint8Array;
  /** Whether the signature verifies under this key. */
  verify(
    ec: Ec,
    key: { readonly curve: CurveName; readonly publicKey: Uint8Array },
    externalAad?: Uint8Array,
  ): boolean;
};

/** Takes the structure apart, tagged or not. Throws `SIGNATURE_INVALID`; nothing is verified yet. */
export function openCose(bytes: Uint8Array): CoseSign1 {
  const [protectedHeader, unprotected, payload, signature] = parts(bytes);
  const header = protectedHeader.length === 0 ? new Map<number, CborValue>() : headerOf(protectedHeader);
  // An empty map is signed as no octets at all, however it travelled (RFC 9052 4.4).
  const signedHeader = header.size === 0 ? EMPTY : protectedHeader;
  const algorithm = header.get(HEADER_ALG) ?? unprotected.get(HEADER_ALG);
  const kid = header.get(HEADER_KID) ?? unprotected.get(HEADER_KID) ?? EMPTY;
  if (algorithm !== ES256) throw malformed('the algorithm is not ES256');
  if (!(kid instanceof Uint8Array)) throw malformed('kid is no byte string');
  return {
    kid,
    payload,
    verify: (ec, key, externalAad = EMPTY) =>
      ec.verify(key.curve, key.publicKey, sigStructure(signedHeader, externalAad, payload), signature),
  };
}

function parts(
  bytes: Uint8Array,
): [Uint8Array, ReadonlyMap<number | string, CborValue>, Uint8Array, Uint8Array] {
  const value = read(bytes[0] === TAG_COSE_SIGN1 ? bytes.subarray(1) : bytes);
  if (!Array.isArray(value) || value.length !== 4) throw malformed('not an array of four');
  const [protectedHeader, unprotected, payload, signature] = value as readonly CborValue[];
  if (!(protectedHeader instanceof Uint8Array) || !(payload instanceof Uint8Array))
    throw malformed('wrong types');
  if (!(signature instanceof Uint8Array) || !(unprotected instanceof Map)) throw malformed('wrong types');
  return [protectedHeader, unprotected as ReadonlyMap<number | string, CborValue>, payload, signature];
}

function read(bytes: Uint8Array): CborValue {
  try {
    return decodeCbor(bytes);
  } catch (cause) {
    if (!isAgentError(cause)) throw cause;
    throw malformed('not CBOR', cause);
  }
}

function headerOf(bytes: Uint8Array): ReadonlyMap<number | string, CborValue> {
  const header = read(bytes);
  if (!(header instanceof Map)) throw malformed('protected header is no map');
  return header as ReadonlyMap<number | string, CborValue>;
}

function malformed(why: string, cause?: unknown): AgentError {
  return new AgentError('SIGNATURE_INVALID', { what: 'COSE_Sign1', why }, { cause });
}
