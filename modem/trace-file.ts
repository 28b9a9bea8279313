// The file of a trace: a line at a time and at once, so that a crash loses nothing but a torn last line; full files are put aside.
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import {
  encodeTraceEntry,
  encodeTraceHeader,
  type TraceEntry,
  type TraceHeader,
} from '../codec/modem-trace.ts';

export type TraceFile = {
  write(entry: TraceEntry): void;
  close(): void;
};

export type TraceFileOptions = {
  /** Added to where it exists. Closed to others. */
  readonly path: string;
  readonly clock: Clock;
  readonly header: Omit<TraceHeader, 'started' | 'part'>;
  /** A file that would become larger is put aside as `path.1`, the one before as `path.2`, and so on. */
  readonly maxBytes: number;
  /** How many are kept aside. */
  readonly keep: number;
  /** Told once when the disk takes no more; nothing is written after that. */
  readonly onFailure: (error: AgentError) => void;
};

const OWNER_ONLY = 0o600;

/** Throws `FILE_FAILED` where the file cannot be opened. */
export function openTraceFile(options: TraceFileOptions): TraceFile {
  const { path, maxBytes, keep, clock } = options;
  const started = new Date(clock.wall()).toISOString();
  let part = 1;
  let size = 0;
  let descriptor: number | undefined;

  const put = (line: string): void => {
    if (descriptor === undefined) return;
    size += writeSync(descriptor, `${line}\n`);
  };
  const open = (): void => {
    descriptor = openSync(path, 'a+', OWNER_ONLY);
    ({ size } = fstatSync(descriptor));
    if (endsTorn(descriptor, size)) put('');
    put(encodeTraceHeader({ ...options.header, started, ...(part === 1 ? {} : { part }) }));
  };
  const putAside = (): void => {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
    rmSync(`${path}.${keep}`, { force: true });
    for (let n = keep; n >= 1; n--) {
      try {
        renameSync(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    if (keep === 0) rmSync(path, { force: true });
    part++;
    open();
  };
  const close = (): void => {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
  };
  try {
    open();
    if (size > maxBytes) putAside();
  } catch (cause) {
    throw failed(path, cause);
  }
  return {
    write(entry) {
      if (descriptor === undefined) return;
      try {
        const line = encodeTraceEntry(entry);
        if (size + line.length > maxBytes) putAside();
        put(line);
      } catch (cause) {
        close();
        options.onFailure(failed(path, cause));
      }
    },
    close,
  };
}

/** A crash in the middle of a line: the new recording begins on a line of its own. */
function endsTorn(descriptor: number, size: number): boolean {
  if (size === 0) return false;
  const last = new Uint8Array(1);
  readSync(descriptor, last, 0, 1, size - 1);
  return last[0] !== 0x0a;
}

function failed(path: string, cause: unknown): AgentError {
  return new AgentError('FILE_FAILED', { file: path, why: errorOf(cause).message }, { cause });
}
