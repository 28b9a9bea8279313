// Elements of small profile packages, and ways to look into what was loaded from them. For tests.
import { fromHex, toHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import type { Fcp, FileManagementSteps, FilesElement, FileSteps } from '../codec/saip/files.ts';
import type { ProfileElement } from '../codec/saip/package.ts';
import type { Directory, ElementaryFile, LoadedProfile, PeStatus } from './profile-content.ts';
import { loadProfile, type LoaderOptions } from './profile-loader.ts';

function need(held: boolean, why: string): asserts held {
  if (!held) throw new AgentError('INTERNAL', { why });
}

export const mandated = (identification: number) => ({ mandated: true as const, identification });
export const HEADER: ProfileElement = {
  type: 'header',
  value: {
    majorVersion: 2,
    minorVersion: 3,
    iccid: fromHex('8988211000000000017F'),
    mandatoryServices: ['usim'],
    mandatoryGfsteList: ['2.23.143.1.2.1'],
  },
};
export const END: ProfileElement = { type: 'end', value: { header: mandated(99) } };
export const ARR = fromHex('8001019000');

export function described(fcp: Fcp, ...content: string[]): FileSteps {
  return [
    { is: 'fileDescriptor', value: fcp },
    ...content.map((hex) => ({ is: 'fillFileContent' as const, value: fromHex(hex) })),
  ];
}

const RECORD_OF_5: Fcp = { fileDescriptor: fromHex('42210005'), efFileSize: fromHex('05') };
export const MF_FILES: FilesElement['files'] = {
  mf: described({}),
  'ef-iccid': [{ is: 'fillFileContent', value: fromHex('988812010000000010F7') }],
  'ef-dir': described(RECORD_OF_5, '61'),
  'ef-arr': described(RECORD_OF_5, toHex(ARR)),
};

export function filesElement(
  type: 'mf' | 'usim' | 'opt-usim' | 'gsm-access' | 'telecom' | 'df-5gs',
  template: string,
  files: FilesElement['files'],
  identification = 1,
): ProfileElement {
  const value = { header: mandated(identification), templateId: `2.23.143.1.2.${template}`, files };
  return { type, value };
}

export const MF = filesElement('mf', '1', MF_FILES);
export const USIM_AID = 'A0000000871002FF49FF0589';
export const USIM = filesElement('usim', '4', {
  'adf-usim': described({ fileId: fromHex('7FD0'), dfName: fromHex(USIM_AID) }),
  'ef-imsi': [{ is: 'fillFileContent', value: fromHex('080910101032547698') }],
  'ef-arr': described(RECORD_OF_5, toHex(ARR)),
  'ef-ust': [],
  'ef-spn': [],
  'ef-est': [],
  'ef-acc': [],
  'ef-ecc': [],
});

export function management(...steps: FileManagementSteps): ProfileElement {
  return { type: 'genericFileManagement', value: { header: mandated(7), fileManagementCmd: [steps] } };
}
export const path = (hex: string) => ({ is: 'filePath' as const, value: fromHex(hex) });
export const create = (value: Fcp) => ({ is: 'createFcp' as const, value });
export const content = (hex: string) => ({ is: 'fillFileContent' as const, value: fromHex(hex) });
export const skip = (value: number) => ({ is: 'fillFileOffset' as const, value });
export const transparent = (fid: string, size: string, more: Fcp = {}): Fcp => ({
  fileDescriptor: fromHex('4121'),
  fileId: fromHex(fid),
  efFileSize: fromHex(size),
  securityAttributesReferenced: fromHex('2F0601'),
  ...more,
});
export const directory = (fid: string, more: Fcp = {}): Fcp => ({
  fileDescriptor: fromHex('7821'),
  fileId: fromHex(fid),
  securityAttributesReferenced: fromHex('2F0601'),
  ...more,
});

export function loaded(elements: readonly ProfileElement[], options?: LoaderOptions): LoadedProfile {
  const outcome = loadProfile(elements, options);
  need(outcome.ok, outcome.ok ? '' : `${outcome.failed.element}: ${outcome.failed.why}`);
  return outcome.profile;
}

export function failure(elements: readonly ProfileElement[], options?: LoaderOptions): PeStatus {
  const outcome = loadProfile(elements, options);
  need(!outcome.ok, 'the package loads');
  return outcome.failed;
}

function at(profile: LoadedProfile, ...fids: readonly number[]): Directory | ElementaryFile {
  let here: Directory | ElementaryFile = profile.mf;
  for (const fid of fids) {
    need(here.kind !== 'ef', 'a file has no children');
    const next: Directory | ElementaryFile | undefined = here.children.find((child) => child.fid === fid);
    need(next !== undefined, `no ${fid.toString(16)}`);
    here = next;
  }
  return here;
}

export function file(profile: LoadedProfile, ...fids: readonly number[]): ElementaryFile {
  const node = at(profile, ...fids);
  need(node.kind === 'ef', 'a directory');
  return node;
}

export function folder(profile: LoadedProfile, ...fids: readonly number[]): Directory {
  const node = at(profile, ...fids);
  need(node.kind !== 'ef', 'a file');
  return node;
}

export function milenage(change: object = {}, more: object = {}): ProfileElement {
  const value = {
    algorithmId: 1,
    algorithmOptions: fromHex('01'),
    key: new Uint8Array(16),
    opc: new Uint8Array(16),
    ...change,
  };
  return {
    type: 'akaParameter',
    value: { header: mandated(6), algoConfiguration: [{ is: 'algoParameter', value }], ...more },
  };
}

export function pins(
  list: readonly { keyReference: number; unblockingPinReference?: number; pinValue?: Uint8Array }[],
  id = 8,
): ProfileElement {
  const value = list.map((pin) => ({ pinValue: fromHex('31323334FFFFFFFF'), ...pin }));
  return { type: 'pinCodes', value: { header: mandated(id), pinCodes: [{ is: 'pinconfig', value }] } };
}
