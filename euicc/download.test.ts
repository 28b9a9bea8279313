// A whole download between a card and an SM-DP+ with real cryptography, and what every fault on the way comes to.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { createSeededRandom } from '../base/random.ts';
import { decodeResponseApdu, encodeCommandApdu, withChannel } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid, encodeIccid, encodeImsi, parseImsi } from '../codec/ids.ts';
import {
  ListNotificationRequest,
  ListNotificationResponse,
  NotificationSentRequest,
  NotificationSentResponse,
  type ProfileInstallationResultData,
} from '../codec/rsp/notifications.ts';
import {
  DeleteProfileRequest,
  DeleteProfileResponse,
  EnableProfileRequest,
  EnableProfileResponse,
} from '../codec/rsp/profile-management.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import { createScp03Host } from '../crypto/scp03-host.ts';
import type { Scp03Level } from '../crypto/scp03.ts';
import type { Euicc } from './euicc.ts';
import { profileStates, resultOf, signedNotifications } from './testing/results.ts';
import {
  exchange,
  type IsdRChannel,
  isdRChannel,
  openIsdR,
  raw,
  selectAid,
  TERMINAL_PROFILE,
} from './testing/terminal.ts';
import {
  createWorld,
  ICCID_A,
  ICCID_B,
  install,
  ISD_R_KEYS,
  PROVISIONING_ICCID,
  samplePackage,
} from './testing/world.ts';

const IMSI_NEW = parseImsi('262019876543210');

type FinalResult = TypeOf<typeof ProfileInstallationResultData>['finalResult'];

async function readIccid(card: Euicc): Promise<string> {
  await raw(card, '00A4000C022FE2');
  return raw(card, '00B000000A');
}

async function readImsi(card: Euicc): Promise<string> {
  const usim = await selectAid(card, fromHex('A0000000871002'));
  assert.equal(usim.sw, 0x9000);
  await raw(card, '00A4000C026F07');
  return raw(card, '00B0000009');
}

function enable(iccid: typeof ICCID_A, refreshFlag: boolean): Uint8Array {
  return EnableProfileRequest.encode({ profileIdentifier: { is: 'iccid', value: iccid }, refreshFlag });
}

test('a profile is downloaded, enabled with a refresh, and read through the USIM', async () => {
  const world = await createWorld();
  const { card } = world;
  const isdR = await openIsdR(card);
  const pir = await install(world, isdR, { upp: samplePackage(ICCID_A, IMSI_NEW) });
  const result = resultOf(world, pir);
  assert.equal(result.smdpOid, '2.999.10');
  assert.equal(result.finalResult.is, 'successResult');
  assert.deepEqual(await profileStates(isdR), { [PROVISIONING_ICCID]: 'enabled', [ICCID_A]: 'disabled' });

  await raw(card, TERMINAL_PROFILE);
  const enabled = await isdR.send(enable(ICCID_A, true));
  assert.equal(EnableProfileResponse.decode(enabled.data).enableResult, 'ok');
  assert.equal(enabled.sw, 0x910b, 'a REFRESH waits');
  assert.equal(await raw(card, '801200000B'), 'D0098103010104820281829000');
  assert.equal(await raw(card, '801400000C810301010482028281830100'), '9000');
  await card.reset();
  assert.equal(await readIccid(card), `${toHex(encodeIccid(ICCID_A))}9000`);
  assert.equal(await readImsi(card), `${toHex(encodeImsi(IMSI_NEW))}9000`);
  const again = await openIsdR(card);
  assert.deepEqual(await profileStates(again), { [PROVISIONING_ICCID]: 'disabled', [ICCID_A]: 'enabled' });
  assert.deepEqual(await signedNotifications(world, again), [
    '1 install successResult',
    `2 notificationDisable ${PROVISIONING_ICCID}`,
    `3 notificationEnable ${ICCID_A}`,
  ]);
});

