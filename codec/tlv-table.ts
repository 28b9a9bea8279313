// Tables of TLV fields: types inferred from the rows, encoding and decoding read from the same row.
import { bytesUint, bytesUtf8, concat, EMPTY, equalBytes, toHex, utf8Bytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { encodeTlv, readOnly, readTlv, readTlvs, tagText, type Tlv } from './ber-tlv.ts';

/** How a value is laid out inside its TLV (or, for a sequence, as the run of its members). */
export type Type<T> = {
  readonly decode: (bytes: Uint8Array) => T;
  readonly encode: (value: T) => Uint8Array;
  /** What a walk over the octets needs to name the parts; a type without it is a leaf. */
  readonly shape?: Shape;
};

// oxlint-disable-next-line typescript/no-explicit-any -- a walk over a table meets types of every kind
export type AnyType = Type<any>;

/**
 * The structure of a type: members by tag, one of several, a run of equal objects, one wrapped object, or DER of another
 * standard, whose `type` (if any) reads the whole object.
 */
type Shape =
  | { readonly kind: 'sequence'; readonly fields: Fields }
  | { readonly kind: 'choice'; readonly fields: Fields }
  | { readonly kind: 'run'; readonly item: AnyType }
  | { readonly kind: 'object'; readonly tag: number; readonly type: AnyType }
  | { readonly kind: 'der'; readonly type?: AnyType };

/** One row: `optional` rows may be missing, `many` rows repeat, `raw` rows hold the whole object with tag and length. */
export type Field<T> = {
  readonly tag: number;
  readonly type: Type<T>;
  readonly optional?: true;
  readonly many?: true;
  readonly raw?: true;
  /** Further tags accepted on decode, never sent: forms seen in the field. */
  readonly also?: readonly number[];
  /** In a choice: the alternative is also accepted without its tag, its members following at once. Never sent. */
  readonly bare?: true;
  /** What octets kept as they came hold: of the whole object in a `raw` row, else of its value. For a walk only. */
  readonly inside?: AnyType;
};

// oxlint-disable-next-line typescript/no-explicit-any -- a table mixes field types; each row keeps its own
export type Fields = Readonly<Record<string, Field<any>>>;

type ValueOf<F> = F extends { readonly type: Type<infer T> }
  ? F extends { readonly many: true }
    ? T[]
    : T
  : never;
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? K : never;
}[keyof F];
export type Decoded<F extends Fields> = {
  [K in Exclude<keyof F, OptionalKeys<F>>]: ValueOf<F[K]>;
} & { [K in OptionalKeys<F>]?: ValueOf<F[K]> };

/** The value a `Type` stands for. */
export type TypeOf<T> = T extends Type<infer V> ? V : never;

/**
 * A run of tagged fields in the order of the table. Decoding accepts any order and skips unknown tags; rows that share
 * a tag are filled in the order of the table. A missing mandatory field, or one object too many, is an error.
 */
export function sequence<const F extends Fields>(fields: F): Type<Decoded<F>> {
  const rows = Object.entries(fields);
  const byTag = rowsByTag(fields);
  return {
    shape: { kind: 'sequence', fields },
    decode(bytes) {
      const out: Record<string, unknown> = {};
      for (const [name, field] of rows) if (field.many === true) out[name] = [];
      for (const tlv of readTlvs(bytes)) {
        const candidates = byTag.get(tlv.tag);
        if (candidates === undefined) continue;
        const row = candidates.find(([name, field]) => field.many === true || !(name in out));
        if (row === undefined) {
          throw new AgentError('TLV_VALUE', { field: candidates[0]?.[0], why: 'present twice' });
        }
        const [name, field] = row;
        const value = decodeField(name, field, tlv);
        if (field.many === true) (out[name] as unknown[]).push(value);
        else out[name] = value;
      }
      for (const [name, field] of rows) {
        if (field.optional === true) {
          if (field.many === true && (out[name] as unknown[]).length === 0) delete out[name];
        } else if (!(name in out))
          throw new AgentError('TLV_MISSING', { field: name, tag: tagText(field.tag) });
      }
      return out as Decoded<F>;
    },
    encode(value) {
      const parts: Uint8Array[] = [];
      for (const [name, field] of rows) {
        const held = (value as Record<string, unknown>)[name];
        if (held === undefined) {
          if (field.optional === true) continue;
          throw new AgentError('TLV_MISSING', { field: name, tag: tagText(field.tag) });
        }
        for (const item of field.many === true ? (held as unknown[]) : [held]) {
          parts.push(encodeField(field, item));
        }
      }
      return concat(...parts);
    },
  };
}

