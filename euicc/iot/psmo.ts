// Profile state management operations of a package (SGP.32 2.11.1.1.3, 3.4). They change the state of the transaction at
// once; it becomes the card's when the whole package is done and its result is signed.
import { RulesAuthorisationTable } from '../../codec/rsp/configuration.ts';
import type {
  deleteProfileResult,
  disableProfileResult,
  enableProfileResult,
  Psmo,
  setFallbackAttributeResult,
  unsetFallbackAttributeResult,
} from '../../codec/rsp/sgp32-package.ts';
import type { Iccid } from '../../codec/ids.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import type { Es10 } from '../es10/functions.ts';
import { profileInfoList } from '../es10/profile-list.ts';
import { hasRule, profileAfter, refusesEnabling } from '../es10/profile-state.ts';
import type { Profile } from '../profiles.ts';
import { settingsCell } from '../records.ts';
import type { Outcome } from './eco.ts';
import { configureImmediateEnable, fallbackProfile, setFallback } from './mechanisms.ts';
import { iotCell } from './records.ts';
import { isCatBusy } from './session.ts';

/** What the operations of one package have done so far. */
export type PsmoRun = {
  /** At most one enabling and one disabling, and that before (3.4.1, 3.4.2). */
  enabled: boolean;
  disabled: boolean;
  deleted: boolean;
  /** The profile that this package has disabled: a rollback goes back to it. */
  before?: Profile;
  /** Sequence numbers of the notifications of the switch. */
  readonly notified: number[];
  rollback?: { readonly to: number; readonly from: number };
};

type Enable = Extract<TypeOf<typeof Psmo>, { readonly is: 'enable' }>['value'];

/** SGP.32 has a default tag list of its own (2.11.1.1.3). */
const DEFAULT_TAGS: readonly number[] = [0x5a, 0x4f, 0x9f70, 0x91, 0x92, 0x95, 0x9f7b, 0x9f26, 0x9f67];

export function runPsmo(es10: Es10, run: PsmoRun, psmo: TypeOf<typeof Psmo>): Outcome {
  switch (psmo.is) {
    case 'enable': {
      const value = enable(es10, run, psmo.value);
      return { ok: value === 'ok', result: { is: 'enableResult', value } };
    }
    case 'disable': {
      const value = disable(es10, run, psmo.value.iccid);
      return { ok: value === 'ok', result: { is: 'disableResult', value } };
    }
    case 'delete': {
      const value = remove(es10, run, psmo.value.iccid);
      return { ok: value === 'ok', result: { is: 'deleteResult', value } };
    }
    case 'listProfileInfo':
      return listProfileInfo(es10, run, psmo.value);
    case 'getRAT':
      return {
        ok: true,
        result: { is: 'getRATResult', value: RulesAuthorisationTable.decode(es10.record.rat) },
      };
    case 'configureImmediateEnable': {
      configureImmediateEnable(es10, psmo.value);
      return { ok: true, result: { is: 'configureImmediateEnableResult', value: 'ok' } };
    }
    case 'setFallbackAttribute': {
      const value = setFallbackAttribute(es10, psmo.value.iccid);
      return { ok: value === 'ok', result: { is: 'setFallbackAttributeResult', value } };
    }
    case 'unsetFallbackAttribute': {
      const value = unsetFallbackAttribute(es10);
      return { ok: value === 'ok', result: { is: 'unsetFallbackAttributeResult', value } };
    }
    case 'setDefaultDpAddress': {
      const { defaultDpAddress } = psmo.value;
      es10.state.write(settingsCell, { ...es10.state.read(settingsCell), defaultDpAddress });
      const value = { setDefaultDpAddressResult: 'ok' } as const;
      return { ok: true, result: { is: 'setDefaultDpAddressResult', value } };
    }
  }
}

/** Switches in the transaction, and notes which notifications that made. */
function switchTo({ profiles, notifications }: Es10, run: PsmoRun, to: Profile | undefined): void {
  const first = notifications.nextSeqNumber;
  profiles.switchTo(to);
  for (let seqNumber = first; seqNumber < notifications.nextSeqNumber; seqNumber++) {
    run.notified.push(seqNumber);
  }
}