test('a reset without FETCH carries out a switch that asked for a refresh', async () => {
  const world = await createWorld();
  const isdR = await openIsdR(world.card);
  await install(world, isdR);
  await isdR.es10(enable(ICCID_A, true));
  assert.deepEqual(await profileStates(isdR), { [PROVISIONING_ICCID]: 'enabled', [ICCID_A]: 'disabled' });
  const card = await world.reopen();
  assert.equal(await readIccid(card), `${toHex(encodeIccid(ICCID_A))}9000`);
});

test('without the refresh flag the state changes at once and the files at the next reset', async () => {
  const world = await createWorld();
  const { card } = world;
  const isdR = await openIsdR(card);
  await install(world, isdR);
  assert.equal((await isdR.send(enable(ICCID_A, false))).sw, 0x9000);
  assert.deepEqual(await profileStates(isdR), { [PROVISIONING_ICCID]: 'disabled', [ICCID_A]: 'enabled' });
  assert.equal(await readIccid(card), `${toHex(encodeIccid(PROVISIONING_ICCID))}9000`);
  await card.reset();
  assert.equal(await readIccid(card), `${toHex(encodeIccid(ICCID_A))}9000`);
});

test('a terminal that refuses the refresh keeps its profile', async () => {
  const world = await createWorld();
  const { card } = world;
  const isdR = await openIsdR(card);
  await install(world, isdR);
  await raw(card, TERMINAL_PROFILE);
  await isdR.es10(enable(ICCID_A, true));
  await raw(card, '801200000B');
  assert.equal(await raw(card, '801400000C810301010482028281830120'), '9000', 'not now');
  assert.equal(await raw(card, '80F2000C00'), '910B', 'offered again when the terminal polls');
  await raw(card, '801200000B');
  assert.equal(await raw(card, '801400000C810302010482028281830130'), '9000');
  await card.reset();
  assert.equal(await readIccid(card), `${toHex(encodeIccid(PROVISIONING_ICCID))}9000`);
});

test('the notifications can be listed, filtered and removed once', async () => {
  const world = await createWorld();
  const isdR = await openIsdR(world.card);
  await install(world, isdR);
  await isdR.es10(enable(ICCID_A, false));
  const list = async (request: Parameters<typeof ListNotificationRequest.encode>[0]): Promise<number[]> => {
    const answer = ListNotificationResponse.decode(await isdR.es10(ListNotificationRequest.encode(request)));
    return answer.is === 'notificationMetadataList' ? answer.value.map(({ seqNumber }) => seqNumber) : [];
  };
  const remove = async (seqNumber: number): Promise<string> =>
    NotificationSentResponse.decode(await isdR.es10(NotificationSentRequest.encode({ seqNumber })))
      .deleteNotificationStatus;
  assert.deepEqual(await list({}), [1, 2, 3]);
  assert.deepEqual(await list({ profileManagementOperation: ['notificationInstall'] }), [1]);
  assert.equal(await remove(2), 'ok');
  assert.equal(await remove(2), 'nothingToDelete');
  assert.deepEqual(await list({}), [1, 3]);
});

test('a deleted profile is gone with its files, and its sequence of notifications goes on', async () => {
  const world = await createWorld();
  const isdR = await openIsdR(world.card);
  await install(world, isdR);
  const remove = async (iccid: typeof ICCID_A): Promise<string> =>
    DeleteProfileResponse.decode(await isdR.es10(DeleteProfileRequest.encode({ is: 'iccid', value: iccid })))
      .deleteResult;
  assert.equal(await remove(PROVISIONING_ICCID), 'profileNotInDisabledState');
  assert.equal(await remove(ICCID_A), 'ok');
  assert.equal(await remove(ICCID_A), 'iccidOrAidNotFound');
  assert.deepEqual(await profileStates(isdR), { [PROVISIONING_ICCID]: 'enabled' });
  assert.deepEqual(await signedNotifications(world, isdR), [
    '1 install successResult',
    `2 notificationDelete ${ICCID_A}`,
  ]);
  const again = resultOf(world, await install(world, isdR));
  assert.equal(again.finalResult.is, 'successResult');
});

