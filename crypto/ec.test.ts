import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { createSeededRandom, systemRandom } from '../base/random.ts';
import { createNobleEc } from './ec-noble.ts';
import { createNodeEc } from './ec-node.ts';
import { type CurveName, type Ec, signatureFromDer, signatureToDer } from './ec.ts';
import {
  decodePrivateKeyInfo,
  decodePublicKeyInfo,
  encodePrivateKeyInfo,
  encodePublicKeyInfo,
} from './ec-keys.ts';

const CURVES: readonly CurveName[] = ['P-256', 'brainpoolP256r1'];

/** Group orders (FIPS 186-4 D.1.2.3, RFC 5639 3.4). */
const ORDER: Readonly<Record<CurveName, bigint>> = {
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  brainpoolP256r1: 0xa9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7n,
};

// RFC 6979 A.2.5; the first has s in the upper half of its range, the second in the lower.
const RFC6979_POINT =
  '0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299';
const RFC6979_SIGNATURES = {
  sample:
    'EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8',
  test: 'F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083',
} as const;

// RFC 7027 A.1; the P-256 row is the ECKA of osmocom/pysim tests/unittests/test_esim_bsp.py (commit 597f1e03).
const AGREEMENTS = [
  {
    curve: 'brainpoolP256r1',
    key: '81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D',
    point:
      '0444106E913F92BC02A1705D9953A8414DB95E1AAA49E81D9E85F929A8E3100BE58AB4846F11CACCB73CE49CBDD120F5A900A69FD32C272223F789EF10EB089BDC',
    peer: '048D2D688C6CF93E1160AD04CC4429117DC2C41825E1E9FCA0ADDD34E6F1B39F7B990C57520812BE512641E47034832106BC7D3E8DD0E4C7F1136D7006547CEC6A',
    shared: '89AFC39D41D3B327814B80940B042590F96556EC91E6AE7939BCE31F3A18BF2B',
  },
  {
    curve: 'P-256',
    key: 'FB68A38CCEDB69E15CBE03C256228998AC398587E5DC7117F948145C839D61A4',
    point:
      '04A27E2BDBD94DCF67D4C9AE5CB149D9D0F093BE7A16DC41EC9DB0318E4DB72D09234A7D7631979A5D150EEC40AFE17CE41673DF9D2F2E4246D60051C74EBA7964',
    peer: '0400F7B8D71403F21D84B00CD9E561178D737D3F4D065E62FEE279271298DD4F074794AB791B9939D4461296EFE388AA26731064263AF988B7D2C4D77DA44801B5',
    shared: 'C9A993DD4879A8F7161F2085410EDD4F9652F1DF37BE097BA96BA2CA6BE528FE',
  },
] as const;

const invalid = (thrown: unknown): boolean => isAgentError(thrown, 'KEY_INVALID');

const MESSAGE = utf8Bytes('a message');