function enable(
  es10: Es10,
  run: PsmoRun,
  { iccid, rollbackFlag }: Enable,
): TypeOf<typeof enableProfileResult> {
  const { profiles } = es10;
  if (run.enabled) return 'undefinedError';
  const profile = profiles.find({ is: 'iccid', value: iccid });
  if (profile === undefined) return 'iccidOrAidNotFound';
  const refusal = refusesEnabling(es10, profile);
  if (refusal !== undefined) return refusal === 'wrongProfileReenabling' ? 'undefinedError' : refusal;
  // The emergency profile has functions of its own, whose state shuts out all packages.
  if (profile.metadata.ecallIndication === true) return 'disallowedByPolicy';
  const before = profiles.enabled ?? run.before;
  if (rollbackFlag === true && before === undefined) return 'rollbackNotAvailable';
  if (isCatBusy(es10)) return 'catBusy';
  switchTo(es10, run, profile);
  run.enabled = true;
  if (rollbackFlag === true && before !== undefined) {
    run.rollback = { to: before.number, from: profile.number };
  }
  return 'ok';
}

function disable(es10: Es10, run: PsmoRun, iccid: Iccid): TypeOf<typeof disableProfileResult> {
  if (run.enabled || run.disabled) return 'undefinedError';
  const profile = es10.profiles.find({ is: 'iccid', value: iccid });
  if (profile === undefined) return 'iccidOrAidNotFound';
  if (!profile.enabled) return 'profileNotInEnabledState';
  if (hasRule(profile, 'ppr1')) return 'disallowedByPolicy';
  if (isCatBusy(es10)) return 'catBusy';
  switchTo(es10, run, profileAfter(es10, profile));
  run.disabled = true;
  run.before = profile;
  return 'ok';
}

function remove(es10: Es10, run: PsmoRun, iccid: Iccid): TypeOf<typeof deleteProfileResult> {
  const { profiles, state } = es10;
  const profile = profiles.find({ is: 'iccid', value: iccid });
  if (profile === undefined) return 'iccidOrAidNotFound';
  if (profile.enabled || profiles.pendingSwitch?.to?.number === profile.number) {
    return 'profileNotInDisabledState';
  }
  if (hasRule(profile, 'ppr2')) return 'disallowedByPolicy';
  if (run.rollback?.to === profile.number) return 'rollbackNotAvailable';
  const { fallbackReturn } = state.read(iotCell);
  if (fallbackReturn === profile.number && fallbackProfile(es10)?.enabled === true) {
    return 'returnFallbackProfile';
  }
  profiles.remove(profile);
  run.deleted = true;
  return 'ok';
}

/** After a change of profiles in the same package the list would tell what the card is not yet (2.11.1.1). */
function listProfileInfo(
  es10: Es10,
  run: PsmoRun,
  asked: Extract<TypeOf<typeof Psmo>, { readonly is: 'listProfileInfo' }>['value'],
): Outcome {
  if (run.enabled || run.disabled || run.deleted) {
    const value = { is: 'profileInfoListError', value: 'profileChangeOngoing' } as const;
    return { ok: false, result: { is: 'listProfileInfoResult', value } };
  }
  const value = profileInfoList(es10, { tagList: DEFAULT_TAGS, ...asked });
  return {
    ok: true,
    result: { is: 'listProfileInfoResult', value: { is: 'profileInfoListOk', value } },
  };
}

function setFallbackAttribute(es10: Es10, iccid: Iccid): TypeOf<typeof setFallbackAttributeResult> {
  const profile = es10.profiles.find({ is: 'iccid', value: iccid });
  if (profile === undefined) return 'iccidOrAidNotFound';
  const current = fallbackProfile(es10);
  if (current?.number === profile.number) return 'ok';
  if (profile.metadata.fallbackAllowed !== true || profile.profileClass !== 'operational') {
    return 'fallbackNotAllowed';
  }
  if (current?.enabled === true) return 'fallbackProfileEnabled';
  setFallback(es10, profile.number);
  return 'ok';
}

function unsetFallbackAttribute(es10: Es10): TypeOf<typeof unsetFallbackAttributeResult> {
  const current = fallbackProfile(es10);
  if (current === undefined) return 'noFallbackAttribute';
  if (current.enabled) return 'fallbackProfileEnabled';
  setFallback(es10, 0);
  return 'ok';
}
