// Power cut at every write of every function that changes profiles, notifications or the session behind them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, fromHex } from '../base/bytes.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { encodeIccid } from '../codec/ids.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { createTestPki } from './testing/pki.ts';
import { profileStates, signedNotifications } from './testing/results.ts';
import { type TearCase, tearAtEveryWrite } from './testing/tear.ts';
import { type IsdRChannel, openIsdR, raw } from './testing/terminal.ts';
import {
  createWorld,
  ec,
  ICCID_A,
  ICCID_B,
  install,
  prepare,
  PROVISIONING_ICCID,
  sampleMetadata,
  samplePackage,
  type World,
} from './testing/world.ts';

const pki = createTestPki(ec);

type Observed = {
  readonly profiles: Record<string, string | undefined>;
  readonly notifications: readonly string[];
};

async function observe(world: World): Promise<Observed> {
  const isdR = await openIsdR(world.card);
  const profiles = await profileStates(isdR);
  assert.ok(
    Object.values(profiles).filter((state) => state === 'enabled').length <= 1,
    'one is enabled, or none',
  );
  const notifications = await signedNotifications(world, isdR);
  assert.equal(new Set(notifications).size, notifications.length, 'each notification is there once');
  return { profiles, notifications };
}

const P = PROVISIONING_ICCID;
const A = ICCID_A;
const T = ICCID_B;
const INSTALLED = '1 install successResult';
const SWITCHED = [INSTALLED, `2 notificationDisable ${P}`, `3 notificationEnable ${A}`];
const onlyP: Observed = { profiles: { [P]: 'enabled' }, notifications: [] };
const both: Observed = { profiles: { [P]: 'enabled', [A]: 'disabled' }, notifications: [INSTALLED] };
const switched: Observed = { profiles: { [P]: 'disabled', [A]: 'enabled' }, notifications: SWITCHED };
const testProfile = {
  upp: samplePackage(T),
  metadata: sampleMetadata(T, { profileClass: 'test' }),
  enabled: false,
};

const identified = (iccid: typeof A): Uint8Array => encodeTlv(0xa0, encodeTlv(0x5a, encodeIccid(iccid)));
const switching = (tag: number, iccid: typeof A, refresh: boolean): Uint8Array =>
  encodeTlv(tag, concat(identified(iccid), encodeTlv(0x81, Uint8Array.of(refresh ? 0xff : 0))));
const enable = (refresh: boolean, iccid = A): Uint8Array => switching(0xbf31, iccid, refresh);
const disable = (iccid: typeof A): Uint8Array => switching(0xbf32, iccid, false);

type Case = Omit<TearCase<Observed>, 'world' | 'observe' | 'arrange'> & {
  readonly world?: () => Promise<World>;
  readonly arrange: (world: World, isdR: IsdRChannel) => Promise<() => Promise<unknown>>;
};

