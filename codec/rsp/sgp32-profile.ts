// ES10b functions of SGP.32 that an IPA calls by itself: rollback, immediate enable, fallback, emergency, reset (5.9.5, 5.9.15 to 5.9.25).
import { codes, flags } from '../tlv-names.ts';
import { boolean, choice, object, octets, sequence, utf8 } from '../tlv-table.ts';
import { emptySequence } from './euicc-info.ts';
import { EuiccPackageResult, immediateEnableConfiguration } from './sgp32-package.ts';

const refresh = sequence({ refreshFlag: { tag: 0x80, type: boolean, also: [0x01] } });

export const ProfileRollbackRequest = object(0xbf58, refresh);

/** The new signed result takes the place of the one that was never delivered. */
export const ProfileRollbackResponse = object(
  0xbf58,
  sequence({
    cmdResult: {
      tag: 0x02,
      type: codes({ ok: 0, rollbackNotAllowed: 1, catBusy: 5, commandError: 7, undefinedError: 127 }),
      also: [0x80],
    },
    eUICCPackageResult: {
      tag: 0xbf51,
      type: octets({ min: 2 }),
      raw: true,
      inside: EuiccPackageResult,
      optional: true,
    },
  }),
);

export const ConfigureImmediateProfileEnablingRequest = object(0xbf59, immediateEnableConfiguration);

export const ConfigureImmediateProfileEnablingResponse = object(
  0xbf59,
  sequence({
    configImmediateEnableResult: {
      tag: 0x80,
      type: codes({ ok: 0, insufficientMemory: 1, associatedEimAlreadyExists: 2, undefinedError: 127 }),
    },
  }),
);

export const ImmediateEnableRequest = object(0xbf5a, refresh);

export const ImmediateEnableResponse = object(
  0xbf5a,
  sequence({
    immediateEnableResult: {
      tag: 0x80,
      type: codes({
        ok: 0,
        immediateEnableNotAvailable: 1,
        noSessionContext: 4,
        catBusy: 5,
        undefinedError: 127,
      }),
    },
  }),
);

export const EnableEmergencyProfileRequest = object(0xbf5b, refresh);

export const EnableEmergencyProfileResponse = object(
  0xbf5b,
  sequence({
    enableEmergencyProfileResult: {
      tag: 0x80,
      type: codes({
        ok: 0,
        profileNotInDisabledState: 2,
        catBusy: 5,
        ecallNotAvailable: 8,
        undefinedError: 127,
      }),
    },
  }),
);

export const DisableEmergencyProfileRequest = object(0xbf5c, refresh);

export const DisableEmergencyProfileResponse = object(
  0xbf5c,
  sequence({
    disableEmergencyProfileResult: {
      tag: 0x80,
      type: codes({
        ok: 0,
        profileNotInEnabledState: 2,
        catBusy: 5,
        ecallNotAvailable: 8,
        undefinedError: 127,
      }),
    },
  }),
);

export const ExecuteFallbackMechanismRequest = object(0xbf5d, refresh);

export const ExecuteFallbackMechanismResponse = object(
  0xbf5d,
  sequence({
    executeFallbackMechanismResult: {
      tag: 0x80,
      type: codes({
        ok: 0,
        profileNotInDisabledState: 2,
        catBusy: 5,
        fallbackNotAvailable: 6,
        commandError: 7,
        ecallActive: 104,
        undefinedError: 127,
      }),
    },
  }),
);

export const ReturnFromFallbackRequest = object(0xbf5e, refresh);

export const ReturnFromFallbackResponse = object(
  0xbf5e,
  sequence({
    returnFromFallbackResult: {
      tag: 0x80,
      type: codes({ ok: 0, catBusy: 5, fallbackNotAvailable: 6, commandError: 7, undefinedError: 127 }),
    },
  }),
);

export const GetConnectivityParametersRequest = object(0xbf5f, emptySequence);

export const GetConnectivityParametersResponse = object(
  0xbf5f,
  choice({
    connectivityParameters: {
      tag: 0xa0,
      type: sequence({ httpParams: { tag: 0x81, type: octets(), optional: true } }),
    },
    connectivityParametersError: {
      tag: 0x81,
      type: codes({ parametersNotAvailable: 1, undefinedError: 127 }),
    },
  }),
);

export const IotEuiccMemoryResetRequest = object(
  0xbf64,
  sequence({
    resetOptions: {
      tag: 0x82,
      type: flags({
        deleteOperationalProfiles: 0,
        deleteFieldLoadedTestProfiles: 1,
        resetDefaultSmdpAddress: 2,
        deletePreLoadedTestProfiles: 3,
        deleteProvisioningProfiles: 4,
        resetEimConfigData: 5,
        resetImmediateEnableConfig: 6,
      }),
    },
  }),
);

export const IotEuiccMemoryResetResponse = object(
  0xbf64,
  sequence({
    resetResult: {
      tag: 0x80,
      type: codes({ ok: 0, nothingToDelete: 1, catBusy: 5, ecallActive: 104, undefinedError: 127 }),
    },
    resetEimResult: {
      tag: 0x81,
      type: codes({ ok: 0, nothingToDelete: 1, eimResetNotSupported: 2, undefinedError: 127 }),
      optional: true,
    },
    resetImmediateEnableConfigResult: {
      tag: 0x82,
      type: codes({ ok: 0, resetIECNotSupported: 1, undefinedError: 127 }),
      optional: true,
    },
  }),
);

export const IotSetDefaultDpAddressRequest = object(
  0xbf65,
  sequence({ defaultDpAddress: { tag: 0x80, type: utf8 } }),
);

export const IotSetDefaultDpAddressResponse = object(
  0xbf65,
  sequence({ setDefaultDpAddressResult: { tag: 0x80, type: codes({ ok: 0, undefinedError: 127 }) } }),
);

export const IpaeActivationRequest = object(
  0xbf42,
  sequence({ ipaeOption: { tag: 0x80, type: flags({ activateIpae: 0 }) } }),
);

export const IpaeActivationResponse = object(
  0xbf42,
  sequence({ ipaeActivationResult: { tag: 0x80, type: codes({ ok: 0, notSupported: 1 }) } }),
);
