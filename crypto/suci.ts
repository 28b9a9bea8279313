// Concealing a subscriber's identity for its home network: the ECIES profiles of 5G (3GPP TS 33.501, annex C.3).
import { concat } from '../base/bytes.ts';
import { x25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { aesEncryptBlock } from './aes.ts';
import { hmacSha256 } from './hash.ts';
import { x963Kdf } from './kdf.ts';

/** Profile A is on Curve25519, profile B on P-256. */
export type SuciProfile = 'A' | 'B';

const KEY_OCTETS = 16;
const BLOCK_OCTETS = 16;
const MAC_KEY_OCTETS = 32;
const MAC_OCTETS = 8;
// noble needs more octets than a scalar has, to pick one on P-256 without bias.
const SEED_OCTETS = { A: 32, B: 48 } as const;

/** A private key for one identity, out of `random` octets of `seedOctets(profile)`. */
export function ephemeralKey(
  profile: SuciProfile,
  random: { bytes(length: number): Uint8Array },
): Secret<Uint8Array> {
  const seed = random.bytes(SEED_OCTETS[profile]);
  return new Secret(profile === 'A' ? seed : p256.utils.randomSecretKey(seed));
}

/**
 * The scheme output: ephemeral public key, ciphertext, MAC of 8 octets. `homeNetworkKey` has 32 octets in profile A, and is a point
 * in profile B. Throws `KEY_INVALID` for one that is no key.
 */
export function conceal(
  profile: SuciProfile,
  homeNetworkKey: Uint8Array,
  ephemeral: Secret<Uint8Array>,
  plain: Uint8Array,
): Uint8Array {
  const { publicKey, shared } = agreed(profile, homeNetworkKey, ephemeral);
  const keys = x963Kdf(shared, publicKey, KEY_OCTETS + BLOCK_OCTETS + MAC_KEY_OCTETS).reveal();
  const key = new Secret(keys.subarray(0, KEY_OCTETS));
  const counter = keys.subarray(KEY_OCTETS, KEY_OCTETS + BLOCK_OCTETS);
  const cipher = aesCtr(key, counter, plain);
  const mac = hmacSha256(new Secret(keys.subarray(KEY_OCTETS + BLOCK_OCTETS)), cipher);
  return concat(publicKey, cipher, mac.subarray(0, MAC_OCTETS));
}

function agreed(
  profile: SuciProfile,
  homeNetworkKey: Uint8Array,
  ephemeral: Secret<Uint8Array>,
): { readonly publicKey: Uint8Array; readonly shared: Secret<Uint8Array> } {
  const own = ephemeral.reveal();
  try {
    if (profile === 'A') {
      const shared = new Secret(x25519.getSharedSecret(own, homeNetworkKey));
      return { publicKey: x25519.getPublicKey(own), shared };
    }
    const point = p256.getSharedSecret(own, homeNetworkKey, true);
    return { publicKey: p256.getPublicKey(own, true), shared: new Secret(point.subarray(1)) };
  } catch (cause) {
    throw new AgentError('KEY_INVALID', { what: `public key of profile ${profile}` }, { cause });
  }
}

/** AES in counter mode; the counter is the whole block, big endian. */
function aesCtr(key: Secret<Uint8Array>, first: Uint8Array, data: Uint8Array): Uint8Array {
  const counter = Uint8Array.from(first);
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += BLOCK_OCTETS) {
    const stream = aesEncryptBlock(key, counter);
    for (let i = at; i < Math.min(at + BLOCK_OCTETS, data.length); i++) {
      out[i] = (data[i] ?? 0) ^ (stream[i - at] ?? 0);
    }
    for (let i = BLOCK_OCTETS - 1; i >= 0; i--) {
      counter[i] = ((counter[i] ?? 0) + 1) & 0xff;
      if (counter[i] !== 0) break;
    }
  }
  return out;
}