const CASES: readonly Case[] = [
  {
    name: 'the last piece of an installation',
    before: onlyP,
    after: both,
    async arrange(world, isdR) {
      const { boundProfilePackage } = await prepare(world, isdR);
      const pieces = bppSegments(boundProfilePackage);
      for (const piece of pieces.slice(0, -1)) await isdR.es10(piece);
      return () => isdR.es10(pieces.at(-1) ?? assert.fail());
    },
  },
  {
    name: 'the piece of an installation that fails',
    before: onlyP,
    after: { ...onlyP, notifications: ['1 install errorResult'] },
    async arrange(world, isdR) {
      const { boundProfilePackage } = await prepare(world, isdR);
      const [first, second = assert.fail()] = bppSegments(boundProfilePackage);
      await isdR.es10(first ?? assert.fail());
      const damaged = Uint8Array.from(second);
      damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
      return () => isdR.es10(damaged);
    },
  },
  {
    name: 'the challenge that interrupts an installation',
    before: onlyP,
    after: { ...onlyP, notifications: ['1 install errorResult'] },
    async arrange(world, isdR) {
      const { boundProfilePackage } = await prepare(world, isdR);
      for (const piece of bppSegments(boundProfilePackage).slice(0, 3)) await isdR.es10(piece);
      return () => isdR.es10(fromHex('BF2E00'));
    },
  },
  {
    name: 'enabling without a refresh',
    before: both,
    after: switched,
    async arrange(world, isdR) {
      await install(world, isdR);
      return () => isdR.es10(enable(false));
    },
  },
  {
    name: 'enabling with a refresh: accepted is done at the next reset',
    before: both,
    after: switched,
    async arrange(world, isdR) {
      await install(world, isdR);
      return () => isdR.es10(enable(true));
    },
  },
  {
    name: 'the TERMINAL RESPONSE that refuses a refresh',
    before: switched,
    after: both,
    async arrange(world, isdR) {
      await install(world, isdR);
      await raw(world.card, '8010000003FFFF80');
      await isdR.es10(enable(true));
      await raw(world.card, '801200000B');
      return () => raw(world.card, '801400000C810301010482028281830130');
    },
  },
  {
    name: 'disabling',
    before: onlyP,
    after: { profiles: { [P]: 'disabled' }, notifications: [`1 notificationDisable ${P}`] },
    arrange: async (_world, isdR) => () => isdR.es10(disable(P)),
  },
  {
    name: 'enabling a test profile over an operational one',
    world: () => createWorld({ pki, profiles: [operational(), testProfile] }),
    before: { profiles: { [A]: 'enabled', [T]: 'disabled' }, notifications: [] },
    after: {
      profiles: { [A]: 'disabled', [T]: 'enabled' },
      notifications: [`1 notificationDisable ${A}`, `2 notificationEnable ${T}`],
    },
    arrange: async (_world, isdR) => () => isdR.es10(enable(false, T)),
  },
  {
    name: 'disabling a test profile: the displaced one comes back',
    world: () => createWorld({ pki, profiles: [operational(), testProfile] }),
    before: {
      profiles: { [A]: 'disabled', [T]: 'enabled' },
      notifications: [`1 notificationDisable ${A}`, `2 notificationEnable ${T}`],
    },
    after: {
      profiles: { [A]: 'enabled', [T]: 'disabled' },
      notifications: [
        `1 notificationDisable ${A}`,
        `2 notificationEnable ${T}`,
        `3 notificationDisable ${T}`,
        `4 notificationEnable ${A}`,
      ],
    },
    async arrange(_world, isdR) {
      await isdR.es10(enable(false, T));
      return () => isdR.es10(disable(T));
    },
  },
  {
    name: 'deleting',
    before: both,
    after: { profiles: { [P]: 'enabled' }, notifications: [INSTALLED, `2 notificationDelete ${A}`] },
    async arrange(world, isdR) {
      await install(world, isdR);
      return () => isdR.es10(encodeTlv(0xbf33, encodeTlv(0x5a, encodeIccid(A))));
    },
  },
  {
    name: 'removing a notification',
    before: both,
    after: { ...both, notifications: [] },
    async arrange(world, isdR) {
      await install(world, isdR);
      return () => isdR.es10(encodeTlv(0xbf30, encodeTlv(0x80, Uint8Array.of(1))));
    },
  },
  {
    name: 'a memory reset',
    before: both,
    after: { profiles: { [P]: 'enabled' }, notifications: [INSTALLED, `2 notificationDelete ${A}`] },
    async arrange(world, isdR) {
      await install(world, isdR);
      return () => isdR.es10(encodeTlv(0xbf34, encodeTlv(0x82, Uint8Array.of(7, 0x80))));
    },
  },
  {
    name: 'a memory reset that deletes the enabled profile',
    before: switched,
    after: {
      profiles: { [P]: 'disabled' },
      notifications: [...SWITCHED, `4 notificationDisable ${A}`, `5 notificationDelete ${A}`],
    },
    async arrange(world, isdR) {
      await install(world, isdR);
      await isdR.es10(enable(false));
      return () => isdR.es10(encodeTlv(0xbf34, encodeTlv(0x82, Uint8Array.of(7, 0x80))));
    },
  },
];

function operational(): typeof testProfile {
  return { upp: samplePackage(A), metadata: sampleMetadata(A), enabled: true };
}

/** Commands on a switch that a refresh will bring: whatever a cut leaves, the switch takes place. */
const SWITCH_COMES: readonly Pick<Case, 'name' | 'arrange'>[] = [
  {
    name: 'the reset that carries out a switch',
    async arrange(world, isdR) {
      await install(world, isdR);
      await isdR.es10(enable(true));
      return () => world.card.reset();
    },
  },
  {
    name: 'the TERMINAL RESPONSE after an eUICC profile state change',
    async arrange(world, isdR) {
      await install(world, isdR);
      await raw(world.card, `8010000022${'FFFF80'.padEnd(66, '0')}20`);
      await isdR.es10(enable(true));
      await raw(world.card, '801200000B');
      return () => raw(world.card, '801400000C810301010982028281830100');
    },
  },
];

describe('a cut at every write of', () => {
  for (const { arrange, world = () => createWorld({ pki }), ...rest } of [
    ...CASES,
    ...SWITCH_COMES.map((row): Case => ({ ...row, before: switched, after: switched })),
  ]) {
    test(rest.name, () =>
      tearAtEveryWrite({
        ...rest,
        world,
        observe,
        arrange: async (made) => arrange(made, await openIsdR(made.card)),
      }),
    );
  }
});

test('a package that a cut interrupted can be loaded again, with the same result', async () => {
  const world = await createWorld({ pki });
  const isdR = await openIsdR(world.card);
  const { boundProfilePackage, euiccOtpk } = await prepare(world, isdR);
  const pieces = bppSegments(boundProfilePackage);
  for (const piece of pieces.slice(0, -1)) await isdR.es10(piece);
  world.files.cutAt(1, { keep: 5 });
  await assert.rejects(isdR.es10(pieces.at(-1) ?? assert.fail()));
  world.files.powerOn();
  await world.reopen();
  const again = await openIsdR(world.card);
  const retried = await prepare(world, again, {}, { bppEuiccOtpk: euiccOtpk });
  assert.deepEqual(retried.euiccOtpk, euiccOtpk, 'the key of the interrupted download is still there');
  await again.load(retried.boundProfilePackage);
  assert.deepEqual(await observe(world), both);
});
