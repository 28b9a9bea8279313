// A file as a user names it, read no further than it may be long: a device has little memory, and some files have no end.
import { open } from 'node:fs/promises';
import { concat } from '../base/bytes.ts';
import { AgentError, errorOf } from '../base/errors.ts';

const CHUNK = 65_536;

/** At most one octet more than `maxBytes`, by which the caller knows that it is too long. Throws `FILE_FAILED`. */
export async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const parts: Uint8Array[] = [];
      let left = maxBytes + 1;
      while (left > 0) {
        const { bytesRead, buffer } = await file.read(new Uint8Array(Math.min(CHUNK, left)));
        if (bytesRead === 0) break;
        parts.push(buffer.subarray(0, bytesRead));
        left -= bytesRead;
      }
      return concat(...parts);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new AgentError('FILE_FAILED', { path, why: errorOf(cause).message }, { cause });
  }
}
