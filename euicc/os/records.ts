// READ, UPDATE and SEARCH RECORD, INCREASE (ETSI TS 102 221, 11.1.5 to 11.1.8).
import { concat } from '../../base/bytes.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import type { FilePlace } from '../file-system.ts';
import { type Card, type Channel, type Instruction, INTERINDUSTRY, PROPRIETARY } from './card.ts';
import { currentFile, requireAccess, requireStructure, requireUsable, selectBySfi } from './files.ts';
import { ok, refuse, type Reply, status } from './reply.ts';

const MODE = 0x07;
const NEXT = 0x02;
const PREVIOUS = 0x03;
const ABSOLUTE = 0x04;
const FORWARD = 0x04;
const BACKWARD = 0x05;
const ENHANCED = 0x06;

const SW_INCREASE_MAX = 0x9850;
/** The search found nothing. */
const SW_UNSUCCESSFUL_SEARCH = 0x6282;

type RecordFile = {
  readonly file: FilePlace;
  readonly body: Uint8Array;
  readonly length: number;
  readonly count: number;
};

function recordFile(card: Card, channel: Channel, p2: number): RecordFile {
  const sfi = p2 >> 3;
  const file = sfi === 0 ? currentFile(channel) : selectBySfi(card, channel, sfi);
  requireStructure(file, 'linear-fixed', 'cyclic');
  const body = card.profile.files.body(file);
  const length = file.content.recordLength ?? body.length;
  return { file, body, length, count: length === 0 ? 0 : Math.floor(body.length / length) };
}

function recordOf({ body, length }: RecordFile, number: number): Uint8Array {
  return body.subarray((number - 1) * length, number * length);
}

/** The record that P1 and the mode name. A cyclic file has neighbours at both ends, a linear one does not. */
function recordNumber({ file, count }: RecordFile, channel: Channel, p1: number, mode: number): number {
  const cyclic = file.content.structure === 'cyclic';
  const { record } = channel;
  let number: number;
  if (mode === ABSOLUTE) number = p1 === 0 ? record : p1;
  else if (p1 !== 0) return refuse(SW.incorrectP1P2);
  else if (mode === NEXT) number = record === count && cyclic ? 1 : record + 1;
  else if (mode === PREVIOUS) number = record > 1 ? record - 1 : record === 0 || cyclic ? count : 0;
  else return refuse(SW.incorrectP1P2);
  if (number < 1 || number > count) refuse(SW.recordNotFound);
  return number;
}

/** Next and previous move the record pointer; naming a record does not. */
function move(channel: Channel, mode: number, number: number): void {
  if (mode !== ABSOLUTE) channel.record = number;
}

function readRecord(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  if (data.length > 0) refuse(SW.wrongLength);
  const records = recordFile(card, channel, p2);
  requireAccess(card, records.file, 'read');
  requireUsable(card, records.file);
  const number = recordNumber(records, channel, p1, p2 & MODE);
  return ok(recordOf(records, number), () => move(channel, p2 & MODE, number));
}

function updateRecord(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  if (data.length === 0) refuse(SW.wrongLength);
  const records = recordFile(card, channel, p2);
  const cyclic = records.file.content.structure === 'cyclic';
  const mode = p2 & MODE;
  requireAccess(card, records.file, 'update');
  requireUsable(card, records.file);
  if (cyclic && (mode !== PREVIOUS || p1 !== 0)) refuse(SW.incorrectP1P2);
  if (data.length !== records.length) refuse(SW.wrongLength);
  if (cyclic) {
    card.profile.files.write(records.file, pushed(records, data));
    channel.record = 1;
    return ok();
  }
  const number = recordNumber(records, channel, p1, mode);
  const changed = Uint8Array.from(records.body);
  changed.set(data, (number - 1) * records.length);
  card.profile.files.write(records.file, changed);
  move(channel, mode, number);
  return ok();
}

/** A cyclic file with a new record 1; its oldest record is gone. */
function pushed({ body, length, count }: RecordFile, record: Uint8Array): Uint8Array {
  return concat(record, body.subarray(0, (count - 1) * length), body.subarray(count * length));
}

