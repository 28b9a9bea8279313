// The file operations under the card's store, as a port: the real file system, and one in memory that can lose its power.
import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { concat } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';

/** Every operation is durable when its promise resolves. A rejected one may have happened wholly, partly or not at all. */
export type CardFiles = {
  /** The whole file, or undefined where there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Writes a file anew and flushes it. */
  create(path: string, bytes: Uint8Array): Promise<void>;
  /** Appends to a file and flushes it. */
  append(path: string, bytes: Uint8Array): Promise<void>;
  /** Puts `from` in the place of `to` and flushes the directory. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Releases what is open; the files stay. */
  close(): Promise<void>;
};

const PRIVATE = 0o600;

/** The real file system. One file is held open for appending at a time. */
export function createNodeFiles(): CardFiles {
  let appending: { readonly path: string; readonly handle: FileHandle } | undefined;
  const release = async (): Promise<void> => {
    const held = appending;
    appending = undefined;
    await held?.handle.close();
  };
  return {
    async read(path) {
      try {
        return new Uint8Array(await readFile(path));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async create(path, bytes) {
      const handle = await open(path, 'w', PRIVATE);
      try {
        await writeAll(handle, bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    async append(path, bytes) {
      if (appending?.path !== path) {
        await release();
        appending = { path, handle: await open(path, 'a', PRIVATE) };
      }
      await writeAll(appending.handle, bytes);
      await appending.handle.datasync();
    },
    async rename(from, to) {
      await release();
      await rename(from, to);
      const directory = await open(dirname(to), 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    },
    remove: (path) => rm(path, { force: true }),
    close: release,
  };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}

/** How the octets of the write that the power cut hits end up: its first `keep`, and as many zeros as `zeros` after them. */
type Tear = { readonly keep: number; readonly zeros?: number };

/** Files in memory. They outlive a power cut; what reads them afterwards sees what a disk would show. */
export type MemoryFiles = CardFiles & {
  /** Writing operations since the beginning (create, append, rename, remove). */
  readonly writes: number;
  /**
   * Cuts the power at the n-th writing operation from now, 1 being the next; a rename or removal that is hit does not
   * happen when `keep` is 0 and happens otherwise. Every later operation rejects with `CLOSED` until `powerOn`.
   */
  cutAt(n: number, tear: Tear): void;
  powerOn(): void;
};

export function createMemoryFiles(
  initial: ReadonlyMap<string, Uint8Array> = new Map<string, Uint8Array>(),
): MemoryFiles {
  const files = new Map<string, Uint8Array>(initial);
  let writes = 0;
  let cut: { readonly at: number; readonly tear: Tear } | undefined;
  let powered = true;
  const requirePower = (): void => {
    if (!powered) throw new AgentError('CLOSED', { what: 'power' });
  };
  /** Runs a write whole, or the part of it that a cut leaves. */
  const write = (whole: () => void, torn: (tear: Tear) => void): void => {
    requirePower();
    writes++;
    if (cut?.at !== writes) {
      whole();
      return;
    }
    powered = false;
    torn(cut.tear);
    requirePower();
  };
  const part = (bytes: Uint8Array, { keep, zeros = 0 }: Tear): Uint8Array =>
    concat(bytes.subarray(0, keep), new Uint8Array(Math.max(0, Math.min(zeros, bytes.length - keep))));
  const put = (path: string, bytes: Uint8Array): void => void files.set(path, Uint8Array.from(bytes));
  const held = (path: string): Uint8Array => {
    const bytes = files.get(path);
    if (bytes === undefined) throw new AgentError('NOT_FOUND', { path });
    return bytes;
  };
  return {
    get writes() {
      return writes;
    },
    cutAt: (n, tear) => void (cut = { at: writes + n, tear }),
    powerOn() {
      powered = true;
      cut = undefined;
    },
    async read(path) {
      requirePower();
      const bytes = files.get(path);
      return bytes === undefined ? undefined : Uint8Array.from(bytes);
    },
    async create(path, bytes) {
      write(
        () => put(path, bytes),
        (tear) => put(path, part(bytes, tear)),
      );
    },
    async append(path, bytes) {
      write(
        () => put(path, concat(held(path), bytes)),
        (tear) => put(path, concat(held(path), part(bytes, tear))),
      );
    },
    async rename(from, to) {
      const move = (): void => {
        put(to, held(from));
        files.delete(from);
      };
      write(move, (tear) => void (tear.keep > 0 && move()));
    },
    async remove(path) {
      write(
        () => void files.delete(path),
        (tear) => void (tear.keep > 0 && files.delete(path)),
      );
    },
    close: async () => {},
  };
}

/**
 * The same files, whose power goes at the n-th writing operation, 1 being the first: half of its octets are there, a rename or
 * removal does not happen. It is told to `onCut`; every later operation rejects with `CLOSED`.
 */
export function cutAtWrite(files: CardFiles, n: number, onCut: () => void): CardFiles {
  let writes = 0;
  const power = (): AgentError => new AgentError('CLOSED', { what: 'power' });
  const write = async (whole: () => Promise<void>, half: () => Promise<void>): Promise<void> => {
    writes++;
    if (writes < n) return whole();
    if (writes === n) await half().finally(onCut);
    throw power();
  };
  const halfOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length >>> 1);
  const nothing = async (): Promise<void> => {};
  return {
    async read(path) {
      if (writes >= n) throw power();
      return files.read(path);
    },
    create: (path, bytes) =>
      write(
        () => files.create(path, bytes),
        () => files.create(path, halfOf(bytes)),
      ),
    append: (path, bytes) =>
      write(
        () => files.append(path, bytes),
        () => files.append(path, halfOf(bytes)),
      ),
    rename: (from, to) => write(() => files.rename(from, to), nothing),
    remove: (path) => write(() => files.remove(path), nothing),
    close: () => files.close(),
  };
}

/** Whether an operation failed because the power was cut. */
export function isPowerLoss(thrown: unknown): boolean {
  return isAgentError(thrown, 'CLOSED') && thrown.data['what'] === 'power';
}
