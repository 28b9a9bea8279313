// A profile package as indented text for people: every member by name, what is unknown as hex, what is secret as its length.
import { toHex } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { readTlv } from '../ber-tlv.ts';
import { decodeProfileElement, elementHeader, elementName, type ProfileElement } from './package.ts';

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

const LONGEST_HEX = 48;

/**
 * Lines of text, two spaces a level. Never throws: an element that cannot be read gives a line beginning `error` with its
 * offset and the reason, followed by its octets; framing that breaks ends the list with such a line.
 */
export function describeProfilePackage(bytes: Uint8Array): string[] {
  const lines = [`profile package, ${bytes.length} octets`];
  for (let at = 0; at < bytes.length; ) {
    const tlv = attempt(() => readTlv(bytes, at));
    if (tlv instanceof AgentError) {
      lines.push(`error at offset ${at}: ${reason(tlv)}`, `  ${hexText(bytes.subarray(at))}`);
      break;
    }
    const element = attempt(() => decodeProfileElement(tlv.raw));
    if (element instanceof AgentError) {
      lines.push(`error at offset ${at}: ${reason(element)}`, `  ${hexText(tlv.raw)}`);
    } else lines.push(...elementLines(element, at, tlv.raw.length));
    at += tlv.raw.length;
  }
  return lines;
}

function attempt<T>(work: () => T): T | AgentError {
  try {
    return work();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
}

function reason(error: AgentError): string {
  const { element, field, why } = error.data;
  return [element, field, why ?? error.code].filter((part) => part !== undefined).join(': ');
}

function elementLines(element: ProfileElement, offset: number, length: number): string[] {
  const header = elementHeader(element);
  const number = header === undefined ? '' : ` ${header.identification}`;
  const mandated = header?.mandated === true ? ', mandated' : '';
  const title = `${elementName(element)}${number} at offset ${offset}, ${length} octets${mandated}`;
  if (element.type === 'unknown') return [`${title}, unknown`, `  ${hexText(element.raw)}`];
  const { header: _, ...members } = element.value as Record<string, unknown>;
  return [title, ...memberLines(members, 1)];
}

/** Lines for the members of a value, one or more each. */
function memberLines(members: object, depth: number): string[] {
  return Object.entries(members).flatMap(([name, value]) => valueLines(name, value, depth));
}

function valueLines(name: string, value: unknown, depth: number): string[] {
  const indent = '  '.repeat(depth);
  if (name === 'files') return memberLines(value as object, depth);
  if (SECRETS.has(name) && value instanceof Uint8Array) return [`${indent}${name} [${value.length} octets]`];
  const text = scalarText(name, value);
  if (text !== undefined) return [`${indent}${name}${text === '' ? '' : ` ${text}`}`];
  if (!Array.isArray(value)) return [`${indent}${name}`, ...memberLines(value as object, depth + 1)];
  if (value.length === 0) return [`${indent}${name}, empty`];
  return [`${indent}${name}`, ...value.flatMap((item) => itemLines(item, depth + 1))];
}

function scalarText(name: string, value: unknown): string | undefined {
  if (value === true) return '';
  if (typeof value === 'number') return NUMBERS_IN_HEX.has(name) ? hexNumber(value) : String(value);
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return (OCTETS[name] ?? hexText)(value);
  if (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')) {
    return value.join(' ');
  }
  return undefined;
}

/** A member of a list: a step says what it is; anything else stands under a dash. */
function itemLines(item: unknown, depth: number): string[] {
  const indent = '  '.repeat(depth);
  if (item instanceof Uint8Array) return [`${indent}${hexText(item)}`];
  if (typeof item !== 'object' || item === null) return [`${indent}${String(item)}`];
  if ('is' in item && 'value' in item) return valueLines(String(item.is), item.value, depth);
  if (Array.isArray(item)) return item.flatMap((inner) => itemLines(inner, depth));
  return [`${indent}-`, ...memberLines(item, depth + 1)];
}

const NUMBERS_IN_HEX: ReadonlySet<string> = new Set([
  'keyReference',
  'unblockingPinReference',
  'maxNumOfAttempsRetryNumLeft',
]);

function hexNumber(value: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(2, '0')}`;
}

function hexText(octets: Uint8Array): string {
  if (octets.length <= LONGEST_HEX) return octets.length === 0 ? '(empty)' : toHex(octets);
  return `${toHex(octets.subarray(0, LONGEST_HEX))}… (${octets.length} octets)`;
}

/** How octets of some members read better than as plain hex. */
const OCTETS: Readonly<Record<string, (octets: Uint8Array) => string>> = {
  fileDescriptor: descriptorText,
  filePath: pathText,
  linkPath: pathText,
  iccid: (octets) => toHex(octets).replace(/F+$/, ''),
  efFileSize: (octets) => `${Number.parseInt(toHex(octets) || '0', 16)} octets`,
  securityAttributesReferenced: (octets) =>
    octets.length === 3
      ? `${toHex(octets.subarray(0, 2))} record ${octets[2] ?? 0}`
      : octets.length === 1
        ? `record ${octets[0] ?? 0}`
        : hexText(octets),
  shortEfid: (octets) => (octets.length === 0 ? 'none' : String((octets[0] ?? 0) >> 3)),
};

function pathText(octets: Uint8Array): string {
  return octets.length === 0 ? 'MF' : (toHex(octets).match(/.{1,4}/g) ?? []).join('/');
}

const STRUCTURES: Readonly<Record<number, string>> = {
  0x01: 'transparent',
  0x02: 'linear fixed',
  0x06: 'cyclic',
  0x38: 'directory',
  0x39: 'BER-TLV',
};

function descriptorText(octets: Uint8Array): string {
  const structure = STRUCTURES[(octets[0] ?? 0) & 0x3f] ?? 'unknown structure';
  const record = octets.length > 2 ? `, records of ${Number.parseInt(toHex(octets.subarray(2)), 16)}` : '';
  return `${toHex(octets)} ${structure}${record}`;
}
