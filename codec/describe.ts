// Octets of any kind that this project meets as indented, named text: the decoder for people who debug at night.
import { toHex } from '../base/bytes.ts';
import { readTlvHeader, tagText } from './ber-tlv.ts';
import { commandFault, describeCommand, describeResponse } from './describe-apdu.ts';
import {
  type DescribedNode,
  fault,
  hexNode,
  leaf,
  misfit,
  misfitBeforeCut,
  renderNodes,
} from './describe-node.ts';
import { describeCbor, describeLikelyCbor } from './describe-cbor.ts';
import { describePrivateKey } from './describe-der.ts';
import { describeDeliver, describePacket, describeSubmit } from './describe-packet.ts';
import { describeProfile } from './describe-profile.ts';
import { describeFileControl } from './describe-template.ts';
import { describeToolkit } from './describe-toolkit.ts';
import { describeObject, describeTlvs, type Placed, placeTlvs } from './describe-table.ts';
import { RSP_OBJECTS, type RspObject } from './rsp/objects.ts';
import { SCRIPT_TAG } from './script.ts';
import { SubjectPublicKeyInfo, X509Certificate, X509CertificateList } from './x509-table.ts';

const KNOWN: readonly RspObject[] = [
  ...RSP_OBJECTS,
  { name: 'Certificate', tag: 0x30, type: X509Certificate },
  { name: 'CertificateList', tag: 0x30, type: X509CertificateList },
  { name: 'SubjectPublicKeyInfo', tag: 0x30, type: SubjectPublicKeyInfo },
];

/** Which of the objects with one tag is meant where both fit as well. */
type Direction = 'Request' | 'Response';

/** Data objects back to back, each by the table that fits it best. */
function describeObjects(bytes: Uint8Array, at: number, direction?: Direction): DescribedNode[] {
  const { placed, rest } = placeTlvs(bytes, at);
  return [...placed.map((one) => describeKnown(one, direction)), ...rest];
}

/** Data objects that a card is sent. */
export function describeRequests(bytes: Uint8Array, at: number): DescribedNode[] {
  return describeObjects(bytes, at, 'Request');
}

/** Data objects that a card answers. */
export function describeResponses(bytes: Uint8Array, at: number): DescribedNode[] {
  return describeObjects(bytes, at, 'Response');
}

/** One octet of tag is not much to go by: such an object may belong to no table here. */
const AMBIGUOUS_TAG = 0xff;
const DAMAGED_TEMPLATE = 30;
/** An object that is cut is one of the tables' where so many of its parts are there. */
const EVIDENCE = 2;
const NO_EVIDENCE = 5;

/** Whether the length of an object runs past its end. */
function isCut(raw: Uint8Array): boolean {
  const { length, valueAt } = readTlvHeader(raw);
  return valueAt + length > raw.length;
}

function describeKnown(placed: Placed, direction: Direction | undefined): DescribedNode {
  const { tlv, at, valueAt } = placed;
  if (tlv.tag === SCRIPT_TAG.command || tlv.tag === SCRIPT_TAG.response) {
    return scriptNode(tlv.tag, tlv.value, at, valueAt);
  }
  const key = describePrivateKey(tlv, at);
  if (key !== undefined) return key;
  let best: DescribedNode | undefined;
  let least = Number.POSITIVE_INFINITY;
  const end = at + tlv.raw.length;
  const costOf = isCut(tlv.raw)
    ? (node: DescribedNode): number => {
        const { cost, read } = misfitBeforeCut([node], end);
        return cost + (node.kind === undefined && read < EVIDENCE ? NO_EVIDENCE : 0);
      }
    : (node: DescribedNode): number => misfit([node]);
  const consider = (node: DescribedNode, handicap: number): void => {
    const cost = costOf(node) + handicap;
    if (cost >= least) return;
    best = node;
    least = cost;
  };
  for (const { name, tag, type } of KNOWN) {
    if (tag !== tlv.tag) continue;
    const otherWay = direction !== undefined && !name.endsWith(direction);
    consider(describeObject(name, type, placed), otherWay ? 0.5 : 0);
  }
  const template = describeFileControl(placed) ?? describeToolkit(placed);
  if (template !== undefined) consider(template, 0);
  if (best === undefined || tlv.tag <= AMBIGUOUS_TAG) {
    // A damaged template is still that template.
    const handicap = template === undefined ? 0 : DAMAGED_TEMPLATE;
    for (const node of describeTlvs(tlv.raw, at)) {
      if (node.kind !== 'fault') consider(node, handicap);
    }
  }
  return best ?? fault(at, 'expected a data object');
}

