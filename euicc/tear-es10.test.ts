// Power cut at every write of ES10 functions that change several things at once; and of random functions, beside a card without cuts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytesUint, toHex, uintBytes } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { Iccid } from '../codec/ids.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import {
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  LoadCRLRequest,
  SetDefaultDpAddressRequest,
} from '../codec/rsp/configuration.ts';
import { GetEuiccChallengeRequest } from '../codec/rsp/euicc-info.ts';
import { NotificationSentRequest } from '../codec/rsp/notifications.ts';
import {
  DeleteProfileRequest,
  DisableProfileRequest,
  EnableProfileRequest,
  EuiccMemoryResetRequest,
  SetNicknameRequest,
} from '../codec/rsp/profile-management.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import { issueCrl } from '../crypto/crl.ts';
import { milenage as milenageFunctions } from '../crypto/milenage.ts';
import { encodeProfilePackage } from '../codec/saip/package.ts';
import { END, HEADER, MF, milenage, USIM, USIM_AID } from './profile-samples.ts';
import { openCardStore } from './store.ts';
import { isPowerLoss } from './store-files.ts';
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
  STORE_KEY,
  type World,
} from './testing/world.ts';

const AT = Date.UTC(2026, 0, 1);
const A = ICCID_A;
const B = ICCID_B;
const P = PROVISIONING_ICCID;
const pki = createTestPki(ec);
const SELECT_USIM = `00A4040C0C${USIM_AID}`;

/** What the store holds after the power-up under names that begin so. */
const namesOf =
  (...prefixes: readonly string[]) =>
  async ({ files }: World): Promise<string> => {
    const random = createSeededRandom(1);
    const store = await openCardStore({ path: 'card', key: STORE_KEY, random, files });
    const names = store.names().filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
    return names.toSorted().join(' ');
  };

function crl(thisUpdate: number, part?: { readonly number: number; readonly of: number }): Uint8Array {
  const list = {
    number: 1,
    thisUpdate,
    nextUpdate: AT,
    revoked: [],
    ...(part === undefined ? {} : { part }),
  };
  return LoadCRLRequest.encode({ crl: issueCrl(ec, pki.issuer, list) });
}

/** A challenge of the network for the sample profile's key, whose MAC is wrong where asked for. */
function challenge(seq: number, right = true): string {
  const key = new Secret(new Uint8Array(16));
  const sqn = uintBytes(seq * 32, 6);
  const { ak, macA } = milenageFunctions({
    k: key,
    opc: key,
    rand: key.reveal(),
    sqn,
    amf: new Uint8Array(2),
  });
  const hidden = sqn.map((octet, i) => octet ^ (ak[i] ?? 0));
  const mac = right ? macA : new Uint8Array(8);
  return `008800812210${'00'.repeat(16)}10${toHex(hidden)}0000${toHex(mac)}00`;
}

const ski = toHex(pki.ciPKId);
const counted = encodeProfilePackage([HEADER, MF, USIM, milenage({ authCounterMax: uintBytes(9, 3) }), END]);
const countedIccid = '8988211000000000017' as Iccid;

const CASES: readonly TearCase<string>[] = [
  {
    name: 'LoadCRL, the last part: the older list goes',
    before: `crl/${ski} crl/${ski}.1`,
    after: `crl/${ski}.1 crl/${ski}.2`,
    world: () => createWorld({ pki }),
    async arrange({ card }) {
      const isdR = await openIsdR(card);
      await isdR.es10(crl(AT));
      await isdR.es10(crl(AT + 1000, { number: 1, of: 2 }));
      return () => isdR.es10(crl(AT + 1000, { number: 2, of: 2 }));
    },
    observe: namesOf('crl/'),
  },
  {
    name: 'deleting a profile that was in use: all of it goes',
    before:
      'info/17 notification/1 notification/2 notification/3 notification/4 notification/5 profile/17/aka/0 profile/17/package',
    after: 'notification/1 notification/2 notification/3 notification/4 notification/5 notification/6',
    world: () => createWorld({ pki }),
    async arrange(world) {
      const { card } = world;
      const isdR = await openIsdR(card);
      await install(world, isdR);
      await isdR.es10(SetNicknameRequest.encode({ iccid: A, profileNickname: 'in use' }));
      await isdR.es10(switching(EnableProfileRequest, A));
      await card.reset();
      await raw(card, SELECT_USIM);
      assert.match(await raw(card, challenge(1)), /^DB/);
      const again = await openIsdR(card);
      await again.es10(switching(EnableProfileRequest, P));
      return () => again.es10(DeleteProfileRequest.encode({ is: 'iccid', value: A }));
    },
    observe: namesOf('info/17', 'profile/17', 'notification/'),
  },
  {
    name: 'a memory reset of address and field-loaded test profile',
    before: `{"${P}":"enabled","${B}":"disabled"} dp.example.com`,
    after: `{"${P}":"enabled"} `,
    world: () => createWorld({ pki, defaultDpAddress: 'dp.example.com' }),
    async arrange(world) {
      const isdR = await openIsdR(world.card);
      await install(world, isdR, { iccid: B, metadata: sampleMetadata(B, { profileClass: 'test' }) });
      const resetOptions = ['deleteFieldLoadedTestProfiles', 'resetDefaultSmdpAddress'] as const;
      return () => isdR.es10(EuiccMemoryResetRequest.encode({ resetOptions: [...resetOptions] }));
    },
    async observe({ card }) {
      const isdR = await openIsdR(card);
      return `${JSON.stringify(await profileStates(isdR))} ${await addressOf(isdR)}`;
    },
  },
  {
    name: 'AUTHENTICATE of another network, where the uses of the key are counted',
    before: 'profile/16/package',
    after: 'profile/16/aka/0 profile/16/package',
    world: () =>
      createWorld({
        pki,
        profiles: [{ upp: counted, metadata: sampleMetadata(countedIccid), enabled: true }],
      }),
    async arrange({ card }) {
      await raw(card, SELECT_USIM);
      return async () => assert.equal(await raw(card, challenge(1, false)), '9862');
    },
    observe: namesOf('profile/16/'),
  },
];

