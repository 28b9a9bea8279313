// Management of the card over SCP80: the ISD-R executes what it executes under SCP03, a whole installation among it (SGP.02, 2.4; SGP.22, 5.7).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { decodeResponseApdu, encodeCommandApdu, type ResponseApdu } from '../../codec/apdu.ts';
import { bppSegments } from '../../codec/rsp/bpp.ts';
import { DeleteProfileRequest, EnableProfileRequest } from '../../codec/rsp/profile-management.ts';
import { POR_STATUS } from '../../codec/secured-packet.ts';
import { decodeResponseScript, encodeCommandScript } from '../../codec/script.ts';
import { storeDataCommands } from '../../codec/store-data.ts';
import { createScp03Host } from '../../crypto/scp03-host.ts';
import { openProofOfReceipt, sealRemoteCommand } from '../../crypto/scp80-host.ts';
import {
  deliver,
  es10Script,
  fetchProof,
  otaWorld,
  SENDING_TERMINAL,
  script,
  sendRemote,
  TAR,
  targetOf,
} from '../testing/ota.ts';
import { profileStates, resultOf } from '../testing/results.ts';
import { exchange, type IsdRChannel, openIsdR, raw } from '../testing/terminal.ts';
import { createTestPki } from '../testing/pki.ts';
import {
  ec,
  ICCID_A,
  ICCID_B,
  ISD_R_KEYS,
  prepare,
  sampleMetadata,
  samplePackage,
  type World,
} from '../testing/world.ts';

const ISD_R = targetOf(TAR.isdR);
const KEYS = { ...ISD_R_KEYS, kvn: 1 };
const enable = (iccid: typeof ICCID_A): Uint8Array =>
  EnableProfileRequest.encode({ profileIdentifier: { is: 'iccid', value: iccid }, refreshFlag: false });

/** Sends ES10 requests, one script each; the whole answers, which may come in messages of their own. */
function remoteIsdR(world: World): Pick<IsdRChannel, 'es10' | 'send'> {
  let counter = 0;
  const send = async (request: Uint8Array) => {
    const { card } = world;
    const response = await deliver(card, sealRemoteCommand(ISD_R, ++counter, es10Script(request)));
    let por = openProofOfReceipt(ISD_R, response.data);
    if (por.status === POR_STATUS.actualResponseBySmsSubmit) por = await fetchProof(card, ISD_R, response.sw);
    assert.deepEqual([por.status, por.authentic, por.counter], [0, true, counter]);
    return decodeResponseApdu(decodeResponseScript(por.data).responses.at(-1) ?? assert.fail());
  };
  return {
    send,
    async es10(request) {
      const { data, sw } = await send(request);
      assert.equal(sw >> 8 === 0x91 ? 0x9000 : sw, 0x9000);
      return data;
    },
  };
}

test('a managed card refuses in the clear what it does over SCP80', async () => {
  const world = await otaWorld();
  const isdR = await openIsdR(world.card);
  assert.equal((await isdR.send(enable(ICCID_A))).sw, 0x6982);
  const remote = remoteIsdR(world);
  assert.equal(toHex(await remote.es10(enable(ICCID_A))), 'BF3103800102');
  assert.equal(toHex(await remote.es10(enable(ICCID_B))), 'BF3103800101');
});

test('a profile is downloaded, installed, enabled and deleted by short messages alone', async () => {
  const world = await otaWorld();
  const { card } = world;
  await raw(card, SENDING_TERMINAL);
  const remote = remoteIsdR(world);
  const channel: IsdRChannel = { channel: 0, ...remote, load: () => assert.fail() };
  const { boundProfilePackage } = await prepare(world, channel, {
    iccid: ICCID_B,
    metadata: sampleMetadata(ICCID_B),
    upp: samplePackage(ICCID_B),
  });
  let result: Uint8Array = new Uint8Array(0);
  for (const segment of bppSegments(boundProfilePackage)) {
    result = await remote.es10(segment);
    if (result.length > 0) break;
  }
  assert.equal(resultOf(world, result).finalResult.is, 'successResult');
  assert.equal(toHex(await remote.es10(enable(ICCID_B))), 'BF3103800100');
  await card.reset();
  await raw(card, SENDING_TERMINAL);
  assert.deepEqual(await profileStates(await openIsdR(card)), {
    [ICCID_A]: 'disabled',
    [ICCID_B]: 'enabled',
  });
  assert.equal(
    toHex(await remote.es10(DeleteProfileRequest.encode({ is: 'iccid', value: ICCID_A }))),
    'BF3303800100',
  );
  assert.deepEqual(await profileStates(await openIsdR(card)), { [ICCID_B]: 'enabled' });
});

