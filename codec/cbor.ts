// CBOR (RFC 8949) through cbor-x with the options that keep it plain: integer keys, byte strings untagged, no records.
import { Encoder } from 'cbor-x';
import { bytesUtf8 } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

/** What may travel: no undefined, no tags, no floats beyond what a timestamp needs. */
export type CborValue =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<number | string, CborValue>;

const coder = new Encoder({
  useRecords: false,
  mapsAsObjects: false,
  variableMapSize: true,
  tagUint8Array: false,
  int64AsNumber: true,
} as ConstructorParameters<typeof Encoder>[0]);

const MAX_DEPTH = 16;

export function encodeCbor(value: CborValue): Uint8Array {
  const encoded = coder.encode(value);
  return Uint8Array.from(encoded);
}

/** Decodes one item that fills `bytes`. Throws `CBOR_INVALID` for anything that `CborValue` does not hold. */
export function decodeCbor(bytes: Uint8Array): CborValue {
  const end = scan(bytes, 0, 0);
  if (end !== bytes.length) throw invalid(end, 'octets follow the item');
  let value: unknown;
  try {
    value = coder.decode(Uint8Array.from(bytes));
  } catch (cause) {
    throw new AgentError('CBOR_INVALID', { octets: bytes.length }, { cause });
  }
  return plain(value);
}

/**
 * Walks one item and answers where it ends. The decoder knows tags that no message uses; some of them (28, 29: shared
 * references) let a few octets unfold without limit, so everything but plain definite items is refused beforehand.
 */
function scan(bytes: Uint8Array, at: number, depth: number): number {
  if (depth > MAX_DEPTH) throw invalid(at, 'nested too deep');
  const first = bytes[at];
  if (first === undefined) throw invalid(at, 'cut off');
  const major = first >> 5;
  const info = first & 0x1f;
  if (info > 27) throw invalid(at, 'indefinite or reserved length');
  const argumentOctets = info < 24 ? 0 : 2 ** (info - 24);
  const after = at + 1 + argumentOctets;
  if (after > bytes.length) throw invalid(at, 'cut off');
  let argument = info;
  if (argumentOctets > 0) {
    argument = 0;
    for (const octet of bytes.subarray(at + 1, after)) argument = argument * 256 + octet;
  }
  switch (major) {
    case 0:
    case 1:
      if (argument >= Number.MAX_SAFE_INTEGER) throw invalid(at, 'integer above 2^53');
      return after;
    case 2:
    case 3:
      if (argument > bytes.length - after) throw invalid(at, 'cut off');
      if (major === 3 && !isUtf8(bytes.subarray(after, after + argument)))
        throw invalid(at, 'text is not UTF-8');
      return after + argument;
    case 4:
    case 5: {
      const items = major === 4 ? argument : 2 * argument;
      if (items > bytes.length - after) throw invalid(at, 'cut off');
      let next = after;
      for (let i = 0; i < items; i++) next = scan(bytes, next, depth + 1);
      return next;
    }
    case 7:
      if (SIMPLE.has(info)) return after;
      throw invalid(at, 'a simple value that no message uses');
    default:
      throw invalid(at, 'a tag, which no message uses');
  }
}

/** false, true, null, and floats of 2, 4 and 8 octets. */
const SIMPLE: ReadonlySet<number> = new Set([20, 21, 22, 25, 26, 27]);

function isUtf8(bytes: Uint8Array): boolean {
  try {
    bytesUtf8(bytes);
    return true;
  } catch {
    return false;
  }
}

function invalid(at: number, why: string): AgentError {
  return new AgentError('CBOR_INVALID', { at, why });
}

/** The decoder's value with octets copied out of its buffer, and keys and numbers checked. */
function plain(value: unknown): CborValue {
  switch (typeof value) {
    case 'number':
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
        throw new AgentError('CBOR_INVALID', { why: 'integer above 2^53' });
      }
      return value;
    case 'string':
    case 'boolean':
      return value;
    case 'object': {
      if (value === null) return null;
      if (value instanceof Uint8Array) return Uint8Array.from(value);
      if (Array.isArray(value)) return value.map(plain);
      if (value instanceof Map) {
        const map = new Map<number | string, CborValue>();
        for (const [key, item] of value) {
          if (typeof key !== 'number' && typeof key !== 'string') {
            throw new AgentError('CBOR_INVALID', { why: 'map key is neither number nor text' });
          }
          map.set(key, plain(item));
        }
        return map;
      }
      break;
    }
    default:
  }
  throw new AgentError('CBOR_INVALID', { why: 'a type that no message uses' });
}
