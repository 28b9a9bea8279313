// The file that a transfer fills: its room is taken before the first block, and its octets may be torn by any power cut.
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { AgentError, errorOf } from '../base/errors.ts';

/** Room of a fixed size. What was written is certain only after `sync`. Failures are `TRANSFER_STORAGE`. */
export type TransferFile = {
  /** The octets that are there, fewer than `length` at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
};

const ZEROS = new Uint8Array(65_536);

/**
 * Opens the file, or makes it with `sizeBytes` of zeros: a full disk shows now and not in the middle. A file of that size keeps what it
 * holds, any other is made anew.
 */
export async function openTransferFile(path: string, sizeBytes: number): Promise<TransferFile> {
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (thrown) {
      const error = errorOf(thrown);
      const why = 'code' in error ? String(error.code) : error.message;
      throw new AgentError('TRANSFER_STORAGE', { path, why }, { cause: thrown });
    }
  };
  const file = await attempt(async () => {
    const opened = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      if ((await opened.stat()).size !== sizeBytes) await fill(opened, sizeBytes);
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  });
  return {
    read: (offset, length) =>
      attempt(async () => {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return bytes.subarray(0, done);
      }),
    write: (offset, bytes) => attempt(() => writeAll(file, offset, bytes)),
    sync: () => attempt(() => file.datasync()),
    close: () => attempt(() => file.close()),
  };
}

async function fill(file: FileHandle, sizeBytes: number): Promise<void> {
  await file.truncate(0);
  for (let at = 0; at < sizeBytes; at += ZEROS.length) {
    await writeAll(file, at, ZEROS.subarray(0, Math.min(ZEROS.length, sizeBytes - at)));
  }
  await file.sync();
}

async function writeAll(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
