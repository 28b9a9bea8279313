// One process for one file or folder: a lock that the kernel drops together with the process, however it ends.
import { realpath, stat, unlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { bytesUtf8 } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

export type ProcessLock = { release(): Promise<void> };

/** How long a holder may take to say who it is. It is on this machine. */
const ANSWER_MS = 1000;
const LONGEST_NAME = 40;
const UNKNOWN_HOLDER = 'an unknown process';

/**
 * Takes the lock of a file or folder whose folder exists. `who` is told to others that want it (`euicc-card serve`). Throws
 * `STORE_LOCKED` with the `holder`, or `STATE_FAILED` where the path cannot be used.
 */
export async function acquireProcessLock(path: string, who: string): Promise<ProcessLock> {
  const address = await addressOf(path);
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(`${who}, process ${process.pid}`);
  });
  const listen = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      server.once('error', (error: Error & { code?: string }) => {
        if (error.code === 'EADDRINUSE') resolve(false);
        else reject(new AgentError('STATE_FAILED', { path, why: error.code }, { cause: error }));
      });
      server.listen(address, () => resolve(true));
    });
  let held = await listen();
  let holder = held ? undefined : await askHolder(address);
  if (!held && holder === undefined) {
    // Outside Linux the name is a file, and one that nobody answers at is a dead process's.
    if (!isAbstract(address)) await unlink(address).catch(() => {});
    held = await listen();
    holder = held ? undefined : await askHolder(address);
  }
  if (!held) throw new AgentError('STORE_LOCKED', { path, holder: holder ?? UNKNOWN_HOLDER });
  // The lock is no reason for the process to stay.
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Who holds the lock of a file or folder now; undefined when nobody does. */
export async function holderOf(path: string): Promise<string | undefined> {
  return askHolder(await addressOf(path));
}

/** Linux: an abstract socket, which is no file and vanishes with its process. One file has one name by whatever path. */
async function addressOf(path: string): Promise<string> {
  try {
    const real = await realpath(path).catch(() => path);
    const { dev, ino } = await stat(dirname(real));
    const name = `euicc-${dev}-${ino}-${shortened(basename(real))}`;
    return process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code;
    throw new AgentError('STATE_FAILED', { path, why }, { cause });
  }
}

/** The address of a socket holds little: of a long name its beginning and a number made of the whole (FNV-1a). */
function shortened(name: string): string {
  if (new TextEncoder().encode(name).length <= LONGEST_NAME) return name;
  let hash = 0x811c9dc5;
  for (const octet of new TextEncoder().encode(name)) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0;
  return `${encodeURIComponent(name.slice(0, 8))}-${hash.toString(16)}`;
}

function isAbstract(address: string): boolean {
  return address.startsWith('\0');
}

function askHolder(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(address);
    let answer: string | undefined;
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.once('connect', () => void (answer = UNKNOWN_HOLDER));
    socket.on('data', (octets) => {
      try {
        answer = bytesUtf8(octets);
      } catch {
        answer = UNKNOWN_HOLDER;
      }
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => resolve(answer));
  });
}
