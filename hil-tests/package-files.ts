// What a profile package says of its files, found by a walk over its DER alone (TCA Interoperable Format, PEDefinitions): for
// tests that read a card. Only where a member of a template stands in the file system comes from the template tables.
import { bytesUint, toHex } from '../base/bytes.ts';
import { readTlvs, type Tlv } from '../codec/ber-tlv.ts';
import type { FileTemplate, Template } from '../codec/saip/template-rows.ts';
import { findTemplate } from '../codec/saip/templates.ts';

/** A file by the way to it on the card: below the ADF with this AID, or below the MF. */
export type PackageFile = {
  readonly adf: string | undefined;
  readonly path: readonly number[];
  /** Octets that the package writes, by their place. */
  readonly written: { readonly at: number; readonly octets: Uint8Array }[];
  /** Size that the package states. */
  readonly size: number | undefined;
  /** First octet of its file descriptor, where the package states one. */
  readonly descriptor: number | undefined;
  readonly link: string | undefined;
};

type Place = { readonly adf: string | undefined; readonly path: readonly number[] };
type Walk = {
  readonly files: PackageFile[];
  /** AIDs of the ADFs by the temporary identifier that paths of the package use. */
  readonly adfs: Map<number, string>;
  last: string | undefined;
  readonly lastOf: Map<string, string>;
};

const ROOT: Place = { adf: undefined, path: [] };
const GENERIC_FILE_MANAGEMENT = 1;
const PIN_CODES = 2;
const WITH_FILES = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29];

/** Number of a context-specific tag. */
function numberOf(tag: number): number {
  return tag > 0xff ? tag & 0x7f : tag & 0x1f;
}

function valueOf(members: readonly Tlv[], tag: number): Uint8Array | undefined {
  return members.find((member) => member.tag === tag)?.value;
}

/** Every EF of the package, in the order in which they are made. */
export function filesOfPackage(upp: Uint8Array): readonly PackageFile[] {
  const walk: Walk = { files: [], adfs: new Map(), last: undefined, lastOf: new Map() };
  for (const element of readTlvs(upp)) {
    const number = numberOf(element.tag);
    if (number === GENERIC_FILE_MANAGEMENT) fileManagement(walk, element.value);
    else if (WITH_FILES.includes(number)) templateFiles(walk, element.value);
  }
  return walk.files;
}

/** The value of a PIN of the MF: 8 octets. */
export function pinOfPackage(upp: Uint8Array, keyReference: number): Uint8Array {
  for (const element of readTlvs(upp).filter(({ tag }) => numberOf(tag) === PIN_CODES)) {
    const pins = readTlvs(valueOf(readTlvs(element.value), 0xa1) ?? new Uint8Array(0));
    for (const pin of readTlvs(pins[0]?.value ?? new Uint8Array(0))) {
      const members = readTlvs(pin.value);
      if (bytesUint(members[0]?.value ?? new Uint8Array(0)) === keyReference) {
        return members[1]?.value ?? new Uint8Array(0);
      }
    }
  }
  throw new Error(`the package has no PIN ${keyReference}`);
}

function templateOf(octets: Uint8Array): Template {
  const arcs = octets.slice(5).join('.');
  const found = findTemplate(`2.23.143.1.2.${arcs}`);
  if (found === undefined) throw new Error(`no template ${toHex(octets)}`);
  return found;
}

function templateFiles(walk: Walk, element: Uint8Array): void {
  const members = readTlvs(element);
  const template = templateOf(valueOf(members, 0x81) ?? new Uint8Array(0));
  const lastAdf = template.place === 'adf' ? walk.last : walk.lastOf.get(template.place);
  const top: Place = { adf: lastAdf, path: [] };
  let first: Place | undefined;
  let here = top;
  for (const member of members.filter(({ tag }) => numberOf(tag) > 1)) {
    const row = template.files[numberOf(member.tag) - 2];
    if (row === undefined) throw new Error(`no member ${member.tag} in ${template.oid}`);
    const steps = readTlvs(member.value);
    const fcp = readTlvs(valueOf(steps, 0xa1) ?? new Uint8Array(0));
    if (row.kind === 'mf') here = ROOT;
    else if (row.kind === 'adf') here = adf(walk, row, fcp);
    else if (row.kind === 'df') {
      const parent = first ?? top;
      here = { ...parent, path: [...parent.path, fidOf(fcp, row)] };
    } else elementaryFiles(walk, here, steps, row);
    first ??= here;
  }
}

