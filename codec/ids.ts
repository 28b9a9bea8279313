// Identifiers as people read them, each a type of its own made only by its parser; packed digits exist only here.
import { concat, toHex, fromHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

type Brand<T, Name extends string> = T & { readonly __brand: Name };

/** eUICC identifier, 32 digits with valid check digits (GSMA SGP.29). The seed calls it eICCid. */
export type Eid = Brand<string, 'Eid'>;
/** Profile identifier, 18 to 20 digits (ITU-T E.118). */
export type Iccid = Brand<string, 'Iccid'>;
/** Subscriber identity, 6 to 15 digits (3GPP TS 23.003). */
export type Imsi = Brand<string, 'Imsi'>;
/** Device identity, 15 digits with Luhn digit (3GPP TS 23.003). */
export type Imei = Brand<string, 'Imei'>;
/** Application identifier, 5 to 16 octets as upper-case hex (ISO/IEC 7816-4). */
export type Aid = Brand<string, 'Aid'>;

/** Application of the ISD-R (SGP.02 Annex H, SGP.22 Annex G). */
/** Under which an ISD-R was seen besides: 5ber, eSIM.me and XeSIM cards (lpac#157, EasyLPAC#36). */
export const VENDOR_ISD_R_AIDS = [
  'A0000005591010FFFFFFFF8900050500' as Aid,
  'A0000005591010000000008900000300' as Aid,
  'A0000005591010FFFFFFFF8900000177' as Aid,
] as const;
export const AID_ISD_R = 'A0000005591010FFFFFFFF8900000100' as Aid;
/** Application of the ECASD. */
export const AID_ECASD = 'A0000005591010FFFFFFFF8900000200' as Aid;
/** What the AIDs of all ISD-Ps begin with; two octets of number and 00 follow. */
export const AID_ISD_P_PREFIX = 'A0000005591010FFFFFFFF8900';
/** 3GPP USIM, without the country and provider part (ETSI TS 101 220). */
export const AID_USIM = 'A0000000871002' as Aid;

function bad(kind: string, text: string, why: string): AgentError {
  return new AgentError('ID_INVALID', { kind, value: text.slice(0, 40), why });
}

export function parseEid(text: string): Eid {
  if (!/^\d{32}$/.test(text)) throw bad('EID', text, 'not 32 digits');
  if (mod97(text) !== 1) throw bad('EID', text, 'wrong check digits');
  return text as Eid;
}

/** Appends the two check digits to the first 30 digits of an EID (SGP.29: the whole modulo 97 is 1). */
export function completeEid(first30: string): Eid {
  if (!/^\d{30}$/.test(first30)) throw bad('EID', first30, 'not 30 digits');
  return parseEid(first30 + String(98 - mod97(`${first30}00`)).padStart(2, '0'));
}

function mod97(digits: string): number {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97;
  return rest;
}

export function parseIccid(text: string): Iccid {
  if (!/^\d{18,20}$/.test(text)) throw bad('ICCID', text, 'not 18 to 20 digits');
  return text as Iccid;
}

export function parseImsi(text: string): Imsi {
  if (!/^\d{6,15}$/.test(text)) throw bad('IMSI', text, 'not 6 to 15 digits');
  return text as Imsi;
}

export function parseImei(text: string): Imei {
  if (!/^\d{15}$/.test(text)) throw bad('IMEI', text, 'not 15 digits');
  if (luhnDigit(text.slice(0, 14)) !== text[14]) throw bad('IMEI', text, 'wrong check digit');
  return text as Imei;
}

export function completeImei(first14: string): Imei {
  return parseImei(first14 + luhnDigit(first14));
}

/** The Luhn check digit of a run of digits (ISO/IEC 7812-1). */
export function luhnDigit(digits: string): string {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const doubled = Number(digits[digits.length - 1 - i]) * (i % 2 === 0 ? 2 : 1);
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return String((10 - (sum % 10)) % 10);
}

export function parseAid(text: string): Aid {
  if (!/^(?:[0-9a-fA-F]{2}){5,16}$/.test(text)) throw bad('AID', text, 'not 5 to 16 octets of hex');
  return text.toUpperCase() as Aid;
}

export function encodeAid(aid: Aid): Uint8Array {
  return fromHex(aid);
}

export function decodeAid(bytes: Uint8Array): Aid {
  return parseAid(toHex(bytes));
}

/** EID as 16 octets, digits in reading order (the form of tag 5A in BF3E and of the BSP's SharedInfo). */
export function encodeEid(eid: Eid): Uint8Array {
  return fromHex(eid);
}

/** Takes 16 octets of digits. Cards whose check digits are wrong exist, so only the digits are checked here. */
export function decodeEid(bytes: Uint8Array): Eid {
  const text = toHex(bytes);
  if (!/^\d{32}$/.test(text)) throw bad('EID', text, 'not 32 digits');
  return text as Eid;
}

/** ICCID as 10 octets, nibble-swapped, padded F: EF.ICCID and tag 5A of profile information. */
export function encodeIccid(iccid: Iccid): Uint8Array {
  return swapNibbles(fromHex(iccid.padEnd(20, 'F')));
}

export function decodeIccid(bytes: Uint8Array): Iccid {
  if (bytes.length !== 10) throw bad('ICCID', toHex(bytes), 'not 10 octets');
  return parseIccid(toHex(swapNibbles(bytes)).replace(/F+$/, ''));
}

/** ICCID as 10 octets in reading order, padded F: the header of a profile package. */
export function encodeIccidPlain(iccid: Iccid): Uint8Array {
  return fromHex(iccid.padEnd(20, 'F'));
}

export function decodeIccidPlain(bytes: Uint8Array): Iccid {
  if (bytes.length !== 10) throw bad('ICCID', toHex(bytes), 'not 10 octets');
  return parseIccid(toHex(bytes).replace(/F+$/, ''));
}

/** EF.IMSI: length octet, parity nibble, digits, nibble-swapped (3GPP TS 31.102, 4.2.2); 9 octets. */
export function encodeImsi(imsi: Imsi): Uint8Array {
  const odd = imsi.length % 2 === 1;
  const digits = `${odd ? '9' : '1'}${imsi}${odd ? '' : 'F'}`;
  const packed = swapNibbles(fromHex(digits));
  const file = new Uint8Array(9).fill(0xff);
  file[0] = packed.length;
  file.set(packed, 1);
  return file;
}

export function decodeImsi(bytes: Uint8Array): Imsi {
  const length = bytes[0] ?? 0;
  if (length < 1 || length > 8 || bytes.length < 1 + length) throw bad('IMSI', toHex(bytes), 'wrong length');
  const digits = toHex(swapNibbles(bytes.subarray(1, 1 + length)));
  return parseImsi(digits.slice(1).replace(/F$/, ''));
}

/**
 * IMEI in the device information of ES10b (SGP.22 4.2, DeviceInfo): 8 octets, nibble-swapped but for the last one, which
 * holds the check digit in its high and the filler F in its low nibble.
 */
export function encodeImei(imei: Imei): Uint8Array {
  const bytes = swapNibbles(fromHex(`${imei}F`));
  bytes.set(fromHex(`${imei.slice(14)}F`), 7);
  return bytes;
}

/** Also takes the last octet swapped like the others, as devices that pass their own TBCD on send it. */
export function decodeImei(bytes: Uint8Array): Imei {
  if (bytes.length !== 8) throw bad('IMEI', toHex(bytes), 'not 8 octets');
  return parseImei(toHex(swapNibbles(bytes.subarray(0, 7))) + toHex(bytes.subarray(7)).replace('F', ''));
}

/** The type allocation code: the IMEI's first eight digits as 4 octets, nibble-swapped. */
export function encodeTac(imei: Imei): Uint8Array {
  return swapNibbles(fromHex(imei.slice(0, 8)));
}

/** AID of the n-th ISD-P (SGP.02 Annex H: numbers from 0x10 to 0xFFFF). */
export function isdPAid(number: number): Aid {
  if (!Number.isInteger(number) || number < 0x10 || number > 0xffff)
    throw bad('AID', String(number), 'no ISD-P number');
  const hex = number.toString(16).toUpperCase().padStart(4, '0');
  return parseAid(concatHex(AID_ISD_P_PREFIX, hex, '00'));
}

function concatHex(...parts: readonly string[]): string {
  return toHex(concat(...parts.map(fromHex)));
}

export function swapNibbles(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (byte) => ((byte << 4) & 0xf0) | (byte >> 4));
}

/** MCC and MNC (5 or 6 digits) as 3 octets, as in location areas and PLMN lists (3GPP TS 24.008, 10.5.1.3). */
export function encodePlmn(mccMnc: string): Uint8Array {
  if (!/^\d{5,6}$/.test(mccMnc)) throw bad('PLMN', mccMnc, 'not 5 or 6 digits');
  const [a, b, c, d, e, f = 'F'] = mccMnc;
  return fromHex(`${b}${a}${f}${c}${e}${d}`);
}
