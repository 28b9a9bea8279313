// One agent for one state folder.
import { mkdir } from 'node:fs/promises';
import { AgentError, errorOf } from '../base/errors.ts';
import { acquireProcessLock, holderOf, type ProcessLock } from '../config/process-lock.ts';

/** Makes the folder where it is missing and takes its lock. Throws `STORE_LOCKED`, or `STATE_FAILED` when the folder cannot be used. */
export async function acquireStateLock(folder: string): Promise<ProcessLock> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    const error = errorOf(thrown);
    const why = 'code' in error ? String(error.code) : error.message;
    throw new AgentError('STATE_FAILED', { path: folder, why }, { cause: thrown });
  }
  return acquireProcessLock(folder, 'euicc-agent');
}

/** Whether an agent works with this folder now. */
export async function isStateLocked(folder: string): Promise<boolean> {
  return (await holderOf(folder).catch(() => undefined)) !== undefined;
}