/** The tags of what was found, for an error: the first few, so that hostile octets make no endless line. */
function tagsOf(tlvs: readonly Tlv[]): string {
  const tags = tlvs.slice(0, 8).map((tlv) => tagText(tlv.tag));
  return (tlvs.length > 8 ? [...tags, '…'] : tags).join(' ');
}

type Row = readonly [name: string, field: Field<unknown>];

/** The rows that an object with a given tag may fill, in the order of the table. */
export function rowsByTag(fields: Fields): ReadonlyMap<number, readonly Row[]> {
  const byTag = new Map<number, Row[]>();
  for (const row of Object.entries(fields)) {
    for (const tag of [row[1].tag, ...(row[1].also ?? [])]) {
      const rows = byTag.get(tag);
      if (rows === undefined) byTag.set(tag, [row]);
      else rows.push(row);
    }
  }
  return byTag;
}

function encodeField(field: Field<unknown>, value: unknown): Uint8Array {
  const bytes = field.type.encode(value);
  if (field.raw !== true) return encodeTlv(field.tag, bytes);
  readOnly(bytes, field.tag);
  return bytes;
}

function decodeField(name: string, field: Field<unknown>, tlv: Tlv): unknown {
  try {
    return field.type.decode(field.raw === true ? tlv.raw : tlv.value);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    const path = typeof cause.data['field'] === 'string' ? `${name}.${cause.data['field']}` : name;
    throw new AgentError(cause.code, { ...cause.data, field: path, tag: tagText(tlv.tag) }, { cause });
  }
}

/** A whole data object with a fixed tag, for instance a command: `object(0xBF2D, sequence({…}))`. */
export function object<T>(tag: number, type: Type<T>): Type<T> {
  return {
    shape: { kind: 'object', tag, type },
    decode(bytes) {
      const tlvs = readTlvs(bytes);
      const only = tlvs[0];
      if (only === undefined || tlvs.length !== 1 || only.tag !== tag) {
        throw new AgentError('TLV_MISSING', {
          tag: tagText(tag),
          found: tagsOf(tlvs),
        });
      }
      return type.decode(only.value);
    },
    encode: (value) => encodeTlv(tag, type.encode(value)),
  };
}

/**
 * Exactly one of several tagged alternatives; the value says which by `is`. Where no tag fits, an alternative marked
 * `bare` is tried on the octets as a whole.
 */
export function choice<const F extends Fields>(
  fields: F,
): Type<{ [K in keyof F]: { readonly is: K; readonly value: ValueOf<F[K]> } }[keyof F]> {
  type Value = { [K in keyof F]: { readonly is: K; readonly value: ValueOf<F[K]> } }[keyof F];
  const byTag = rowsByTag(fields);
  const bare = Object.entries(fields).filter(([, field]) => field.bare === true);
  return {
    shape: { kind: 'choice', fields },
    decode(bytes) {
      const tlvs = readTlvs(bytes);
      const first = tlvs[0];
      const row = first === undefined ? undefined : byTag.get(first.tag)?.[0];
      if (first !== undefined && row !== undefined && tlvs.length === 1) {
        return { is: row[0], value: decodeField(row[0], row[1], first) } as unknown as Value;
      }
      for (const [name, field] of bare) {
        if (first !== undefined && !startsWith(field.type, first.tag)) continue;
        return { is: name, value: field.type.decode(bytes) as unknown } as unknown as Value;
      }
      throw new AgentError('TLV_VALUE', {
        why: 'none of the alternatives',
        found: tagsOf(tlvs),
      });
    },
    encode(value) {
      const field = fields[value.is as string];
      if (field === undefined) throw new AgentError('TLV_VALUE', { why: 'no such alternative' });
      return encodeField(field, value.value);
    },
  };
}

