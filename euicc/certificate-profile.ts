// The certificate profile as an applet (seed 33 to 35, 54): SELECT, VERIFY, GET DATA and INTERNAL AUTHENTICATE (ISO/IEC 7816-4, 11.4, 11.5).
import { equalBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { type CommandApdu, SW } from '../codec/apdu.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import {
  AID_CERTIFICATE_PROFILE,
  CERTIFICATE_PROFILE_PIN,
  CERTIFICATE_PROFILE_VERSION,
  CertificateProfile,
  CertificateProfileInfo,
  CertificateProfileProof,
  CertificateProfileSigned,
  encodeCertificateProfilePin,
  TAG_CERTIFICATE_PROFILE,
} from '../codec/certificate-profile.ts';
import { encodeAid, encodeEid } from '../codec/ids.ts';
import type { Ec } from '../crypto/ec.ts';
import { sha256 } from '../crypto/hash.ts';
import { INS_GET_DATA } from './domain/card-data.ts';
import type { Applet } from './os/card.ts';
import { ok, refuse, type Reply, status } from './os/reply.ts';
import {
  type CertificateProfileRecord,
  certificateProfileCell,
  certificateProfileTriesCell,
  type IdentityRecord,
} from './records.ts';
import type { EuiccIdentity } from './rsp/identity.ts';
import { wholeModules } from './security-modules.ts';
import type { State } from './state.ts';

/** What the manufacturer states of a card, and the PIN that gates reading it. */
export type PersonalisedCertificateProfile = {
  /** Names and versions of card OS, platform and chip; this card's own unless given. */
  readonly cardOs?: string;
  readonly platform?: string;
  readonly hardware?: string;
  /** Four to eight digits; everybody may read unless given. */
  readonly pin?: Secret<string>;
  /** Tries of the PIN, 1 to 15; 3 unless given. */
  readonly pinTries?: number;
};

const COMMON_INFORMATION = {
  cardOs: 'euicc-agent card OS 1.0.0',
  platform: 'GlobalPlatform 2.3, SAIP 2.3.1, no Java Card',
  hardware: 'virtual chip',
} as const;
const DEFAULT_TRIES = 3;
const MAX_TRIES = 15;
const PIN_OCTETS = 8;
const CHALLENGE_OCTETS = 16;
const TAG_EID = 0x5a;

const INS_VERIFY = 0x20;
const INS_INTERNAL_AUTHENTICATE = 0x88;
/** PIN CHANGE/UNBLOCK as the ISD-R takes it under its keys (EMV Book 3, 6.5.10). */
export const INS_PIN_UNBLOCK = 0x24;
const SW_TRIES = 0x63c0;

/** What is kept. Throws `ID_INVALID` for a PIN that is none, `NUMBER_RANGE`. */
export function certificateProfileRecord(given: PersonalisedCertificateProfile): CertificateProfileRecord {
  const { pin, pinTries = DEFAULT_TRIES, ...named } = given;
  if (!Number.isInteger(pinTries) || pinTries < 1 || pinTries > MAX_TRIES) {
    throw new AgentError('NUMBER_RANGE', { what: 'tries of a PIN', value: pinTries });
  }
  const common = { ...COMMON_INFORMATION, ...named };
  if (pin === undefined) return common;
  return { ...common, pin: { value: encodeCertificateProfilePin(pin.reveal()), tries: pinTries } };
}

