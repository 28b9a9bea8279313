// SCP80: secured packets and their parameters (ETSI TS 102 225 clause 5, 3GPP TS 31.115 clause 4).
import { AgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { AES_BLOCK, aesCbcDecrypt, aesCbcEncrypt } from './aes.ts';
import { aesCmac } from './cmac.ts';
import { crc16, crc32 } from './crc.ts';
import { DES_BLOCK, desCbcDecrypt, desCbcEncrypt, desCbcMac } from './des.ts';

/** none, redundancy check, cryptographic checksum, digital signature (which no key here can make). */
export type Scp80Integrity = 'none' | 'rc' | 'cc' | 'ds';
const INTEGRITIES: readonly Scp80Integrity[] = ['none', 'rc', 'cc', 'ds'];

/** What the receiver does with the counter: nothing, no checks, must be higher, must be exactly one higher. */
export type Scp80CounterRule = 'none' | 'noChecks' | 'higher' | 'oneHigher';
const COUNTER_RULES: readonly Scp80CounterRule[] = ['none', 'noChecks', 'higher', 'oneHigher'];

/** Security parameter indicator, both octets (TS 102 225 5.1.1). */
export type Spi = {
  readonly integrity: Scp80Integrity;
  readonly ciphering: boolean;
  readonly counter: Scp80CounterRule;
  readonly por: {
    readonly when: 'never' | 'always' | 'onError';
    readonly integrity: Scp80Integrity;
    readonly ciphering: boolean;
    /** By SMS-SUBMIT instead of the delivery report. */
    readonly bySubmit: boolean;
  };
};
const POR_WHEN: readonly Spi['por']['when'][] = ['never', 'always', 'onError'];

export function encodeSpi(spi: Spi): Uint8Array {
  return Uint8Array.of(
    INTEGRITIES.indexOf(spi.integrity) |
      (spi.ciphering ? 0x04 : 0) |
      (COUNTER_RULES.indexOf(spi.counter) << 3),
    POR_WHEN.indexOf(spi.por.when) |
      (INTEGRITIES.indexOf(spi.por.integrity) << 2) |
      (spi.por.ciphering ? 0x10 : 0) |
      (spi.por.bySubmit ? 0x20 : 0),
  );
}

/** Reads two octets; undefined where a reserved value stands. */
export function decodeSpi(first: number, second: number): Spi | undefined {
  const integrity = INTEGRITIES[first & 0x03];
  const counter = COUNTER_RULES[(first >> 3) & 0x03];
  const when = POR_WHEN[second & 0x03];
  const porIntegrity = INTEGRITIES[(second >> 2) & 0x03];
  if (integrity === undefined || counter === undefined || when === undefined || porIntegrity === undefined) {
    return undefined;
  }
  return {
    integrity,
    ciphering: (first & 0x04) !== 0,
    counter,
    por: {
      when,
      integrity: porIntegrity,
      ciphering: (second & 0x10) !== 0,
      bySubmit: (second & 0x20) !== 0,
    },
  };
}

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
export function integrityOctets(integrity: Scp80Integrity, kid: number): number {
  if (integrity === 'none') return 0;
  if (integrity === 'rc') return (kid & 0x0f) === KID_CRC32 ? 4 : 2;
  return 8;
}

/** RC or CC over the octets. Throws `KEY_INVALID` without the key. */
export function integrityOf(
  integrity: Scp80Integrity,
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

/** Response status codes of a proof of receipt (TS 102 225 table 5). */
export const POR_STATUS = {
  ok: 0x00,
  integrityFailed: 0x01,
  counterLow: 0x02,
  counterHigh: 0x03,
  counterBlocked: 0x04,
  cipheringError: 0x05,
  unidentifiedSecurityError: 0x06,
  insufficientMemory: 0x07,
  moreTime: 0x08,
  tarUnknown: 0x09,
  insufficientSecurityLevel: 0x0a,
} as const;

/** The greatest counter; a receiver that has reached it takes nothing more. */
export const COUNTER_MAX = 2 ** 40 - 1;

/**
 * Judges a counter against the last one accepted: the new value to store (durably, before the command takes effect), or
 * the status of the refusal (TS 102 225 5.1.4).
 */
export function checkCounter(
  rule: Scp80CounterRule,
  received: number,
  last: number,
): { readonly ok: true; readonly last: number } | { readonly ok: false; readonly status: number } {
  if (rule === 'none' || rule === 'noChecks') return { ok: true, last };
  if (last >= COUNTER_MAX) return { ok: false, status: POR_STATUS.counterBlocked };
  if (received <= last) return { ok: false, status: POR_STATUS.counterLow };
  if (rule === 'oneHigher' && received !== last + 1) return { ok: false, status: POR_STATUS.counterHigh };
  return { ok: true, last: received };
}

/**
 * Whether a packet meets the minimum security level of an application: an octet as SPI1. Integrity at least as strong
 * (none, RC, CC, DS), ciphering and counter rule at least as demanding (TS 102 226 8.2.1.3.2.4).
 */
export function meetsSecurityLevel(spi: Spi, minimum: number): boolean {
  const rank = (list: readonly string[], value: string): number => list.indexOf(value);
  return (
    rank(INTEGRITIES, spi.integrity) >= (minimum & 0x03) &&
    (spi.ciphering || (minimum & 0x04) === 0) &&
    rank(COUNTER_RULES, spi.counter) >= ((minimum >> 3) & 0x03)
  );
}
