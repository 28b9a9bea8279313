// ES10c on profiles, by ICCID and by AID of the ISD-P: every result that SGP.22 5.7.16 to 5.7.21 names, and what it leaves behind.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { encodeIccid, type Iccid, parseIccid } from '../codec/ids.ts';
import {
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  SetDefaultDpAddressRequest,
} from '../codec/rsp/configuration.ts';
import {
  DeleteProfileRequest,
  DeleteProfileResponse,
  DisableProfileRequest,
  DisableProfileResponse,
  EnableProfileRequest,
  EnableProfileResponse,
  EuiccMemoryResetRequest,
  EuiccMemoryResetResponse,
  SetNicknameRequest,
  SetNicknameResponse,
} from '../codec/rsp/profile-management.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import type { ProfileMetadata } from './profiles.ts';
import { profileStates, signedNotifications } from './testing/results.ts';
import { type IsdRChannel, openIsdR, raw, TERMINAL_PROFILE } from './testing/terminal.ts';
import {
  createWorld,
  ICCID_A,
  ICCID_B,
  install,
  PROVISIONING_ICCID,
  sampleMetadata,
  samplePackage,
  type World,
} from './testing/world.ts';

const A = ICCID_A;
const B = ICCID_B;
const P = PROVISIONING_ICCID;
const T = parseIccid('8988211000000000035');
const NOBODY = parseIccid('8988211000000000043');
const OWNER = { mccMnc: fromHex('00F110') };

type Given = Partial<ProfileMetadata> & { readonly enabled?: true };
const profile = (iccid: Iccid, { enabled, ...metadata }: Given = {}) => ({
  upp: samplePackage(iccid),
  metadata: sampleMetadata(iccid, { profileOwner: OWNER, ...metadata }),
  enabled: enabled === true,
});
const A_ON = profile(A, { enabled: true });
const B_OFF = profile(B);
const T_OFF = profile(T, { profileClass: 'test' });
const P_OFF = profile(P, { profileClass: 'provisioning' });
const PPR1 = { profilePolicyRules: ['ppr1'] } as const;
const PPR2 = { profilePolicyRules: ['ppr2'] } as const;

type Identifier = Parameters<typeof DeleteProfileRequest.encode>[0];
const byIccid = async (_isdR: IsdRChannel, value: Iccid): Promise<Identifier> => ({ is: 'iccid', value });
/** The AID that the list of profiles tells; for a profile that is not there, one of nobody. */
async function byAid(isdR: IsdRChannel, iccid: Iccid): Promise<Identifier> {
  const [info] = await list(isdR, { searchCriteria: { is: 'iccid', value: iccid } });
  const value = info?.isdpAid;
  return value === undefined
    ? {
        is: 'isdpAid',
        value: 'A0000005591010FFFFFFFF8900009900' as Extract<Identifier, { is: 'isdpAid' }>['value'],
      }
    : { is: 'isdpAid', value };
}

async function list(isdR: IsdRChannel, request: Parameters<typeof ProfileInfoListRequest.encode>[0]) {
  const answer = ProfileInfoListResponse.decode(await isdR.es10(ProfileInfoListRequest.encode(request)));
  if (answer.is === 'profileInfoListError') throw new Error(answer.value);
  return answer.value;
}

async function answered(isdR: IsdRChannel, request: Uint8Array): Promise<Uint8Array> {
  const { data, sw } = await isdR.send(request);
  assert.ok(sw === 0x9000 || sw >> 8 === 0x91, sw.toString(16));
  return data;
}

const FUNCTIONS = {
  enable: async (isdR: IsdRChannel, profileIdentifier: Identifier, refreshFlag: boolean) =>
    EnableProfileResponse.decode(
      await answered(isdR, EnableProfileRequest.encode({ profileIdentifier, refreshFlag })),
    ).enableResult,
  disable: async (isdR: IsdRChannel, profileIdentifier: Identifier, refreshFlag: boolean) =>
    DisableProfileResponse.decode(
      await answered(isdR, DisableProfileRequest.encode({ profileIdentifier, refreshFlag })),
    ).disableResult,
  delete: async (isdR: IsdRChannel, identifier: Identifier) =>
    DeleteProfileResponse.decode(await answered(isdR, DeleteProfileRequest.encode(identifier))).deleteResult,
} as const;
type Call = readonly [keyof typeof FUNCTIONS, Iccid, refresh?: 'refresh'];

