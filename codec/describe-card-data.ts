// What a card tells about itself to GET DATA and GET STATUS, in words (GlobalPlatform Card Specification 11.3, 11.4, H.2; ETSI TS
// 102 226, 8.2.1.7).
import { isAgentError } from '../base/errors.ts';
import { bytesUint, toHex } from '../base/bytes.ts';
import { CPLC_FIELDS, CPLC_OCTETS, TAG_CPLC } from './cplc.ts';
import { type DescribedNode, fault, hexNode, leaf } from './describe-node.ts';
import { oid } from './tlv-table.ts';

/** What may stand in a template: its name, what its value says, or what is in it. */
export type Row = {
  readonly name: string;
  readonly least?: number;
  readonly text?: (value: Uint8Array) => string;
  readonly inside?: Template;
  /** A value of fixed parts. */
  readonly parts?: (value: Uint8Array, at: number) => DescribedNode[];
};
export type Template = Readonly<Record<number, Row>>;

const GLOBAL_PLATFORM = '1.2.840.114283.';
const oidRow: Row = { name: 'object identifier', text: oidText };

/** The names of GlobalPlatform's own object identifiers: version, scheme, secure channel protocol with its options. */
function oidText(value: Uint8Array): string {
  let dotted: string;
  try {
    dotted = oid.decode(value);
  } catch (error) {
    if (isAgentError(error)) return toHex(value);
    throw error;
  }
  if (!dotted.startsWith(GLOBAL_PLATFORM)) return dotted;
  const [kind, ...arcs] = dotted.slice(GLOBAL_PLATFORM.length).split('.').map(Number);
  const [first = 0, second = 0] = arcs;
  switch (kind) {
    case 1:
      return `card recognition data ${dotted}`;
    case 2:
      return `GlobalPlatform ${arcs.join('.')} ${dotted}`;
    case 3:
      return `card identification scheme ${dotted}`;
    case 4:
      return `SCP${octetText(first)} i=${octetText(second)} ${dotted}`;
    default:
      return dotted;
  }
}

function octetText(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0');
}

const KEY_TYPES: Readonly<Record<number, string>> = {
  0x80: 'DES',
  0x81: 'reserved (triple DES)',
  0x82: 'triple DES in CBC mode',
  0x85: 'pre-shared key for TLS',
  0x88: 'AES',
  0x90: 'HMAC-SHA1',
  0xa0: 'RSA public key, exponent',
  0xa1: 'RSA public key, modulus',
  0xb0: 'ECC public key',
  0xb1: 'ECC private key',
};

/** Identifier, version, then type and length of each component. */
function keyText(value: Uint8Array): string {
  const components: string[] = [];
  for (let at = 2; at + 1 < value.length; at += 2) {
    const [type = 0, length = 0] = value.subarray(at);
    components.push(`${KEY_TYPES[type] ?? `type ${octetText(type)}`} of ${length} octets`);
  }
  return `identifier ${value[0] ?? 0}, version ${value[1] ?? 0}: ${components.join(', ') || 'none'}`;
}

/** Production data, field by field; dates as YDDD, the last digit of the year and the day in it. */
function cplcParts(value: Uint8Array, from: number): DescribedNode[] {
  const nodes: DescribedNode[] = [];
  let at = 0;
  for (const [name, octets] of CPLC_FIELDS) {
    if (at + octets > value.length) break;
    nodes.push(leaf(from + at, name, toHex(value.subarray(at, at + octets))));
    at += octets;
  }
  if (value.length === CPLC_OCTETS) return nodes;
  const rest = at < value.length ? [hexNode(from + at, 'rest', value.subarray(at), 'unknown')] : [];
  return [
    ...nodes,
    ...rest,
    fault(from + value.length, `expected ${CPLC_OCTETS} octets, ${value.length} are there`),
  ];
}

const REGISTRY_ENTRY: Template = {
  0x4f: { name: 'AID', text: toHex },
  0x84: { name: 'executable module AID', text: toHex },
  0x9f70: { name: 'life cycle state', least: 1, text: toHex },
  0xc4: { name: 'executable load file AID', text: toHex },
  0xc5: { name: 'privileges', text: toHex },
  0xcc: { name: 'associated security domain AID', text: toHex },
  0xce: { name: 'executable load file version', text: toHex },
};

/** By their tags at the top. */
export const CARD_OBJECTS: Template = {
  0x42: { name: 'issuer identification number', text: toHex },
  0x45: { name: 'card image number', text: toHex },
  0x66: {
    name: 'Card Data',
    inside: {
      0x73: {
        name: 'card recognition data',
        inside: {
          0x06: oidRow,
          0x60: { name: 'card management type and version', inside: { 0x06: oidRow } },
          0x63: { name: 'card identification scheme', inside: { 0x06: oidRow } },
          0x64: { name: 'secure channel protocol', inside: { 0x06: oidRow } },
          0x65: { name: 'card configuration details' },
          0x66: { name: 'card or chip details' },
        },
      },
    },
  },
  0xc1: { name: 'sequence counter', least: 2, text: (value) => String(bytesUint(value.subarray(-6))) },
  0xe0: { name: 'Key Information Template', inside: { 0xc0: { name: 'key', least: 4, text: keyText } } },
  0xe3: { name: 'Registry Entry', inside: REGISTRY_ENTRY },
  0xff21: {
    name: 'Extended Card Resources',
    inside: {
      0x81: { name: 'applications', least: 1, text: (value) => String(bytesUint(value.subarray(-6))) },
      0x82: {
        name: 'free non-volatile memory',
        least: 1,
        text: (value) => `${bytesUint(value.subarray(-6))} octets`,
      },
      0x83: {
        name: 'free volatile memory',
        least: 1,
        text: (value) => `${bytesUint(value.subarray(-6))} octets`,
      },
    },
  },
  [TAG_CPLC]: { name: 'Card Production Life Cycle Data', parts: cplcParts },
};
