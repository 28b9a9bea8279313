// Builds a subscriber's profile package: file system, PINs, Milenage parameters, OTA keys (TCA eUICC Profile Package:
// Interoperable Format 2.3; files after ETSI TS 102 221 and 3GPP TS 31.102).
import { createSeededRandom } from '../../base/random.ts';
import { AgentError } from '../../base/errors.ts';
import { fromHex, utf8Bytes } from '../../base/bytes.ts';
import type { Secret } from '../../base/log.ts';
import { encodeIccidPlain, type Iccid, type Imsi } from '../../codec/ids.ts';
import { encodeProfilePackage, type ProfileElement } from '../../codec/saip/package.ts';
import type { FileManagementSteps } from '../../codec/saip/files.ts';
import { templateOid } from '../../codec/saip/template-rows.ts';
import { AID_USIM_APPLICATION, mfFiles, optionalUsimFiles, sizeOctets, usimFiles } from './profile-files.ts';

/** AES-128 keys of one OTA keyset (ETSI TS 102 225). */
export type OtaKeys = {
  /** Key version 1..15, the key index of SCP80. */
  readonly version: number;
  readonly kic: Secret<Uint8Array>;
  readonly kid: Secret<Uint8Array>;
  readonly kik: Secret<Uint8Array>;
};

export type SubscriberProfile = {
  readonly iccid: Iccid;
  readonly imsi: Imsi;
  /** MCC and MNC of the home network, 5 or 6 digits; the IMSI begins with them. */
  readonly mccMnc: string;
  /** Milenage, 16 octets each. */
  readonly k: Secret<Uint8Array>;
  readonly opc: Secret<Uint8Array>;
  /** 4 to 8 digits. */
  readonly pin1: Secret<string>;
  readonly pin2: Secret<string>;
  /** 8 digits. */
  readonly puk1: Secret<string>;
  readonly puk2: Secret<string>;
  readonly adm1: Secret<string>;
  /** Service provider name, at most 16 characters of ASCII. */
  readonly spn: string;
  /** The package's own name for itself (profileType of the header), 1 to 100 characters. */
  readonly profileName: string;
  /** International number, digits only. */
  readonly msisdn?: string;
  readonly otaKeys: OtaKeys;
  /** Size in octets that the package is filled up to, by EFs in a directory of the operator's own. */
  readonly targetBytes?: number;
};

const DEFAULT_TARGET_BYTES = 12_000;

/** Octets of the unprotected profile package. Throws `SAIP_INVALID` naming the field that a profile cannot hold. */
export function buildProfilePackage(subscriber: SubscriberProfile): Uint8Array {
  check(subscriber);
  const bare = encodeProfilePackage(profileElements(subscriber, 0));
  const target = subscriber.targetBytes ?? DEFAULT_TARGET_BYTES;
  let filler = Math.max(0, target - bare.length - FILLER_OVERHEAD);
  let built = bare;
  for (let round = 0; round < 3 && filler > 0; round++) {
    built = encodeProfilePackage(profileElements(subscriber, filler));
    if (built.length === target) break;
    filler = Math.max(0, filler + target - built.length);
  }
  return built;
}

function bad(field: string, why: string): never {
  throw new AgentError('SAIP_INVALID', { field, why });
}

