// What the eUICC knows of a profile: metadata (SGP.22 5.5.3, 5.4.1) and ES10c.GetProfilesInfo (5.7.15, SGP.32 4.4).
import { codes } from '../tlv-names.ts';
import { boolean, choice, listOf, object, octets, oid, sequence } from '../tlv-table.ts';
import {
  aidType,
  icon,
  iconType,
  iccidType,
  notificationConfigurationInfo,
  OperatorId,
  pprIds,
  profileClass,
  profileName,
  profileNickname,
  profileState,
  serviceProviderName,
  tagList,
} from './types.ts';

/** Members of dpProprietaryData that the standard names; an SM-DP may add its own. */
export const DpProprietaryData = sequence({ dpOid: { tag: 0x80, type: oid, also: [0x06] } });

/** dpProprietaryData is kept as it came: SM-DPs add objects of their own. Decode with `DpProprietaryData` for the OID. */
export const dpProprietaryData = {
  tag: 0xb8,
  type: octets({ max: 128 }),
  optional: true,
  inside: DpProprietaryData,
} as const;

/** StoreMetadata as a whole object BF25, also as the SM-DP shows it to the device before the download. */
export const StoreMetadataRequest = object(
  0xbf25,
  sequence({
    iccid: { tag: 0x5a, type: iccidType },
    serviceProviderName: { tag: 0x91, type: serviceProviderName },
    profileName: { tag: 0x92, type: profileName },
    iconType: { tag: 0x93, type: iconType, optional: true },
    icon: { tag: 0x94, type: icon, optional: true },
    profileClass: { tag: 0x95, type: profileClass, optional: true },
    notificationConfigurationInfo: { tag: 0xb6, type: notificationConfigurationInfo, optional: true },
    profileOwner: { tag: 0xb7, type: OperatorId, optional: true },
    profilePolicyRules: { tag: 0x99, type: pprIds, optional: true },
    serviceSpecificDataStoredInEuicc: { tag: 0xbf22, type: octets(), optional: true },
    serviceSpecificDataNotStoredInEuicc: { tag: 0xbf23, type: octets(), optional: true },
    ecallIndication: { tag: 0x9f7b, type: boolean, optional: true },
    fallbackAllowed: { tag: 0x9f67, type: boolean, optional: true },
    iotSpecificMetadata: { tag: 0xbf64, type: octets(), optional: true },
  }),
);

export const UpdateMetadataRequest = object(
  0xbf2a,
  sequence({
    serviceProviderName: { tag: 0x91, type: serviceProviderName, optional: true },
    profileName: { tag: 0x92, type: profileName, optional: true },
    iconType: { tag: 0x93, type: iconType, optional: true },
    icon: { tag: 0x94, type: icon, optional: true },
    profilePolicyRules: { tag: 0x99, type: pprIds, optional: true },
    serviceSpecificDataStoredInEuicc: { tag: 0xbf22, type: octets(), optional: true },
    fallbackAllowed: { tag: 0x9f67, type: boolean, optional: true },
  }),
);

/** One profile in the list; which members are there depends on the tag list of the request. */
export const ProfileInfo = sequence({
  iccid: { tag: 0x5a, type: iccidType, optional: true },
  isdpAid: { tag: 0x4f, type: aidType, optional: true },
  profileState: { tag: 0x9f70, type: profileState, optional: true },
  profileNickname: { tag: 0x90, type: profileNickname, optional: true },
  serviceProviderName: { tag: 0x91, type: serviceProviderName, optional: true },
  profileName: { tag: 0x92, type: profileName, optional: true },
  iconType: { tag: 0x93, type: iconType, optional: true },
  icon: { tag: 0x94, type: icon, optional: true },
  profileClass: { tag: 0x95, type: profileClass, optional: true },
  notificationConfigurationInfo: { tag: 0xb6, type: notificationConfigurationInfo, optional: true },
  profileOwner: { tag: 0xb7, type: OperatorId, optional: true },
  dpProprietaryData,
  profilePolicyRules: { tag: 0x99, type: pprIds, optional: true },
  serviceSpecificDataStoredInEuicc: { tag: 0xbf22, type: octets(), optional: true },
  ecallIndication: { tag: 0x9f7b, type: boolean, optional: true },
  fallbackAttribute: { tag: 0x9f26, type: boolean, optional: true },
  fallbackAllowed: { tag: 0x9f67, type: boolean, optional: true },
  iotSpecificProfileInfo: { tag: 0xbf64, type: octets(), optional: true },
});

/** The tag of one ProfileInfo in the list. */
export const TAG_PROFILE_INFO = 0xe3;

/** An ISD-P by its AID or a profile by its ICCID. */
export const profileIdentifier = choice({
  isdpAid: { tag: 0x4f, type: aidType },
  iccid: { tag: 0x5a, type: iccidType },
});

/** Without a tag list the eUICC answers its default members; without criteria, all profiles. */
export const profileInfoListRequestMembers = sequence({
  searchCriteria: {
    tag: 0xa0,
    type: choice({
      isdpAid: { tag: 0x4f, type: aidType },
      iccid: { tag: 0x5a, type: iccidType },
      profileClass: { tag: 0x95, type: profileClass },
    }),
    optional: true,
  },
  tagList: { tag: 0x5c, type: tagList, optional: true },
});

export const ProfileInfoListRequest = object(0xbf2d, profileInfoListRequestMembers);

export const profileInfoListError = codes({
  incorrectInputValues: 1,
  profileChangeOngoing: 11,
  undefinedError: 127,
});

export const profileInfoListChoice = choice({
  profileInfoListOk: { tag: 0xa0, type: listOf(TAG_PROFILE_INFO, ProfileInfo), bare: true },
  profileInfoListError: { tag: 0x81, type: profileInfoListError },
});

export const ProfileInfoListResponse = object(0xbf2d, profileInfoListChoice);
