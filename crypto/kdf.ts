// Key derivation from an agreed secret: ANSI X9.63 with SHA-256 (BSI TR-03111 4.3.3.2).
import { concat, uintBytes } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { sha256 } from './hash.ts';

const HASH_OCTETS = 32;

/** Derives `length` octets from the shared secret and the public SharedInfo. */
export function x963Kdf(
  sharedSecret: Secret<Uint8Array>,
  sharedInfo: Uint8Array,
  length: number,
): Secret<Uint8Array> {
  const blocks: Uint8Array[] = [];
  for (let counter = 1; (counter - 1) * HASH_OCTETS < length; counter++) {
    blocks.push(sha256(sharedSecret.reveal(), uintBytes(counter, 4), sharedInfo));
  }
  return new Secret(concat(...blocks).subarray(0, length));
}
