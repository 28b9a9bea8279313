// The offline bundle and its answer (seed 56, 72): a profile under both its layers as a file, and what the card said to it.
import { cborBytes, cborId, cborInt, cborItem, cborList, cborMap, cborText, cborWord } from './cbor-table.ts';
import { parseEid, parseIccid } from './ids.ts';
import type { TypeOf } from './tlv-table.ts';

export const BUNDLE_VERSION = 1;
/** Of one script, as of a transfer's content. */
const MAX_SCRIPT = 4 * 1024 * 1024;
const MAX_SCRIPTS = 8;
/** Of a whole file. */
export const MAX_BUNDLE = 16 * 1024 * 1024;

const head = {
  version: { key: 1, type: cborInt(BUNDLE_VERSION, BUNDLE_VERSION) },
  eid: { key: 2, type: cborId(parseEid) },
  /** The MNO that made it: the name by which the device knows its key. */
  mno: { key: 3, type: cborText(64) },
  transactionId: { key: 4, type: cborBytes({ length: 16 }) },
  iccid: { key: 5, type: cborId(parseIccid) },
} as const;

const bundleFields = {
  ...head,
  /** Unix seconds. */
  issued: { key: 6, type: cborInt() },
  expires: { key: 7, type: cborInt() },
  /** Of the card's SCP03 session for the first script; each further one is for the counter after. */
  sequenceCounter: { key: 8, type: cborInt(0, 0xffffff) },
  /** Command Scripting templates (TS 102 226 5.2.1). */
  scripts: { key: 9, type: cborList(cborBytes({ min: 1, max: MAX_SCRIPT }), MAX_SCRIPTS) },
} as const;

/** What an MNO signs. */
export const offlineBundle = cborItem(cborMap(bundleFields));
export type OfflineBundle = TypeOf<typeof offlineBundle>;

const answerFields = {
  ...head,
  /** `present`: the profile was on the card before anything was sent. */
  outcome: { key: 6, type: cborWord('installed', 'present', 'failed') },
  reason: { key: 7, type: cborText(256), optional: true },
  /** Response Scripting template AB; absent where nothing was played. */
  responseScript: { key: 8, type: cborBytes({ max: MAX_SCRIPT }), optional: true },
  /** What the card has signed and keeps until it is told that they arrived: BF37 and 30, as they are. */
  notifications: { key: 9, type: cborList(cborBytes({ min: 1, max: 16_384 }), 256) },
} as const;

/** Nobody signs it: what counts in it is signed or proved by the card. */
export const bundleAnswer = cborItem(cborMap(answerFields));
export type BundleAnswer = TypeOf<typeof bundleAnswer>;

/** Both files with the names of their keys, for those who show them. */
export const BUNDLE_FILES = [
  { name: 'offlineBundle', item: offlineBundle, fields: bundleFields },
  { name: 'bundleAnswer', item: bundleAnswer, fields: answerFields },
] as const;
