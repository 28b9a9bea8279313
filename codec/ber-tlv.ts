// BER-TLV (ISO/IEC 8825-1, definite lengths): one reader and one writer for every structure in the project.
import { concat } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

/** A data object. `tag` holds the tag octets as a number (0x5F37, 0xBF2D); `raw` is the whole object. Views, not copies. */
export type Tlv = {
  readonly tag: number;
  readonly value: Uint8Array;
  readonly raw: Uint8Array;
};

export type TlvLimits = { readonly maxLength?: number };

const MAX_LENGTH = 64 * 1024 * 16;

/** Whether the first tag octet says constructed (bit 6). */
export function isConstructed(tag: number): boolean {
  let first = tag;
  while (first > 0xff) first = Math.floor(first / 256);
  return (first & 0x20) !== 0;
}

/** Reads one data object at `offset`. Throws `TLV_INVALID` naming the offset. */
export function readTlv(bytes: Uint8Array, offset = 0, limits: TlvLimits = {}): Tlv {
  const head = readTlvHeader(bytes, offset, limits);
  const end = head.valueAt + head.length;
  if (end > bytes.length) throw invalid(offset, `length ${head.length} runs past the end`);
  return { tag: head.tag, value: bytes.subarray(head.valueAt, end), raw: bytes.subarray(offset, end) };
}

/** Reads only tag and length, for structures that arrive in pieces. `valueAt` is the offset of the value. */
export function readTlvHeader(
  bytes: Uint8Array,
  offset = 0,
  limits: TlvLimits = {},
): { readonly tag: number; readonly length: number; readonly valueAt: number } {
  let at = offset;
  const next = (): number => {
    const byte = bytes[at++];
    if (byte === undefined) throw invalid(offset, 'header is cut off');
    return byte;
  };
  let tag = next();
  if ((tag & 0x1f) === 0x1f) {
    let octet: number;
    do {
      octet = next();
      tag = tag * 256 + octet;
      if (tag > 0xffffff) throw invalid(offset, 'tag has more than three octets');
    } while ((octet & 0x80) !== 0);
  }
  let length = next();
  if (length === 0x80) throw invalid(offset, 'indefinite length');
  if (length > 0x80) {
    const octets = length & 0x7f;
    if (octets > 4) throw invalid(offset, 'length has more than four octets');
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + next();
  }
  if (length > (limits.maxLength ?? MAX_LENGTH)) throw invalid(offset, `length ${length} is over the limit`);
  return { tag, length, valueAt: at };
}

/** Reads data objects back to back until the end. Throws `TLV_INVALID`. */
export function readTlvs(bytes: Uint8Array, limits: TlvLimits = {}): Tlv[] {
  const found: Tlv[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tlv = readTlv(bytes, at, limits);
    found.push(tlv);
    at += tlv.raw.length;
  }
  return found;
}

/** Reads exactly one data object that fills `bytes`, with the given tag. */
export function readOnly(bytes: Uint8Array, tag: number): Tlv {
  const tlv = readTlv(bytes);
  if (tlv.tag !== tag) throw new AgentError('TLV_MISSING', { tag: tagText(tag), found: tagText(tlv.tag) });
  if (tlv.raw.length !== bytes.length) throw invalid(tlv.raw.length, 'octets follow the data object');
  return tlv;
}

/** The first object with `tag`, or undefined. */
export function findTlv(tlvs: readonly Tlv[], tag: number): Tlv | undefined {
  return tlvs.find((tlv) => tlv.tag === tag);
}

/** The first object with `tag`; throws `TLV_MISSING`. */
export function needTlv(tlvs: readonly Tlv[], tag: number): Tlv {
  const tlv = findTlv(tlvs, tag);
  if (tlv === undefined) throw new AgentError('TLV_MISSING', { tag: tagText(tag) });
  return tlv;
}

export function encodeTag(tag: number): Uint8Array {
  if (tag > 0xffff) return Uint8Array.of(tag >>> 16, (tag >>> 8) & 0xff, tag & 0xff);
  if (tag > 0xff) return Uint8Array.of(tag >>> 8, tag & 0xff);
  return Uint8Array.of(tag);
}

/** DER length: the shortest form, up to 16 MiB. Throws `NUMBER_RANGE`. */
export function encodeLength(length: number): Uint8Array {
  if (length > 0xffffff) throw new AgentError('NUMBER_RANGE', { length });
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x100) return Uint8Array.of(0x81, length);
  if (length < 0x10000) return Uint8Array.of(0x82, length >>> 8, length & 0xff);
  return Uint8Array.of(0x83, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff);
}

/** Writes a data object; several parts are joined as its value. */
export function encodeTlv(tag: number, ...value: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of value) length += part.length;
  return concat(encodeTag(tag), encodeLength(length), ...value);
}

export function tagText(tag: number): string {
  return tag.toString(16).toUpperCase().padStart(2, '0');
}

function invalid(offset: number, why: string): AgentError {
  return new AgentError('TLV_INVALID', { offset, why });
}
