// EnableProfile, DisableProfile, DeleteProfile, eUICCMemoryReset (SGP.22 5.7.16 to 5.7.19, 3.2, 3.3).
import {
  DeleteProfileRequest,
  DeleteProfileResponse,
  DisableProfileRequest,
  DisableProfileResponse,
  EnableProfileRequest,
  EnableProfileResponse,
  EuiccMemoryResetRequest,
  EuiccMemoryResetResponse,
} from '../../codec/rsp/profile-management.ts';
import type { Profile } from '../profiles.ts';
import { initialDpAddressCell, settingsCell } from '../records.ts';
import type { State } from '../state.ts';
import { type Es10, type Es10Function, named } from './functions.ts';

/** Policy rules of a profile (SGP.22 2.9.1): it may not be disabled, it may not be deleted. */
export const hasRule = (profile: Profile | undefined, rule: 'ppr1' | 'ppr2'): boolean =>
  profile?.metadata.profilePolicyRules?.includes(rule) === true;

/** Whether the toolkit cannot take a REFRESH, or a switch is under way already. */
function isBusy({ cat, profiles }: Es10, refresh: boolean): boolean {
  return profiles.pendingSwitch !== undefined || (refresh && cat.busy);
}

/**
 * Switches at once where the device resets the card itself; with a refresh the switch waits for the terminal's answer or
 * the reset that it brings.
 */
function switchTo(es10: Es10, to: Profile | undefined, refresh: boolean): void {
  const { profiles } = es10;
  if (!refresh) {
    profiles.switchTo(to);
    return;
  }
  profiles.setPendingSwitch(to);
  es10.cat.refresh('profileStateChange', (result) => {
    if (result === 'done') profiles.applyPendingSwitch();
    else profiles.dropPendingSwitch();
  });
}

/**
 * Why this profile may not be enabled now, the toolkit aside. PPR1 keeps an operational profile against others of its class; it
 * stops neither a test profile, which gives way to it again, nor the provisioning profile (SGP.22 2.4.5, 5.7.16).
 */
export function refusesEnabling(
  { profiles, state }: Es10,
  profile: Profile,
): 'profileNotInDisabledState' | 'disallowedByPolicy' | 'wrongProfileReenabling' | undefined {
  const before = profiles.enabled;
  const { displaced } = state.read(settingsCell);
  if (profile.enabled) return 'profileNotInDisabledState';
  if (hasRule(before, 'ppr1') && profile.profileClass === 'operational') return 'disallowedByPolicy';
  const isReturn = before?.profileClass === 'test' && profile.profileClass !== 'test';
  return isReturn && displaced !== 0 && displaced !== profile.number ? 'wrongProfileReenabling' : undefined;
}

/** What is enabled where this profile goes: after a test profile, the operational one that it displaced (SGP.22 3.2.2). */
export function profileAfter({ profiles, state }: Es10, { profileClass }: Profile): Profile | undefined {
  const { displaced } = state.read(settingsCell);
  return profileClass === 'test' ? profiles.list().find(({ number }) => number === displaced) : undefined;
}

function enable(es10: Es10, request: Uint8Array): Uint8Array {
  const asked = named(() => EnableProfileRequest.decode(request));
  const profile = asked === undefined ? undefined : es10.profiles.find(asked.profileIdentifier);
  const enableResult = ((): Parameters<typeof EnableProfileResponse.encode>[0]['enableResult'] => {
    if (asked === undefined || profile === undefined) return 'iccidOrAidNotFound';
    const { refreshFlag } = asked;
    const refusal = refusesEnabling(es10, profile);
    if (refusal !== undefined) return refusal;
    if (isBusy(es10, refreshFlag)) return 'catBusy';
    switchTo(es10, profile, refreshFlag);
    return 'ok';
  })();
  return EnableProfileResponse.encode({ enableResult });
}