/** `on` and `off` as the list of profiles tells; `-` where there is none. */
type States = Readonly<Record<string, string>>;
type Case = {
  readonly profiles: readonly ReturnType<typeof profile>[];
  /** Succeed before the call. */
  readonly before?: readonly Call[];
  readonly call: Call;
  readonly result: string;
  readonly enabled: Iccid | undefined;
  /** The terminal takes proactive commands. */
  readonly toolkit?: true;
};

const CASES: Readonly<Record<string, Case>> = {
  'enabling a profile': { profiles: [A_ON, B_OFF], call: ['enable', B], result: 'ok', enabled: B },
  'enabling the first profile': { profiles: [B_OFF], call: ['enable', B], result: 'ok', enabled: B },
  'enabling what is not there': {
    profiles: [A_ON],
    call: ['enable', NOBODY],
    result: 'iccidOrAidNotFound',
    enabled: A,
  },
  'enabling what is enabled': {
    profiles: [A_ON],
    call: ['enable', A],
    result: 'profileNotInDisabledState',
    enabled: A,
  },
  'enabling while PPR1 keeps another enabled': {
    profiles: [profile(A, { ...PPR1, enabled: true }), B_OFF],
    call: ['enable', B],
    result: 'disallowedByPolicy',
    enabled: A,
  },
  'enabling a test profile for all PPR1': {
    profiles: [profile(A, { ...PPR1, enabled: true }), T_OFF],
    call: ['enable', T],
    result: 'ok',
    enabled: T,
  },
  'enabling the provisioning profile for all PPR1': {
    profiles: [profile(A, { ...PPR1, enabled: true }), P_OFF],
    call: ['enable', P],
    result: 'ok',
    enabled: P,
  },
  'enabling another than the one that a test profile displaced': {
    profiles: [A_ON, B_OFF, T_OFF],
    before: [['enable', T]],
    call: ['enable', B],
    result: 'wrongProfileReenabling',
    enabled: T,
  },
  'enabling the one that a test profile displaced': {
    profiles: [A_ON, B_OFF, T_OFF],
    before: [['enable', T]],
    call: ['enable', A],
    result: 'ok',
    enabled: A,
  },
  'enabling while a REFRESH waits': {
    profiles: [A_ON, B_OFF, T_OFF],
    before: [['enable', B, 'refresh']],
    call: ['enable', T, 'refresh'],
    result: 'catBusy',
    enabled: A,
    toolkit: true,
  },
  'disabling a profile': { profiles: [A_ON], call: ['disable', A], result: 'ok', enabled: undefined },
  'disabling what is not there': {
    profiles: [A_ON],
    call: ['disable', NOBODY],
    result: 'iccidOrAidNotFound',
    enabled: A,
  },
  'disabling what is disabled': {
    profiles: [A_ON, B_OFF],
    call: ['disable', B],
    result: 'profileNotInEnabledState',
    enabled: A,
  },
  'disabling against PPR1': {
    profiles: [profile(A, { ...PPR1, enabled: true })],
    call: ['disable', A],
    result: 'disallowedByPolicy',
    enabled: A,
  },
  'disabling with PPR2 alone': {
    profiles: [profile(A, { ...PPR2, enabled: true })],
    call: ['disable', A],
    result: 'ok',
    enabled: undefined,
  },
  'disabling a test profile': {
    profiles: [A_ON, T_OFF],
    before: [['enable', T]],
    call: ['disable', T],
    result: 'ok',
    enabled: A,
  },
  'disabling while a REFRESH waits': {
    profiles: [A_ON, B_OFF],
    before: [['enable', B, 'refresh']],
    call: ['disable', A, 'refresh'],
    result: 'catBusy',
    enabled: A,
    toolkit: true,
  },
  'deleting a profile': { profiles: [A_ON, B_OFF], call: ['delete', B], result: 'ok', enabled: A },
  'deleting what is not there': {
    profiles: [A_ON],
    call: ['delete', NOBODY],
    result: 'iccidOrAidNotFound',
    enabled: A,
  },
  'deleting the enabled profile': {
    profiles: [A_ON],
    call: ['delete', A],
    result: 'profileNotInDisabledState',
    enabled: A,
  },
  'deleting what a REFRESH is about to enable': {
    profiles: [A_ON, B_OFF],
    before: [['enable', B, 'refresh']],
    call: ['delete', B],
    result: 'profileNotInDisabledState',
    enabled: A,
    toolkit: true,
  },
  'deleting against PPR2': {
    profiles: [A_ON, profile(B, PPR2)],
    call: ['delete', B],
    result: 'disallowedByPolicy',
    enabled: A,
  },
  'deleting with PPR1 alone': {
    profiles: [A_ON, profile(B, PPR1)],
    call: ['delete', B],
    result: 'ok',
    enabled: A,
  },
};

