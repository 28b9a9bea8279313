// Octets of any kind that this project meets as indented, named text: the decoder for people who debug at night.
import { toHex } from '../base/bytes.ts';
import { tagText } from './ber-tlv.ts';
import { describeCommand, describeResponse } from './describe-apdu.ts';
import { countFaults, type DescribedNode, fault, leaf, misfit, renderNodes } from './describe-node.ts';
import { describeDeliver, describePacket } from './describe-packet.ts';
import { describeProfile } from './describe-profile.ts';
import { describeObject, describeTlvs, type Placed, placeTlvs } from './describe-table.ts';
import { isPastedHex, parsePasted, pastedText } from './pasted.ts';
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

const requests = (bytes: Uint8Array, at: number): DescribedNode[] => describeObjects(bytes, at, 'Request');
const responses = (bytes: Uint8Array, at: number): DescribedNode[] => describeObjects(bytes, at, 'Response');

/** One octet of tag is not much to go by: such an object may belong to no table here. */
const AMBIGUOUS_TAG = 0xff;

function describeKnown(placed: Placed, direction: Direction | undefined): DescribedNode {
  const { tlv, at, valueAt } = placed;
  if (tlv.tag === SCRIPT_TAG.command || tlv.tag === SCRIPT_TAG.response) {
    return scriptNode(tlv.tag, tlv.value, at, valueAt);
  }
  let best: DescribedNode | undefined;
  let least = Number.POSITIVE_INFINITY;
  const consider = (node: DescribedNode, handicap: number): void => {
    const cost = misfit([node]) + handicap;
    if (cost >= least) return;
    best = node;
    least = cost;
  };
  for (const { name, tag, type } of KNOWN) {
    if (tag !== tlv.tag) continue;
    const otherWay = direction !== undefined && !name.endsWith(direction);
    consider(describeObject(name, type, placed), otherWay ? 0.5 : 0);
  }
  if (best === undefined || tlv.tag <= AMBIGUOUS_TAG) {
    for (const node of describeTlvs(tlv.raw, at)) consider(node, 0);
  }
  return best ?? fault(at, 'expected a data object');
}

function scriptNode(tag: number, value: Uint8Array, at: number, valueAt: number): DescribedNode {
  const command = tag === SCRIPT_TAG.command || tag === SCRIPT_TAG.commandIndefinite;
  const { placed, rest } = placeTlvs(value, valueAt);
  const children = placed.flatMap((one): DescribedNode[] => {
    const { tlv } = one;
    if (tlv.tag === SCRIPT_TAG.commandApdu) {
      return describeCommand(tlv.value, one.valueAt, requests) ?? describeTlvs(tlv.raw, one.at);
    }
    if (tlv.tag === SCRIPT_TAG.responseApdu) {
      return describeResponse(tlv.value, one.valueAt, responses) ?? describeTlvs(tlv.raw, one.at);
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
  command: (bytes: Uint8Array, at: number) => describeCommand(bytes, at, requests),
  response: (bytes: Uint8Array, at: number) => describeResponse(bytes, at, responses),
  sms: describeDeliver,
} as const satisfies Record<string, (bytes: Uint8Array, at: number) => DescribedNode[] | undefined>;

export type DescribedKind = keyof typeof KINDS;

/** The names that `describe` takes for `as`. */
export const DESCRIBED_KINDS = Object.keys(KINDS) as readonly DescribedKind[];

function describeNodes(bytes: Uint8Array, as?: DescribedKind): DescribedNode[] {
  if (bytes.length === 0) return [fault(0, 'no octets')];
  if (as !== undefined) return KINDS[as](bytes, 0) ?? [fault(0, `the octets are no ${as}`)];
  let best: DescribedNode[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const kind of DESCRIBED_KINDS) {
    const nodes = KINDS[kind](bytes, 0);
    if (nodes === undefined) continue;
    // A command of no known class or instruction is a command only because any five octets can be one.
    const cost = misfit(nodes) + (kind === 'command' && nodes[0]?.kind === 'unknown' ? 50 : 0);
    if (cost >= least) continue;
    best = nodes;
    least = cost;
  }
  return best;
}

/**
 * Octets as text, a line for each part: offset, tag, name, length and value. Takes data objects of the RSP tables, Bound
 * Profile Packages, profile packages, certificates and revocation lists, command and response APDUs, scripts, secured packets
 * and SMS-DELIVER; without `as` the kind that leaves least unexplained. Never throws for any octets.
 */
export function describe(bytes: Uint8Array, as?: DescribedKind): string {
  return renderNodes(describeNodes(bytes, as));
}

/** What was found in some content: a list of descriptions, one a message, and their text. */
export type DescribedContent = {
  readonly parts: readonly (readonly DescribedNode[])[];
  readonly text: string;
  /** Lines of the text that say that a rule is broken. */
  readonly faults: number;
};

/**
 * Describes what a person pasted or a file holds: hex (with spaces, colons, 0x, over several lines), base64, PEM, or the
 * octets themselves. Several lines of hex are one dump or one message a line, whichever explains more. Throws
 * `HEX_INVALID` for text that is none of these.
 */
export function describeContent(content: Uint8Array, as?: DescribedKind): DescribedContent {
  const text = pastedText(content);
  if (text === undefined) return rendered([describeNodes(content, as)]);
  const whole = describeNodes(parsePasted(text), as);
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length > 1 && lines.every(isPastedHex)) {
    const each = lines.map((line) => describeNodes(parsePasted(line), as));
    if (misfit(each.flat()) <= misfit(whole)) return rendered(each);
  }
  return rendered([whole]);
}

/** The text of `describeContent` alone. */
export function describeInput(content: Uint8Array, as?: DescribedKind): string {
  return describeContent(content, as).text;
}

function rendered(parts: readonly (readonly DescribedNode[])[]): DescribedContent {
  return { parts, text: parts.map(renderNodes).join('\n\n'), faults: countFaults(parts.flat()) };
}
