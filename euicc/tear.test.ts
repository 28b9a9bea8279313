// Power cut at every write of every command that writes: the card is in the state before or after it, literally.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat } from '../base/bytes.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { encodeIccid } from '../codec/ids.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { isPowerLoss } from './store-files.ts';
import { createTestPki } from './testing/pki.ts';
import { profileStates, signedNotifications } from './testing/results.ts';
import { type IsdRChannel, openIsdR } from './testing/terminal.ts';
import {
  createWorld,
  ec,
  ICCID_A,
  install,
  prepare,
  PROVISIONING_ICCID,
  type World,
} from './testing/world.ts';

const pki = createTestPki(ec);

type Observed = {
  readonly profiles: Record<string, string | undefined>;
  readonly notifications: readonly string[];
};

async function observe(world: World): Promise<Observed> {
  const isdR = await openIsdR(world.card);
  return { profiles: await profileStates(isdR), notifications: await signedNotifications(world, isdR) };
}

const P = PROVISIONING_ICCID;
const A = ICCID_A;
const INSTALLED = '1 install successResult';
const SWITCHED = [INSTALLED, `2 notificationDisable ${P}`, `3 notificationEnable ${A}`];
const onlyP: Observed = { profiles: { [P]: 'enabled' }, notifications: [] };
const both: Observed = { profiles: { [P]: 'enabled', [A]: 'disabled' }, notifications: [INSTALLED] };
const switched: Observed = { profiles: { [P]: 'disabled', [A]: 'enabled' }, notifications: SWITCHED };

const enable = (refresh: boolean): Uint8Array => {
  const identifier = encodeTlv(0xa0, encodeTlv(0x5a, encodeIccid(A)));
  return encodeTlv(0xbf31, concat(identifier, encodeTlv(0x81, Uint8Array.of(refresh ? 0xff : 0))));
};

type Case = {
  readonly name: string;
  readonly before: Observed;
  readonly after: Observed;
  /** What leads up to the command; the answer is the command. */
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
    name: 'the reset that carries out a switch',
    before: switched,
    after: switched,
    async arrange(world, isdR) {
      await install(world, isdR);
      await isdR.es10(enable(true));
      return () => world.card.reset();
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
];

const TEARS = [
  { keep: 0 },
  { keep: 5 },
  { keep: 5, zeros: 100_000 },
  { keep: 40, zeros: 100_000 },
  { keep: 1_000_000 },
] as const;

describe('a cut', () => {
  for (const { name, before, after, arrange } of CASES) {
    test(`at every write of ${name}`, async () => {
      const seen = new Set<string>();
      let cuts = 0;
      for (const tear of TEARS) {
        for (let at = 1; ; at++) {
          const world = await createWorld({ pki });
          const command = await arrange(world, await openIsdR(world.card));
          world.files.cutAt(at, tear);
          const lost = await command().then(
            () => false,
            (error: unknown) => {
              assert.ok(isPowerLoss(error), String(error));
              return true;
            },
          );
          if (!lost) break;
          cuts++;
          world.files.powerOn();
          await world.reopen();
          const found = await observe(world);
          const is = JSON.stringify(found);
          assert.ok(
            [before, after].some((state) => JSON.stringify(state) === is),
            `write ${at}, keep ${tear.keep}: ${is}`,
          );
          seen.add(is);
          assert.deepEqual((await observe(world)).profiles, found.profiles);
        }
      }
      assert.ok(cuts >= TEARS.length, `${cuts} cuts`);
      assert.ok(seen.has(JSON.stringify(before)) && seen.has(JSON.stringify(after)), 'both sides were met');
    });
  }
});
