// The card's non-volatile memory: named values in one encrypted file, changed by transactions that a power cut cannot split.
//
// The file is a log: a head, then records of which the first holds all values and each further one what a commit changed.
// A commit is one append. When the log has grown well past what it holds, it is written anew beside and renamed over.
import { bytesUint, concat, EMPTY, equalBytes, toHex, uintBytes, utf8Bytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { sha256 } from '../crypto/hash.ts';
import { openSeal, seal, type SealKey } from '../crypto/seal.ts';
import { type CardFiles, createNodeFiles } from './store-files.ts';

/** Values by name; `null` in a commit removes one. Whoever holds the store serialises its calls. */
export type CardStore = {
  get(name: string): Uint8Array | undefined;
  /** Names in no particular order. */
  names(): readonly string[];
  /** All of the changes or none of them are there afterwards, also after a power cut. */
  commit(changes: ReadonlyMap<string, Uint8Array | null>): Promise<void>;
  /** Commits and octets written since opening. */
  readonly written: { readonly commits: number; readonly octets: number };
  close(): Promise<void>;
};

export type CardStoreOptions = {
  readonly path: string;
  /** 32 octets, given when the card is made and at every opening. */
  readonly key: Secret<Uint8Array>;
  readonly random: Random;
  /** The real file system unless given. */
  readonly files?: CardFiles;
};

/** Of the file's layout; another one is another octet in the head. */
export const STORE_VERSION = 1;
const MAGIC = concat(utf8Bytes('eUICC'), Uint8Array.of(STORE_VERSION), utf8Bytes('\r\n'));
const GENERATION_OCTETS = 8;
const HEAD_OCTETS = MAGIC.length + GENERATION_OCTETS;
/** In front of each record: its length, and a check of that length so that a wrong one is not taken for a torn tail. */
const RECORD_HEAD_OCTETS = 8;
/** A log is written anew when it is longer than this and than four times what it holds. */
const COMPACT_FROM = 65_536;

/** Opens the store, empty where there is no file yet. Throws `STORE_CORRUPT` for a damaged file or the wrong key. */
export async function openCardStore(options: CardStoreOptions): Promise<CardStore> {
  const { path, random } = options;
  const key: SealKey = { id: 'card', key: options.key };
  const files = options.files ?? createNodeFiles();
  const fresh = `${path}.new`;
  const values = new Map<string, Uint8Array>();
  const written = { commits: 0, octets: 0 };
  let generation: Uint8Array = EMPTY;
  let records = 0;
  let length = 0;
  /** Whether the file ends with whole records only; when not, the next commit writes it anew. */
  let appendable = false;

  const found = await files.read(path);
  if (found !== undefined) {
    generation = headOf(found);
    length = HEAD_OCTETS;
    for (;;) {
      const record = recordAt(found, length, generation, records);
      if (record === undefined) break;
      const last = records > 0 && record.end === found.length;
      const changes = openRecord(record.sealed, key, context(generation, records));
      if (changes === undefined) {
        if (last && found.at(-1) === 0) break;
        throw corrupt(length, 'a record does not open: damaged, or another key');
      }
      for (const [name, value] of changes) {
        if (value === null) values.delete(name);
        else values.set(name, value);
      }
      length = record.end;
      records++;
    }
    if (records === 0) throw corrupt(HEAD_OCTETS, 'no record');
    appendable = length === found.length;
  }
  await files.remove(fresh);

  const recordOf = (
    changes: ReadonlyMap<string, Uint8Array | null>,
    of: Uint8Array,
    index: number,
  ): Uint8Array => {
    const sealed = seal(key, random, new Secret(encodeCbor(changes)), context(of, index));
    return concat(uintBytes(sealed.length, 4), lengthCheck(sealed.length, of, index), sealed);
  };
  const rewrite = async (next: ReadonlyMap<string, Uint8Array>): Promise<void> => {
    appendable = false;
    const newGeneration = random.bytes(GENERATION_OCTETS);
    const log = concat(MAGIC, newGeneration, recordOf(next, newGeneration, 0));
    await files.create(fresh, log);
    await files.rename(fresh, path);
    generation = newGeneration;
    records = 1;
    length = log.length;
    written.octets += log.length;
    appendable = true;
  };
  const append = async (changes: ReadonlyMap<string, Uint8Array | null>): Promise<void> => {
    const record = recordOf(changes, generation, records);
    appendable = false;
    await files.append(path, record);
    appendable = true;
    records++;
    length += record.length;
    written.octets += record.length;
  };

  return {
    get: (name) => values.get(name),
    names: () => [...values.keys()],
    async commit(changes) {
      if (changes.size === 0) return;
      const next = applied(values, changes);
      if (!appendable || length > Math.max(COMPACT_FROM, 4 * octetsOf(next))) await rewrite(next);
      else await append(changes);
      written.commits++;
      for (const [name, value] of changes) {
        if (value === null) values.delete(name);
        else values.set(name, value);
      }
    },
    written,
    close: () => files.close(),
  };
}

function applied(
  values: ReadonlyMap<string, Uint8Array>,
  changes: ReadonlyMap<string, Uint8Array | null>,
): ReadonlyMap<string, Uint8Array> {
  const next = new Map(values);
  for (const [name, value] of changes) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  return next;
}

function octetsOf(values: ReadonlyMap<string, Uint8Array>): number {
  let octets = 0;
  for (const [name, value] of values) octets += name.length + value.length;
  return octets;
}

function corrupt(offset: number, why: string, cause?: unknown): AgentError {
  return new AgentError('STORE_CORRUPT', { offset, why }, { cause });
}

/** Whether octets begin as a card's file does. */
export function isCardFile(file: Uint8Array): boolean {
  return equalBytes(file.subarray(0, MAGIC.length), MAGIC);
}

function headOf(file: Uint8Array): Uint8Array {
  if (file.length < HEAD_OCTETS || !isCardFile(file)) {
    throw corrupt(0, 'not a card file');
  }
  return file.slice(MAGIC.length, HEAD_OCTETS);
}

/** Binds a record to its file and its place, so that records cannot be moved, repeated or left out unnoticed. */
function context(generation: Uint8Array, index: number): string {
  return `card ${toHex(generation)} ${index}`;
}

function lengthCheck(length: number, generation: Uint8Array, index: number): Uint8Array {
  return sha256(utf8Bytes(context(generation, index)), uintBytes(length, 4)).subarray(
    0,
    RECORD_HEAD_OCTETS - 4,
  );
}

/**
 * The record at `offset`, or undefined at the end of the log. A tail that an interrupted append left is the end too: a
 * record head or body that the file cuts short, or zeros where the octets of a last record never reached the disk. (A last
 * record whose length is there but whose end is zeros fails to open; the caller tells it from damage by its last octet.)
 */
function recordAt(
  file: Uint8Array,
  offset: number,
  generation: Uint8Array,
  index: number,
): { readonly sealed: Uint8Array; readonly end: number } | undefined {
  const bodyAt = offset + RECORD_HEAD_OCTETS;
  if (bodyAt > file.length) return undefined;
  const length = bytesUint(file.subarray(offset, offset + 4));
  if (!equalBytes(file.subarray(offset + 4, bodyAt), lengthCheck(length, generation, index))) {
    if (isZero(file.subarray(bodyAt))) return undefined;
    throw corrupt(offset, 'damaged record head');
  }
  const end = bodyAt + length;
  return end > file.length ? undefined : { sealed: file.subarray(bodyAt, end), end };
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((octet) => octet === 0);
}

/** The changes in a record, or undefined where it does not open. */
function openRecord(
  sealed: Uint8Array,
  key: SealKey,
  place: string,
): ReadonlyMap<string, Uint8Array | null> | undefined {
  let opened: Secret<Uint8Array>;
  try {
    opened = openSeal([key], sealed, place);
  } catch (error) {
    if (isAgentError(error, 'SEAL_INVALID')) return undefined;
    throw error;
  }
  return changesOf(decodeCbor(opened.reveal()));
}

function changesOf(value: CborValue): ReadonlyMap<string, Uint8Array | null> {
  const changes = new Map<string, Uint8Array | null>();
  if (!(value instanceof Map)) throw corrupt(0, 'a record holds no values');
  for (const [name, held] of value as ReadonlyMap<number | string, CborValue>) {
    if (typeof name !== 'string' || (held !== null && !(held instanceof Uint8Array))) {
      throw corrupt(0, 'a record holds no values');
    }
    changes.set(name, held);
  }
  return changes;
}
