// The offline bundle and its answer as octets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isAgentError } from '../base/errors.ts';
import { encodeCbor } from './cbor.ts';
import { describe } from './describe.ts';
import { completeEid, parseIccid } from './ids.ts';
import { BUNDLE_VERSION, bundleAnswer, offlineBundle } from './offline-bundle.ts';

const head = {
  version: BUNDLE_VERSION,
  eid: completeEid('890490320000000000000000000001'),
  mno: 'mno-a',
  transactionId: new Uint8Array(16).fill(7),
  iccid: parseIccid('8949000000000000012'),
} as const;
const bundle = {
  ...head,
  issued: 1_790_000_000,
  expires: 1_790_000_001,
  sequenceCounter: 5,
  scripts: [Uint8Array.of(1)],
};
const answer = { ...head, outcome: 'failed', reason: 'why', notifications: [Uint8Array.of(2)] } as const;

test('a bundle and an answer read as they were written, and no part of them does', () => {
  for (const [type, value] of [
    [offlineBundle, bundle],
    [bundleAnswer, answer],
  ] as const) {
    const octets = type.encode(value as never);
    assert.deepEqual(type.decode(octets), value);
    for (let length = 0; length < octets.length; length++) {
      assert.throws(
        () => type.decode(octets.subarray(0, length)),
        (thrown) => isAgentError(thrown),
      );
    }
  }
});

test('any octets are a bundle or an error with a code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (octets) => {
      try {
        offlineBundle.decode(octets);
      } catch (error) {
        assert.ok(isAgentError(error));
      }
    }),
  );
});

test('a later version, a counter of four octets and too many scripts are refused', () => {
  const wrong = [
    { ...bundle, version: 2 },
    { ...bundle, sequenceCounter: 0x1000000 },
    { ...bundle, scripts: Array.from({ length: 9 }, () => Uint8Array.of(1)) },
  ];
  const keys = [
    'version',
    'eid',
    'mno',
    'transactionId',
    'iccid',
    'issued',
    'expires',
    'sequenceCounter',
    'scripts',
  ];
  for (const value of wrong) {
    const raw = new Map(keys.map((name, i) => [i + 1, value[name as keyof typeof value] as never]));
    assert.throws(
      () => offlineBundle.decode(encodeCbor(raw)),
      (thrown) => isAgentError(thrown),
    );
  }
});

test('the decoder names the fields of both', () => {
  const bundleText = describe(offlineBundle.encode(bundle), 'cbor');
  for (const name of ['offlineBundle', 'iccid', 'expires', 'sequenceCounter', 'scripts']) {
    assert.ok(bundleText.includes(name), `${name} in\n${bundleText}`);
  }
  const answerText = describe(bundleAnswer.encode(answer), 'cbor');
  for (const name of ['bundleAnswer', 'outcome', 'notifications']) assert.ok(answerText.includes(name), name);
});
