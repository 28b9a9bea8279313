// Who may do what with a file: access rules in expanded format, kept in EF.ARR records (ETSI TS 102 221, 9.2; ISO/IEC 7816-4, 5.4.3).
import { isAgentError } from '../../base/errors.ts';
import { bytesUint } from '../../base/bytes.ts';
import { readTlv, type Tlv } from '../../codec/ber-tlv.ts';
import { childByFid, type FilePlace, type FileSystem, type Place } from '../file-system.ts';

export type Operation = 'read' | 'update' | 'increase' | 'deactivate' | 'activate';

/** Bits of the access mode octet for elementary files; INCREASE has an instruction code instead. */
const ACCESS_MODE: Readonly<Record<Operation, number>> = {
  read: 0x01,
  update: 0x02,
  deactivate: 0x08,
  activate: 0x10,
  increase: 0,
};
const INS_INCREASE = 0x32;

const AM_BYTE = 0x80;
const AM_INSTRUCTION = 0x84;
const SC_ALWAYS = 0x90;
const SC_CONTROL_REFERENCE = 0xa4;
const SC_ANY = 0xa0;
const SC_ALL = 0xaf;
const KEY_REFERENCE = 0x83;
const MAX_DEPTH = 4;

/**
 * Whether the rule that guards `file` allows `operation`. `verified` says whether the security condition of a key
 * reference holds. A rule that is missing or cannot be read allows nothing.
 */
export function isAllowed(
  files: FileSystem,
  file: FilePlace,
  operation: Operation,
  verified: (keyReference: number) => boolean,
): boolean {
  const rule = ruleOf(files, file);
  if (rule === undefined) return false;
  let applies = false;
  for (const tlv of rule) {
    if (isAccessMode(tlv.tag)) applies ||= covers(tlv, operation);
    else {
      if (applies) return holds(tlv, verified, 0);
      applies = false;
    }
  }
  return false;
}

/** Tags 80 to 8F describe what is done; all others are conditions. */
function isAccessMode(tag: number): boolean {
  return tag >= 0x80 && tag <= 0x8f;
}

function covers({ tag, value }: Tlv, operation: Operation): boolean {
  if (tag === AM_BYTE) return value.length === 1 && ((value[0] ?? 0) & ACCESS_MODE[operation]) !== 0;
  return tag === AM_INSTRUCTION && operation === 'increase' && value.includes(INS_INCREASE);
}

function holds({ tag, value }: Tlv, verified: (keyReference: number) => boolean, depth: number): boolean {
  if (tag === SC_ALWAYS) return true;
  if (depth > MAX_DEPTH) return false;
  const inner =
    tag === SC_CONTROL_REFERENCE || tag === SC_ANY || tag === SC_ALL ? readRule(value) : undefined;
  if (inner === undefined) return false;
  if (tag === SC_ANY) return inner.some((condition) => holds(condition, verified, depth + 1));
  if (tag === SC_ALL)
    return inner.length > 0 && inner.every((condition) => holds(condition, verified, depth + 1));
  const reference = inner.find((part) => part.tag === KEY_REFERENCE);
  return reference?.value.length === 1 && verified(bytesUint(reference.value));
}

/** The record of the nearest EF.ARR with the file's identifier, looked for in the file's own directory and upwards. */
function ruleOf(files: FileSystem, file: FilePlace): readonly Tlv[] | undefined {
  const { arrFid, record } = file.content.accessRule;
  for (let folder: Place | undefined = file.parent; folder !== undefined; folder = folder.parent) {
    const arr = childByFid(files, folder, arrFid);
    if (arr?.kind !== 'file') continue;
    const length = arr.content.recordLength ?? 0;
    return readRule(files.body(arr).subarray((record - 1) * length, record * length));
  }
  return undefined;
}

/** Data objects up to the padding. */
function readRule(bytes: Uint8Array): readonly Tlv[] | undefined {
  const tlvs: Tlv[] = [];
  try {
    for (let at = 0; at < bytes.length && bytes[at] !== 0xff && bytes[at] !== 0; ) {
      const tlv = readTlv(bytes, at);
      tlvs.push(tlv);
      at += tlv.raw.length;
    }
    return tlvs;
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}