function withS(curve: CurveName, signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${toHex(signature.subarray(32))}`);
  return fromHex(toHex(signature.subarray(0, 32)) + (ORDER[curve] - s).toString(16).padStart(64, '0'));
}

/** What every implementation of the port does. */
function ecContract(name: string, ec: Ec): void {
  test(`${name} agrees on the secrets of RFC 7027 and of a third-party SM-DP+`, () => {
    for (const row of AGREEMENTS) {
      const key = new Secret(fromHex(row.key));
      assert.equal(toHex(ec.publicKeyOf(row.curve, key)), row.point);
      assert.equal(toHex(ec.sharedSecret(row.curve, key, fromHex(row.peer)).reveal()), row.shared);
    }
  });

  test(`${name} verifies the signatures of RFC 6979, s high and low`, () => {
    for (const [text, signature] of Object.entries(RFC6979_SIGNATURES)) {
      const message = utf8Bytes(text);
      assert.equal(ec.verify('P-256', fromHex(RFC6979_POINT), message, fromHex(signature)), true);
      assert.equal(ec.verify('P-256', fromHex(RFC6979_POINT), MESSAGE, fromHex(signature)), false);
    }
  });

  for (const curve of CURVES) {
    test(`${name} signs on ${curve} and accepts s in both halves, but not another message, key or curve`, () => {
      const pair = ec.generate(curve);
      const signature = ec.sign(curve, pair.privateKey, MESSAGE);
      const other = curve === 'P-256' ? 'brainpoolP256r1' : 'P-256';
      assert.equal(signature.length, 64);
      assert.equal(ec.verify(curve, pair.publicKey, MESSAGE, signature), true);
      assert.equal(ec.verify(curve, pair.publicKey, MESSAGE, withS(curve, signature)), true);
      assert.equal(ec.verify(curve, pair.publicKey, utf8Bytes('another'), signature), false);
      assert.equal(ec.verify(curve, ec.generate(curve).publicKey, MESSAGE, signature), false);
      assert.equal(ec.verify(other, pair.publicKey, MESSAGE, signature), false);
    });

    test(`${name} answers false to malformed signatures and points on ${curve}`, () => {
      const pair = ec.generate(curve);
      const good = ec.sign(curve, pair.privateKey, MESSAGE);
      const [r, s] = [toHex(good.subarray(0, 32)), toHex(good.subarray(32))];
      const n = ORDER[curve].toString(16);
      const [zero, one, ones] = ['00'.repeat(32), `${'00'.repeat(31)}01`, 'FF'.repeat(32)];
      const shifted = (BigInt(`0x${r}`) ^ 1n).toString(16).padStart(64, '0');
      const malformed = [
        '',
        '00',
        r,
        r + s.slice(2),
        `${r + s}00`,
        `00${r}${s}`,
        toHex(signatureToDer(good)),
      ];
      malformed.push(
        zero + zero,
        zero + s,
        r + zero,
        n + s,
        r + n,
        n + n,
        one + one,
        one + zero,
        ones + ones,
      );
      malformed.push(s + r, shifted + s);
      for (const hex of malformed) {
        assert.equal(ec.verify(curve, pair.publicKey, MESSAGE, fromHex(hex)), false, hex);
      }
      for (const point of badPoints(pair.publicKey)) {
        assert.equal(ec.verify(curve, point, MESSAGE, good), false, toHex(point));
      }
    });

    test(`${name} throws KEY_INVALID for points and private keys that are not on ${curve}`, () => {
      const pair = ec.generate(curve);
      for (const point of badPoints(pair.publicKey)) {
        assert.throws(() => ec.sharedSecret(curve, pair.privateKey, point), invalid, toHex(point));
      }
      const n = ORDER[curve];
      for (const hex of ['', '01', '00'.repeat(32), n.toString(16), (n + 1n).toString(16), 'FF'.repeat(33)]) {
        const key = new Secret(fromHex(hex));
        assert.throws(() => ec.sign(curve, key, MESSAGE), invalid, hex);
        assert.throws(() => ec.publicKeyOf(curve, key), invalid, hex);
        assert.throws(() => ec.sharedSecret(curve, key, pair.publicKey), invalid, hex);
      }
    });

    test(`${name} reads back its own ${curve} keys as PKCS#8 and SubjectPublicKeyInfo`, () => {
      const pair = ec.generate(curve);
      const again = decodePrivateKeyInfo(ec, encodePrivateKeyInfo(pair));
      assert.equal(again.curve, curve);
      assert.deepEqual(again.privateKey.reveal(), pair.privateKey.reveal());
      assert.deepEqual(again.publicKey, pair.publicKey);
      const { publicKey } = pair;
      assert.deepEqual(decodePublicKeyInfo(encodePublicKeyInfo(curve, publicKey)), { curve, publicKey });
    });
  }
}

function badPoints(good: Uint8Array): Uint8Array[] {
  const offCurve = Uint8Array.from(good);
  offCurve[64] = (offCurve[64] ?? 0) ^ 1;
  const compressed = Uint8Array.from(good.subarray(0, 33));
  compressed[0] = 0x02 | ((good[64] ?? 0) & 1);
  const hybrid = Uint8Array.from(good);
  hybrid[0] = 0x06 | ((good[64] ?? 0) & 1);
  const overField = Uint8Array.from(good).fill(0xff, 1, 33);
  const origin = new Uint8Array(65);
  origin[0] = 0x04;
  return [offCurve, compressed, hybrid, overField, origin, good.subarray(0, 64), new Uint8Array(1)];
}

/** Two implementations understand each other, through both signature forms. */
function ecInteropContract(a: Ec, b: Ec): void {
  for (const curve of CURVES) {
    test(`both implementations verify each other's signatures and agree on a secret on ${curve}`, () => {
      const [alice, bob] = [a.generate(curve), b.generate(curve)];
      for (let i = 0; i < 8; i++) {
        const message = Uint8Array.of(i);
        const one = a.sign(curve, alice.privateKey, message);
        const two = b.sign(curve, bob.privateKey, message);
        assert.equal(b.verify(curve, alice.publicKey, message, signatureFromDer(signatureToDer(one))), true);
        assert.equal(a.verify(curve, bob.publicKey, message, two), true);
        assert.equal(a.verify(curve, bob.publicKey, message, withS(curve, two)), true);
      }
      const shared = a.sharedSecret(curve, alice.privateKey, bob.publicKey).reveal();
      assert.deepEqual(b.sharedSecret(curve, bob.privateKey, alice.publicKey).reveal(), shared);
    });
  }
}

const noble = createNobleEc(systemRandom);
const node = createNodeEc();
ecContract('noble', noble);
ecContract('node', node);
ecInteropContract(noble, node);

test('noble signs as RFC 6979 A.2.5 says, without lowering s', () => {
  const key = new Secret(fromHex('C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721'));
  assert.equal(
    toHex(noble.sign('P-256', key, utf8Bytes('sample'))),
    'EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8',
  );
});

test('noble makes the same key from the same random source and another from another', () => {
  const made = [1, 1, 2].map((seed) =>
    toHex(createNobleEc(createSeededRandom(seed)).generate('P-256').publicKey),
  );
  assert.equal(made[0], made[1]);
  assert.notEqual(made[0], made[2]);
});
