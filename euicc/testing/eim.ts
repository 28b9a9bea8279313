// A small eIM for tests: signs packages, right or wrong, and reads what a card answers without the tables the card writes with.
import { concat, EMPTY, equalBytes, fromHex, toHex } from '../../base/bytes.ts';
import { encodeTlv, needTlv, readOnly, readTlv, readTlvs } from '../../codec/ber-tlv.ts';
import { encodeIccid, type Iccid } from '../../codec/ids.ts';
import { AddInitialEimRequest, type EimConfigurationData } from '../../codec/rsp/sgp32-eim.ts';
import {
  type Eco,
  EuiccPackageRequest,
  EuiccPackageSigned,
  type Psmo,
} from '../../codec/rsp/sgp32-package.ts';
import { integer } from '../../codec/tlv-names.ts';
import { boolean, type TypeOf } from '../../codec/tlv-table.ts';
import type { EcKeyPair } from '../../crypto/ec.ts';
import { encodePublicKeyInfo } from '../../crypto/ec-keys.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import { TEST_EID } from './pki.ts';
import { type IsdRChannel, openIsdR } from './terminal.ts';
import {
  createWorld,
  ec,
  ICCID_A,
  ICCID_B,
  PROVISIONING_ICCID,
  sampleMetadata,
  samplePackage,
  type World,
} from './world.ts';

export type Configuration = TypeOf<typeof EimConfigurationData>;
export type PackageFields = Parameters<typeof EuiccPackageSigned.encode>[0];
export type Operation = TypeOf<typeof Psmo>;
export type Configure = TypeOf<typeof Eco>;

export type TestEim = { readonly eimId: string; readonly pair: EcKeyPair; token: number; counter: number };

export const TRANSACTION = fromHex('00112233445566778899AABBCCDDEEFF');

export function createTestEim(eimId = 'eim.example.com', pair = ec.generate('P-256')): TestEim {
  return { eimId, pair, token: 0, counter: 4 };
}

export function configurationOf(
  { eimId, pair, counter }: TestEim,
  change: Partial<Configuration> = {},
): Configuration {
  return {
    eimId,
    counterValue: counter,
    eimPublicKeyData: { is: 'eimPublicKey', value: encodePublicKeyInfo(pair.curve, pair.publicKey) },
    ...change,
  };
}

/** Signs over the octets of euiccPackageSigned and the data object of the token, written out here. */
export function packageRequest(
  eim: TestEim,
  fields: Partial<PackageFields>,
  wrong: { readonly signature?: (right: Uint8Array) => Uint8Array; readonly signed?: Uint8Array } = {},
): Uint8Array {
  const euiccPackageSigned =
    wrong.signed ??
    EuiccPackageSigned.encode({
      eimId: eim.eimId,
      eidValue: TEST_EID,
      counterValue: ++eim.counter,
      eimTransactionId: TRANSACTION,
      ...fields,
    });
  const covered = concat(euiccPackageSigned, encodeTlv(0x84, integer.encode(eim.token)));
  const signature = ec.sign(eim.pair.curve, eim.pair.privateKey, covered);
  return EuiccPackageRequest.encode({
    euiccPackageSigned,
    eimSignature: wrong.signature?.(signature) ?? signature,
  });
}

export const iccidObject = (iccid: Iccid): string => toHex(encodeTlv(0x5a, encodeIccid(iccid)));

/** What stands in BF51, read by hand: `signed`, `error 4`, `unsigned`, and each result as tag and value in hex. */
export type PackageAnswer = {
  readonly is: 'signed' | 'error' | 'unsigned';
  readonly eimId: string;
  readonly counter?: number;
  readonly transaction?: string;
  readonly seqNumber?: number;
  readonly code?: number;
  readonly token?: number;
  readonly results: readonly string[];
};

/** Throws where the signature is not the card's own over the object and the token. */
export function readAnswer(world: World, whole: Uint8Array, token: number): PackageAnswer {
  const [alternative] = readTlvs(readOnly(whole, 0xbf51).value);
  const members = readTlvs(alternative?.value ?? EMPTY);
  if (alternative?.tag === 0xa2) return { is: 'unsigned', results: [], ...namesIn(alternative.value) };
  const data = needTlv(members, 0x30);
  const covered = concat(data.raw, encodeTlv(0x84, integer.encode(token)));
  const { curve, publicKey } = parseCertificate(world.pki.euicc.certificate);
  if (!ec.verify(curve, publicKey, covered, needTlv(members, 0x5f37).value)) {
    throw new Error('the signature of the card is wrong');
  }
  const inside = readTlvs(data.value);
  if (alternative?.tag === 0xa1) {
    const code = integer.decode(needTlv(inside, 0x02).value);
    return { is: 'error', code, results: [], ...namesIn(data.value) };
  }
  const results = readTlvs(needTlv(inside, 0x30).value).map(({ raw }) => toHex(raw));
  const seqNumber = integer.decode(needTlv(inside, 0x83).value);
  return { is: 'signed', seqNumber, results, ...namesIn(data.value) };
}

