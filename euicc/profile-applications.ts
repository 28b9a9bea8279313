// Security domains, applications and remote file management of a profile package as the card keeps them (TCA eUICC Profile
// Package: Interoperable Format, 8.6 to 8.8; ETSI TS 102 226 for the toolkit parameters).
import { Secret } from '../base/log.ts';
import { decodeAid } from '../codec/ids.ts';
import type { ApplicationInstance, KeyObject } from '../codec/saip/elements.ts';
import type { ElementValue } from '../codec/saip/package.ts';
import type {
  ApplicationContent,
  KeyContent,
  LoadPackageContent,
  RfmContent,
  SecurityDomainContent,
} from './profile-content.ts';

const SELECTABLE = 0x07;

export function applicationOf(instance: ApplicationInstance): ApplicationContent {
  const domain = instance.extraditeSecurityDomainAid;
  return {
    aid: decodeAid(instance.instanceAid),
    loadPackageAid: decodeAid(instance.applicationLoadPackageAid),
    classAid: decodeAid(instance.classAid),
    ...(domain === undefined ? {} : { securityDomainAid: decodeAid(domain) }),
    privileges: instance.applicationPrivileges,
    lifeCycle: instance.lifeCycleState?.[0] ?? SELECTABLE,
    parameters: instance.applicationSpecificParametersC9,
    ...toolkitAddress(instance.applicationParameters?.uiccToolkit),
    processData: instance.processData ?? [],
  };
}

/**
 * UICC toolkit application parameters (ETSI TS 102 226, 8.2.1.3.2.2.1): priority, timers, text length, menu entries of two
 * octets each, channels, minimum security level with its length, TARs with their length, services. Malformed ones give no TAR.
 */
function toolkitAddress(
  octets: Uint8Array | undefined,
): Pick<ApplicationContent, 'tars' | 'minimumSecurityLevel'> {
  const none = { tars: [], minimumSecurityLevel: 0 };
  if (octets === undefined || octets.length < 7) return none;
  let at = 4 + 2 * (octets[3] ?? 0) + 1;
  const counted = (): Uint8Array | undefined => {
    const length = octets[at];
    if (length === undefined || at + 1 + length > octets.length) return undefined;
    const part = octets.subarray(at + 1, at + 1 + length);
    at += 1 + length;
    return part;
  };
  const level = counted();
  const tars = counted();
  if (level === undefined || tars === undefined || tars.length % 3 !== 0) return none;
  const minimumSecurityLevel = level[0] === 0x01 ? (level[1] ?? 0) : 0;
  const list = Array.from({ length: tars.length / 3 }, (_, i) => tars.slice(3 * i, 3 * i + 3));
  return { tars: list, minimumSecurityLevel };
}

export function securityDomainOf(value: ElementValue<'securityDomain'>): SecurityDomainContent {
  return {
    ...applicationOf(value.instance),
    keys: (value.keyList ?? []).map(keyOf),
    persoData: value.sdPersoData ?? [],
  };
}

const DEFAULT_MAC_LENGTH = 8;

function keyOf(key: KeyObject): KeyContent {
  return {
    usage: key.keyUsageQualifier,
    access: key.keyAccess?.[0] ?? 0,
    identifier: key.keyIdentifier[0] ?? 0,
    version: key.keyVersionNumber[0] ?? 0,
    ...(key.keyCounterValue === undefined ? {} : { counter: key.keyCounterValue }),
    components: key.keyComponents.map((component) => ({
      type: component.keyType.at(-1) ?? 0,
      data: new Secret(component.keyData),
      macLength: component.macLength ?? DEFAULT_MAC_LENGTH,
    })),
  };
}

export function rfmOf(value: ElementValue<'rfm'>): RfmContent {
  const { securityDomainAid, adfRfmAccess } = value;
  return {
    instanceAid: decodeAid(value.instanceAid),
    ...(securityDomainAid === undefined ? {} : { securityDomainAid: decodeAid(securityDomainAid) }),
    tars: value.tarList ?? [],
    minimumSecurityLevel: value.minimumSecurityLevel[0] ?? 0,
    accessDomain: value.uiccAccessDomain,
    adminAccessDomain: value.uiccAdminAccessDomain,
    ...(adfRfmAccess === undefined
      ? {}
      : {
          adf: {
            aid: decodeAid(adfRfmAccess.adfAid),
            accessDomain: adfRfmAccess.adfAccessDomain,
            adminAccessDomain: adfRfmAccess.adfAdminAccessDomain,
          },
        }),
  };
}

export function loadPackageOf(
  block: NonNullable<ElementValue<'application'>['loadBlock']>,
): LoadPackageContent {
  const domain = block.securityDomainAid;
  return {
    aid: decodeAid(block.loadPackageAid),
    ...(domain === undefined ? {} : { securityDomainAid: decodeAid(domain) }),
    loadBlock: block.loadBlockObject,
  };
}
