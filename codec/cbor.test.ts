import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { type CborValue, decodeCbor, encodeCbor } from './cbor.ts';

const invalid = (error: unknown) => isAgentError(error, 'CBOR_INVALID');

const { value: anyValue } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger().filter((number) => Math.abs(number) < Number.MAX_SAFE_INTEGER),
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Number.isInteger(number)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string()), tie('value')), { maxLength: 4 })
      .map((entries) => new Map(entries)),
  ),
}));

describe('CBOR', () => {
  test('agrees with the examples of RFC 8949, appendix A', () => {
    const examples: readonly (readonly [CborValue, string])[] = [
      [0, '00'],
      [23, '17'],
      [24, '1818'],
      [1000, '1903E8'],
      [1_000_000, '1A000F4240'],
      [-1, '20'],
      [-1000, '3903E7'],
      [1.1, 'FB3FF199999999999A'],
      [false, 'F4'],
      [true, 'F5'],
      [null, 'F6'],
      ['', '60'],
      ['IETF', '6449455446'],
      ['水', '63E6B0B4'],
      [fromHex('01020304'), '4401020304'],
      [[1, [2, 3], [4, 5]], '8301820203820405'],
      [
        new Map([
          [1, 2],
          [3, 4],
        ]),
        'A201020304',
      ],
    ];
    for (const [value, hex] of examples) {
      assert.deepEqual(decodeCbor(fromHex(hex)), value, hex);
      assert.equal(toHex(encodeCbor(value)), hex);
    }
    assert.equal(decodeCbor(fromHex('1B000000E8D4A51000')), 1_000_000_000_000);
  });

  test('comes back as it went', () => {
    fc.assert(fc.property(anyValue, (value) => assert.deepEqual(decodeCbor(encodeCbor(value)), value)));
  });

  test('is refused when it is cut off or something follows', () => {
    fc.assert(
      fc.property(anyValue, fc.nat(), (value, place) => {
        const bytes = encodeCbor(value);
        assert.throws(() => decodeCbor(bytes.subarray(0, place % bytes.length)), invalid);
        assert.throws(() => decodeCbor(concat(bytes, Uint8Array.of(0))), invalid);
      }),
    );
  });

  test('is refused with anything that no message uses', () => {
    for (const [what, hex] of [
      ['undefined', 'F7'],
      ['a simple value', 'F0'],
      ['a date', 'C11A514B67B0'],
      ['a big number', 'C249010000000000000000'],
      ['tagged octets', 'D84041FF'],
      ['a set', 'D901028101'],
      ['a record', 'D9DFF88101'],
      ['octets of indefinite length', '5F4101FF'],
      ['a list of indefinite length', '9F01FF'],
      ['a map of indefinite length', 'BF0102FF'],
      ['a list as key', 'A18000'],
      ['an integer above 2^53', '1B0020000000000000'],
      ['the same as a float', 'FB4340000000000000'],
      ['a negative one', '3B0020000000000000'],
      ['text that is no UTF-8', '62C328'],
      ['a reserved length', '1C'],
    ] as const) {
      assert.throws(() => decodeCbor(fromHex(hex)), invalid, what);
    }
  });

  test('does not believe a length, and nests to a limit', () => {
    for (const hex of [
      '9AFFFFFFFF',
      'BAFFFFFFFF',
      '5AFFFFFFFF',
      '7BFFFFFFFFFFFFFFFF',
      '9B00000000FFFFFFFF',
    ]) {
      assert.throws(() => decodeCbor(fromHex(hex)), invalid, hex);
    }
    assert.throws(() => decodeCbor(new Uint8Array(100_000).fill(0x81)), invalid);
    const nested = (depth: number): Uint8Array => concat(new Uint8Array(depth).fill(0x81), Uint8Array.of(0));
    assert.doesNotThrow(() => decodeCbor(nested(16)));
    assert.throws(() => decodeCbor(nested(17)), invalid);
  });

  test('does not unfold shared references', () => {
    // Each level holds the one below and twelve references to it: 13^16 items in 650 octets.
    let bytes = fromHex('D81C8100');
    for (let level = 16; level > 0; level--) {
      const again = Array.from({ length: 12 }, () => Uint8Array.of(0xd8, 0x1d, level));
      bytes = concat(Uint8Array.of(0xd8, 0x1c, 0x8d), bytes, ...again);
    }
    assert.throws(() => decodeCbor(bytes), invalid);
  });

  test('gives octets that are its own', () => {
    const bytes = fromHex('4401020304');
    const value = decodeCbor(bytes);
    bytes.fill(0);
    assert.deepEqual(value, fromHex('01020304'));
    assert.equal(Object.getPrototypeOf(value), Uint8Array.prototype);
  });

  test('in random octets is a value or CBOR_INVALID', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decodeCbor(bytes);
        } catch (error) {
          assert.ok(invalid(error), String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
