// SELECT and STATUS (ETSI TS 102 221, 11.1.1 and 11.1.2).
import { bytesUint, EMPTY, equalBytes } from '../../base/bytes.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { encodeAid } from '../../codec/ids.ts';
import {
  applicationOf,
  childByFid,
  FID_CURRENT_ADF,
  FID_MF,
  type FileSystem,
  type FolderPlace,
  type Place,
} from '../file-system.ts';
import {
  type Applet,
  type Card,
  type Channel,
  type Instruction,
  INTERINDUSTRY,
  leaveApplication,
  PROPRIETARY,
  setFile,
  setFolder,
} from './card.ts';
import { encodeFcp } from './fcp.ts';
import { ok, refuse, type Reply } from './reply.ts';

export const BY_FID = 0x00;
const CHILD_DF = 0x01;
const PARENT_DF = 0x03;
const BY_AID = 0x04;
export const PATH_FROM_MF = 0x08;
export const PATH_FROM_FOLDER = 0x09;

const P2_RESERVED = 0x90;
const P2_OCCURRENCE = 0x03;
const P2_WHAT = 0x0c;
const P2_NOTHING = 0x0c;
const P2_RESERVED_WHAT = 0x08;
const P2_SESSION = 0x60;
const P2_TERMINATION = 0x40;
const MAX_AID = 16;

const LIFE_CYCLE_DEACTIVATED = 0x04;
/** The selected file is deactivated. */
const SW_DEACTIVATED = 0x6283;

function select(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  if ((p2 & P2_RESERVED) !== 0 || (p2 & P2_WHAT) === P2_RESERVED_WHAT) refuse(SW.incorrectP1P2);
  if (p1 === BY_AID) return selectByAid(card, channel, p2, data);
  if ((p2 & (P2_OCCURRENCE | P2_SESSION)) !== 0) refuse(SW.incorrectP1P2);
  const { files } = card.profile;
  const found = findPlace(files, channel, p1, data);
  if (found === undefined) refuse(SW.fileNotFound);
  // The ADF stays the current one while files outside it are selected; an applet of the card has no files.
  if (channel.applet !== undefined) leaveApplication(channel);
  const adf = applicationOf(found);
  if (adf !== undefined) channel.adf = adf;
  if (found.kind === 'file') setFile(channel, found);
  else setFolder(channel, found);
  return answer(card, found, p2);
}

function answer(card: Card, place: Place, p2: number): Reply {
  const deactivated = place.kind === 'file' && card.profile.files.lifeCycle(place) === LIFE_CYCLE_DEACTIVATED;
  return {
    data: (p2 & P2_WHAT) === P2_NOTHING ? EMPTY : fcp(card, place),
    sw: deactivated ? SW_DEACTIVATED : SW.ok,
  };
}

function fcp(card: Card, place: Place): Uint8Array {
  return encodeFcp({ ...card.profile, freeMemory: card.freeMemory() }, place);
}

/** The place that P1 and the data name, undefined when there is none. Refuses data of the wrong form. */
export function findPlace(
  files: FileSystem,
  channel: Channel,
  p1: number,
  data: Uint8Array,
): Place | undefined {
  switch (p1) {
    case BY_FID:
      if (data.length === 0) return files.root;
      return byFid(files, channel, fidOf(data));
    case CHILD_DF: {
      const child = childByFid(files, channel.folder, fidOf(data));
      return child?.kind === 'folder' ? child : undefined;
    }
    case PARENT_DF:
      if (data.length > 0) refuse(SW.wrongLength);
      return channel.folder.parent;
    case PATH_FROM_MF:
      return byPath(files, channel, files.root, data);
    case PATH_FROM_FOLDER:
      return byPath(files, channel, channel.folder, data);
    default:
      return refuse(SW.incorrectP1P2);
  }
}

function fidOf(data: Uint8Array): number {
  if (data.length !== 2) refuse(SW.wrongLength);
  return bytesUint(data);
}

/** The files that can be selected by identifier from a directory (8.4.1). */
function byFid(files: FileSystem, channel: Channel, fid: number): Place | undefined {
  if (fid === FID_MF) return files.root;
  if (fid === FID_CURRENT_ADF) return channel.adf;
  const { folder } = channel;
  const child = childByFid(files, folder, fid);
  if (child !== undefined) return child;
  if (folder.content.fid === fid && folder.content.kind === 'df') return folder;
  const { parent } = folder;
  if (parent === undefined) return undefined;
  if (parent.content.fid === fid && parent.content.kind === 'df') return parent;
  const sibling = childByFid(files, parent, fid);
  return sibling?.kind === 'folder' ? sibling : undefined;
}

