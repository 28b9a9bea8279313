// ProfileRollback: only what an eIM has granted, once, and with a result that takes the place of the undelivered one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { ProfileRollbackResponse } from '../../codec/rsp/sgp32-profile.ts';
import { RetrieveNotificationsListResponse } from '../../codec/rsp/notifications.ts';
import {
  A,
  B,
  disableOf,
  enableOf,
  type IotRig,
  iccidObject,
  iotRig,
  P,
  readAnswer,
  TRANSACTION,
  withRefresh,
} from '../testing/eim.ts';
import { profileStates, signedNotifications } from '../testing/results.ts';

const REFUSED = 'BF5803020101';
const ROLLBACK = withRefresh(0xbf58, false);

async function keptResults(rig: IotRig): Promise<readonly string[]> {
  const answer = RetrieveNotificationsListResponse.decode(await rig.isdR.es10(fromHex('BF2B04A0028200')));
  if (answer.is !== 'euiccPackageResultList') throw new Error(answer.is);
  return answer.value.map((whole) => {
    const { counter, seqNumber, results } = readAnswer(rig.world, whole, rig.eim.token);
    return `${counter} ${seqNumber} ${results.join()}`;
  });
}

describe('a rollback that was granted', () => {
  test('brings the profile before back, voids the result and its notifications, and answers a new result', async () => {
    const rig = await iotRig({}, { associationToken: -1 });
    await rig.psmo(enableOf(A, true));
    assert.deepEqual(await keptResults(rig), ['5 3 830100']);
    await rig.restart();
    const answer = ProfileRollbackResponse.decode(await rig.isdR.es10(fromHex(ROLLBACK)));
    assert.equal(answer.cmdResult, 'ok');
    assert.ok(answer.eUICCPackageResult);
    assert.deepEqual(readAnswer(rig.world, answer.eUICCPackageResult, 1), {
      is: 'signed',
      eimId: 'eim.example.com',
      counter: 5,
      transaction: toHex(TRANSACTION),
      seqNumber: 6,
      results: ['8C0100'],
    });
    assert.deepEqual(await keptResults(rig), ['5 6 8C0100']);
    assert.deepEqual(await signedNotifications(rig.world, rig.isdR), [
      `4 notificationDisable ${A}`,
      `5 notificationEnable ${P}`,
    ]);
    assert.deepEqual(await profileStates(rig.isdR), { [P]: 'enabled', [A]: 'disabled', [B]: 'disabled' });
    assert.equal(await rig.ask(ROLLBACK), REFUSED);
    await rig.restart();
    assert.equal(await rig.ask(ROLLBACK), REFUSED);
  });

  test('goes back to a profile that the same package disabled first', async () => {
    const rig = await iotRig();
    await rig.psmo(disableOf(P), enableOf(A, true));
    await rig.ask(ROLLBACK);
    assert.equal((await profileStates(rig.isdR))[P], 'enabled');
  });

  test('ends the grant of the package before it', async () => {
    const rig = await iotRig();
    await rig.psmo(enableOf(A, true));
    await rig.psmo({ is: 'getRAT', value: {} });
    assert.equal(await rig.ask(ROLLBACK), REFUSED);
  });

  test('is taken back by any other change of the enabled profile', async () => {
    const changes: readonly string[] = [
      `BF3111A00C${iccidObject(B)}810100`,
      `BF3211A00C${iccidObject(A)}810100`,
      withRefresh(0xbf5d, false),
      withRefresh(0xbf5b, true),
      'BF6404820206C0',
    ];
    for (const change of changes) {
      const rig = await iotRig({
        a: { fallbackAllowed: true },
        b: { fallbackAllowed: true, ecallIndication: change.startsWith('BF5B') },
      });
      await rig.psmo({ is: 'setFallbackAttribute', value: { iccid: B } }, enableOf(A, true));
      await rig.ask(change);
      assert.equal(await rig.ask(ROLLBACK), REFUSED, change);
    }
  });
});

describe('a rollback is refused', () => {
  test('where nobody has granted one, or the enabling failed', async () => {
    const rig = await iotRig();
    assert.equal(await rig.ask(ROLLBACK), REFUSED);
    await rig.psmo(enableOf(A));
    assert.equal(await rig.ask(ROLLBACK), REFUSED);
    await rig.psmo(enableOf(A, true));
    assert.equal(await rig.ask(ROLLBACK), REFUSED);
  });

  test('when the profile to go back to is gone, or the eIM is', async () => {
    const rig = await iotRig();
    await rig.psmo(enableOf(A, true));
    await rig.ask(`BF330C${iccidObject(P)}`);
    assert.equal(await rig.ask(ROLLBACK), REFUSED);
    const other = await iotRig();
    await other.psmo(enableOf(A, true));
    await other.ask('BF640482020204');
    assert.equal(await other.ask(ROLLBACK), REFUSED);
  });

  test('while the terminal is busy with another REFRESH', async () => {
    const rig = await iotRig();
    await rig.psmo(enableOf(A, true));
    await rig.restart();
    await rig.ask(`BF3111A00C${iccidObject(B)}8101FF`);
    assert.equal(await rig.ask(ROLLBACK), 'BF5803020105');
  });
});

test('results are kept until each is acknowledged, found by number, and never more than 32', async () => {
  const rig = await iotRig();
  for (let i = 0; i < 3; i++) await rig.eco({ is: 'listEim', value: {} });
  const numbers = async () => (await keptResults(rig)).map((line) => line.split(' ')[1]);
  assert.deepEqual(await numbers(), ['1', '2', '3']);
  const one = RetrieveNotificationsListResponse.decode(await rig.isdR.es10(fromHex('BF2B05A003800102')));
  assert.ok(one.is === 'euiccPackageResultList' && one.value.length === 1);
  assert.equal(await rig.ask('BF3003800102'), 'BF3003800100');
  assert.equal(await rig.ask('BF3003800102'), 'BF3003800101');
  await rig.restart();
  assert.deepEqual(await numbers(), ['1', '3']);
  for (let i = 0; i < 32; i++) await rig.eco({ is: 'listEim', value: {} });
  const kept = await numbers();
  assert.deepEqual([kept.length, kept[0], kept.at(-1)], [32, '4', '35']);
});