function switching(request: typeof EnableProfileRequest, value: Iccid, refreshFlag = false): Uint8Array {
  return request.encode({ profileIdentifier: { is: 'iccid', value }, refreshFlag });
}

async function addressOf(isdR: IsdRChannel): Promise<string> {
  const { defaultDpAddress = '' } = EuiccConfiguredAddressesResponse.decode(
    await isdR.es10(EuiccConfiguredAddressesRequest.encode({})),
  );
  return defaultDpAddress;
}

describe('a cut at every write of', () => {
  for (const each of CASES) test(each.name, () => tearAtEveryWrite(each));
});

type Step = (world: World, isdR: IsdRChannel) => Promise<unknown>;

const T = '8988211000000000035' as Iccid;
const send =
  (request: Uint8Array): Step =>
  async (_world, isdR) =>
    isdR.send(request);
/** Everything that changes what the card shows of itself, fitting or not: what is refused must change nothing. */
const STEPS: readonly Step[] = [
  ...[A, B, P, T].flatMap((iccid) => [
    send(switching(EnableProfileRequest, iccid)),
    send(switching(EnableProfileRequest, iccid, true)),
    send(switching(DisableProfileRequest, iccid)),
    send(DeleteProfileRequest.encode({ is: 'iccid', value: iccid })),
    send(SetNicknameRequest.encode({ iccid, profileNickname: `n${iccid}` })),
  ]),
  ...[A, B].flatMap((iccid): Step[] => {
    const installs: Step = (world, isdR) => install(world, isdR, { iccid });
    return [installs, installs, installs];
  }),
  async (world, isdR) => {
    const { boundProfilePackage } = await prepare(world, isdR, { iccid: B });
    for (const piece of bppSegments(boundProfilePackage).slice(0, 4)) await isdR.es10(piece);
    await isdR.es10(GetEuiccChallengeRequest.encode({}));
  },
  ...['one', 'two'].map((name) =>
    send(SetDefaultDpAddressRequest.encode({ defaultDpAddress: `${name}.example` })),
  ),
  ...[1, 2, 3, 4, 5, 6, 7].map((seqNumber) => send(NotificationSentRequest.encode({ seqNumber }))),
  send(EuiccMemoryResetRequest.encode({ resetOptions: ['deleteFieldLoadedTestProfiles'] })),
  send(
    EuiccMemoryResetRequest.encode({
      resetOptions: ['deleteOperationalProfiles', 'resetDefaultSmdpAddress'],
    }),
  ),
];

async function shown(world: World): Promise<string> {
  const isdR = await openIsdR(world.card);
  const answer = ProfileInfoListResponse.decode(await isdR.es10(ProfileInfoListRequest.encode({})));
  if (answer.is !== 'profileInfoListOk') throw new Error(answer.value);
  return JSON.stringify([answer.value, await signedNotifications(world, isdR), await addressOf(isdR)]);
}

/** One step, then the reset that carries out a switch. False where a cut stopped it. */
async function perform(world: World, step: Step): Promise<boolean> {
  try {
    await step(world, await openIsdR(world.card));
    await world.reopen();
    return true;
  } catch (error) {
    if (!isPowerLoss(error)) throw error;
    world.files.powerOn();
    await world.reopen();
    return false;
  }
}

describe('a cut anywhere in a life leaves what a card without cuts shows before or after the step', () => {
  const TEARS = [{ keep: 0 }, { keep: 20, zeros: 1000 }, { keep: 1_000_000 }] as const;
  for (const seed of [1, 2, 3]) {
    test(`seed ${seed}`, async () => {
      const random = createSeededRandom(seed);
      const pick = <T>(list: readonly T[]): T =>
        list[bytesUint(random.bytes(3)) % list.length] ?? assert.fail();
      const profiles = [
        {
          upp: samplePackage(P),
          metadata: sampleMetadata(P, { profileClass: 'provisioning' }),
          enabled: true,
        },
        { upp: samplePackage(T), metadata: sampleMetadata(T, { profileClass: 'test' }), enabled: false },
      ];
      const [torn, twin] = [await createWorld({ pki, profiles }), await createWorld({ pki, profiles })];
      let cuts = 0;
      for (let number = 0; number < 25; number++) {
        const step = pick(STEPS);
        const before = await shown(twin);
        assert.ok(await perform(twin, step));
        const after = await shown(twin);
        torn.files.cutAt(pick([1, 1, 2, 3]), pick(TEARS));
        const whole = await perform(torn, step);
        torn.files.powerOn();
        if (!whole) cuts++;
        const found = await shown(torn);
        assert.ok(
          found === after || (!whole && found === before),
          `step ${number}: ${found}, after ${after}`,
        );
        if (found !== after) assert.ok(await perform(torn, step), 'a second time');
        assert.equal(await shown(torn), after);
      }
      assert.ok(cuts >= 5, `${cuts} cuts`);
      await torn.card.close();
      await twin.card.close();
    });
  }
});
