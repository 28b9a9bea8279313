// What terminals do with a card, with the choices left to dice: the sessions that a fuzz run damages.
import { concat, EMPTY, fromHex, toHex, uintBytes, utf8Bytes } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { decodeResponseApdu, encodeCommandApdu, withChannel } from '../codec/apdu.ts';
import type { CardSlot } from '../codec/card.ts';
import { encodeEid, encodeIccid, parseIccid } from '../codec/ids.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { RSP_OBJECTS } from '../codec/rsp/objects.ts';
import { AddInitialEimRequest } from '../codec/rsp/sgp32-eim.ts';
import { Eco, Psmo } from '../codec/rsp/sgp32-package.ts';
import { createScp03Host } from '../crypto/scp03-host.ts';
import { USIM_AID } from '../euicc/profile-samples.ts';
import { packetEnvelopes } from '../codec/sms-envelope.ts';
import { sealRemoteCommand } from '../crypto/scp80-host.ts';
import { KEYSETS, otherDomainTarget, SENDER, spiOf, TAR, targetOf } from '../euicc/testing/ota.ts';
import { configurationOf, createTestEim, packageRequest } from '../euicc/testing/eim.ts';
import { TEST_EID } from '../euicc/testing/pki.ts';
import { exchange, type IsdRChannel, isdRChannel, openIsdR } from '../euicc/testing/terminal.ts';
import {
  ec,
  ICCID_A,
  ICCID_B,
  install,
  largePackage,
  sampleMetadata,
  samplePackage,
  type World,
} from '../euicc/testing/world.ts';
import { certificateProfile } from './card-profile-scenario.ts';
import { SUBJECT_KEYS } from './card-subject.ts';
import { below, type Dice, pick } from './mutate.ts';
import { shapeOctets } from './shape-octets.ts';

/** A session with a card. It may end by an error wherever an answer is not what it hoped for. */
export type Scenario = (world: World, dice: Dice) => Promise<void>;

const LEVELS = [0x01, 0x03, 0x11, 0x13, 0x33] as const;
const FIDS = [
  '3F00',
  '2FE2',
  '2F00',
  '2F06',
  '7FFF',
  '6F07',
  '6F06',
  '6FAD',
  '4F40',
  '4F41',
  '4F42',
  '4F43',
  '4F44',
];
const REQUESTS = RSP_OBJECTS.filter(({ name }) => name.endsWith('Request'));
const FRESH_ICCIDS = ['8988211000000000035', '8988211000000000043'].map(parseIccid);
const ICCIDS = [ICCID_A, ICCID_B, ...FRESH_ICCIDS];

function send(slot: CardSlot, channel: number, hex: string, data = EMPTY, le?: number): Promise<Uint8Array> {
  const [cla = 0, ins = 0, p1 = 0, p2 = 0] = fromHex(hex);
  const header = { cla: withChannel(cla, channel), ins, p1, p2, data };
  return slot.transmit(encodeCommandApdu(le === undefined ? header : { ...header, le }));
}

const octet = (dice: Dice, limit = 256): string => toHex(Uint8Array.of(below(dice, limit)));

/** One command on the files of a profile; mostly right, with offsets and records around the ends. */
function fileCommand(dice: Dice, slot: CardSlot, channel: number): Promise<Uint8Array> {
  const to = (hex: string, data?: Uint8Array, le?: number) => send(slot, channel, hex, data, le);
  const record = `${octet(dice, 6)}${pick(dice, ['02', '03', '04', '54', '05'])}`;
  switch (below(dice, 12)) {
    case 0:
    case 1:
    case 2:
      return to(pick(dice, ['00A40004', '00A4000C', '00A40904']), fromHex(pick(dice, FIDS)));
    case 3:
      return to(`00B0${octet(dice, 3)}${octet(dice)}`, EMPTY, 1 + below(dice, 256));
    case 4:
      return to(`00D600${octet(dice)}`, dice.bytes(1 + below(dice, 60)));
    case 5:
      return to(`00B2${record}`, EMPTY, pick(dice, [5, 3, 40, 256]));
    case 6:
      return to(`00DC${record}`, dice.bytes(pick(dice, [5, 3, 40])));
    case 7:
      return to(
        `00A2${octet(dice, 6)}${pick(dice, ['04', '05', '06', '54'])}`,
        dice.bytes(1 + below(dice, 4)),
      );
    case 8:
      return to(`8032${pick(dice, ['0000', '9600'])}`, dice.bytes(3), 256);
    case 9:
      return to(`80DB00${pick(dice, ['80', '93', '00', '40'])}`, tlvBlock(dice));
    case 10:
      return to(`80CB00${pick(dice, ['80', '93'])}`, fromHex(pick(dice, ['5C', 'A1', '7F21'])), 256);
    default:
      return to(
        pick(dice, [
          '80CB0000',
          '80CB0040',
          '00B20002',
          '80F20000',
          '80F20001',
          '00840000',
          '80CA9F7F',
          '00A40400',
        ]),
        EMPTY,
        256,
      );
  }
}