async function worldOf({ profiles, toolkit }: Pick<Case, 'profiles' | 'toolkit'>): Promise<World> {
  const world = await createWorld({ profiles: [...profiles] });
  if (toolkit === true) await raw(world.card, TERMINAL_PROFILE);
  return world;
}

describe('ES10c', () => {
  for (const [how, identify] of [
    ['ICCID', byIccid],
    ['AID', byAid],
  ] as const) {
    for (const [name, one] of Object.entries(CASES)) {
      const { before = [], call, enabled, profiles, result } = one;
      test(`${name}, by ${how}: ${result}`, async () => {
        const world = await worldOf(one);
        const isdR = await openIsdR(world.card);
        const perform = async ([what, iccid, refresh]: Call): Promise<string> =>
          FUNCTIONS[what](isdR, await identify(isdR, iccid), refresh !== undefined);
        for (const each of before) assert.equal(await perform(each), 'ok');
        const notified = (await signedNotifications(world, isdR)).length;
        assert.equal(await perform(call), result);
        const expected: States = Object.fromEntries(
          profiles
            .map(({ metadata }) => metadata.iccid)
            .filter((iccid) => result !== 'ok' || call[0] !== 'delete' || iccid !== call[1])
            .map((iccid) => [iccid, iccid === enabled ? 'enabled' : 'disabled']),
        );
        assert.deepEqual(await profileStates(isdR), expected);
        const after = (await signedNotifications(world, isdR)).length;
        assert.equal(after > notified, result === 'ok', 'a refusal is no event');
      });
    }
  }
});

test('what is no ICCID, or no AID of an ISD-P, is not found', async () => {
  const isdR = await openIsdR((await worldOf({ profiles: [A_ON] })).card);
  const digits = '5A0AABCDEFABCDEFABCDEFAB';
  for (const [request, response] of [
    ['BF3108A0034F01A08101FF', 'BF3103800101'],
    [`BF3111A00C${digits}8101FF`, 'BF3103800101'],
    ['BF3208A0034F01A08101FF', 'BF3203800101'],
    ['BF33034F01A0', 'BF3303800101'],
    [`BF330C${digits}`, 'BF3303800101'],
    [`BF290E${digits}9000`, 'BF2903800101'],
  ] as const) {
    assert.equal(toHex(await isdR.es10(fromHex(request))), response, request);
  }
});

