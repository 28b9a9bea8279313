// Secrets at rest: AES-256-GCM (NIST SP 800-38D) under a named key, bound to the place where they lie.
import { createCipheriv, createDecipheriv, hkdfSync, scryptSync } from 'node:crypto';
import { bytesUtf8, concat, EMPTY, utf8Bytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';

/** A key of 32 octets. `id` (1 to 255 octets of text) is written beside what it seals, so that keys can be changed. */
export type SealKey = { readonly id: string; readonly key: Secret<Uint8Array> };

const ALGORITHM = 'aes-256-gcm';
const VERSION = 0x01;
const KEY_OCTETS = 32;
const NONCE_OCTETS = 12;
const TAG_OCTETS = 16;

/** The least octets of material that a key file must hold. */
export const KEY_FILE_MIN_OCTETS = 32;

function checkKey({ id, key }: SealKey): void {
  const idOctets = utf8Bytes(id).length;
  if (key.reveal().length !== KEY_OCTETS || idOctets < 1 || idOctets > 255) {
    throw new AgentError('KEY_INVALID', { id, octets: key.reveal().length, why: 'not a sealing key' });
  }
}

/**
 * Seals `plaintext`: version, length and text of the key id, nonce, ciphertext, tag. `context` says what and whose this
 * is (a table, a column, a row): it is not stored, and opening needs the same. A key may seal 2^32 times.
 */
export function seal(
  key: SealKey,
  random: Random,
  plaintext: Secret<Uint8Array>,
  context: string,
): Uint8Array {
  checkKey(key);
  const id = utf8Bytes(key.id);
  const header = concat(Uint8Array.of(VERSION, id.length), id);
  const nonce = random.bytes(NONCE_OCTETS);
  const cipher = createCipheriv(ALGORITHM, key.key.reveal(), nonce, { authTagLength: TAG_OCTETS });
  cipher.setAAD(concat(header, utf8Bytes(context)));
  const body = concat(cipher.update(plaintext.reveal()), cipher.final());
  return concat(header, nonce, body, cipher.getAuthTag());
}

/** The id of the key that sealed this. Throws `SEAL_INVALID`. */
export function sealKeyId(sealed: Uint8Array): string {
  const [version, length] = sealed;
  if (version !== VERSION || length === undefined || length === 0 || sealed.length < 2 + length) {
    throw new AgentError('SEAL_INVALID', { octets: sealed.length });
  }
  try {
    return bytesUtf8(sealed.subarray(2, 2 + length));
  } catch (cause) {
    throw new AgentError('SEAL_INVALID', { octets: sealed.length }, { cause });
  }
}

/** Opens what one of `keys` sealed for this `context`. Throws `SEAL_INVALID`. */
export function openSeal(keys: readonly SealKey[], sealed: Uint8Array, context: string): Secret<Uint8Array> {
  const id = sealKeyId(sealed);
  const key = keys.find((each) => each.id === id);
  if (key === undefined) throw new AgentError('SEAL_INVALID', { id, why: 'no such key' });
  checkKey(key);
  const headerEnd = 2 + utf8Bytes(id).length;
  const bodyAt = headerEnd + NONCE_OCTETS;
  const tagAt = sealed.length - TAG_OCTETS;
  if (tagAt < bodyAt) throw new AgentError('SEAL_INVALID', { id, octets: sealed.length });
  const nonce = sealed.subarray(headerEnd, bodyAt);
  const decipher = createDecipheriv(ALGORITHM, key.key.reveal(), nonce, { authTagLength: TAG_OCTETS });
  decipher.setAAD(concat(sealed.subarray(0, headerEnd), utf8Bytes(context)));
  decipher.setAuthTag(sealed.subarray(tagAt));
  try {
    return new Secret(concat(decipher.update(sealed.subarray(bodyAt, tagAt)), decipher.final()));
  } catch (cause) {
    throw new AgentError('SEAL_INVALID', { id }, { cause });
  }
}

/** A key of 32 octets for one purpose, out of strong material such as a key file (HKDF-SHA256, RFC 5869). */
export function keyFromMaterial(
  material: Secret<Uint8Array>,
  purpose: string,
  salt: Uint8Array = EMPTY,
): Secret<Uint8Array> {
  return new Secret(
    new Uint8Array(hkdfSync('sha256', material.reveal(), salt, utf8Bytes(purpose), KEY_OCTETS)),
  );
}

/** A sealing key out of the octets of a key file. Throws `KEY_INVALID` below 32 octets. */
export function sealKeyFromFile(id: string, content: Secret<Uint8Array>, purpose: string): SealKey {
  const { length } = content.reveal();
  if (length < KEY_FILE_MIN_OCTETS) {
    throw new AgentError('KEY_INVALID', { id, octets: length, why: 'the key file is too short' });
  }
  return { id, key: keyFromMaterial(content, purpose) };
}

/**
 * A key of 32 octets out of a passphrase (scrypt, RFC 7914, r 8 and p 1). `salt` is random and stored beside the data;
 * `cost` is N: the default takes about 32 MiB and a tenth of a second.
 */
export function keyFromPassphrase(
  passphrase: Secret<string>,
  salt: Uint8Array,
  cost: number = 2 ** 15,
): Secret<Uint8Array> {
  const options = { N: cost, r: 8, p: 1, maxmem: 256 * cost * 8 };
  return new Secret(Uint8Array.from(scryptSync(utf8Bytes(passphrase.reveal()), salt, KEY_OCTETS, options)));
}