/** Whether the value of a type may hold an object with this tag at its first level. */
export function startsWith(type: AnyType, tag: number): boolean {
  const shape = type.shape;
  switch (shape?.kind) {
    case 'sequence':
    case 'choice':
      return rowsByTag(shape.fields).has(tag);
    case 'run':
      return startsWith(shape.item, tag);
    case 'object':
      return shape.tag === tag;
    case 'der':
    case undefined:
      return false;
  }
}

/** A run of equal objects with one tag, as in SEQUENCE OF. */
export function listOf<T>(tag: number, type: Type<T>): Type<T[]> {
  return runOf(object(tag, type));
}

/** A run of whole objects, each of which `item` reads: SEQUENCE OF CHOICE. */
export function runOf<T>(item: Type<T>): Type<T[]> {
  return {
    shape: { kind: 'run', item },
    decode: (bytes) => readTlvs(bytes).map((tlv) => item.decode(tlv.raw)),
    encode: (values) => concat(...values.map((value) => item.encode(value))),
  };
}

/** One whole object kept as it came; its tag must be one that `inside` knows. Decode it with `inside` when needed. */
export function rawOf(inside: AnyType): Type<Uint8Array> {
  const check = (bytes: Uint8Array): Uint8Array => {
    const tlv = readTlv(bytes);
    if (tlv.raw.length !== bytes.length || !startsWith(inside, tlv.tag)) {
      throw new AgentError('TLV_VALUE', { why: 'not the expected object', found: tagText(tlv.tag) });
    }
    return Uint8Array.from(bytes);
  };
  return { decode: check, encode: check, ...(inside.shape === undefined ? {} : { shape: inside.shape }) };
}

/** Octets as they are, of one length or of a range where given. Decoding copies. */
export function octets(
  limits: { readonly length?: number; readonly min?: number; readonly max?: number } = {},
): Type<Uint8Array> {
  const min = limits.length ?? limits.min ?? 0;
  const max = limits.length ?? limits.max ?? Number.POSITIVE_INFINITY;
  const check = (bytes: Uint8Array): Uint8Array => {
    if (bytes.length < min || bytes.length > max) {
      throw new AgentError('TLV_VALUE', {
        why: `${bytes.length} octets, expected ${min === max ? min : `${min} to ${max}`}`,
      });
    }
    return Uint8Array.from(bytes);
  };
  return { decode: check, encode: check };
}

export const utf8: Type<string> = { decode: bytesUtf8, encode: utf8Bytes };

/** ASN.1 INTEGER content, non-negative, shortest form: 128 is 00 80. Decoding also takes padded forms. */
export const unsigned: Type<number> = {
  decode(bytes) {
    if (bytes.length === 0 || bytes.length > 8) throw new AgentError('TLV_VALUE', { why: 'not an INTEGER' });
    if (((bytes[0] ?? 0) & 0x80) !== 0) throw new AgentError('TLV_VALUE', { why: 'negative INTEGER' });
    return bytesUint(bytes);
  },
  encode(value) {
    if (!Number.isSafeInteger(value) || value < 0) throw new AgentError('NUMBER_RANGE', { value });
    const out: number[] = [];
    let rest = value;
    do {
      out.unshift(rest % 256);
      rest = Math.floor(rest / 256);
    } while (rest > 0);
    if ((out[0] ?? 0) >= 0x80) out.unshift(0);
    return Uint8Array.from(out);
  },
};

