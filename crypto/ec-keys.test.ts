import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, type PrivateKeyInput, type PublicKeyInput } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { signatureFromDer, signatureToDer } from './ec.ts';
import { decodePrivateKeyInfo, encodePrivateKeyInfo, encodePublicKeyInfo } from './ec-keys.ts';
import { createNobleEc } from './ec-noble.ts';
import { createNodeEc } from './ec-node.ts';

const noble = createNobleEc(systemRandom);
const node = createNodeEc();

test('DER signatures that are padded, negative, too long or followed by octets are refused', () => {
  const good = signatureToDer(concat(fromHex('80'.padEnd(64, '1')), fromHex('7F'.padStart(64, '0'))));
  assert.equal(toHex(good).slice(0, 10), '3026022100');
  assert.deepEqual(signatureToDer(signatureFromDer(good)), good);
  const r = '11'.repeat(32);
  const refused = [
    '',
    '30',
    '3000',
    '3003020101',
    '3009020101020101020101',
    '300602010102010100',
    '30060201010281010100',
    '308106020101020101',
    '300702020001020101',
    '3006020181020101',
    '30050200020101',
    '3006020101030101',
    '3106020101020101',
    '30800201010201010000',
    `3026022100${r}020101FF`,
    `3027022200${r}FF020101`,
    `302602210101${r}020101`,
  ];
  for (const hex of refused) {
    assert.throws(
      () => signatureFromDer(fromHex(hex)),
      (thrown) => isAgentError(thrown, 'SIGNATURE_INVALID'),
      hex,
    );
  }
  assert.equal(
    toHex(signatureFromDer(fromHex('3006020101020102'))),
    `${'01'.padStart(64, '0')}${'02'.padStart(64, '0')}`,
  );
});

test('any 64 octets survive the DER form, any other octets are refused or are DER', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (raw) => {
      assert.deepEqual(signatureFromDer(signatureToDer(raw)), Uint8Array.from(raw));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        assert.deepEqual(signatureToDer(signatureFromDer(bytes)), Uint8Array.from(bytes));
      } catch (thrown) {
        assert.ok(thrown instanceof AgentError);
      }
    }),
  );
});

test('OpenSSL reads our PKCS#8 and SubjectPublicKeyInfo, and we read its SEC 1 form', () => {
  for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
    const pair = noble.generate(curve);
    const input: unknown = { key: encodePrivateKeyInfo(pair).reveal(), format: 'der', type: 'pkcs8' };
    const key = createPrivateKey(input as PrivateKeyInput);
    const spki = Uint8Array.from(createPublicKey(key).export({ format: 'der', type: 'spki' }));
    assert.deepEqual(spki, encodePublicKeyInfo(curve, pair.publicKey));
    const publicInput: unknown = { key: spki, format: 'der', type: 'spki' };
    assert.equal(createPublicKey(publicInput as PublicKeyInput).asymmetricKeyType, 'ec');
    const sec1 = new Secret(Uint8Array.from(key.export({ format: 'der', type: 'sec1' })));
    assert.deepEqual(decodePrivateKeyInfo(noble, sec1).publicKey, pair.publicKey);
  }
});

test('a private key file whose public key belongs to another key is refused', () => {
  const [one, two] = [noble.generate('P-256'), noble.generate('P-256')];
  const mixed = encodePrivateKeyInfo({ ...one, publicKey: two.publicKey });
  assert.throws(
    () => decodePrivateKeyInfo(noble, mixed),
    (thrown) => isAgentError(thrown, 'KEY_INVALID'),
  );
});

test('truncated and random private key files end in an AgentError', () => {
  const whole = encodePrivateKeyInfo(noble.generate('P-256')).reveal();
  for (let length = 0; length < whole.length; length++) {
    const cut = new Secret(whole.subarray(0, length));
    assert.throws(() => decodePrivateKeyInfo(node, cut), AgentError, `cut at ${length}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      assert.throws(() => decodePrivateKeyInfo(node, new Secret(bytes)), AgentError);
    }),
  );
});