function increase(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  if ((p1 !== 0 && (p1 & 0xe0) !== 0x80) || p2 !== 0) refuse(SW.incorrectP1P2);
  const records = recordFile(card, channel, (p1 & 0x1f) << 3);
  requireStructure(records.file, 'cyclic');
  requireAccess(card, records.file, 'increase');
  requireUsable(card, records.file);
  if (data.length === 0 || data.length > records.length) refuse(SW.wrongLength);
  const sum = Uint8Array.from(recordOf(records, 1));
  let carry = 0;
  for (let i = 1; i <= sum.length; i++) {
    carry += (sum[sum.length - i] ?? 0) + (data[data.length - i] ?? 0);
    sum[sum.length - i] = carry & 0xff;
    carry >>= 8;
  }
  if (carry > 0) refuse(SW_INCREASE_MAX);
  card.profile.files.write(records.file, pushed(records, sum));
  channel.record = 1;
  return ok(concat(sum, data));
}

function searchRecord(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  const records = recordFile(card, channel, p2);
  requireAccess(card, records.file, 'read');
  requireUsable(card, records.file);
  const found = matches(records, channel, p1, p2 & MODE, data);
  const first = found[0];
  if (first === undefined) return status(SW_UNSUCCESSFUL_SEARCH);
  channel.record = first;
  return ok(Uint8Array.from(found));
}

/** The numbers of the records that hold the pattern, in the order of the search. */
function matches(
  records: RecordFile,
  channel: Channel,
  p1: number,
  mode: number,
  data: Uint8Array,
): readonly number[] {
  if (mode === FORWARD || mode === BACKWARD) {
    const order = searchOrder(records, channel.record, p1, mode === BACKWARD);
    return order.filter((number) => indexOf(recordOf(records, number), need(data), 0) >= 0);
  }
  if (mode !== ENHANCED) refuse(SW.incorrectP1P2);
  const [how, where, ...pattern] = data;
  if (how === undefined || where === undefined || pattern.length === 0) refuse(SW.wrongLength);
  const direction = how & MODE;
  if (direction < 4 || (how & 0xf0) !== 0) refuse(SW.wrongData);
  // From the given record (4, 5), or from the one next to the current one (6, 7).
  const start = direction < 6 ? p1 : besideCurrent(records, channel.record, direction === 7);
  const order = searchOrder(records, channel.record, start, (direction & 1) === 1);
  const fromValue = (how & 0x08) !== 0;
  return order.filter((number) => {
    const record = recordOf(records, number);
    const from = fromValue ? record.indexOf(where) + 1 : where;
    return !(fromValue && from === 0) && indexOf(record, Uint8Array.from(pattern), from) >= 0;
  });
}

function need(pattern: Uint8Array): Uint8Array {
  if (pattern.length === 0) refuse(SW.wrongLength);
  return pattern;
}

function besideCurrent({ count }: RecordFile, record: number, backward: boolean): number {
  const number = backward ? (record === 0 ? count : record - 1) : record + 1;
  if (number < 1 || number > count) refuse(SW.recordNotFound);
  return number;
}

function searchOrder(
  { count }: RecordFile,
  record: number,
  p1: number,
  backward: boolean,
): readonly number[] {
  const start = p1 === 0 ? record : p1;
  if (start < 1 || start > count) refuse(SW.recordNotFound);
  const length = backward ? start : count - start + 1;
  return Array.from({ length }, (_, i) => (backward ? start - i : start + i));
}

function indexOf(record: Uint8Array, pattern: Uint8Array, from: number): number {
  for (let at = from; at + pattern.length <= record.length; at++) {
    if (pattern.every((octet, i) => record[at + i] === octet)) return at;
  }
  return -1;
}

export const RECORD_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0xb2, classes: INTERINDUSTRY, run: readRecord },
  { ins: 0xdc, classes: INTERINDUSTRY, run: updateRecord },
  { ins: 0xa2, classes: INTERINDUSTRY, run: searchRecord },
  { ins: 0x32, classes: PROPRIETARY, run: increase },
];