function tlvBlock(dice: Dice): Uint8Array {
  const object = encodeTlv(pick(dice, [0xa1, 0x80, 0x7f21]), dice.bytes(below(dice, 400)));
  return object.subarray(0, 1 + below(dice, Math.min(255, object.length)));
}

const files: Scenario = async ({ card }, dice) => {
  const opened = below(dice, 2) === 0 ? EMPTY : await send(card, 0, '00700000', EMPTY, 1);
  const channel = opened.length === 3 ? (opened[0] ?? 0) : 0;
  await send(card, channel, '00A4040C', fromHex(USIM_AID));
  const pin = fromHex('31323334FFFFFFFF');
  await send(card, channel, '00200001', pin);
  await send(card, channel, '00200081', pin);
  for (let left = below(dice, 60); left > 0; left--) await fileCommand(dice, card, channel);
  await send(
    card,
    channel,
    '00880081',
    concat(Uint8Array.of(16), dice.bytes(16), Uint8Array.of(16), dice.bytes(16)),
  );
  if (channel !== 0) await send(card, 0, `007080${toHex(Uint8Array.of(channel))}`);
};

const pins: Scenario = async ({ card }, dice) => {
  await send(card, 0, '00A4040C', fromHex(USIM_AID));
  const values = ['31323334FFFFFFFF', '35353535FFFFFFFF', '3939393939393939', '3132FFFFFFFFFFFF'];
  for (let left = below(dice, 20); left > 0; left--) {
    const ins = pick(dice, ['20', '24', '26', '28', '2C']);
    const data = [...Array(below(dice, 3)).keys()].map(() => fromHex(pick(dice, values)));
    const p1 = ins === '26' ? pick(dice, ['00', '00', '81', '91']) : '00';
    await send(card, 0, `00${ins}${p1}${pick(dice, ['01', '81', '0A', '02', '00'])}`, concat(...data));
  }
};

/** Functions of the ISD-R with requests that fit their tables, its data objects, and instructions that nobody expects. */
async function functions(card: CardSlot, isdR: IsdRChannel, dice: Dice): Promise<void> {
  for (let left = below(dice, 25); left > 0; left--) {
    const chance = dice.next();
    if (chance < 0.1) {
      const object = pick(dice, [
        '00E0',
        '00C1',
        '0066',
        '9F7F',
        'FF21',
        `00${octet(dice)}`,
        `${octet(dice)}${octet(dice)}`,
      ]);
      await send(card, isdR.channel, `80CA${object}`, EMPTY, 256);
    } else if (chance < 0.15) {
      const header = `${pick(dice, ['00', '80'])}${octet(dice)}${octet(dice)}${octet(dice)}`;
      await send(card, isdR.channel, header, dice.bytes(below(dice, 20)), 256);
    } else await isdR.send(shapeOctets(dice, pick(dice, REQUESTS).type));
  }
}

const es10: Scenario = async ({ card }, dice) => functions(card, await openIsdR(card), dice);

const secured: Scenario = async ({ card }, dice) => {
  const { channel } = await openIsdR(card);
  const level = pick(dice, LEVELS);
  const host = createScp03Host({
    keys: SUBJECT_KEYS,
    keyVersion: SUBJECT_KEYS.kvn,
    level,
    hostChallenge: dice.bytes(pick(dice, [8, 16])),
  });
  const on = (cla: number): number => withChannel(cla, channel);
  const { initializeUpdate } = host;
  host.accept((await exchange(card, { ...initializeUpdate, cla: on(initializeUpdate.cla) })).data);
  const authenticate = host.externalAuthenticate();
  await exchange(card, { ...authenticate, cla: on(authenticate.cla) });
  await functions(card, isdRChannel(card, channel, host), dice);
};

const identified = (dice: Dice): Uint8Array => encodeTlv(0x5a, encodeIccid(pick(dice, ICCIDS)));

