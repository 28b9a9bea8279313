// SCP80: the keys, checksums, ciphering and counters of secured packets (ETSI TS 102 225 clause 5, 3GPP TS 31.115 clause 4).
import { AgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { encodeSpi, POR_STATUS, type Spi } from '../codec/secured-packet.ts';
import { AES_BLOCK, aesCbcDecrypt, aesCbcEncrypt } from './aes.ts';
import { aesCmac } from './cmac.ts';
import { crc16, crc32 } from './crc.ts';
import { DES_BLOCK, desCbcDecrypt, desCbcEncrypt, desCbcMac } from './des.ts';

/** A key as a keyset holds it: DES of 8, 16 or 24 octets, AES of 16, 24 or 32. */
export type Scp80Key = { readonly algorithm: 'des' | 'aes'; readonly key: Secret<Uint8Array> };

/** The keys that one packet needs; which they are follows from KIc and KID. */
export type Scp80Keys = { readonly kic?: Scp80Key; readonly kid?: Scp80Key };

/** Low nibble of KIc and KID for each kind of key (TS 102 225 5.1.2 and 5.1.3); the high nibble is the keyset. */
const AES_NIBBLE = 0x02;
const DES_NIBBLES: Readonly<Record<number, number>> = { 8: 0x01, 16: 0x05, 24: 0x09 };

/** Low nibble of KID where a redundancy check is asked for. */
export const KID_CRC16 = 0x01;
export const KID_CRC32 = 0x05;

/** The octet KIc, or KID for a checksum, that names keyset 1 to 15 and this key's algorithm. Throws `KEY_INVALID`. */
export function keyIndicator(keyset: number, { algorithm, key }: Scp80Key): number {
  const nibble = algorithm === 'aes' ? AES_NIBBLE : DES_NIBBLES[key.reveal().length];
  if (nibble === undefined || keyset < 1 || keyset > 15) {
    throw new AgentError('KEY_INVALID', { keyset, octets: key.reveal().length });
  }
  return (keyset << 4) | nibble;
}

/** Whether the low nibble of KIc or KID asks for this key's algorithm (0: the one both sides know). */
export function indicatorFits(indicator: number, key: Scp80Key): boolean {
  const nibble = indicator & 0x0f;
  if (nibble === 0) return true;
  return key.algorithm === 'aes' ? nibble === AES_NIBBLE : nibble === DES_NIBBLES[key.key.reveal().length];
}

/** Octets of the RC or CC field: 0 for none, 2 or 4 for a redundancy check, 8 for a checksum. */
export function integrityOctets(integrity: Spi['integrity'], kid: number): number {
  if (integrity === 'none') return 0;
  if (integrity === 'rc') return (kid & 0x0f) === KID_CRC32 ? 4 : 2;
  return 8;
}

/** RC or CC over the octets. Throws `KEY_INVALID` without the key. */
export function integrityOf(
  integrity: Spi['integrity'],
  kid: number,
  keys: Scp80Keys,
  data: Uint8Array,
): Uint8Array {
  if (integrity === 'none') return new Uint8Array(0);
  if (integrity === 'rc') return (kid & 0x0f) === KID_CRC32 ? crc32(data) : crc16(data);
  if (integrity === 'ds' || keys.kid === undefined)
    throw new AgentError('KEY_INVALID', { why: 'no key', kid });
  const { algorithm, key } = keys.kid;
  return algorithm === 'aes' ? aesCmac(key, data).subarray(0, 8) : desCbcMac(key, data);
}

export function cipherBlock(key: Scp80Key): number {
  return key.algorithm === 'aes' ? AES_BLOCK : DES_BLOCK;
}

/** CBC with a zero vector. Throws `KEY_INVALID` without the key. */
export function encipher(keys: Scp80Keys, data: Uint8Array): Uint8Array {
  if (keys.kic === undefined) throw new AgentError('KEY_INVALID', { why: 'no ciphering key' });
  return keys.kic.algorithm === 'aes' ? aesCbcEncrypt(keys.kic.key, data) : desCbcEncrypt(keys.kic.key, data);
}

export function decipher(key: Scp80Key, data: Uint8Array): Uint8Array {
  return key.algorithm === 'aes' ? aesCbcDecrypt(key.key, data) : desCbcDecrypt(key.key, data);
}

/** The greatest counter; a receiver that has reached it takes nothing more. */
export const COUNTER_MAX = 2 ** 40 - 1;

/**
 * Judges a counter against the last one accepted: the new value to store (durably, before the command takes effect), or
 * the status of the refusal (TS 102 225 5.1.4).
 */
export function checkCounter(
  rule: Spi['counter'],
  received: number,
  last: number,
): { readonly ok: true; readonly last: number } | { readonly ok: false; readonly status: number } {
  if (rule === 'none' || rule === 'available') return { ok: true, last };
  if (last >= COUNTER_MAX) return { ok: false, status: POR_STATUS.counterBlocked };
  if (received <= last) return { ok: false, status: POR_STATUS.counterLow };
  if (rule === 'next' && received !== last + 1) return { ok: false, status: POR_STATUS.counterHigh };
  return { ok: true, last: received };
}

/**
 * Whether a packet meets the minimum security level of an application: an octet as SPI1. Integrity at least as strong
 * (none, RC, CC, DS), ciphering and counter rule at least as demanding (TS 102 226 8.2.1.3.2.4).
 */
export function meetsSecurityLevel(spi: Spi, minimum: number): boolean {
  const [given = 0] = encodeSpi(spi);
  return [0x03, 0x04, 0x18].every((mask) => (given & mask) >= (minimum & mask));
}
