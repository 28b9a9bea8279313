// The elliptic curve port in plain JavaScript (@noble/curves): for devices and cards, no native code.
import { p256 } from '@noble/curves/nist.js';
import { brainpoolP256r1 } from '@noble/curves/misc.js';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import {
  assertPointForm,
  assertPrivateKey,
  type CurveName,
  type Ec,
  EC_OCTETS,
  EC_SIGNATURE_OCTETS,
} from './ec.ts';

const CURVES = { 'P-256': p256, brainpoolP256r1 } as const;

// noble needs this many octets to pick a scalar without bias.
const SEED_OCTETS = 48;

// noble would otherwise refuse, and flip, the half of all signatures that cards and OpenSSL make with a large s.
const ANY_S = { lowS: false } as const;

/** Signs deterministically (RFC 6979); `random` serves `generate` only. */
export function createNobleEc(random: Random): Ec {
  const ec: Ec = {
    generate(curve) {
      const privateKey = new Secret(CURVES[curve].utils.randomSecretKey(random.bytes(SEED_OCTETS)));
      return { curve, privateKey, publicKey: ec.publicKeyOf(curve, privateKey) };
    },
    publicKeyOf(curve, privateKey) {
      return guarded(curve, () => CURVES[curve].getPublicKey(scalar(curve, privateKey), false));
    },
    sign(curve, privateKey, message) {
      return guarded(curve, () => CURVES[curve].sign(message, scalar(curve, privateKey), ANY_S));
    },
    verify(curve, publicKey, message, signature) {
      if (signature.length !== EC_SIGNATURE_OCTETS) return false;
      try {
        assertPointForm(curve, publicKey);
        return CURVES[curve].verify(signature, message, publicKey, ANY_S);
      } catch {
        return false;
      }
    },
    sharedSecret(curve, privateKey, peer) {
      assertPointForm(curve, peer);
      const point = guarded(curve, () =>
        CURVES[curve].getSharedSecret(scalar(curve, privateKey), peer, false),
      );
      return new Secret(point.slice(1, 1 + EC_OCTETS));
    },
  };
  return ec;
}

function scalar(curve: CurveName, privateKey: Secret<Uint8Array>): Uint8Array {
  assertPrivateKey(curve, privateKey);
  return privateKey.reveal();
}

function guarded(curve: CurveName, work: () => Uint8Array): Uint8Array {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw new AgentError('KEY_INVALID', { curve }, { cause });
  }
}