describe('on a managed card', () => {
  const secured = async (card: Euicc, level: Scp03Level, offlineCounter?: number): Promise<IsdRChannel> => {
    const plain = await openIsdR(card);
    const host = createScp03Host({
      keys: ISD_R_KEYS,
      keyVersion: ISD_R_KEYS.kvn,
      level,
      hostChallenge: createSeededRandom(7).bytes(8),
    });
    const on = (cla: number): number => withChannel(cla, plain.channel);
    const { initializeUpdate } = host;
    const first = await exchange(card, { ...initializeUpdate, cla: on(initializeUpdate.cla) });
    assert.equal(first.sw, 0x9000);
    if (offlineCounter === undefined) host.accept(first.data);
    else host.assume(offlineCounter, encodeAid(AID_ISD_R));
    const authenticate = host.externalAuthenticate();
    const second = await exchange(card, { ...authenticate, cla: on(authenticate.cla) });
    assert.equal(second.sw, 0x9000);
    return isdRChannel(card, plain.channel, host);
  };

  test('what changes profiles needs the secure channel; reading and preparing does not', async () => {
    const world = await createWorld({ managed: true });
    const isdR = await openIsdR(world.card);
    await assert.rejects(install(world, isdR), /6982/);
    assert.equal((await isdR.send(enable(PROVISIONING_ICCID, false))).sw, 0x6982);
    assert.deepEqual(await profileStates(isdR), { [PROVISIONING_ICCID]: 'enabled' });
  });

  for (const level of [0x01, 0x03, 0x11, 0x13, 0x33] as const) {
    test(`installs and enables at level ${level.toString(16)}, prepared outside of the channel`, async () => {
      const world = await createWorld({ managed: true });
      const isdR = await openIsdR(world.card);
      const result = resultOf(
        world,
        await install(world, isdR, { loadOn: await secured(world.card, level) }),
      );
      assert.equal(result.finalResult.is, 'successResult');
      const next = await secured(world.card, level, 1);
      assert.equal(EnableProfileResponse.decode(await next.es10(enable(ICCID_A, false))).enableResult, 'ok');
      await world.card.reset();
      assert.equal(await readIccid(world.card), `${toHex(encodeIccid(ICCID_A))}9000`);
    });
  }

  test('a wrong MAC ends the channel, and a plain command is refused while it is open', async () => {
    const world = await createWorld({ managed: true });
    const channel = await secured(world.card, 0x03);
    const list = fromHex('BF2D00');
    const plainSend = { cla: withChannel(0x80, channel.channel), ins: 0xe2, p1: 0x91, p2: 0, data: list };
    assert.equal((await exchange(world.card, plainSend)).sw, 0x6982);
    assert.equal((await channel.send(list)).sw, 0x9000);
    const forged = { ...plainSend, cla: plainSend.cla | 0x04, data: new Uint8Array(24) };
    assert.equal((await exchange(world.card, forged)).sw, 0x6982);
    assert.equal((await channel.send(list)).sw, 0x6982, 'the session is over');
    assert.equal((await exchange(world.card, plainSend)).sw, 0x9000);
  });
});

test('the second download of a profile is refused by its ICCID, another one is installed', async () => {
  const world = await createWorld();
  const isdR = await openIsdR(world.card);
  await install(world, isdR);
  const twice = resultOf(world, await install(world, isdR)).finalResult;
  assert.deepEqual(errorOf(twice), ['storeMetadata', 'installFailedDueToIccidAlreadyExistsOnEuicc']);
  const other = resultOf(world, await install(world, isdR, { iccid: ICCID_B })).finalResult;
  assert.equal(other.is, 'successResult');
});

function errorOf(result: FinalResult): [string, string] | string {
  return result.is === 'errorResult' ? [result.value.bppCommandId, result.value.errorReason] : result.is;
}

test('a command to a card without power is an error of the socket', async () => {
  const world = await createWorld();
  await world.card.powerOff();
  await assert.rejects(
    world.card.transmit(encodeCommandApdu({ cla: 0, ins: 0xa4, p1: 0, p2: 0, data: fromHex('3F00') })),
  );
  await world.card.reset();
  assert.equal(decodeResponseApdu(await world.card.transmit(fromHex('00A4000C023F00'))).sw, 0x9000);
});
