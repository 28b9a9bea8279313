// Each profile state management operation of a package: what it does, and each result that the standard has for it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { createSeededRandom } from '../../base/random.ts';
import { parseIccid } from '../../codec/ids.ts';
import { EuiccResultData } from '../../codec/rsp/sgp32-package.ts';
import {
  A,
  B,
  deleteOf,
  disableOf,
  enableOf,
  type IotRig,
  iccidObject,
  iotRig,
  P,
  withRefresh,
} from '../testing/eim.ts';
import { profileStates, signedNotifications } from '../testing/results.ts';
import { SELECT_USIM, transcript, VERIFY_1 } from '../testing/os-card.ts';
import { osPackage } from '../testing/os-profile.ts';
import { openCardStore } from '../store.ts';
import { sampleMetadata, samplePackage, STORE_KEY } from '../testing/world.ts';
import { exchange, raw, TERMINAL_PROFILE } from '../testing/terminal.ts';

const NOWHERE = parseIccid('8988211000000000035');
const setFallback = (iccid = A) => ({ is: 'setFallbackAttribute', value: { iccid } }) as const;
const unsetFallback = { is: 'unsetFallbackAttribute', value: {} } as const;
const list = { is: 'listProfileInfo', value: {} } as const;

async function states(rig: IotRig): Promise<string> {
  return Object.entries(await profileStates(rig.isdR))
    .filter(([, state]) => state === 'enabled')
    .map(([iccid]) => iccid)
    .join();
}

describe('enable', () => {
  test('switches at once, notifies both sides, and asks for a REFRESH', async () => {
    const rig = await iotRig();
    await raw(rig.world.card, TERMINAL_PROFILE);
    assert.deepEqual((await rig.psmo(enableOf(A))).results, ['830100']);
    assert.equal(await states(rig), A);
    assert.deepEqual(await signedNotifications(rig.world, rig.isdR), [
      `1 notificationDisable ${P}`,
      `2 notificationEnable ${A}`,
    ]);
    const status = await exchange(rig.world.card, {
      cla: 0x80,
      ins: 0x12,
      p1: 0,
      p2: 0,
      data: new Uint8Array(0),
      le: 11,
    });
    assert.equal(toHex(status.data), 'D009810301010482028182');
    await rig.restart();
    assert.equal(await states(rig), A);
  });

  test('names why it cannot', async () => {
    const rig = await iotRig({ b: { ecallIndication: true } });
    assert.deepEqual((await rig.psmo(enableOf(NOWHERE))).results, ['830101']);
    assert.deepEqual((await rig.psmo(enableOf(P))).results, ['830102']);
    assert.deepEqual((await rig.psmo(enableOf(B))).results, ['830103']);
    assert.deepEqual((await rig.psmo(disableOf(P))).results, ['840100']);
    await rig.restart();
    assert.deepEqual((await rig.psmo(enableOf(A, true))).results, ['830114']);
    assert.equal(await states(rig), '');
  });

  test('does not leave a profile that may not be disabled', async () => {
    const rig = await iotRig({ a: { profilePolicyRules: ['ppr1', 'ppr2'] } });
    assert.deepEqual((await rig.psmo(enableOf(A))).results, ['830100']);
    await rig.restart();
    assert.deepEqual((await rig.psmo(enableOf(B))).results, ['830103']);
    assert.deepEqual((await rig.psmo(disableOf(A))).results, ['840103']);
  });

  test('is busy while a switch of ES10c waits for its REFRESH, and not because of its own', async () => {
    const rig = await iotRig();
    assert.deepEqual((await rig.psmo(enableOf(A))).results, ['830100']);
    assert.deepEqual((await rig.psmo(enableOf(B))).results, ['830100']);
    await rig.restart();
    assert.equal(await rig.ask(`BF3111A00C${iccidObject(A)}8101FF`), 'BF3103800100');
    assert.deepEqual((await rig.psmo(enableOf(P))).results, ['830105']);
    assert.deepEqual((await rig.psmo(disableOf(B))).results, ['840105']);
    assert.deepEqual((await rig.psmo(deleteOf(A))).results, ['850102']);
  });
});

describe('disable and delete', () => {
  test('take place, once each where there may be one', async () => {
    const rig = await iotRig();
    assert.deepEqual((await rig.psmo(disableOf(P), disableOf(P))).results, ['840100', '84017F']);
    assert.deepEqual((await rig.psmo(enableOf(P), disableOf(P))).results, ['830100', '84017F']);
    assert.deepEqual((await rig.psmo(deleteOf(A), deleteOf(B))).results, ['850100', '850100']);
    assert.deepEqual(await profileStates(rig.isdR), { [P]: 'enabled' });
  });

  test('name why they cannot', async () => {
    const rig = await iotRig({ a: { profilePolicyRules: ['ppr2'] } });
    assert.deepEqual((await rig.psmo(disableOf(NOWHERE))).results, ['840101']);
    assert.deepEqual((await rig.psmo(disableOf(A))).results, ['840102']);
    assert.deepEqual((await rig.psmo(deleteOf(NOWHERE))).results, ['850101']);
    assert.deepEqual((await rig.psmo(deleteOf(P))).results, ['850102']);
    assert.deepEqual((await rig.psmo(deleteOf(A))).results, ['850103']);
    assert.deepEqual((await rig.psmo(enableOf(B, true), deleteOf(P))).results, ['830100', '850114']);
  });

  test('let the profile that an enabling has left be deleted in the same package', async () => {
    const rig = await iotRig();
    assert.deepEqual((await rig.psmo(enableOf(A), deleteOf(P))).results, ['830100', '850100']);
    await rig.restart();
    assert.deepEqual(await profileStates(rig.isdR), { [A]: 'enabled', [B]: 'disabled' });
  });

  test('keep the profile to return to while the fallback profile is enabled', async () => {
    const rig = await iotRig({ a: { fallbackAllowed: true } });
    await rig.psmo(setFallback());
    assert.equal(await rig.ask(withRefresh(0xbf5d, false)), 'BF5D03800100');
    assert.deepEqual((await rig.psmo(deleteOf(P))).results, ['850115']);
    assert.deepEqual((await rig.psmo(deleteOf(B))).results, ['850100']);
  });
});