/** Undefined where the card was made without one. */
export function createCertificateProfile(card: {
  readonly state: State;
  readonly record: IdentityRecord;
  readonly identity: EuiccIdentity;
  readonly ec: Ec;
}): Applet | undefined {
  const { state, record, identity, ec } = card;
  const held = state.read(certificateProfileCell);
  if (held === undefined) return undefined;
  const aid = encodeAid(AID_CERTIFICATE_PROFILE);
  const { pin } = held;
  /** Channels on which the PIN was verified since the SELECT. */
  const verified = new Set<number>();

  const profile = (): Uint8Array =>
    CertificateProfile.encode({
      profileVersion: CERTIFICATE_PROFILE_VERSION,
      eidValue: record.eid,
      commonInformation: { cardOs: held.cardOs, platform: held.platform, hardware: held.hardware },
      euiccInfo2: record.euiccInfo2,
      chain: record.credentials.map(({ eumCertificate, euiccCertificate }) => ({
        eumCertificate,
        euiccCertificate,
      })),
      ecasdCertificate: wholeModules(state).map(({ certificate }) => certificate),
    });

  const triesLeft = (left: number): Reply => status(left === 0 ? SW.authenticationBlocked : SW_TRIES | left);

  const verify = async (channel: number, { data, p1, p2 }: CommandApdu): Promise<Reply> => {
    if (p1 !== 0) return status(SW.incorrectP1P2);
    if (p2 !== CERTIFICATE_PROFILE_PIN || pin === undefined) return status(SW.referencedDataNotFound);
    const left = state.read(certificateProfileTriesCell) ?? pin.tries;
    if (data.length === 0) return verified.has(channel) ? ok() : triesLeft(left);
    if (data.length !== PIN_OCTETS) return status(SW.wrongLength);
    verified.delete(channel);
    if (left === 0) return status(SW.authenticationBlocked);
    // The try is spent before the comparison: losing power in between gives none away.
    state.write(certificateProfileTriesCell, left - 1);
    await state.commit();
    if (!equalBytes(data, pin.value)) return status(SW_TRIES | (left - 1));
    state.write(certificateProfileTriesCell, pin.tries);
    return ok(undefined, () => verified.add(channel));
  };

  /** P2 is the number of the chain from 1: modems keep P2 00 for themselves, where it means GSM's algorithm (3GPP TS 27.007, 8.17). */
  const prove = ({ data, p1, p2 }: CommandApdu): Reply => {
    if (p1 !== 0) return status(SW.incorrectP1P2);
    const credential = identity.credentials[p2 - 1];
    if (credential === undefined) return status(SW.referencedDataNotFound);
    if (data.length !== CHALLENGE_OCTETS) return status(SW.wrongLength);
    const certificateProfileSigned = CertificateProfileSigned.encode({
      profileHash: sha256(profile()),
      challenge: data,
    });
    const euiccSignature = ec.sign(credential.curve, credential.privateKey, certificateProfileSigned);
    return ok(CertificateProfileProof.encode({ certificateProfileSigned, euiccSignature }));
  };

  const readData = (isOpen: boolean, { data, p1, p2 }: CommandApdu): Reply => {
    if (data.length > 0) return status(SW.wrongLength);
    switch (p1 * 256 + p2) {
      case TAG_EID:
        return ok(encodeTlv(TAG_EID, encodeEid(record.eid)));
      case TAG_CERTIFICATE_PROFILE:
        return isOpen ? ok(profile()) : status(SW.securityStatus);
      default:
        return status(SW.referencedDataNotFound);
    }
  };

  return {
    aid,
    select(channel) {
      verified.delete(channel);
      const info = { profileVersion: CERTIFICATE_PROFILE_VERSION, pinRequired: pin !== undefined };
      return encodeTlv(0x6f, encodeTlv(0x84, aid), encodeTlv(0xa5, CertificateProfileInfo.encode(info)));
    },
    deselect: (channel) => void verified.delete(channel),
    process(channel, command) {
      const isOpen = pin === undefined || verified.has(channel);
      const isInterindustry = (command.cla & 0x80) === 0;
      switch (command.ins) {
        case INS_VERIFY:
          return isInterindustry ? verify(channel, command) : status(SW.claNotSupported);
        case INS_INTERNAL_AUTHENTICATE:
          if (!isInterindustry) return status(SW.claNotSupported);
          return isOpen ? prove(command) : status(SW.securityStatus);
        case INS_GET_DATA:
          return readData(isOpen, command);
        default:
          return status(SW.insNotSupported);
      }
    },
  };
}

/** PIN CHANGE/UNBLOCK under the ISD-R's keys: the PIN stays, its tries are back. */
export function unblockCertificateProfile(state: State, { data, p1, p2 }: CommandApdu): Reply {
  if (p1 !== 0 || p2 !== CERTIFICATE_PROFILE_PIN) return refuse(SW.incorrectP1P2);
  if (data.length > 0) return refuse(SW.wrongLength);
  const pin = state.read(certificateProfileCell)?.pin ?? refuse(SW.referencedDataNotFound);
  state.write(certificateProfileTriesCell, pin.tries);
  return ok();
}
