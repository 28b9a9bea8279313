// The answers to SELECT, STATUS, GET DATA and GET STATUS in words: file control parameters 62 (ETSI TS 102 221 11.1.1), file control
// information 6F (GlobalPlatform 11.9, SGP.22 5.7.1), and what a card tells about itself.
import { bytesUint, toHex } from '../base/bytes.ts';
import { isConstructed, tagText } from './ber-tlv.ts';
import { CARD_OBJECTS, type Row, type Template } from './describe-card-data.ts';
import { type DescribedNode, fault, hexNode } from './describe-node.ts';
import { descriptorText } from './describe-profile.ts';
import { type Placed, placeTlvs } from './describe-table.ts';

const number = (value: Uint8Array): string => (value.length > 6 ? toHex(value) : String(bytesUint(value)));
const hex = toHex;

const LIFE_CYCLE: Readonly<Record<number, string>> = {
  0x00: 'no information',
  0x01: 'creation',
  0x03: 'initialisation',
  0x04: 'operational, deactivated',
  0x05: 'operational, activated',
  0x06: 'operational, deactivated',
  0x07: 'operational, activated',
  0x0c: 'terminated',
  0x0d: 'terminated',
  0x0e: 'terminated',
  0x0f: 'terminated',
};

const PIN_STATUS: Template = {
  0x83: { name: 'key reference', least: 1, text: keyReference },
  0x90: { name: 'PIN status', least: 1, text: enabledBits },
  0x95: {
    name: 'usage qualifier',
    least: 1,
    text: (value) =>
      value[0] === 0x08
        ? 'use the universal PIN'
        : `${value[0] === 0 ? 'do not use' : 'use'} for verification`,
  },
};

const FCP_PROPRIETARY: Template = {
  0x80: { name: 'UICC characteristics', text: hex },
  0x81: { name: 'application power consumption', text: hex },
  0x82: { name: 'minimum application clock frequency', text: hex },
  0x83: { name: 'available memory', text: (value) => `${number(value)} octets` },
  0x84: { name: 'file details', text: hex },
  0x85: { name: 'reserved file size', text: number },
  0x86: { name: 'maximum file size', text: number },
  0x87: {
    name: 'supported system commands',
    least: 1,
    text: (value) => ((value[0] ?? 0) & 1 ? 'TERMINAL CAPABILITY' : 'none'),
  },
  0x88: { name: 'specific UICC environmental conditions', text: hex },
  0xc0: { name: 'special file information', least: 1, text: hex },
};

const FCP: Template = {
  0x80: { name: 'file size', text: (value) => `${number(value)} octets` },
  0x81: { name: 'total file size', text: (value) => `${number(value)} octets` },
  0x82: { name: 'file descriptor', least: 2, text: (value) => fileDescriptor(value) },
  0x83: { name: 'file identifier', least: 2, text: hex },
  0x84: { name: 'DF name (AID)', text: hex },
  0x88: {
    name: 'short file identifier',
    text: (value) => (value.length === 0 ? 'none' : String((value[0] ?? 0) >> 3)),
  },
  0x8a: { name: 'life cycle status', least: 1, text: (value) => LIFE_CYCLE[value[0] ?? 0] ?? 'proprietary' },
  0x8b: {
    name: 'security attributes, referenced',
    least: 3,
    text: (value) =>
      `EF.ARR ${hex(value.subarray(0, 2))} record ${value.length === 3 ? value[2] : hex(value.subarray(2))}`,
  },
  0x8c: { name: 'security attributes, compact', text: hex },
  0xab: { name: 'security attributes, expanded' },
  0xa5: { name: 'proprietary information', inside: FCP_PROPRIETARY },
  0xc6: { name: 'PIN status template', inside: PIN_STATUS },
};

