// One process for one physical card: its channels are shared by all ports of the modem and by whatever reads it beside.
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentError, type ErrorData, isAgentError } from '../base/errors.ts';
import type { Eid, Imei } from '../codec/ids.ts';
import { acquireProcessLock, type ProcessLock } from '../config/process-lock.ts';

/** Simulated modems are behind pseudo terminals, and simulated cards with one EID may be many: theirs is no physical card. */
export async function isPhysicalPort(port: string): Promise<boolean> {
  const device = await realpath(port).catch(() => port);
  return !device.startsWith('/dev/pts/');
}

/** Takes the lock of the card with this EID on this machine. Throws `CARD_LOCKED` with the holder. */
export function acquireCardLock(eid: Eid): Promise<ProcessLock> {
  return acquire(`card-${eid}`, { eid });
}

/**
 * Takes the lock of the card in the modem with this IMEI: known before anything is asked of the card, so that a second program
 * on another port of the same modem closes no channel of the first. Throws `CARD_LOCKED` with the holder.
 */
export function acquireModemLock(imei: Imei): Promise<ProcessLock> {
  return acquire(`modem-${imei}`, { imei });
}

async function acquire(name: string, what: ErrorData): Promise<ProcessLock> {
  // The name of the lock is made from a folder that every process sees; no file comes into being on Linux.
  const folder = process.platform === 'linux' ? '/' : tmpdir();
  try {
    return await acquireProcessLock(join(folder, name), 'euicc-agent');
  } catch (error) {
    if (!isAgentError(error, 'STORE_LOCKED')) throw error;
    throw new AgentError('CARD_LOCKED', { ...what, holder: error.data['holder'] }, { cause: error });
  }
}
