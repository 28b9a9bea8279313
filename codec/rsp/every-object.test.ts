// Laws that hold for every table: values survive a round trip, and hostile octets end in an AgentError or a value.
import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { encodeTlv } from '../ber-tlv.ts';
import type { AnyType, Field } from '../tlv-table.ts';
import { RSP_OBJECTS } from './objects.ts';

/** Octets of which each leaf type accepts at least one. */
const LEAVES = [
  '',
  '00',
  '01',
  '05',
  '7F',
  'FF',
  '0080',
  '0204F0',
  '020301',
  '0780',
  '0640',
  '0520',
  '8201',
  '8837',
  '2B0601040181F802',
  '61',
  '3234303731363039353435385A',
  '736D64702E6578616D706C652E636F6D',
  '98583215220524122410',
  '00112233445566778899AABBCCDDEEFF',
  '89086030202200000026000178339240',
  'A0000005591010FFFFFFFF8900001200',
  '94104502237315F8',
  '53523290',
  '4F5A9F70BF76',
  '3003020101',
  'E3'.repeat(32),
  'AB'.repeat(64),
  '04'.repeat(65),
].map(fromHex);

function accepts(type: AnyType, bytes: Uint8Array): boolean {
  try {
    type.decode(bytes);
    return true;
  } catch (error) {
    if (isAgentError(error)) return false;
    throw error;
  }
}

function field(row: Field<unknown>): fc.Arbitrary<Uint8Array> {
  if (row.raw === true) return octetsOf(row.inside ?? row.type);
  const tag = fc.constantFrom(row.tag, row.tag, row.tag, ...(row.also ?? []));
  return fc
    .tuple(tag, octetsOf(row.type === row.inside || row.inside === undefined ? row.type : row.inside))
    .map(([chosen, value]) => encodeTlv(chosen, value));
}

const known = new Map<AnyType, fc.Arbitrary<Uint8Array>>();

/** Octets that a type accepts, made from its shape. */
function octetsOf(type: AnyType): fc.Arbitrary<Uint8Array> {
  let made = known.get(type);
  if (made === undefined) {
    made = make(type);
    known.set(type, made);
  }
  return made;
}

function make(type: AnyType): fc.Arbitrary<Uint8Array> {
  const shape = type.shape;
  switch (shape?.kind) {
    case 'object':
      return octetsOf(shape.type).map((value) => encodeTlv(shape.tag, value));
    case 'run':
      return fc.array(octetsOf(shape.item), { maxLength: 2 }).map((items) => concat(...items));
    case 'choice':
      return fc.oneof(...Object.values(shape.fields).map(field));
    case 'sequence':
      return fc
        .tuple(
          ...Object.values(shape.fields).map((row) =>
            row.optional === true ? fc.option(field(row), { nil: new Uint8Array(0) }) : field(row),
          ),
        )
        .map((members) => concat(...members));
    case 'der':
      return fc.constant(fromHex('300B3003020101300003020001'));
    case undefined: {
      const accepted = LEAVES.filter((leaf) => accepts(type, leaf));
      ok(accepted.length > 0, 'no sample for a leaf type');
      return fc.constantFrom(...accepted);
    }
  }
}

test('every table has a name of its own among those with its tag', () => {
  const seen = RSP_OBJECTS.map((row) => row.name);
  deepEqual(seen, [...new Set(seen)]);
  ok(RSP_OBJECTS.length > 80, `only ${RSP_OBJECTS.length} objects`);
});

for (const { name, type } of RSP_OBJECTS) {
  test(`${name} is read as it was written`, () => {
    fc.assert(
      fc.property(octetsOf(type), (octets) => {
        const value: unknown = type.decode(octets);
        const written = type.encode(value);
        deepEqual(type.decode(written), value);
        deepEqual(type.encode(type.decode(written)), written);
      }),
      { numRuns: 25 },
    );
  });
}

test('a cut or changed object is refused with an AgentError or read as something else', () => {
  const broken = fc
    .constantFrom(...RSP_OBJECTS)
    .chain(({ type }) =>
      fc.tuple(fc.constant(type), octetsOf(type), fc.nat(), fc.nat(), fc.integer({ min: 0, max: 255 })),
    );
  fc.assert(
    fc.property(broken, ([type, octets, cut, at, octet]) => {
      accepts(type, octets.subarray(0, cut % (octets.length + 1)));
      const changed = Uint8Array.from(octets);
      changed[at % octets.length] = octet;
      accepts(type, changed);
    }),
    { numRuns: 3000 },
  );
});

test('random octets never end in anything but a value or an AgentError', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...RSP_OBJECTS),
      fc.uint8Array({ maxLength: 80 }),
      ({ tag, type }, octets) => {
        accepts(type, octets);
        accepts(type, encodeTlv(tag, octets));
      },
    ),
    { numRuns: 5000 },
  );
});

test('every strict prefix of an object is refused', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...RSP_OBJECTS).chain(({ type }) => fc.tuple(fc.constant(type), octetsOf(type))),
      ([type, octets]) => {
        for (let length = 0; length < octets.length; length++) {
          ok(
            !accepts(type, octets.subarray(0, length)),
            `${length} of ${octets.length} octets were accepted`,
          );
        }
      },
    ),
    { numRuns: 150 },
  );
});
