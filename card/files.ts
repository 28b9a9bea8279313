// The files that the program reads and writes, with the file named in every error.
import { link, open, readFile, unlink } from 'node:fs/promises';
import { AgentError, type ErrorCode, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';

/** Only the owner may read what is written. */
const PRIVATE = 0o600;
const PUBLIC = 0o644;

/** The octets of a file. Throws `FILE_FAILED`. */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (cause) {
    throw failed(file, cause);
  }
}

/** Writes a new file and flushes it; whoever reads it sees it whole or not at all. Throws `FILE_EXISTS` or `FILE_FAILED`. */
export async function writeNewFile(file: string, content: Uint8Array | Secret<Uint8Array>): Promise<void> {
  const secret = content instanceof Secret;
  const fresh = `${file}.${process.pid}.new`;
  try {
    const handle = await open(fresh, 'wx', secret ? PRIVATE : PUBLIC);
    try {
      await handle.writeFile(secret ? content.reveal() : content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // A link, unlike a rename, does not replace what is there.
    await link(fresh, file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new AgentError('FILE_EXISTS', { file }, { cause });
    }
    throw failed(file, cause);
  } finally {
    await unlink(fresh).catch(() => {});
  }
}

/** Whether a file could not be read because there is none. */
export function isMissing(error: unknown): boolean {
  return isAgentError(error) && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

/** Runs `read` on what a file holds; an error that says that the content is wrong gets the file's name, as `code` where given. */
export function reading<T>(file: string, read: () => T, code?: ErrorCode): T {
  try {
    return read();
  } catch (cause) {
    if (!isAgentError(cause)) throw cause;
    throw new AgentError(code ?? cause.code, { file, ...cause.data }, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file (ENOENT)',
  EISDIR: 'it is a folder (EISDIR)',
  ENOTDIR: 'it is no folder (ENOTDIR)',
  EACCES: 'no permission (EACCES)',
  ENOSPC: 'the disk is full (ENOSPC)',
};

/** `FILE_FAILED` with the system's reason. */
export function failed(file: string, cause: unknown): AgentError {
  if (isAgentError(cause)) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new AgentError('FILE_FAILED', { file, why: REASONS[code] ?? code }, { cause });
}