test('every function answers alike under SCP03 and SCP80, in the same order on two cards', async () => {
  const requests = [
    'BF2000',
    'BF2D00',
    'BF3E035C015A',
    'BF3C00',
    'BF3F0580036D2E64',
    'BF3C00',
    'BF290F5A0A9888120100000000 10F99001 41',
    'BF2D035C0190',
    'BF3211A00C5A0A988812010000000010F9 810100',
    'BF2800',
    'BF30038001 01',
    'BF7F00',
    'BF3103800101',
  ].map((hex) => fromHex(hex.replaceAll(' ', '')));
  const pki = createTestPki(ec);
  const overScp80 = await otaWorld(pki);
  const remote = remoteIsdR(overScp80);
  await raw(overScp80.card, SENDING_TERMINAL);
  const overScp03 = await otaWorld(pki, { ...ISD_R_KEYS, kvn: 0x30 });
  const host = createScp03Host({
    keys: KEYS,
    keyVersion: 0x30,
    level: 0x33,
    hostChallenge: new Uint8Array(8),
  });
  const { channel } = await openIsdR(overScp03.card);
  const on = (cla: number): number => cla | channel;
  const { initializeUpdate } = host;
  host.accept((await exchange(overScp03.card, { ...initializeUpdate, cla: on(initializeUpdate.cla) })).data);
  const authenticate = host.externalAuthenticate();
  await exchange(overScp03.card, { ...authenticate, cla: on(authenticate.cla) });
  for (const request of requests) {
    let scp03: ResponseApdu = { data: new Uint8Array(0), sw: 0 };
    for (const plain of storeDataCommands(request, 200)) {
      const command = host.wrap(plain);
      const answered = await exchange(overScp03.card, { ...command, cla: on(command.cla) });
      scp03 = { ...host.unwrap({ ...answered, sw: answered.sw >> 8 === 0x91 ? 0x9000 : answered.sw }) };
    }
    const scp80 = await remote.send(request);
    assert.deepEqual([scp80.sw, toHex(scp80.data)], [scp03.sw, toHex(scp03.data)], toHex(request));
  }
});

test('a request in several blocks is one session; a script of its own begins anew', async () => {
  const { card } = await otaWorld();
  const commands = storeDataCommands(fromHex('BF3E035C015A'), 3).map((command) =>
    encodeCommandApdu({ ...command, le: 256 }),
  );
  const whole = await sendRemote(card, ISD_R, 1, encodeCommandScript(commands));
  const EID = /^AB..80010223029000231[0-9A-F]BF3E125A10[0-9]{32}9000$/;
  assert.match(toHex(whole.data), EID);
  const [first, second] = commands;
  if (first === undefined || second === undefined) assert.fail();
  await sendRemote(card, ISD_R, 2, encodeCommandScript([first]));
  const alone = await sendRemote(card, ISD_R, 3, encodeCommandScript([second]));
  assert.equal(toHex(alone.data).slice(-4), '6A86');
  const chained = (how: string, apdu: Uint8Array): Uint8Array => {
    const object = concat(fromHex('8301'), fromHex(how), encodeCommandScript([apdu]).subarray(2));
    return concat(Uint8Array.of(0xaa, object.length), object);
  };
  await sendRemote(card, ISD_R, 4, chained('01', first));
  const last = await sendRemote(card, ISD_R, 5, chained('03', second));
  assert.match(toHex(last.data), /BF3E125A10[0-9]{32}9000$/);
});

test('what belongs to a channel, and another secure channel, is not for a script', async () => {
  const { card } = await otaWorld();
  let counter = 0;
  for (const [apdu, sw] of [
    ['80500100 08 0102030405060708 00', '6D00'],
    ['84820300 10 0102030405060708090A0B0C0D0E0F10', '6E00'],
    ['00A40400 00', '6E00'],
    ['80CA00C100', undefined],
  ] as const) {
    const { data } = await sendRemote(card, ISD_R, ++counter, script(apdu));
    if (sw !== undefined) assert.equal(toHex(data).slice(-4), sw, apdu);
  }
});
