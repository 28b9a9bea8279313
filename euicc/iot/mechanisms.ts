// What an IPA may do by itself: fallback, emergency profile, immediate enabling (SGP.32 5.9.15, 5.9.17, 5.9.20 to 5.9.23).
import {
  ConfigureImmediateProfileEnablingRequest,
  ConfigureImmediateProfileEnablingResponse,
  DisableEmergencyProfileRequest,
  DisableEmergencyProfileResponse,
  EnableEmergencyProfileRequest,
  EnableEmergencyProfileResponse,
  ExecuteFallbackMechanismRequest,
  ExecuteFallbackMechanismResponse,
  ImmediateEnableRequest,
  ImmediateEnableResponse,
  ReturnFromFallbackRequest,
  ReturnFromFallbackResponse,
} from '../../codec/rsp/sgp32-profile.ts';
import type { immediateEnableConfiguration } from '../../codec/rsp/sgp32-package.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import type { Es10, Es10Function } from '../es10/functions.ts';
import { refusesEnabling } from '../es10/profile-state.ts';
import type { Profile } from '../profiles.ts';
import { settingsCell } from '../records.ts';
import { listEims } from './eims.ts';
import { immediateEnableCell, iotCell } from './records.ts';
import { changeProfile, isCatBusy, isEcallActive } from './session.ts';

function byNumber({ profiles }: Es10, wanted: number | undefined): Profile | undefined {
  return profiles.list().find(({ number }) => number === wanted);
}

/** The profile that bears the fallback attribute, while it is on the card. */
export function fallbackProfile(es10: Es10): Profile | undefined {
  return byNumber(es10, es10.state.read(iotCell).fallback);
}

/** Moves the attribute to a profile by its number, or takes it away (0). */
export function setFallback({ state }: Es10, fallback: number): void {
  state.write(iotCell, { ...state.read(iotCell), fallback });
}

/** What is not given stays as it was, but for the flag: without it immediate enabling is off (3.4.4). */
export function configureImmediateEnable(
  { state }: Es10,
  given: TypeOf<typeof immediateEnableConfiguration>,
): void {
  const { smdpOid } = state.read(immediateEnableCell);
  const oid = given.defaultSmdpOid ?? smdpOid;
  state.write(immediateEnableCell, {
    flag: given.immediateEnableFlag === true,
    ...(oid === undefined ? {} : { smdpOid: oid }),
  });
  if (given.defaultSmdpAddress !== undefined) {
    const { defaultSmdpAddress: defaultDpAddress } = given;
    state.write(settingsCell, { ...state.read(settingsCell), defaultDpAddress });
  }
}

type ResultOf<T, K extends string> = T extends { encode(value: Record<K, infer R>): Uint8Array } ? R : never;

function executeFallback(es10: Es10, request: Uint8Array): Uint8Array {
  const { refreshFlag } = ExecuteFallbackMechanismRequest.decode(request);
  const { profiles, state } = es10;
  const before = profiles.enabled;
  const fallback = fallbackProfile(es10);
  const executeFallbackMechanismResult = (():
    | 'ok'
    | 'commandError'
    | 'fallbackNotAvailable'
    | 'ecallActive'
    | 'profileNotInDisabledState'
    | 'catBusy' => {
    if (before === undefined) return 'commandError';
    if (fallback === undefined) return 'fallbackNotAvailable';
    if (isEcallActive(state)) return 'ecallActive';
    if (fallback.enabled) return 'profileNotInDisabledState';
    if (isCatBusy(es10)) return 'catBusy';
    // Policy rules do not bind it: the enabled profile has no network, and nobody else can bring one.
    changeProfile(es10, fallback, { refreshFlag });
    state.write(iotCell, { ...state.read(iotCell), fallbackReturn: before.number });
    return 'ok';
  })();
  return ExecuteFallbackMechanismResponse.encode({ executeFallbackMechanismResult });
}

function returnFromFallback(es10: Es10, request: Uint8Array): Uint8Array {
  const { refreshFlag } = ReturnFromFallbackRequest.decode(request);
  const back = byNumber(es10, es10.state.read(iotCell).fallbackReturn);
  const returnFromFallbackResult = ((): 'ok' | 'fallbackNotAvailable' | 'catBusy' => {
    if (fallbackProfile(es10)?.enabled !== true || back === undefined) return 'fallbackNotAvailable';
    if (isCatBusy(es10)) return 'catBusy';
    changeProfile(es10, back, { refreshFlag });
    return 'ok';
  })();
  return ReturnFromFallbackResponse.encode({ returnFromFallbackResult });
}