function namesIn(members: Uint8Array): Pick<PackageAnswer, 'eimId' | 'counter' | 'transaction' | 'token'> {
  const tlvs = readTlvs(members);
  const number = (tag: number): number | undefined => {
    const found = tlvs.find((tlv) => tlv.tag === tag);
    return found === undefined ? undefined : integer.decode(found.value);
  };
  const [counter, token] = [number(0x81), number(0x84)];
  const transaction = tlvs.find(({ tag }) => tag === 0x82);
  return {
    eimId: new TextDecoder().decode(needTlv(tlvs, 0x80).value),
    ...(counter === undefined ? {} : { counter }),
    ...(token === undefined ? {} : { token }),
    ...(transaction === undefined ? {} : { transaction: toHex(transaction.value) }),
  };
}

/** A card with a provisioning profile enabled, A and B disabled, and one eIM. */
export type IotRig = {
  readonly world: World;
  readonly eim: TestEim;
  isdR: IsdRChannel;
  /** A package of this eIM with these operations. */
  psmo(...operations: readonly Operation[]): Promise<PackageAnswer>;
  eco(...operations: readonly Configure[]): Promise<PackageAnswer>;
  /** Any request; the answer in hex. */
  ask(hex: string): Promise<string>;
  /** Power off and on. */
  restart(): Promise<void>;
};

type Metadata = Parameters<typeof sampleMetadata>[1];

export const P = PROVISIONING_ICCID;
export const A = ICCID_A;
export const B = ICCID_B;

export async function iotProfiles(change: { readonly a?: Metadata; readonly b?: Metadata } = {}) {
  const metadata = [
    sampleMetadata(P, { profileClass: 'provisioning' }),
    sampleMetadata(A, change.a),
    sampleMetadata(B, change.b),
  ];
  return metadata.map((one) => ({
    upp: samplePackage(one.iccid),
    metadata: one,
    enabled: one.iccid === P,
  }));
}

export async function iotRig(
  change: Parameters<typeof createWorld>[0] & { readonly a?: Metadata; readonly b?: Metadata } = {},
  eimChange?: Partial<Configuration>,
): Promise<IotRig> {
  const { a, b, ...personalised } = change;
  const world = await createWorld({
    profiles: await iotProfiles({ ...(a === undefined ? {} : { a }), ...(b === undefined ? {} : { b }) }),
    ...personalised,
  });
  const eim = createTestEim();
  const rig: IotRig = {
    world,
    eim,
    isdR: await openIsdR(world.card),
    psmo: async (...psmoList) =>
      readAnswer(world, await rig.isdR.es10(packageRequest(eim, { psmoList: [...psmoList] })), eim.token),
    eco: async (...ecoList) =>
      readAnswer(world, await rig.isdR.es10(packageRequest(eim, { ecoList: [...ecoList] })), eim.token),
    ask: async (hex) => toHex(await rig.isdR.es10(fromHex(hex))),
    async restart() {
      await world.card.reset();
      rig.isdR = await openIsdR(world.card);
    },
  };
  const added = await rig.isdR.es10(
    AddInitialEimRequest.encode({ eimConfigurationDataList: [configurationOf(eim, eimChange)] }),
  );
  if (!equalBytes(added, fromHex('BF5704A0020500'))) {
    const [item] = readTlvs(readTlv(added).value);
    eim.token = integer.decode(readTlv(item?.value ?? EMPTY).value);
  }
  return rig;
}

/** Whether REFRESH is asked for, as the functions of an IPA say it: BFxx with refreshFlag. */
export function withRefresh(tag: number, refreshFlag: boolean): string {
  return toHex(encodeTlv(tag, encodeTlv(0x80, boolean.encode(refreshFlag))));
}

export const enableOf = (iccid: Iccid, rollback = false): Operation => ({
  is: 'enable',
  value: rollback ? { iccid, rollbackFlag: true } : { iccid },
});
export const disableOf = (iccid: Iccid): Operation => ({ is: 'disable', value: { iccid } });
export const deleteOf = (iccid: Iccid): Operation => ({ is: 'delete', value: { iccid } });
