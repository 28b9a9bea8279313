// The elliptic curve port on OpenSSL (node:crypto): for the operator, where many signatures a second are made.
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  type PrivateKeyInput,
  type PublicKeyInput,
  sign,
  verify,
} from 'node:crypto';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { assertPointForm, assertPrivateKey, type CurveName, type Ec, EC_SIGNATURE_OCTETS } from './ec.ts';
import {
  decodePrivateKeyInfo,
  decodePublicKeyInfo,
  encodeBarePrivateKeyInfo,
  encodePublicKeyInfo,
} from './ec-keys.ts';

const OPENSSL_NAME: Readonly<Record<CurveName, string>> = {
  'P-256': 'prime256v1',
  brainpoolP256r1: 'brainpoolP256r1',
};

const PLAIN = 'ieee-p1363';

export function createNodeEc(): Ec {
  // Importing a key costs more than signing with it; a key goes when its Secret goes.
  const imported = new WeakMap<Secret<Uint8Array>, Map<CurveName, KeyObject>>();
  const privateKeyObject = (curve: CurveName, privateKey: Secret<Uint8Array>): KeyObject => {
    const known = imported.get(privateKey) ?? new Map<CurveName, KeyObject>();
    const found = known.get(curve);
    if (found !== undefined) return found;
    const key = importPrivateKey(curve, privateKey);
    imported.set(privateKey, known.set(curve, key));
    return key;
  };
  const ec: Ec = {
    generate(curve) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: OPENSSL_NAME[curve] });
      return decodePrivateKeyInfo(
        ec,
        new Secret(octets(privateKey.export({ format: 'der', type: 'pkcs8' }))),
      );
    },
    publicKeyOf(curve, privateKey) {
      const key = createPublicKey(privateKeyObject(curve, privateKey));
      return decodePublicKeyInfo(octets(key.export({ format: 'der', type: 'spki' }))).publicKey;
    },
    sign(curve, privateKey, message) {
      const key = privateKeyObject(curve, privateKey);
      return octets(sign('sha256', message, { key, dsaEncoding: PLAIN }));
    },
    verify(curve, publicKey, message, signature) {
      if (signature.length !== EC_SIGNATURE_OCTETS) return false;
      try {
        const key = importPublicKey(curve, publicKey);
        return verify('sha256', message, { key, dsaEncoding: PLAIN }, signature);
      } catch {
        return false;
      }
    },
    sharedSecret(curve, privateKey, peer) {
      const pair = {
        privateKey: privateKeyObject(curve, privateKey),
        publicKey: importPublicKey(curve, peer),
      };
      return new Secret(octets(diffieHellman(pair)));
    },
  };
  return ec;
}

// The inputs go through unknown: node's typings ask for its own byte class, its functions take any octets.
function importPrivateKey(curve: CurveName, privateKey: Secret<Uint8Array>): KeyObject {
  // OpenSSL imports a private key of zero without complaint.
  assertPrivateKey(curve, privateKey);
  const der = encodeBarePrivateKeyInfo(curve, privateKey);
  const input: unknown = { key: der.reveal(), format: 'der', type: 'pkcs8' };
  return guarded(curve, () => createPrivateKey(input as PrivateKeyInput));
}

function importPublicKey(curve: CurveName, publicKey: Uint8Array): KeyObject {
  assertPointForm(curve, publicKey);
  const der = encodePublicKeyInfo(curve, publicKey);
  const input: unknown = { key: der, format: 'der', type: 'spki' };
  return guarded(curve, () => createPublicKey(input as PublicKeyInput));
}

function guarded(curve: CurveName, work: () => KeyObject): KeyObject {
  try {
    return work();
  } catch (cause) {
    throw new AgentError('KEY_INVALID', { curve }, { cause });
  }
}

/** node:crypto answers its own subclass over shared memory; the rest of the project holds plain octets. */
function octets(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}
