// Data groupings of STORE DATA: two octets that name one, its length, its value (GlobalPlatform Card Specification 11.11.2.2.2).
import { bytesUint, concat, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

export type DataGrouping = { readonly name: number; readonly value: Uint8Array };

/** In front of a length of two octets. */
const LONG = 0xff;
const HEADER_OCTETS = 3;
const LONG_HEADER_OCTETS = 5;

/** Throws `NUMBER_RANGE` for a value of more than 65535 octets. */
export function encodeDataGrouping(name: number, value: Uint8Array): Uint8Array {
  const length =
    value.length < LONG
      ? Uint8Array.of(value.length)
      : concat(Uint8Array.of(LONG), uintBytes(value.length, 2));
  return concat(uintBytes(name, 2), length, value);
}

/** The groupings of a block, in their order; undefined while octets of the last one are missing. Views. */
export function readDataGroupings(bytes: Uint8Array): readonly DataGrouping[] | undefined {
  const found: DataGrouping[] = [];
  for (let at = 0; at < bytes.length; ) {
    const short = bytes[at + 2];
    const isLong = short === LONG;
    const valueAt = at + (isLong ? LONG_HEADER_OCTETS : HEADER_OCTETS);
    if (short === undefined || valueAt > bytes.length) return undefined;
    const length = isLong ? bytesUint(bytes.subarray(at + HEADER_OCTETS, valueAt)) : short;
    if (valueAt + length > bytes.length) return undefined;
    found.push({
      name: bytesUint(bytes.subarray(at, at + 2)),
      value: bytes.subarray(valueAt, valueAt + length),
    });
    at = valueAt + length;
  }
  return found;
}

/** The values of exactly these groupings in this order. Throws `TLV_MISSING`. */
export function needDataGroupings(
  groupings: readonly DataGrouping[],
  names: readonly number[],
): readonly Uint8Array[] {
  const matches = groupings.length === names.length && groupings.every(({ name }, i) => name === names[i]);
  if (!matches) {
    const text = (list: readonly number[]): string => list.map((name) => name.toString(16)).join(' ');
    throw new AgentError('TLV_MISSING', {
      field: 'data groupings',
      expected: text(names),
      found: text(groupings.map(({ name }) => name)),
    });
  }
  return groupings.map(({ value }) => value);
}