function adf(walk: Walk, row: FileTemplate | undefined, fcp: readonly Tlv[]): Place {
  const aid = toHex(valueOf(fcp, 0x84) ?? new Uint8Array(0));
  walk.adfs.set(bytesUint(valueOf(fcp, 0x83) ?? new Uint8Array(0)), aid);
  walk.last = aid;
  if (row !== undefined) walk.lastOf.set(row.name.slice('adf-'.length), aid);
  return { adf: aid, path: [] };
}

function fidOf(fcp: readonly Tlv[], row?: FileTemplate): number {
  const given = valueOf(fcp, 0x83);
  const fid = given === undefined ? row?.fid : bytesUint(given);
  if (fid === undefined) throw new Error(`${row?.name ?? 'a file'} has no identifier`);
  return fid;
}

function fileFrom(place: Place, fcp: readonly Tlv[], row?: FileTemplate): PackageFile {
  const size = valueOf(fcp, 0x80);
  const link = valueOf(fcp, 0xc7);
  return {
    adf: place.adf,
    path: [...place.path, fidOf(fcp, row)],
    written: [],
    size: size === undefined ? undefined : bytesUint(size),
    descriptor: valueOf(fcp, 0x82)?.[0],
    link: link === undefined || link.length === 0 ? undefined : toHex(link),
  };
}

/** Several files may come in one member: each descriptor begins one. */
function elementaryFiles(walk: Walk, place: Place, steps: readonly Tlv[], row: FileTemplate): void {
  let file: PackageFile | undefined;
  let at = 0;
  for (const { tag, value } of steps) {
    if (tag === 0x80) return;
    if (tag === 0xa1 || file === undefined) {
      file = fileFrom(place, tag === 0xa1 ? readTlvs(value) : [], row);
      at = 0;
      walk.files.push(file);
    }
    if (tag === 0x82) at += bytesUint(value);
    if (tag === 0x83) {
      file.written.push({ at, octets: value });
      at += value.length;
    }
  }
}

function fileManagement(walk: Walk, element: Uint8Array): void {
  for (const command of readTlvs(valueOf(readTlvs(element), 0xa1) ?? new Uint8Array(0))) {
    let place = ROOT;
    let file: PackageFile | undefined;
    let at = 0;
    for (const { tag, value } of readTlvs(command.value)) {
      if (tag === 0x80) place = placeOf(walk, value);
      if (tag === 0x02) at += bytesUint(value);
      if (tag === 0x81) {
        file?.written.push({ at, octets: value });
        at += value.length;
      }
      if (tag !== 0x62) continue;
      const fcp = readTlvs(value);
      at = 0;
      file = undefined;
      if (valueOf(fcp, 0x84) !== undefined) adf(walk, undefined, fcp);
      else if (((valueOf(fcp, 0x82)?.[0] ?? 0) & 0x38) !== 0x38 || valueOf(fcp, 0x82)?.[0] === 0x79) {
        file = fileFrom(place, fcp);
        walk.files.push(file);
      }
    }
  }
}

function placeOf(walk: Walk, path: Uint8Array): Place {
  const fids = Array.from({ length: path.length / 2 }, (_, i) => bytesUint(path.subarray(2 * i, 2 * i + 2)));
  if (fids[0] === 0x3f00) fids.shift();
  const [first = 0, ...rest] = fids;
  const aid = walk.adfs.get(first);
  return aid === undefined ? { adf: undefined, path: fids } : { adf: aid, path: rest };
}