/** ASN.1 BOOLEAN content: sent as FF or 00, any other octet is read as true. */
export const boolean: Type<boolean> = {
  decode(bytes) {
    if (bytes.length !== 1) throw new AgentError('TLV_VALUE', { why: 'not a BOOLEAN' });
    return bytes[0] !== 0;
  },
  encode: (value) => Uint8Array.of(value ? 0xff : 0),
};

/** ASN.1 NULL content. */
export const nothing: Type<true> = { decode: () => true, encode: () => EMPTY };

/**
 * BIT STRING with named bits (DER: trailing zero bits are cut). The value lists the numbers of the bits that are set.
 * A missing unused-bits octet is an error.
 */
export const namedBits: Type<readonly number[]> = {
  decode(bytes) {
    const unused = bytes[0];
    if (unused === undefined || unused > 7 || (bytes.length === 1 && unused !== 0)) {
      throw new AgentError('TLV_VALUE', { why: 'not a BIT STRING' });
    }
    const set: number[] = [];
    const count = (bytes.length - 1) * 8 - unused;
    for (let bit = 0; bit < count; bit++) {
      if (((bytes[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) set.push(bit);
    }
    return set;
  },
  encode(bits) {
    const top = bits.reduce((highest, bit) => Math.max(highest, bit), -1);
    const out = new Uint8Array(1 + Math.ceil((top + 1) / 8));
    for (const bit of bits) out[1 + (bit >> 3)] = (out[1 + (bit >> 3)] ?? 0) | (0x80 >> (bit & 7));
    out[0] = top < 0 ? 0 : 7 - (top & 7);
    return out;
  },
};

const OID_TEXT = /^[012](?:\.(?:0|[1-9]\d*))+$/;

/** OBJECT IDENTIFIER content as dotted text. */
export const oid: Type<string> = {
  decode(bytes) {
    const arcs: number[] = [];
    let arc = 0;
    for (const [i, byte] of bytes.entries()) {
      if (arc === 0 && byte === 0x80) throw new AgentError('TLV_VALUE', { why: 'padded OBJECT IDENTIFIER' });
      arc = arc * 128 + (byte & 0x7f);
      if (!Number.isSafeInteger(arc)) throw new AgentError('TLV_VALUE', { why: 'arc too large' });
      if ((byte & 0x80) !== 0) {
        if (i === bytes.length - 1)
          throw new AgentError('TLV_VALUE', { why: 'OBJECT IDENTIFIER is cut off' });
        continue;
      }
      if (arcs.length === 0) {
        const first = Math.min(2, Math.floor(arc / 40));
        arcs.push(first, arc - 40 * first);
      } else arcs.push(arc);
      arc = 0;
    }
    if (arcs.length === 0) throw new AgentError('TLV_VALUE', { why: 'empty OBJECT IDENTIFIER' });
    return arcs.join('.');
  },
  encode(text) {
    const [first, second, ...rest] = OID_TEXT.test(text) ? text.split('.').map(Number) : [];
    if (
      first === undefined ||
      second === undefined ||
      (first < 2 && second > 39) ||
      ![first, second, ...rest].every(Number.isSafeInteger)
    ) {
      throw new AgentError('TLV_VALUE', { why: `${text} is no OBJECT IDENTIFIER` });
    }
    const out: number[] = [];
    for (const arc of [first * 40 + second, ...rest]) {
      const octetsOfArc = [arc % 128];
      for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
        octetsOfArc.unshift((left % 128) | 0x80);
      out.push(...octetsOfArc);
    }
    return Uint8Array.from(out);
  },
};

/** A fixed value that must be there as it stands. */
export function constant(bytes: Uint8Array): Type<true> {
  return {
    decode(found) {
      if (!equalBytes(found, bytes)) {
        throw new AgentError('TLV_VALUE', { why: `${toHex(found)}, expected ${toHex(bytes)}` });
      }
      return true;
    },
    encode: () => bytes,
  };
}
