import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { openCose, signCose } from './cose.ts';
import { createNodeEc } from './ec-node.ts';

const ec = createNodeEc();

function openable(bytes: Uint8Array): void {
  try {
    openCose(bytes);
  } catch (error) {
    assert.ok(isAgentError(error, 'SIGNATURE_INVALID'), String(error));
  }
}

// The key of kid 11 in RFC 9052 and in the COSE working group's examples.
const publicKey = fromHex(
  '04bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff' +
    '20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e',
);

describe('COSE_Sign1', () => {
  test('verifies the single-signer example of RFC 9052 C.2.1', () => {
    const example = fromHex(
      'd28443a10126a10442313154546869732069732074686520636f6e74656e742e' +
        '58408eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e' +
        '2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36',
    );
    const opened = openCose(example);
    assert.deepEqual(opened.payload, utf8Bytes('This is the content.'));
    assert.deepEqual(opened.kid, utf8Bytes('11'));
    assert.equal(opened.verify(ec, { curve: 'P-256', publicKey }), true);
    assert.equal(opened.verify(ec, { curve: 'P-256', publicKey }, utf8Bytes('other context')), false);
  });

  // github.com/cose-wg/Examples, sign1-tests/sign-pass-01.json and sign-pass-02.json.
  test('verifies the working group examples without protected header and with external data', () => {
    const bare = openCose(
      fromHex(
        'd28441a0a201260442313154546869732069732074686520636f6e74656e742e5840eae868ecc176883766c5dc5ba5b8dca2' +
          '5dab3c2e56a551ce5705b793914348e11a02e5f0344bf2d4ee5c7fd75a68a9f5e0b3cc1f1fc1409c189566586ff9d610',
      ),
    );
    assert.equal(bare.verify(ec, { curve: 'P-256', publicKey }), true);
    const external = openCose(
      fromHex(
        'd28443a10126a10442313154546869732069732074686520636f6e74656e742e5840eae868ecc176883766c5dc5ba5b8dca2' +
          '5dab3c2e56a551ce5705b793914348e155388b10c4f1b59a6733eab416870a945111a4b2fbdbef33a77234b1deff2f9b',
      ),
    );
    assert.equal(
      external.verify(ec, { curve: 'P-256', publicKey }, fromHex('11aa22bb33cc44dd55006699')),
      true,
    );
    assert.equal(external.verify(ec, { curve: 'P-256', publicKey }), false);
  });

  const pair = ec.generate('P-256');
  const signer = { curve: pair.curve, privateKey: pair.privateKey, kid: utf8Bytes('mno-a') };
  const signed = signCose(ec, signer, utf8Bytes('grant'), utf8Bytes('context'));

  test('round trips payload, kid and context', () => {
    const opened = openCose(signed);
    assert.deepEqual(opened.kid, signer.kid);
    assert.deepEqual(opened.payload, utf8Bytes('grant'));
    assert.equal(opened.verify(ec, pair, utf8Bytes('context')), true);
    assert.equal(opened.verify(ec, pair), false);
  });

  test('does not verify after any single bit is flipped', () => {
    for (let at = 0; at < signed.length * 8; at += 3) {
      const tampered = Uint8Array.from(signed);
      tampered[at >> 3] = (tampered[at >> 3] ?? 0) ^ (1 << (at & 7));
      let accepted = false;
      try {
        accepted = openCose(tampered).verify(ec, pair, utf8Bytes('context'));
      } catch (error) {
        assert.ok(isAgentError(error, 'SIGNATURE_INVALID'));
      }
      assert.equal(accepted, false, `bit ${at}`);
    }
  });

  test('throws SIGNATURE_INVALID, nothing else, for random and truncated octets', () => {
    for (let end = 0; end < signed.length; end++) openable(signed.subarray(0, end));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => openable(concat(Uint8Array.of(0xd2), bytes))),
    );
  });
});
