// Broken octets from whole ones: the damage a line, a disk or an attacker does.
import { concat } from '../base/bytes.ts';
import type { Random } from '../base/random.ts';

export type Dice = Random & { next(): number };

/** A whole number from 0 up to, not including, `limit`. */
export function below(dice: Dice, limit: number): number {
  return Math.floor(dice.next() * limit);
}

export function pick<T>(dice: Dice, from: readonly T[]): T {
  const item = from[below(dice, from.length)];
  if (item === undefined) throw new RangeError('nothing to pick from');
  return item;
}

/** Octets that mean something at the edges of tags, lengths, CBOR heads and text. */
const EDGES = [
  0x00, 0x01, 0x1f, 0x30, 0x3f, 0x5f, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x88, 0x9f, 0xa0, 0xbf, 0xfe, 0xff,
];

/** Damages a copy of `bytes` one to four times. `others` lends pieces. */
export function mutate(dice: Dice, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let changed = bytes;
  for (let times = 1 + below(dice, 4); times > 0; times--) changed = damage(dice, changed, others);
  return changed;
}

function damage(dice: Dice, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const at = below(dice, bytes.length + 1);
  const length = below(dice, Math.min(16, bytes.length - at) + 1);
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at + length);
  switch (below(dice, 8)) {
    case 0:
      return before;
    case 1:
      return concat(before, after);
    case 2:
      return concat(before, bytes.subarray(at, at + length), bytes.subarray(at));
    case 3:
      return concat(before, dice.bytes(below(dice, 8)), bytes.subarray(at));
    case 4:
      return concat(before, dice.bytes(length), after);
    case 5: {
      const other = others.length === 0 ? bytes : pick(dice, others);
      const from = below(dice, other.length + 1);
      return concat(before, other.subarray(from, from + below(dice, 64)), after);
    }
    case 6:
      return changeOctet(bytes, at, () => pick(dice, EDGES));
    default:
      return changeOctet(bytes, at, (octet) => octet ^ (1 << below(dice, 8)));
  }
}

function changeOctet(bytes: Uint8Array, at: number, change: (octet: number) => number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const octet = copy[at];
  if (octet !== undefined) copy[at] = change(octet);
  return copy;
}
