// Types that several RSP functions share (SGP.22 v2 annex H, module RSPDefinitions).
import { concat, uintBytes } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { encodeTag, encodeTlv, readTlvHeader, readTlvs } from '../ber-tlv.ts';
import { type Aid, decodeAid, decodeIccid, encodeAid, encodeIccid, type Iccid } from '../ids.ts';
import { codes, flags, text } from '../tlv-names.ts';
import { type AnyType, listOf, octets, sequence, startsWith, type Type, utf8 } from '../tlv-table.ts';
import { SubjectPublicKeyInfo, X509Certificate, X509CertificateList } from '../x509-table.ts';

/** The tag of every signature in RSP; the value is 64 octets r || s. */
export const TAG_SIGNATURE = 0x5f37;

/** ICCID as in EF.ICCID. */
export const iccidType: Type<Iccid> = { decode: decodeIccid, encode: encodeIccid };

/** AID of an ISD-P. */
export const aidType: Type<Aid> = { decode: decodeAid, encode: encodeAid };

/** TransactionId ::= OCTET STRING (SIZE(1..16)) */
export const transactionId: Type<Uint8Array> = octets({ min: 1, max: 16 });

/** Of 64 octets when sent; others are read, so that the receiver can answer that the signature is invalid. */
export const signature: Type<Uint8Array> = octets({ min: 1, max: 144 });

/** Uncompressed point, 65 octets on both curves; other lengths are left to the receiver's check of the key. */
export const otpk: Type<Uint8Array> = octets({ min: 1, max: 133 });

/** SubjectKeyIdentifier of a CI key: 20 octets, truncated forms are read. */
export const subjectKeyIdentifier: Type<Uint8Array> = octets({ min: 1, max: 64 });

/** One octet as a number. */
export const octet: Type<number> = {
  decode: (bytes) => octets({ length: 1 }).decode(bytes)[0] ?? 0,
  encode: (value) => uintBytes(value, 1),
};

export const octet16: Type<Uint8Array> = octets({ length: 16 });

/** VersionType: three octets, as text `2.2.0`. */
export const version: Type<string> = {
  decode(bytes) {
    if (bytes.length !== 3) throw new AgentError('TLV_VALUE', { why: 'a version has three octets' });
    return bytes.join('.');
  },
  encode(value) {
    const parts = value.split('.').map(Number);
    if (parts.length !== 3 || !parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256)) {
      throw new AgentError('TLV_VALUE', { why: `${value} is no version` });
    }
    return Uint8Array.from(parts);
  },
};

/** A certificate as a row of a table: the whole object with its tag 30, kept as it came. */
export const certificate = {
  tag: 0x30,
  type: octets({ min: 2 }),
  raw: true,
  inside: X509Certificate,
} as const;

/**
 * X.509 under an IMPLICIT tag, which takes the place of the SEQUENCE tag 30. The value has the tag 30 again; an object
 * that came with its own 30 inside is accepted.
 */
function implicit(type: AnyType): Type<Uint8Array> {
  return {
    shape: { kind: 'der', type },
    decode(bytes) {
      const [only, ...more] = readTlvs(bytes);
      // What stands here has several members: a lone SEQUENCE of several is the whole object, not its content.
      const whole = only?.tag === 0x30 && more.length === 0 && readTlvs(only.value).length > 1;
      return whole ? Uint8Array.from(bytes) : encodeTlv(0x30, bytes);
    },
    encode(whole) {
      const head = readTlvHeader(whole);
      if (head.tag !== 0x30 || head.valueAt + head.length !== whole.length) {
        throw new AgentError('TLV_VALUE', { why: 'not one DER SEQUENCE' });
      }
      return whole.subarray(head.valueAt);
    },
  };
}

export const implicitCertificate = implicit(X509Certificate);
export const implicitCertificateList = implicit(X509CertificateList);
export const implicitPublicKey = implicit(SubjectPublicKeyInfo);

/** NotificationEvent: named bits; in a notification exactly one is set. */
export const notificationEvent = flags({
  notificationInstall: 0,
  notificationEnable: 1,
  notificationDisable: 2,
  notificationDelete: 3,
});

export const pprIds = flags({ pprUpdateControl: 0, ppr1: 1, ppr2: 2, ppr3: 3 });

export const profileState = codes({ disabled: 0, enabled: 1 });
export const profileClass = codes({ test: 0, provisioning: 1, operational: 2 });
export const iconType = codes({ jpg: 0, png: 1 });

/** OperatorID: MCC and MNC as in 3GPP TS 24.008, and the group identifiers. */
export const OperatorId = sequence({
  mccMnc: { tag: 0x80, type: octets({ length: 3 }) },
  gid1: { tag: 0x81, type: octets(), optional: true },
  gid2: { tag: 0x82, type: octets(), optional: true },
});

const NotificationConfigurationInformation = sequence({
  profileManagementOperation: { tag: 0x80, type: notificationEvent },
  notificationAddress: { tag: 0x81, type: utf8 },
});

export const notificationConfigurationInfo = listOf(0x30, NotificationConfigurationInformation);

export const profileNickname = text(64);
export const serviceProviderName = text(32);
export const profileName = text(64);
export const icon = octets({ max: 1024 });

/** A list of tags as in data object 5C: the tags of the objects that are asked for, back to back. */
export const tagList: Type<readonly number[]> = {
  decode(bytes) {
    const tags: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      let tag = bytes[at++] ?? 0;
      if ((tag & 0x1f) === 0x1f) {
        let octet: number;
        do {
          octet = bytes[at++] ?? 0x80;
          tag = tag * 256 + octet;
        } while ((octet & 0x80) !== 0 && at < bytes.length && tag <= 0xffff);
        if ((octet & 0x80) !== 0) throw new AgentError('TLV_VALUE', { why: 'tag list is cut off' });
      }
      tags.push(tag);
    }
    return tags;
  },
  encode: (tags) => concat(...tags.map(encodeTag)),
};

/**
 * Members of which the first, `name`, holds what `held` describes in an object of its own; that object may be left out by a
 * sender, its content following at once. Never sent so.
 */
export function alsoBare<T extends object>(members: Type<T>, name: keyof T & string, held: AnyType): Type<T> {
  return {
    ...members,
    decode(bytes) {
      const isBare = bytes.length > 0 && startsWith(held, readTlvHeader(bytes).tag);
      return isBare ? ({ [name]: held.decode(bytes) } as T) : members.decode(bytes);
    },
  };
}

/** `signed` followed by a signature's data object, as several RSP signatures cover them. */
export function withSignature(signed: Uint8Array, signatureOctets: Uint8Array): Uint8Array {
  return concat(signed, encodeTlv(TAG_SIGNATURE, signatureOctets));
}
