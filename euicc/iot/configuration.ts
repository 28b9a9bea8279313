// eIM configuration, connectivity parameters, memory reset, default SM-DP+ address of an IoT eUICC (SGP.32 5.9.4, 5.9.5,
// 5.9.18, 5.9.24, 5.9.25).
import { findTlv, readTlvs } from '../../codec/ber-tlv.ts';
import { isAgentError } from '../../base/errors.ts';
import {
  AddInitialEimRequest,
  AddInitialEimResponse,
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
} from '../../codec/rsp/sgp32-eim.ts';
import {
  GetConnectivityParametersRequest,
  GetConnectivityParametersResponse,
  IotEuiccMemoryResetRequest,
  IotEuiccMemoryResetResponse,
  IotSetDefaultDpAddressRequest,
  IotSetDefaultDpAddressResponse,
  IpaeActivationRequest,
  IpaeActivationResponse,
} from '../../codec/rsp/sgp32-profile.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import type { Es10, Es10Function } from '../es10/functions.ts';
import { isAddressChanged, removeAll, resetAddress } from '../es10/profile-state.ts';
import { loadProfilePackage } from '../profile-loader.ts';
import type { Profile } from '../profiles.ts';
import { packageCell, settingsCell } from '../records.ts';
import { addEim, type Eim, type EimConfiguration, listEims, removeEim } from './eims.ts';
import { immediateEnableCell } from './records.ts';
import { isCatBusy, isEcallActive, refresh } from './session.ts';

/** What is told of an eIM: its token, and never its counter (5.9.18). */
function shown({ configuration, associationToken }: Eim): EimConfiguration {
  return { ...configuration, ...(associationToken === 0 ? {} : { associationToken }) };
}

function getEimConfigurationData({ state }: Es10, request: Uint8Array): Uint8Array {
  const { searchCriteria } = GetEimConfigurationDataRequest.decode(request);
  const found = listEims(state).filter(
    ({ eimId }) => searchCriteria === undefined || eimId === searchCriteria.value,
  );
  return GetEimConfigurationDataResponse.encode({ eimConfigurationDataList: found.map(shown) });
}

/** All of the list or, with the first that may not be added, none of it. */
function addInitialEim(es10: Es10, request: Uint8Array): Uint8Array {
  const { state } = es10;
  const failed = (value: Exclude<ReturnType<typeof addEim>, Eim>): Uint8Array =>
    AddInitialEimResponse.encode({ is: 'addInitialEimError', value });
  let given: readonly EimConfiguration[];
  try {
    given = AddInitialEimRequest.decode(request).eimConfigurationDataList;
  } catch (error) {
    if (isAgentError(error)) return failed('commandError');
    throw error;
  }
  if (listEims(state).length > 0) return failed('associatedEimAlreadyExists');
  if (given.length === 0) return failed('commandError');
  const added: Eim[] = [];
  for (const configuration of given) {
    const eim = addEim(es10, configuration);
    if (typeof eim === 'string') {
      state.rollback();
      return failed(eim);
    }
    added.push(eim);
  }
  return AddInitialEimResponse.encode({
    is: 'addInitialEimOk',
    value: added.map(({ associationToken }) =>
      associationToken === 0
        ? ({ is: 'addOk', value: true } as const)
        : ({ is: 'associationToken', value: associationToken } as const),
    ),
  });
}

const TAG_HTTP_PARAMETERS = 0xa1;

/** Those for HTTP, where the profile has several kinds beside each other (SGP.02 4.1.3.4). */
function httpParametersIn(connectivityParameters: Uint8Array): Uint8Array {
  try {
    return findTlv(readTlvs(connectivityParameters), TAG_HTTP_PARAMETERS)?.value ?? connectivityParameters;
  } catch (error) {
    if (isAgentError(error)) return connectivityParameters;
    throw error;
  }
}

