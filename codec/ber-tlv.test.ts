import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { type ErrorCode, isAgentError } from '../base/errors.ts';
import {
  encodeLength,
  encodeTag,
  encodeTlv,
  findTlv,
  isConstructed,
  needTlv,
  readOnly,
  readTlv,
  readTlvHeader,
  readTlvs,
} from './ber-tlv.ts';

const code = (expected: ErrorCode) => (error: unknown) => isAgentError(error, expected);

/** Tags of one to three octets that are written in their shortest form. */
const tag = fc.oneof(
  fc.integer({ min: 0, max: 0xff }).filter((first) => (first & 0x1f) !== 0x1f),
  fc
    .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0x1f, max: 0x7f }))
    .map(([c, n]) => ((c << 5) | 0x1f) * 256 + n),
  fc
    .tuple(
      fc.integer({ min: 0, max: 7 }),
      fc.integer({ min: 0x81, max: 0xff }),
      fc.integer({ min: 0, max: 0x7f }),
    )
    .map(([c, high, low]) => (((c << 5) | 0x1f) * 256 + high) * 256 + low),
);

describe('BER-TLV', () => {
  test('reads the tags and lengths of ISO/IEC 8825-1', () => {
    for (const [hex, expected, length] of [
      ['0201FF', 0x02, 1],
      ['5A00', 0x5a, 0],
      ['9F700101', 0x9f70, 1],
      ['BF2D00', 0xbf2d, 0],
      ['5F8F7F0101', 0x5f8f7f, 1],
      ['04810101', 0x04, 1],
      ['0484000000020102', 0x04, 2],
      [`048180${'00'.repeat(128)}`, 0x04, 128],
      [`04820100${'00'.repeat(256)}`, 0x04, 256],
    ] as const) {
      const bytes = fromHex(hex);
      const tlv = readTlv(bytes);
      assert.equal(tlv.tag, expected, hex);
      assert.equal(tlv.value.length, length, hex);
      assert.deepEqual(tlv.raw, bytes, hex);
    }
  });

  test('comes back as it went, for every tag and length', () => {
    const size = fc.oneof(fc.nat(300), fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, 70_000));
    fc.assert(
      fc.property(tag, size, (expected, length) => {
        const value = new Uint8Array(length).fill(0xa5);
        const bytes = encodeTlv(expected, value);
        const tlv = readTlv(concat(Uint8Array.of(0), bytes, Uint8Array.of(1)), 1);
        assert.equal(tlv.tag, expected);
        assert.deepEqual(tlv.value, value);
        assert.deepEqual(tlv.raw, bytes);
      }),
    );
  });

  test('joins several parts into one value', () => {
    assert.equal(toHex(encodeTlv(0xe3, fromHex('5A00'), fromHex('9F7000'))), 'E3055A009F7000');
    assert.equal(toHex(encodeTlv(0xe3)), 'E300');
  });

  test('writes the shortest length, and none that it cannot hold', () => {
    for (const [length, hex] of [
      [0, '00'],
      [127, '7F'],
      [128, '8180'],
      [255, '81FF'],
      [256, '820100'],
      [65_535, '82FFFF'],
      [65_536, '83010000'],
      [0xffffff, '83FFFFFF'],
    ] as const) {
      assert.equal(toHex(encodeLength(length)), hex);
    }
    assert.throws(() => encodeLength(0x1000000), code('NUMBER_RANGE'));
  });

  test('refuses what is cut off anywhere', () => {
    const whole = encodeTlv(
      0xbf2d,
      encodeTlv(0xe3, new Uint8Array(200)),
      encodeTlv(0x5a, new Uint8Array(10)),
    );
    for (let length = 1; length < whole.length; length++) {
      assert.throws(() => readTlvs(whole.subarray(0, length)), code('TLV_INVALID'), String(length));
    }
  });

  test('refuses indefinite and overlong headers and lengths that lie', () => {
    for (const hex of [
      '',
      '1F',
      '1F81',
      '1F818181',
      '1F81828301',
      '0480',
      '0485000000000100',
      '04FF',
      '0484FFFFFFFF',
      '0402FF',
      '0483100001',
    ]) {
      assert.throws(() => readTlv(fromHex(hex)), code('TLV_INVALID'), hex);
    }
    assert.throws(() => readTlvHeader(fromHex('0411'), 0, { maxLength: 16 }), code('TLV_INVALID'));
    assert.throws(() => readTlv(fromHex('0400'), 2), code('TLV_INVALID'));
  });

  test('names the place of the fault', () => {
    assert.throws(() => readTlvs(fromHex('5A0101 0402FF'.replace(' ', ''))), /offset 3/);
  });

  test('reads random octets to objects that fill them, or refuses them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          assert.deepEqual(concat(...readTlvs(bytes).map(({ raw }) => raw)), bytes);
        } catch (error) {
          assert.ok(isAgentError(error, 'TLV_INVALID'), String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('gives views, not copies', () => {
    const bytes = fromHex('5A0101');
    const { value, raw } = readTlv(bytes);
    bytes[2] = 9;
    assert.deepEqual([value[0], raw[2]], [9, 9]);
  });

  test('tells constructed objects by the first octet of the tag', () => {
    for (const constructed of [0x30, 0xa0, 0xe3, 0xbf2d, 0x7f4c, 0xbf8101])
      assert.ok(isConstructed(constructed));
    for (const primitive of [0x04, 0x5a, 0x80, 0x9f70, 0x5f37, 0x9f8101])
      assert.ok(!isConstructed(primitive));
  });

  test('finds objects by tag', () => {
    const tlvs = readTlvs(fromHex('5A01015A01028000'));
    assert.deepEqual(findTlv(tlvs, 0x5a)?.value, Uint8Array.of(1));
    assert.equal(findTlv(tlvs, 0x81), undefined);
    assert.equal(needTlv(tlvs, 0x80).value.length, 0);
    assert.throws(() => needTlv(tlvs, 0x81), code('TLV_MISSING'));
  });

  test('reads one object that fills the octets and has the tag that is asked for', () => {
    assert.deepEqual(readOnly(fromHex('5A0101'), 0x5a).value, Uint8Array.of(1));
    assert.throws(() => readOnly(fromHex('5A0101'), 0x5b), code('TLV_MISSING'));
    assert.throws(() => readOnly(fromHex('5A010100'), 0x5a), code('TLV_INVALID'));
  });

  test('writes tags of one to three octets', () => {
    assert.deepEqual(
      [0x5a, 0xbf2d, 0xbf8101].map((each) => toHex(encodeTag(each))),
      ['5A', 'BF2D', 'BF8101'],
    );
  });
});
