// COMPREHENSION-TLV: tags in one and three octets, lengths in one to four, and everything that is none.
import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { readComprehensionTlvs } from './comprehension-tlv.ts';

const read = (hex: string): string[] =>
  readComprehensionTlvs(fromHex(hex)).map(
    ({ tag, required, value }) => `${tag.toString(16)}${required ? '!' : ''}:${toHex(value)}`,
  );

test('reads the objects of a TERMINAL RESPONSE', () => {
  assert.deepEqual(read('810301010482028281830100'), ['1!:010104', '2!:8281', '3!:00']);
});

test('takes 1F and BF for tags of one octet, unlike BER', () => {
  assert.deepEqual(read('1F01AA3F01BB'), ['1f:AA', '3f:BB']);
});

test('reads long tags and long lengths', () => {
  assert.deepEqual(read('7F810102AABB058103010203'), ['101!:AABB', '5:010203']);
  assert.equal(readComprehensionTlvs(fromHex(`0B820100${'00'.repeat(256)}`))[0]?.value.length, 256);
});

test('refuses what is cut off, and tags that are none', () => {
  for (const hex of ['81', '8103', '810301', '7F', '7F0101', '8180', '8184000000', '00', '8000', 'FF00']) {
    assert.throws(
      () => read(hex),
      (error) => isAgentError(error, 'TLV_INVALID'),
      hex,
    );
  }
});

test('throws nothing else for any octets, and never reads past the end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const read = readComprehensionTlvs(bytes);
        assert.ok(read.every(({ value }) => value.length <= bytes.length));
      } catch (error) {
        assert.ok(isAgentError(error, 'TLV_INVALID'), String(error));
      }
    }),
  );
});
