// Profile elements without files: header, PINs, keys, applications (TCA eUICC Profile Package: Interoperable Format,
// PEDefinitions). Members keep the standard's names; defaults are not filled in, so that what is read can be written back.
import { listOf, octets, oid, unsigned, utf8, type Type, type TypeOf } from '../tlv-table.ts';
import { AgentError } from '../../base/errors.ts';
import { concat } from '../../base/bytes.ts';
import { encodeTlv, readTlvs } from '../ber-tlv.ts';
import { orderedSequence, steps } from './asn1.ts';
import { fileManagement, peHeader } from './files.ts';

const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const SEQUENCE = 0x30;

/** Services a header can make mandatory, in the order of their tags. */
const SERVICES = [
  'contactless',
  'usim',
  'isim',
  'csim',
  'milenage',
  'tuak128',
  'cave',
  'gba-usim',
  'gba-isim',
  'mbms',
  'eap',
  'javacard',
  'multos',
  'multiple-usim',
  'multiple-isim',
  'multiple-csim',
  'tuak256',
  'usim-test-algorithm',
  'ber-tlv',
  'dfLink',
  'cat-tp',
  'get-identity',
  'profile-a-x25519',
  'profile-b-p256',
  'suciCalculatorApi',
  'dns-resolution',
  'scp11ac',
  'scp11c-authorization-mechanism',
  's16mode',
  'eaka',
] as const;

/** Names of the services present; one this table does not know reads as `service-31`. */
const servicesList: Type<readonly string[]> = {
  decode: (bytes) =>
    readTlvs(bytes).map((tlv) => {
      const number = tlv.tag > 0xff ? tlv.tag & 0x7f : tlv.tag & 0x1f;
      if (tlv.value.length > 0 || tlv.tag !== serviceTag(number)) {
        throw new AgentError('TLV_VALUE', { why: 'not a list of services' });
      }
      return SERVICES[number] ?? `service-${number}`;
    }),
  encode: (names) =>
    concat(
      ...names.map((name) => {
        const known = (SERVICES as readonly string[]).indexOf(name);
        const number = known >= 0 ? known : Number(/^service-(\d{2,3})$/.exec(name)?.[1] ?? Number.NaN);
        if (!(number >= 0 && number < 128)) throw new AgentError('TLV_VALUE', { why: `no service ${name}` });
        return encodeTlv(serviceTag(number));
      }),
    ),
};

function serviceTag(number: number): number {
  return number < 31 ? 0x80 + number : 0x9f00 + number;
}

const aid = octets({ min: 5, max: 16 });

/** ProfileHeader; `iccid` in reading order, padded F. */
export const profileHeader = orderedSequence({
  majorVersion: { tag: 0x80, type: unsigned },
  minorVersion: { tag: 0x81, type: unsigned },
  profileType: { tag: 0x82, type: utf8, optional: true },
  iccid: { tag: 0x83, type: octets({ length: 10 }) },
  pol: { tag: 0x84, type: octets(), optional: true },
  mandatoryServices: { tag: 0xa5, type: servicesList },
  mandatoryGfsteList: { tag: 0xa6, type: listOf(OBJECT_IDENTIFIER, oid) },
  connectivityParameters: { tag: 0x87, type: octets(), optional: true },
  mandatoryAids: {
    tag: 0xa8,
    type: listOf(
      SEQUENCE,
      orderedSequence({ aid: { tag: 0x80, type: aid }, version: { tag: 0x81, type: octets({ length: 2 }) } }),
    ),
    optional: true,
  },
  iotOptions: {
    tag: 0xa9,
    type: orderedSequence({ pix: { tag: 0x80, type: octets({ min: 7, max: 11 }) } }),
    optional: true,
  },
});

export const genericFileManagement = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  fileManagementCmd: { tag: 0xa1, type: listOf(SEQUENCE, fileManagement) },
});

const pinConfiguration = orderedSequence({
  keyReference: { tag: 0x80, type: unsigned },
  pinValue: { tag: 0x81, type: octets({ length: 8 }) },
  unblockingPinReference: { tag: 0x82, type: unsigned, optional: true },
  pinAttributes: { tag: 0x83, type: unsigned, optional: true },
  maxNumOfAttempsRetryNumLeft: { tag: 0x84, type: unsigned, optional: true },
});
export type PinConfiguration = TypeOf<typeof pinConfiguration>;

/** `pinCodes` holds one step: the PINs of the current directory, or the path of the directory whose PINs it shares. */
export const pinCodes = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  pinCodes: {
    tag: 0xa1,
    type: steps({
      pinconfig: { tag: 0xa0, type: listOf(SEQUENCE, pinConfiguration) },
      filePath: { tag: 0x81, type: octets({ max: 8 }) },
    }),
  },
});

