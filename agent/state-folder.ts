// What the state folder holds beside the journal: which device and card it belongs to, and what was learned of the modem.
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { errorOf, AgentError, isAgentError } from '../base/errors.ts';
import { type Eid, type Imei, parseEid, parseImei } from '../codec/ids.ts';
import type { CardMemory } from '../modem/card-lessons.ts';
import type { OpenSession } from '../modem/card-sessions.ts';

export type DeviceRecord = { readonly eid: Eid; readonly imei: Imei };

/** Ways and sessions on the modem, kept so that a new process starts where the last one ended. */
export type ModemRecord = { readonly card?: CardMemory; readonly openSessions?: readonly OpenSession[] };

export function journalPath(folder: string): string {
  return join(folder, 'journal');
}

export function transfersPath(folder: string): string {
  return join(folder, 'transfers');
}

/** Undefined when there is none, or none that can be read: it only helps. */
export async function readDeviceRecord(folder: string): Promise<DeviceRecord | undefined> {
  const held = await readJson(join(folder, 'device.json'));
  try {
    return { eid: parseEid(String(held?.['eid'])), imei: parseImei(String(held?.['imei'])) };
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

export function writeDeviceRecord(folder: string, record: DeviceRecord): Promise<void> {
  return writeWhole(join(folder, 'device.json'), `${JSON.stringify(record)}\n`);
}

export async function readModemRecord(folder: string): Promise<ModemRecord> {
  const held = await readJson(join(folder, 'modem.json'));
  const card = recordOf(held?.['card']);
  const sessions: unknown = held?.['openSessions'];
  return {
    card: {
      ...(isWay(card?.['way']) ? { way: card['way'] } : {}),
      ...(isDataLimit(card?.['maxCommandData']) ? { maxCommandData: card['maxCommandData'] } : {}),
    },
    openSessions: (Array.isArray(sessions) ? sessions : []).flatMap((session: unknown) => {
      const { way, id } = recordOf(session) ?? {};
      return isWay(way) && typeof id === 'string' && /^\d{1,3}$/.test(id) ? [{ way, id }] : [];
    }),
  };
}

export function writeModemRecord(folder: string, record: ModemRecord): Promise<void> {
  return writeWhole(join(folder, 'modem.json'), `${JSON.stringify(record)}\n`);
}

function isWay(value: unknown): value is 'cgla' | 'csim' {
  return value === 'cgla' || value === 'csim';
}

function isDataLimit(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 16 && value <= 255;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    return recordOf(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** The file is the old one or the new one, whatever the power does. */
async function writeWhole(path: string, text: string): Promise<void> {
  try {
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  } catch (thrown) {
    const error = errorOf(thrown);
    throw new AgentError('STATE_FAILED', { path, why: error.message }, { cause: thrown });
  }
}
