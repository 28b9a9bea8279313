// Data objects about the card itself. No secret is among them: each of its security domains answers them to GET DATA, and the card OS where
// no application is selected (GlobalPlatform Card Specification 11.3, H.2).
import { concat, fromHex, uintBytes } from '../../base/bytes.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { TAG_CPLC } from '../../codec/cplc.ts';
import { SCP03_OPTION, type Scp03Size } from '../../crypto/scp03.ts';
import type { Eid } from '../../codec/ids.ts';
import type { Profiles } from '../profiles.ts';
import type { IdentityRecord } from '../records.ts';

export const INS_GET_DATA = 0xca;

/** Data objects of GET DATA by P1-P2. */
export const DATA_OBJECT = {
  issuer: 0x0042,
  cardImage: 0x0045,
  eid: 0x005a,
  cardData: 0x0066,
  sequenceCounter: 0x00c1,
  keyInformation: 0x00e0,
  /** Certificate of a security domain (GlobalPlatform Amendment E 4.10). */
  certificate: 0x7f21,
  /** All of them (GlobalPlatform Amendment F 6.1). */
  certificateStore: 0xbf21,
  /** What the controlling authority's security domain tells, through another one (Amendment A 3.3). */
  forwarded: 0xbf30,
  cplc: TAG_CPLC,
  resources: 0xff21,
} as const;

/** The digits of an EID that name its issuer, as those of a telecommunication card (ISO/IEC 7812-1; SGP.29). */
const ISSUER_DIGITS = 8;

/** Provider identification number and image number, as the security domains of the card itself have them. */
export function domainNumbers(eid: Eid): { readonly sin: Uint8Array; readonly sdin: Uint8Array } {
  return { sin: fromHex(eid.slice(0, ISSUER_DIGITS)), sdin: fromHex(eid.slice(ISSUER_DIGITS)) };
}

/** The whole object, undefined for one that does not tell about the card, or that this card was not given. */
export function cardObject(
  { cplc, eid }: Pick<IdentityRecord, 'cplc' | 'eid'>,
  scp03: Scp03Size,
  object: number,
): Uint8Array | undefined {
  switch (object) {
    case DATA_OBJECT.issuer:
      return encodeTlv(0x42, domainNumbers(eid).sin);
    case DATA_OBJECT.cardImage:
      return encodeTlv(0x45, domainNumbers(eid).sdin);
    case DATA_OBJECT.cardData:
      return cardData(scp03);
    case DATA_OBJECT.cplc:
      return cplc === undefined ? undefined : encodeTlv(TAG_CPLC, cplc);
    default:
      return undefined;
  }
}

const VOLATILE_MEMORY = 8192;

/** Extended card resources: applications, and octets of memory left (ETSI TS 102 226, 8.2.1.7.2). */
export function cardResources(card: { readonly profiles: Profiles; freeMemory(): number }): Uint8Array {
  return concat(
    encodeTlv(0x81, uintBytes(Math.min(card.profiles.list().length, 0xff), 1)),
    encodeTlv(0x82, uintBytes(card.freeMemory(), 4)),
    encodeTlv(0x83, uintBytes(VOLATILE_MEMORY, 4)),
  );
}

/** Card recognition data (GlobalPlatform H.2): version 2.3, SCP03 with the options that every session here has. */
function cardData(size: Scp03Size): Uint8Array {
  const oid = (hex: string): Uint8Array => encodeTlv(0x06, concat(fromHex('2A864886FC6B'), fromHex(hex)));
  const { pseudoRandom, rEncryption, rMac, s16 } = SCP03_OPTION;
  const option = pseudoRandom | rMac | rEncryption | (size === 16 ? s16 : 0);
  return encodeTlv(
    0x66,
    encodeTlv(
      0x73,
      oid('01'),
      encodeTlv(0x60, oid('020203')),
      encodeTlv(0x63, oid('03')),
      encodeTlv(0x64, oid(`0403${option.toString(16).padStart(2, '0')}`)),
    ),
  );
}
