// Interprets a profile package: element after element becomes files, PINs, keys and applications of one profile (TCA eUICC
// Profile Package: Interoperable Format). Pure: nothing of the card changes; the outcome is the content, or the element that failed.
import { isAgentError, type AgentError } from '../base/errors.ts';
import { decodeAid, decodeIccidPlain } from '../codec/ids.ts';
import { readTlv } from '../codec/ber-tlv.ts';
import {
  decodeProfileElement,
  elementHeader,
  elementName,
  isFilesElement,
  type ElementValue,
  type FilesElementType,
  type ProfileElement,
} from '../codec/saip/package.ts';
import type { PeStatusName } from '../codec/saip/response.ts';
import { findTemplate } from '../codec/saip/templates.ts';
import { applicationOf, loadPackageOf, rfmOf, securityDomainOf } from './profile-applications.ts';
import type {
  AkaContent,
  CdmaContent,
  LoadedProfile,
  LoadOutcome,
  NaaContent,
  PeStatus,
} from './profile-content.ts';
import { applyFileManagement, applyFiles, masterFile, takeMemory, type FileWork } from './profile-files.ts';
import { checkPinReferences, collectPinContexts } from './profile-pins.ts';
import { akaOf, cdmaOf, isKnownAlgorithm, pinsOf, puksOf } from './profile-secrets.ts';
import { fidText, findDirectory, finishTree, refuse, rootOf, type DraftDirectory } from './profile-tree.ts';

export type LoaderOptions = {
  /** Services the card offers, by their ASN.1 names; a package that makes another one mandatory is refused. */
  readonly services?: readonly string[];
  /** Octets that files and load blocks may take together. */
  readonly memory?: number;
};

/** What this interpreter knows how to set up. */
const KNOWN_SERVICES: readonly string[] = [
  'usim',
  'isim',
  'csim',
  'milenage',
  'tuak128',
  'tuak256',
  'usim-test-algorithm',
  'cave',
  'eap',
  'javacard',
  'multiple-usim',
  'multiple-isim',
  'multiple-csim',
  'ber-tlv',
  'dfLink',
  'get-identity',
  'profile-a-x25519',
  'profile-b-p256',
];

const DEFAULT_MEMORY = 1024 * 1024;
const VERSIONS: readonly number[] = [2, 3];

/** Takes the elements of one package in order. After a failure every further call answers the same failure. */
export type ProfileLoader = {
  /** Answers the failure, if the package has failed. */
  add(element: ProfileElement): PeStatus | undefined;
  /** The outcome once all elements were added. */
  finish(): LoadOutcome;
};

type Work = FileWork & {
  readonly services: readonly string[];
  header?: ElementValue<'header'>;
  ended: boolean;
  /** Whose PINs a PE-PINCodes gives: the first directory that the last element with directories created. */
  pinDirectory?: DraftDirectory;
  readonly akas: AkaContent[];
  /** Index into `akas`, and CDMA parameters, by ADF. */
  readonly akaByAdf: Map<DraftDirectory, number>;
  readonly cdmaByAdf: Map<DraftDirectory, CdmaContent>;
  puks?: LoadedProfile['puks'];
  readonly securityDomains: LoadedProfile['securityDomains'][number][];
  readonly rfms: LoadedProfile['rfms'][number][];
  readonly applications: LoadedProfile['applications'][number][];
  readonly loadPackages: LoadedProfile['loadPackages'][number][];
};

export function createProfileLoader(options: LoaderOptions = {}): ProfileLoader {
  const work: Work = {
    services: options.services ?? KNOWN_SERVICES,
    memory: options.memory ?? DEFAULT_MEMORY,
    memoryUsed: 0,
    adfs: [],
    created: [],
    ended: false,
    akas: [],
    akaByAdf: new Map(),
    cdmaByAdf: new Map(),
    securityDomains: [],
    rfms: [],
    applications: [],
    loadPackages: [],
  };
  const warnings: PeStatus[] = [];
  let failed: PeStatus | undefined;
  let last: ProfileElement | undefined;
  return {
    add(element) {
      if (failed !== undefined) return failed;
      last = element;
      const unsupported = unsupportedReason(element);
      if (
        unsupported !== undefined &&
        elementHeader(element)?.mandated !== true &&
        work.header !== undefined
      ) {
        warnings.push(statusOf(element, unsupported.status, unsupported.why));
        return undefined;
      }
      failed = attempt(element, () => {
        if (unsupported !== undefined) refuse(unsupported.status, unsupported.why);
        apply(work, element);
      });
      return failed;
    },
    finish() {
      if (failed !== undefined) return { ok: false, failed };
      let profile: LoadedProfile | undefined;
      failed = attempt(last, () => {
        profile = finishProfile(work);
      });
      if (failed !== undefined || profile === undefined) {
        return { ok: false, failed: failed ?? { status: 'invalidRequestFormat' } };
      }
      return { ok: true, profile, warnings };
    },
  };
}

