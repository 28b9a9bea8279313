// What the instructions of the card OS work on: channels, applets, the enabled profile, and the toolkit session.
import type { Random } from '../../base/random.ts';
import type { CommandApdu } from '../../codec/apdu.ts';
import type { Tlv } from '../../codec/ber-tlv.ts';
import type { FilePlace, FileSystem, FolderPlace } from '../file-system.ts';
import type { ProfileFiles } from '../bare-profile.ts';
import type { ProfileDomain } from '../domain/profile-domains.ts';
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
  /** A data object of the current BER-TLV file that is on its way in or out. */
  transfer: Transfer | undefined;
};

/** A data object that takes several commands (ETSI TS 102 221, 11.3). The block from `blockAt` on can be asked for again. */
export type Transfer = {
  readonly is: 'retrieve' | 'set';
  /** The whole object; the part before `at` is through. */
  readonly object: Uint8Array;
  readonly blockAt: number;
  readonly at: number;
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
  /** Names its cells; 0 for the files of a card without an enabled profile. */
  readonly number: number;
  readonly content: ProfileFiles;
  readonly files: FileSystem;
  readonly pins: Pins;
  /** The same PINs with nothing verified: what is verified over the air does not hold for the terminal. */
  unverifiedPins(): Pins;
  readonly aka: Aka;
  /** Its security domains, the operator's first. */
  readonly domains: readonly ProfileDomain[];
};

/** Takes an ENVELOPE with one object of the tag that it stands for (ETSI TS 102 223, 7). */
export type EnvelopeHandler = (card: Card, envelope: Tlv) => Reply | Promise<Reply>;

/** One power-on session of the card. */
export type Card = {
  readonly state: State;
  profile: PresentedProfile;
  /** The profile that is enabled now, as a reset would show it. */
  present(): PresentedProfile;
  /** In the order in which a partial AID finds them. */
  readonly applets: readonly Applet[];
  readonly channels: Map<number, Channel>;
  readonly cat: Cat;
  /** Who takes an ENVELOPE, by the tag of its object; D1 is SMS-PP DOWNLOAD. */
  readonly envelopes: ReadonlyMap<number, EnvelopeHandler>;
  readonly random: Random;
  /** The whole data object that the card tells about itself to GET DATA, undefined where there is none of that name. */
  object(name: number): Uint8Array | undefined;
  /** Octets of non-volatile memory left. */
  freeMemory(): number;
};

/** Interindustry class (0X, 4X), or the class of ETSI TS 102 221 and GlobalPlatform (8X, CX). */
export type InstructionClass = 'interindustry' | 'proprietary';

export type Instruction = {
  readonly ins: number;
  readonly classes: readonly InstructionClass[];
  /** Still the card OS's when an applet is selected on the channel; where only some are, those that this says. */
  readonly always?: true | ((command: CommandApdu) => boolean);
  /** Its class names no channel: the toolkit talks on the basic one only (ETSI TS 102 221, 10.1.2). */
  readonly basicOnly?: true;
  readonly run: (card: Card, channel: Channel, command: CommandApdu) => Reply | Promise<Reply>;
};

export const INTERINDUSTRY: readonly InstructionClass[] = ['interindustry'];
export const PROPRIETARY: readonly InstructionClass[] = ['proprietary'];

/** A channel at the MF with nothing else selected. */
export function createChannel(number: number, files: FileSystem): Channel {
  return {
    number,
    folder: files.root,
    file: undefined,
    record: 0,
    adf: undefined,
    applet: undefined,
    transfer: undefined,
  };
}

/**
 * Shows the profile that is enabled now as after a reset: one channel, nothing selected on it, no PIN verified
 * (ETSI TS 102 223, 6.4.7, REFRESH with "eUICC Profile State Change").
 */
export function presentEnabled(card: Card): void {
  for (const channel of card.channels.values()) leaveApplication(channel);
  card.channels.clear();
  card.profile = card.present();
  card.channels.set(0, createChannel(0, card.profile.files));
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
  channel.transfer = undefined;
}

export function setFile(channel: Channel, file: FilePlace): void {
  channel.folder = file.parent;
  channel.file = file;
  channel.record = 0;
  channel.transfer = undefined;
}