const pukConfiguration = orderedSequence({
  keyReference: { tag: 0x80, type: unsigned },
  pukValue: { tag: 0x81, type: octets({ length: 8 }) },
  maxNumOfAttempsRetryNumLeft: { tag: 0x82, type: unsigned, optional: true },
});

export const pukCodes = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  pukCodes: { tag: 0xa1, type: listOf(SEQUENCE, pukConfiguration) },
});

const algoParameter = orderedSequence({
  algorithmId: { tag: 0x80, type: unsigned },
  algorithmOptions: { tag: 0x81, type: octets({ length: 1 }) },
  key: { tag: 0x82, type: octets() },
  opc: { tag: 0x83, type: octets() },
  rotationConstants: { tag: 0x84, type: octets({ length: 5 }), optional: true },
  xoringConstants: { tag: 0x85, type: octets({ length: 80 }), optional: true },
  authCounterMax: { tag: 0x86, type: octets({ length: 3 }), optional: true },
  numberOfKeccak: { tag: 0x87, type: unsigned, optional: true },
});
export type AlgoParameter = TypeOf<typeof algoParameter>;

const mappingParameter = orderedSequence({
  mappingOptions: { tag: 0x80, type: octets({ length: 1 }) },
  mappingSource: { tag: 0x81, type: aid },
});

/** `algoConfiguration` holds one step: parameters of its own, or those of another application. */
export const akaParameter = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  algoConfiguration: {
    tag: 0xa1,
    type: steps({
      mappingParameter: { tag: 0xa0, type: mappingParameter },
      algoParameter: { tag: 0xa1, type: algoParameter },
    }),
  },
  sqnOptions: { tag: 0x82, type: octets({ length: 1 }), optional: true },
  sqnDelta: { tag: 0x83, type: octets({ length: 6 }), optional: true },
  sqnAgeLimit: { tag: 0x84, type: octets({ length: 6 }), optional: true },
  sqnInit: { tag: 0xa5, type: listOf(OCTET_STRING, octets({ length: 6 })), optional: true },
});
export type AkaParameter = TypeOf<typeof akaParameter>;

export const cdmaParameter = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  authenticationKey: { tag: 0x81, type: octets({ length: 8 }) },
  ssd: { tag: 0x82, type: octets({ length: 16 }), optional: true },
  hrpdAccessAuthenticationData: { tag: 0x83, type: octets({ min: 2, max: 32 }), optional: true },
  simpleIpAuthenticationData: { tag: 0x84, type: octets({ min: 3, max: 483 }), optional: true },
  mobileIpAuthenticationData: { tag: 0x85, type: octets({ min: 5, max: 957 }), optional: true },
});

const keyObject = orderedSequence({
  keyUsageQualifier: { tag: 0x95, type: octets({ min: 1, max: 2 }) },
  keyAccess: { tag: 0x96, type: octets({ length: 1 }), optional: true },
  keyIdentifier: { tag: 0x82, type: octets({ length: 1 }) },
  keyVersionNumber: { tag: 0x83, type: octets({ length: 1 }) },
  keyCounterValue: { tag: 0x85, type: octets(), optional: true },
  keyComponents: {
    tag: SEQUENCE,
    type: listOf(
      SEQUENCE,
      orderedSequence({
        keyType: { tag: 0x80, type: octets() },
        keyData: { tag: 0x86, type: octets() },
        macLength: { tag: 0x87, type: unsigned, optional: true },
      }),
    ),
  },
});
export type KeyObject = TypeOf<typeof keyObject>;

const quota = octets({ min: 2, max: 4 });

const applicationSystemParameters = orderedSequence({
  volatileMemoryQuota: { tag: 0xc7, type: quota, optional: true },
  nonVolatileMemoryQuota: { tag: 0xc8, type: quota, optional: true },
  globalServiceParameters: { tag: 0xcb, type: octets(), optional: true },
  implicitSelectionParameter: { tag: 0xcf, type: octets(), optional: true },
  volatileReservedMemory: { tag: 0xd7, type: quota, optional: true },
  nonVolatileReservedMemory: { tag: 0xd8, type: quota, optional: true },
  simFileAccessToolkitParameter: { tag: 0xca, type: octets(), optional: true },
  additionalContactlessParameters: {
    tag: 0xa0,
    type: orderedSequence({ protocolParameterData: { tag: 0x80, type: octets() } }),
    optional: true,
  },
  contactlessProtocolParameters: { tag: 0xd9, type: octets(), optional: true },
  userInteractionContactlessParameters: { tag: 0xda, type: octets(), optional: true },
  cumulativeGrantedVolatileMemory: { tag: 0x82, type: quota, optional: true },
  cumulativeGrantedNonVolatileMemory: { tag: 0x83, type: quota, optional: true },
});

