// Power cut at every write of the SGP.32 functions: the card is in the state before or after, and asking again ends in the latter.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex, utf8Bytes } from '../../base/bytes.ts';
import { AddInitialEimRequest } from '../../codec/rsp/sgp32-eim.ts';
import { RetrieveNotificationsListResponse } from '../../codec/rsp/notifications.ts';
import { isPowerLoss } from '../store-files.ts';
import {
  A,
  B,
  configurationOf,
  type Configure,
  createTestEim,
  deleteOf,
  enableOf,
  type IotRig,
  iotRig,
  type Operation,
  P,
  packageRequest,
  readAnswer,
  type TestEim,
  withRefresh,
} from '../testing/eim.ts';
import { createTestPki } from '../testing/pki.ts';
import { SERVER_ADDRESS } from '../testing/sm-dp.ts';
import { profileStates, signedNotifications } from '../testing/results.ts';
import { tearAtEveryWrite } from '../testing/tear.ts';
import { openIsdR } from '../testing/terminal.ts';
import { createWorld, ec, install } from '../testing/world.ts';

const pki = createTestPki(ec);
const pair = ec.generate('P-256');

/** Profiles, notifications, eIMs as BF55 shows them, and what the kept results say. */
async function observe(rig: IotRig): Promise<string> {
  rig.isdR = await openIsdR(rig.world.card);
  const kept = RetrieveNotificationsListResponse.decode(await rig.isdR.es10(fromHex('BF2B04A0028200')));
  return JSON.stringify({
    profiles: await profileStates(rig.isdR),
    list: await rig.ask('BF2D085C065A9F709F269F67'),
    notifications: await signedNotifications(rig.world, rig.isdR),
    eims: await rig.ask('BF5500'),
    addresses: await rig.ask('BF3C00'),
    results:
      kept.is === 'euiccPackageResultList'
        ? kept.value.map((whole) => {
            const { counter, seqNumber, results } = readAnswer(rig.world, whole, rig.eim.token);
            return [counter, seqNumber, results];
          })
        : kept.is,
  });
}

type Case = {
  readonly name: string;
  /** What leads up to the request. */
  readonly arrange?: (rig: IotRig) => Promise<unknown>;
  readonly request: (rig: IotRig) => Uint8Array;
  /** What the request changes in the answers of the card. */
  readonly expect: RegExp;
  /** What the same request is told when it was carried out before. */
  readonly again: string;
};

const eimOf = (eimId: string): TestEim => createTestEim(eimId, pair);
const psmo =
  (...psmoList: Operation[]): Case['request'] =>
  ({ eim }) =>
    packageRequest(eim, { psmoList });
const eco =
  (...ecoList: Configure[]): Case['request'] =>
  ({ eim }) =>
    packageRequest(eim, { ecoList });
const bare =
  (hex: string): Case['request'] =>
  () =>
    fromHex(hex);
const fallbackToA: Operation = { is: 'setFallbackAttribute', value: { iccid: A } };
const REPLAY = 'error 4';

const CASES: readonly Case[] = [
  {
    name: 'AddInitialEim',
    arrange: (rig) => rig.ask('BF640482020204'),
    request: () =>
      AddInitialEimRequest.encode({
        eimConfigurationDataList: ['one', 'two'].map((name) =>
          configurationOf(eimOf(name), { associationToken: -1 }),
        ),
      }),
    expect: /84010[12].*84010[23]/,
    again: 'BF5703810102',
  },
  {
    name: 'a package that enables one profile and deletes another',
    request: psmo(enableOf(A, true), deleteOf(B)),
    expect: /"results":\[\[5,4,\["830100","850100"\]\]\]/,
    again: REPLAY,
  },
  {
    name: 'a package that sets the fallback attribute and the default address',
    request: psmo(fallbackToA, { is: 'setDefaultDpAddress', value: { defaultDpAddress: 'x' } }),
    expect: /"addresses":"BF3C[0-9A-F]{2}800178.*8D0100/,
    again: REPLAY,
  },
  {
    name: 'a package that adds, changes and deletes eIMs',
    request: eco(
      { is: 'addEim', value: configurationOf(eimOf('second'), { associationToken: -1 }) },
      { is: 'updateEim', value: { eimId: 'second', eimFqdn: 'second.example.com' } },
      { is: 'addEim', value: configurationOf(eimOf('third')) },
      { is: 'deleteEim', value: { eimId: 'third' } },
    ),
    expect: /"A803840101","8A0100","A803020100","890100"/,
    again: REPLAY,
  },
  {
    name: 'a package whose second operation fails',
    request: psmo(enableOf(A), enableOf(B)),
    expect: /"830100","83017F"/,
    again: REPLAY,
  },
  {
    name: 'ProfileRollback',
    arrange: (rig) => rig.psmo(enableOf(A, true)),
    request: bare(withRefresh(0xbf58, true)),
    expect: /"results":\[\[5,6,\["8C0100"\]\]\]/,
    again: 'BF5803020101',
  },
  {
    name: 'ExecuteFallbackMechanism',
    arrange: (rig) => rig.psmo(fallbackToA),
    request: bare(withRefresh(0xbf5d, true)),
    expect: new RegExp(`notificationEnable ${A}`),
    again: 'BF5D03800102',
  },
  {
    name: 'ReturnFromFallback',
    arrange: async (rig) => {
      await rig.psmo(fallbackToA);
      await rig.ask(withRefresh(0xbf5d, false));
    },
    request: bare(withRefresh(0xbf5e, false)),
    expect: new RegExp(`notificationEnable ${P}`),
    again: 'BF5E03800106',
  },
  {
    name: 'EnableEmergencyProfile',
    request: bare(withRefresh(0xbf5b, false)),
    expect: new RegExp(`"${B}":"enabled"`),
    again: 'BF5B03800102',
  },
  {
    name: 'DisableEmergencyProfile',
    arrange: (rig) => rig.ask(withRefresh(0xbf5b, false)),
    request: bare(withRefresh(0xbf5c, false)),
    expect: new RegExp(`"${P}":"enabled"`),
    again: 'BF5C03800102',
  },
  {
    name: 'a memory reset of everything',
    arrange: (rig) => rig.psmo(enableOf(A)),
    request: bare('BF6404820201FE'),
    expect: /"profiles":\{\}.*"eims":"BF5502A000"/,
    again: 'BF6409800101810101820100',
  },
  {
    name: 'ConfigureImmediateProfileEnabling',
    arrange: (rig) => rig.ask('BF640482020204'),
    request: bare('BF59058000820178'),
    expect: /BF3C[0-9A-F]{2}800178/,
    again: 'BF5903800100',
  },
  {
    name: 'SetDefaultDpAddress',
    request: bare('BF6503800178'),
    expect: /BF3C[0-9A-F]{2}800178/,
    again: 'BF6503800100',
  },
  {
    name: 'the acknowledgement of a result',
    arrange: (rig) => rig.eco({ is: 'listEim', value: {} }),
    request: bare('BF3003800101'),
    expect: /"results":\[\]/,
    again: 'BF3003800101',
  },
];

