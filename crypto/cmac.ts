// AES-CMAC (NIST SP 800-38B, RFC 4493).
import { concat } from '../base/bytes.ts';
import type { Secret } from '../base/log.ts';
import { AES_BLOCK, aesCbcEncrypt, aesEncryptBlock, pad80 } from './aes.ts';

/** The full 16 octets over the parts in order. */
export function aesCmac(key: Secret<Uint8Array>, ...parts: readonly Uint8Array[]): Uint8Array {
  const message = concat(...parts);
  const whole = message.length > 0 && message.length % AES_BLOCK === 0;
  const subkey1 = doubled(aesEncryptBlock(key, new Uint8Array(AES_BLOCK)));
  const mask = whole ? subkey1 : doubled(subkey1);
  const input = whole ? message : pad80(message);
  const last = input.length - AES_BLOCK;
  for (let i = 0; i < AES_BLOCK; i++) input[last + i] = (input[last + i] ?? 0) ^ (mask[i] ?? 0);
  return aesCbcEncrypt(key, input).subarray(last);
}

function doubled(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(AES_BLOCK);
  for (let i = 0; i < AES_BLOCK; i++) out[i] = ((block[i] ?? 0) << 1) | ((block[i + 1] ?? 0) >> 7);
  if (((block[0] ?? 0) & 0x80) !== 0) out[AES_BLOCK - 1] = (out[AES_BLOCK - 1] ?? 0) ^ 0x87;
  return out;
}
