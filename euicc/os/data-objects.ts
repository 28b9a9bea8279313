// RETRIEVE DATA and SET DATA: the data objects of BER-TLV files, in blocks where they are long (ETSI TS 102 221, 11.3,
// annex L).
import { concat, EMPTY } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTag, encodeTlv, readTlvHeader, readTlvs, type Tlv } from '../../codec/ber-tlv.ts';
import type { FilePlace } from '../file-system.ts';
import { type Card, type Channel, type Instruction, PROPRIETARY, type Transfer } from './card.ts';
import { currentFile, requireAccess, requireStructure, requireUsable, selectBySfi } from './files.ts';
import { ok, refuse, type Reply } from './reply.ts';

const SW_MORE_AVAILABLE = 0x62f1;
const SW_MORE_EXPECTED = 0x63f1;
const MAX_BLOCK = 256;
/** Asks for the tags that there are; no object has it. */
const TAG_LIST = 0x5c;

type Block = 'first' | 'next' | 'again';

/** Which block P2 names. Only the first one may name its file by a short identifier. */
function blockOf({ p1, p2 }: CommandApdu): { readonly block: Block; readonly sfi: number } {
  if (p1 !== 0 || (p2 & 0x20) !== 0) refuse(SW.incorrectP1P2);
  const sfi = p2 & 0x1f;
  const block = ({ 0x80: 'first', 0x00: 'next', 0x40: 'again' } as const)[p2 & 0xc0];
  if (block === undefined || (block !== 'first' && sfi !== 0)) refuse(SW.incorrectP1P2);
  return { block, sfi };
}

/** The BER-TLV file of the command, which a first block may select. */
function tlvFile(card: Card, channel: Channel, sfi: number, operation: 'read' | 'update'): FilePlace {
  const file = sfi === 0 ? currentFile(channel) : selectBySfi(card, channel, sfi);
  requireStructure(file, 'ber-tlv');
  requireAccess(card, file, operation);
  requireUsable(card, file);
  return file;
}

/** The transfer under way in this direction, from the block on that is asked for. */
function underWay(channel: Channel, is: Transfer['is'], block: Block): Transfer {
  const { transfer } = channel;
  if (transfer?.is !== is) refuse(SW.conditionsOfUse);
  return block === 'again' ? { ...transfer, at: transfer.blockAt } : transfer;
}

function objectsOf(card: Card, file: FilePlace): readonly Tlv[] {
  return readTlvs(card.profile.files.body(file));
}

/** Reads the tag and, where there is more, the length in front of `data`. */
function headOf(data: Uint8Array): {
  readonly tag: number;
  readonly length: number;
  readonly valueAt: number;
} {
  try {
    return readTlvHeader(data);
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}

/** The tag that is the whole of `data`, undefined where more follows. */
function tagAlone(data: Uint8Array): number | undefined {
  const { tag, valueAt } = headOf(concat(data, Uint8Array.of(0)));
  return valueAt === data.length + 1 ? tag : undefined;
}

function retrieveData(card: Card, channel: Channel, command: CommandApdu): Reply {
  const { block, sfi } = blockOf(command);
  const { data, le = MAX_BLOCK } = command;
  if ((data.length === 0) === (block === 'first')) refuse(SW.wrongLength);
  const file = tlvFile(card, channel, sfi, 'read');
  const { object, at } =
    block === 'first'
      ? { object: objectNamed(card, file, data), at: 0 }
      : underWay(channel, 'retrieve', block);
  const end = Math.min(at + Math.min(le, MAX_BLOCK), object.length);
  const transfer: Transfer = { is: 'retrieve', object, blockAt: at, at: end };
  return {
    data: object.subarray(at, end),
    sw: end < object.length ? SW_MORE_AVAILABLE : SW.ok,
    effect: () => {
      channel.transfer = transfer;
    },
  };
}

function objectNamed(card: Card, file: FilePlace, data: Uint8Array): Uint8Array {
  const tag = tagAlone(data) ?? refuse(SW.wrongLength);
  const objects = objectsOf(card, file);
  if (tag === TAG_LIST) return encodeTlv(TAG_LIST, ...objects.map((object) => encodeTag(object.tag)));
  return (objects.find((object) => object.tag === tag) ?? refuse(SW.referencedDataNotFound)).raw;
}

function setData(card: Card, channel: Channel, command: CommandApdu): Reply {
  const { block, sfi } = blockOf(command);
  const { data } = command;
  if (data.length === 0) refuse(SW.wrongLength);
  const file = tlvFile(card, channel, sfi, 'update');
  if (block === 'first') return beginSet(card, channel, file, data);
  const { object, at } = underWay(channel, 'set', block);
  if (at === 0) return beginSet(card, channel, file, data);
  return takeBlock(card, channel, file, { object: concat(object.subarray(0, at), data), blockAt: at });
}

/** A tag alone deletes its object; with a length it begins one, which is gone until all of it is here. */
function beginSet(card: Card, channel: Channel, file: FilePlace, data: Uint8Array): Reply {
  channel.transfer = undefined;
  const deleted = tagAlone(data);
  if (deleted !== undefined) {
    const all = objectsOf(card, file);
    const others = all.filter(({ tag }) => tag !== deleted);
    if (others.length === all.length) refuse(SW.referencedDataNotFound);
    card.profile.files.write(file, concat(...others.map(({ raw }) => raw)));
    return ok();
  }
  const { tag, length, valueAt } = headOf(data);
  if (tag === 0 || tag === TAG_LIST || data.length > valueAt + length) refuse(SW.wrongData);
  card.profile.files.write(file, without(card, file, tag, valueAt + length));
  return takeBlock(card, channel, file, { object: data, blockAt: 0 });
}

/** The other objects of a file. Refuses where one of `octets` octets does not fit beside them. */
function without(card: Card, file: FilePlace, tag: number, octets: number): Uint8Array {
  const { maximumSize = 0, size } = file.content;
  const others = concat(
    ...objectsOf(card, file)
      .filter((object) => object.tag !== tag)
      .map(({ raw }) => raw),
  );
  if (others.length + octets > Math.max(maximumSize, size)) refuse(SW.notEnoughMemory);
  return others;
}

/** An object as far as it has come. Too much of it ends the transfer, and the object stays away. */
function takeBlock(
  card: Card,
  channel: Channel,
  file: FilePlace,
  { object, blockAt }: { readonly object: Uint8Array; readonly blockAt: number },
): Reply {
  const { tag, length, valueAt } = headOf(object);
  const missing = valueAt + length - object.length;
  const transfer: Transfer = { is: 'set', object: Uint8Array.from(object), blockAt, at: object.length };
  const effect = (): void => void (channel.transfer = missing > 0 ? transfer : undefined);
  if (missing > 0) return { data: EMPTY, sw: SW_MORE_EXPECTED, effect };
  if (missing < 0) return { data: EMPTY, sw: SW.wrongData, effect };
  const others = without(card, file, tag, object.length);
  card.profile.files.write(file, concat(others, encodeTlv(tag, object.subarray(valueAt))));
  return ok(EMPTY, effect);
}

export const DATA_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0xcb, classes: PROPRIETARY, run: retrieveData },
  { ins: 0xdb, classes: PROPRIETARY, run: setData },
];
