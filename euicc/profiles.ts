// The profiles on the card and their life: which there are, which is enabled, and what enabling, disabling and deleting do
// (SGP.22 3.2, 3.3; at most one profile is enabled).
import type { Aid, Iccid } from '../codec/ids.ts';
import { isdPAid } from '../codec/ids.ts';
import { StoreMetadataRequest } from '../codec/rsp/profiles.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import { forgetGrants } from './iot/grants.ts';
import type { NotificationEvent, Notifications } from './notifications.ts';
import {
  packageCell,
  pendingSwitchCell,
  profileCells,
  profilePrefix,
  type ProfileRecord,
  settingsCell,
  type Settings,
} from './records.ts';
import type { State } from './state.ts';

export type ProfileMetadata = TypeOf<typeof StoreMetadataRequest>;
type ProfileClass = NonNullable<ProfileMetadata['profileClass']>;

export type Profile = {
  readonly number: number;
  readonly record: ProfileRecord;
  readonly metadata: ProfileMetadata;
  readonly profileClass: ProfileClass;
  readonly enabled: boolean;
};

type NewProfile = {
  readonly metadata: ProfileMetadata;
  readonly package: Uint8Array;
  readonly ciPKId: Uint8Array;
  readonly fieldLoaded: boolean;
  readonly dpProprietaryData?: Uint8Array;
};

/** How the device names a profile. */
type ProfileIdentifier =
  | { readonly is: 'iccid'; readonly value: Iccid }
  | { readonly is: 'isdpAid'; readonly value: Aid };

export type Profiles = {
  list(): readonly Profile[];
  find(identifier: ProfileIdentifier): Profile | undefined;
  readonly enabled: Profile | undefined;
  /** The AID that the next installation takes. */
  nextAid(): Aid;
  /** Stages a new profile, disabled. */
  add(profile: NewProfile): Profile;
  setNickname(profile: Profile, nickname: string): void;
  /** Makes this the enabled profile, or none, and stages the notifications of both sides unless it is `silent`. */
  switchTo(profile: Profile | undefined, how?: { readonly silent?: true }): void;
  /** Removes a profile with everything it has. The caller has checked that it may go. */
  remove(profile: Profile): void;
  /** A switch that waits for the refresh. */
  readonly pendingSwitch: { readonly to: Profile | undefined } | undefined;
  setPendingSwitch(to: Profile | undefined): void;
  dropPendingSwitch(): void;
  /** Carries out the switch that waits, if there is one. */
  applyPendingSwitch(): void;
};

export function createProfiles(state: State, notifications: Notifications): Profiles {
  const settings = (): Settings => state.read(settingsCell);
  const setSettings = (change: Partial<Settings>): void =>
    state.write(settingsCell, { ...settings(), ...change });
  const get = (number: number): Profile | undefined => {
    const record = state.read(profileCells(number));
    if (record === undefined) return undefined;
    const metadata = StoreMetadataRequest.decode(record.metadata);
    const { profileClass = 'operational' } = metadata;
    return { number, record, metadata, profileClass, enabled: settings().enabled === number };
  };
  const notify = (profile: Profile | undefined, event: NotificationEvent): void => {
    if (profile !== undefined) notifications.add(profile.record.ciPKId, profile.metadata, event);
  };
  /** The operational profile to return to while a test profile is enabled. */
  const displacedBy = (before: Profile | undefined, profile: Profile | undefined): number => {
    if (profile?.profileClass !== 'test') return 0;
    return before?.profileClass === 'operational' ? before.number : settings().displaced;
  };
  const profiles: Profiles = {
    list: () =>
      state
        .ids(profileCells.prefix)
        .map(Number)
        .toSorted((a, b) => a - b)
        .flatMap((number) => get(number) ?? []),
    find: ({ is, value }) =>
      profiles.list().find(({ record }) => (is === 'iccid' ? record.iccid : record.isdPAid) === value),
    get enabled() {
      return get(settings().enabled);
    },
    nextAid: () => isdPAid(settings().nextProfileNumber),
    add({ metadata, package: upp, ciPKId, fieldLoaded, dpProprietaryData }) {
      const number = settings().nextProfileNumber;
      const record: ProfileRecord = {
        iccid: metadata.iccid,
        isdPAid: isdPAid(number),
        metadata: StoreMetadataRequest.encode(metadata),
        fieldLoaded,
        ciPKId,
        ...(dpProprietaryData === undefined ? {} : { dpProprietaryData }),
      };
      setSettings({ nextProfileNumber: number + 1 });
      state.write(profileCells(number), record);
      state.write(packageCell(number), upp);
      const { profileClass = 'operational' } = metadata;
      return { number, record, metadata, profileClass, enabled: false };
    },
    setNickname({ number, record: { nickname: _before, ...record } }, nickname) {
      state.write(profileCells(number), nickname === '' ? record : { ...record, nickname });
    },
    switchTo(profile, how = {}) {
      const before = profiles.enabled;
      if (before?.number === profile?.number) return;
      setSettings({ enabled: profile?.number ?? 0, displaced: displacedBy(before, profile) });
      forgetGrants(state);
      if (how.silent === true) return;
      notify(before, 'notificationDisable');
      notify(profile, 'notificationEnable');
    },
    remove(profile) {
      if (profile.enabled) profiles.switchTo(undefined);
      state.remove(profileCells(profile.number));
      state.removeAll(profilePrefix(profile.number));
      if (settings().displaced === profile.number) setSettings({ displaced: 0 });
      notify(profile, 'notificationDelete');
    },
    get pendingSwitch() {
      const pending = state.read(pendingSwitchCell);
      return pending === undefined ? undefined : { to: get(pending.to) };
    },
    setPendingSwitch: (to) => state.write(pendingSwitchCell, { to: to?.number ?? 0 }),
    dropPendingSwitch() {
      if (state.has(pendingSwitchCell)) state.remove(pendingSwitchCell);
    },
    applyPendingSwitch() {
      const pending = profiles.pendingSwitch;
      if (pending === undefined) return;
      profiles.dropPendingSwitch();
      profiles.switchTo(pending.to);
    },
  };
  return profiles;
}
