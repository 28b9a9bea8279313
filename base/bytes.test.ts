import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { bytesUint, bytesUtf8, concat, equalBytes, fromHex, toHex, uintBytes, utf8Bytes } from './bytes.ts';
import { type ErrorCode, isAgentError } from './errors.ts';

const code = (expected: ErrorCode) => (error: unknown) => isAgentError(error, expected);

describe('hex', () => {
  test('comes back as it went, in upper case', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = toHex(bytes);
        assert.match(text, /^[0-9A-F]*$/);
        assert.deepEqual(fromHex(text), bytes);
        assert.deepEqual(fromHex(text.toLowerCase()), bytes);
      }),
    );
  });

  test('takes nothing that is not an even number of hex digits', () => {
    for (const text of [
      '0',
      'zz1g',
      '0x',
      ' 00',
      '00 ',
      '00\n',
      '0 0',
      '00:11',
      '٠٠',
      'ＦＦ',
      '-1',
      '+1',
      '1.',
    ]) {
      assert.throws(() => fromHex(text), code('HEX_INVALID'), JSON.stringify(text));
    }
  });

  test('names the place of the first wrong character', () => {
    assert.throws(() => fromHex('00112g44'), /at 5/);
    assert.throws(() => fromHex('001'), /odd 3/);
  });
});

describe('unsigned integers', () => {
  test('come back from any number of octets that holds them', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 7, max: 12 }), (value, length) => {
        const bytes = uintBytes(value, length);
        assert.equal(bytes.length, length);
        assert.equal(bytesUint(bytes), value);
      }),
    );
    assert.deepEqual(uintBytes(0, 0), new Uint8Array(0));
    assert.deepEqual(uintBytes(0x010203, 3), Uint8Array.of(1, 2, 3));
  });

  test('are refused where they do not fit', () => {
    for (const [value, length] of [
      [256, 1],
      [1, 0],
      [-1, 2],
      [0.5, 2],
      [Number.NaN, 2],
      [2 ** 48, 6],
      [2 ** 53, 8],
    ] as const) {
      assert.throws(() => uintBytes(value, length), code('NUMBER_RANGE'), `${value} in ${length}`);
    }
  });

  test('above 2^53-1 are refused instead of rounded', () => {
    assert.equal(bytesUint(fromHex('001FFFFFFFFFFFFF')), Number.MAX_SAFE_INTEGER);
    assert.throws(() => bytesUint(fromHex('0020000000000000')), code('NUMBER_RANGE'));
    assert.throws(() => bytesUint(new Uint8Array(400).fill(0xff)), code('NUMBER_RANGE'));
  });
});

describe('UTF-8', () => {
  test('comes back as it went, a byte order mark included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.equal(bytesUtf8(utf8Bytes(text)), text)),
    );
    assert.equal(bytesUtf8(utf8Bytes('\uFEFFx')), '\uFEFFx');
  });

  test('is refused where octets or text cannot stand for each other', () => {
    for (const hex of ['C0AF', '80', 'E282', 'EDA080', 'F5808080']) {
      assert.throws(() => bytesUtf8(fromHex(hex)), code('TEXT_INVALID'), hex);
    }
    assert.throws(() => utf8Bytes('a\uD800b'), code('TEXT_INVALID'));
  });
});

describe('joining and comparing', () => {
  test('joins copies in order', () => {
    const part = Uint8Array.of(1, 2);
    const whole = concat(part, new Uint8Array(0), Uint8Array.of(3));
    part[0] = 9;
    assert.deepEqual(whole, Uint8Array.of(1, 2, 3));
  });

  test('finds equal what has the same octets and nothing else', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (bytes, place, change) => {
          assert.ok(equalBytes(bytes, Uint8Array.from(bytes)));
          assert.ok(!equalBytes(bytes, bytes.subarray(1)));
          const other = Uint8Array.from(bytes);
          const at = place % bytes.length;
          other[at] = (other[at] ?? 0) ^ change;
          assert.ok(!equalBytes(bytes, other));
        },
      ),
    );
  });
});