const TEARS = [
  { keep: 0 },
  { keep: 5, zeros: 100_000 },
  { keep: 40, zeros: 100_000 },
  { keep: 1_000_000 },
] as const;

async function arranged({ arrange }: Case): Promise<IotRig> {
  const rig = await iotRig({ pki, a: { fallbackAllowed: true }, b: { ecallIndication: true } });
  await arrange?.(rig);
  return rig;
}

/** The answer in hex, or what kind of answer to a package it is. */
async function told(rig: IotRig, request: Uint8Array): Promise<string> {
  const answer = await rig.isdR.es10(request);
  if (answer[1] !== 0x51) return toHex(answer);
  const { is, code } = readAnswer(rig.world, answer, rig.eim.token);
  return `${is} ${code}`;
}

describe('a cut', () => {
  for (const one of CASES) {
    test(`at every write of ${one.name}`, async () => {
      const whole = await arranged(one);
      await whole.world.reopen();
      const before = await observe(whole);
      const request = one.request(whole);
      await whole.isdR.es10(request);
      await whole.world.reopen();
      const after = await observe(whole);
      assert.match(after, one.expect);
      assert.doesNotMatch(before, one.expect);
      const seen = new Set<string>();
      for (const tear of TEARS) {
        for (let at = 1; ; at++) {
          const rig = await arranged(one);
          rig.isdR = await openIsdR(rig.world.card);
          const asked = one.request(rig);
          rig.world.files.cutAt(at, tear);
          const lost = await rig.isdR.es10(asked).then(
            () => false,
            (error: unknown) => {
              assert.ok(isPowerLoss(error), String(error));
              return true;
            },
          );
          if (!lost) break;
          rig.world.files.powerOn();
          await rig.world.reopen();
          const found = normal(await observe(rig));
          assert.ok([before, after].map(normal).includes(found), `write ${at}, keep ${tear.keep}: ${found}`);
          seen.add(found);
          const answer = await told(rig, asked);
          if (found === normal(after)) assert.equal(answer, one.again);
          await rig.world.reopen();
          assert.equal(normal(await observe(rig)), normal(after), 'asked again');
        }
      }
      assert.equal(seen.size, 2, 'both sides were met');
    });
  }
});

test('a cut at every write of an immediate enabling', () =>
  tearAtEveryWrite({
    name: 'ImmediateEnable',
    before: { profiles: { [P]: 'enabled', [A]: 'disabled' }, notifications: ['1 install successResult'] },
    after: {
      profiles: { [P]: 'disabled', [A]: 'enabled' },
      notifications: ['1 install successResult', `2 notificationDisable ${P}`, `3 notificationEnable ${A}`],
    },
    world: () => createWorld({ pki }),
    async arrange(world) {
      const isdR = await openIsdR(world.card);
      const address = toHex(utf8Bytes(SERVER_ADDRESS));
      const length = SERVER_ADDRESS.length;
      await isdR.es10(fromHex(`BF59${hexOctet(length + 4)}800082${hexOctet(length)}${address}`));
      await install(world, isdR);
      return () => isdR.es10(fromHex(withRefresh(0xbf5a, false)));
    },
    async observe(world) {
      const isdR = await openIsdR(world.card);
      const signed = await signedNotifications(world, isdR);
      return {
        profiles: await profileStates(isdR),
        notifications: signed,
      };
    },
  }));

function hexOctet(value: number): string {
  return toHex(Uint8Array.of(value));
}

/** Keys and certificates of eIMs differ from run to run. */
function normal(observed: string): string {
  return observed.replace(/"eims":"[0-9A-F]*"/, (eims) => `"eims":${eims.length}`);
}
