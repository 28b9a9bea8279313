// The DER pieces of X.509 that the TLV tables do not have: times, names, integers of any size and bit strings.
import { bytesUtf8, concat, utf8Bytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { encodeTlv, readTlvs, type Tlv } from '../codec/ber-tlv.ts';
import { ATTRIBUTE_OID } from '../codec/oids.ts';
import { oid } from '../codec/tlv-table.ts';

export const DER = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

/** The attributes of a distinguished name that the RSP certificates use. */
export type Name = {
  readonly country?: string;
  readonly organization?: string;
  readonly organizationalUnit?: string;
  readonly serialNumber?: string;
  readonly commonName?: string;
};

/** Attribute types (X.520) in the order in which they are written, with the string type each takes. */
const ATTRIBUTES = [
  ['country', ATTRIBUTE_OID.country, DER.printableString],
  ['organization', ATTRIBUTE_OID.organization, DER.utf8String],
  ['organizationalUnit', ATTRIBUTE_OID.organizationalUnit, DER.utf8String],
  ['serialNumber', ATTRIBUTE_OID.serialNumber, DER.printableString],
  ['commonName', ATTRIBUTE_OID.commonName, DER.utf8String],
] as const;

export function encodeName(name: Name): Uint8Array {
  const sets: Uint8Array[] = [];
  for (const [key, type, tag] of ATTRIBUTES) {
    const value = name[key];
    if (value === undefined) continue;
    const pair = encodeTlv(
      DER.sequence,
      encodeTlv(DER.oid, oid.encode(type)),
      encodeTlv(tag, utf8Bytes(value)),
    );
    sets.push(encodeTlv(DER.set, pair));
  }
  return encodeTlv(DER.sequence, ...sets);
}

/** Reads the value of a Name; attributes of other types are passed over. */
export function decodeName(value: Uint8Array): Name {
  const name: Record<string, string> = {};
  for (const set of readTlvs(value)) {
    for (const pair of readTlvs(set.value)) {
      const [type, text] = readTlvs(pair.value);
      if (type === undefined || text === undefined || type.tag !== DER.oid)
        throw malformed('a name attribute');
      const row = ATTRIBUTES.find(([, known]) => known === oid.decode(type.value));
      if (row !== undefined) name[row[0]] = bytesUtf8(text.value);
    }
  }
  return name;
}

/** UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5). `time` is Unix milliseconds. */
export function encodeTime(time: number): Uint8Array {
  const text = new Date(time).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return Number(text.slice(0, 4)) < 2050
    ? encodeTlv(DER.utcTime, utf8Bytes(`${text.slice(2)}Z`))
    : encodeTlv(DER.generalizedTime, utf8Bytes(`${text}Z`));
}

/** Unix milliseconds. */
export function decodeTime(tlv: Tlv): number {
  const text = bytesUtf8(tlv.value);
  const short = tlv.tag === DER.utcTime;
  if (!(short ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text) || (!short && tlv.tag !== DER.generalizedTime)) {
    throw malformed('a time');
  }
  const full = short ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text;
  const [year, month, day, hour, minute, second] = [
    full.slice(0, 4),
    ...(full.slice(4, 14).match(/\d\d/g) ?? []),
  ].map(Number) as [number, number, number, number, number, number];
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  // A 31st of February would quietly become a day in March.
  const valid =
    !Number.isNaN(time) && new Date(time).toISOString().replace(/[-:T]/g, '').startsWith(full.slice(0, 14));
  if (!valid) throw malformed('a time');
  return time;
}

/** An INTEGER from unsigned octets of any length, in its shortest form. */
export function encodeUnsigned(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const digits = bytes.subarray(at);
  return encodeTlv(
    DER.integer,
    (digits[0] ?? 0) >= 0x80 || digits.length === 0 ? concat(Uint8Array.of(0), digits) : digits,
  );
}

/** A BIT STRING of whole octets. */
export function encodeBits(bytes: Uint8Array): Uint8Array {
  return encodeTlv(DER.bitString, Uint8Array.of(0), bytes);
}

/** The octets of a BIT STRING without unused bits. */
export function decodeBits(tlv: Tlv): Uint8Array {
  if (tlv.tag !== DER.bitString || tlv.value[0] !== 0) throw malformed('a bit string');
  return tlv.value.subarray(1);
}

export function malformed(what: string, cause?: unknown): AgentError {
  return new AgentError('CERTIFICATE_INVALID', { what }, { cause });
}
