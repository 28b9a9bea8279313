// Everything the card keeps, as one table of cells: identity, keysets, profiles, notifications, settings.
import {
  cborBool,
  cborBytes,
  cborId,
  cborInt,
  cborList,
  cborMap,
  type CborType,
  cborText,
  cborWord,
} from '../codec/cbor-table.ts';
import { CPLC_OCTETS } from '../codec/cplc.ts';
import { parseAid, parseEid, parseIccid } from '../codec/ids.ts';
import { cell, cellFamily } from './state.ts';

type CborOf<T> = T extends CborType<infer V> ? V : never;

const certificate = cborBytes({ max: 8192 });
const keyIdentifier = cborBytes({ min: 1, max: 64 });

const credential = cborMap({
  ciPKId: { key: 1, type: keyIdentifier },
  curve: { key: 2, type: cborWord('P-256', 'brainpoolP256r1') },
  privateKey: { key: 3, type: cborBytes({ length: 32 }) },
  euiccCertificate: { key: 4, type: certificate },
  eumCertificate: { key: 5, type: certificate },
});

const identityRecord = cborMap({
  eid: { key: 1, type: cborId(parseEid) },
  credentials: { key: 2, type: cborList(credential, 16) },
  ciCertificates: { key: 3, type: cborList(certificate, 16) },
  /** Functions that change profiles need a secure channel under the ISD-R's keys. */
  managed: { key: 4, type: cborBool },
  /** EUICCInfo2 (BF22); what changes in it is filled in when it is asked for. */
  euiccInfo2: { key: 5, type: cborBytes({ max: 2048 }) },
  /** Rules authorisation table (value of A0 in BF43). */
  rat: { key: 6, type: cborBytes({ max: 4096 }) },
  rootDsAddress: { key: 7, type: cborText(255) },
  /** Octets of non-volatile memory for profiles and what belongs to them. */
  memory: { key: 8, type: cborInt() },
  /** Card production life cycle data (value of 9F7F). */
  cplc: { key: 9, type: cborBytes({ length: CPLC_OCTETS }), optional: true },
});
export type IdentityRecord = CborOf<typeof identityRecord>;

/** Written once, at manufacture. */
export const identityCell = cell<IdentityRecord | undefined>(
  'identity',
  identityRecord as CborType<IdentityRecord | undefined>,
  undefined,
);

const keyset = cborMap({
  enc: { key: 1, type: cborBytes({ min: 16, max: 32 }) },
  mac: { key: 2, type: cborBytes({ min: 16, max: 32 }) },
  dek: { key: 3, type: cborBytes({ min: 16, max: 32 }) },
  /** Of the next SCP03 session, three octets. */
  sequenceCounter: { key: 4, type: cborInt(0, 0xffffff) },
});
export type Keyset = CborOf<typeof keyset>;

/** Keysets of the ISD-R by key version number. */
export const keysetCells = cellFamily<Keyset | undefined>(
  'keyset/',
  keyset as CborType<Keyset | undefined>,
  undefined,
);

/** Octets of challenges, cryptograms and MACs of SCP03 on this card: 8 in S8 mode, 16 in S16 mode (Amendment D, option "i"). */
export const scp03ModeCell = cell<'S8' | 'S16'>('scp03-mode', cborWord('S8', 'S16'), 'S8');

/** The last SCP80 counter that was accepted under a keyset of the ISD-R, by key version number. A new key begins anew. */
export const scp80CounterCells = cellFamily<number>('scp80/', cborInt(0, 2 ** 40 - 1), 0);

/** The default SM-DP+ address as the card left its factory with it: a memory reset brings it back. */
export const initialDpAddressCell = cell<string>('initial-dp-address', cborText(255), '');

const settings = cborMap({
  defaultDpAddress: { key: 1, type: cborText(255) },
  /** Of the next notification. */
  nextSeqNumber: { key: 2, type: cborInt() },
  /** Of the next profile: names its cells and its ISD-P. */
  nextProfileNumber: { key: 3, type: cborInt() },
  /** Number of the enabled profile, 0 when there is none. */
  enabled: { key: 4, type: cborInt() },
  /** Number of the operational profile that a test profile has displaced, 0 when there is none. */
  displaced: { key: 5, type: cborInt() },
});
export type Settings = CborOf<typeof settings>;

const FIRST_PROFILE_NUMBER = 0x10;

export const settingsCell = cell<Settings>('settings', settings, {
  defaultDpAddress: '',
  nextSeqNumber: 1,
  nextProfileNumber: FIRST_PROFILE_NUMBER,
  enabled: 0,
  displaced: 0,
});

/** A switch of profiles that was accepted and takes place with the refresh: the number of the profile, 0 for none. */
export const pendingSwitchCell = cell<{ readonly to: number } | undefined>(
  'switch',
  cborMap({ to: { key: 1, type: cborInt() } }) as CborType<{ readonly to: number } | undefined>,
  undefined,
);