function check(subscriber: SubscriberProfile): void {
  if (!/^\d{5,6}$/.test(subscriber.mccMnc) || !subscriber.imsi.startsWith(subscriber.mccMnc)) {
    bad('mccMnc', 'not the beginning of the IMSI');
  }
  if (subscriber.k.reveal().length !== 16) bad('k', 'not 16 octets');
  if (subscriber.opc.reveal().length !== 16) bad('opc', 'not 16 octets');
  for (const field of ['pin1', 'pin2'] as const) {
    if (!/^\d{4,8}$/.test(subscriber[field].reveal())) bad(field, 'not 4 to 8 digits');
  }
  for (const field of ['puk1', 'puk2', 'adm1'] as const) {
    if (!/^\d{8}$/.test(subscriber[field].reveal())) bad(field, 'not 8 digits');
  }
  if (!/^[\x20-\x7e]{1,16}$/.test(subscriber.spn)) bad('spn', 'not 1 to 16 characters of ASCII');
  const name = utf8Bytes(subscriber.profileName).length;
  if (name < 1 || name > 100) bad('profileName', 'not 1 to 100 octets of UTF-8');
  if (subscriber.msisdn !== undefined && !/^\d{1,20}$/.test(subscriber.msisdn))
    bad('msisdn', 'not 1 to 20 digits');
  const { version, kic, kid, kik } = subscriber.otaKeys;
  if (!Number.isInteger(version) || version < 1 || version > 15) bad('otaKeys.version', 'not 1 to 15');
  for (const key of [kic, kid, kik]) if (key.reveal().length !== 16) bad('otaKeys', 'a key is not 16 octets');
}

const TEMPLATES = {
  mf: templateOid('1'),
  usim: templateOid('4'),
  optUsim: templateOid('5'),
  gsmAccess: templateOid('7'),
  df5gs: templateOid('13'),
} as const;

/** The elements of the package; `fillerBytes` of content go into files of the operator's own. */
function profileElements(subscriber: SubscriberProfile, fillerBytes: number): ProfileElement[] {
  let number = 0;
  const header = () => ({ mandated: true as const, identification: ++number });
  const elements: ProfileElement[] = [
    {
      type: 'header',
      value: {
        majorVersion: 2,
        minorVersion: 3,
        profileType: subscriber.profileName,
        iccid: encodeIccidPlain(subscriber.iccid),
        mandatoryServices: ['usim', 'milenage'],
        mandatoryGfsteList: Object.values(TEMPLATES),
      },
    },
    { type: 'mf', value: { header: header(), templateId: TEMPLATES.mf, files: mfFiles(subscriber) } },
    {
      type: 'pukCodes',
      value: {
        header: header(),
        pukCodes: [
          { keyReference: PUK1, pukValue: codeOctets(subscriber.puk1) },
          { keyReference: PUK2, pukValue: codeOctets(subscriber.puk2) },
        ],
      },
    },
    globalPins(subscriber, header()),
    { type: 'usim', value: { header: header(), templateId: TEMPLATES.usim, files: usimFiles(subscriber) } },
    {
      type: 'opt-usim',
      value: { header: header(), templateId: TEMPLATES.optUsim, files: optionalUsimFiles(subscriber) },
    },
    localPins(subscriber, header()),
    akaParameter(subscriber, header()),
    {
      type: 'gsm-access',
      value: {
        header: header(),
        templateId: TEMPLATES.gsmAccess,
        files: { 'df-gsm-access': directory(), 'ef-kc': [], 'ef-kcgprs': [] },
      },
    },
    {
      type: 'df-5gs',
      value: {
        header: header(),
        templateId: TEMPLATES.df5gs,
        files: {
          'df-df-5gs': directory(),
          'ef-5gs3gpploci': [],
          'ef-5gsn3gpploci': [],
          'ef-5gs3gppnsc': [],
          'ef-5gsn3gppnsc': [],
        },
      },
    },
  ];
  if (fillerBytes > 0) {
    elements.push({
      type: 'genericFileManagement',
      value: { header: header(), fileManagementCmd: [fillerSteps(subscriber.iccid, fillerBytes)] },
    });
  }
  elements.push(
    securityDomain(subscriber.otaKeys, header()),
    rfm(RFM_UICC, header()),
    rfm(RFM_USIM, header()),
    { type: 'end', value: { header: header() } },
  );
  return elements;
}

type Header = { readonly mandated: true; readonly identification: number };

const PIN1 = 0x01;
const ADM1 = 0x0a;
const PIN2 = 0x81;
const PUK1 = 0x01;
const PUK2 = 0x81;
/** Enabled 1, may be changed 2, may be disabled 4. */
const PIN_DISABLED = 6;
const PIN_ALWAYS_ON = 3;
const TEN_ATTEMPTS = 0xaa;