function scriptNode(tag: number, value: Uint8Array, at: number, valueAt: number): DescribedNode {
  const command = tag === SCRIPT_TAG.command || tag === SCRIPT_TAG.commandIndefinite;
  const { placed, rest } = placeTlvs(value, valueAt);
  const children = placed.flatMap((one): DescribedNode[] => {
    const { tlv } = one;
    if (tlv.tag === SCRIPT_TAG.commandApdu) {
      return describeCommand(tlv.value, one.valueAt, describeRequests) ?? describeTlvs(tlv.raw, one.at);
    }
    if (tlv.tag === SCRIPT_TAG.responseApdu) {
      return describeResponse(tlv.value, one.valueAt, describeResponses) ?? describeTlvs(tlv.raw, one.at);
    }
    if (tlv.tag === SCRIPT_TAG.numberExecuted || tlv.tag === SCRIPT_TAG.badFormat) {
      const name = tlv.tag === SCRIPT_TAG.badFormat ? 'bad format' : 'number executed';
      return [leaf(one.at, name, toHex(tlv.value), tagText(tlv.tag))];
    }
    return describeTlvs(tlv.raw, one.at);
  });
  return {
    at,
    tag: tagText(tag),
    name: command ? 'Command Scripting template' : 'Response Scripting template',
    length: value.length,
    children: [...children, ...rest],
  };
}

/** Scripts of indefinite length, which are no data objects for the reader. */
function describeIndefinite(bytes: Uint8Array, at: number): DescribedNode[] | undefined {
  const tag = bytes[0];
  if (tag !== SCRIPT_TAG.commandIndefinite && tag !== SCRIPT_TAG.responseIndefinite) return undefined;
  const end = bytes.length - 2;
  if (bytes[1] !== 0x80 || end < 2 || bytes[end] !== 0 || bytes[end + 1] !== 0) return undefined;
  return [scriptNode(tag, bytes.subarray(2, end), at, at + 2)];
}

/** What octets can be taken for; earlier ones win where several fit as well. */
const KINDS = {
  object: (bytes: Uint8Array, at: number) => describeObjects(bytes, at),
  profile: describeProfile,
  script: describeIndefinite,
  packet: describePacket,
  command: (bytes: Uint8Array, at: number) => describeCommand(bytes, at, describeRequests),
  response: (bytes: Uint8Array, at: number) => describeResponse(bytes, at, describeResponses),
  sms: (bytes: Uint8Array, at: number) => describeDeliver(bytes, at) ?? describeSubmit(bytes, at),
  cbor: (bytes: Uint8Array, at: number) => describeCbor(bytes, at),
} as const satisfies Record<string, (bytes: Uint8Array, at: number) => DescribedNode[] | undefined>;

export type DescribedKind = keyof typeof KINDS;

/** What octets of a kind begin or end with. */
const EXPECTED: Readonly<Record<DescribedKind, string>> = {
  object: 'expected a data object',
  profile: 'expected A0, the header element of a profile package',
  script: 'expected AE80 or AF80, a script of indefinite length, and 0000 at its end',
  packet: 'expected 027000, 027100, or a packet whose CPL or RPL is the number of octets behind it',
  command: 'expected a command APDU',
  response: 'expected a status word, 6XXX or 9XXX, at the end',
  sms: 'expected an SMS-DELIVER or SMS-SUBMIT with as much user data as TP-UDL says',
  cbor: 'expected a CBOR item',
};

/** The names that `describe` takes for `as`. */
export const DESCRIBED_KINDS = Object.keys(KINDS) as readonly DescribedKind[];

/** What octets are, as a tree; without `as` the kind that leaves least unexplained. Never throws. */
export function describeNodes(bytes: Uint8Array, as?: DescribedKind): DescribedNode[] {
  if (bytes.length === 0) return [fault(0, 'no octets')];
  if (as !== undefined) {
    const why = as === 'command' ? commandFault(bytes) : EXPECTED[as];
    const surely =
      as === 'sms' ? (describeDeliver(bytes, 0, true) ?? describeSubmit(bytes, 0, true)) : undefined;
    return surely ?? KINDS[as](bytes, 0) ?? [fault(0, why), hexNode(0, 'octets', bytes, 'unknown')];
  }
  let best: DescribedNode[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const kind of DESCRIBED_KINDS) {
    const nodes = kind === 'cbor' ? describeLikelyCbor(bytes) : KINDS[kind](bytes, 0);
    if (nodes === undefined) continue;
    const cost = misfit(nodes) + doubt(kind, nodes);
    if (cost >= least) continue;
    best = nodes;
    least = cost;
  }
  return best;
}

/** What speaks against a kind that leaves nothing unexplained. */
function doubt(kind: DescribedKind, nodes: readonly DescribedNode[]): number {
  // A command of no known class or instruction is a command only because any five octets can be one.
  if (kind === 'command' && nodes[0]?.kind === 'unknown') return 50;
  // Any octets can be data before a status word.
  if (kind === 'response' && nodes[0]?.children[0]?.name === 'data') return 1;
  return kind === 'cbor' ? 0.5 : 0;
}

/**
 * Octets as text, a line for each part: offset, tag, name, length and value. Takes data objects of the RSP tables, Bound
 * Profile Packages, profile packages, certificates and revocation lists, command and response APDUs, scripts, secured packets
 * and SMS-DELIVER; without `as` the kind that leaves least unexplained. Never throws for any octets.
 */
export function describe(bytes: Uint8Array, as?: DescribedKind): string {
  return renderNodes(describeNodes(bytes, as));
}
