// Makes a card: everything an EUM puts on it before it leaves the factory (SGP.22 2.4; seed 51 to 54).
import { EMPTY, fromHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { type Cplc, encodeCplc } from '../codec/cplc.ts';
import type { Eid } from '../codec/ids.ts';
import { RulesAuthorisationTable } from '../codec/rsp/configuration.ts';
import { EuiccInfo2 } from '../codec/rsp/euicc-info.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import type { Ec } from '../crypto/ec.ts';
import { type Certificate, parseCertificate } from '../crypto/x509.ts';
import { certificateProfileRecord, type PersonalisedCertificateProfile } from './certificate-profile.ts';
import { createNotifications } from './notifications.ts';
import { loadProfilePackage } from './profile-loader.ts';
import { createProfiles, type ProfileMetadata } from './profiles.ts';
import {
  certificateProfileCell,
  identityCell,
  initialDpAddressCell,
  type IdentityRecord,
  keysetCells,
  scp03ModeCell,
  securityModeCell,
  securityModulesCell,
  settingsCell,
} from './records.ts';
import { moduleRecord, type PersonalisedModule, type SecurityMode } from './security-modules.ts';
import { createState } from './state.ts';
import type { CardStore } from './store.ts';

/** One chain of the eUICC: its key and certificates below one CI. */
type PersonalisedCredential = {
  readonly euiccCertificate: Uint8Array;
  readonly eumCertificate: Uint8Array;
  /** 32 octets, of the key in the certificate. */
  readonly euiccPrivateKey: Secret<Uint8Array>;
  /** Key identifier of the CI by which servers ask for this chain; the one that the EUM certificate names unless given. */
  readonly ciPKId?: Uint8Array;
};

type PersonalisedProfile = {
  /** Unprotected profile package. */
  readonly upp: Uint8Array;
  readonly metadata: ProfileMetadata;
  readonly enabled: boolean;
};

type EuiccInfo2Fields = Partial<TypeOf<typeof EuiccInfo2>>;

export type Personalisation = PersonalisedCredential & {
  readonly eid: Eid;
  /** Further chains, below other CIs. */
  readonly furtherCredentials?: readonly PersonalisedCredential[];
  /** CI certificates whose servers the card believes. */
  readonly ciCertificates: readonly Uint8Array[];
  /** Keyset of the ISD-R; 16, 24 or 32 octets each. `sequenceCounter` is that of the first session, 0 unless given. */
  readonly isdRKeys?: {
    readonly kvn: number;
    readonly enc: Secret<Uint8Array>;
    readonly mac: Secret<Uint8Array>;
    readonly dek: Secret<Uint8Array>;
    readonly sequenceCounter?: number;
  };
  /** Common information and certificates as one object, behind a PIN where one is given; none unless given. */
  readonly certificateProfile?: PersonalisedCertificateProfile;
  /** Whether one security module serves all SM-DPs, or each has its own; `single` unless given. */
  readonly securityMode?: SecurityMode;
  /** Static key agreement pairs of the ECASD; none unless given. */
  readonly securityModules?: readonly PersonalisedModule[];
  /** SCP03 of all security domains of the card: challenges, cryptograms and MACs of 8 octets (S8, unless given) or of 16 (S16). */
  readonly scp03Mode?: 'S8' | 'S16';
  /** Functions that change profiles need a secure channel under these keys. */
  readonly managed: boolean;
  /** Members of EUICCInfo2 that differ from this card's own. */
  readonly info?: EuiccInfo2Fields;
  /** Rules authorisation table; PPR1 and PPR2 are allowed to every operator unless given. */
  readonly rat?: TypeOf<typeof RulesAuthorisationTable>;
  readonly defaultDpAddress?: string;
  readonly rootDsAddress?: string;
  /** Octets of non-volatile memory, 1 MiB unless given. */
  readonly memory?: number;
  /** Production data that differ from this card's own: zeros, with the serial number out of the EID. */
  readonly cplc?: Partial<Cplc>;
  readonly profiles: readonly PersonalisedProfile[];
};

const DEFAULT_MEMORY = 1024 * 1024;
const DEFAULT_DS_ADDRESS = 'lpa.ds.gsma.com';
/** Any MCC and MNC (SGP.22 2.9.2.3). */
const ANY_OPERATOR = fromHex('EEEEEE');

/** Writes a new card into an empty store. Throws `CONFLICT` where the store holds one, and for contradictions in what is given. */
export async function manufactureEuicc(options: {
  readonly store: CardStore;
  readonly personalisation: Personalisation;
  /** For the public keys of the certificates. */
  readonly ec: Ec;
}): Promise<void> {
  const { store, personalisation: given, ec } = options;
  if (store.names().length > 0) throw new AgentError('CONFLICT', { what: 'the store holds a card' });
  if (given.profiles.filter(({ enabled }) => enabled).length > 1) {
    throw new AgentError('CONFLICT', { what: 'more than one profile is enabled' });
  }
  const trustedCis = given.ciCertificates.map(parseCertificate);
  const credentials = [given, ...(given.furtherCredentials ?? [])].map((credential) =>
    credentialOf(ec, credential),
  );
  const state = createState(store);
  state.write(identityCell, {
    eid: given.eid,
    credentials,
    ciCertificates: given.ciCertificates,
    managed: given.managed,
    euiccInfo2: EuiccInfo2.encode({
      ...DEFAULT_INFO,
      euiccCiPKIdListForVerification: trustedCis.map(keyIdentifierOf),
      euiccCiPKIdListForSigning: credentials.map(({ ciPKId }) => ciPKId),
      ...given.info,
    }),
    rat: RulesAuthorisationTable.encode(given.rat ?? DEFAULT_RAT),
    rootDsAddress: given.rootDsAddress ?? DEFAULT_DS_ADDRESS,
    memory: given.memory ?? DEFAULT_MEMORY,
    cplc: encodeCplc({ ...serialNumberOf(given.eid), ...given.cplc }),
  });
  if (given.certificateProfile !== undefined) {
    state.write(certificateProfileCell, certificateProfileRecord(given.certificateProfile));
  }
  if (given.securityMode !== undefined) state.write(securityModeCell, given.securityMode);
  if (given.securityModules !== undefined) {
    const mode = given.securityMode ?? 'single';
    const modules = given.securityModules.map((made) => moduleRecord(ec, given.eid, mode, made));
    state.write(securityModulesCell, modules);
  }
  if (given.isdRKeys !== undefined) {
    const { kvn, enc, mac, dek, sequenceCounter = 0 } = given.isdRKeys;
    state.write(keysetCells(kvn), {
      enc: enc.reveal(),
      mac: mac.reveal(),
      dek: dek.reveal(),
      sequenceCounter,
    });
  }
  if (given.scp03Mode !== undefined) state.write(scp03ModeCell, given.scp03Mode);
  if (given.defaultDpAddress !== undefined) {
    const { defaultDpAddress } = given;
    state.write(initialDpAddressCell, defaultDpAddress);
    state.write(settingsCell, { ...state.read(settingsCell), defaultDpAddress });
  }
  const identity = { eid: given.eid, credentials: [], trustedCis };
  const profiles = createProfiles(state, createNotifications({ state, ec, identity }));
  for (const { upp, metadata, enabled } of given.profiles) {
    const outcome = loadProfilePackage(upp, { memory: given.memory ?? DEFAULT_MEMORY });
    if (!outcome.ok) throw new AgentError('SAIP_INVALID', { why: outcome.failed.why });
    if (outcome.profile.iccid !== metadata.iccid) {
      throw new AgentError('CONFLICT', { what: 'the ICCIDs of package and metadata differ' });
    }
    const ciPKId = credentials[0]?.ciPKId ?? EMPTY;
    const profile = profiles.add({ metadata, package: upp, ciPKId, fieldLoaded: false });
    // Without credentials the list of notifications stays empty: nothing happened to these profiles yet.
    if (enabled) profiles.switchTo(profile);
  }
  await state.commit();
}

/** The last digits of the EID before its check digits, of which the four in front of the serial number stand for a batch. */
function serialNumberOf(eid: Eid): Partial<Cplc> {
  return { icBatchIdentifier: eid.slice(18, 22), icSerialNumber: eid.slice(22, 30) };
}

function keyIdentifierOf(certificate: Certificate): Uint8Array {
  const { subjectKeyIdentifier } = certificate;
  if (subjectKeyIdentifier === undefined) {
    throw new AgentError('CERTIFICATE_INVALID', { why: 'no subject key identifier' });
  }
  return subjectKeyIdentifier;
}

function credentialOf(
  ec: Ec,
  { euiccCertificate, eumCertificate, euiccPrivateKey, ...named }: PersonalisedCredential,
): IdentityRecord['credentials'][number] {
  const euicc = parseCertificate(euiccCertificate);
  const eum = parseCertificate(eumCertificate);
  const ciPKId = named.ciPKId ?? eum.authorityKeyIdentifier;
  if (ciPKId === undefined) {
    throw new AgentError('CERTIFICATE_INVALID', { why: 'the EUM certificate names no CI key' });
  }
  const publicKey = ec.publicKeyOf(euicc.curve, euiccPrivateKey);
  if (publicKey.some((octet, i) => octet !== euicc.publicKey[i])) {
    throw new AgentError('KEY_INVALID', { why: 'the private key is not the one of the eUICC certificate' });
  }
  return {
    ciPKId,
    curve: euicc.curve,
    privateKey: euiccPrivateKey.reveal(),
    euiccCertificate,
    eumCertificate,
  };
}

const DEFAULT_RAT: TypeOf<typeof RulesAuthorisationTable> = [
  { pprIds: ['ppr1', 'ppr2'], allowedOperators: [{ mccMnc: ANY_OPERATOR }], pprFlags: [] },
];

const DEFAULT_INFO: TypeOf<typeof EuiccInfo2> = {
  profileVersion: '2.3.1',
  svn: '2.2.2',
  euiccFirmwareVer: '1.0.0',
  extCardResource: EMPTY,
  uiccCapability: [
    'usimSupport',
    'isimSupport',
    'csimSupport',
    'akaMilenage',
    'akaTuak128',
    'akaTuak256',
    'multipleUsimSupport',
    'multipleIsimSupport',
    'berTlvFileSupport',
    'dfLinkSupport',
    'getIdentity',
    'profileA_x25519',
    'profileB_p256',
  ],
  ts102241Version: '9.0.0',
  globalplatformVersion: '2.3.0',
  rspCapability: ['additionalProfile', 'crlSupport', 'testProfileSupport'],
  euiccCiPKIdListForVerification: [],
  euiccCiPKIdListForSigning: [],
  euiccCategory: 'mediumEuicc',
  forbiddenProfilePolicyRules: [],
  ppVersion: '1.0.0',
  sasAcreditationNumber: 'XX-YY-UP-0000',
  ipaMode: 'ipad',
  iotSpecificInfo: { iotVersion: ['1.2.0'], ecallSupported: true, fallbackSupported: true },
};
