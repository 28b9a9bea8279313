// The file system that the card shows (ETSI TS 102 221, clause 8): the tree of the enabled profile and its files' changing
// contents. Contents that no command has changed stay in the profile package; the store holds the others.
import { EMPTY } from '../base/bytes.ts';
import { cborBytes, cborInt } from '../codec/cbor-table.ts';
import type { Directory, ElementaryFile, FileNode, FilePath, LoadedProfile } from './profile-content.ts';
import { cell, type Cell, type State } from './state.ts';

export const FID_MF = 0x3f00;
/** The current ADF in a path. */
export const FID_CURRENT_ADF = 0x7fff;

/** A directory in its place. `path` begins below the MF. */
export type FolderPlace = {
  readonly kind: 'folder';
  readonly content: Directory;
  readonly path: FilePath;
  readonly parent: FolderPlace | undefined;
};

/** An elementary file in its place. A link stands where it is and has its target's content. */
export type FilePlace = {
  readonly kind: 'file';
  readonly content: ElementaryFile;
  readonly path: FilePath;
  readonly parent: FolderPlace;
};

export type Place = FolderPlace | FilePlace;

const MAX_BODY = 0x40_0000;
const bodyType = cborBytes({ max: MAX_BODY });
const lifeCycleType = cborInt(0, 255);

/** The files of one profile. */
export type FileSystem = {
  readonly root: FolderPlace;
  /** The ADFs in the order of the package. */
  readonly applications: readonly FolderPlace[];
  /** What is directly in a directory. */
  list(folder: FolderPlace): readonly Place[];
  /** The octets of a file as they stand now; not to be changed in place. */
  body(file: FilePlace): Uint8Array;
  write(file: FilePlace, body: Uint8Array): void;
  lifeCycle(place: Place): number;
  setLifeCycle(file: FilePlace, value: number): void;
};

/** What the names of the cells of a profile's files begin with. */
function fileCellPrefix(profileNumber: number): string {
  return `profile/${profileNumber}/file/`;
}

export function createFileSystem(
  state: State,
  profileNumber: number,
  profile: Pick<LoadedProfile, 'mf'>,
): FileSystem {
  const root: FolderPlace = { kind: 'folder', content: profile.mf, path: [], parent: undefined };
  const nameOf = (path: FilePath): string =>
    fileCellPrefix(profileNumber) + path.map((fid) => fid.toString(16).padStart(4, '0')).join('.');
  const bodyOf = (file: FilePlace): Cell<Uint8Array> => cell(nameOf(file.path), bodyType, EMPTY);
  const lifeOf = (place: Place): Cell<number> =>
    cell(`${nameOf(place.path)}/life`, lifeCycleType, place.content.lifeCycle);
  /** The place at a path, following no link on the way: targets are never links. */
  const at = (path: FilePath): Place | undefined => {
    let place: Place = root;
    for (const fid of path) {
      const inside: Place | undefined =
        place.kind === 'folder' ? childrenOf(place).find(({ content }) => content.fid === fid) : undefined;
      if (inside === undefined) return undefined;
      place = inside;
    }
    return place;
  };
  const fileOf = (file: FilePlace): FilePlace => {
    const target = file.content.link === undefined ? file : at(file.content.link);
    return target?.kind === 'file' ? target : file;
  };
  const list = (folder: FolderPlace): readonly Place[] => {
    const target = folder.content.link === undefined ? folder : at(folder.content.link);
    return target?.kind === 'folder' ? childrenOf(target) : [];
  };
  return {
    root,
    applications: childrenOf(root).filter(
      (place): place is FolderPlace => place.kind === 'folder' && place.content.kind === 'adf',
    ),
    list,
    body(file) {
      const target = fileOf(file);
      const changed = bodyOf(target);
      return state.has(changed) ? state.read(changed) : target.content.content;
    },
    write: (file, body) => state.write(bodyOf(fileOf(file)), body),
    lifeCycle: (place) => state.read(lifeOf(place.kind === 'file' ? fileOf(place) : place)),
    setLifeCycle: (file, value) => state.write(lifeOf(fileOf(file)), value),
  };
}

function childrenOf(parent: FolderPlace): readonly Place[] {
  return parent.content.children.map((node: FileNode): Place => {
    const path = [...parent.path, node.fid];
    return node.kind === 'ef'
      ? { kind: 'file', content: node, path, parent }
      : { kind: 'folder', content: node, path, parent };
  });
}

/** The directly contained file or DF with an identifier; ADFs are found by their AID only. */
export function childByFid(files: FileSystem, folder: FolderPlace, fid: number): Place | undefined {
  return files.list(folder).find(({ content }) => content.fid === fid && content.kind !== 'adf');
}

export function fileBySfi(files: FileSystem, folder: FolderPlace, sfi: number): FilePlace | undefined {
  return files
    .list(folder)
    .find((place): place is FilePlace => place.kind === 'file' && place.content.sfi === sfi);
}

/** The ADF around a place, or the place's own directory when it is one. */
export function applicationOf(place: Place): FolderPlace | undefined {
  for (let at: Place | undefined = place; at !== undefined; at = at.parent) {
    if (at.kind === 'folder' && at.content.kind === 'adf') return at;
  }
  return undefined;
}
