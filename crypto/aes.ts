// AES (FIPS 197) with 128, 192 or 256 bits: one block, CBC without padding, ISO/IEC 9797-1 padding method 2, key check value.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { concat } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';

export const AES_BLOCK = 16;

const ZERO_BLOCK = new Uint8Array(AES_BLOCK);

function bits(key: Secret<Uint8Array>): number {
  const { length } = key.reveal();
  if (length !== 16 && length !== 24 && length !== 32) {
    throw new AgentError('KEY_INVALID', { octets: length, why: 'not an AES key' });
  }
  return length * 8;
}

function wholeBlocks(data: Uint8Array): void {
  if (data.length % AES_BLOCK !== 0) {
    throw new AgentError('NUMBER_RANGE', { octets: data.length, why: 'not a number of whole blocks' });
  }
}

/** AES-CBC; `data` is a multiple of 16 octets, `iv` is 16. */
export function aesCbcEncrypt(
  key: Secret<Uint8Array>,
  data: Uint8Array,
  iv: Uint8Array = ZERO_BLOCK,
): Uint8Array {
  wholeBlocks(data);
  const cipher = createCipheriv(`aes-${bits(key)}-cbc`, key.reveal(), iv).setAutoPadding(false);
  return concat(cipher.update(data), cipher.final());
}

/** The inverse of `aesCbcEncrypt`. */
export function aesCbcDecrypt(
  key: Secret<Uint8Array>,
  data: Uint8Array,
  iv: Uint8Array = ZERO_BLOCK,
): Uint8Array {
  wholeBlocks(data);
  const decipher = createDecipheriv(`aes-${bits(key)}-cbc`, key.reveal(), iv).setAutoPadding(false);
  return concat(decipher.update(data), decipher.final());
}

/** One block of 16 octets. */
export function aesEncryptBlock(key: Secret<Uint8Array>, block: Uint8Array): Uint8Array {
  if (block.length !== AES_BLOCK) throw new AgentError('NUMBER_RANGE', { octets: block.length });
  return aesCbcEncrypt(key, block);
}

/** Appends 80 and then 00 up to a multiple of 16 octets: at least one octet, at most a whole block. */
export function pad80(data: Uint8Array): Uint8Array {
  const out = new Uint8Array((Math.floor(data.length / AES_BLOCK) + 1) * AES_BLOCK);
  out.set(data);
  out[data.length] = 0x80;
  return out;
}

/** Takes the padding off (a view), or answers undefined where there is none. */
export function unpad80(padded: Uint8Array): Uint8Array | undefined {
  let at = padded.length - 1;
  while (at >= 0 && padded[at] === 0) at--;
  if (padded[at] !== 0x80 || padded.length - at > AES_BLOCK) return undefined;
  return padded.subarray(0, at);
}

/** Key check value of an AES key: 3 octets of the encrypted block of ones (GlobalPlatform Amendment D 4.1.4). */
export function aesKeyCheckValue(key: Secret<Uint8Array>): Uint8Array {
  return aesEncryptBlock(key, new Uint8Array(AES_BLOCK).fill(0x01)).subarray(0, 3);
}
