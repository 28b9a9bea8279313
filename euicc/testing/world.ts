// One card and one SM-DP+ for tests, and the whole download between them.
import { fromHex } from '../../base/bytes.ts';
import { type Log, Secret, silentLog } from '../../base/log.ts';
import { createSeededRandom } from '../../base/random.ts';
import {
  encodeIccid,
  encodeIccidPlain,
  encodeImsi,
  type Iccid,
  parseIccid,
  parseImsi,
} from '../../codec/ids.ts';
import { GetEuiccChallengeRequest, GetEuiccChallengeResponse } from '../../codec/rsp/euicc-info.ts';
import { encodeProfilePackage, type ProfileElement } from '../../codec/saip/package.ts';
import { createNodeEc } from '../../crypto/ec-node.ts';
import type { Ec } from '../../crypto/ec.ts';
import type { TransmissionOptions } from '../card-os.ts';
import { type Euicc, openEuicc } from '../euicc.ts';
import { manufactureEuicc, type Personalisation } from '../manufacture.ts';
import {
  content,
  create,
  described,
  END,
  filesElement,
  HEADER,
  management,
  MF_FILES,
  milenage,
  transparent,
  USIM,
} from '../profile-samples.ts';
import type { ProfileMetadata } from '../profiles.ts';
import { openCardStore } from '../store.ts';
import { createMemoryFiles, type MemoryFiles } from '../store-files.ts';
import { createTestPki, TEST_EID, type TestPki } from './pki.ts';
import {
  authenticated,
  authenticateServerRequest,
  type BindChange,
  bindProfile,
  euiccOtpkOf,
  prepareDownloadRequest,
  SERVER_ADDRESS,
} from './sm-dp.ts';
import type { IsdRChannel } from './terminal.ts';

export const ec = createNodeEc();
export const STORE_KEY = new Secret(new Uint8Array(32).fill(0x4b));
export const ISD_R_KEYS = {
  kvn: 0x30,
  enc: new Secret(new Uint8Array(16).fill(0x40)),
  mac: new Secret(new Uint8Array(16).fill(0x41)),
  dek: new Secret(new Uint8Array(16).fill(0x42)),
};

export const PROVISIONING_ICCID = parseIccid('8988211000000000001');
export const ICCID_A = parseIccid('8988211000000000019');
export const ICCID_B = parseIccid('8988211000000000027');
export const IMSI_A = parseImsi('001010000000001');

const RULES = 16;
/** Every rule: reading is free, updating needs the PIN. */
const ACCESS_RULES = described(
  { fileDescriptor: fromHex('42210010'), efFileSize: fromHex('0100') },
  '8001019000800102A406830101950108'.repeat(RULES),
);

/** A small package with MF, USIM with Milenage, and one PIN; `imsi` shows which profile is enabled. */
export function samplePackage(iccid: Iccid, imsi = IMSI_A, more: readonly ProfileElement[] = []): Uint8Array {
  if (HEADER.type !== 'header' || USIM.type !== 'usim') throw new Error('not a header and a USIM');
  const header: ProfileElement = { ...HEADER, value: { ...HEADER.value, iccid: encodeIccidPlain(iccid) } };
  const mf = filesElement('mf', '1', {
    ...MF_FILES,
    'ef-arr': ACCESS_RULES,
    'ef-iccid': [{ is: 'fillFileContent', value: encodeIccid(iccid) }],
  });
  const usim: ProfileElement = {
    ...USIM,
    value: {
      ...USIM.value,
      files: {
        ...USIM.value.files,
        'ef-arr': ACCESS_RULES,
        'ef-imsi': [{ is: 'fillFileContent', value: encodeImsi(imsi) }],
      },
    },
  };
  return encodeProfilePackage([header, mf, usim, milenage(), ...more, END]);
}

/** The same with a file that makes it several segments long. */
export function largePackage(iccid: Iccid, octets = 3000): Uint8Array {
  const size = octets.toString(16).padStart(4, '0');
  const file = management(create(transparent('2F50', size)), content('A5'.repeat(octets)));
  return samplePackage(iccid, IMSI_A, [file]);
}

