// Makes a card file from an issuer's folder: the chain of the folder's eUICC, or one issued now for an EID of its EUM.
import { stat, unlink } from 'node:fs/promises';
import { EMPTY, fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type Cplc, cplcDate, decodeCplc } from '../codec/cplc.ts';
import { completeEid, type Eid, parseEid } from '../codec/ids.ts';
import { pastedText } from '../codec/pasted.ts';
import { acquireProcessLock } from '../config/process-lock.ts';
import { isWithinEumRange } from '../crypto/chain.ts';
import type { CurveName, Ec } from '../crypto/ec.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { manufactureEuicc, type Personalisation } from '../euicc/manufacture.ts';
import { openCardStore } from '../euicc/store.ts';
import { issueEuiccCertificate } from '../operator/issuer/pki.ts';
import { failed, readBytes, reading, writeNewFile } from './files.ts';
import { type InitialProfile, readInitialProfiles } from './initial-profiles.ts';
import { type Chain, type Found, type IssuerFiles, readIssuerFiles } from './issuer-files.ts';
import { newStaticKeys } from './static-keys.ts';
import { certificateProfilePin } from './pin-file.ts';
import { type KeyOptions, makeStoreKey } from './store-key.ts';

export type CreateOptions = KeyOptions & {
  readonly card: string;
  readonly issuer: string;
  /** 32 digits, or the first 30 of them. */
  readonly eid?: string;
  /** Number of the card at its EUM, for an EID of the EUM's prefix. */
  readonly serial?: number;
  readonly profiles: readonly string[];
  /** The first of the profiles is enabled. */
  readonly enable: boolean;
  /** File with the ISD-R's keys: the card is managed under them. Made where it is missing. */
  readonly isdRKeyFile?: string;
  /** Of the card's security domains; S8 unless given. */
  readonly scp03Mode?: 'S8' | 'S16';
  /** Object identifiers of SM-DPs: each gets a security module of its own, and others none. One serves all unless given. */
  readonly securityModulesFor?: readonly string[];
  /** File with the PIN that gates the certificate profile. Made where it is missing; without it everybody may read. */
  readonly certificateProfilePinFile?: string;
  readonly defaultDpAddress?: string;
  readonly rootDsAddress?: string;
  readonly memory?: number;
  /** Production data, 42 octets in hex. */
  readonly cplc?: string;
};

/** What was made, without any secret. */
export type CreatedCard = {
  readonly card: string;
  readonly eid: Eid;
  readonly curves: readonly CurveName[];
  /** Whether the eUICC's certificates were issued now, not found. */
  readonly issued: boolean;
  readonly trustedCis: number;
  readonly profiles: readonly string[];
  /** Files with secrets that were made. */
  readonly made: readonly string[];
  readonly ignored: IssuerFiles['ignored'];
};

type Context = { readonly ec: Ec; readonly random: Random; readonly at: number };

/** Makes a card. Throws `FILE_EXISTS`, `CARD_UNMADE` where the folder does not yield the card that is wanted, and what names a wrong file. */
export async function createCard(context: Context, options: CreateOptions): Promise<CreatedCard> {
  // Two that make one card at a time would each write a whole one.
  const lock = await acquireProcessLock(options.card, 'euicc-card create');
  try {
    return await createLocked(context, options);
  } finally {
    await lock.release();
  }
}

async function createLocked(context: Context, options: CreateOptions): Promise<CreatedCard> {
  const { ec, random } = context;
  const { card } = options;
  if (await exists(card)) throw new AgentError('FILE_EXISTS', { file: card });
  const files = await readIssuerFiles(ec, options.issuer);
  const { eid, credentials, issued } = identityFrom(context, files, options);
  const profiles = await readInitialProfiles(options.profiles);
  const keys = options.isdRKeyFile === undefined ? undefined : await isdRKeysOf(random, options.isdRKeyFile);
  const pin =
    options.certificateProfilePinFile === undefined
      ? undefined
      : await certificateProfilePin(random, options.certificateProfilePinFile);
  const { key, made } = await makeStoreKey(card, { ...options, random });
  const [first, ...further] = credentials;
  if (first === undefined)
    throw new AgentError('CARD_UNMADE', { folder: options.issuer, why: 'it holds no eUICC' });
  const personalisation: Personalisation = {
    ...first,
    furtherCredentials: further,
    eid,
    ciCertificates: files.cis.map(({ certificate }) => certificate.raw),
    securityModules: newStaticKeys(context, files, eid, credentials, options.securityModulesFor),
    securityMode: options.securityModulesFor === undefined ? 'single' : 'per MNO',
    certificateProfile: pin === undefined ? {} : { pin: pin.pin },
    managed: keys !== undefined,
    ...(keys === undefined ? {} : { isdRKeys: keys.keys }),
    ...(options.scp03Mode === undefined ? {} : { scp03Mode: options.scp03Mode }),
    ...(options.defaultDpAddress === undefined ? {} : { defaultDpAddress: options.defaultDpAddress }),
    ...(options.rootDsAddress === undefined ? {} : { rootDsAddress: options.rootDsAddress }),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
    cplc: productionData(context.at, options.cplc),
    profiles: profiles.map((profile, i) => ({ ...profile, enabled: options.enable && i === 0 })),
  };
  const secrets = [made, keys?.made, pin?.made].filter((file) => file !== undefined);
  try {
    await write(context, card, key, personalisation);
  } catch (error) {
    // Secrets of a card that there is none of would only be mistaken for another's.
    for (const file of secrets) await unlink(file).catch(() => {});
    throw error;
  }
  return {
    card,
    eid,
    curves: credentials.map(({ euiccCertificate }) => parseCertificate(euiccCertificate).curve),
    issued,
    trustedCis: files.cis.length,
    profiles: profiles.map(({ metadata }: InitialProfile) => metadata.iccid),
    made: secrets,
    ignored: files.ignored,
  };
}

