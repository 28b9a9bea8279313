// MANAGE CHANNEL (ETSI TS 102 221, 11.1.17).
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import {
  type Card,
  type Channel,
  createChannel,
  type Instruction,
  INTERINDUSTRY,
  leaveApplication,
} from './card.ts';
import { ok, refuse, type Reply, status } from './reply.ts';

const MAX_CHANNEL = 19;
const OPEN = 0x00;
const CLOSE = 0x80;
/** Nothing changed: the channel is closed already. */
const SW_NO_CHANGE = 0x6200;

function manageChannel(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  if (data.length > 0) refuse(SW.wrongLength);
  if (p2 > MAX_CHANNEL) refuse(SW.incorrectP1P2);
  if (p1 === OPEN) return open(card, channel, p2);
  if (p1 !== CLOSE) refuse(SW.incorrectP1P2);
  return close(card, channel, p2);
}

function open(card: Card, channel: Channel, wanted: number): Reply {
  const number = wanted === 0 ? firstFree(card) : wanted;
  if (number === undefined || card.channels.has(number)) refuse(SW.functionNotSupported);
  const opened = createChannel(number, card.profile.files);
  // Opened from another channel than the basic one, it begins where that one is.
  if (channel.number !== 0) {
    opened.folder = channel.folder;
    opened.adf = channel.adf;
  }
  return ok(wanted === 0 ? Uint8Array.of(number) : undefined, () => void card.channels.set(number, opened));
}

function firstFree(card: Card): number | undefined {
  for (let number = 1; number <= MAX_CHANNEL; number++) if (!card.channels.has(number)) return number;
  return undefined;
}

function close(card: Card, channel: Channel, named: number): Reply {
  const number = named === 0 ? channel.number : named;
  if (number === 0) refuse(SW.incorrectP1P2);
  const closing = card.channels.get(number);
  if (closing === undefined) return status(SW_NO_CHANGE);
  leaveApplication(closing);
  card.channels.delete(number);
  return ok();
}

export const CHANNEL_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0x70, classes: INTERINDUSTRY, always: true, run: manageChannel },
];
