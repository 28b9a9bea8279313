// Strict conversions between bytes, hex and text. Nothing here guesses: what is not hex is an error.
import { AgentError } from './errors.ts';

export const EMPTY: Uint8Array = new Uint8Array(0);

/** The value of each hex digit by its character code, either case; 255 for every other character. */
const HEX_VALUES = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 0xff : value;
});

/** Parses hex digits (an even number, either case, nothing else) into octets. Throws `HEX_INVALID`. */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1);
  let seen = 0;
  for (let i = 0; i < text.length; i++) {
    const value = HEX_VALUES[text.charCodeAt(i)] ?? 0xff;
    if (value === 0xff) throw new AgentError('HEX_INVALID', { at: i });
    seen = (seen << 4) | value;
    if ((i & 1) === 1) bytes[i >> 1] = seen & 0xff;
  }
  if ((text.length & 1) === 1) throw new AgentError('HEX_INVALID', { odd: text.length });
  return bytes;
}

/** Writes octets as upper-case hex without spaces. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX_OCTETS[byte];
  return text;
}

const HEX_OCTETS = Array.from({ length: 256 }, (_, n) => n.toString(16).toUpperCase().padStart(2, '0'));

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return concatAll(parts);
}

/** The same for a list without a bound, which would not fit onto the stack as arguments. */
export function concatAll(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Compares without leaving early, so that the time taken says nothing about where two secrets differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Writes `value` (a non-negative safe integer) as `length` octets, big endian. Throws `NUMBER_RANGE`. */
export function uintBytes(value: number, length: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0 || (length < 7 && value >= 256 ** length)) {
    throw new AgentError('NUMBER_RANGE', { value, octets: length });
  }
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** Reads octets as a big-endian unsigned integer. Throws `NUMBER_RANGE` above 2^53-1. */
export function bytesUint(bytes: Uint8Array): number {
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw new AgentError('NUMBER_RANGE', { octets: bytes.length });
  return value;
}

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8Encoder = new TextEncoder();

/** Encodes text as UTF-8. Throws `TEXT_INVALID` for half of a surrogate pair, which UTF-8 cannot hold. */
export function utf8Bytes(text: string): Uint8Array {
  const at = text.search(/\p{Surrogate}/u);
  if (at >= 0) throw new AgentError('TEXT_INVALID', { at });
  return utf8Encoder.encode(text);
}

/** Decodes UTF-8. Throws `TEXT_INVALID` where the octets are not UTF-8. */
export function bytesUtf8(bytes: Uint8Array): string {
  try {
    return utf8Decoder.decode(bytes);
  } catch (cause) {
    throw new AgentError('TEXT_INVALID', { octets: bytes.length }, { cause });
  }
}
