// The file elements of a profile package: files by template and by generic file management (TCA eUICC Profile Package:
// Interoperable Format, 8.3, annex A).
import type { Fcp, FileManagementSteps, FilesElement, FileSteps } from '../codec/saip/files.ts';
import type { FilesElementType } from '../codec/saip/package.ts';
import type { FileTemplate, Template } from '../codec/saip/template-rows.ts';
import { findTemplate } from '../codec/saip/templates.ts';
import {
  createDirectory,
  createFile,
  createFiller,
  findDirectory,
  isDirectoryDescriptor,
  refuse,
  type DraftDirectory,
  type DraftFile,
} from './profile-tree.ts';

/** What the elements so far have built. `memory` is what files and load blocks may take together. */
export type FileWork = {
  readonly memory: number;
  memoryUsed: number;
  mf?: DraftDirectory;
  /** All ADFs in order of creation. */
  readonly adfs: DraftDirectory[];
  /** Directories created by the element in work. */
  created: DraftDirectory[];
};

/** Counts octets against the card's memory. */
export function takeMemory(work: FileWork, octets: number, what: string): void {
  if (octets > work.memory - work.memoryUsed)
    refuse('notEnoughMemory', `${what} of ${octets} octets does not fit`);
  work.memoryUsed += octets;
}

/** The MF, which every other element needs. */
export function masterFile(work: FileWork): DraftDirectory {
  return work.mf ?? refuse('invalidRequestFormat', 'files before the MF');
}

function keepDirectory(work: FileWork, directory: DraftDirectory): DraftDirectory {
  work.created.push(directory);
  if (directory.kind === 'mf') work.mf = directory;
  if (directory.kind === 'adf') work.adfs.push(directory);
  return directory;
}

/** The directory under which a template's first file is created. */
function placeOf(work: FileWork, template: Template, type: FilesElementType): DraftDirectory | undefined {
  switch (template.place) {
    case 'root':
      if (work.mf !== undefined) refuse('invalidRequestFormat', 'a second MF');
      return undefined;
    case 'mf':
      return masterFile(work);
    case 'adf':
      return work.adfs.at(-1) ?? refuse('invalidParameter', `${type} before any ADF`);
    case 'usim':
    case 'isim':
    case 'csim':
      return (
        work.adfs.findLast((adf) => adf.naaType === template.place) ??
        refuse('invalidParameter', `${type} before an ADF.${template.place.toUpperCase()}`)
      );
  }
}

const NO_FCP: Fcp = {};

/** Creates the files of an element by its template. */
export function applyFiles(work: FileWork, type: FilesElementType, value: FilesElement): void {
  const template = findTemplate(value.templateId);
  if (template === undefined) return refuse('templateNotSupported', `no template ${value.templateId}`);
  const names = new Set(template.files.map((row) => row.name));
  const stranger = Object.keys(value.files).find((name) => !names.has(name));
  if (stranger !== undefined) refuse('invalidParameter', `template ${value.templateId} has no ${stranger}`);
  const place = placeOf(work, template, type);
  let top = place;
  let here: DraftDirectory | undefined = place;
  for (const row of template.files) {
    const steps = value.files[row.name];
    if (row.kind === 'mf' || row.kind === 'adf' || row.kind === 'df') {
      here = steps === undefined ? undefined : createFromTemplate(work, top, row, steps);
      if (top === place) top = here ?? place;
    } else if (steps !== undefined) {
      if (here === undefined) return refuse('invalidParameter', `${row.name} without its directory`);
      const optional = template.createdByDefault && template.place !== 'root';
      fillFromTemplate(work, here, row, steps, optional);
    } else if (template.createdByDefault && here !== undefined && hasDefaultSize(row)) {
      keepFile(work, here, NO_FCP, row);
    }
  }
}

function hasDefaultSize(row: FileTemplate): boolean {
  const records = row.kind === 'linear-fixed' || row.kind === 'cyclic';
  return row.fid !== undefined && row.size !== undefined && (!records || row.records !== undefined);
}

function createFromTemplate(
  work: FileWork,
  parent: DraftDirectory | undefined,
  row: FileTemplate,
  steps: FileSteps,
): DraftDirectory {
  let fcp = NO_FCP;
  for (const step of steps) {
    if (step.is === 'fileDescriptor') fcp = step.value;
    else refuse('invalidParameter', `${row.name} is a directory and takes no ${step.is}`);
  }
  return keepDirectory(work, createDirectory(parent, fcp, row));
}

function keepFile(
  work: FileWork,
  parent: DraftDirectory,
  fcp: Fcp,
  row: FileTemplate | undefined,
): DraftFile {
  const file = createFile(parent, fcp, row, work.memory - work.memoryUsed);
  if (file.link === undefined) work.memoryUsed += file.size;
  return file;
}

/** A file descriptor begins a file; where a member stands for several files (EF.ADN), each has its own. */
function fillFromTemplate(
  work: FileWork,
  parent: DraftDirectory,
  row: FileTemplate,
  steps: FileSteps,
  mayBeLeftOut: boolean,
): void {
  if (mayBeLeftOut && steps.some((step) => step.is === 'doNotCreate')) return;
  const filler = createFiller();
  if (steps.find((step) => step.is !== 'doNotCreate')?.is !== 'fileDescriptor') {
    filler.start(keepFile(work, parent, NO_FCP, row));
  }
  for (const step of steps) {
    if (step.is === 'fileDescriptor') filler.start(keepFile(work, parent, step.value, row));
    else if (step.is === 'fillFileOffset') filler.skip(step.value);
    else if (step.is === 'fillFileContent') filler.write(step.value);
    else if (step.is === 'unknown') refuse('invalidParameter', `${row.name} has a step of another version`);
  }
}

/** Goes through one run of generic file management; it starts in the MF. */
export function applyFileManagement(work: FileWork, steps: FileManagementSteps): void {
  let here = work.mf;
  const filler = createFiller();
  for (const step of steps) {
    if (step.is === 'filePath') here = findDirectory(masterFile(work), step.value);
    else if (step.is === 'fillFileOffset') filler.skip(step.value);
    else if (step.is === 'fillFileContent') filler.write(step.value);
    else if (step.is === 'unknown')
      refuse('invalidParameter', 'a file management command of another version');
    else if (!isDirectoryDescriptor(step.value)) {
      filler.start(keepFile(work, here ?? masterFile(work), step.value, undefined));
    } else if (here === undefined && isMasterFile(step.value)) {
      here = keepDirectory(work, createDirectory(undefined, step.value, MF_ROW));
    } else {
      const parent = step.value.dfName === undefined ? (here ?? masterFile(work)) : masterFile(work);
      keepDirectory(work, createDirectory(parent, step.value, undefined));
    }
  }
}

const MF_ROW: FileTemplate = { name: 'mf', kind: 'mf', fid: 0x3f00, arr: 1 };

function isMasterFile(fcp: Fcp): boolean {
  return fcp.fileId?.[0] === 0x3f && fcp.fileId[1] === 0x00;
}