export function sampleMetadata(iccid: Iccid, change: Partial<ProfileMetadata> = {}): ProfileMetadata {
  return {
    iccid,
    serviceProviderName: 'Operator',
    profileName: `Profile ${iccid.slice(-2)}`,
    profileClass: 'operational',
    notificationConfigurationInfo: [
      {
        profileManagementOperation: [
          'notificationInstall',
          'notificationEnable',
          'notificationDisable',
          'notificationDelete',
        ],
        notificationAddress: SERVER_ADDRESS,
      },
    ],
    ...change,
  };
}

export type World = {
  readonly pki: TestPki;
  readonly files: MemoryFiles;
  card: Euicc;
  /** Opens the card again on the same files, as after a power cut, and resets it. */
  reopen(): Promise<Euicc>;
};

export async function createWorld(
  change: Partial<Personalisation> & {
    readonly pki?: TestPki;
    readonly seed?: number;
    readonly transmission?: TransmissionOptions;
    readonly log?: Log;
    /** The curves as the card computes them, where they are watched. */
    readonly cardEc?: Ec;
  } = {},
): Promise<World> {
  const {
    pki = createTestPki(ec),
    seed = 1,
    transmission = {},
    log = silentLog,
    cardEc = ec,
    ...personalised
  } = change;
  const files = createMemoryFiles();
  const random = createSeededRandom(seed);
  const openStore = () => openCardStore({ path: 'card', key: STORE_KEY, random, files });
  await manufactureEuicc({
    store: await openStore(),
    ec,
    personalisation: {
      eid: TEST_EID,
      euiccCertificate: pki.euicc.certificate,
      eumCertificate: pki.eum.certificate,
      euiccPrivateKey: pki.euicc.pair.privateKey,
      ciCertificates: [pki.ci.raw],
      isdRKeys: ISD_R_KEYS,
      managed: false,
      profiles: [
        {
          upp: samplePackage(PROVISIONING_ICCID),
          metadata: sampleMetadata(PROVISIONING_ICCID, { profileClass: 'provisioning' }),
          enabled: true,
        },
      ],
      ...personalised,
    },
  });
  const world: World = {
    pki,
    files,
    card: await openEuicc({ store: await openStore(), ec: cardEc, random, transmission, log }),
    async reopen() {
      world.card = await openEuicc({ store: await openStore(), ec: cardEc, random, transmission, log });
      await world.card.reset();
      return world.card;
    },
  };
  await world.card.reset();
  return world;
}

export type Download = {
  readonly iccid?: Iccid;
  readonly metadata?: ProfileMetadata;
  readonly upp?: Uint8Array;
  readonly transactionId?: Uint8Array;
  readonly bind?: BindChange;
  /** Where the package goes when it may not go where the rest goes. */
  readonly loadOn?: IsdRChannel;
};

/** Challenge, authentication, preparation: everything before the package. */
export async function prepare(
  world: World,
  isdR: IsdRChannel,
  download: Download = {},
  more: { readonly bppEuiccOtpk?: Uint8Array } = {},
): Promise<{ readonly boundProfilePackage: Uint8Array; readonly euiccOtpk: Uint8Array }> {
  const { pki } = world;
  const { iccid = ICCID_A } = download;
  const { euiccChallenge } = GetEuiccChallengeResponse.decode(
    await isdR.es10(GetEuiccChallengeRequest.encode({})),
  );
  const change = download.transactionId === undefined ? {} : { transactionId: download.transactionId };
  const { transactionId, request } = authenticateServerRequest(pki, euiccChallenge, change);
  const { euiccSignature1 } = authenticated(await isdR.es10(request));
  const prepared = prepareDownloadRequest(pki, { transactionId, euiccSignature1, ...more });
  const euiccOtpk = euiccOtpkOf(await isdR.es10(prepared.request));
  const boundProfilePackage = bindProfile(
    pki,
    {
      eid: TEST_EID,
      transactionId,
      euiccOtpk,
      pb: prepared.pb,
      metadata: download.metadata ?? sampleMetadata(iccid),
      upp: download.upp ?? samplePackage(iccid),
    },
    download.bind,
  );
  return { boundProfilePackage, euiccOtpk };
}

/** The whole download; the answer is BF37. */
export async function install(world: World, isdR: IsdRChannel, download: Download = {}): Promise<Uint8Array> {
  const { boundProfilePackage } = await prepare(world, isdR, download);
  return (download.loadOn ?? isdR).load(boundProfilePackage);
}
