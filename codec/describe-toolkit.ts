// Proactive commands, terminal responses and envelopes in words (ETSI TS 102 223, 3GPP TS 31.111).
import { bytesUint, bytesUtf8, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { tagText } from './ber-tlv.ts';
import { type ComprehensionTlv, readComprehensionTlvs } from './comprehension-tlv.ts';
import {
  COMMAND_TYPES,
  DEVICES,
  EVENTS,
  REFRESH_MODES,
  RESULTS,
  TOOLKIT_OBJECTS,
  TOOLKIT_TEMPLATES,
} from './describe-names.ts';
import { type DescribedNode, fault, hexNode } from './describe-node.ts';
import { describeDeliver, describeSubmit } from './describe-packet.ts';
import type { Placed } from './describe-table.ts';

const COMPREHENSION = 0x80;
const REFRESH = 0x01;

/** Describes a whole template D0 to D7, or undefined for another tag. */
export function describeToolkit({ tlv, at, valueAt }: Placed): DescribedNode | undefined {
  const name = TOOLKIT_TEMPLATES[tlv.tag];
  if (name === undefined) return undefined;
  const children = describeToolkitObjects(tlv.value, valueAt);
  return { at, tag: tagText(tlv.tag), name, length: tlv.value.length, children };
}

/** Describes COMPREHENSION-TLV objects back to back: what is in a template, or a TERMINAL RESPONSE. */
export function describeToolkitObjects(bytes: Uint8Array, at: number): DescribedNode[] {
  const { objects, end, why } = readAsFarAsPossible(bytes);
  let from = 0;
  const nodes = objects.map((object) => {
    const node = objectNode(object, at + from, at + offsetIn(bytes, object.value));
    from = offsetIn(bytes, object.value) + object.value.length;
    return node;
  });
  if (why === undefined) return nodes;
  const rest = hexNode(at + end, 'rest', bytes.subarray(end), 'unknown');
  return [...nodes, fault(at + end, `${why}; expected a toolkit object`), rest];
}

function offsetIn(bytes: Uint8Array, view: Uint8Array): number {
  return view.byteOffset - bytes.byteOffset;
}

/** The objects up to the first octets that are none. */
function readAsFarAsPossible(bytes: Uint8Array): {
  readonly objects: readonly ComprehensionTlv[];
  readonly end: number;
  readonly why?: string;
} {
  try {
    return { objects: readComprehensionTlvs(bytes), end: bytes.length };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    const { offset, why } = error.data;
    const end = typeof offset === 'number' ? offset : 0;
    return { objects: readComprehensionTlvs(bytes.subarray(0, end)), end, why: String(why) };
  }
}

function objectNode({ tag, required, value }: ComprehensionTlv, at: number, valueAt: number): DescribedNode {
  const name = TOOLKIT_OBJECTS[tag];
  const shown = tagText(required && tag < 0x80 ? tag | COMPREHENSION : tag);
  const head = { at, tag: shown, name: name ?? 'unknown', length: value.length };
  if (name === undefined) return { ...hexNode(at, 'unknown', value, 'unknown'), tag: shown };
  if (tag === SMS_TPDU) {
    const message = describeDeliver(value, valueAt) ?? describeSubmit(value, valueAt);
    if (message !== undefined) return { ...head, children: message };
  }
  const reader = READERS[tag];
  if (reader === undefined) return { ...hexNode(at, name, value), tag: shown };
  const [least, text] = reader;
  if (value.length < least) {
    return { ...head, text: toHex(value), children: [fault(valueAt, `expected ${least} octets or more`)] };
  }
  const words = text(value);
  const hex = toHex(value);
  return { ...head, text: value.length > 16 || words === hex ? words : `${words} (${hex})`, children: [] };
}

const SMS_TPDU = 0x0b;

/** Least octets, and what the value says. */
type Reader = readonly [least: number, text: (value: Uint8Array) => string];

const code = (names: Readonly<Record<number, string>>, octet = 0): string => names[octet] ?? `code ${octet}`;

const READERS: Readonly<Record<number, Reader>> = {
  0x01: [3, commandText],
  0x02: [2, (value) => `${device(value[0])} to ${device(value[1])}`],
  0x03: [1, (value) => code(RESULTS, value[0])],
  0x04: [
    2,
    (value) => `${value[1] ?? 0} ${['minutes', 'seconds', 'tenths of a second'][value[0] ?? 9] ?? 'units'}`,
  ],
  0x05: [0, (value) => alphaText(value)],
  0x06: [1, (value) => addressText(value)],
  0x0d: [0, (value) => (value.length === 0 ? 'none' : textString(value))],
  0x0f: [1, (value) => `${value[0] ?? 0} ${alphaText(value.subarray(1))}`],
  0x10: [1, (value) => String(value[0])],
  0x19: [0, (value) => Array.from(value, (octet) => code(EVENTS, octet)).join(', ') || 'none'],
  0x24: [1, (value) => `timer ${value[0] ?? 0}`],
  0x25: [3, (value) => timeText(value)],
  0x2d: [2, (value) => alphaText(value)],
  0x2f: [5, (value) => toHex(value)],
  0x31: [0, (value) => alphaText(value)],
  0x37: [1, (value) => `${value[0] ?? 0} octets`],
  0x39: [2, (value) => `${bytesUint(value.subarray(0, 2))} octets`],
  0x3c: [
    3,
    (value) =>
      `${['', 'UDP client', 'TCP client', 'TCP server', 'UDP client local', 'TCP client local'][value[0] ?? 0] ?? 'type'} port ${bytesUint(value.subarray(1, 3))}`,
  ],
  0x3e: [
    0,
    (value) =>
      value[0] === 0x21 && value.length === 5 ? `IPv4 ${value.subarray(1).join('.')}` : toHex(value),
  ],
  0x47: [0, (value) => accessPointText(value)],
};

function commandText([number = 0, type = 0, qualifier = 0]: Uint8Array): string {
  const mode =
    type === REFRESH ? code(REFRESH_MODES, qualifier) : `qualifier ${toHex(Uint8Array.of(qualifier))}`;
  return `number ${number}, ${code(COMMAND_TYPES, type)}, ${mode}`;
}

function device(octet = 0): string {
  if (octet >= 0x10 && octet <= 0x17) return `card reader ${octet - 0x10}`;
  if (octet >= 0x21 && octet <= 0x27) return `channel ${octet - 0x20}`;
  return DEVICES[octet] ?? `device ${octet}`;
}

function alphaText(value: Uint8Array): string {
  try {
    return JSON.stringify(bytesUtf8(value));
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return toHex(value);
  }
}

function textString(value: Uint8Array): string {
  const coding = value[0] ?? 0;
  const text = value.subarray(1);
  if ((coding & 0x0c) === 0x08 && text.length % 2 === 0) {
    return JSON.stringify(new TextDecoder('utf-16be').decode(text));
  }
  if ((coding & 0x0c) === 0x04) return alphaText(text);
  return `packed 7 bit ${toHex(text)}`;
}

function addressText(value: Uint8Array): string {
  const plus = (value[0] ?? 0) >> 4 === 9 ? '+' : '';
  const digits = Array.from(value.subarray(1), (octet) => `${nibble(octet & 15)}${nibble(octet >> 4)}`).join(
    '',
  );
  return plus + digits.replace(/f+$/, '');
}

function nibble(value: number): string {
  return '0123456789*#abcf'.charAt(value);
}

function timeText(value: Uint8Array): string {
  return Array.from(value.subarray(0, 3), (octet) => `${octet & 15}${octet >> 4}`).join(':');
}

function accessPointText(value: Uint8Array): string {
  const labels: string[] = [];
  for (let at = 0; at < value.length; ) {
    const end = at + 1 + (value[at] ?? 0);
    if (end > value.length) return toHex(value);
    labels.push(alphaText(value.subarray(at + 1, end)).slice(1, -1));
    at = end;
  }
  return labels.join('.');
}
