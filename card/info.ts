// What a card is and holds, asked of the card itself as any terminal would; holds no secret.
import { toHex } from '../base/bytes.ts';
import type { CardSlot } from '../codec/card.ts';
import { type Cplc, decodeCplc } from '../codec/cplc.ts';
import type { Eid } from '../codec/ids.ts';
import {
  GetRatRequest,
  GetRatResponse,
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
} from '../codec/rsp/configuration.ts';
import {
  EuiccInfo2,
  GetEuiccDataRequest,
  GetEuiccDataResponse,
  GetEuiccInfo2Request,
} from '../codec/rsp/euicc-info.ts';
import { ListNotificationRequest, ListNotificationResponse } from '../codec/rsp/notifications.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import { GetEimConfigurationDataRequest, GetEimConfigurationDataResponse } from '../codec/rsp/sgp32-eim.ts';
import { type Certificate, parseCertificate } from '../crypto/x509.ts';
import {
  certificateProfileCell,
  certificateProfileTriesCell,
  identityCell,
  keysetCells,
  scp03ModeCell,
  securityModeCell,
  securityModulesCell,
} from '../euicc/records.ts';
import { wholeModules } from '../euicc/security-modules.ts';
import { createState, need, type State } from '../euicc/state.ts';
import { type CardStore, STORE_VERSION } from '../euicc/store.ts';
import { type Es10, openIsdR } from './terminal.ts';

/** Values as JSON: octets in hex. */
type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain };

type CertificateInfo = {
  readonly role: 'CI' | 'EUM' | 'eUICC' | 'ECASD';
  readonly subject: string;
  readonly issuer: string;
  readonly curve: string;
  readonly serialNumber: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly subjectKeyIdentifier: string;
};

export type CardInfo = {
  readonly store: { readonly version: number; readonly octets: number };
  readonly atr: string;
  readonly eid: Eid;
  /** Absent on a card of before there were any. */
  readonly cplc?: Cplc;
  /** Changes need a secure channel under the ISD-R's keys. */
  readonly managed: boolean;
  /** Of all its security domains. */
  readonly scp03Mode: 'S8' | 'S16';
  readonly keysets: readonly {
    readonly kvn: number;
    readonly keyOctets: number;
    readonly sequenceCounter: number;
  }[];
  readonly certificates: readonly CertificateInfo[];
  /** Key agreement pairs of the ECASD: one for all SM-DPs, or one for each. */
  readonly securityModules: Plain;
  /** Absent where the card has none. */
  readonly certificateProfile?: Plain;
  readonly addresses: Plain;
  readonly euiccInfo2: Plain;
  readonly rulesAuthorisationTable: Plain;
  readonly profiles: Plain;
  readonly notifications: Plain;
  /** Absent where the card has no SGP.32. */
  readonly eims?: Plain;
};

/** Reads everything. The card is reset. Throws `CARD_STATUS` where it refuses what every card answers. */
export async function readCardInfo(slot: CardSlot, store: CardStore, octets: number): Promise<CardInfo> {
  const atr = toHex(await slot.reset());
  const state = createState(store);
  const { credentials, ciCertificates, managed, cplc } = need(state, identityCell);
  const es10 = await openIsdR(slot);
  const eims = await asked(es10, GetEimConfigurationDataRequest.encode({}), GetEimConfigurationDataResponse);
  return {
    store: { version: STORE_VERSION, octets },
    atr,
    eid: GetEuiccDataResponse.decode(
      (await es10(GetEuiccDataRequest.encode({ tagList: [0x5a] }))) ?? new Uint8Array(0),
    ).eidValue,
    ...(cplc === undefined ? {} : { cplc: decodeCplc(cplc) }),
    managed,
    scp03Mode: state.read(scp03ModeCell),
    keysets: state.ids(keysetCells.prefix).flatMap((id) => {
      const keyset = state.read(keysetCells(id));
      if (keyset === undefined) return [];
      return [{ kvn: Number(id), keyOctets: keyset.enc.length, sequenceCounter: keyset.sequenceCounter }];
    }),
    certificates: [
      ...ciCertificates.map((der) => certificateInfo('CI', der)),
      ...credentials.flatMap(({ eumCertificate, euiccCertificate }) => [
        certificateInfo('EUM', eumCertificate),
        certificateInfo('eUICC', euiccCertificate),
      ]),
      ...wholeModules(state).map(({ certificate }) => certificateInfo('ECASD', certificate)),
    ],
    securityModules: {
      mode: state.read(securityModeCell),
      modules: state.read(securityModulesCell).map(({ certificate, curve, registeredId }) => ({
        for: registeredId === '' ? 'all SM-DPs' : registeredId,
        curve,
        state: certificate === undefined ? 'waits for its certificate' : 'installed',
      })),
    },
    ...certificateProfileInfo(state),
    addresses:
      (await asked(es10, EuiccConfiguredAddressesRequest.encode({}), EuiccConfiguredAddressesResponse)) ??
      null,
    euiccInfo2: (await asked(es10, GetEuiccInfo2Request.encode({}), EuiccInfo2)) ?? null,
    rulesAuthorisationTable: (await asked(es10, GetRatRequest.encode({}), GetRatResponse)) ?? null,
    profiles: alternative(await asked(es10, ProfileInfoListRequest.encode({}), ProfileInfoListResponse)),
    notifications: alternative(
      await asked(es10, ListNotificationRequest.encode({}), ListNotificationResponse),
    ),
    ...(eims === undefined ? {} : { eims }),
  };
}

