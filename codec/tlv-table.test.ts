import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';
import { type AgentError, type ErrorCode, isAgentError } from '../base/errors.ts';
import {
  boolean,
  choice,
  constant,
  listOf,
  namedBits,
  nothing,
  object,
  octets,
  oid,
  rawOf,
  runOf,
  sequence,
  type Type,
  type TypeOf,
  unsigned,
  utf8,
} from './tlv-table.ts';

const code =
  (expected: ErrorCode, data: AgentError['data'] = {}) =>
  (error: unknown) => {
    if (!isAgentError(error, expected)) return false;
    for (const [key, value] of Object.entries(data)) assert.equal(error.data[key], value);
    return true;
  };

const Profile = object(
  0xe3,
  sequence({
    iccid: { tag: 0x5a, type: octets({ length: 10 }) },
    state: { tag: 0x9f70, type: unsigned },
    nickname: { tag: 0x90, type: utf8, optional: true },
    classes: { tag: 0x95, type: unsigned, many: true },
    addresses: {
      tag: 0xb6,
      type: sequence({ address: { tag: 0x81, type: utf8 } }),
      many: true,
      optional: true,
    },
    signed: { tag: 0x30, type: octets(), raw: true, optional: true, also: [0x31] },
  }),
);
type Profile = TypeOf<typeof Profile>;

const profile: fc.Arbitrary<Profile> = fc.record(
  {
    iccid: fc.uint8Array({ minLength: 10, maxLength: 10 }),
    state: fc.maxSafeNat(),
    classes: fc.array(fc.nat(), { maxLength: 3 }),
    nickname: fc.string({ unit: 'grapheme' }),
    addresses: fc.array(fc.record({ address: fc.string() }, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 3,
    }),
    signed: fc.uint8Array({ maxLength: 20 }).map((value) => Uint8Array.of(0x30, value.length, ...value)),
  },
  { requiredKeys: ['iccid', 'state', 'classes'], noNullPrototype: true },
);

const ICCID = '5A0A00112233445566778899';

