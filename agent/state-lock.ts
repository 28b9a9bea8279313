// One agent for one state folder: a lock that the kernel drops together with the process, however it ends.
import { mkdir, realpath, unlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex, utf8Bytes } from '../base/bytes.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import { sha256 } from '../crypto/hash.ts';

export type StateLock = { release(): Promise<void> };

/** Makes the folder where it is missing and takes its lock. Throws `STORE_LOCKED`, or `STATE_FAILED` when the folder cannot be used. */
export async function acquireStateLock(folder: string): Promise<StateLock> {
  await makeFolder(folder);
  const address = await addressOf(folder);
  const server = createServer((socket) => socket.destroy());
  const listen = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      server.once('error', (error: Error & { code?: string }) => {
        if (error.code === 'EADDRINUSE') resolve(false);
        else reject(new AgentError('STATE_FAILED', { path: folder, why: error.code }, { cause: error }));
      });
      server.listen(address, () => resolve(true));
    });
  let held = await listen();
  if (!held && !isAbstract(address) && !(await answers(address))) {
    // Outside Linux the name is a file, and one that nobody answers at is a dead process's.
    await unlink(address).catch(() => {});
    held = await listen();
  }
  if (!held) throw new AgentError('STORE_LOCKED', { path: folder });
  // The lock is no reason for the process to stay.
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Whether an agent works with this folder now. */
export async function isStateLocked(folder: string): Promise<boolean> {
  return answers(await addressOf(folder));
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    const error = errorOf(thrown);
    const why = 'code' in error ? String(error.code) : error.message;
    throw new AgentError('STATE_FAILED', { path: folder, why }, { cause: thrown });
  }
}

/** Linux: an abstract socket, which is no file and vanishes with its process. The same folder has one name by whatever path. */
async function addressOf(folder: string): Promise<string> {
  const real = await realpath(folder).catch(() => folder);
  const name = `euicc-agent-${toHex(sha256(utf8Bytes(real))).slice(0, 32)}`;
  return process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name);
}

function isAbstract(address: string): boolean {
  return address.startsWith('\0');
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