function getConnectivityParameters({ profiles, state }: Es10, request: Uint8Array): Uint8Array {
  GetConnectivityParametersRequest.decode(request);
  const { enabled } = profiles;
  const upp = enabled === undefined ? undefined : state.read(packageCell(enabled.number));
  const loaded = upp === undefined ? undefined : loadProfilePackage(upp);
  const held = loaded?.ok === true ? loaded.profile.connectivityParameters : undefined;
  if (held === undefined) {
    return GetConnectivityParametersResponse.encode({
      is: 'connectivityParametersError',
      value: 'parametersNotAvailable',
    });
  }
  return GetConnectivityParametersResponse.encode({
    is: 'connectivityParameters',
    value: { httpParams: httpParametersIn(held) },
  });
}

type Options = TypeOf<typeof IotEuiccMemoryResetRequest>['resetOptions'];
type ResetResult = Parameters<typeof IotEuiccMemoryResetResponse.encode>[0];

function isDoomed({ profileClass, record: { fieldLoaded } }: Profile, options: Options): boolean {
  switch (profileClass) {
    case 'operational':
      return options.includes('deleteOperationalProfiles');
    case 'provisioning':
      return options.includes('deleteProvisioningProfiles');
    case 'test':
      return options.includes(fieldLoaded ? 'deleteFieldLoadedTestProfiles' : 'deletePreLoadedTestProfiles');
    default:
      return false;
  }
}

/** Each part of what is asked for has a result of its own; the first names the others when nothing else was asked for. */
function memoryReset(es10: Es10, request: Uint8Array): Uint8Array {
  const { resetOptions } = IotEuiccMemoryResetRequest.decode(request);
  const { profiles, state } = es10;
  const doomed = profiles.list().filter((profile) => isDoomed(profile, resetOptions));
  const eims = resetOptions.includes('resetEimConfigData') ? listEims(state) : [];
  const resetsAddress = resetOptions.includes('resetDefaultSmdpAddress') && isAddressChanged(state);
  const clearsImmediate = resetOptions.includes('resetImmediateEnableConfig');
  const switches = doomed.some(({ enabled }) => enabled);
  const result = ((): ResetResult => {
    if (isEcallActive(state)) return { resetResult: 'ecallActive' };
    if (switches ? isCatBusy(es10) : profiles.pendingSwitch !== undefined) return { resetResult: 'catBusy' };
    removeAll(es10, doomed);
    for (const eim of eims) removeEim(state, eim);
    if (resetsAddress) resetAddress(state);
    const hadImmediate = clearsImmediate && state.has(immediateEnableCell);
    if (hadImmediate) state.remove(immediateEnableCell);
    if (switches) refresh(es10);
    const some = doomed.length > 0 || eims.length > 0 || resetsAddress || hadImmediate;
    return {
      resetResult: some ? 'ok' : 'nothingToDelete',
      ...(resetOptions.includes('resetEimConfigData')
        ? { resetEimResult: eims.length > 0 ? 'ok' : 'nothingToDelete' }
        : {}),
      ...(clearsImmediate ? { resetImmediateEnableConfigResult: 'ok' } : {}),
    };
  })();
  return IotEuiccMemoryResetResponse.encode(result);
}

function setDefaultDpAddress({ state }: Es10, request: Uint8Array): Uint8Array {
  const { defaultDpAddress } = IotSetDefaultDpAddressRequest.decode(request);
  state.write(settingsCell, { ...state.read(settingsCell), defaultDpAddress });
  return IotSetDefaultDpAddressResponse.encode({ setDefaultDpAddressResult: 'ok' });
}

/** There is no IPA on this card, nor an LPA: neither can be activated (SGP.22 5.7.1, SGP.32 3.8.4). */
function activateIpae(_: Es10, request: Uint8Array): Uint8Array {
  IpaeActivationRequest.decode(request);
  return IpaeActivationResponse.encode({ ipaeActivationResult: 'notSupported' });
}

export const IOT_CONFIGURATION_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf42, run: activateIpae },
  { tag: 0xbf55, run: getEimConfigurationData },
  { tag: 0xbf57, manages: true, run: addInitialEim },
  { tag: 0xbf5f, run: getConnectivityParameters },
  { tag: 0xbf64, manages: true, run: memoryReset },
  { tag: 0xbf65, manages: true, run: setDefaultDpAddress },
];