describe('a table of fields', () => {
  test('is written in its order', () => {
    const value: Profile = {
      classes: [2, 300],
      state: 1,
      nickname: 'é',
      iccid: fromHex('00112233445566778899'),
    };
    assert.equal(toHex(Profile.encode(value)), `E31B${ICCID}9F7001019002C3A99501029502012C`);
  });

  test('comes back as it went', () => {
    fc.assert(
      fc.property(profile, (value) => assert.deepEqual(Profile.decode(Profile.encode(value)), value)),
    );
  });

  test('is read in any order, unknown objects are skipped', () => {
    assert.deepEqual(Profile.decode(fromHex(`E3169F700100DF0101FF${ICCID}8100`)), {
      iccid: fromHex('00112233445566778899'),
      state: 0,
      classes: [],
    });
  });

  test('is refused with a field missing or present twice, naming it', () => {
    assert.throws(
      () => Profile.decode(fromHex(`E30C${ICCID}`)),
      code('TLV_MISSING', { field: 'state', tag: '9F70' }),
    );
    assert.throws(
      () => Profile.decode(fromHex(`E314${ICCID}9F7001009F700100`)),
      code('TLV_VALUE', { field: 'state' }),
    );
    assert.throws(() => Profile.decode(fromHex('E40C')), code('TLV_INVALID'));
    assert.throws(() => Profile.decode(fromHex('E400')), code('TLV_MISSING', { tag: 'E3', found: 'E4' }));
    assert.throws(() => Profile.decode(fromHex('E300E300')), code('TLV_MISSING'));
  });

  test('names the whole path to a wrong value', () => {
    assert.throws(
      () => Profile.decode(fromHex(`E316${ICCID}9F700100B6048102C328`)),
      code('TEXT_INVALID', { field: 'addresses.address', tag: 'B6' }),
    );
  });

  test('keeps raw fields as they came, under each of their tags', () => {
    for (const raw of ['300102', '310102'] as const) {
      const { signed } = Profile.decode(fromHex(`E313${ICCID}9F700100${raw}`));
      assert.equal(toHex(signed ?? new Uint8Array(0)), raw);
    }
    const value: Profile = { iccid: new Uint8Array(10), state: 0, classes: [], signed: fromHex('5A00') };
    assert.throws(() => Profile.encode(value), code('TLV_MISSING', { tag: '30' }));
  });

  test('is not written with a mandatory field missing', () => {
    assert.throws(() => Profile.encode({ state: 1 } as Profile), code('TLV_MISSING', { field: 'iccid' }));
  });

  test('gives each value its type', () => {
    const value = { iccid: new Uint8Array(10), state: 1, classes: [] };
    const whole: Profile = value;
    // @ts-expect-error -- a mandatory field cannot be left out
    const partial: Profile = { state: 1, classes: [] };
    // @ts-expect-error -- an optional field is absent, not undefined
    const empty: Profile = { ...value, nickname: undefined };
    // @ts-expect-error -- a field has the type of its row
    const wrong: Profile = { ...value, state: '1' };
    assert.ok([whole, partial, empty, wrong].length);
  });

  test('never throws anything but an AgentError, however its octets are cut or changed', () => {
    fc.assert(
      fc.property(profile, fc.nat(), fc.nat(255), (value, place, octet) => {
        const bytes = Profile.encode(value);
        const at = place % bytes.length;
        const changed = Uint8Array.from(bytes);
        changed[at] = octet;
        for (const hostile of [bytes.subarray(0, at), changed]) {
          try {
            Profile.decode(hostile);
          } catch (error) {
            assert.ok(isAgentError(error), String(error));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('keeps its errors short however many objects it meets', () => {
    assert.throws(
      () => Profile.decode(new Uint8Array(20_000)),
      (error) => isAgentError(error, 'TLV_MISSING') && error.message.length < 200,
    );
  });
});

describe('a choice', () => {
  const Choice = choice({
    ok: { tag: 0xa0, type: sequence({ n: { tag: 0x80, type: unsigned } }), bare: true },
    error: { tag: 0x81, type: unsigned, also: [0x02] },
  });

  test('says which alternative it is', () => {
    assert.deepEqual(Choice.decode(fromHex('A003800105')), { is: 'ok', value: { n: 5 } });
    assert.deepEqual(Choice.decode(fromHex('81017F')), { is: 'error', value: 127 });
    assert.equal(toHex(Choice.encode({ is: 'error', value: 127 })), '81017F');
    assert.equal(toHex(Choice.encode({ is: 'ok', value: { n: 5 } })), 'A003800105');
  });

  test('reads further tags and the alternative that may stand without its tag', () => {
    assert.deepEqual(Choice.decode(fromHex('020101')), { is: 'error', value: 1 });
    assert.deepEqual(Choice.decode(fromHex('800105')), { is: 'ok', value: { n: 5 } });
  });

  test('refuses none of its alternatives, and two of them', () => {
    for (const hex of ['8200', '81010181017F', '8301018101FF'])
      assert.throws(() => Choice.decode(fromHex(hex)), code('TLV_VALUE'), hex);
    assert.throws(() => Choice.encode({ is: 'none' } as never), code('TLV_VALUE'));
  });
});

describe('runs and raw objects', () => {
  test('are lists of equal objects', () => {
    const list = listOf(0x04, octets({ max: 4 }));
    assert.deepEqual(list.decode(fromHex('040101040202FF')).map(toHex), ['01', '02FF']);
    assert.equal(toHex(list.encode([Uint8Array.of(1), Uint8Array.of(2, 255)])), '040101040202FF');
    assert.deepEqual(list.decode(new Uint8Array(0)), []);
    assert.throws(() => list.decode(fromHex('0401010500')), code('TLV_MISSING'));
    const mixed = runOf(choice({ a: { tag: 0x80, type: unsigned }, b: { tag: 0x81, type: utf8 } }));
    assert.deepEqual(mixed.decode(fromHex('800101810178')), [
      { is: 'a', value: 1 },
      { is: 'b', value: 'x' },
    ]);
  });

  test('keep one whole object that its type knows', () => {
    const raw = rawOf(Profile);
    assert.deepEqual(raw.decode(fromHex('E300')), fromHex('E300'));
    assert.throws(() => raw.decode(fromHex('E400')), code('TLV_VALUE'));
    assert.throws(() => raw.decode(fromHex('E30000')), code('TLV_VALUE'));
    assert.throws(() => raw.decode(fromHex('E3')), code('TLV_INVALID'));
  });
});

describe('plain values', () => {
  const written = <T>(type: Type<T>, value: T): string => toHex(type.encode(value));
  const refuses = <T>(type: Type<T>, ...hexes: readonly string[]): void => {
    for (const hex of hexes) assert.throws(() => type.decode(fromHex(hex)), isAgentError, hex);
  };

  test('INTEGER is never negative and in its shortest form', () => {
    for (const [value, hex] of [
      [0, '00'],
      [127, '7F'],
      [128, '0080'],
      [255, '00FF'],
      [256, '0100'],
      [Number.MAX_SAFE_INTEGER, '1FFFFFFFFFFFFF'],
    ] as const) {
      assert.equal(written(unsigned, value), hex);
      assert.equal(unsigned.decode(fromHex(hex)), value);
    }
    assert.equal(unsigned.decode(fromHex('00000001')), 1);
    refuses(unsigned, '', '80', 'FF', '20000000000000', '000000000000000001');
    for (const value of [-1, 0.5, 2 ** 53, Number.NaN])
      assert.throws(() => unsigned.encode(value), code('NUMBER_RANGE'));
  });

  test('BOOLEAN is one octet, anything but 0 is true', () => {
    assert.deepEqual([written(boolean, true), written(boolean, false)], ['FF', '00']);
    assert.deepEqual(
      ['FF', '01', '00'].map((hex) => boolean.decode(fromHex(hex))),
      [true, true, false],
    );
    refuses(boolean, '', '0000');
    assert.equal(nothing.decode(new Uint8Array(0)), true);
    assert.equal(written(nothing, true), '');
  });

  test('named bits count from the left and lose trailing zeros (X.690, 11.2.2)', () => {
    for (const [bits, hex] of [
      [[], '00'],
      [[0], '0780'],
      [[1, 2], '0560'],
      [[7], '0001'],
      [[8], '070080'],
      [[0, 15], '008001'],
    ] as const) {
      assert.equal(written(namedBits, bits), hex);
      assert.deepEqual(namedBits.decode(fromHex(hex)), bits);
    }
    refuses(namedBits, '', '08FF', '01');
    const many = namedBits.decode(fromHex(`00${'FF'.repeat(40_000)}`));
    assert.equal(namedBits.encode(many).length, 40_001);
  });

  test('OBJECT IDENTIFIER has the arcs of X.690, 8.19', () => {
    for (const [text, hex] of [
      ['1.2.840.10045.2.1', '2A8648CE3D0201'],
      ['2.23.146.1.2.1.1', '67811201020101'],
      ['2.999.3', '883703'],
      ['0.0', '00'],
    ] as const) {
      assert.equal(written(oid, text), hex);
      assert.equal(oid.decode(fromHex(hex)), text);
    }
    refuses(oid, '', '80', '2A80', '2A8001', '2AFFFFFFFFFFFFFFFF7F');
    for (const text of [
      '',
      '1',
      '1..2',
      '1.40',
      '3.1',
      '1.2.-3',
      '1.2.x',
      ' 1.2',
      '1.02',
      '1.2.',
      '1e1.2',
      '0x1.2',
      '1.2.9007199254740993',
    ]) {
      assert.throws(() => oid.encode(text), isAgentError, text);
    }
  });

  test('OBJECT IDENTIFIER comes back as it went', () => {
    const arcs = fc.tuple(fc.nat(2), fc.nat(39), fc.array(fc.maxSafeNat(), { maxLength: 8 }));
    fc.assert(
      fc.property(arcs, ([first, second, rest]) => {
        const text = [first, second, ...rest].join('.');
        assert.equal(oid.decode(oid.encode(text)), text);
      }),
    );
  });

  test('octets and constants hold to their length and value', () => {
    const four = octets({ length: 4 });
    refuses(four, '', '000000', '0000000000');
    refuses(octets({ min: 2, max: 3 }), '00', '00000000');
    const source = fromHex('01020304');
    const copy = four.decode(source);
    source[0] = 9;
    assert.equal(toHex(copy), '01020304');
    assert.throws(() => four.encode(new Uint8Array(3)), code('TLV_VALUE'));
    const fixed = constant(fromHex('9000'));
    assert.equal(fixed.decode(fromHex('9000')), true);
    refuses(fixed, '9001', '90');
    assert.equal(written(fixed, true), '9000');
  });
});
