// What the card tells of its profiles and of what happened to them: GetProfilesInfo, the lists of notifications (SGP.22 5.7.9 to 5.7.11, 5.7.15).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { type Iccid, parseIccid } from '../codec/ids.ts';
import {
  ListNotificationRequest,
  ListNotificationResponse,
  notificationMetadataOf,
  NotificationSentRequest,
  NotificationSentResponse,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from '../codec/rsp/notifications.ts';
import { DisableProfileRequest, EnableProfileRequest } from '../codec/rsp/profile-management.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import type { ProfileMetadata } from './profiles.ts';
import { type IsdRChannel, openIsdR } from './testing/terminal.ts';
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

async function list(isdR: IsdRChannel, request: Parameters<typeof ProfileInfoListRequest.encode>[0]) {
  const answer = ProfileInfoListResponse.decode(await isdR.es10(ProfileInfoListRequest.encode(request)));
  if (answer.is === 'profileInfoListError') throw new Error(answer.value);
  return answer.value;
}

describe('GetProfilesInfo', () => {
  const icon = new Uint8Array(1024).map((_, i) => i);
  const rich = profile(A, {
    enabled: true,
    iconType: 'png',
    icon,
    profilePolicyRules: ['ppr1'],
    serviceSpecificDataStoredInEuicc: fromHex('8001FF'),
  });

  test('tells the members of the tag list and no other, an icon of 1024 octets too', async () => {
    const { card } = await createWorld({ profiles: [rich, B_OFF, T_OFF] });
    const isdR = await openIsdR(card);
    const infos = await list(isdR, { tagList: [0x5a, 0x94, 0x93] });
    assert.deepEqual(infos, [{ iccid: A, iconType: 'png', icon }, { iccid: B }, { iccid: T }]);
    const [all] = await list(isdR, {
      searchCriteria: { is: 'iccid', value: A },
      tagList: [0x99, 0xb7, 0xbf22, 0x95, 0x9f70],
    });
    assert.deepEqual(all, {
      profileState: 'enabled',
      profileClass: 'operational',
      profileOwner: OWNER,
      profilePolicyRules: ['ppr1'],
      serviceSpecificDataStoredInEuicc: fromHex('8001FF'),
    });
  });

  test('without a tag list: identifiers, state, names, icon and class', async () => {
    const { card } = await createWorld({ profiles: [rich] });
    assert.deepEqual(await list(await openIsdR(card), {}), [
      {
        iccid: A,
        isdpAid: 'A0000005591010FFFFFFFF8900001000',
        profileState: 'enabled',
        serviceProviderName: 'Operator',
        profileName: 'Profile 19',
        iconType: 'png',
        icon,
        profileClass: 'operational',
      },
    ]);
  });

  test('finds by ICCID, by AID and by class; nothing found is an empty list', async () => {
    const { card } = await createWorld({ profiles: [A_ON, B_OFF, T_OFF, P_OFF] });
    const isdR = await openIsdR(card);
    type Criteria = NonNullable<Parameters<typeof ProfileInfoListRequest.encode>[0]['searchCriteria']>;
    const found = async (searchCriteria: Criteria): Promise<(Iccid | undefined)[]> =>
      (await list(isdR, { searchCriteria })).map(({ iccid }) => iccid);
    assert.deepEqual(await found({ is: 'profileClass', value: 'operational' }), [A, B]);
    assert.deepEqual(await found({ is: 'profileClass', value: 'test' }), [T]);
    assert.deepEqual(await found({ is: 'profileClass', value: 'provisioning' }), [P]);
    const [b] = await list(isdR, { searchCriteria: { is: 'iccid', value: B } });
    const isdpAid = b?.isdpAid ?? assert.fail('no AID');
    assert.deepEqual(await found({ is: 'isdpAid', value: isdpAid }), [B]);
    assert.deepEqual(await found({ is: 'iccid', value: NOBODY }), []);
  });

  test('of a request that it cannot read: incorrectInputValues', async () => {
    const { card } = await createWorld();
    const isdR = await openIsdR(card);
    for (const request of ['BF2D03A0015A', 'BF2D035C01BF', 'BF2D04A0025A00', 'BF2D05A0035A0189']) {
      const answer = ProfileInfoListResponse.decode(await isdR.es10(fromHex(request)));
      assert.deepEqual(answer, { is: 'profileInfoListError', value: 'incorrectInputValues' }, request);
    }
  });
});

describe('the list of notifications', () => {
  type Event = NonNullable<
    Parameters<typeof ListNotificationRequest.encode>[0]['profileManagementOperation']
  >[number];
  type Criteria = Parameters<typeof RetrieveNotificationsListRequest.encode>[0]['searchCriteria'];
  const installed: Event = 'notificationInstall';
  const enabled: Event = 'notificationEnable';
  const disabled: Event = 'notificationDisable';
  const deleted: Event = 'notificationDelete';

  /** Notifications 1 install, 2 disable, 3 enable, 4 disable. */
  async function eventful(): Promise<{ world: World; isdR: IsdRChannel }> {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    await install(world, isdR);
    const change = { profileIdentifier: { is: 'iccid', value: A }, refreshFlag: false } as const;
    await isdR.es10(EnableProfileRequest.encode(change));
    await isdR.es10(DisableProfileRequest.encode(change));
    return { world, isdR };
  }
  async function listed(isdR: IsdRChannel, events?: readonly Event[]): Promise<readonly number[]> {
    const request = events === undefined ? {} : { profileManagementOperation: [...events] };
    const answer = ListNotificationResponse.decode(await isdR.es10(ListNotificationRequest.encode(request)));
    if (answer.is !== 'notificationMetadataList') throw new Error(answer.value);
    return answer.value.map(({ seqNumber }) => seqNumber);
  }
  async function retrieved(
    isdR: IsdRChannel,
    searchCriteria?: Criteria,
  ): Promise<readonly number[] | string> {
    const request = searchCriteria === undefined ? {} : { searchCriteria };
    const answer = RetrieveNotificationsListResponse.decode(
      await isdR.es10(RetrieveNotificationsListRequest.encode(request)),
    );
    if (answer.is === 'notificationsListResultError') return answer.value;
    if (answer.is !== 'notificationList') throw new Error(answer.is);
    return answer.value.map((whole) => notificationMetadataOf(whole).seqNumber);
  }
  const removed = async (isdR: IsdRChannel, seqNumber: number): Promise<string> =>
    NotificationSentResponse.decode(await isdR.es10(NotificationSentRequest.encode({ seqNumber })))
      .deleteNotificationStatus;

  test('is told whole or by events, as metadata and as signed notifications', async () => {
    const { isdR } = await eventful();
    const filters: readonly (readonly [events: readonly Event[], numbers: readonly number[]])[] = [
      [[installed], [1]],
      [[enabled], [3]],
      [[disabled], [2, 4]],
      [[deleted], []],
      [
        [enabled, disabled],
        [2, 3, 4],
      ],
      [
        [installed, enabled, disabled, deleted],
        [1, 2, 3, 4],
      ],
    ];
    assert.deepEqual(await listed(isdR), [1, 2, 3, 4]);
    assert.deepEqual(await retrieved(isdR), [1, 2, 3, 4]);
    for (const [events, numbers] of filters) {
      assert.deepEqual(await listed(isdR, events), numbers, events.join());
      const found = await retrieved(isdR, { is: 'profileManagementOperation', value: [...events] });
      assert.deepEqual(found, numbers.length === 0 ? 'noResultAvailable' : numbers, events.join());
    }
  });

  test('by number, where nothing is found: noResultAvailable; what is removed is gone after a power cut too', async () => {
    const { isdR, world } = await eventful();
    assert.deepEqual(await retrieved(isdR, { is: 'seqNumber', value: 2 }), [2]);
    assert.equal(await removed(isdR, 2), 'ok');
    assert.equal(await removed(isdR, 2), 'nothingToDelete');
    assert.equal(await removed(isdR, 99), 'nothingToDelete');
    assert.equal(await retrieved(isdR, { is: 'seqNumber', value: 2 }), 'noResultAvailable');
    await world.reopen();
    const again = await openIsdR(world.card);
    assert.deepEqual(await listed(again), [1, 3, 4]);
    for (const number of [1, 3, 4]) assert.equal(await removed(again, number), 'ok');
    assert.deepEqual(await listed(again), []);
    assert.deepEqual(await retrieved(again), [], 'an empty list is no error');
  });
});
