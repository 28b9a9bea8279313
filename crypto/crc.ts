// The cyclic redundancy checks of ISO/IEC 13239, as redundancy checks of secured packets (ETSI TS 102 225 5.1.3.2).
import { uintBytes } from '../base/bytes.ts';

/** X^16 + X^12 + X^5 + 1, 2 octets. */
export function crc16(data: Uint8Array): Uint8Array {
  return uintBytes(reflected(data, 0x8408, 0xffff), 2);
}

/** The 32-bit polynomial of ISO/IEC 13239, 4 octets. */
export function crc32(data: Uint8Array): Uint8Array {
  return uintBytes(reflected(data, 0xedb88320, 0xffffffff), 4);
}

/** Least significant bit first, starting from ones and ending in the complement. */
function reflected(data: Uint8Array, polynomial: number, ones: number): number {
  let rest = ones;
  for (const octet of data) {
    rest ^= octet;
    for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 0 ? rest >>> 1 : (rest >>> 1) ^ polynomial;
  }
  return (rest ^ ones) >>> 0;
}
