// An operator's over-the-air side for tests: a profile with keysets and remote applications, and packets sent to a card.
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import {
  type CommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  type ResponseApdu,
} from '../../codec/apdu.ts';
import type { CardSlot } from '../../codec/card.ts';
import { decodeProfilePackage, encodeProfilePackage, type ProfileElement } from '../../codec/saip/package.ts';
import { decodeSpi, type Spi } from '../../codec/secured-packet.ts';
import { decodeSmsSubmit } from '../../codec/sms-tpdu.ts';
import { createMessageAssembler, joinUserData } from '../../codec/sms-user-data.ts';
import { findTlv, readTlv, readTlvs } from '../../codec/ber-tlv.ts';
import { packetEnvelopes } from '../../codec/sms-envelope.ts';
import { encodeCommandScript } from '../../codec/script.ts';
import { storeDataCommands } from '../../codec/store-data.ts';
import type { Scp80Key } from '../../crypto/scp80.ts';
import {
  openProofOfReceipt,
  type ProofOfReceipt,
  type Scp80Target,
  SECURE_SPI,
  sealRemoteCommand,
} from '../../crypto/scp80-host.ts';
import { mandated, USIM_AID } from '../profile-samples.ts';
import { type OsSecrets, osPackage } from './os-profile.ts';
import { securityDomain } from './security-domain.ts';
import { exchange } from './terminal.ts';
import { createTestPki } from './pki.ts';
import { createWorld, ec, ICCID_A, ISD_R_KEYS, sampleMetadata, type World } from './world.ts';

const MNO_SD = fromHex('A000000151000000');
const OTHER_SD = fromHex('A00000015100000A');

const key = (algorithm: Scp80Key['algorithm'], octets: number, from: number): Scp80Key => ({
  algorithm,
  key: new Secret(Uint8Array.from({ length: octets }, (_, i) => from + i)),
});
const pair = (algorithm: Scp80Key['algorithm'], octets: number): { kic: Scp80Key; kid: Scp80Key } => ({
  kic: key(algorithm, octets, 0x10),
  kid: key(algorithm, octets, 0x50),
});

/** Keysets of the operator's security domain by version. */
export const KEYSETS = {
  1: pair('aes', 16),
  2: pair('aes', 24),
  3: pair('aes', 32),
  4: pair('des', 16),
  5: pair('des', 24),
} as const;
/** Of the other security domain. */
const OTHER_KEYS = { kic: key('aes', 16, 0x70), kid: key('aes', 16, 0x90) };

/** TARs of the profile: files under the MF and under the USIM, without any security, without any right; security domains. */
export const TAR = {
  isdR: fromHex('000001'),
  files: fromHex('B00001'),
  usim: fromHex('B00010'),
  open: fromHex('B00020'),
  powerless: fromHex('B00030'),
  orphan: fromHex('B00040'),
  domain: fromHex('B20100'),
  otherDomain: fromHex('B20101'),
} as const;

const SECURE = 0x16;
const FULL = Uint8Array.of(0x00);
const NONE = Uint8Array.of(0xff);

type Pair = { readonly kic: Scp80Key; readonly kid: Scp80Key };

function otaDomain(
  aid: Uint8Array,
  tar: Uint8Array,
  keysets: readonly (readonly [version: number, keys: Pair])[],
  id: number,
): ProfileElement {
  return securityDomain({
    aid,
    tar,
    id,
    lifeCycleState: 0x0f,
    minimumSecurityLevel: SECURE,
    keyList: keysets.flatMap(([version, keys]) =>
      [keys.kic, keys.kid].map(({ algorithm, key: value }, index) => ({
        keyUsageQualifier: Uint8Array.of(index === 0 ? 0x18 : 0x14),
        keyIdentifier: Uint8Array.of(index + 1),
        keyVersionNumber: Uint8Array.of(version),
        ...(version === 2 ? { keyCounterValue: fromHex('0000000100') } : {}),
        keyComponents: [
          { keyType: Uint8Array.of(algorithm === 'aes' ? 0x88 : 0x80), keyData: value.reveal() },
        ],
      })),
    ),
  });
}

function rfm(
  tar: Uint8Array,
  id: number,
  options: {
    readonly level?: number;
    readonly access?: Uint8Array;
    readonly adfAccess?: Uint8Array;
    readonly domain?: Uint8Array;
  } = {},
): ProfileElement {
  const { access = FULL, adfAccess, domain, level = SECURE } = options;
  return {
    type: 'rfm',
    value: {
      header: mandated(id),
      instanceAid: concat(fromHex('A000000559101000'), tar),
      ...(domain === undefined ? {} : { securityDomainAid: domain }),
      tarList: [tar],
      minimumSecurityLevel: Uint8Array.of(level),
      uiccAccessDomain: access,
      uiccAdminAccessDomain: access,
      ...(adfAccess === undefined
        ? {}
        : {
            adfRfmAccess: {
              adfAid: fromHex(USIM_AID),
              adfAccessDomain: adfAccess,
              adfAdminAccessDomain: adfAccess,
            },
          }),
    },
  };
}

