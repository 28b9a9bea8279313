// The steps of 3GPP TS 34.108 8.1.2.1, worked out by hand for one challenge.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { xorTestAlgorithm } from './xor-test-algorithm.ts';

const INPUT = {
  k: new Secret(fromHex('000102030405060708090A0B0C0D0E0F')),
  rand: fromHex('F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0'),
  sqn: fromHex('000000000021'),
  amf: fromHex('8000'),
};

test('the outputs are the parts of K xor RAND that the standard names', () => {
  const out = xorTestAlgorithm(INPUT);
  // XDOUT = F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF
  assert.equal(toHex(out.res), 'F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF');
  assert.equal(toHex(out.ck.reveal()), 'F1F2F3F4F5F6F7F8F9FAFBFCFDFEFFF0');
  assert.equal(toHex(out.ik.reveal()), 'F2F3F4F5F6F7F8F9FAFBFCFDFEFFF0F1');
  assert.deepEqual([toHex(out.ak), toHex(out.akStar)], ['F3F4F5F6F7F8', 'F3F4F5F6F7F8']);
  // CDOUT = 0000000000218000
  assert.deepEqual([toHex(out.macA), toHex(out.macS)], ['F0F1F2F3F4D476F7', 'F0F1F2F3F4D476F7']);
  assert.equal(toHex(xorTestAlgorithm({ ...INPUT, resOctets: 8 }).res), 'F0F1F2F3F4F5F6F7');
});

test('inputs of the wrong length are refused', () => {
  const invalid = (thrown: unknown): boolean => isAgentError(thrown, 'KEY_INVALID');
  assert.throws(() => xorTestAlgorithm({ ...INPUT, k: new Secret(new Uint8Array(32)) }), invalid);
  assert.throws(() => xorTestAlgorithm({ ...INPUT, rand: new Uint8Array(15) }), invalid);
  assert.throws(() => xorTestAlgorithm({ ...INPUT, sqn: new Uint8Array(5) }), invalid);
  assert.throws(() => xorTestAlgorithm({ ...INPUT, amf: new Uint8Array(3) }), invalid);
  for (const resOctets of [3, 17, 4.5]) {
    assert.throws(
      () => xorTestAlgorithm({ ...INPUT, resOctets }),
      (thrown) => isAgentError(thrown, 'NUMBER_RANGE'),
    );
  }
});