const FCI: Template = {
  0x84: { name: 'AID', text: hex },
  0xa5: {
    name: 'proprietary data',
    inside: {
      0x73: { name: 'security domain management data' },
      0x9f65: { name: 'maximum length of the data field in a command', text: number },
      0x9f6e: { name: 'application production life cycle data', text: hex },
    },
  },
  0xe0: {
    name: 'ISD-R proprietary application template',
    inside: {
      0x82: { name: 'SGP.22 version (svn)', least: 3, text: (value) => value.join('.') },
      0x83: { name: 'LPAe support', text: hex },
    },
  },
  0xe1: {
    name: 'ISD-R proprietary application template of SGP.32',
    inside: { 0x80: { name: 'euiccConfiguration', least: 1, text: configurationText } },
  },
};

/** A BIT STRING of two named bits, read also where its first octet is wrong. */
function configurationText([, bits = 0]: Uint8Array): string {
  const set = [bits & 0x80 ? ['ipaeSupported'] : [], bits & 0x40 ? ['enabledProfile'] : []].flat();
  return set.length === 0 ? 'none' : set.join(', ');
}

const TOPS: Template = {
  0x62: { name: 'File Control Parameters', inside: FCP },
  0x6f: { name: 'File Control Information', inside: FCI },
  ...CARD_OBJECTS,
};

/** Describes a whole template 62 or 6F or what GET DATA and GET STATUS answer, or undefined for another tag. */
export function describeFileControl(placed: Placed): DescribedNode | undefined {
  const row = TOPS[placed.tlv.tag];
  return row === undefined ? undefined : rowNode(row, placed);
}

function rowNode({ name, least = 0, text, inside, parts }: Row, { tlv, at, valueAt }: Placed): DescribedNode {
  const head = { at, tag: tagText(tlv.tag), name, length: tlv.value.length };
  if (inside !== undefined) return { ...head, children: members(inside, tlv.value, valueAt) };
  if (parts !== undefined) return { ...head, children: parts(tlv.value, valueAt) };
  if (text === undefined) return { ...hexNode(at, name, tlv.value), tag: head.tag };
  if (tlv.value.length < least) {
    return { ...head, text: hex(tlv.value), children: [fault(valueAt, `expected ${least} octets or more`)] };
  }
  const words = text(tlv.value);
  const octets = hex(tlv.value);
  return {
    ...head,
    text: words.includes(octets) || octets.length > 16 ? words : `${words} (${octets})`,
    children: [],
  };
}

function members(template: Template, bytes: Uint8Array, from: number): DescribedNode[] {
  const { placed, rest } = placeTlvs(bytes, from);
  return [
    ...placed.map((each) => {
      const row = template[each.tlv.tag];
      if (row !== undefined) return rowNode(row, each);
      const tag = tagText(each.tlv.tag);
      const children = isConstructed(each.tlv.tag) ? members({}, each.tlv.value, each.valueAt) : [];
      return children.length > 0
        ? {
            at: each.at,
            tag,
            name: 'unknown',
            length: each.tlv.value.length,
            kind: 'unknown' as const,
            children,
          }
        : { ...hexNode(each.at, 'unknown', each.tlv.value, 'unknown'), tag };
    }),
    ...rest,
  ];
}

/** Structure, data coding, then record length and number of records (11.1.1.4.3). */
function fileDescriptor(value: Uint8Array): string {
  const records = value.length >= 5 ? ` octets, ${value[4] ?? 0} records` : '';
  const shareable = ((value[0] ?? 0) & 0x40) === 0 ? '' : ', shareable';
  return descriptorText(value.subarray(0, value.length >= 4 ? 4 : 2), toHex(value)) + records + shareable;
}

function keyReference(value: Uint8Array): string {
  const reference = value[0] ?? 0;
  if (reference >= 0x01 && reference <= 0x08) return `PIN of application ${reference}`;
  if (reference >= 0x81 && reference <= 0x88) return `second PIN of application ${reference - 0x80}`;
  if ((reference >= 0x0a && reference <= 0x0e) || (reference >= 0x8a && reference <= 0x8e))
    return 'administrative key';
  return reference === 0x11 ? 'universal PIN' : 'reserved';
}

/** One bit a key reference, in their order, the highest first. */
function enabledBits(value: Uint8Array): string {
  const bits = Array.from(value, (octet) => octet.toString(2).padStart(8, '0')).join('');
  return `enabled: ${bits}`;
}
