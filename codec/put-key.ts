// PUT KEY and DELETE KEY: the keys of a security domain on their way to it (GlobalPlatform Card Specification 11.8 and 11.2, Amendment D
// 7.2).
import { concat } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import type { CommandApdu } from './apdu.ts';
import { encodeTlv, findTlv, readTlvs } from './ber-tlv.ts';

export const INS_PUT_KEY = 0xd8;
export const INS_DELETE = 0xe4;
export const KEY_TYPE_AES = 0x88;
/** Octets of a key check value. */
export const KEY_CHECK_OCTETS = 3;

const SEVERAL_KEYS = 0x80;
/** Keys under DES and AES come in multiples of these octets. */
const BLOCK = 8;
const TAG_KEY_VERSION = 0xd2;
const TAG_KEY_IDENTIFIER = 0xd0;

/** One key under the DEK. */
export type PutKeyField = {
  /** As in GlobalPlatform 11.1.8: 88 is AES. */
  readonly type: number;
  /** Octets of the key itself; `encrypted` may be padded to whole blocks. */
  readonly length: number;
  readonly encrypted: Uint8Array;
  /** Empty where the command brings none. */
  readonly checkValue: Uint8Array;
};

export type PutKey = {
  /** The version that the keys replace, 0 to add them. */
  readonly replaces: number;
  /** The version that they get. */
  readonly version: number;
  /** Identifier of the first key; the others count on. */
  readonly identifier: number;
  readonly keys: readonly PutKeyField[];
};

/** The command; its answer is `encodeKeyReceipt`. */
export function putKeyCommand({ replaces, version, identifier, keys }: PutKey): CommandApdu {
  const fields = keys.map(({ type, length, encrypted, checkValue }) =>
    concat(
      Uint8Array.of(type, encrypted.length + 1, length),
      encrypted,
      Uint8Array.of(checkValue.length),
      checkValue,
    ),
  );
  return {
    cla: 0x80,
    ins: INS_PUT_KEY,
    p1: replaces,
    p2: identifier | (keys.length > 1 ? SEVERAL_KEYS : 0),
    data: concat(Uint8Array.of(version), ...fields),
    le: 256,
  };
}

/**
 * Reads P1, P2 and the data of PUT KEY. The length of the key in front of its cryptogram is left out by some where nothing is padded.
 * Throws `TLV_VALUE`.
 */
export function readPutKey({ p1, p2, data }: Pick<CommandApdu, 'p1' | 'p2' | 'data'>): PutKey {
  let at = 0;
  const octet = (): number => {
    const value = data[at++];
    if (value === undefined) throw malformed('cut', at);
    return value;
  };
  const counted = (): Uint8Array => {
    const length = octet();
    const part = data.subarray(at, at + length);
    if (part.length < length) throw malformed('cut', at);
    at += length;
    return part;
  };
  const version = octet();
  const keys: PutKeyField[] = [];
  while (at < data.length) {
    const type = octet();
    const block = counted();
    keys.push({ type, ...keyBlock(block), checkValue: counted() });
  }
  if (keys.length === 0 || (keys.length > 1 && (p2 & SEVERAL_KEYS) === 0)) {
    throw malformed('another number of keys than P2 says', at);
  }
  return { replaces: p1, version, identifier: p2 & ~SEVERAL_KEYS, keys };
}

function keyBlock(block: Uint8Array): Pick<PutKeyField, 'length' | 'encrypted'> {
  const encrypted = block.length % BLOCK === 1 ? block.subarray(1) : block;
  return { length: block.length === encrypted.length ? block.length : (block[0] ?? 0), encrypted };
}

/** What PUT KEY answers: the version and the check value of each key. */
export function encodeKeyReceipt(version: number, checkValues: readonly Uint8Array[]): Uint8Array {
  return concat(Uint8Array.of(version), ...checkValues);
}

/** DELETE of all keys of one version. */
export function deleteKeyCommand(version: number): CommandApdu {
  return {
    cla: 0x80,
    ins: INS_DELETE,
    p1: 0,
    p2: 0,
    data: encodeTlv(TAG_KEY_VERSION, Uint8Array.of(version)),
    le: 256,
  };
}

/** What DELETE names, undefined where it is no key. Throws `TLV_VALUE` and what BER-TLV throws. */
export function readDeleteKey(
  data: Uint8Array,
): { readonly version?: number; readonly identifier?: number } | undefined {
  const objects = readTlvs(data);
  const number = (tag: number): number | undefined => {
    const value = findTlv(objects, tag)?.value;
    if (value !== undefined && value.length !== 1) throw malformed('not one octet', 0);
    return value?.[0];
  };
  const version = number(TAG_KEY_VERSION);
  const identifier = number(TAG_KEY_IDENTIFIER);
  if (objects.length > 2 || (version === undefined && identifier === undefined)) return undefined;
  return {
    ...(version === undefined ? {} : { version }),
    ...(identifier === undefined ? {} : { identifier }),
  };
}

function malformed(why: string, offset: number): AgentError {
  return new AgentError('TLV_VALUE', { field: 'PUT KEY', why, offset });
}
