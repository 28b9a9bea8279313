// ASN.1 SEQUENCE and SEQUENCE OF CHOICE as profile packages use them (ITU-T X.690): members in order, tags that may repeat,
// and what the tables do not know kept where it stood.
import { concat } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { encodeTlv, readTlv, readTlvs, tagText } from '../ber-tlv.ts';
import { type Decoded, type Field, type Fields, runOf, type Type } from '../tlv-table.ts';

/** A member that the table has no row for: the whole object, and how many rows of the table stand before it. */
export type UnknownMember = { readonly at: number; readonly raw: Uint8Array };

export type WithUnknown = { readonly unknown?: readonly UnknownMember[] };

/**
 * A SEQUENCE whose members stand in the order of the table, so that one tag may serve several members. Members without a row
 * (and members out of order) are kept in `unknown` and written back at their place. A missing mandatory member is `TLV_MISSING`.
 */
export function orderedSequence<const F extends Fields>(fields: F): Type<Decoded<F> & WithUnknown> {
  const rows = Object.entries(fields);
  return {
    shape: { kind: 'sequence', fields },
    decode(bytes) {
      const out: Record<string, unknown> = {};
      const unknown: UnknownMember[] = [];
      let next = 0;
      for (const tlv of readTlvs(bytes)) {
        const at = rows.findIndex(([, field], i) => i >= next && field.tag === tlv.tag);
        const row = rows[at];
        if (row === undefined) {
          unknown.push({ at: next, raw: Uint8Array.from(tlv.raw) });
          continue;
        }
        out[row[0]] = within(row[0], tlv.tag, () => row[1].type.decode(tlv.value));
        next = at + 1;
      }
      for (const [name, field] of rows) {
        if (field.optional !== true && !(name in out)) {
          throw new AgentError('TLV_MISSING', { field: name, tag: tagText(field.tag) });
        }
      }
      if (unknown.length > 0) out['unknown'] = unknown;
      return out as Decoded<F> & WithUnknown;
    },
    encode(value) {
      const kept = value.unknown ?? [];
      const parts: Uint8Array[] = [];
      for (let i = 0; i <= rows.length; i++) {
        for (const member of kept) if (member.at === i) parts.push(member.raw);
        const row = rows[i];
        if (row === undefined) break;
        const held = (value as Record<string, unknown>)[row[0]];
        if (held !== undefined) parts.push(encodeTlv(row[1].tag, row[1].type.encode(held)));
        else if (row[1].optional !== true) {
          throw new AgentError('TLV_MISSING', { field: row[0], tag: tagText(row[1].tag) });
        }
      }
      return concat(...parts);
    },
  };
}

type ValueOf<F> = F extends { readonly type: Type<infer T> } ? T : never;

export type Step<F extends Fields> =
  | { [K in keyof F & string]: { readonly is: K; readonly value: ValueOf<F[K]> } }[keyof F & string]
  | { readonly is: 'unknown'; readonly value: Uint8Array };

/** A SEQUENCE OF CHOICE: steps one after another, each saying by `is` which it is. Unknown alternatives are kept whole. */
export function steps<const F extends Fields>(fields: F): Type<readonly Step<F>[]> {
  const byTag = new Map<number, readonly [string, Field<unknown>]>();
  for (const [name, field] of Object.entries(fields)) byTag.set(field.tag, [name, field]);
  const step: Type<Step<F>> = {
    shape: { kind: 'choice', fields },
    decode(bytes) {
      const tlv = readTlv(bytes);
      const row = byTag.get(tlv.tag);
      if (row === undefined) return { is: 'unknown', value: Uint8Array.from(tlv.raw) };
      const value = within(row[0], tlv.tag, () => row[1].type.decode(tlv.value));
      return { is: row[0], value } as Step<F>;
    },
    encode({ is, value }) {
      if (is === 'unknown') return value as Uint8Array;
      const field = fields[is];
      if (field === undefined) throw new AgentError('TLV_VALUE', { why: `no alternative ${is}` });
      return encodeTlv(field.tag, field.type.encode(value));
    },
  };
  return { ...runOf(step), encode: (list) => concat(...list.map((one) => step.encode(one))) };
}

/** Runs `work`; an error that leaves it names the member, with the names above it joined by dots. */
export function within<T>(name: string, tag: number, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    const inner = cause.data['field'];
    const field = typeof inner === 'string' ? `${name}.${inner}` : name;
    throw new AgentError(cause.code, { tag: tagText(tag), ...cause.data, field }, { cause });
  }
}
