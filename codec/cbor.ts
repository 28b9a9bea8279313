// CBOR (RFC 8949) through cbor-x with the options that keep it plain: integer keys, byte strings untagged, no records.
import { Encoder } from 'cbor-x';
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

/** Decodes one item that fills `bytes`. Throws `CBOR_INVALID` for anything else, unsafe integers and unknown types included. */
export function decodeCbor(bytes: Uint8Array): CborValue {
  let value: unknown;
  try {
    value = coder.decode(Uint8Array.from(bytes));
  } catch (cause) {
    throw new AgentError('CBOR_INVALID', { octets: bytes.length }, { cause });
  }
  return plain(value, 0);
}

function plain(value: unknown, depth: number): CborValue {
  if (depth > MAX_DEPTH) throw new AgentError('CBOR_INVALID', { why: 'nested too deep' });
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
      if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
      if (value instanceof Map) {
        const map = new Map<number | string, CborValue>();
        for (const [key, item] of value) {
          if (typeof key !== 'number' && typeof key !== 'string') {
            throw new AgentError('CBOR_INVALID', { why: 'map key is neither number nor text' });
          }
          map.set(key, plain(item, depth + 1));
        }
        return map;
      }
      break;
    }
    default:
  }
  throw new AgentError('CBOR_INVALID', { why: 'a type that no message uses' });
}
