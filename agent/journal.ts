// The journal: an append-only file of checked records whose last one counts. What is in it has happened, whatever the power does.
import { crc32 } from 'node:zlib';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bytesUint, concat, uintBytes } from '../base/bytes.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import { createLock } from '../base/lock.ts';

/** First octets of the file: name and version of the format. */
const MAGIC = Uint8Array.of(0x65, 0x61, 0x6a, 0x01);
/** Length (4) and CRC-32 (4) stand before each record, big endian. */
const HEAD = 8;
/** No state is written in fewer octets; shorter runs are too easily a record by chance. */
const MIN_RECORD = 3;
const MAX_RECORD = 16 * 1024 * 1024;
const COMPACT_ABOVE = 512 * 1024;

export type Journal = {
  /** The last record, when there was one. */
  readonly last: Uint8Array | undefined;
  /** Octets of a torn record that were dropped at the end of the file. */
  readonly droppedBytes: number;
  /** Settles when the record is on the disk. Throws `STATE_FAILED` when it is not; the records before it stay whole. */
  append(record: Uint8Array): Promise<void>;
  close(): Promise<void>;
};

/**
 * Opens or makes the journal. A torn record at the end is dropped; damage before the end is `JOURNAL_CORRUPT`: then a
 * person must look, since what the device has done is no longer known.
 */
export async function openJournal(path: string): Promise<Journal> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await rm(temporary(path), { force: true });
  const found = await readIfThere(path);
  if (found === undefined) await replace(path, []);
  const { records, end, length } =
    found === undefined ? { records: [], end: MAGIC.length, length: MAGIC.length } : scan(found, path);
  let file = await open(path, 'r+');
  if (end < length) {
    await file.truncate(end);
    await file.sync();
  }
  let size = end;
  let last = records.at(-1);
  let closed = false;
  /** A write that failed may have left octets behind the last whole record. */
  let torn = false;
  const lock = createLock();
  const appendNow = async (record: Uint8Array): Promise<void> => {
    if (size > COMPACT_ABOVE) {
      await replace(path, last === undefined ? [] : [last]);
      await file.close();
      file = await open(path, 'r+');
      size = (await file.stat()).size;
      torn = false;
    }
    const framed = frame(record);
    if (torn) await file.truncate(size);
    torn = true;
    await writeAt(file, framed, size);
    await file.datasync();
    torn = false;
    size += framed.length;
    last = Uint8Array.from(record);
  };
  return {
    get last() {
      return last;
    },
    droppedBytes: length - end,
    append: (record) =>
      lock.run(async () => {
        if (closed) throw new AgentError('CLOSED', { what: 'journal' });
        try {
          await appendNow(record);
        } catch (thrown) {
          const why = errorOf(thrown).message;
          throw new AgentError('STATE_FAILED', { path, why }, { cause: thrown });
        }
      }),
    close: () =>
      lock.run(async () => {
        if (closed) return;
        closed = true;
        await file.close();
      }),
  };
}

/** The last whole record of a journal, without changing the file: for a look beside a running agent. */
export async function readLastRecord(path: string): Promise<Uint8Array | undefined> {
  const found = await readIfThere(path);
  return found === undefined ? undefined : scan(found, path).records.at(-1);
}

function frame(record: Uint8Array): Uint8Array {
  return concat(uintBytes(record.length, 4), uintBytes(crc32(record), 4), record);
}

async function writeAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

/** Splits the file into records; `end` is where the last whole one stops. */
function scan(bytes: Uint8Array, path: string): { records: Uint8Array[]; end: number; length: number } {
  const { length } = bytes;
  if (length < MAGIC.length || !MAGIC.every((octet, i) => bytes[i] === octet)) {
    throw new AgentError('JOURNAL_CORRUPT', { path, at: 0, why: 'not a journal of this program' });
  }
  const records: Uint8Array[] = [];
  let at = MAGIC.length;
  while (at < length) {
    const size = at + HEAD <= length ? bytesUint(bytes.subarray(at, at + 4)) : Number.POSITIVE_INFINITY;
    const next = at + HEAD + size;
    const record = next <= length && size <= MAX_RECORD ? bytes.slice(at + HEAD, next) : undefined;
    if (record === undefined || crc32(record) !== bytesUint(bytes.subarray(at + 4, at + HEAD))) {
      if (!holdsRecord(bytes, at + 1)) break;
      throw new AgentError('JOURNAL_CORRUPT', { path, at, why: 'a record before the last is damaged' });
    }
    records.push(record);
    at = next;
  }
  return { records, end: at, length };
}

/** Whether a whole record begins anywhere from `from` on: then what stands before it is no torn end, but damage. */
function holdsRecord(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at + HEAD < bytes.length; at++) {
    const size = bytesUint(bytes.subarray(at, at + 4));
    const next = at + HEAD + size;
    if (size < MIN_RECORD || next > bytes.length) continue;
    if (crc32(bytes.subarray(at + HEAD, next)) === bytesUint(bytes.subarray(at + 4, at + HEAD))) return true;
  }
  return false;
}

/** Writes a new file beside the old one and puts it in its place: file first, then the folder's entry. */
async function replace(path: string, records: readonly Uint8Array[]): Promise<void> {
  const file = await open(temporary(path), 'w', 0o600);
  try {
    await writeAt(file, concat(MAGIC, ...records.map(frame)), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary(path), path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function temporary(path: string): string {
  return join(dirname(path), 'journal.new');
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