function certificateProfileInfo(state: State): Pick<CardInfo, 'certificateProfile'> {
  const profile = state.read(certificateProfileCell);
  if (profile === undefined) return {};
  const { pin, ...common } = profile;
  const left = state.read(certificateProfileTriesCell) ?? pin?.tries;
  return {
    certificateProfile: { ...common, pin: pin === undefined ? 'none' : `${left} of ${pin.tries} tries left` },
  };
}

async function asked(
  es10: Es10,
  request: Uint8Array,
  response: { decode(bytes: Uint8Array): unknown },
): Promise<Plain | undefined> {
  const answer = await es10(request);
  return answer === undefined ? undefined : plain(response.decode(answer));
}

/** The value of a choice. */
function alternative(choice: Plain | undefined): Plain {
  if (choice === undefined) return null;
  return typeof choice === 'object' && choice !== null && 'value' in choice
    ? (choice['value'] ?? null)
    : choice;
}

function plain(value: unknown): Plain {
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
  }
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string' ? value : null;
}

function certificateInfo(role: CertificateInfo['role'], der: Uint8Array): CertificateInfo {
  const certificate = parseCertificate(der);
  return {
    role,
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    curve: certificate.curve,
    serialNumber: certificate.serialNumber,
    notBefore: new Date(certificate.notBefore).toISOString(),
    notAfter: new Date(certificate.notAfter).toISOString(),
    subjectKeyIdentifier: toHex(certificate.subjectKeyIdentifier ?? new Uint8Array(0)),
  };
}

function nameText(name: Certificate['subject']): string {
  return Object.entries(name)
    .map(([attribute, value]) => `${attribute}=${value}`)
    .join(', ');
}

/** The same for people: a line for each thing, indented. */
export function cardInfoText(info: CardInfo): string {
  return textLines(info, '').join('\n');
}

function textLines(value: Plain, indent: string): string[] {
  if (typeof value !== 'object' || value === null) return [`${indent}${scalarText(value)}`];
  const entries: readonly (readonly [string, Plain])[] = Array.isArray(value)
    ? value.map((each: Plain, i): readonly [string, Plain] => [`${i + 1}`, each])
    : Object.entries(value);
  if (entries.length === 0) return [`${indent}none`];
  return entries.flatMap(([name, each]) => {
    if (isShort(each)) return [`${indent}${name}: ${shortText(each)}`];
    return [`${indent}${name}:`, ...textLines(each, `${indent}  `)];
  });
}

/** What stands on the line of its name: plain values, and lists of them. */
function isShort(value: Plain): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Array.isArray(value) && value.every((each) => typeof each !== 'object');
}

function shortText(value: Plain): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(scalarText).join(', ');
  return scalarText(value);
}

function scalarText(value: Plain): string {
  const text =
    value === null || value === ''
      ? 'none'
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value);
  return text.replaceAll(
    /\p{Cc}/gu,
    (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
}
