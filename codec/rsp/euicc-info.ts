// What an eUICC says of itself: EUICCInfo1/2, challenge, EID, certificates (SGP.22 5.7.7, 5.7.8, 5.7.20; SGP.32 5.9.2, 5.9.10).
import { decodeEid, type Eid, encodeEid } from '../ids.ts';
import { codes, flags, text } from '../tlv-names.ts';
import { choice, listOf, nothing, object, octets, sequence, type Type, utf8 } from '../tlv-table.ts';
import { implicitCertificate, octet16, pprIds, subjectKeyIdentifier, tagList, version } from './types.ts';

/** BF20, BF22, BF2E and others ask without data. */
export const emptySequence = sequence({});

const ciPkIds = listOf(0x04, subjectKeyIdentifier);

export const GetEuiccInfo1Request = object(0xbf20, emptySequence);

export const euiccInfo1Members = sequence({
  svn: { tag: 0x82, type: version },
  euiccCiPKIdListForVerification: { tag: 0xa9, type: ciPkIds },
  euiccCiPKIdListForSigning: { tag: 0xaa, type: ciPkIds },
});

export const EuiccInfo1 = object(0xbf20, euiccInfo1Members);

export const uiccCapability = flags({
  contactlessSupport: 0,
  usimSupport: 1,
  isimSupport: 2,
  csimSupport: 3,
  akaMilenage: 4,
  akaCave: 5,
  akaTuak128: 6,
  akaTuak256: 7,
  rfu1: 8,
  rfu2: 9,
  gbaAuthenUsim: 10,
  gbaAuthenISim: 11,
  mbmsAuthenUsim: 12,
  eapClient: 13,
  javacard: 14,
  multos: 15,
  multipleUsimSupport: 16,
  multipleIsimSupport: 17,
  multipleCsimSupport: 18,
  berTlvFileSupport: 19,
  dfLinkSupport: 20,
  catTp: 21,
  getIdentity: 22,
  profileA_x25519: 23,
  profileB_p256: 24,
  suciCalculatorApi: 25,
  dnsResolution: 26,
  scp11ac: 27,
  scp11cAuthorizationMechanism: 28,
  s16mode: 29,
  eaka: 30,
  iotminimal: 31,
});

export const rspCapability = flags({
  additionalProfile: 0,
  crlSupport: 1,
  rpmSupport: 2,
  testProfileSupport: 3,
  deviceInfoExtensibilitySupport: 4,
  serviceSpecificDataSupport: 5,
  // Of later versions of SGP.22.
  osUpdateSupport: 19,
  iotSpecificMetadataSupport: 26,
  mslCheckSupport: 27,
  rspServerTestProfileAllowlistCheckSupport: 28,
});

const euiccCategory = codes({ other: 0, basicEuicc: 1, mediumEuicc: 2, contactlessEuicc: 3 });

const CertificationDataObject = sequence({
  platformLabel: { tag: 0x80, type: utf8 },
  discoveryBaseURL: { tag: 0x81, type: utf8 },
});

const IotSpecificInfo = sequence({
  iotVersion: { tag: 0xa0, type: listOf(0x04, version) },
  ecallSupported: { tag: 0x81, type: nothing, optional: true },
  fallbackSupported: { tag: 0x82, type: nothing, optional: true },
  /** SGP.32 v1.3. */
  fallbackAllowedUpdateSupported: { tag: 0x83, type: nothing, optional: true },
});

/** The members of EUICCInfo2, for the places that hold them under a tag of their own. */
export const euiccInfo2Members = sequence({
  profileVersion: { tag: 0x81, type: version },
  svn: { tag: 0x82, type: version },
  euiccFirmwareVer: { tag: 0x83, type: version },
  extCardResource: { tag: 0x84, type: octets() },
  uiccCapability: { tag: 0x85, type: uiccCapability },
  ts102241Version: { tag: 0x86, type: version, optional: true },
  globalplatformVersion: { tag: 0x87, type: version, optional: true },
  rspCapability: { tag: 0x88, type: rspCapability },
  euiccCiPKIdListForVerification: { tag: 0xa9, type: ciPkIds },
  euiccCiPKIdListForSigning: { tag: 0xaa, type: ciPkIds },
  euiccCategory: { tag: 0x8b, type: euiccCategory, optional: true },
  forbiddenProfilePolicyRules: { tag: 0x99, type: pprIds, optional: true },
  ppVersion: { tag: 0x04, type: version },
  sasAcreditationNumber: { tag: 0x0c, type: text(64) },
  certificationDataObject: { tag: 0xac, type: CertificationDataObject, optional: true },
  treProperties: {
    tag: 0x8d,
    type: flags({ isDiscrete: 0, isIntegrated: 1, usesRemoteMemory: 2 }),
    optional: true,
  },
  treProductReference: { tag: 0x8e, type: utf8, optional: true },
  additionalEuiccProfilePackageVersions: { tag: 0xaf, type: listOf(0x04, version), optional: true },
  ipaMode: { tag: 0x90, type: codes({ ipad: 0, ipae: 1 }), optional: true },
  euiccCiPKIdListForSigningV3: { tag: 0xb1, type: ciPkIds, optional: true },
  additionalEuiccInfo: { tag: 0x92, type: octets({ max: 32 }), optional: true },
  highestSvn: { tag: 0x93, type: version, optional: true },
  iotSpecificInfo: { tag: 0xb4, type: IotSpecificInfo, optional: true },
  /** SGP.32 v1.3. */
  euiccMinimumSecurityLevel: { tag: 0x95, type: octets({ length: 1 }), optional: true },
});

export const GetEuiccInfo2Request = object(0xbf22, emptySequence);

/** The form of SGP.22 v2 with the further members of SGP.32 (5.9.2). */
export const EuiccInfo2 = object(0xbf22, euiccInfo2Members);

export const GetEuiccChallengeRequest = object(0xbf2e, emptySequence);
export const GetEuiccChallengeResponse = object(
  0xbf2e,
  sequence({ euiccChallenge: { tag: 0x80, type: octet16 } }),
);

const eidType: Type<Eid> = { decode: decodeEid, encode: encodeEid };

/** Data object 5A with the EID, as several functions hold it. */
export const eidValue = { tag: 0x5a, type: eidType } as const;

/** ES10c.GetEID: the tag list holds 5A and nothing else. */
export const GetEuiccDataRequest = object(0xbf3e, sequence({ tagList: { tag: 0x5c, type: tagList } }));
export const GetEuiccDataResponse = object(0xbf3e, sequence({ eidValue }));

export const GetCertsRequest = object(
  0xbf56,
  sequence({ euiccCiPKId: { tag: 0x80, type: subjectKeyIdentifier, optional: true, also: [0x04] } }),
);

export const GetCertsResponse = object(
  0xbf56,
  choice({
    certs: {
      tag: 0xa0,
      bare: true,
      type: sequence({
        eumCertificate: { tag: 0xa5, type: implicitCertificate },
        euiccCertificate: { tag: 0xa6, type: implicitCertificate },
      }),
    },
    getCertsError: { tag: 0x81, type: codes({ invalidCiPKId: 1, undefinedError: 127 }) },
  }),
);