function codeOctets(code: Secret<string>): Uint8Array {
  const octets = new Uint8Array(8).fill(0xff);
  octets.set(utf8Bytes(code.reveal()));
  return octets;
}

/** PIN 1 is off: no one is there to enter it in a sealed device. */
function globalPins(subscriber: SubscriberProfile, header: Header): ProfileElement {
  const value = [
    {
      keyReference: PIN1,
      pinValue: codeOctets(subscriber.pin1),
      unblockingPinReference: PUK1,
      pinAttributes: PIN_DISABLED,
    },
    {
      keyReference: ADM1,
      pinValue: codeOctets(subscriber.adm1),
      pinAttributes: PIN_ALWAYS_ON,
      maxNumOfAttempsRetryNumLeft: TEN_ATTEMPTS,
    },
  ];
  return { type: 'pinCodes', value: { header, pinCodes: [{ is: 'pinconfig', value }] } };
}

function localPins(subscriber: SubscriberProfile, header: Header): ProfileElement {
  const value = [
    {
      keyReference: PIN2,
      pinValue: codeOctets(subscriber.pin2),
      unblockingPinReference: PUK2,
      pinAttributes: PIN_ALWAYS_ON,
    },
  ];
  return { type: 'pinCodes', value: { header, pinCodes: [{ is: 'pinconfig', value }] } };
}

const MILENAGE = 1;
/** RES of 64 bits. */
const MILENAGE_OPTIONS = Uint8Array.of(0x01);

function akaParameter(subscriber: SubscriberProfile, header: Header): ProfileElement {
  const value = {
    algorithmId: MILENAGE,
    algorithmOptions: MILENAGE_OPTIONS,
    key: subscriber.k.reveal(),
    opc: subscriber.opc.reveal(),
  };
  return { type: 'akaParameter', value: { header, algoConfiguration: [{ is: 'algoParameter', value }] } };
}

/** A directory that the card's own PINs and ADM 1 guard. */
function directory() {
  const pinStatusTemplateDo = Uint8Array.of(PIN2, PIN1, ADM1);
  return [{ is: 'fileDescriptor' as const, value: { pinStatusTemplateDo } }];
}

const ISD_PACKAGE = fromHex('A0000001515350');
const ISD_CLASS = fromHex('A000000151535041');
const MNO_SD = fromHex('A000000151000000');
/** Security domain, authorised and global management among them (GlobalPlatform Card Specification, 11.1.2). */
const MNO_SD_PRIVILEGES = fromHex('82DC00');
const PERSONALIZED = Uint8Array.of(0x0f);
/** SCP80 and the security domain's quotas, as in GSMA TS.48. */
const MNO_SD_PARAMETERS = fromHex('810280008201F08301F08701F0');
/** Cryptographic checksum, ciphering, counter must be higher (first SPI octet, ETSI TS 102 225). */
const MINIMUM_SECURITY = 0x16;
const TAR_RAM = fromHex('B20100');
/** Card recognition data (GlobalPlatform Card Specification, H.2) as DGI 0070. */
const RECOGNITION_DATA = fromHex(
  '0070326630732E06072A864886FC6B01600B06092A864886FC6B020202630906072A864886FC6B03640B06092A864886FC6B048000',
);
const AES_KEY = Uint8Array.of(0x88);
/** Key usage qualifiers of ciphering, checksum and key encryption keys (GlobalPlatform Card Specification, 11.1.9). */
const KEY_USAGES = { kic: 0x18, kid: 0x14, kik: 0x48 } as const;

