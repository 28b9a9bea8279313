// A profile package in words: members that read better than as hex, and secrets, of which only the length is shown.
import { toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { readTlvHeader } from './ber-tlv.ts';
import type { DescribedNode } from './describe-node.ts';
import { describeValue } from './describe-table.ts';
import { PROFILE_ELEMENTS } from './saip/package.ts';
import { choice, runOf } from './tlv-table.ts';

const PROFILE_PACKAGE = runOf(choice(PROFILE_ELEMENTS));
const HEADER_TAG = 0xa0;

/** Describes a profile package, or undefined where the octets do not begin with the header of one. */
export function describeProfile(bytes: Uint8Array, at: number): DescribedNode[] | undefined {
  if (bytes[0] !== HEADER_TAG) return undefined;
  return describeValue(PROFILE_PACKAGE, bytes, at).map((node) => worded(node, bytes, at));
}

/** Members that are shown as a length only. */
const SECRETS: ReadonlySet<string> = new Set([
  'key',
  'opc',
  'pinValue',
  'pukValue',
  'keyData',
  'authenticationKey',
  'ssd',
  'hrpdAccessAuthenticationData',
  'simpleIpAuthenticationData',
  'mobileIpAuthenticationData',
]);

/** How octets of some members read better than as plain hex. */
const WORDS: Readonly<Record<string, (octets: Uint8Array) => string | undefined>> = {
  fileDescriptor: descriptorText,
  filePath: pathText,
  linkPath: pathText,
  iccid: (octets) => toHex(octets).replace(/F+$/, ''),
  efFileSize: (octets) => `${Number.parseInt(toHex(octets) || '0', 16)} octets (${toHex(octets)})`,
  securityAttributesReferenced: accessText,
  shortEfid: (octets) => (octets.length === 0 ? 'none' : `${(octets[0] ?? 0) >> 3} (${toHex(octets)})`),
};

function worded(node: DescribedNode, bytes: Uint8Array, at: number): DescribedNode {
  const words = WORDS[node.name];
  if (node.tag !== undefined && SECRETS.has(node.name)) return { ...node, text: 'secret', children: [] };
  if (words !== undefined && node.children.length === 0) {
    const text = words(valueOf(node, bytes, at));
    if (text !== undefined) return { ...node, text };
  }
  return { ...node, children: node.children.map((child) => worded(child, bytes, at)) };
}

function valueOf(node: DescribedNode, bytes: Uint8Array, at: number): Uint8Array {
  try {
    const head = readTlvHeader(bytes, node.at - at);
    return bytes.subarray(head.valueAt, head.valueAt + head.length);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return bytes.subarray(0, 0);
  }
}

function pathText(octets: Uint8Array): string {
  return octets.length === 0 ? 'MF' : (toHex(octets).match(/.{1,4}/g) ?? []).join('/');
}

function accessText(octets: Uint8Array): string | undefined {
  if (octets.length === 3) return `${toHex(octets.subarray(0, 2))} record ${octets[2] ?? 0}`;
  return octets.length === 1 ? `record ${octets[0] ?? 0}` : undefined;
}

const STRUCTURES: Readonly<Record<number, string>> = {
  0x01: 'transparent',
  0x02: 'linear fixed',
  0x06: 'cyclic',
  0x38: 'directory',
  0x39: 'BER-TLV',
};

/** A file descriptor in words; `shown` stands in front, the octets unless given. */
export function descriptorText(octets: Uint8Array, shown = toHex(octets)): string {
  const structure = STRUCTURES[(octets[0] ?? 0) & 0x3f] ?? 'unknown structure';
  const record = octets.length > 2 ? `, records of ${Number.parseInt(toHex(octets.subarray(2)), 16)}` : '';
  return `${shown} ${structure}${record}`;
}
