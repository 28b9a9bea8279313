// A walk over octets along a table: every object by its name in the table, what the table does not know stays visible.
import { bytesUtf8, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { isConstructed, readTlvHeader, tagText, type Tlv } from './ber-tlv.ts';
import { describeDer } from './describe-der.ts';
import { type DescribedNode, fault, hexNode } from './describe-node.ts';
import { oidName } from './oids.ts';
import { type AnyType, type Field, type Fields, oid, rowsByTag, startsWith } from './tlv-table.ts';

const MAX_DEPTH = 24;

/** A data object and where it stands: offset of its tag, offset of its value. */
export type Placed = { readonly tlv: Tlv; readonly at: number; readonly valueAt: number };

/**
 * Reads objects back to back. An object whose length runs past the end is among them with the octets that are there, and a
 * fault says so; what is no object at all is a fault and then the rest in hex.
 */
export function placeTlvs(
  bytes: Uint8Array,
  at: number,
): { readonly placed: readonly Placed[]; readonly rest: readonly DescribedNode[] } {
  const placed: Placed[] = [];
  for (let from = 0; from < bytes.length; ) {
    let head: ReturnType<typeof readTlvHeader>;
    try {
      head = readTlvHeader(bytes, from);
    } catch (error) {
      if (!isAgentError(error)) throw error;
      const why = String(error.data['why'] ?? error.code);
      const rest = hexNode(at + from, 'rest', bytes.subarray(from), 'unknown');
      return { placed, rest: [fault(at + from, `${why}; expected a data object`), rest] };
    }
    const end = Math.min(head.valueAt + head.length, bytes.length);
    const tlv = { tag: head.tag, value: bytes.subarray(head.valueAt, end), raw: bytes.subarray(from, end) };
    placed.push({ tlv, at: at + from, valueAt: at + head.valueAt });
    if (head.valueAt + head.length > bytes.length) {
      const there = bytes.length - head.valueAt;
      const text = `${tagText(head.tag)} says ${head.length} octets, ${there} are there`;
      return { placed, rest: [fault(at + bytes.length, text)] };
    }
    from = end;
  }
  return { placed, rest: [] };
}

/** Describes objects back to back without a table: constructed ones opened, the others in hex. */
export function describeTlvs(bytes: Uint8Array, at: number, depth = 0): DescribedNode[] {
  const { placed, rest } = placeTlvs(bytes, at);
  return [...placed.map((one) => unknownNode(one, 'unknown', depth)), ...rest];
}

function unknownNode({ tlv, at, valueAt }: Placed, name: string, depth: number): DescribedNode {
  const tag = tagText(tlv.tag);
  if (isConstructed(tlv.tag) && tlv.value.length > 0 && depth < MAX_DEPTH) {
    const inner = placeTlvs(tlv.value, valueAt);
    if (inner.rest.length === 0) {
      const children = inner.placed.map((one) => unknownNode(one, '', depth + 1));
      return { at, tag, name, length: tlv.value.length, kind: 'unknown', children };
    }
  }
  return { ...hexNode(at, name, tlv.value, 'unknown'), tag };
}

/** Describes one whole object as `type` reads it; `name` is what its place calls it. */
export function describeObject(name: string, type: AnyType, placed: Placed, depth = 0): DescribedNode {
  const { tlv, at } = placed;
  const shape = type.shape;
  if (shape?.kind === 'object' && shape.tag === tlv.tag) return valueNode(name, shape.type, placed, depth);
  if (shape?.kind === 'choice') {
    const row = rowsByTag(shape.fields).get(tlv.tag)?.[0];
    if (row !== undefined)
      return fieldNode(name === '' ? row[0] : `${name}: ${row[0]}`, row[1], placed, depth);
  }
  if (shape?.kind === 'der') {
    if (shape.type !== undefined) return describeObject(name, shape.type, placed, depth);
    const node = describeDer(tlv, at, depth);
    return name === '' ? node : { ...node, name: `${name}: ${node.name}` };
  }
  return unknownNode(placed, name === '' ? 'unknown' : `${name}: unknown`, depth);
}

function fieldNode(name: string, field: Field<unknown>, placed: Placed, depth: number): DescribedNode {
  if (field.raw === true) return describeObject(name, field.inside ?? field.type, placed, depth);
  return valueNode(name, field.inside ?? field.type, placed, depth);
}

function valueNode(name: string, type: AnyType, { tlv, at, valueAt }: Placed, depth: number): DescribedNode {
  const head = { at, tag: tagText(tlv.tag), name, length: tlv.value.length };
  if (type.shape === undefined) return leafNode(head, type, tlv.value, valueAt);
  return { ...head, children: describeValue(type, tlv.value, valueAt, depth + 1) };
}

/** Describes the value of an object as `type` reads it. */
export function describeValue(type: AnyType, bytes: Uint8Array, at: number, depth = 0): DescribedNode[] {
  const shape = type.shape;
  if (depth > MAX_DEPTH) return [fault(at, `deeper than ${MAX_DEPTH} levels`)];
  if (shape === undefined) return [leafNode({ at, name: '', length: bytes.length }, type, bytes, at)];
  const { placed, rest } = placeTlvs(bytes, at);
  switch (shape.kind) {
    case 'object':
      return [...placed.map((one) => describeObject('', type, one, depth)), ...rest];
    case 'run':
      return [...placed.map((one) => describeObject('', shape.item, one, depth)), ...rest];
    case 'der': {
      const whole = shape.type;
      const explicit = placed.length === 1 && placed[0]?.tlv.tag === 0x30;
      if (whole?.shape?.kind === 'object' && !explicit) {
        return describeValue(whole.shape.type, bytes, at, depth);
      }
      return [...placed.map((one) => describeObject('', whole ?? type, one, depth)), ...rest];
    }
    case 'choice':
      return [...describeChoice(shape.fields, bytes, placed, at, depth), ...rest];
    case 'sequence':
      return [...describeMembers(shape.fields, placed, at, depth), ...rest];
  }
}

function describeChoice(
  fields: Fields,
  bytes: Uint8Array,
  placed: readonly Placed[],
  at: number,
  depth: number,
): DescribedNode[] {
  const [first, ...others] = placed;
  const row = first === undefined ? undefined : rowsByTag(fields).get(first.tlv.tag)?.[0];
  if (first !== undefined && row !== undefined) {
    return [
      fieldNode(row[0], row[1], first, depth),
      ...others.flatMap((one) => [
        fault(one.at, 'one more object, expected a single alternative'),
        unknownNode(one, 'unknown', depth),
      ]),
    ];
  }
  for (const [name, field] of Object.entries(fields)) {
    if (field.bare !== true || (first !== undefined && !startsWith(field.type, first.tlv.tag))) continue;
    const head = { at, name: `${name} (without its tag ${tagText(field.tag)})`, length: bytes.length };
    return [{ ...head, children: describeValue(field.type, bytes, at, depth + 1) }];
  }
  const expected = Object.entries(fields).map(([name, field]) => `${tagText(field.tag)} ${name}`);
  return [
    fault(at, `expected ${expected.join(' or ')}`),
    ...placed.map((one) => unknownNode(one, 'unknown', depth)),
  ];
}

function describeMembers(
  fields: Fields,
  placed: readonly Placed[],
  at: number,
  depth: number,
): DescribedNode[] {
  const names = Object.keys(fields);
  const byTag = rowsByTag(fields);
  const filled = new Set<string>();
  let next = 0;
  const nodes = placed.map((one) => {
    const rows = (byTag.get(one.tlv.tag) ?? []).filter(
      ([name, field]) => field.many === true || !filled.has(name),
    );
    const row = rows.find(([name]) => names.indexOf(name) >= next) ?? rows[0];
    if (row === undefined) return unknownNode(one, 'unknown', depth);
    filled.add(row[0]);
    next = names.indexOf(row[0]);
    return fieldNode(row[0], row[1], one, depth);
  });
  const last = placed.at(-1);
  const end = last === undefined ? at : last.at + last.tlv.raw.length;
  for (const [name, field] of Object.entries(fields)) {
    if (filled.has(name) || field.optional === true || field.many === true) continue;
    nodes.push(fault(end, `expected ${tagText(field.tag)} ${name}, which is missing`));
  }
  return nodes;
}

function leafNode(
  head: { readonly at: number; readonly name: string; readonly length: number },
  type: AnyType,
  bytes: Uint8Array,
  at: number,
): DescribedNode {
  try {
    const value: unknown = type.decode(bytes);
    if (value instanceof Uint8Array) return { ...head, ...hexNode(at, head.name, bytes), at: head.at };
    const named = type === oid ? oidName(String(value)) : undefined;
    const text = valueText(value, bytes);
    return { ...head, text: named === undefined ? text : `${named} ${text}`, children: [] };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    const why = String(error.data['why'] ?? error.code);
    return { ...head, text: toHex(bytes), children: [fault(at, why)] };
  }
}

/** Up to so many octets stand beside the words for them. */
const OCTETS_BESIDE = 8;

/** The value in words, and a few octets beside it where they say more. */
function valueText(value: unknown, bytes: Uint8Array): string {
  if (value === true && bytes.length === 0) return '';
  if (typeof value === 'string' && isText(value, bytes)) return JSON.stringify(value);
  const words = Array.isArray(value)
    ? value.map((item) => (typeof item === 'number' ? tagText(item) : String(item))).join(', ') || 'none'
    : String(value);
  const hex = toHex(bytes);
  return bytes.length > OCTETS_BESIDE || hex === words ? words : `${words} (${hex})`;
}

function isText(value: string, bytes: Uint8Array): boolean {
  try {
    return bytesUtf8(bytes) === value;
  } catch {
    return false;
  }
}