/** Enable, disable, delete, or reset of the memory. */
function change(dice: Dice): Uint8Array {
  const flag = encodeTlv(0x81, Uint8Array.of(pick(dice, [0, 0xff])));
  switch (below(dice, 6)) {
    case 0:
    case 1:
      return encodeTlv(0xbf31, encodeTlv(0xa0, identified(dice)), flag);
    case 2:
      return encodeTlv(0xbf32, encodeTlv(0xa0, identified(dice)), flag);
    case 3:
      return encodeTlv(0xbf33, identified(dice));
    case 4:
      return encodeTlv(0xbf30, encodeTlv(0x80, uintBytes(below(dice, 40), 1)));
    default:
      return encodeTlv(0xbf34, encodeTlv(0x82, Uint8Array.of(5, pick(dice, [0x20, 0x40]))));
  }
}

/** Fetches what waits and answers it in one of the ways that terminals have. */
async function serveToolkit(card: CardSlot, dice: Dice): Promise<void> {
  const { sw } = decodeResponseApdu(await send(card, 0, '80F2000C'));
  if (sw >> 8 !== 0x91) return;
  for (let next = sw, left = below(dice, 6); next >> 8 === 0x91 && left >= 0; left--) {
    const fetched = await send(card, 0, '80120000', EMPTY, next & 0xff);
    const result = pick(dice, ['00', '00', '20', '30']);
    const details = fetched[1] === 0x81 ? fetched.subarray(3, 8) : fetched.subarray(2, 7);
    const answered = await send(card, 0, '80140000', concat(details, fromHex(`820282818301${result}`)));
    next = decodeResponseApdu(answered).sw;
  }
}

const life: Scenario = async (world, dice) => {
  const { card } = world;
  const profile = `FFFF${pick(dice, ['80', '7F'])}${'00'.repeat(30)}${pick(dice, ['20', '00'])}`;
  if (below(dice, 2) === 0) await send(card, 0, '80100000', fromHex(profile));
  const isdR = await openIsdR(card);
  if (below(dice, 3) === 0) {
    const iccid = pick(dice, FRESH_ICCIDS);
    const upp = below(dice, 2) === 0 ? samplePackage(iccid) : largePackage(iccid);
    const metadata = sampleMetadata(iccid, {
      profileClass: pick(dice, ['operational', 'test', 'provisioning']),
    });
    await install(world, isdR, { iccid, upp, metadata });
  }
  for (let left = below(dice, 5); left > 0; left--) await isdR.send(change(dice));
  await serveToolkit(card, dice);
};

const envelopes: Scenario = async ({ card }, dice) => {
  await send(card, 0, '80100000', dice.bytes(1 + below(dice, 40)));
  for (let left = below(dice, 6); left > 0; left--) {
    const message = concat(fromHex('4006D0811234F57FF622705200000000'), dice.bytes(below(dice, 100)));
    const sms = encodeTlv(0xd1, fromHex('820283810605811234F5'), encodeTlv(0x8b, message));
    await send(
      card,
      0,
      '80C20000',
      pick(dice, [sms, encodeTlv(0xd6, fromHex('990103'))]).subarray(0, 255),
      256,
    );
  }
  await serveToolkit(card, dice);
};

const REMOTE_COMMANDS = [
  '00A40000022FE2',
  '00A40004023F0000',
  '00A4000C024F42',
  '00A4000C024F4000',
  '00A4040C07A0000000871002',
  '00B000000A',
  '00B2010405',
  '00B2000200',
  '00D600000401020304',
  '00DC0104050102030405',
  '00A2010401FF00',
  '8032000003000001',
  '002000010831323334FFFFFFFF',
  '00C0000000',
  '80CA00E000',
  '80F28002024F0000',
  '80E2910003BF2E0000',
  '80E2910006BF3E035C015A00',
];

/** A script in one of the forms, of commands that some application takes. */
function remoteData(dice: Dice): Uint8Array {
  const commands = Array.from({ length: below(dice, 8) }, () =>
    below(dice, 8) === 0
      ? encodeCommandApdu({
          cla: 0x80,
          ins: 0xe2,
          p1: 0x91,
          p2: 0,
          data: shapeOctets(dice, pick(dice, REQUESTS).type).subarray(0, 255),
          le: 256,
        })
      : fromHex(pick(dice, REMOTE_COMMANDS)),
  );
  if (below(dice, 3) === 0) return concat(...commands);
  const objects = commands.map((apdu) => encodeTlv(0x22, apdu));
  const chain = pick(dice, ['', '', '830101', '830102', '830103', '810182', '820100']);
  if (below(dice, 3) === 0) return concat(fromHex(`AE80${chain}`), ...objects, fromHex('0000'));
  return encodeTlv(0xaa, fromHex(chain), ...objects);
}