describe('eUICCMemoryReset', () => {
  type Options = Parameters<typeof EuiccMemoryResetRequest.encode>[0]['resetOptions'];
  /** A card with a profile of each class, one test profile of the factory and one loaded in the field, and another address than it was made with. */
  async function fullCard(): Promise<{ world: World; isdR: IsdRChannel }> {
    const factoryTest = profile(T, { profileClass: 'test' });
    const world = await createWorld({
      profiles: [A_ON, factoryTest, P_OFF],
      defaultDpAddress: 'dp.example.com',
    });
    const isdR = await openIsdR(world.card);
    await isdR.es10(SetDefaultDpAddressRequest.encode({ defaultDpAddress: 'other.example.com' }));
    await install(world, isdR, { iccid: B, metadata: sampleMetadata(B, { profileClass: 'test' }) });
    return { world, isdR };
  }
  const reset = async (isdR: IsdRChannel, resetOptions: Options): Promise<string> =>
    EuiccMemoryResetResponse.decode(await answered(isdR, EuiccMemoryResetRequest.encode({ resetOptions })))
      .resetResult;
  const address = async (isdR: IsdRChannel): Promise<string | undefined> =>
    EuiccConfiguredAddressesResponse.decode(await isdR.es10(EuiccConfiguredAddressesRequest.encode({})))
      .defaultDpAddress;

  const options: readonly (readonly [Options, left: readonly Iccid[], address: string | undefined])[] = [
    [['deleteOperationalProfiles'], [T, P, B], 'other.example.com'],
    [['deleteFieldLoadedTestProfiles'], [A, T, P], 'other.example.com'],
    [['resetDefaultSmdpAddress'], [A, T, P, B], 'dp.example.com'],
    [
      ['deleteOperationalProfiles', 'deleteFieldLoadedTestProfiles', 'resetDefaultSmdpAddress'],
      [T, P],
      'dp.example.com',
    ],
  ];
  for (const [resetOptions, left, dpAddress] of options) {
    test(`${resetOptions.join(' and ')}: ok, and nothing to delete the second time`, async () => {
      const { isdR, world } = await fullCard();
      assert.equal(await reset(isdR, resetOptions), 'ok');
      assert.deepEqual(Object.keys(await profileStates(isdR)).toSorted(), [...left].toSorted());
      assert.equal(await address(isdR), dpAddress);
      assert.equal(await reset(isdR, resetOptions), 'nothingToDelete');
      await world.reopen();
      assert.deepEqual(
        Object.keys(await profileStates(await openIsdR(world.card))).toSorted(),
        [...left].toSorted(),
      );
    });
  }

  test('heeds no policy rule: a profile that nobody may delete goes, and says so', async () => {
    const world = await createWorld({
      profiles: [profile(A, { profilePolicyRules: ['ppr1', 'ppr2'], enabled: true })],
    });
    const isdR = await openIsdR(world.card);
    assert.equal(await reset(isdR, ['deleteOperationalProfiles']), 'ok');
    assert.deepEqual(await profileStates(isdR), {});
    assert.deepEqual(await signedNotifications(world, isdR), [
      `1 notificationDisable ${A}`,
      `2 notificationDelete ${A}`,
    ]);
  });

  test('of an enabled test profile: the operational one that it displaced comes back, unless it goes too', async () => {
    for (const [also, states, events] of [
      [
        [],
        { [A]: 'enabled' },
        [`4 notificationDisable ${B}`, `5 notificationDelete ${B}`, `6 notificationEnable ${A}`],
      ],
      [
        ['deleteOperationalProfiles'],
        {},
        [`4 notificationDelete ${A}`, `5 notificationDisable ${B}`, `6 notificationDelete ${B}`],
      ],
    ] as const) {
      const world = await createWorld({ profiles: [A_ON] });
      const isdR = await openIsdR(world.card);
      await install(world, isdR, { iccid: B, metadata: sampleMetadata(B, { profileClass: 'test' }) });
      assert.equal(await FUNCTIONS.enable(isdR, await byIccid(isdR, B), false), 'ok');
      const before = (await signedNotifications(world, isdR)).length;
      assert.equal(await reset(isdR, ['deleteFieldLoadedTestProfiles', ...also]), 'ok');
      assert.deepEqual(await profileStates(isdR), states);
      assert.deepEqual((await signedNotifications(world, isdR)).slice(before), events);
    }
  });

  test('while a REFRESH waits: catBusy, and no option at all: nothingToDelete', async () => {
    const world = await worldOf({ profiles: [A_ON, B_OFF], toolkit: true });
    const isdR = await openIsdR(world.card);
    assert.equal(await reset(isdR, []), 'nothingToDelete');
    assert.equal(await FUNCTIONS.enable(isdR, { is: 'iccid', value: B }, true), 'ok');
    assert.equal(await reset(isdR, ['deleteOperationalProfiles']), 'catBusy');
    assert.deepEqual(await profileStates(isdR), { [A]: 'enabled', [B]: 'disabled' });
  });
});

describe('SetNickname', () => {
  const set = async (isdR: IsdRChannel, iccid: Iccid, profileNickname: string): Promise<string> =>
    SetNicknameResponse.decode(await isdR.es10(SetNicknameRequest.encode({ iccid, profileNickname })))
      .setNicknameResult;

  test('names a profile in 64 characters of any script, renames it, and takes the name away', async () => {
    const world = await createWorld({ profiles: [A_ON, B_OFF] });
    const isdR = await openIsdR(world.card);
    const names = async (): Promise<(string | undefined)[]> =>
      (await list(await openIsdR(world.card), {})).map(({ profileNickname }) => profileNickname);
    for (const name of ['Fleet 7', 'é'.repeat(64), '']) {
      assert.equal(await set(isdR, A, name), 'ok');
      assert.deepEqual(await names(), [name === '' ? undefined : name, undefined]);
    }
    await set(isdR, B, 'spare');
    await world.reopen();
    assert.deepEqual(await names(), [undefined, 'spare']);
  });

  test('of nobody: iccidNotFound; of 65 characters: wrong data, and the old name stays', async () => {
    const world = await createWorld({ profiles: [A_ON] });
    const isdR = await openIsdR(world.card);
    assert.equal(await set(isdR, NOBODY, 'x'), 'iccidNotFound');
    await set(isdR, A, 'kept');
    const long = encodeTlv(
      0xbf29,
      encodeTlv(0x5a, encodeIccid(A)),
      encodeTlv(0x90, new Uint8Array(65).fill(0x61)),
    );
    assert.equal((await isdR.send(long)).sw, 0x6a80);
    assert.deepEqual(
      (await list(isdR, {})).map(({ profileNickname }) => profileNickname),
      ['kept'],
    );
  });
});