/** The profile of tests of the card OS with two security domains and five applications for files. */
export function otaPackage(secrets?: OsSecrets): Uint8Array {
  const elements = decodeProfilePackage(osPackage(secrets));
  const versions = Object.entries(KEYSETS).map(([version, keys]) => [Number(version), keys] as const);
  const more = [
    otaDomain(MNO_SD, TAR.domain, versions, 40),
    otaDomain(OTHER_SD, TAR.otherDomain, [[1, OTHER_KEYS]], 41),
    rfm(TAR.files, 42),
    rfm(TAR.usim, 43, { access: NONE, adfAccess: FULL, domain: MNO_SD }),
    rfm(TAR.open, 44, { level: 0x00 }),
    rfm(TAR.powerless, 45, { access: NONE, adfAccess: NONE }),
    rfm(TAR.orphan, 46, { domain: OTHER_SD }),
  ];
  return encodeProfilePackage([...elements.slice(0, -1), ...more, ...elements.slice(-1)]);
}

const profiles = [{ upp: otaPackage(), metadata: sampleMetadata(ICCID_A), enabled: true }];

export function otaWorld(pki = createTestPki(ec), isdRKeys = { ...ISD_R_KEYS, kvn: 1 }): Promise<World> {
  return createWorld({ pki, profiles, isdRKeys, managed: true });
}

export const SENDER = { originator: { type: 0x91, digits: '4915112345678' } } as const;

/** `hex` are the two octets of an SPI. */
export function spiOf(hex: string): Spi {
  const [first = 0, second = 0] = fromHex(hex);
  return decodeSpi(first, second);
}

/** The operator's target, or the ISD-R's under its own keys. */
export function targetOf(tar: Uint8Array, change: Partial<Scp80Target> = {}): Scp80Target {
  const aes = (secret: Secret<Uint8Array>): Scp80Key => ({ algorithm: 'aes', key: secret });
  const keys = tar === TAR.isdR ? { kic: aes(ISD_R_KEYS.enc), kid: aes(ISD_R_KEYS.mac) } : KEYSETS[1];
  return { tar, keyset: 1, keys, spi: SECURE_SPI, ...change };
}

/** An expanded script of commands in hex. */
export function script(...apdus: readonly string[]): Uint8Array {
  return encodeCommandScript(apdus.map((apdu) => fromHex(apdu.replaceAll(' ', ''))));
}

/** An expanded script that gives the ISD-R one ES10 request and asks for its answer. */
export function es10Script(request: Uint8Array): Uint8Array {
  return encodeCommandScript(
    storeDataCommands(request).map((command) => encodeCommandApdu({ ...command, le: 256 })),
  );
}

/** Sends a packet in as many messages as it needs; what the last ENVELOPE answered. */
export async function deliver(slot: CardSlot, packet: Uint8Array, reference = 1): Promise<ResponseApdu> {
  let response: ResponseApdu = { data: new Uint8Array(0), sw: 0 };
  for (const envelope of packetEnvelopes(packet, SENDER, reference))
    response = await exchange(slot, envelope);
  return response;
}

/** One packet and its proof of receipt. Throws `Error` where there is none. */
export async function sendRemote(
  slot: CardSlot,
  target: Scp80Target,
  counter: number,
  data: Uint8Array | string,
): Promise<ProofOfReceipt> {
  const octets = typeof data === 'string' ? fromHex(data.replaceAll(' ', '')) : data;
  const { data: userData, sw } = await deliver(slot, sealRemoteCommand(target, counter, octets));
  if (userData.length === 0) throw new Error(`no proof of receipt, ${sw.toString(16)}`);
  return openProofOfReceipt(target, userData);
}

/** TERMINAL PROFILE of a terminal that fetches, can be reset by REFRESH, and sends short messages. */
export const SENDING_TERMINAL = '8010000004FFFFFFFF';

/** The proof of receipt that comes in messages of its own, once all of them are fetched. */
export async function fetchProof(slot: CardSlot, target: Scp80Target, sw: number): Promise<ProofOfReceipt> {
  const assembler = createMessageAssembler();
  for (const command of await fetchMessages(slot, sw)) {
    const tpdu = findTlv(readTlvs(readTlv(command).value), 0x8b);
    if (tpdu === undefined) break;
    const whole = assembler.add('', decodeSmsSubmit(tpdu.value).userData);
    if (whole !== undefined) return openProofOfReceipt(target, joinUserData(whole));
  }
  throw new Error('no whole message');
}

/** The messages that the card wants sent, as proactive commands in order; each answered by `result`. */
export async function fetchMessages(
  slot: CardSlot,
  first: number,
  result = '00',
): Promise<readonly Uint8Array[]> {
  const send = async (command: Omit<CommandApdu, 'cla' | 'p1' | 'p2'>): Promise<ResponseApdu> =>
    decodeResponseApdu(await slot.transmit(encodeCommandApdu({ cla: 0x80, p1: 0, p2: 0, ...command })));
  const messages: Uint8Array[] = [];
  for (let sw = first; sw >> 8 === 0x91; ) {
    const fetched = await send({ ins: 0x12, data: new Uint8Array(0), le: sw & 0xff });
    const command = toHex(fetched.data);
    const details = /8103(..)1300/.exec(command)?.[1];
    if (details === undefined) break;
    messages.push(fetched.data);
    const answered = await send({ ins: 0x14, data: fromHex(`8103${details}1300820282818301${result}`) });
    sw = answered.sw;
  }
  return messages;
}

/** The same under the keys of the other security domain. */
export const otherDomainTarget = (tar: Uint8Array): Scp80Target => targetOf(tar, { keys: OTHER_KEYS });