const uiccApplicationParameters = orderedSequence({
  uiccToolkit: { tag: 0x80, type: octets(), optional: true },
  uiccAccess: { tag: 0x81, type: octets(), optional: true },
  uiccAdministrativeAccess: { tag: 0x82, type: octets(), optional: true },
});

const applicationInstance = orderedSequence({
  applicationLoadPackageAid: { tag: 0x4f, type: aid },
  classAid: { tag: 0x4f, type: aid },
  instanceAid: { tag: 0x4f, type: aid },
  extraditeSecurityDomainAid: { tag: 0x4f, type: aid, optional: true },
  applicationPrivileges: { tag: 0x82, type: octets() },
  lifeCycleState: { tag: 0x83, type: octets({ length: 1 }), optional: true },
  applicationSpecificParametersC9: { tag: 0xc9, type: octets() },
  systemSpecificParameters: { tag: 0xef, type: applicationSystemParameters, optional: true },
  applicationParameters: { tag: 0xea, type: uiccApplicationParameters, optional: true },
  processData: { tag: SEQUENCE, type: listOf(OCTET_STRING, octets()), optional: true },
  controlReferenceTemplate: {
    tag: 0xb0,
    type: orderedSequence({ applicationProviderIdentifier: { tag: 0x5f20, type: octets() } }),
    optional: true,
  },
});
export type ApplicationInstance = TypeOf<typeof applicationInstance>;

export const securityDomain = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  instance: { tag: 0xa1, type: applicationInstance },
  keyList: { tag: 0xa2, type: listOf(SEQUENCE, keyObject), optional: true },
  sdPersoData: { tag: 0xa3, type: listOf(OCTET_STRING, octets()), optional: true },
  openPersoData: {
    tag: 0xa4,
    type: orderedSequence({
      restrictParameter: { tag: 0xd9, type: octets({ length: 1 }), optional: true },
      contactlessProtocolParameters: { tag: OCTET_STRING, type: octets(), optional: true },
    }),
    optional: true,
  },
  catTpParameters: {
    tag: 0xa5,
    type: orderedSequence({
      catTpMaxSduSize: { tag: 0x80, type: unsigned },
      catTpMaxPduSize: { tag: 0x81, type: unsigned },
    }),
    optional: true,
  },
});

export const rfm = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  instanceAid: { tag: 0x4f, type: aid },
  securityDomainAid: { tag: 0x4f, type: aid, optional: true },
  tarList: { tag: 0xa0, type: listOf(OCTET_STRING, octets({ length: 3 })), optional: true },
  minimumSecurityLevel: { tag: 0x81, type: octets({ length: 1 }) },
  uiccAccessDomain: { tag: OCTET_STRING, type: octets() },
  uiccAdminAccessDomain: { tag: OCTET_STRING, type: octets() },
  adfRfmAccess: {
    tag: SEQUENCE,
    type: orderedSequence({
      adfAid: { tag: 0x80, type: aid },
      adfAccessDomain: { tag: 0x81, type: octets() },
      adfAdminAccessDomain: { tag: 0x82, type: octets() },
    }),
    optional: true,
  },
});

const applicationLoadPackage = orderedSequence({
  loadPackageAid: { tag: 0x4f, type: aid },
  securityDomainAid: { tag: 0x4f, type: aid, optional: true },
  nonVolatileCodeLimit: { tag: 0xc6, type: octets(), optional: true },
  volatileDataLimit: { tag: 0xc7, type: octets(), optional: true },
  nonVolatileDataLimit: { tag: 0xc8, type: octets(), optional: true },
  hashValue: { tag: 0xc1, type: octets(), optional: true },
  loadBlockObject: { tag: 0xc4, type: octets() },
});

export const application = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  loadBlock: { tag: 0xa1, type: applicationLoadPackage, optional: true },
  instanceList: { tag: 0xa2, type: listOf(SEQUENCE, applicationInstance), optional: true },
});

export const nonStandard = orderedSequence({
  header: { tag: 0xa0, type: peHeader },
  issuerId: { tag: 0x81, type: oid },
  content: { tag: 0x82, type: octets() },
});

export const end = orderedSequence({ header: { tag: 0xa0, type: peHeader } });
