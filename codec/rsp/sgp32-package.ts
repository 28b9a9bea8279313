// eUICC packages: ES10b.LoadEuiccPackage and its signed result (SGP.32 2.11.1.1, 2.11.2.1, 5.9.1).
import { concat } from '../../base/bytes.ts';
import { encodeTlv } from '../ber-tlv.ts';
import { codes } from '../tlv-names.ts';
import {
  choice,
  nothing,
  object,
  octets,
  oid,
  rawOf,
  runOf,
  sequence,
  type Type,
  unsigned,
  utf8,
} from '../tlv-table.ts';
import { RulesAuthorisationTable } from './configuration.ts';
import { eidValue, emptySequence } from './euicc-info.ts';
import { profileInfoListChoice, profileInfoListRequestMembers } from './profiles.ts';
import {
  addEimResult,
  associationToken,
  deleteEimResult,
  eimId,
  EimConfigurationData,
  listEimResult,
  updateEimResult,
} from './sgp32-eim.ts';
import { iccidType, signature, TAG_SIGNATURE, transactionId } from './types.ts';

const rawObject = octets({ min: 2 });
const iccidOnly = sequence({ iccid: { tag: 0x5a, type: iccidType } });

/** Members of configureImmediateEnable, as a PSMO and as ES10b.ConfigureImmediateProfileEnabling. */
export const immediateEnableConfiguration = sequence({
  immediateEnableFlag: { tag: 0x80, type: nothing, optional: true },
  defaultSmdpOid: { tag: 0x81, type: oid, optional: true },
  defaultSmdpAddress: { tag: 0x82, type: utf8, optional: true },
});

export const Psmo = choice({
  enable: {
    tag: 0xa3,
    type: sequence({
      iccid: { tag: 0x5a, type: iccidType },
      rollbackFlag: { tag: 0x05, type: nothing, optional: true },
    }),
  },
  disable: { tag: 0xa4, type: iccidOnly },
  delete: { tag: 0xa5, type: iccidOnly },
  listProfileInfo: { tag: 0xbf2d, type: profileInfoListRequestMembers },
  getRAT: { tag: 0xa6, type: emptySequence },
  configureImmediateEnable: { tag: 0xa7, type: immediateEnableConfiguration },
  setFallbackAttribute: { tag: 0xa8, type: iccidOnly },
  unsetFallbackAttribute: { tag: 0xa9, type: emptySequence },
  setDefaultDpAddress: { tag: 0xbf65, type: sequence({ defaultDpAddress: { tag: 0x80, type: utf8 } }) },
});

export const Eco = choice({
  addEim: { tag: 0xa8, type: EimConfigurationData },
  deleteEim: { tag: 0xa9, type: sequence({ eimId: { tag: 0x80, type: eimId } }) },
  updateEim: { tag: 0xaa, type: EimConfigurationData },
  listEim: { tag: 0xab, type: emptySequence },
});

/** euiccPackageSigned as a whole object 30. The package is a list of PSMOs or of ECOs, never both. */
export const EuiccPackageSigned = object(
  0x30,
  sequence({
    eimId: { tag: 0x80, type: eimId },
    eidValue,
    counterValue: { tag: 0x81, type: unsigned },
    eimTransactionId: { tag: 0x82, type: transactionId, optional: true },
    psmoList: { tag: 0xa0, type: runOf(Psmo), optional: true },
    ecoList: { tag: 0xa1, type: runOf(Eco), optional: true },
  }),
);

/**
 * The same members with the operations as they came: an eUICC carries out what stands before an operation that it cannot
 * read (5.9.1).
 */
export const euiccPackageFrame = sequence({
  eimId: { tag: 0x80, type: eimId },
  eidValue,
  counterValue: { tag: 0x81, type: unsigned },
  eimTransactionId: { tag: 0x82, type: transactionId, optional: true },
  psmoList: { tag: 0xa0, type: octets(), optional: true },
  ecoList: { tag: 0xa1, type: octets(), optional: true },
});

/** eimSignature covers what `packageSignatureInput` gives. */
export const EuiccPackageRequest = object(
  0xbf51,
  sequence({
    euiccPackageSigned: { tag: 0x30, type: rawObject, raw: true, inside: EuiccPackageSigned },
    eimSignature: { tag: TAG_SIGNATURE, type: signature },
  }),
);

/**
 * The octets that eimSignature, euiccSignEPR and euiccSignEPE cover: the signed object as it came, then the data object
 * of the association token, 0 where the eIM has none.
 */
export function packageSignatureInput(signed: Uint8Array, token: number): Uint8Array {
  return concat(signed, encodeTlv(0x84, associationToken.encode(token)));
}

export const enableProfileResult = codes({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInDisabledState: 2,
  disallowedByPolicy: 3,
  catBusy: 5,
  rollbackNotAvailable: 20,
  undefinedError: 127,
});

export const disableProfileResult = codes({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInEnabledState: 2,
  disallowedByPolicy: 3,
  catBusy: 5,
  undefinedError: 127,
});

export const deleteProfileResult = codes({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInDisabledState: 2,
  disallowedByPolicy: 3,
  rollbackNotAvailable: 20,
  returnFallbackProfile: 21,
  undefinedError: 127,
});

