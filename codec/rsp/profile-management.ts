// ES10c functions that change profiles: enable, disable, delete, nickname, memory reset (SGP.22 5.7.16 to 5.7.21).
import { codes, flags } from '../tlv-names.ts';
import { boolean, choice, object, sequence } from '../tlv-table.ts';
import { profileIdentifier } from './profiles.ts';
import { aidType, iccidType, profileNickname } from './types.ts';

const profileAndRefresh = sequence({
  profileIdentifier: { tag: 0xa0, type: profileIdentifier },
  refreshFlag: { tag: 0x81, type: boolean, also: [0x01] },
});

export const EnableProfileRequest = object(0xbf31, profileAndRefresh);

export const enableResult = codes({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInDisabledState: 2,
  disallowedByPolicy: 3,
  wrongProfileReenabling: 4,
  catBusy: 5,
  undefinedError: 127,
});

export const EnableProfileResponse = object(
  0xbf31,
  sequence({ enableResult: { tag: 0x80, type: enableResult } }),
);

export const DisableProfileRequest = object(0xbf32, profileAndRefresh);

export const disableResult = codes({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInEnabledState: 2,
  disallowedByPolicy: 3,
  catBusy: 5,
  undefinedError: 127,
});

export const DisableProfileResponse = object(
  0xbf32,
  sequence({ disableResult: { tag: 0x80, type: disableResult } }),
);

export const DeleteProfileRequest = object(
  0xbf33,
  choice({
    isdpAid: { tag: 0x4f, type: aidType },
    iccid: { tag: 0x5a, type: iccidType },
  }),
);

export const deleteResult = codes({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInDisabledState: 2,
  disallowedByPolicy: 3,
  undefinedError: 127,
});

export const DeleteProfileResponse = object(
  0xbf33,
  sequence({ deleteResult: { tag: 0x80, type: deleteResult } }),
);

export const SetNicknameRequest = object(
  0xbf29,
  sequence({
    iccid: { tag: 0x5a, type: iccidType },
    profileNickname: { tag: 0x90, type: profileNickname },
  }),
);

export const setNicknameResult = codes({ ok: 0, iccidNotFound: 1, undefinedError: 127 });

export const SetNicknameResponse = object(
  0xbf29,
  sequence({ setNicknameResult: { tag: 0x80, type: setNicknameResult } }),
);

export const EuiccMemoryResetRequest = object(
  0xbf34,
  sequence({
    resetOptions: {
      tag: 0x82,
      type: flags({
        deleteOperationalProfiles: 0,
        deleteFieldLoadedTestProfiles: 1,
        resetDefaultSmdpAddress: 2,
      }),
    },
  }),
);

export const resetResult = codes({ ok: 0, nothingToDelete: 1, catBusy: 5, undefinedError: 127 });

export const EuiccMemoryResetResponse = object(
  0xbf34,
  sequence({ resetResult: { tag: 0x80, type: resetResult } }),
);