function securityDomain(keys: OtaKeys, header: Header): ProfileElement {
  const toolkit = [0x01, 0, 0, 0, 0, 2, 0x01, MINIMUM_SECURITY, TAR_RAM.length, ...TAR_RAM, 0];
  return {
    type: 'securityDomain',
    value: {
      header,
      instance: {
        applicationLoadPackageAid: ISD_PACKAGE,
        classAid: ISD_CLASS,
        instanceAid: MNO_SD,
        applicationPrivileges: MNO_SD_PRIVILEGES,
        lifeCycleState: PERSONALIZED,
        applicationSpecificParametersC9: MNO_SD_PARAMETERS,
        applicationParameters: { uiccToolkit: Uint8Array.from(toolkit) },
      },
      keyList: (['kic', 'kid', 'kik'] as const).map((name, index) => ({
        keyUsageQualifier: Uint8Array.of(KEY_USAGES[name]),
        keyIdentifier: Uint8Array.of(index + 1),
        keyVersionNumber: Uint8Array.of(keys.version),
        keyComponents: [{ keyType: AES_KEY, keyData: keys[name].reveal() }],
      })),
      sdPersoData: [RECOGNITION_DATA],
    },
  };
}

type Rfm = { readonly instance: Uint8Array; readonly tar: Uint8Array; readonly adf?: Uint8Array };
const RFM_UICC: Rfm = { instance: fromHex('A00000055910100001'), tar: fromHex('B00120') };
const RFM_USIM: Rfm = {
  instance: fromHex('A00000055910100002'),
  tar: fromHex('B00140'),
  adf: AID_USIM_APPLICATION,
};
const FULL_ACCESS = Uint8Array.of(0);

function rfm({ instance, tar, adf }: Rfm, header: Header): ProfileElement {
  return {
    type: 'rfm',
    value: {
      header,
      instanceAid: instance,
      securityDomainAid: MNO_SD,
      tarList: [tar],
      minimumSecurityLevel: Uint8Array.of(MINIMUM_SECURITY),
      uiccAccessDomain: FULL_ACCESS,
      uiccAdminAccessDomain: FULL_ACCESS,
      ...(adf === undefined
        ? {}
        : { adfRfmAccess: { adfAid: adf, adfAccessDomain: FULL_ACCESS, adfAdminAccessDomain: FULL_ACCESS } }),
    },
  };
}

/** DF for administrative use (3GPP TS 51.011, 6.6) and its EFs; READ BINARY reaches 32 KiB of one. */
const FILLER_DF = fromHex('7F40');
const FIRST_FILLER_EF = 0x6f10;
const FILLER_EF_BYTES = 32_000;
const MOST_FILLER_EFS = 64;
/** What the element and the first file cost beside their content. */
const FILLER_OVERHEAD = 80;
const ARR_ALWAYS_READ = fromHex('2F060A');
const ARR_DIRECTORY = fromHex('2F060E');

function fillerSteps(iccid: Iccid, octets: number): FileManagementSteps {
  const files = Math.ceil(octets / FILLER_EF_BYTES);
  if (files > MOST_FILLER_EFS)
    throw new AgentError('SAIP_INVALID', { field: 'targetBytes', why: `${files} files` });
  const random = createSeededRandom(Number(iccid.slice(-9)));
  const steps: FileManagementSteps[number][] = [
    {
      is: 'createFcp',
      value: {
        fileDescriptor: fromHex('7821'),
        fileId: FILLER_DF,
        securityAttributesReferenced: ARR_DIRECTORY,
        pinStatusTemplateDo: Uint8Array.of(PIN1, ADM1),
      },
    },
    { is: 'filePath', value: FILLER_DF },
  ];
  for (let file = 0; file < files; file++) {
    const size = Math.min(FILLER_EF_BYTES, octets - file * FILLER_EF_BYTES);
    const fid = FIRST_FILLER_EF + file;
    steps.push(
      {
        is: 'createFcp',
        value: {
          fileDescriptor: fromHex('4121'),
          fileId: Uint8Array.of(fid >> 8, fid & 0xff),
          securityAttributesReferenced: ARR_ALWAYS_READ,
          efFileSize: sizeOctets(size),
          shortEfid: new Uint8Array(0),
        },
      },
      { is: 'fillFileContent', value: random.bytes(size) },
    );
  }
  return steps;
}
