// A profile with security domains of every kind of key, for tests: the operator's, one below it, and an application of that one.
import { fromHex, toHex } from '../../base/bytes.ts';
import type { Secret } from '../../base/log.ts';
import { type CommandApdu, encodeCommandApdu, type ResponseApdu, withChannel } from '../../codec/apdu.ts';
import type { CardSlot } from '../../codec/card.ts';
import type { ProfileElement } from '../../codec/saip/package.ts';
import { decodeResponseScript, encodeCommandScript } from '../../codec/script.ts';
import type { Scp80Target } from '../../crypto/scp80-host.ts';
import { mandated } from '../profile-samples.ts';
import { type Keyset, keysetOf, type ManagementSession, openManagement } from './management.ts';
import { sendRemote, targetOf } from './ota.ts';
import { securityDomain } from './security-domain.ts';
import { exchange, openIsdR, selectAid } from './terminal.ts';
import {
  createWorld,
  ICCID_A,
  ICCID_B,
  ISD_R_KEYS,
  sampleMetadata,
  samplePackage,
  type World,
} from './world.ts';

export const MNO_SD = fromHex('A000000151000000');
export const SUB_SD = fromHex('A00000015100000A');
export const APPLICATION = fromHex('A00000055910100009');
const LOAD_FILE = fromHex('A000000559101000');

/** Of the operator's security domain: SCP80 under AES and under triple DES, SCP03 under AES-128 and AES-256. */
export const DOMAIN_KEYS = {
  ota: keysetOf(0x01, 0x08),
  des: { ...keysetOf(0x04, 0x28), type: 0x82 },
  scp03: keysetOf(0x30, 0x10),
  long: keysetOf(0x31, 0x20, 32),
} as const;
/** Of the one below. */
export const SUB_KEYS = keysetOf(0x30, 0x90);

export const TAR_MNO_SD = fromHex('B20100');
export const TAR_SUB_SD = fromHex('B20101');

type Keys = Keyset & { readonly type?: number };

/** Number 40, the operator's, is personalized, and its packets need a checksum. */
function domain(
  aid: Uint8Array,
  tar: Uint8Array,
  keysets: readonly Keys[],
  id: number,
  counter?: Uint8Array,
): ProfileElement {
  return securityDomain({
    aid,
    tar,
    id,
    lifeCycleState: id === 40 ? 0x0f : 0x07,
    minimumSecurityLevel: id === 40 ? 0x02 : 0x00,
    keyList: keysets.flatMap(({ kvn, enc, mac, dek, type = 0x88 }) =>
      [enc, mac, dek].map((key, index) => ({
        keyUsageQualifier: Uint8Array.of([0x18, 0x14, 0x48][index] ?? 0),
        keyIdentifier: Uint8Array.of(index + 1),
        keyVersionNumber: Uint8Array.of(kvn),
        ...(counter === undefined ? {} : { keyCounterValue: counter }),
        keyComponents: [{ keyType: Uint8Array.of(type), keyData: key.reveal() }],
      })),
    ),
  });
}

const application: ProfileElement = {
  type: 'application',
  value: {
    header: mandated(42),
    loadBlock: { loadPackageAid: LOAD_FILE, loadBlockObject: fromHex('C4FE') },
    instanceList: [
      {
        applicationLoadPackageAid: LOAD_FILE,
        classAid: APPLICATION,
        instanceAid: APPLICATION,
        extraditeSecurityDomainAid: SUB_SD,
        applicationPrivileges: fromHex('00'),
        applicationSpecificParametersC9: fromHex('8101FF'),
      },
    ],
  },
};

/** An enabled profile with all of them; `counter` is where the operator's keys begin to count. */
export function operatorProfile(counter?: string) {
  const { des, long, ota, scp03 } = DOMAIN_KEYS;
  const start = counter === undefined ? undefined : fromHex(counter);
  const upp = samplePackage(ICCID_A, undefined, [
    domain(MNO_SD, TAR_MNO_SD, [ota, des, scp03, long], 40, start),
    domain(SUB_SD, TAR_SUB_SD, [{ ...SUB_KEYS, kvn: 1 }, SUB_KEYS], 41),
    application,
  ]);
  return { upp, metadata: sampleMetadata(ICCID_A), enabled: true };
}

/** A card with that profile, and another one. */
export function domainWorld(
  options: { readonly scp03Mode?: 'S16'; readonly counter?: string } = {},
): Promise<World> {
  const { counter, scp03Mode } = options;
  return createWorld({
    profiles: [
      operatorProfile(counter),
      { upp: samplePackage(ICCID_B), metadata: sampleMetadata(ICCID_B), enabled: false },
    ],
    isdRKeys: ISD_R_KEYS,
    ...(scp03Mode === undefined ? {} : { scp03Mode }),
  });
}

/** A keyset of the operator's security domain over the air. */
export function domainTarget(keys: Keys, change: Partial<Scp80Target> = {}): Scp80Target {
  const algorithm = keys.type === undefined ? 'aes' : 'des';
  const key = (value: Secret<Uint8Array>) => ({ algorithm, key: value }) as const;
  return targetOf(TAR_MNO_SD, {
    keyset: keys.kvn,
    keys: { kic: key(keys.enc), kid: key(keys.mac) },
    ...change,
  });
}

export function command(hex: string): CommandApdu {
  const [cla = 0, ins = 0, p1 = 0, p2 = 0, ...data] = fromHex(hex.replaceAll(' ', ''));
  return { cla, ins, p1, p2, data: Uint8Array.from(data), le: 256 };
}
export const swOf = async (answer: Promise<ResponseApdu>): Promise<string> => (await answer).sw.toString(16);
export const textOf = ({ data, sw }: ResponseApdu): string => `${toHex(data)} ${sw.toString(16)}`;
export const openDomain = (
  card: CardSlot,
  keys: Keyset = DOMAIN_KEYS.scp03,
  aid = MNO_SD,
): Promise<ManagementSession> => openManagement(card, keys, { aid });

/** Versions of the keysets of the security domain that is selected. */
export async function versions(card: CardSlot, aid = MNO_SD): Promise<string> {
  const { channel } = await openIsdR(card);
  await selectAid(card, aid, channel);
  const { data } = await exchange(card, { ...command('80CA00E0'), cla: withChannel(0x80, channel) });
  return [...toHex(data).matchAll(/C00401(..)8/g)].map(([, version]) => version).join(' ');
}

/** One command over the air: its response, or the status of the refusal. */
export async function over(
  card: CardSlot,
  target: Scp80Target,
  counter: number,
  apdu: CommandApdu,
): Promise<string> {
  const proof = await sendRemote(card, target, counter, encodeCommandScript([encodeCommandApdu(apdu)]));
  if (proof.status !== 0) return `status ${proof.status}`;
  return toHex(decodeResponseScript(proof.data).responses[0] ?? new Uint8Array());
}
