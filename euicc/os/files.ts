// Reading and changing transparent files, and finding the file that a command means (ETSI TS 102 221, 11.1.3, 11.1.4, 11.1.14, 11.1.15).
import { EMPTY } from '../../base/bytes.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { fileBySfi, type FilePlace } from '../file-system.ts';
import { isAllowed, type Operation } from './access-rules.ts';
import { type Card, type Channel, type Instruction, INTERINDUSTRY, setFile } from './card.ts';
import { ok, refuse, type Reply } from './reply.ts';
import { BY_FID, findPlace, PATH_FROM_FOLDER, PATH_FROM_MF } from './select.ts';

const SW_INCOMPATIBLE = 0x6981;
/** Referenced data invalidated: the file is deactivated. */
const SW_INVALIDATED = 0x6984;
const LIFE_CYCLE_ACTIVATED = 0x05;
const LIFE_CYCLE_DEACTIVATED = 0x04;
/** Special file information: readable and updatable while deactivated (ETSI TS 102 222). */
const USABLE_WHEN_DEACTIVATED = 0x40;
const MAX_SFI = 30;

/** The file with this short identifier in the current directory, which becomes the current file. */
export function selectBySfi(card: Card, channel: Channel, sfi: number): FilePlace {
  if (sfi === 0 || sfi > MAX_SFI) refuse(SW.incorrectP1P2);
  const file = fileBySfi(card.profile.files, channel.folder, sfi);
  if (file === undefined) refuse(SW.fileNotFound);
  setFile(channel, file);
  return file;
}

export function currentFile(channel: Channel): FilePlace {
  if (channel.file === undefined) refuse(SW.noEfSelected);
  return channel.file;
}

export function requireStructure(
  file: FilePlace,
  ...structures: readonly FilePlace['content']['structure'][]
): void {
  if (!structures.includes(file.content.structure)) refuse(SW_INCOMPATIBLE);
}

export function requireAccess(card: Card, file: FilePlace, operation: Operation): void {
  const { files, pins } = card.profile;
  const satisfied = (reference: number): boolean => pins.isSatisfied(file.parent.content, reference);
  if (!isAllowed(files, file, operation, satisfied)) refuse(SW.securityStatus);
}

/** Reading and updating end when a file is deactivated, unless it says otherwise. */
export function requireUsable(card: Card, file: FilePlace): void {
  if (card.profile.files.lifeCycle(file) !== LIFE_CYCLE_DEACTIVATED) return;
  if ((file.content.specialInformation & USABLE_WHEN_DEACTIVATED) === 0) refuse(SW_INVALIDATED);
}

/** The transparent file and the offset that P1 and P2 name. */
function transparent(
  card: Card,
  channel: Channel,
  { p1, p2 }: CommandApdu,
): { readonly file: FilePlace; readonly offset: number } {
  if ((p1 & 0x80) === 0) return { file: currentFile(channel), offset: p1 * 256 + p2 };
  if ((p1 & 0x60) !== 0) refuse(SW.incorrectP1P2);
  return { file: selectBySfi(card, channel, p1 & 0x1f), offset: p2 };
}

function readBinary(card: Card, channel: Channel, command: CommandApdu): Reply {
  if (command.data.length > 0) refuse(SW.wrongLength);
  const { file, offset } = transparent(card, channel, command);
  requireStructure(file, 'transparent');
  requireAccess(card, file, 'read');
  requireUsable(card, file);
  const body = card.profile.files.body(file);
  if (offset >= body.length) refuse(SW.wrongP1P2);
  const rest = Math.min(body.length - offset, 256);
  const length = command.le === undefined || command.le === 256 ? rest : Math.min(command.le, rest);
  return ok(body.subarray(offset, offset + length));
}

function updateBinary(card: Card, channel: Channel, command: CommandApdu): Reply {
  const { data } = command;
  if (data.length === 0) refuse(SW.wrongLength);
  const { file, offset } = transparent(card, channel, command);
  requireStructure(file, 'transparent');
  requireAccess(card, file, 'update');
  requireUsable(card, file);
  const { files } = card.profile;
  const body = files.body(file);
  if (offset >= body.length) refuse(SW.wrongP1P2);
  if (offset + data.length > body.length) refuse(SW.wrongLength);
  const changed = Uint8Array.from(body);
  changed.set(data, offset);
  files.write(file, changed);
  return ok();
}

/** The file that P1 and the data name: by identifier in the current directory, or by a path; without data the current one. */
function namedFile(card: Card, channel: Channel, { p1, data }: CommandApdu): FilePlace {
  if (p1 !== BY_FID && p1 !== PATH_FROM_MF && p1 !== PATH_FROM_FOLDER) refuse(SW.incorrectP1P2);
  if (data.length === 0) return currentFile(channel);
  const place = findPlace(card.profile.files, channel, p1, data);
  if (place?.kind !== 'file') refuse(SW.fileNotFound);
  return place;
}

function setLifeCycle(operation: 'activate' | 'deactivate', value: number): Instruction['run'] {
  return (card, channel, command) => {
    if (command.p2 !== 0) refuse(SW.incorrectP1P2);
    const file = namedFile(card, channel, command);
    requireAccess(card, file, operation);
    if (card.profile.files.lifeCycle(file) !== value) card.profile.files.setLifeCycle(file, value);
    return file === channel.file ? ok() : ok(EMPTY, () => setFile(channel, file));
  };
}

export const FILE_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0xb0, classes: INTERINDUSTRY, run: readBinary },
  { ins: 0xd6, classes: INTERINDUSTRY, run: updateBinary },
  { ins: 0x04, classes: INTERINDUSTRY, run: setLifeCycle('deactivate', LIFE_CYCLE_DEACTIVATED) },
  { ins: 0x44, classes: INTERINDUSTRY, run: setLifeCycle('activate', LIFE_CYCLE_ACTIVATED) },
];