/** As given, or the day of today. */
function productionData(at: number, given: string | undefined): Partial<Cplc> {
  if (given !== undefined) return decodeCplc(fromHex(given));
  return { icFabricationDate: cplcDate(at), icPersonalizationDate: cplcDate(at) };
}

async function write(
  { ec, random }: Context,
  path: string,
  key: Secret<Uint8Array>,
  personalisation: Personalisation,
): Promise<void> {
  const store = await openCardStore({ path, key, random }).catch((cause: unknown) => {
    throw failed(path, cause);
  });
  try {
    await manufactureEuicc({ store, ec, personalisation });
  } catch (cause) {
    throw failed(path, cause);
  } finally {
    await store.close();
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw failed(file, error);
    },
  );
}

type Credential = Pick<Personalisation, 'euiccCertificate' | 'eumCertificate' | 'euiccPrivateKey' | 'ciPKId'>;

type IdentityOf = {
  readonly eid: Eid;
  readonly credentials: readonly Credential[];
  readonly issued: boolean;
};

function identityFrom(
  context: Context,
  files: IssuerFiles,
  { issuer, eid: given, serial }: Pick<CreateOptions, 'issuer' | 'eid' | 'serial'>,
): IdentityOf {
  if (files.cis.length === 0)
    throw new AgentError('CARD_UNMADE', { folder: issuer, why: 'it holds no CI certificate' });
  if (given !== undefined && serial !== undefined) {
    throw new AgentError('CARD_UNMADE', { why: 'an EID and a serial number are given' });
  }
  const wanted = given === undefined ? undefined : wantedEid(given);
  const found = serial === undefined ? foundIdentity(files.chains, wanted, issuer) : undefined;
  if (found !== undefined) return found;
  const signers = files.eums.flatMap((eum) => (eum.key === undefined ? [] : [{ ...eum, key: eum.key }]));
  const [firstSigner] = signers;
  if (firstSigner === undefined) {
    const what = wanted === undefined ? 'an eUICC with its private key' : `an eUICC with the EID ${wanted}`;
    throw new AgentError('CARD_UNMADE', {
      folder: issuer,
      why: `it holds neither ${what} nor an EUM with its private key`,
    });
  }
  const eid = wanted ?? serialEid(firstSigner, serial ?? 1);
  const credentials = signers.flatMap((eum): Credential[] => {
    const pair = context.ec.generate(eum.certificate.curve);
    const name = eum.certificate.subject;
    const der = issueEuiccCertificate(
      context,
      { name, ...eum.key, certificate: eum.certificate.raw, eidPrefix: eidPrefixOf(eum) },
      { eid, publicKey: pair.publicKey, notAfter: eum.certificate.notAfter },
    );
    if (!isWithinEumRange(parseCertificate(der), eum.certificate)) return [];
    return [
      {
        euiccCertificate: der,
        eumCertificate: eum.certificate.raw,
        euiccPrivateKey: pair.privateKey,
        ...ciPKIdOf(eum.ci),
      },
    ];
  });
  if (credentials.length === 0) {
    const permitted = signers.map(eidPrefixOf).join(', ');
    throw new AgentError('CARD_UNMADE', {
      eid,
      why: `no EUM of the folder may issue it; they may ${permitted}`,
    });
  }
  return { eid, credentials, issued: true };
}

function wantedEid(text: string): Eid {
  return text.length === 30 ? completeEid(text) : parseEid(text);
}

