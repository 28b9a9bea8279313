// The commands to a security domain in words: sessions, keys, registry, states and personalization (GlobalPlatform Card Specification 11,
// Amendments A and D).
import { toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import type { CommandApdu } from './apdu.ts';
import { readDataGroupings } from './data-groupings.ts';
import { type DescribedNode, fault, hexNode, leaf } from './describe-node.ts';
import { INS_DELETE, INS_PUT_KEY, readDeleteKey, readPutKey } from './put-key.ts';

const INS = {
  initializeUpdate: 0x50,
  externalAuthenticate: 0x82,
  storeData: 0xe2,
  install: 0xe6,
  setStatus: 0xf0,
  getStatus: 0xf2,
} as const;

const octet = (value: number): string => toHex(Uint8Array.of(value));

const SCOPES: Readonly<Record<number, string>> = {
  0x80: 'the security domain itself',
  0x60: 'a security domain and what belongs to it',
  0x40: 'applications and security domains',
  0x20: 'load files',
  0x10: 'load files and their modules',
};
const KEY_TYPES: Readonly<Record<number, string>> = { 0x80: 'DES', 0x82: '3DES', 0x88: 'AES' };
const LEVEL_BITS = [
  [0x01, 'C-MAC'],
  [0x02, 'C-ENC'],
  [0x10, 'R-MAC'],
  [0x20, 'R-ENC'],
] as const;
const LOCKED = 0x80;
const REPLACES_NONE = 0;
const P1_PERSONALIZATION = 0x20;

/** Data groupings that have a name. */
const GROUPINGS: Readonly<Record<number, string>> = {
  0x0070: 'data objects',
  0x3a01: 'certificate',
  0x3a02: 'keyset that is wanted',
  0x7f49: 'ephemeral public key',
  0x5f37: 'signature',
  0x0085: 'challenge',
};

/** What P1 and P2 say, empty for other commands. */
export function managementParameters({ ins, p1, p2, cla }: CommandApdu): string {
  switch (ins) {
    case INS.initializeUpdate:
      return ` keys of version ${p1 === 0 ? '0, the first' : octet(p1)}`;
    case INS.externalAuthenticate:
      return ` level ${levelText(p1)}`;
    case INS_PUT_KEY: {
      const what = p1 === REPLACES_NONE ? 'adds' : `in the place of version ${octet(p1)},`;
      return ` ${what} ${(p2 & 0x80) === 0 ? 'key' : 'keys from'} ${p2 & 0x7f}`;
    }
    case INS.setStatus:
      return ` ${SCOPES[p1] ?? 'unknown scope'}: ${(p2 & LOCKED) === 0 ? `state ${octet(p2)}` : 'lock'}`;
    case INS.getStatus:
      return (cla & 0x80) === 0 || SCOPES[p1] === undefined ? '' : ` GET STATUS of ${SCOPES[p1]}`;
    case INS.install:
      return p1 === P1_PERSONALIZATION ? ' for personalization' : '';
    case INS.storeData:
      return isOfGroupings(p1)
        ? ` block ${p2}, data groupings${(p1 & 0x80) === 0 ? ', more follow' : ''}`
        : '';
    default:
      return '';
  }
}

function levelText(level: number): string {
  const parts = LEVEL_BITS.flatMap(([bit, name]) => ((level & bit) === 0 ? [] : [name]));
  return parts.length === 0 ? 'none' : parts.join(', ');
}

/** The data of a command in the clear, undefined for other commands; `objects` describes data objects. */
export function managementData(
  command: CommandApdu,
  at: number,
  objects: (bytes: Uint8Array, at: number) => DescribedNode[],
): DescribedNode[] | undefined {
  const { data, ins, p1 } = command;
  switch (ins) {
    case INS.initializeUpdate:
      return [hexNode(at, `host challenge, ${data.length === 16 ? 'S16' : 'S8'} mode`, data)];
    case INS_PUT_KEY:
      return putKeyNodes(command, at);
    case INS_DELETE:
      return deleteKeyNodes(data, at) ?? objects(data, at);
    case INS.getStatus:
      return SCOPES[p1] === undefined ? undefined : [hexNode(at, 'AID that is looked for', data)];
    case INS.setStatus:
      return [hexNode(at, 'AID', data)];
    case INS.install:
      return p1 === P1_PERSONALIZATION && data.length === 6 + (data[2] ?? 0)
        ? [hexNode(at + 3, 'AID', data.subarray(3, 3 + (data[2] ?? 0)))]
        : undefined;
    case INS.storeData:
      return isOfGroupings(p1) ? groupingNodes(data, at, objects) : undefined;
    default:
      return undefined;
  }
}

function isOfGroupings(p1: number): boolean {
  return (p1 & 0x7e) === 0x08;
}

/** The keys are enciphered under the DEK; only their kind and their check values are worth a word. */
function putKeyNodes(command: CommandApdu, at: number): DescribedNode[] {
  try {
    const { identifier, keys, version } = readPutKey(command);
    return [
      leaf(at, 'version', octet(version)),
      ...keys.map(({ checkValue, encrypted, length, type }, index) =>
        leaf(
          at + 1,
          `key ${identifier + index}`,
          `${KEY_TYPES[type] ?? `type ${octet(type)}`} of ${length} octets, ${encrypted.length} enciphered, ${
            checkValue.length === 0 ? 'no check value' : `check value ${toHex(checkValue)}`
          }`,
        ),
      ),
    ];
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return [
      hexNode(at, 'data', command.data),
      fault(at, 'expected a version and keys, each with its type, length and check value'),
    ];
  }
}

function deleteKeyNodes(data: Uint8Array, at: number): DescribedNode[] | undefined {
  try {
    const key = readDeleteKey(data);
    if (key === undefined) return undefined;
    const { identifier, version } = key;
    return [
      ...(identifier === undefined ? [] : [leaf(at, 'key', String(identifier))]),
      ...(version === undefined ? [] : [leaf(at, 'key version', octet(version))]),
    ];
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

function groupingNodes(
  data: Uint8Array,
  at: number,
  objects: (bytes: Uint8Array, at: number) => DescribedNode[],
): DescribedNode[] {
  const groupings = readDataGroupings(data);
  if (groupings === undefined) return [hexNode(at, 'data groupings, not whole', data)];
  return groupings.map(({ name, value }) => {
    const valueAt = at + (value.byteOffset - data.byteOffset);
    const holdsObjects = [0x0070, 0x3a01, 0x3a02].includes(name);
    return {
      at: valueAt - (value.length < 0xff ? 3 : 5),
      tag: toHex(Uint8Array.of(name >> 8, name & 0xff)),
      name: GROUPINGS[name] ?? 'data grouping',
      length: value.length,
      ...(holdsObjects ? {} : { text: toHex(value) }),
      children: holdsObjects ? objects(value, valueAt) : [],
    };
  });
}