function disable(es10: Es10, request: Uint8Array): Uint8Array {
  const asked = named(() => DisableProfileRequest.decode(request));
  const profile = asked === undefined ? undefined : es10.profiles.find(asked.profileIdentifier);
  const disableResult = ((): Parameters<typeof DisableProfileResponse.encode>[0]['disableResult'] => {
    if (asked === undefined || profile === undefined) return 'iccidOrAidNotFound';
    const { refreshFlag } = asked;
    if (!profile.enabled) return 'profileNotInEnabledState';
    if (hasRule(profile, 'ppr1')) return 'disallowedByPolicy';
    if (isBusy(es10, refreshFlag)) return 'catBusy';
    switchTo(es10, profileAfter(es10, profile), refreshFlag);
    return 'ok';
  })();
  return DisableProfileResponse.encode({ disableResult });
}

function deleteProfile(es10: Es10, request: Uint8Array): Uint8Array {
  const { profiles } = es10;
  const asked = named(() => DeleteProfileRequest.decode(request));
  const profile = asked === undefined ? undefined : profiles.find(asked);
  const deleteResult = ((): Parameters<typeof DeleteProfileResponse.encode>[0]['deleteResult'] => {
    if (profile === undefined) return 'iccidOrAidNotFound';
    if (profile.enabled || profiles.pendingSwitch?.to?.number === profile.number) {
      return 'profileNotInDisabledState';
    }
    if (hasRule(profile, 'ppr2')) return 'disallowedByPolicy';
    profiles.remove(profile);
    return 'ok';
  })();
  return DeleteProfileResponse.encode({ deleteResult });
}

/** Whether the default SM-DP+ address is another than the initial one, to which a reset takes it back (5.7.19). */
export function isAddressChanged(state: State): boolean {
  return state.read(settingsCell).defaultDpAddress !== state.read(initialDpAddressCell);
}

export function resetAddress(state: State): void {
  const defaultDpAddress = state.read(initialDpAddressCell);
  state.write(settingsCell, { ...state.read(settingsCell), defaultDpAddress });
}

/**
 * Deletes profiles, enabled or not. Where an enabled test profile goes, the operational one that it displaced comes back, as it
 * does when the test profile is disabled (SGP.21, TPRO10).
 */
export function removeAll(es10: Es10, doomed: readonly Profile[]): void {
  const { profiles } = es10;
  const { enabled } = profiles;
  const back = enabled === undefined ? undefined : profileAfter(es10, enabled);
  for (const profile of doomed) profiles.remove(profile);
  const stays = back !== undefined && !doomed.some(({ number }) => number === back.number);
  if (profiles.enabled === undefined && stays) profiles.switchTo(back);
}

/** Deletes whatever the options name, enabled or not and whatever its policy rules say. */
function memoryReset(es10: Es10, request: Uint8Array): Uint8Array {
  const { resetOptions } = EuiccMemoryResetRequest.decode(request);
  const { cat, profiles, state } = es10;
  const doomed = profiles
    .list()
    .filter(
      ({ profileClass, record }) =>
        (profileClass === 'operational' && resetOptions.includes('deleteOperationalProfiles')) ||
        (profileClass === 'test' &&
          record.fieldLoaded &&
          resetOptions.includes('deleteFieldLoadedTestProfiles')),
    );
  const resetsAddress = resetOptions.includes('resetDefaultSmdpAddress') && isAddressChanged(state);
  const resetResult = ((): Parameters<typeof EuiccMemoryResetResponse.encode>[0]['resetResult'] => {
    if (doomed.length === 0 && !resetsAddress) return 'nothingToDelete';
    const refresh = doomed.some(({ enabled }) => enabled);
    if (isBusy(es10, refresh)) return 'catBusy';
    removeAll(es10, doomed);
    if (resetsAddress) resetAddress(state);
    if (refresh) cat.refresh('uiccReset', () => {});
    return 'ok';
  })();
  return EuiccMemoryResetResponse.encode({ resetResult });
}

export const PROFILE_STATE_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf31, manages: true, run: enable },
  { tag: 0xbf32, manages: true, run: disable },
  { tag: 0xbf33, manages: true, run: deleteProfile },
  { tag: 0xbf34, manages: true, run: memoryReset },
];