/** Interprets the elements of a package that was read before. */
export function loadProfile(elements: readonly ProfileElement[], options: LoaderOptions = {}): LoadOutcome {
  const loader = createProfileLoader(options);
  for (const element of elements) if (loader.add(element) !== undefined) break;
  return loader.finish();
}

/** Reads and interprets a package; octets that are no element are a failure with status `invalidRequestFormat`. */
export function loadProfilePackage(bytes: Uint8Array, options: LoaderOptions = {}): LoadOutcome {
  const loader = createProfileLoader(options);
  for (let at = 0; at < bytes.length; ) {
    let element: ProfileElement;
    try {
      const { raw } = readTlv(bytes, at);
      element = decodeProfileElement(raw);
      at += raw.length;
    } catch (error) {
      if (!isAgentError(error)) throw error;
      return { ok: false, failed: unreadable(error) };
    }
    if (loader.add(element) !== undefined) break;
  }
  return loader.finish();
}

function unreadable(error: AgentError): PeStatus {
  const { element, field, why } = error.data;
  const place = typeof field === 'string' ? `${field}: ` : '';
  return {
    status: 'invalidRequestFormat',
    ...(typeof element === 'string' ? { element } : {}),
    why: `${place}${String(why ?? error.code)}`,
  };
}

function statusOf(element: ProfileElement | undefined, status: PeStatusName, why: string): PeStatus {
  if (element === undefined) return { status, why };
  const identification = elementHeader(element)?.identification;
  return {
    status,
    ...(identification === undefined ? {} : { identification }),
    element: elementName(element),
    why,
  };
}

function attempt(element: ProfileElement | undefined, run: () => void): PeStatus | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!isAgentError(error) || error.code === 'INTERNAL') throw error;
    const { status, why } = error.data;
    const known = error.code === 'SAIP_INVALID' && typeof status === 'string';
    return statusOf(element, known ? (status as PeStatusName) : 'badValues', String(why ?? error.code));
  }
}

function unsupportedReason(
  element: ProfileElement,
): { readonly status: PeStatusName; readonly why: string } | undefined {
  if (element.type === 'unknown' || element.type === 'nonStandard') {
    return { status: 'peNotSupported', why: `no element ${elementName(element)} here` };
  }
  if (isFilesElement(element) && findTemplate(element.value.templateId) === undefined) {
    return { status: 'templateNotSupported', why: `no template ${element.value.templateId}` };
  }
  if (element.type === 'akaParameter') {
    const [choice] = element.value.algoConfiguration;
    if (choice?.is === 'algoParameter' && !isKnownAlgorithm(choice.value)) {
      return { status: 'featureNotSupported', why: `AKA algorithm ${choice.value.algorithmId}` };
    }
  }
  return undefined;
}

function apply(work: Work, element: ProfileElement): void {
  if (work.ended) refuse('invalidRequestFormat', 'an element after the end');
  if (element.type === 'header') {
    applyHeader(work, element.value);
    return;
  }
  if (work.header === undefined) refuse('invalidRequestFormat', 'the package does not begin with its header');
  work.created = [];
  if (isFilesElement(element)) applyFiles(work, element.type, element.value);
  else if (element.type === 'genericFileManagement') {
    for (const run of element.value.fileManagementCmd) applyFileManagement(work, run);
  } else if (element.type !== 'unknown') applyOther(work, element);
  const first = work.created[0];
  if (first !== undefined) work.pinDirectory = first;
}

function applyHeader(work: Work, header: ElementValue<'header'>): void {
  if (work.header !== undefined) refuse('invalidRequestFormat', 'a second header');
  if (!VERSIONS.includes(header.majorVersion)) {
    refuse('unsupportedProfileVersion', `version ${header.majorVersion}.${header.minorVersion}`);
  }
  const service = header.mandatoryServices.find((name) => !work.services.includes(name));
  if (service !== undefined) refuse('featureNotSupported', `service ${service}`);
  const template = header.mandatoryGfsteList.find((oid) => findTemplate(oid) === undefined);
  if (template !== undefined) refuse('templateNotSupported', `no template ${template}`);
  if (header.iotOptions !== undefined) refuse('featureNotSupported', 'IoT minimal profiles');
  decodeIccidPlain(header.iccid);
  work.header = header;
}

type Other = Exclude<
  ProfileElement,
  { readonly type: FilesElementType | 'header' | 'genericFileManagement' | 'unknown' }
>;

