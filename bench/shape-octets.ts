// Octets that fit a TLV table, made from its shape; the leaves are guesses that a type often, not always, accepts.
import { concat, EMPTY, fromHex } from '../base/bytes.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import type { AnyType, Field } from '../codec/tlv-table.ts';
import { below, type Dice, pick } from './mutate.ts';

const MAX_DEPTH = 12;

const LEAVES = [
  '00',
  '01',
  '7F',
  '0080',
  '0204F0',
  '020301',
  '0780',
  '2B0601040181F802',
  '736D64702E6578616D706C652E636F6D',
  '3234303731363039353435385A',
  '98583215220524122410',
  '00112233445566778899AABBCCDDEEFF',
  '89086030202200000026000178339240',
  'A0000005591010FFFFFFFF8900001200',
  'AB'.repeat(64),
  '04'.repeat(65),
].map(fromHex);

const DER = fromHex('300B3003020101300003020001');

function leaf(dice: Dice, type: AnyType): Uint8Array {
  for (let tries = 0; tries < 8; tries++) {
    const bytes = tries === 7 ? dice.bytes(below(dice, 24)) : pick(dice, LEAVES);
    try {
      type.decode(bytes);
      return bytes;
    } catch {
      // Another guess may fit; what a decoder throws is judged where it is fuzzed.
    }
  }
  return pick(dice, LEAVES);
}

function member(dice: Dice, row: Field<unknown>, depth: number): Uint8Array {
  const value = shapeOctets(dice, row.inside ?? row.type, depth);
  if (row.raw === true) return value;
  const tag = row.also === undefined || dice.next() < 0.7 ? row.tag : pick(dice, row.also);
  return encodeTlv(tag, value);
}

/** Octets for `type`, optional members present by chance. */
export function shapeOctets(dice: Dice, type: AnyType, depth = 0): Uint8Array {
  const { shape } = type;
  if (depth > MAX_DEPTH || shape === undefined) return leaf(dice, type);
  switch (shape.kind) {
    case 'object':
      return encodeTlv(shape.tag, shapeOctets(dice, shape.type, depth + 1));
    case 'run':
      return concat(
        ...Array.from({ length: below(dice, 3) }, () => shapeOctets(dice, shape.item, depth + 1)),
      );
    case 'choice':
      return member(dice, pick(dice, Object.values(shape.fields)), depth + 1);
    case 'sequence':
      return concat(
        ...Object.values(shape.fields).map((row) =>
          row.optional === true && dice.next() < 0.5 ? EMPTY : member(dice, row, depth + 1),
        ),
      );
    case 'der':
      return DER;
  }
}