function byPath(files: FileSystem, channel: Channel, from: FolderPlace, data: Uint8Array): Place | undefined {
  if (data.length === 0 || data.length % 2 !== 0) refuse(SW.wrongLength);
  // A terminal should leave the MF out of a path that begins there; some do not.
  const first = from === files.root && data.length > 2 && bytesUint(data.subarray(0, 2)) === FID_MF ? 2 : 0;
  let place: Place | undefined = from;
  for (let at = first; at < data.length; at += 2) {
    const fid = bytesUint(data.subarray(at, at + 2));
    if (place?.kind !== 'folder') return undefined;
    place = at === first && fid === FID_CURRENT_ADF ? channel.adf : childByFid(files, place, fid);
  }
  return place;
}

/** What can be selected by AID: the profile's applications, the card's own, then the profile's security domains. */
type Application =
  | { readonly aid: Uint8Array; readonly adf: FolderPlace; readonly applet?: undefined }
  | { readonly aid: Uint8Array; readonly applet: Applet };

function applications(card: Card): readonly Application[] {
  const adfs = card.profile.files.applications.flatMap((adf) =>
    adf.content.aid === undefined ? [] : [{ aid: encodeAid(adf.content.aid), adf }],
  );
  const applets = [...card.applets, ...openDomains(card)];
  return [...adfs, ...applets.map((applet) => ({ aid: applet.aid, applet }))];
}

/** The security domains of the profile that are not locked. */
function openDomains(card: Card): readonly Applet[] {
  return card.profile.domains.flatMap(({ applet, isOpen }) => (isOpen ? [applet] : []));
}

/** No AID at all means the issuer's security domain: the operator's, or without a profile that has one the ISD-R (GlobalPlatform 11.9.3). */
function matchingApplications(card: Card, aid: Uint8Array): readonly Application[] {
  const all = applications(card);
  if (aid.length > 0) return all.filter((each) => equalBytes(each.aid.subarray(0, aid.length), aid));
  const issuer = openDomains(card)[0] ?? card.applets[0];
  return all.filter(({ applet }) => applet !== undefined && applet === issuer);
}

function selectByAid(card: Card, channel: Channel, p2: number, data: Uint8Array): Reply {
  const session = p2 & P2_SESSION;
  if (session !== 0 && session !== P2_TERMINATION) refuse(SW.incorrectP1P2);
  if (data.length > MAX_AID) refuse(SW.wrongLength);
  const matching = matchingApplications(card, data);
  const current = matching.findIndex(
    ({ aid, applet }) =>
      (applet !== undefined && applet === channel.applet) ||
      (applet === undefined &&
        channel.adf?.content.aid !== undefined &&
        equalBytes(aid, encodeAid(channel.adf.content.aid))),
  );
  const found = matching[occurrence(p2, current, matching.length)];
  if (found === undefined) refuse(SW.fileNotFound);
  if (session === P2_TERMINATION) return terminate(card, channel, matching[current]);
  leaveApplication(channel);
  if (found.applet !== undefined) {
    channel.applet = found.applet;
    const fci = found.applet.select(channel.number);
    return ok((p2 & P2_WHAT) === P2_NOTHING ? EMPTY : fci);
  }
  channel.adf = found.adf;
  setFolder(channel, found.adf);
  return answer(card, found.adf, p2);
}

/** Which of the matching applications is meant; one past the ends when there is none. */
function occurrence(p2: number, current: number, count: number): number {
  switch (p2 & P2_OCCURRENCE) {
    case 0:
      return 0;
    case 1:
      return count - 1;
    case 2:
      return current + 1;
    default:
      return current < 0 ? count - 1 : current - 1;
  }
}

/** Ends the session of the application; the MF is selected then. */
function terminate(card: Card, channel: Channel, selected: Application | undefined): Reply {
  if (selected === undefined) refuse(SW.fileNotFound);
  leaveApplication(channel);
  setFolder(channel, card.profile.files.root);
  return ok();
}

const LOWEST_GET_STATUS = 0x10;
const STATUS_FCP = 0x00;
const STATUS_DF_NAME = 0x01;
const STATUS_NOTHING = 0x0c;
const TAG_DF_NAME = 0x84;

function cardStatus(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  if (data.length > 0) refuse(SW.wrongLength);
  if (p1 > 0x02) refuse(SW.incorrectP1P2);
  card.cat.poll();
  switch (p2) {
    case STATUS_FCP:
      return ok(channel.applet === undefined ? fcp(card, channel.folder) : nameOf(channel));
    case STATUS_DF_NAME:
      return ok(nameOf(channel));
    case STATUS_NOTHING:
      return ok();
    default:
      return refuse(SW.incorrectP1P2);
  }
}

function nameOf(channel: Channel): Uint8Array {
  const adfAid = channel.adf?.content.aid;
  const aid = channel.applet?.aid ?? (adfAid === undefined ? undefined : encodeAid(adfAid));
  return aid === undefined ? EMPTY : encodeTlv(TAG_DF_NAME, aid);
}

export const SELECT_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0xa4, classes: INTERINDUSTRY, always: true, run: select },
  // The same instruction with a higher P1 is GET STATUS of a security domain (GlobalPlatform 11.4).
  { ins: 0xf2, classes: PROPRIETARY, always: ({ p1 }) => p1 < LOWEST_GET_STATUS, run: cardStatus },
];