function applyOther(work: Work, element: Other): void {
  switch (element.type) {
    case 'pinCodes':
      return applyPins(work, element.value);
    case 'pukCodes':
      if (work.puks !== undefined) refuse('invalidRequestFormat', 'PUKs a second time');
      masterFile(work);
      work.puks = puksOf(element.value);
      return;
    case 'akaParameter':
      return applyAka(work, element.value);
    case 'cdmaParameter':
      work.cdmaByAdf.set(currentAdf(work), cdmaOf(element.value));
      return;
    case 'securityDomain':
      masterFile(work);
      work.securityDomains.push(securityDomainOf(element.value));
      return;
    case 'rfm':
      masterFile(work);
      work.rfms.push(rfmOf(element.value));
      return;
    case 'application':
      return applyApplication(work, element.value);
    case 'nonStandard':
      return refuse('peNotSupported', `content of ${element.value.issuerId}`);
    case 'end':
      masterFile(work);
      work.ended = true;
  }
}

function applyPins(work: Work, value: ElementValue<'pinCodes'>): void {
  const directory = work.pinDirectory ?? refuse('invalidRequestFormat', 'PINs before the MF');
  if (directory.pins !== undefined) {
    refuse('invalidParameter', `PINs of ${fidText(directory.fid)} a second time`);
  }
  const [choice, ...more] = value.pinCodes;
  if (choice === undefined || more.length > 0) refuse('invalidRequestFormat', 'PINs need one alternative');
  if (choice.is === 'pinconfig') directory.pins = pinsOf(choice.value, directory.kind === 'mf');
  else if (choice.is === 'filePath') {
    const owner = findDirectory(rootOf(directory), choice.value);
    const pins = Array.isArray(owner.pins) ? owner : owner.pins;
    if (pins === undefined || owner.kind === 'mf') {
      return refuse('invalidParameter', `${fidText(owner.fid)} has no PINs to share`);
    }
    directory.pins = pins;
  } else refuse('invalidParameter', 'PINs in a form of another version');
}

function currentAdf(work: Work): DraftDirectory {
  const adf = work.adfs.at(-1);
  return adf ?? refuse('invalidRequestFormat', 'authentication parameters before any ADF');
}

function applyAka(work: Work, value: ElementValue<'akaParameter'>): void {
  const adf = currentAdf(work);
  const [choice, ...more] = value.algoConfiguration;
  if (choice === undefined || more.length > 0) refuse('invalidRequestFormat', 'AKA needs one alternative');
  if (choice.is === 'algoParameter') {
    work.akaByAdf.set(adf, work.akas.push(akaOf(value, choice.value)) - 1);
  } else if (choice.is === 'mappingParameter') {
    const aid = decodeAid(choice.value.mappingSource);
    const source = work.adfs.find((other) => other.aid === aid);
    const aka = source === undefined ? undefined : work.akaByAdf.get(source);
    if (aka === undefined) refuse('invalidParameter', `no AKA parameters of ${aid} to map to`);
    work.akaByAdf.set(adf, aka);
  } else refuse('invalidParameter', 'AKA parameters in a form of another version');
}

function applyApplication(work: Work, value: ElementValue<'application'>): void {
  masterFile(work);
  if (value.loadBlock !== undefined) {
    const block = loadPackageOf(value.loadBlock);
    takeMemory(work, block.loadBlock.length, 'a load block');
    work.loadPackages.push(block);
  }
  for (const instance of value.instanceList ?? []) work.applications.push(applicationOf(instance));
}

function finishProfile(work: Work): LoadedProfile {
  const { header, mf } = work;
  if (header === undefined) return refuse('invalidRequestFormat', 'the package is empty');
  if (mf === undefined) return refuse('invalidRequestFormat', 'the package has no MF');
  if (!work.ended) return refuse('invalidRequestFormat', 'the package has no end');
  const { contexts, contextOf } = collectPinContexts(mf);
  const puks = work.puks ?? [];
  checkPinReferences(mf, contexts.flat(), puks);
  return {
    iccid: decodeIccidPlain(header.iccid),
    ...(header.profileType === undefined ? {} : { profileType: header.profileType }),
    version: { major: header.majorVersion, minor: header.minorVersion },
    services: header.mandatoryServices,
    ...(header.pol === undefined ? {} : { pol: header.pol }),
    ...(header.connectivityParameters === undefined
      ? {}
      : { connectivityParameters: header.connectivityParameters }),
    mf: finishTree(mf, contextOf),
    pinContexts: contexts,
    puks,
    naas: work.adfs.flatMap((adf) => naaOf(work, adf)),
    akas: work.akas,
    securityDomains: work.securityDomains,
    rfms: work.rfms,
    applications: work.applications,
    loadPackages: work.loadPackages,
    memory: work.memoryUsed,
  };
}

function naaOf(work: Work, adf: DraftDirectory): NaaContent[] {
  if (adf.aid === undefined) return [];
  const aka = work.akaByAdf.get(adf);
  const cdma = work.cdmaByAdf.get(adf);
  return [
    {
      aid: adf.aid,
      type: adf.naaType ?? 'other',
      ...(aka === undefined ? {} : { aka }),
      ...(cdma === undefined ? {} : { cdma }),
    },
  ];
}
