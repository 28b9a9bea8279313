// The file tree while a profile package is loaded: files made from file control parameters and template rows, then filled
// (TCA eUICC Profile Package: Interoperable Format, 8.3; ETSI TS 102 221 11.1.1.4, ETSI TS 102 222).
import { bytesUint, concat, EMPTY, toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { readTlvs } from '../codec/ber-tlv.ts';
import { decodeAid, type Aid } from '../codec/ids.ts';
import type { Fcp } from '../codec/saip/files.ts';
import type { PeStatusName } from '../codec/saip/response.ts';
import type { FileTemplate } from '../codec/saip/template-rows.ts';
import { patternOctets } from '../codec/saip/templates.ts';
import type {
  AccessRuleReference,
  Directory,
  ElementaryFile,
  FileNode,
  FilePath,
  NaaContent,
  PinContent,
} from './profile-content.ts';

type Changing<T> = { -readonly [K in keyof T]: T[K] };

export type DraftFile = Changing<ElementaryFile> & { readonly parent: DraftDirectory };

export type DraftDirectory = Omit<Changing<Directory>, 'children' | 'pinContext'> & {
  readonly parent?: DraftDirectory;
  readonly children: DraftNode[];
  /** PINs of its own, or the directory whose PINs it shares. */
  pins?: PinContent[] | DraftDirectory;
  readonly naaType?: NaaContent['type'];
};

export type DraftNode = DraftFile | DraftDirectory;

/** Gives up the element in work; the loader turns it into that element's status. */
export function refuse(status: PeStatusName, why: string): never {
  throw new AgentError('SAIP_INVALID', { status, why });
}

export function fidText(fid: number): string {
  return fid.toString(16).toUpperCase().padStart(4, '0');
}

const ARR_OF_MF = 0x2f06;
const ARR_ELSEWHERE = 0x6f06;

/** 1 octet names a record of the EF.ARR that the place implies, 3 octets name the EF.ARR too. */
function accessRuleOf(fcp: Fcp, template: FileTemplate | undefined, implied: number): AccessRuleReference {
  const given = fcp.securityAttributesReferenced;
  if (given === undefined) {
    if (template === undefined) refuse('badValues', 'no access rule for a file without template');
    return { arrFid: implied, record: template.arr };
  }
  const record = given.at(-1) ?? 0;
  if (given.length === 2) refuse('badValues', 'access rule reference of 2 octets');
  return { arrFid: given.length === 3 ? bytesUint(given.subarray(0, 2)) : implied, record };
}

function fileIdOf(fcp: Fcp, template: FileTemplate | undefined): number {
  if (fcp.fileId !== undefined) return bytesUint(fcp.fileId);
  return template?.fid ?? refuse('badValues', `${template?.name ?? 'file'} needs a file identifier`);
}

function lifeCycleOf(fcp: Fcp): number {
  return fcp.lcsi?.[0] ?? 0x05;
}

function attach<T extends DraftNode>(parent: DraftDirectory, node: T): T {
  if (parent.link !== undefined) refuse('badValues', `${fidText(parent.fid)} is a link and takes no files`);
  if (parent.children.some((child) => child.fid === node.fid)) {
    refuse('invalidParameter', `${fidText(node.fid)} exists already in ${pathText(parent)}`);
  }
  parent.children.push(node);
  return node;
}

/** Whether a file descriptor octet says DF or ADF (ETSI TS 102 221, 11.1.1.4.3). */
export function isDirectoryDescriptor(fcp: Fcp): boolean {
  return ((fcp.fileDescriptor?.[0] ?? 0) & 0xbf) === 0x38;
}

export function createDirectory(
  parent: DraftDirectory | undefined,
  fcp: Fcp,
  template: FileTemplate | undefined,
): DraftDirectory {
  if (template !== undefined && fcp.fileDescriptor !== undefined && !isDirectoryDescriptor(fcp)) {
    refuse('badValues', `${template.name} is a directory, its descriptor says otherwise`);
  }
  const kind = directoryKind(fcp, template);
  const shared = {
    fid: fileIdOf(fcp, template),
    lifeCycle: lifeCycleOf(fcp),
    pinStatusTemplate: fcp.pinStatusTemplateDo ?? EMPTY,
    children: [],
  };
  if (parent === undefined) {
    return { ...shared, kind: 'mf', accessRule: accessRuleOf(fcp, template, ARR_OF_MF) };
  }
  const implied = kind === 'adf' || parent.kind === 'mf' ? ARR_OF_MF : ARR_ELSEWHERE;
  const accessRule = accessRuleOf(fcp, template, implied);
  const link = fcp.linkPath?.length ? pathOf(linkedDirectory(rootOf(parent), fcp.linkPath)) : undefined;
  const place = { ...shared, kind, accessRule, parent, ...(link === undefined ? {} : { link }) };
  if (kind !== 'adf') return attach(parent, place);
  if (fcp.dfName === undefined) refuse('badValues', `${template?.name ?? 'ADF'} needs an AID`);
  const aid = decodeAid(fcp.dfName);
  if (rootOf(parent).children.some((child) => child.kind === 'adf' && child.aid === aid)) {
    refuse('invalidParameter', `an ADF with AID ${aid} exists already`);
  }
  return attach(parent, { ...place, aid, naaType: naaTypeOf(aid, template) });
}

function directoryKind(fcp: Fcp, template: FileTemplate | undefined): 'mf' | 'df' | 'adf' {
  if (template !== undefined) {
    return template.kind === 'mf' || template.kind === 'adf' ? template.kind : 'df';
  }
  return fcp.dfName === undefined ? 'df' : 'adf';
}

const NAA_PREFIXES = [
  ['A0000000871002', 'usim'],
  ['A0000000871004', 'isim'],
  ['A0000003431002', 'csim'],
] as const;

function naaTypeOf(aid: Aid, template: FileTemplate | undefined): NaaContent['type'] {
  const named = NAA_PREFIXES.find(([, type]) => template?.name === `adf-${type}`);
  return (named ?? NAA_PREFIXES.find(([prefix]) => aid.startsWith(prefix)))?.[1] ?? 'other';
}

type Structure = ElementaryFile['structure'];
const DESCRIPTORS: Readonly<Record<Structure, number>> = {
  transparent: 0x41,
  'linear-fixed': 0x42,
  cyclic: 0x46,
  'ber-tlv': 0x79,
};

function structureOf(descriptor: number): Structure {
  const bits = descriptor & 0x3f;
  const known = (Object.keys(DESCRIPTORS) as Structure[]).find((name) => (DESCRIPTORS[name] & 0x3f) === bits);
  return known ?? refuse('badValues', `file descriptor ${descriptor.toString(16)} is no elementary file`);
}

function descriptorOf(fcp: Fcp, template: FileTemplate | undefined): number {
  if (fcp.fileDescriptor !== undefined) return fcp.fileDescriptor[0] ?? 0;
  const kind = template?.kind;
  if (kind === undefined || kind === 'mf' || kind === 'adf' || kind === 'df') {
    return refuse('badValues', 'a file without template needs a file descriptor');
  }
  return DESCRIPTORS[kind];
}

/** Makes the EF with its first content. `memoryLeft` bounds what a package may ask for. */
export function createFile(
  parent: DraftDirectory,
  fcp: Fcp,
  template: FileTemplate | undefined,
  memoryLeft: number,
): DraftFile {
  const fid = fileIdOf(fcp, template);
  const descriptor = descriptorOf(fcp, template);
  const implied = parent.kind === 'mf' ? ARR_OF_MF : ARR_ELSEWHERE;
  const accessRule = accessRuleOf(fcp, template, implied);
  const sfi = shortFileId(fcp, template, fid);
  const base = { kind: 'ef' as const, fid, descriptor, accessRule, lifeCycle: lifeCycleOf(fcp), parent };
  const info = fcp.proprietaryEfInfo;
  const specialInformation = info?.specialFileInformation?.[0] ?? (template?.highUpdate === true ? 0x80 : 0);
  const common = { ...base, specialInformation, ...(sfi === undefined ? {} : { sfi }) };
  if (fcp.linkPath !== undefined && fcp.linkPath.length > 0) {
    const target = linkedFile(rootOf(parent), fcp.linkPath);
    const { structure, size, recordLength } = target;
    const record = recordLength === undefined ? {} : { recordLength };
    return attach(parent, { ...common, structure, size, ...record, content: EMPTY, link: pathOf(target) });
  }
  const structure = structureOf(descriptor);
  const { size, recordLength } = sizeOf(fcp, template, structure);
  if (size > memoryLeft) refuse('notEnoughMemory', `${fidText(fid)} of ${size} octets does not fit`);
  const maximum = info?.maximumFileSize;
  const content = structure === 'ber-tlv' ? EMPTY : firstContent(size, recordLength, fcp, template);
  return attach(parent, {
    ...common,
    structure,
    size,
    content,
    ...(recordLength === undefined ? {} : { recordLength }),
    ...(maximum === undefined ? {} : { maximumSize: numberOf(maximum, 'maximum file size') }),
  });
}

/** Without tag 88 a template's file has the template's SFI, any other the low bits of its identifier (ETSI TS 102 222). */
function shortFileId(fcp: Fcp, template: FileTemplate | undefined, fid: number): number | undefined {
  const given = fcp.shortEfid;
  const sfi =
    given !== undefined ? (given[0] ?? 0) >> 3 : template !== undefined ? (template.sfi ?? 0) : fid & 0x1f;
  return sfi >= 1 && sfi <= 30 ? sfi : undefined;
}

function numberOf(octets: Uint8Array, what: string): number {
  if (octets.length === 0 || octets.length > 4) refuse('badValues', `${what} of ${octets.length} octets`);
  return bytesUint(octets);
}

function sizeOf(
  fcp: Fcp,
  template: FileTemplate | undefined,
  structure: Structure,
): { readonly size: number; readonly recordLength?: number } {
  const name = template?.name ?? 'file';
  const given = fcp.efFileSize === undefined ? undefined : numberOf(fcp.efFileSize, 'file size');
  if (structure === 'transparent' || structure === 'ber-tlv') {
    return { size: given ?? template?.size ?? refuse('badValues', `${name} needs a size`) };
  }
  const inDescriptor = fcp.fileDescriptor?.subarray(2);
  const recordLength =
    inDescriptor !== undefined && inDescriptor.length > 0
      ? bytesUint(inDescriptor)
      : (template?.size ?? refuse('badValues', `${name} needs a record length`));
  if (recordLength < 1 || recordLength > 255) refuse('badValues', `records of ${recordLength} octets`);
  const records = template?.records;
  const size = given ?? (records === undefined ? undefined : records * recordLength);
  if (size === undefined) return refuse('badValues', `${name} needs a size`);
  if (size === 0 || size % recordLength !== 0) {
    refuse('badValues', `${size} octets are no whole number of records of ${recordLength}`);
  }
  return { size, recordLength };
}

function firstContent(
  size: number,
  recordLength: number | undefined,
  fcp: Fcp,
  template: FileTemplate | undefined,
): Uint8Array {
  const unit = recordLength ?? size;
  const { fillPattern, repeatPattern } = fcp.proprietaryEfInfo ?? {};
  const pattern =
    fillPattern !== undefined
      ? `${toHex(fillPattern)}*`
      : repeatPattern !== undefined
        ? `(${toHex(repeatPattern)})`
        : (template?.fill ?? 'FF*');
  const one = patternOctets(pattern, unit);
  const content = new Uint8Array(size);
  for (let at = 0; at < size; at += unit) content.set(one, at);
  return content;
}

/** Writes the steps that follow a file's creation: offsets move on from the last octet written. */
export function createFiller(): {
  start(file: DraftFile): void;
  skip(offset: number): void;
  write(octets: Uint8Array): void;
} {
  let file: DraftFile | undefined;
  let at = 0;
  const current = (): DraftFile => {
    if (file === undefined) return refuse('invalidParameter', 'content without a file to take it');
    if (file.link !== undefined)
      refuse('invalidParameter', `${fidText(file.fid)} is a link and takes no content`);
    return file;
  };
  const room = (target: DraftFile, octets: number): void => {
    if (at + octets > target.size) {
      refuse('badValues', `content runs past the ${target.size} octets of ${fidText(target.fid)}`);
    }
  };
  return {
    start(next) {
      file = next;
      at = 0;
    },
    skip(offset) {
      const target = current();
      if (target.structure === 'ber-tlv') refuse('invalidParameter', 'an offset into a BER-TLV file');
      room(target, offset);
      at += offset;
    },
    write(octets) {
      const target = current();
      room(target, octets.length);
      if (target.structure === 'ber-tlv') target.content = concat(target.content, octets);
      else target.content.set(octets, at);
      at += octets.length;
    },
  };
}

export function rootOf(directory: DraftDirectory): DraftDirectory {
  let top = directory;
  while (top.parent !== undefined) top = top.parent;
  return top;
}

export function pathOf(node: DraftNode): FilePath {
  const path: number[] = [];
  for (let here: DraftNode | undefined = node; here?.parent !== undefined; here = here.parent) {
    path.unshift(here.fid);
  }
  return path;
}

function pathText(node: DraftNode): string {
  return pathOf(node).map(fidText).join('/') || 'the MF';
}

function findNode(root: DraftDirectory, path: Uint8Array): DraftNode {
  if (path.length % 2 !== 0) refuse('badValues', `path ${toHex(path)} is no list of file identifiers`);
  let here: DraftNode = root;
  for (let at = 0; at < path.length; at += 2) {
    const fid = bytesUint(path.subarray(at, at + 2));
    if (at === 0 && fid === root.fid) continue;
    const children: readonly DraftNode[] = here.kind === 'ef' ? [] : followed(root, here).children;
    const child = children.find((node) => node.fid === fid);
    if (child === undefined) return refuse('invalidParameter', `path ${toHex(path)} leads to no file`);
    here = child;
  }
  return here;
}

function followed(root: DraftDirectory, directory: DraftDirectory): DraftDirectory {
  return directory.link === undefined ? directory : (nodeAt(root, directory.link) as DraftDirectory);
}

/** The node at a path that is known to exist. */
function nodeAt(root: DraftDirectory, path: FilePath): DraftNode {
  let here: DraftNode = root;
  for (const fid of path) {
    const next: DraftNode | undefined =
      here.kind === 'ef' ? undefined : here.children.find((n) => n.fid === fid);
    if (next === undefined) throw new AgentError('INTERNAL', { path: path.map(fidText).join('/') });
    here = next;
  }
  return here;
}

/** The directory at a `filePath` of the package; empty is the MF. */
export function findDirectory(root: DraftDirectory, path: Uint8Array): DraftDirectory {
  const node = findNode(root, path);
  if (node.kind === 'ef') return refuse('invalidParameter', `path ${toHex(path)} leads to no directory`);
  return node;
}

function linkedDirectory(root: DraftDirectory, path: Uint8Array): DraftDirectory {
  return followed(root, findDirectory(root, path));
}

function linkedFile(root: DraftDirectory, path: Uint8Array): DraftFile {
  const node = findNode(root, path);
  if (node.kind !== 'ef')
    return refuse('invalidParameter', `link ${toHex(path)} leads to no elementary file`);
  return node.link === undefined ? node : (nodeAt(root, node.link) as DraftFile);
}

function checkedFile(draft: DraftFile): ElementaryFile {
  const { parent: _, ...file } = draft;
  if (file.structure !== 'ber-tlv') return file;
  try {
    readTlvs(file.content);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    refuse('badValues', `the content of ${pathText(draft)} is no run of BER-TLV data objects`);
  }
  return file;
}

/** The finished tree. `contextOf` says which PIN context a directory's own PINs became; others take their parent's. */
export function finishTree(
  directory: DraftDirectory,
  contextOf: (directory: DraftDirectory) => number | undefined,
  inherited = 0,
): Directory {
  const { parent: _, pins: __, naaType: ___, children, ...rest } = directory;
  const pinContext = contextOf(directory) ?? inherited;
  return {
    ...rest,
    pinContext,
    children: children.map(
      (child): FileNode =>
        child.kind === 'ef' ? checkedFile(child) : finishTree(child, contextOf, pinContext),
    ),
  };
}
