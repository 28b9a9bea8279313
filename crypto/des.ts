// DES and triple DES in CBC mode (FIPS 46-3, NIST SP 800-67): for the keysets of older cards only (ETSI TS 102 225 5.1.2).
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { concat } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';

export const DES_BLOCK = 8;

const ZERO_BLOCK = new Uint8Array(DES_BLOCK);

/** One, two or three keys of 8 octets as the three of triple DES: single DES is the same key thrice. */
function tripleKey(key: Secret<Uint8Array>): Secret<Uint8Array> {
  const octets = key.reveal();
  if (octets.length === 24) return key;
  if (octets.length === 16) return new Secret(concat(octets, octets.subarray(0, DES_BLOCK)));
  if (octets.length === DES_BLOCK) return new Secret(concat(octets, octets, octets));
  throw new AgentError('KEY_INVALID', { octets: octets.length, why: 'not a DES key' });
}

function wholeBlocks(data: Uint8Array): void {
  if (data.length % DES_BLOCK !== 0) {
    throw new AgentError('NUMBER_RANGE', { octets: data.length, why: 'not a number of whole blocks' });
  }
}

/** CBC with a zero vector; the key has 8, 16 or 24 octets, `data` a multiple of 8. */
export function desCbcEncrypt(key: Secret<Uint8Array>, data: Uint8Array): Uint8Array {
  wholeBlocks(data);
  const cipher = createCipheriv('des-ede3-cbc', tripleKey(key).reveal(), ZERO_BLOCK).setAutoPadding(false);
  return concat(cipher.update(data), cipher.final());
}

/** The inverse of `desCbcEncrypt`. */
export function desCbcDecrypt(key: Secret<Uint8Array>, data: Uint8Array): Uint8Array {
  wholeBlocks(data);
  const decipher = createDecipheriv('des-ede3-cbc', tripleKey(key).reveal(), ZERO_BLOCK).setAutoPadding(
    false,
  );
  return concat(decipher.update(data), decipher.final());
}

/** Each block for itself, as keys travel under a DES key (GlobalPlatform Card Specification B.1.1.1). */
export function desEcbEncrypt(key: Secret<Uint8Array>, data: Uint8Array): Uint8Array {
  return concat(...blocksOf(data).map((block) => desCbcEncrypt(key, block)));
}

/** The inverse of `desEcbEncrypt`. */
export function desEcbDecrypt(key: Secret<Uint8Array>, data: Uint8Array): Uint8Array {
  return concat(...blocksOf(data).map((block) => desCbcDecrypt(key, block)));
}

function blocksOf(data: Uint8Array): Uint8Array[] {
  wholeBlocks(data);
  return Array.from({ length: data.length / DES_BLOCK }, (_, i) =>
    data.subarray(i * DES_BLOCK, (i + 1) * DES_BLOCK),
  );
}

/** The last block of CBC over the data padded with zeros: the cryptographic checksum of TS 102 225 5.1.3. */
export function desCbcMac(key: Secret<Uint8Array>, data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.max(1, Math.ceil(data.length / DES_BLOCK)) * DES_BLOCK);
  padded.set(data);
  return desCbcEncrypt(key, padded).subarray(-DES_BLOCK);
}

/** Key check value: 3 octets of the encrypted block of zeros (GlobalPlatform Card Specification B.6). */
export function desKeyCheckValue(key: Secret<Uint8Array>): Uint8Array {
  return desCbcEncrypt(key, ZERO_BLOCK).subarray(0, 3);
}
