// Short messages as cards see them: SMS-DELIVER and SMS-SUBMIT (3GPP TS 23.040 9.2), and SMS-PP download (ETSI TS 102 223, 3GPP TS 31.111 7.1).
import { concat, EMPTY, fromHex, toHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { encodeTlv, findTlv, readOnly, readTlvs } from './ber-tlv.ts';
import { swapNibbles } from './ids.ts';
import { joinUserData, splitUserData, type UserData } from './sms-user-data.ts';

/**
 * An address: `type` is the octet of type-of-number and numbering plan (0x91 international), `digits` its semi-octets in
 * reading order as 0-9 and A-F. An alphanumeric address keeps its packed octets as such semi-octets.
 */
export type SmsAddress = { readonly type: number; readonly digits: string };

/** TP-PID and TP-DCS of a message for the card itself: (U)SIM data download, class 2, 8 bit. */
export const PID_SIM_DATA_DOWNLOAD = 0x7f;
export const DCS_CLASS2_8BIT = 0xf6;

export type SmsDeliver = {
  readonly originator: SmsAddress;
  readonly pid: number;
  readonly dcs: number;
  /** TP-SCTS, 7 octets. */
  readonly timestamp: Uint8Array;
  readonly userData: UserData;
  /** No more messages are waiting (TP-MMS as it is sent). */
  readonly noMoreMessages: boolean;
  readonly statusReport: boolean;
  readonly replyPath: boolean;
};

export type SmsSubmit = {
  readonly reference: number;
  readonly destination: SmsAddress;
  readonly pid: number;
  readonly dcs: number;
  /** TP-VP: 0 octets for none, 1 relative, 7 absolute or enhanced. */
  readonly validity: Uint8Array;
  /** The format where `validity` has 7 octets. */
  readonly validityFormat: 'none' | 'relative' | 'absolute' | 'enhanced';
  readonly userData: UserData;
  readonly rejectDuplicates: boolean;
  readonly statusReport: boolean;
  readonly replyPath: boolean;
};

const VALIDITY_FORMATS = ['none', 'enhanced', 'relative', 'absolute'] as const;
const VALIDITY_OCTETS = { none: 0, relative: 1, absolute: 7, enhanced: 7 } as const;

const MAX_USER_DATA = 140;

function malformed(why: string): AgentError {
  return new AgentError('SMS_INVALID', { why });
}

/** Reads octets one field after another; past the end is an error. */
function reader(bytes: Uint8Array) {
  let at = 0;
  const take = (length: number, what: string): Uint8Array => {
    if (at + length > bytes.length) throw malformed(`${what} is cut off`);
    at += length;
    return bytes.slice(at - length, at);
  };
  return {
    take,
    octet: (what: string): number => take(1, what)[0] ?? 0,
    rest: (): Uint8Array => bytes.slice(at),
  };
}

type Reader = ReturnType<typeof reader>;

function readAddress(from: Reader): SmsAddress {
  const count = from.octet('address length');
  if (count > 20) throw malformed(`an address of ${count} digits`);
  const type = from.octet('address type');
  const digits = toHex(swapNibbles(from.take(Math.ceil(count / 2), 'address'))).slice(0, count);
  return { type, digits };
}

/** Length in semi-octets, type and digits, as TP-OA and TP-DA have it. */
export function encodeSmsAddress({ type, digits }: SmsAddress): Uint8Array {
  if (!/^[0-9A-F]{0,20}$/.test(digits)) throw malformed('the digits of an address');
  const padded = digits.length % 2 === 0 ? digits : `${digits}F`;
  return concat(Uint8Array.of(digits.length, type), swapNibbles(fromHex(padded)));
}

/** Reads an address with its length in semi-octets. Throws `SMS_INVALID`. */
export function decodeSmsAddress(bytes: Uint8Array): SmsAddress {
  const from = reader(bytes);
  const address = readAddress(from);
  if (from.rest().length > 0) throw malformed('octets follow the address');
  return address;
}

/** Octets of user data for a length that counts septets in the default alphabet (TS 23.040 9.2.3.16, TS 23.038 4). */
function userDataOctets(length: number, dcs: number): number {
  return isSevenBit(dcs) ? Math.ceil((length * 7) / 8) : length;
}

function isSevenBit(dcs: number): boolean {
  const group = dcs >> 4;
  if (group === 0x0f) return (dcs & 0x04) === 0;
  if (group < 8) return (dcs & 0x0c) === 0;
  return group === 0x0c || group === 0x0d;
}

function readUserData(from: Reader, dcs: number, hasHeader: boolean): UserData {
  const length = from.octet('user data length');
  const octets = userDataOctets(length, dcs);
  if (octets > MAX_USER_DATA) throw malformed(`${octets} octets of user data`);
  const bytes = from.take(octets, 'user data');
  if (from.rest().length > 0) throw malformed('octets follow the user data');
  return splitUserData(bytes, hasHeader);
}

function userDataField(userData: UserData, dcs: number): Uint8Array {
  const octets = joinUserData(userData);
  if (octets.length > MAX_USER_DATA) throw malformed(`${octets.length} octets of user data`);
  const length = isSevenBit(dcs) ? Math.floor((octets.length * 8) / 7) : octets.length;
  return concat(Uint8Array.of(length), octets);
}

/** Reads an SMS-DELIVER. Throws `SMS_INVALID`. */
export function decodeSmsDeliver(bytes: Uint8Array): SmsDeliver {
  const from = reader(bytes);
  const first = from.octet('first octet');
  if ((first & 0x03) !== 0) throw malformed('no SMS-DELIVER');
  const originator = readAddress(from);
  const pid = from.octet('TP-PID');
  const dcs = from.octet('TP-DCS');
  const timestamp = from.take(7, 'TP-SCTS');
  return {
    originator,
    pid,
    dcs,
    timestamp,
    userData: readUserData(from, dcs, (first & 0x40) !== 0),
    noMoreMessages: (first & 0x04) !== 0,
    statusReport: (first & 0x20) !== 0,
    replyPath: (first & 0x80) !== 0,
  };
}

export function encodeSmsDeliver(message: SmsDeliver): Uint8Array {
  const { originator, pid, dcs, timestamp, userData } = message;
  if (timestamp.length !== 7) throw malformed('a timestamp has 7 octets');
  const first =
    (message.noMoreMessages ? 0x04 : 0) |
    (message.statusReport ? 0x20 : 0) |
    (userData.elements.length > 0 ? 0x40 : 0) |
    (message.replyPath ? 0x80 : 0);
  return concat(
    Uint8Array.of(first),
    encodeSmsAddress(originator),
    Uint8Array.of(pid, dcs),
    timestamp,
    userDataField(userData, dcs),
  );
}

/** Reads an SMS-SUBMIT. Throws `SMS_INVALID`. */
export function decodeSmsSubmit(bytes: Uint8Array): SmsSubmit {
  const from = reader(bytes);
  const first = from.octet('first octet');
  if ((first & 0x03) !== 1) throw malformed('no SMS-SUBMIT');
  const validityFormat = VALIDITY_FORMATS[(first >> 3) & 0x03] ?? 'none';
  const reference = from.octet('TP-MR');
  const destination = readAddress(from);
  const pid = from.octet('TP-PID');
  const dcs = from.octet('TP-DCS');
  const validity = from.take(VALIDITY_OCTETS[validityFormat], 'TP-VP');
  return {
    reference,
    destination,
    pid,
    dcs,
    validity,
    validityFormat,
    userData: readUserData(from, dcs, (first & 0x40) !== 0),
    rejectDuplicates: (first & 0x04) !== 0,
    statusReport: (first & 0x20) !== 0,
    replyPath: (first & 0x80) !== 0,
  };
}

export function encodeSmsSubmit(message: SmsSubmit): Uint8Array {
  const { reference, destination, pid, dcs, validity, validityFormat, userData } = message;
  if (validity.length !== VALIDITY_OCTETS[validityFormat]) throw malformed('a validity of the wrong length');
  const first =
    0x01 |
    (message.rejectDuplicates ? 0x04 : 0) |
    (VALIDITY_FORMATS.indexOf(validityFormat) << 3) |
    (message.statusReport ? 0x20 : 0) |
    (userData.elements.length > 0 ? 0x40 : 0) |
    (message.replyPath ? 0x80 : 0);
  return concat(
    Uint8Array.of(first, reference),
    encodeSmsAddress(destination),
    Uint8Array.of(pid, dcs),
    validity,
    userDataField(userData, dcs),
  );
}

/** What the terminal hands to the card in an ENVELOPE: the message as it came, and the service centre's address. */
export type SmsPpDownload = {
  /** Type octet and swapped digits, without a length; absent where the terminal does not say. */
  readonly serviceCentre?: Uint8Array;
  readonly tpdu: Uint8Array;
};

const DEVICE_IDENTITIES = Uint8Array.of(0x82, 0x02, 0x83, 0x81);

/** The SMS-PP DOWNLOAD template D1 (from network to card). */
export function encodeSmsPpDownload({ serviceCentre, tpdu }: SmsPpDownload): Uint8Array {
  return encodeTlv(
    0xd1,
    DEVICE_IDENTITIES,
    serviceCentre === undefined ? EMPTY : encodeTlv(0x86, serviceCentre),
    encodeTlv(0x8b, tpdu),
  );
}

/** Reads the template; tags with and without the comprehension bit. Throws `TLV_INVALID` or `TLV_MISSING`. */
export function decodeSmsPpDownload(bytes: Uint8Array): SmsPpDownload {
  const members = readTlvs(readOnly(bytes, 0xd1).value);
  const tpdu = findTlv(members, 0x8b) ?? findTlv(members, 0x0b);
  const serviceCentre = findTlv(members, 0x86) ?? findTlv(members, 0x06);
  if (tpdu === undefined) throw new AgentError('TLV_MISSING', { tag: '8B', why: 'no SMS TPDU' });
  return serviceCentre === undefined
    ? { tpdu: tpdu.value }
    : { tpdu: tpdu.value, serviceCentre: serviceCentre.value };
}