/** An operator and an SM-SR that send packets, most of them good, in messages of which some are lost or late. */
const overTheAir: Scenario = async ({ card, files }, dice) => {
  if (below(dice, 2) === 0) await send(card, 0, '80100000', fromHex(pick(dice, ['FFFFFFFF', 'FFFF80'])));
  for (let left = below(dice, 6); left > 0; left--) {
    const tar = pick(dice, Object.values(TAR));
    const version = pick(dice, [1, 2, 3, 4, 5] as const);
    const foreign = tar === TAR.otherDomain || tar === TAR.orphan;
    const target = foreign ? otherDomainTarget(tar) : targetOf(tar);
    const keys = foreign || tar === TAR.isdR ? {} : { keyset: version, keys: KEYSETS[version] };
    const spi = spiOf(
      pick(dice, [
        '1619',
        '1619',
        '1639',
        '1601',
        '161A',
        '1E19',
        toHex(dice.bytes(2).map((each) => each & 0x3f)),
      ]),
    );
    // Writes go up and never down, as counters do.
    const counter = below(dice, 8) === 0 ? below(dice, files.writes) : files.writes;
    if (spi.integrity === 'ds') continue;
    const packet = sealRemoteCommand({ ...target, ...keys, spi }, counter, remoteData(dice));
    const envelopes = packetEnvelopes(packet, SENDER, below(dice, 4));
    for (const envelope of envelopes) {
      const which = below(dice, 20) === 0 ? pick(dice, envelopes) : envelope;
      await exchange(card, which);
    }
    await serveToolkit(card, dice);
  }
};

const EIM_KEY = new Secret(new Uint8Array(32).fill(0x21));

/** Octets of one operation of a package; the tables make the rest. */
function operations(dice: Dice): Uint8Array {
  const list: Uint8Array[] = [];
  const isPsmo = below(dice, 3) > 0;
  for (let left = below(dice, 4); left > 0; left--) {
    if (below(dice, 3) === 0) list.push(shapeOctets(dice, isPsmo ? Psmo : Eco));
    else if (isPsmo) {
      const more = fromHex(pick(dice, ['', '0500']));
      list.push(encodeTlv(pick(dice, [0xa3, 0xa3, 0xa4, 0xa5, 0xa8]), identified(dice), more));
    } else list.push(fromHex(pick(dice, ['AB00', 'A903800178', 'AA06800178810179'])));
  }
  return encodeTlv(isPsmo ? 0xa0 : 0xa1, concat(...list));
}

/** An eIM of its own, whose packages are signed well, and an IPA that calls what it likes. */
const iot: Scenario = async ({ card }, dice) => {
  const isdR = await openIsdR(card);
  const pair = { curve: 'P-256', privateKey: EIM_KEY, publicKey: ec.publicKeyOf('P-256', EIM_KEY) } as const;
  const eim = { ...createTestEim(`eim ${below(dice, 3)}`, pair), counter: 0 };
  if (below(dice, 2) === 0) await isdR.send(fromHex('BF640482020204'));
  await isdR.send(
    AddInitialEimRequest.encode({ eimConfigurationDataList: [configurationOf(eim, { counterValue: 0 })] }),
  );
  for (let left = below(dice, 8); left > 0; left--) {
    const call = pick(dice, [0xbf58, 0xbf5a, 0xbf5b, 0xbf5c, 0xbf5d, 0xbf5e, 0xbf55, 0xbf5f]);
    if (below(dice, 3) === 0) await isdR.send(encodeTlv(call, fromHex(pick(dice, ['', '8001FF', '800100']))));
    else {
      const counterValue = below(dice, 0x7f_ffff);
      const signed = encodeTlv(
        0x30,
        encodeTlv(0x80, utf8Bytes(eim.eimId)),
        encodeTlv(0x5a, encodeEid(TEST_EID)),
        encodeTlv(0x81, uintBytes(pick(dice, [++eim.counter, eim.counter, counterValue]), 4)),
        operations(dice),
      );
      await isdR.send(packageRequest(eim, {}, { signed }));
    }
  }
  await isdR.send(fromHex('BF2B04A0028200'));
  await serveToolkit(card, dice);
};

export const SCENARIOS: readonly Scenario[] = [
  files,
  files,
  pins,
  es10,
  es10,
  secured,
  life,
  life,
  envelopes,
  overTheAir,
  overTheAir,
  iot,
  iot,
  certificateProfile,
];
