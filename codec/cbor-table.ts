// Tables of CBOR map fields with integer keys: types inferred from the rows, one row for encoding and decoding.
import { toHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { decodeCbor, encodeCbor, type CborValue } from './cbor.ts';
import type { Type } from './tlv-table.ts';

/** How a value stands in CBOR. `fromCbor` throws `MESSAGE_INVALID`; `field` in its data names the place. */
export type CborType<T> = {
  readonly fromCbor: (value: CborValue) => T;
  readonly toCbor: (value: T) => CborValue;
  /** The same for other programs (CDDL, RFC 8610). */
  readonly cddl?: string;
};

export type CborField<T> = { readonly key: number; readonly type: CborType<T>; readonly optional?: true };

// oxlint-disable-next-line typescript/no-explicit-any -- a table mixes field types; each row keeps its own
export type CborFields = Readonly<Record<string, CborField<any>>>;

type ValueOf<F> = F extends { readonly type: CborType<infer T> } ? T : never;
type OptionalKeys<F extends CborFields> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? K : never;
}[keyof F];
export type CborDecoded<F extends CborFields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: ValueOf<F[K]>;
} & { readonly [K in OptionalKeys<F>]?: ValueOf<F[K]> };

function invalid(why: string): AgentError {
  return new AgentError('MESSAGE_INVALID', { why });
}

/** A map with integer keys. Unknown keys are skipped, so that a newer peer can add fields. */
export function cborMap<const F extends CborFields>(fields: F): CborType<CborDecoded<F>> {
  const rows = Object.entries(fields);
  return {
    cddl: `{ ${rows.map(([, field]) => cddlMember(field)).join(', ')} }`,
    fromCbor(value) {
      if (!(value instanceof Map)) throw invalid('not a map');
      const out: Record<string, unknown> = {};
      for (const [name, field] of rows) {
        const held = (value as ReadonlyMap<number, CborValue>).get(field.key);
        if (held === undefined) {
          if (field.optional === true) continue;
          throw new AgentError('MESSAGE_INVALID', { field: name, why: 'missing' });
        }
        try {
          out[name] = field.type.fromCbor(held);
        } catch (cause) {
          if (!(cause instanceof AgentError)) throw cause;
          const inner = cause.data['field'];
          throw new AgentError(
            'MESSAGE_INVALID',
            { ...cause.data, field: inner === undefined ? name : `${name}.${String(inner)}` },
            { cause },
          );
        }
      }
      return out as CborDecoded<F>;
    },
    toCbor(value) {
      const map = new Map<number, CborValue>();
      for (const [name, field] of rows) {
        const held = (value as Record<string, unknown>)[name];
        if (held !== undefined) map.set(field.key, field.type.toCbor(held));
        else if (field.optional !== true)
          throw new AgentError('MESSAGE_INVALID', { field: name, why: 'missing' });
      }
      return map;
    },
  };
}

/** One member of a map in CDDL. */
export function cddlMember(field: CborFields[string]): string {
  return `${field.optional === true ? '? ' : ''}${field.key} => ${field.type.cddl ?? 'any'}`;
}

/** Octets, of one length or of a range where given. */
export function cborBytes(
  limits: { readonly length?: number; readonly max?: number; readonly min?: number } = {},
): CborType<Uint8Array> {
  const min = limits.length ?? limits.min ?? 0;
  const max = limits.length ?? limits.max ?? 65_536;
  return {
    cddl: `bstr .size ${min === max ? min : `(${min}..${max})`}`,
    fromCbor(value) {
      if (!(value instanceof Uint8Array)) throw invalid('not a byte string');
      if (value.length < min || value.length > max)
        throw invalid(`${value.length} octets, expected ${min} to ${max}`);
      return value;
    },
    toCbor: (value) => value,
  };
}

export function cborText(maxLength = 256): CborType<string> {
  return {
    // A character takes at most three octets here.
    cddl: `tstr .size (0..${3 * maxLength})`,
    fromCbor(value) {
      if (typeof value !== 'string') throw invalid('not text');
      if (value.length > maxLength) throw invalid(`text of ${value.length} characters, at most ${maxLength}`);
      return value;
    },
    toCbor: (value) => value,
  };
}

export function cborInt(min = 0, max = Number.MAX_SAFE_INTEGER): CborType<number> {
  return {
    cddl: `${min}..${max}`,
    fromCbor(value) {
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw invalid('not an integer');
      if (value < min || value > max) throw invalid(`${value} is outside ${min} to ${max}`);
      return value;
    },
    toCbor: (value) => value,
  };
}

export const cborBool: CborType<boolean> = {
  cddl: 'bool',
  fromCbor(value) {
    if (typeof value !== 'boolean') throw invalid('not true or false');
    return value;
  },
  toCbor: (value) => value,
};

export function cborList<T>(type: CborType<T>, max = 1024): CborType<readonly T[]> {
  return {
    cddl: `[0*${max} ${type.cddl ?? 'any'}]`,
    fromCbor(value) {
      if (!Array.isArray(value)) throw invalid('not a list');
      if (value.length > max) throw invalid(`${value.length} items, at most ${max}`);
      return value.map((item: CborValue) => type.fromCbor(item));
    },
    toCbor: (values) => values.map((value) => type.toCbor(value)),
  };
}

/** One of the given words, as text. */
export function cborWord<const W extends string>(...words: readonly W[]): CborType<W> {
  return {
    cddl: words.map((word) => `"${word}"`).join(' / '),
    fromCbor(value) {
      const word = words.find((known) => known === value);
      if (word === undefined) throw invalid(`none of ${words.join(', ')}`);
      return word;
    },
    toCbor: (value) => value,
  };
}

/** Text that a parser turns into a branded identifier. */
export function cborId<T extends string>(parse: (text: string) => T): CborType<T> {
  return {
    cddl: 'tstr',
    fromCbor(value) {
      if (typeof value !== 'string') throw invalid('not text');
      return parse(value);
    },
    toCbor: (value) => value,
  };
}

/** The octets of a CBOR map as a `Type`, for whole messages. */
export function cborItem<T>(type: CborType<T>): Type<T> {
  return {
    decode: (bytes) => type.fromCbor(decodeCbor(bytes)),
    encode: (value) => encodeCbor(type.toCbor(value)),
  };
}

/** Short text for logs and errors: the first octets of an identifier. */
export function idText(id: Uint8Array): string {
  return toHex(id.subarray(0, 8));
}
