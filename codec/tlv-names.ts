// Leaf types of TLV tables beside the plain ones: bounded text, signed INTEGER, and numbers and bits that have names.
import { bytesUint, bytesUtf8, uintBytes, utf8Bytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { namedBits, type Type, unsigned } from './tlv-table.ts';

/** UTF-8 text of at most `max` characters, at least `min`. */
export function text(max: number, min = 0): Type<string> {
  const check = (value: string): string => {
    const length = Array.from(value).length;
    if (length < min || length > max) {
      throw new AgentError('TLV_VALUE', { why: `${length} characters, expected ${min} to ${max}` });
    }
    return value;
  };
  return { decode: (bytes) => check(bytesUtf8(bytes)), encode: (value) => utf8Bytes(check(value)) };
}

/** ASN.1 INTEGER content of either sign, up to six octets, shortest form. Decoding also takes padded forms. */
export const integer: Type<number> = {
  decode(bytes) {
    if (bytes.length === 0 || bytes.length > 6) throw new AgentError('TLV_VALUE', { why: 'not an INTEGER' });
    const value = bytesUint(bytes);
    return ((bytes[0] ?? 0) & 0x80) === 0 ? value : value - 256 ** bytes.length;
  },
  encode(value) {
    if (!Number.isSafeInteger(value) || Math.abs(value) >= 2 ** 47)
      throw new AgentError('NUMBER_RANGE', { value });
    let length = 1;
    while (value < -(2 ** (8 * length - 1)) || value >= 2 ** (8 * length - 1)) length++;
    return uintBytes(value < 0 ? value + 256 ** length : value, length);
  },
};

/** The name of a code, or `code 42` for a number that the table does not name. */
export type CodeName<N extends Readonly<Record<string, number>>> = (keyof N & string) | `code ${number}`;

/** INTEGER with named values: the value is the name. Numbers without a name stay visible and can be sent on. */
export function codes<const N extends Readonly<Record<string, number>>>(names: N): Type<CodeName<N>> {
  const byNumber = new Map(Object.entries(names).map(([name, code]) => [code, name as keyof N & string]));
  return {
    decode(bytes) {
      if (bytes.length > 4) throw new AgentError('TLV_VALUE', { why: 'code of more than four octets' });
      const code = unsigned.decode(bytes);
      return byNumber.get(code) ?? `code ${code}`;
    },
    encode: (name) => unsigned.encode(numberOf(names, 'code ', name)),
  };
}

function numberOf(names: Readonly<Record<string, number>>, prefix: string, name: string): number {
  const named = Object.hasOwn(names, name) ? names[name] : undefined;
  if (named !== undefined) return named;
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  if (!/^\d{1,10}$/.test(digits)) throw new AgentError('TLV_VALUE', { why: `${name} is not in the table` });
  return Number(digits);
}

/** The name of a bit, or `bit 9` for one that the table does not name. */
export type BitName<N extends Readonly<Record<string, number>>> = (keyof N & string) | `bit ${number}`;

/** BIT STRING with named bits (DER: trailing zero bits are cut). The value lists the names of the bits that are set. */
export function flags<const N extends Readonly<Record<string, number>>>(
  names: N,
): Type<readonly BitName<N>[]> {
  const byBit = new Map(Object.entries(names).map(([name, bit]) => [bit, name as keyof N & string]));
  return {
    decode(bytes) {
      if (bytes.length > 33) throw new AgentError('TLV_VALUE', { why: 'more than 256 named bits' });
      return namedBits.decode(bytes).map((bit) => byBit.get(bit) ?? (`bit ${bit}` as const));
    },
    encode(set) {
      const bits = set.map((name) => numberOf(names, 'bit ', name));
      if (bits.some((bit) => bit > 255)) throw new AgentError('TLV_VALUE', { why: 'bit number over 255' });
      return namedBits.encode(bits);
    },
  };
}
