// SHA-256, its HMAC and the comparison hashes of the RSP signatures (FIPS 180-4).
import { createHash, createHmac } from 'node:crypto';
import type { Secret } from '../base/log.ts';

/** SHA-256 over the parts in order, 32 octets. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha256', parts);
}

/** SHA-1 over the parts in order, 20 octets: key identifiers of certificates only (RFC 5280 4.2.1.2). */
export function sha1(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha1', parts);
}

function digest(name: string, parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash(name);
  for (const part of parts) hash.update(part);
  return Uint8Array.from(hash.digest());
}

/** HMAC with SHA-256 (RFC 2104), 32 octets. */
export function hmacSha256(key: Secret<Uint8Array>, data: Uint8Array): Uint8Array {
  return Uint8Array.from(createHmac('sha256', key.reveal()).update(data).digest());
}
