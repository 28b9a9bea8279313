// GetProfilesInfo and SetNickname (SGP.22 5.7.15, 5.7.21).
import { isAgentError } from '../../base/errors.ts';
import { SetNicknameRequest, SetNicknameResponse } from '../../codec/rsp/profile-management.ts';
import {
  type ProfileInfo,
  ProfileInfoListRequest,
  ProfileInfoListResponse,
} from '../../codec/rsp/profiles.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import { iotCell } from '../iot/records.ts';
import type { Profile } from '../profiles.ts';
import { type Es10, type Es10Function, named } from './functions.ts';

type Info = TypeOf<typeof ProfileInfo>;
type Member = keyof Info;

/** The members by tag. */
const MEMBER_OF_TAG: ReadonlyMap<number, Member> = new Map<number, Member>([
  [0x5a, 'iccid'],
  [0x4f, 'isdpAid'],
  [0x9f70, 'profileState'],
  [0x90, 'profileNickname'],
  [0x91, 'serviceProviderName'],
  [0x92, 'profileName'],
  [0x93, 'iconType'],
  [0x94, 'icon'],
  [0x95, 'profileClass'],
  [0xb6, 'notificationConfigurationInfo'],
  [0xb7, 'profileOwner'],
  [0xb8, 'dpProprietaryData'],
  [0x99, 'profilePolicyRules'],
  [0xbf22, 'serviceSpecificDataStoredInEuicc'],
  [0x9f7b, 'ecallIndication'],
  [0x9f26, 'fallbackAttribute'],
  [0x9f67, 'fallbackAllowed'],
]);

/** What is told without a tag list. */
const DEFAULT_TAGS: readonly number[] = [0x5a, 0x4f, 0x9f70, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95];

function infoOf(
  { state }: Es10,
  { number, record, metadata, profileClass, enabled }: Profile,
  tags: readonly number[],
): Info {
  const all: Info = {
    ...metadata,
    isdpAid: record.isdPAid,
    profileState: enabled ? 'enabled' : 'disabled',
    profileClass,
    // DEFAULT FALSE: only the fallback profile shows it (SGP.32 4.4).
    ...(state.read(iotCell).fallback === number ? { fallbackAttribute: true } : {}),
    ...(record.nickname === undefined ? {} : { profileNickname: record.nickname }),
    ...(record.dpProprietaryData === undefined ? {} : { dpProprietaryData: record.dpProprietaryData }),
  };
  const wanted = new Set<string | undefined>(tags.map((tag) => MEMBER_OF_TAG.get(tag)));
  return Object.fromEntries(Object.entries(all).filter(([member]) => wanted.has(member)));
}

/** The list that was asked for, with the members of the tag list or those told without one. */
export function profileInfoList(
  es10: Es10,
  {
    searchCriteria,
    tagList = DEFAULT_TAGS,
  }: Pick<TypeOf<typeof ProfileInfoListRequest>, 'searchCriteria' | 'tagList'>,
): Info[] {
  const found = es10.profiles.list().filter(({ record, profileClass }) => {
    switch (searchCriteria?.is) {
      case 'iccid':
        return record.iccid === searchCriteria.value;
      case 'isdpAid':
        return record.isdPAid === searchCriteria.value;
      case 'profileClass':
        return profileClass === searchCriteria.value;
      case undefined:
        return true;
    }
  });
  return found.map((profile) => infoOf(es10, profile, tagList));
}

function getProfilesInfo(es10: Es10, request: Uint8Array): Uint8Array {
  let asked: TypeOf<typeof ProfileInfoListRequest>;
  try {
    asked = ProfileInfoListRequest.decode(request);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return ProfileInfoListResponse.encode({ is: 'profileInfoListError', value: 'incorrectInputValues' });
  }
  return ProfileInfoListResponse.encode({
    is: 'profileInfoListOk',
    value: profileInfoList(es10, asked),
  });
}

function setNickname({ profiles }: Es10, request: Uint8Array): Uint8Array {
  const asked = named(() => SetNicknameRequest.decode(request));
  const profile = asked === undefined ? undefined : profiles.find({ is: 'iccid', value: asked.iccid });
  if (asked === undefined || profile === undefined)
    return SetNicknameResponse.encode({ setNicknameResult: 'iccidNotFound' });
  profiles.setNickname(profile, asked.profileNickname);
  return SetNicknameResponse.encode({ setNicknameResult: 'ok' });
}

export const PROFILE_LIST_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf2d, run: getProfilesInfo },
  { tag: 0xbf29, manages: true, run: setNickname },
];
