// What the instructions of the card OS work on: channels, applets, the enabled profile, and the toolkit session.
import type { Random } from '../../base/random.ts';
import type { CommandApdu } from '../../codec/apdu.ts';
import type { FilePlace, FileSystem, FolderPlace } from '../file-system.ts';
import type { ProfileFiles } from '../bare-profile.ts';
import type { State } from '../state.ts';
import type { Aka } from './aka.ts';
import type { Cat } from './cat.ts';
import type { Pins } from './pins.ts';
import type { Reply } from './reply.ts';

/** A logical channel: what is selected on it (ETSI TS 102 221, 8.6 and 11.1.17). */
export type Channel = {
  readonly number: number;
  folder: FolderPlace;
  file: FilePlace | undefined;
  /** The current record of the current file, 0 when there is none. */
  record: number;
  /** The application that is selected by its AID, if it is one of the profile's. */
  adf: FolderPlace | undefined;
  /** The application that is selected by its AID, if it is one of the card's own. */
  applet: Applet | undefined;
};

/** An application of the card itself: the ISD-R, the ECASD, a security domain. */
export type Applet = {
  readonly aid: Uint8Array;
  /** Begins a session on a channel and answers the FCI. */
  select(channel: number): Uint8Array;
  /** The session on this channel is over. */
  deselect(channel: number): void;
  /** Instructions other than those of the card OS. */
  process(channel: number, command: CommandApdu): Reply | Promise<Reply>;
};

/** The profile that the card presents until the next reset. */
export type PresentedProfile = {
  readonly content: ProfileFiles;
  readonly files: FileSystem;
  readonly pins: Pins;
  readonly aka: Aka;
};

/** One power-on session of the card. */
export type Card = {
  readonly state: State;
  readonly profile: PresentedProfile;
  /** In the order in which a partial AID finds them. */
  readonly applets: readonly Applet[];
  readonly channels: Map<number, Channel>;
  readonly cat: Cat;
  readonly random: Random;
  /** Octets of non-volatile memory left. */
  freeMemory(): number;
};

/** Interindustry class (0X, 4X), or the class of ETSI TS 102 221 and GlobalPlatform (8X, CX). */
export type InstructionClass = 'interindustry' | 'proprietary';

export type Instruction = {
  readonly ins: number;
  readonly classes: readonly InstructionClass[];
  /** Still the card OS's when an applet is selected on the channel. */
  readonly always?: true;
  readonly run: (card: Card, channel: Channel, command: CommandApdu) => Reply;
};

export const INTERINDUSTRY: readonly InstructionClass[] = ['interindustry'];
export const PROPRIETARY: readonly InstructionClass[] = ['proprietary'];

/** A channel at the MF with nothing else selected. */
export function createChannel(number: number, files: FileSystem): Channel {
  return { number, folder: files.root, file: undefined, record: 0, adf: undefined, applet: undefined };
}

/** Ends the session of the application selected on a channel. */
export function leaveApplication(channel: Channel): void {
  channel.applet?.deselect(channel.number);
  channel.applet = undefined;
  channel.adf = undefined;
}

export function setFolder(channel: Channel, folder: FolderPlace): void {
  channel.folder = folder;
  channel.file = undefined;
  channel.record = 0;
}

export function setFile(channel: Channel, file: FilePlace): void {
  channel.folder = file.parent;
  channel.file = file;
  channel.record = 0;
}