export const configureImmediateEnableResult = codes({
  ok: 0,
  insufficientMemory: 1,
  commandError: 7,
  undefinedError: 127,
});

export const rollbackProfileResult = codes({ ok: 0, undefinedError: 127 });

export const setFallbackAttributeResult = codes({
  ok: 0,
  iccidOrAidNotFound: 1,
  fallbackNotAllowed: 2,
  fallbackProfileEnabled: 3,
  undefinedError: 127,
});

export const unsetFallbackAttributeResult = codes({
  ok: 0,
  noFallbackAttribute: 2,
  fallbackProfileEnabled: 3,
  commandError: 7,
  undefinedError: 127,
});

export const processingTerminated = codes({
  resultSizeOverflow: 1,
  unknownOrDamagedCommand: 2,
  interruption: 3,
  undefinedError: 127,
});

/** What one PSMO or ECO came to. */
export const EuiccResultData = choice({
  enableResult: { tag: 0x83, type: enableProfileResult },
  disableResult: { tag: 0x84, type: disableProfileResult },
  deleteResult: { tag: 0x85, type: deleteProfileResult },
  listProfileInfoResult: { tag: 0xbf2d, type: profileInfoListChoice },
  getRATResult: { tag: 0xa6, type: RulesAuthorisationTable },
  configureImmediateEnableResult: { tag: 0x87, type: configureImmediateEnableResult },
  addEimResult: { tag: 0xa8, type: addEimResult },
  deleteEimResult: { tag: 0x89, type: deleteEimResult },
  updateEimResult: { tag: 0x8a, type: updateEimResult },
  listEimResult: { tag: 0xab, type: listEimResult },
  rollbackResult: { tag: 0x8c, type: rollbackProfileResult },
  setFallbackAttributeResult: { tag: 0x8d, type: setFallbackAttributeResult },
  unsetFallbackAttributeResult: { tag: 0x8e, type: unsetFallbackAttributeResult },
  processingTerminated: { tag: 0x02, type: processingTerminated },
  setDefaultDpAddressResult: {
    tag: 0xbf65,
    type: sequence({
      setDefaultDpAddressResult: { tag: 0x80, type: codes({ ok: 0, undefinedError: 127 }) },
    }),
  },
});

/** `seqNumber` is the eUICC's own number, by which the eIM acknowledges the result. */
export const EuiccPackageResultDataSigned = object(
  0x30,
  sequence({
    eimId: { tag: 0x80, type: eimId },
    counterValue: { tag: 0x81, type: unsigned },
    eimTransactionId: { tag: 0x82, type: transactionId, optional: true },
    seqNumber: { tag: 0x83, type: unsigned },
    euiccResult: { tag: 0x30, type: runOf(EuiccResultData) },
  }),
);

export const euiccPackageErrorCode = codes({
  invalidEid: 3,
  replayError: 4,
  counterValueOutOfRange: 6,
  sizeOverflow: 15,
  ecallActive: 104,
  undefinedError: 127,
});

export const EuiccPackageErrorDataSigned = object(
  0x30,
  sequence({
    eimId: { tag: 0x80, type: eimId },
    counterValue: { tag: 0x81, type: unsigned },
    eimTransactionId: { tag: 0x82, type: transactionId, optional: true },
    euiccPackageErrorCode: { tag: 0x02, type: euiccPackageErrorCode },
  }),
);

const euiccPackageResultSigned = sequence({
  euiccPackageResultDataSigned: {
    tag: 0x30,
    type: rawObject,
    raw: true,
    inside: EuiccPackageResultDataSigned,
  },
  euiccSignEPR: { tag: TAG_SIGNATURE, type: signature },
});

const euiccPackageErrorSigned = sequence({
  euiccPackageErrorDataSigned: { tag: 0x30, type: rawObject, raw: true, inside: EuiccPackageErrorDataSigned },
  euiccSignEPE: { tag: TAG_SIGNATURE, type: signature },
});

/** What an eUICC answers when it does not know the eIM or its signature fails: nothing is signed for a stranger. */
const euiccPackageErrorUnsigned = sequence({
  eimId: { tag: 0x80, type: eimId },
  eimTransactionId: { tag: 0x82, type: transactionId, optional: true },
  associationToken: { tag: 0x84, type: associationToken, optional: true },
  /** SGP.32 v1.3. */
  euiccPackageUnsignedErrorCode: {
    tag: 0x8f,
    type: codes({ sizeOverflow: 15, undefinedError: 127 }),
    optional: true,
  },
});

export const EuiccPackageResult = object(
  0xbf51,
  choice({
    euiccPackageResultSigned: { tag: 0xa0, type: euiccPackageResultSigned, bare: true },
    euiccPackageErrorSigned: { tag: 0xa1, type: euiccPackageErrorSigned },
    euiccPackageErrorUnsigned: { tag: 0xa2, type: euiccPackageErrorUnsigned, bare: true },
  }),
);

/** Whole results BF51, kept as they came: they are signed. */
export const euiccPackageResults: Type<Uint8Array[]> = runOf(rawOf(EuiccPackageResult));