/** The eUICC whose key is in the folder: all of its chains, below whichever CIs. */
function foundIdentity(
  chains: readonly Chain[],
  wanted: Eid | undefined,
  issuer: string,
): IdentityOf | undefined {
  const held = chains.flatMap(({ ci, eum, euicc }) => {
    try {
      const eid = parseEid(euicc.certificate.subject.serialNumber ?? '');
      return [{ eid, ci, eum, euicc }];
    } catch (error) {
      if (!isAgentError(error)) throw error;
      return [];
    }
  });
  const eids = new Set(held.map(({ eid }) => eid));
  const eid = wanted ?? (eids.size === 1 ? held[0]?.eid : undefined);
  if (eid === undefined) {
    if (eids.size === 0) return undefined;
    throw new AgentError('CARD_UNMADE', {
      folder: issuer,
      why: `it has eUICCs ${[...eids].join(', ')}: give one by its EID`,
    });
  }
  const mine = held.filter((each) => each.eid === eid);
  if (mine.length === 0) return undefined;
  const credentials = mine.map(({ ci, eum, euicc }) => ({
    euiccCertificate: euicc.certificate.raw,
    eumCertificate: eum.certificate.raw,
    euiccPrivateKey: euicc.key.privateKey,
    ...ciPKIdOf(ci),
  }));
  return { eid, credentials, issued: false };
}

function ciPKIdOf({ certificate }: Found): { readonly ciPKId: Uint8Array } {
  return { ciPKId: certificate.subjectKeyIdentifier ?? EMPTY };
}

function eidPrefixOf({ certificate }: Found): string {
  return (
    certificate.permittedNames
      .map(({ serialNumber }) => serialNumber)
      .find((digits) => digits !== undefined) ?? ''
  );
}

const EID_DIGITS_BEFORE_CHECK = 30;

function serialEid(eum: Found, serial: number): Eid {
  const prefix = eidPrefixOf(eum);
  const digits = String(serial);
  if (
    !Number.isSafeInteger(serial) ||
    serial < 0 ||
    prefix.length + digits.length > EID_DIGITS_BEFORE_CHECK
  ) {
    throw new AgentError('NUMBER_RANGE', { serial, prefix });
  }
  return completeEid(prefix + digits.padStart(EID_DIGITS_BEFORE_CHECK - prefix.length, '0'));
}

type IsdRKeys = NonNullable<Personalisation['isdRKeys']>;

const NEW_KVN = 0x30;
const KEY_NAMES = ['enc', 'mac', 'dek'] as const;

/** The keys in a file `{"kvn": 48, "enc": "…", "mac": "…", "dek": "…"}`; made with AES-128 keys where there is none. */
async function isdRKeysOf(
  random: Random,
  file: string,
): Promise<{ readonly keys: IsdRKeys; readonly made?: string }> {
  if (await exists(file)) {
    const text = pastedText(await readBytes(file));
    return { keys: reading(file, () => parseIsdRKeys(text ?? '')) };
  }
  const [enc, mac, dek] = [random.bytes(16), random.bytes(16), random.bytes(16)];
  const text = JSON.stringify({ kvn: NEW_KVN, enc: toHex(enc), mac: toHex(mac), dek: toHex(dek) });
  await writeNewFile(file, new Secret(utf8Bytes(`${text}\n`)));
  return {
    keys: { kvn: NEW_KVN, enc: new Secret(enc), mac: new Secret(mac), dek: new Secret(dek) },
    made: file,
  };
}

function isKeyVersion(kvn: number): boolean {
  return (kvn >= 0x01 && kvn <= 0x0f) || (kvn >= 0x30 && kvn <= 0x3f);
}

function parseIsdRKeys(text: string): IsdRKeys {
  const wrong = (why: string): AgentError => new AgentError('KEY_INVALID', { why });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('not JSON');
  }
  const held =
    typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  const { kvn } = held;
  if (typeof kvn !== 'number' || !Number.isInteger(kvn) || !isKeyVersion(kvn)) {
    throw wrong('kvn: expected 48 to 63 (SCP03), or 1 to 15 (SCP80)');
  }
  const [enc, mac, dek] = KEY_NAMES.map((name) => {
    const hex = held[name];
    const octets = typeof hex === 'string' && /^(?:[0-9A-Fa-f]{2})+$/.test(hex) ? fromHex(hex) : EMPTY;
    if (![16, 24, 32].includes(octets.length)) throw wrong(`${name}: expected 16, 24 or 32 octets in hex`);
    return new Secret(octets);
  });
  if (enc === undefined || mac === undefined || dek === undefined) throw wrong('incomplete');
  return { kvn, enc, mac, dek };
}