function emergencyProfile({ profiles }: Es10): Profile | undefined {
  return profiles.list().find(({ metadata }) => metadata.ecallIndication === true);
}

/** Nobody is notified of an emergency call, neither when it begins nor when it ends. */
function enableEmergency(es10: Es10, request: Uint8Array): Uint8Array {
  const { refreshFlag } = EnableEmergencyProfileRequest.decode(request);
  const { profiles, state } = es10;
  const emergency = emergencyProfile(es10);
  const emergencyReturn = profiles.enabled?.number ?? 0;
  const enableEmergencyProfileResult = (():
    | 'ok'
    | 'ecallNotAvailable'
    | 'profileNotInDisabledState'
    | 'catBusy' => {
    if (emergency === undefined) return 'ecallNotAvailable';
    if (emergency.enabled) return 'profileNotInDisabledState';
    if (isCatBusy(es10)) return 'catBusy';
    changeProfile(es10, emergency, { refreshFlag, silent: true });
    state.write(iotCell, { ...state.read(iotCell), emergencyReturn });
    return 'ok';
  })();
  return EnableEmergencyProfileResponse.encode({ enableEmergencyProfileResult });
}

function disableEmergency(es10: Es10, request: Uint8Array): Uint8Array {
  const { refreshFlag } = DisableEmergencyProfileRequest.decode(request);
  const { emergencyReturn } = es10.state.read(iotCell);
  const disableEmergencyProfileResult = ((): 'ok' | 'profileNotInEnabledState' | 'catBusy' => {
    if (emergencyReturn === undefined) return 'profileNotInEnabledState';
    if (isCatBusy(es10)) return 'catBusy';
    changeProfile(es10, byNumber(es10, emergencyReturn), { refreshFlag, silent: true });
    return 'ok';
  })();
  return DisableEmergencyProfileResponse.encode({ disableEmergencyProfileResult });
}

/** Enables what the default SM-DP+ has installed in the download that has just ended. */
function immediateEnable(es10: Es10, request: Uint8Array): Uint8Array {
  const { refreshFlag } = ImmediateEnableRequest.decode(request);
  const { iot, state } = es10;
  const { flag, smdpOid } = state.read(immediateEnableCell);
  const { defaultDpAddress } = state.read(settingsCell);
  const { installed } = iot;
  const profile = byNumber(es10, installed?.number);
  const immediateEnableResult = ((): ResultOf<typeof ImmediateEnableResponse, 'immediateEnableResult'> => {
    if (!flag) return 'immediateEnableNotAvailable';
    if (installed === undefined || profile === undefined) return 'noSessionContext';
    const isDefault =
      installed.serverAddress === defaultDpAddress &&
      (smdpOid === undefined || installed.smdpOid === smdpOid);
    if (!isDefault) return 'immediateEnableNotAvailable';
    if (isEcallActive(state) || refusesEnabling(es10, profile) !== undefined) return 'undefinedError';
    if (isCatBusy(es10)) return 'catBusy';
    changeProfile(es10, profile, { refreshFlag });
    delete iot.installed;
    return 'ok';
  })();
  return ImmediateEnableResponse.encode({ immediateEnableResult });
}

/** Without an eIM the device's owner configures it; with one, only the eIM does. */
function configure(es10: Es10, request: Uint8Array): Uint8Array {
  const given = ConfigureImmediateProfileEnablingRequest.decode(request);
  const isOwned = listEims(es10.state).length > 0;
  if (!isOwned) configureImmediateEnable(es10, given);
  return ConfigureImmediateProfileEnablingResponse.encode({
    configImmediateEnableResult: isOwned ? 'associatedEimAlreadyExists' : 'ok',
  });
}

export const MECHANISM_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf59, manages: true, run: configure },
  { tag: 0xbf5a, run: immediateEnable },
  { tag: 0xbf5b, manages: true, run: enableEmergency },
  { tag: 0xbf5c, manages: true, run: disableEmergency },
  { tag: 0xbf5d, run: executeFallback },
  { tag: 0xbf5e, run: returnFromFallback },
];
