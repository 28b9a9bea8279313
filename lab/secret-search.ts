// Looks for secrets in what was recorded: as octets, as hex text, across APDUs and across transfer blocks.
import { concat, equalBytes, fromHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { decodeCommandApdu } from '../codec/apdu.ts';
import { cborItem } from '../codec/cbor-table.ts';
import { block } from '../codec/wire.ts';
import type { Recording } from './recorder.ts';

/** What must not be seen. A `package` is searched in windows of 32 octets; anything else as a whole. */
export type Needle = {
  readonly name: string;
  readonly kind: 'value' | 'package';
  readonly bytes: Uint8Array;
};

export type Finding = { readonly name: string; readonly where: string; readonly offset: number };

export const WINDOW_OCTETS = 32;
const HASH_BASE = 0x01000193;

/** Every place where a needle occurs in a recording, in any of the forms in which it could have travelled. */
export function findSecrets(recordings: readonly Recording[], needles: readonly Needle[]): Finding[] {
  const index = indexNeedles(needles);
  const found: Finding[] = [];
  for (const view of views(recordings)) {
    for (const [length, table] of index) scan(view, length, table, found);
  }
  return found;
}

type View = { readonly where: string; readonly bytes: Uint8Array };
type Target = { readonly name: string; readonly bytes: Uint8Array };
type HashTable = Map<number, Target[]>;

function indexNeedles(needles: readonly Needle[]): Map<number, HashTable> {
  const index = new Map<number, HashTable>();
  const add = (name: string, bytes: Uint8Array): void => {
    let table = index.get(bytes.length);
    if (table === undefined) index.set(bytes.length, (table = new Map()));
    const hash = hashOf(bytes, 0, bytes.length);
    const row = table.get(hash);
    if (row === undefined) table.set(hash, [{ name, bytes }]);
    else row.push({ name, bytes });
  };
  for (const { name, kind, bytes } of needles) {
    if (kind === 'value') {
      if (bytes.length > 0) add(name, bytes);
      continue;
    }
    for (let at = 0; at + WINDOW_OCTETS <= bytes.length; at++) {
      const window = bytes.subarray(at, at + WINDOW_OCTETS);
      if (!isRun(window)) add(`${name} at ${at}`, window);
    }
  }
  return index;
}

function isRun(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === bytes[0]);
}

function hashOf(bytes: Uint8Array, from: number, length: number): number {
  let hash = 0;
  for (let i = 0; i < length; i++) hash = (Math.imul(hash, HASH_BASE) + (bytes[from + i] ?? 0) + 1) | 0;
  return hash;
}

/** Rabin-Karp: one rolling hash for all needles of one length. */
function scan(view: View, length: number, table: HashTable, found: Finding[]): void {
  const { bytes, where } = view;
  if (bytes.length < length) return;
  let top = 1;
  for (let i = 1; i < length; i++) top = Math.imul(top, HASH_BASE);
  let hash = hashOf(bytes, 0, length);
  for (let at = 0; ; at++) {
    for (const target of table.get(hash) ?? []) {
      if (equalBytes(bytes.subarray(at, at + length), target.bytes)) {
        found.push({ name: target.name, where, offset: at });
      }
    }
    const next = bytes[at + length];
    if (next === undefined) return;
    hash = (Math.imul(hash - Math.imul((bytes[at] ?? 0) + 1, top), HASH_BASE) + next + 1) | 0;
  }
}

function* views(recordings: readonly Recording[]): Generator<View> {
  const blocks = new Map<string, Map<number, Uint8Array>>();
  for (const { channel, topic, bytes } of recordings) {
    const where = topic === '' ? channel : `${channel} ${topic}`;
    yield { where, bytes };
    if (channel === 'serial-in' || channel === 'serial-out') yield* hexViews(where, bytes);
    if (topic.endsWith('/block')) collectBlock(bytes, blocks);
  }
  for (const [transfer, parts] of blocks) {
    const inOrder = [...parts].toSorted(([a], [b]) => a - b).map(([, data]) => data);
    yield { where: `transfer ${transfer} joined`, bytes: concat(...inOrder) };
  }
}

function collectBlock(payload: Uint8Array, blocks: Map<string, Map<number, Uint8Array>>): void {
  try {
    const { transferId, index, data } = cborItem(block).decode(payload);
    const key = Array.from(transferId, (byte) => byte.toString(16).padStart(2, '0')).join('');
    let parts = blocks.get(key);
    if (parts === undefined) blocks.set(key, (parts = new Map()));
    parts.set(index, data);
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
}

/** Hex text decoded at both alignments, and the data of all APDUs joined as a command chain would join it. */
function* hexViews(where: string, bytes: Uint8Array): Generator<View> {
  const text = new TextDecoder('latin1').decode(bytes);
  const data: Uint8Array[] = [];
  for (const [run] of text.matchAll(/[0-9A-Fa-f]{4,}/g)) {
    const even = fromHex(run.slice(0, run.length & ~1));
    yield { where: `${where} hex`, bytes: even };
    if (run.length > 4)
      yield { where: `${where} hex`, bytes: fromHex(run.slice(1, 1 + ((run.length - 1) & ~1))) };
    data.push(dataOf(where, even));
  }
  yield { where: `${where} data joined`, bytes: concat(...data) };
}

function dataOf(where: string, apdu: Uint8Array): Uint8Array {
  if (where.startsWith('serial-in')) return apdu.subarray(0, Math.max(0, apdu.length - 2));
  try {
    return decodeCommandApdu(apdu).data;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return apdu;
  }
}