describe('listProfileInfo and getRAT', () => {
  test('answer the members of SGP.32, or those asked for', async () => {
    const rig = await iotRig({ a: { fallbackAllowed: true } });
    await rig.psmo(setFallback());
    const [listed = ''] = (await rig.psmo(list)).results;
    const tagged = EuiccResultData.decode(fromHex(listed));
    assert.ok(tagged.is === 'listProfileInfoResult' && tagged.value.is === 'profileInfoListOk');
    assert.deepEqual(
      tagged.value.value.map((info) => Object.keys(info).join(' ')),
      [
        'iccid isdpAid profileState serviceProviderName profileName profileClass',
        'iccid isdpAid profileState serviceProviderName profileName profileClass fallbackAttribute fallbackAllowed',
        'iccid isdpAid profileState serviceProviderName profileName profileClass',
      ],
    );
    const tags = {
      is: 'listProfileInfo',
      value: { searchCriteria: { is: 'iccid', value: A }, tagList: [0x9f26, 0x9f70] },
    } as const;
    assert.deepEqual((await rig.psmo(tags)).results, ['BF2D0CA00AE3089F7001009F2601FF']);
  });

  test('refuse a list after a change in the same package', async () => {
    const rig = await iotRig();
    assert.deepEqual((await rig.psmo(deleteOf(A), list)).results, ['850100', 'BF2D0381010B']);
    assert.deepEqual((await rig.psmo(enableOf(B), list)).results, ['830100', 'BF2D0381010B']);
  });

  test('answer the rules authorisation table', async () => {
    const rig = await iotRig();
    assert.deepEqual((await rig.psmo({ is: 'getRAT', value: {} })).results, [
      'A612301080020560A10730058003EEEEEE820100',
    ]);
  });
});

describe('the fallback attribute', () => {
  test('is set, moved and taken away, or why not is named', async () => {
    const rig = await iotRig({ a: { fallbackAllowed: true }, b: { fallbackAllowed: true } });
    assert.deepEqual((await rig.psmo(unsetFallback)).results, ['8E0102']);
    assert.deepEqual((await rig.psmo(setFallback(NOWHERE))).results, ['8D0101']);
    assert.deepEqual((await rig.psmo(setFallback(P))).results, ['8D0102']);
    assert.deepEqual((await rig.psmo(setFallback(A), setFallback(A))).results, ['8D0100', '8D0100']);
    assert.deepEqual((await rig.psmo(setFallback(B), unsetFallback)).results, ['8D0100', '8E0100']);
    await rig.psmo(setFallback(A), enableOf(A));
    assert.deepEqual((await rig.psmo(setFallback(B))).results, ['8D0103']);
    assert.deepEqual((await rig.psmo(unsetFallback)).results, ['8E0103']);
  });

  test('goes with its profile', async () => {
    const rig = await iotRig({ a: { fallbackAllowed: true } });
    assert.deepEqual((await rig.psmo(setFallback(A), deleteOf(A), unsetFallback)).results, [
      '8D0100',
      '850100',
      '8E0102',
    ]);
  });
});

test('the default SM-DP+ address is set', async () => {
  const rig = await iotRig();
  const set = { is: 'setDefaultDpAddress', value: { defaultDpAddress: 'smdp.example.org' } } as const;
  assert.deepEqual((await rig.psmo(set)).results, ['BF6503800100']);
  assert.match(await rig.ask('BF3C00'), new RegExp(toHex(new TextEncoder().encode('smdp.example.org'))));
});

test('the files of a profile that is deleted while the card shows it are read until the reset, and nothing of it is written', async () => {
  const rig = await iotRig({
    profiles: [
      { upp: osPackage(), metadata: sampleMetadata(A), enabled: true },
      { upp: samplePackage(B), metadata: sampleMetadata(B), enabled: false },
    ],
  });
  assert.deepEqual((await rig.psmo(enableOf(B), deleteOf(A))).results, ['830100', '850100']);
  await transcript(
    rig.world.card,
    SELECT_USIM,
    VERIFY_1,
    ['00A4000C024F40', '9000'],
    ['00DC010405AABBCCDDEE', '6985'],
    ['00B2010405', '01020304059000'],
  );
  assert.equal(await cellsOf(rig, 'profile/16/'), 0);
});

async function cellsOf({ world: { files } }: IotRig, prefix: string): Promise<number> {
  const random = createSeededRandom(1);
  const store = await openCardStore({ path: 'card', key: STORE_KEY, random, files });
  return store.names().filter((name) => name.startsWith(prefix)).length;
}