const profile = cborMap({
  iccid: { key: 1, type: cborId(parseIccid) },
  isdPAid: { key: 2, type: cborId(parseAid) },
  /** StoreMetadata (BF25) as it was loaded, with later updates. */
  metadata: { key: 3, type: cborBytes({ max: 8192 }) },
  nickname: { key: 4, type: cborText(64), optional: true },
  /** dpProprietaryData of ConfigureISDP, value of B8. */
  dpProprietaryData: { key: 5, type: cborBytes({ max: 128 }), optional: true },
  /** Loaded in the field, not at manufacture. */
  fieldLoaded: { key: 6, type: cborBool },
  /** The CI whose chain signs this profile's notifications. */
  ciPKId: { key: 7, type: keyIdentifier },
});
export type ProfileRecord = CborOf<typeof profile>;

const PROFILE = 'profile/';
const INFO = 'info/';
/** Profiles by number. */
export const profileCells = cellFamily<ProfileRecord | undefined>(
  INFO,
  profile as CborType<ProfileRecord | undefined>,
  undefined,
);
/** What the names of all other cells of a profile begin with. */
export function profilePrefix(number: number): string {
  return `${PROFILE}${number}/`;
}

/** Keysets of the ISD-P of a profile by key version number. */
export function isdPKeysetCells(number: number): ReturnType<typeof cellFamily<Keyset | undefined>> {
  return cellFamily<Keyset | undefined>(
    `${profilePrefix(number)}isd-p/`,
    keyset as CborType<Keyset | undefined>,
    undefined,
  );
}

const MAX_PACKAGE = 0x40_0000;
/** The unprotected profile package of a profile. */
export function packageCell(number: number): ReturnType<typeof cell<Uint8Array | undefined>> {
  return cell<Uint8Array | undefined>(
    `${profilePrefix(number)}package`,
    cborBytes({ max: MAX_PACKAGE }) as CborType<Uint8Array | undefined>,
    undefined,
  );
}

/** Pending notifications, whole (BF37 or 30), by sequence number. */
export const notificationCells = cellFamily<Uint8Array | undefined>(
  'notification/',
  cborBytes({ max: 16_384 }) as CborType<Uint8Array | undefined>,
  undefined,
);

const otKey = cborMap({
  smdpOid: { key: 1, type: cborText(64) },
  curve: { key: 2, type: cborWord('P-256', 'brainpoolP256r1') },
  privateKey: { key: 3, type: cborBytes({ length: 32 }) },
  publicKey: { key: 4, type: cborBytes({ length: 65 }) },
});
export type OtKeyRecord = CborOf<typeof otKey>;

/** One-time keys of downloads that did not end, the oldest first. */
export const otKeysCell = cell<readonly OtKeyRecord[]>('otkeys', cborList(otKey, 16), []);

/** Transactions that installed a profile without a server, the oldest first. */
export const usedTransactionsCell = cell<readonly Uint8Array[]>(
  'transactions',
  cborList(cborBytes({ min: 1, max: 16 }), 16),
  [],
);

const securityModule = cborMap({
  curve: { key: 1, type: cborWord('P-256', 'brainpoolP256r1') },
  privateKey: { key: 2, type: cborBytes({ length: 32 }) },
  publicKey: { key: 3, type: cborBytes({ length: 65 }) },
  /** Absent while the pair waits for it. */
  certificate: { key: 4, type: certificate, optional: true },
  /** Object identifier of the SM-DP that the module is for; empty where it is for all. */
  registeredId: { key: 5, type: cborText(64) },
});
export type SecurityModuleRecord = CborOf<typeof securityModule>;

/** Whether one security module serves all SM-DPs, or each has its own; written once. */
export const securityModeCell = cell<'single' | 'per MNO'>(
  'securityMode',
  cborWord('single', 'per MNO'),
  'single',
);

/** The key agreement pairs of the ECASD, SK.ECASD.ECKA, each with its certificate. */
export const securityModulesCell = cell<readonly SecurityModuleRecord[]>(
  'modules',
  cborList(securityModule, 64),
  [],
);

const certificateProfile = cborMap({
  cardOs: { key: 1, type: cborText(64) },
  platform: { key: 2, type: cborText(64) },
  hardware: { key: 3, type: cborText(64) },
  pin: {
    key: 4,
    type: cborMap({
      value: { key: 1, type: cborBytes({ length: 8 }) },
      tries: { key: 2, type: cborInt(1, 15) },
    }),
    optional: true,
  },
});
export type CertificateProfileRecord = CborOf<typeof certificateProfile>;

/** What the manufacturer states of the card, and the PIN that gates it; written once. */
export const certificateProfileCell = cell<CertificateProfileRecord | undefined>(
  'certificateProfile',
  certificateProfile as CborType<CertificateProfileRecord | undefined>,
  undefined,
);

/** Tries left of that PIN, once any was spent. */
export const certificateProfileTriesCell = cell<number | undefined>(
  'certificateProfile/tries',
  cborInt(0, 15) as CborType<number | undefined>,
  undefined,
);

/** Certificate revocation lists by the key identifier of their issuer, in hex; the parts of one with their number behind a dot. */
export const crlCells = cellFamily<Uint8Array | undefined>(
  'crl/',
  cborBytes({ max: 65_536 }) as CborType<Uint8Array | undefined>,
  undefined,
);
