// CBOR (RFC 8949) in words, with COSE_Sign1 (RFC 9052) and the messages between agent and operator by their names.
import { toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { decodeCbor } from './cbor.ts';
import { countFaults, type DescribedNode, fault, hexNode, leaf } from './describe-node.ts';
import { BUNDLE_FILES } from './offline-bundle.ts';
import { downMessages, upMessages, WIRE_TABLES, WIRE_VERSION } from './wire.ts';

const MAX_DEPTH = 24;
/** Whole items in a container of a message; more is no message of this kind. */
const MAX_ITEMS = 10_000;
const BREAK = 0xff;

type Head = {
  readonly major: number;
  readonly info: number;
  /** Of integers and lengths; undefined for an indefinite length. */
  readonly argument: number | undefined;
  readonly after: number;
};

/** A place in a message: names of integer keys, and what is at it. */
type Place = {
  readonly name: string;
  readonly keys?: Readonly<Record<number, string>>;
  /** Why a message that is known by its type does not match its table. */
  readonly wrong?: string;
};

/** Reading stops at the first fault: what comes after it cannot be told apart. */
type Cursor = { readonly bytes: Uint8Array; readonly at: number; items: number; broken: boolean };

/** Describes one item, and what follows it as a fault. */
export function describeCbor(bytes: Uint8Array, at: number): DescribedNode[] {
  const cursor: Cursor = { bytes, at, items: 0, broken: false };
  const [node, end] = itemNode(cursor, 0, placeOf(bytes), 0);
  if (cursor.broken || end === bytes.length) return [node];
  return [
    node,
    fault(at + end, 'octets follow the item'),
    hexNode(at + end, 'rest', bytes.subarray(end), 'unknown'),
  ];
}

/** COSE_Sign1 as it begins: tag 18, an array of four. */
const COSE_START = 'D284';

/**
 * The same for octets of which nobody says that they are CBOR, or undefined: almost anything can be a number or text, so it
 * must be a whole array, map or tagged item, or begin as COSE_Sign1 does.
 */
export function describeLikelyCbor(bytes: Uint8Array): DescribedNode[] | undefined {
  const major = (bytes[0] ?? 0) >> 5;
  if (major < 4 || major > 6) return undefined;
  const nodes = describeCbor(bytes, 0);
  return countFaults(nodes) === 0 || toHex(bytes.subarray(0, 2)) === COSE_START ? nodes : undefined;
}

function readHead({ bytes }: Cursor, from: number): Head | string {
  const first = bytes[from];
  if (first === undefined) return 'the item is cut off';
  const major = first >> 5;
  const info = first & 0x1f;
  if (info === 31) return { major, info, argument: undefined, after: from + 1 };
  if (info > 27) return `reserved length ${info}`;
  const octets = info < 24 ? 0 : 2 ** (info - 24);
  const after = from + 1 + octets;
  if (after > bytes.length) return 'the item is cut off';
  let argument = info;
  if (octets > 0) {
    argument = 0;
    for (const octet of bytes.subarray(from + 1, after)) argument = argument * 256 + octet;
  }
  return { major, info, argument, after };
}

type Item = readonly [node: DescribedNode, end: number];

function broken(cursor: Cursor, from: number, name: string, why: string): Item {
  cursor.broken = true;
  const { bytes, at } = cursor;
  const children = [
    fault(at + from, why),
    ...(from < bytes.length ? [hexNode(at + from, 'rest', bytes.subarray(from))] : []),
  ];
  return [{ at: at + from, name, children }, bytes.length];
}

function itemNode(cursor: Cursor, from: number, place: Place, depth: number): Item {
  const { at, bytes } = cursor;
  const head = readHead(cursor, from);
  if (typeof head === 'string') return broken(cursor, from, place.name, head);
  if (depth > MAX_DEPTH) return broken(cursor, from, place.name, `nested deeper than ${MAX_DEPTH} levels`);
  if (++cursor.items > MAX_ITEMS) return broken(cursor, from, place.name, `more than ${MAX_ITEMS} items`);
  const { major, argument, after } = head;
  const line = (text: string, end = after): Item => [leaf(at + from, place.name, text), end];
  switch (major) {
    case 0:
    case 1:
      if (argument === undefined) return broken(cursor, from, place.name, 'a number without a length');
      return line(numberText(argument, major === 1));
    case 2:
    case 3:
      return stringNode(cursor, from, head, place, depth);
    case 4:
      return containerNode(cursor, from, head, place, depth);
    case 5:
      return containerNode(cursor, from, head, place, depth);
    case 6: {
      if (argument === undefined) return broken(cursor, from, place.name, 'a tag without a number');
      const cose = argument === COSE_SIGN1;
      const name = cose ? 'COSE_Sign1' : 'tagged';
      const [inner, end] = itemNode(cursor, after, cose ? { name: '' } : place, depth + 1);
      const named = cose ? coseNamed(cursor, inner) : inner;
      return [{ at: at + from, tag: `tag ${argument}`, name, children: [named] }, end];
    }
    default:
      return line(simpleText(bytes, from, head));
  }
}

const COSE_SIGN1 = 18;

function numberText(argument: number, negative: boolean): string {
  if (!Number.isSafeInteger(argument)) return `${negative ? '-' : ''}about ${argument}`;
  return String(negative ? -1 - argument : argument);
}

function simpleText(bytes: Uint8Array, from: number, { info, argument, after }: Head): string {
  if (info === 20) return 'false';
  if (info === 21) return 'true';
  if (info === 22) return 'null';
  if (info === 23) return 'undefined';
  const octets = bytes.slice(from + 1, after);
  const view = new DataView(octets.buffer);
  if (info === 26) return String(view.getFloat32(0));
  if (info === 27) return String(view.getFloat64(0));
  if (info === 25) return `half ${toHex(octets)}`;
  return argument === undefined ? 'break' : `simple ${argument}`;
}

function stringNode(cursor: Cursor, from: number, head: Head, place: Place, depth: number): Item {
  const { bytes, at } = cursor;
  const { major, argument, after } = head;
  if (argument === undefined) return containerNode(cursor, from, head, place, depth);
  const end = after + argument;
  if (end > bytes.length) {
    return broken(cursor, from, place.name, `says ${argument} octets, ${bytes.length - after} are there`);
  }
  const value = bytes.subarray(after, end);
  if (major === 2) return [{ ...hexNode(at + after, place.name, value), at: at + from }, end];
  try {
    return [
      leaf(at + from, place.name, JSON.stringify(new TextDecoder('utf-8', { fatal: true }).decode(value))),
      end,
    ];
  } catch {
    const node = hexNode(at + after, place.name, value);
    return [{ ...node, children: [...node.children, fault(at + after, 'text that is not UTF-8')] }, end];
  }
}

/** Arrays, maps, and strings in pieces. */
function containerNode(cursor: Cursor, from: number, head: Head, place: Place, depth: number): Item {
  const { bytes, at } = cursor;
  const map = head.major === 5;
  const what = map ? 'map' : head.major === 4 ? 'array' : 'pieces';
  const children: DescribedNode[] = [];
  let next = head.after;
  let left = head.argument ?? Number.POSITIVE_INFINITY;
  for (let index = 0; left > 0 && !cursor.broken; left--, index++) {
    if (head.argument === undefined && bytes[next] === BREAK) {
      next++;
      break;
    }
    let inner: Place = { name: map ? '' : String(index) };
    if (map) {
      const [key, end] = itemNode(cursor, next, { name: '' }, depth + 1);
      if (cursor.broken) {
        children.push(key);
        break;
      }
      inner = memberPlace(place, key);
      next = end;
    }
    const [child, end] = itemNode(cursor, next, inner, depth + 1);
    children.push(child);
    next = end;
  }
  if (place.wrong !== undefined) children.push(fault(at + from, `no ${place.name}: ${place.wrong}`));
  const name = place.name === '' ? what : `${place.name}: ${what}`;
  return [{ at: at + from, name, length: children.length, children }, next];
}

function memberPlace({ keys }: Place, key: DescribedNode): Place {
  const text = key.text ?? key.name;
  const name = keys?.[Number(text)];
  return { name: name === undefined ? text : `${text} ${name}` };
}

/** Labels of COSE header parameters (RFC 9052 3.1). */
const COSE_HEADERS: Readonly<Record<number, string>> = {
  1: 'alg',
  2: 'crit',
  3: 'content type',
  4: 'kid',
  5: 'IV',
  33: 'x5chain',
  34: 'x5t',
};
const COSE_PARTS = ['protected', 'unprotected', 'payload', 'signature'] as const;

/** The array of a COSE_Sign1 with its parts by name, and the CBOR in its byte strings opened. */
function coseNamed(cursor: Cursor, array: DescribedNode): DescribedNode {
  if (array.children.length !== COSE_PARTS.length) return array;
  const children = array.children.map((part, i): DescribedNode => {
    const name = COSE_PARTS[i] ?? '';
    const inside = i === 1 ? undefined : insideOf(cursor, part, i === 0);
    return inside === undefined
      ? { ...part, name }
      : {
          at: part.at,
          name,
          ...(part.length === undefined ? {} : { length: part.length }),
          children: inside,
        };
  });
  return { ...array, children };
}

function insideOf(
  { bytes, at }: Cursor,
  part: DescribedNode,
  header: boolean,
): readonly DescribedNode[] | undefined {
  const from = part.at - at;
  const head = readHead({ bytes, at, items: 0, broken: false }, from);
  if (typeof head === 'string' || head.major !== 2 || head.argument === undefined) return undefined;
  const value = bytes.subarray(head.after, head.after + head.argument);
  const cursor: Cursor = { bytes: value, at: at + head.after, items: 0, broken: false };
  const place = header ? { name: '', keys: COSE_HEADERS } : placeOf(value);
  if ((value[0] ?? 0) >> 5 !== 5) return undefined;
  const [node, end] = itemNode(cursor, 0, place, 1);
  return cursor.broken || end !== value.length ? undefined : [node];
}

type WireRow = readonly [type: number, fields: Readonly<Record<string, { readonly key: number }>>];

/** Names of the keys where the octets are a message of the wire, and why it is a wrong one. */
function placeOf(bytes: Uint8Array): Place {
  for (const { name, item, fields } of BUNDLE_FILES) {
    if (attempt(() => item.decode(bytes)) === undefined) continue;
    return { name, keys: Object.fromEntries(Object.entries(fields).map(([field, { key }]) => [key, field])) };
  }
  const { type, version } = WIRE_TABLES.header;
  const message = attempt(() => decodeCbor(bytes));
  if (!(message instanceof Map) || message.get(version.key) !== WIRE_VERSION) return { name: '' };
  let found: Place = { name: '' };
  for (const [codec, table] of [
    [upMessages, WIRE_TABLES.up],
    [downMessages, WIRE_TABLES.down],
  ] as const) {
    for (const [name, row] of Object.entries(table)) {
      const [number, fields] = row as WireRow;
      if (number !== message.get(type.key)) continue;
      const keys = Object.fromEntries(
        Object.entries({ ...WIRE_TABLES.header, ...fields }).map(([field, { key }]) => [key, field]),
      );
      const wrong = attempt(() => void codec.decode(bytes), String);
      if (wrong === undefined) return { name, keys };
      if (found.name === '') found = { name, keys, wrong };
    }
  }
  return found;
}

/** The outcome of reading, or where it fails what `why` makes of the reason. */
function attempt<T>(
  read: () => T,
  why: (reason: string) => T | string | undefined = () => undefined,
): T | string | undefined {
  try {
    return read();
  } catch (error) {
    if (!isAgentError(error)) throw error;
    const { field, why: reason } = error.data;
    return why([field, reason].filter((part) => part !== undefined).join(': '));
  }
}
