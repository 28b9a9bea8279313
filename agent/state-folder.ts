// What the state folder holds beside the journal: which device and card it belongs to, and what was learned of the modem.
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../base/bytes.ts';
import { errorOf, AgentError, isAgentError } from '../base/errors.ts';
import { type Eid, type Imei, parseEid, parseImei } from '../codec/ids.ts';
import type { CardMemory } from '../modem/card-lessons.ts';
import type { OpenSession } from '../modem/card-sessions.ts';
import type { ModemKey, ModemMemory } from '../modem/modem.ts';
import type { NetworkRecord } from './network-watch.ts';

export type DeviceRecord = { readonly eid: Eid; readonly imei: Imei };

/** What was learned of each modem that this device had, the one of now last. */
export type ModemRecords = readonly (ModemKey & ModemMemory)[];

const MAX_MODEMS = 8;

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

/** What is kept of a modem and cannot be read is left out: it only helps. */
export async function readModemRecords(folder: string): Promise<ModemRecords> {
  const held = (await readJson(join(folder, 'modem.json')))?.['modems'];
  return (Array.isArray(held) ? held : []).flatMap((each: unknown) => {
    const record = recordOf(each);
    const [imei, revision] = [record?.['imei'], record?.['revision']];
    if (record === undefined || typeof imei !== 'string' || typeof revision !== 'string') return [];
    return [
      {
        imei,
        revision,
        card: cardMemoryOf(recordOf(record['card'])),
        openSessions: openSessionsOf(record['openSessions']),
      },
    ];
  });
}

function cardMemoryOf(card: Readonly<Record<string, unknown>> | undefined): CardMemory {
  const flag = (name: 'keepLe' | 'lockCsim'): CardMemory =>
    typeof card?.[name] === 'boolean' ? { [name]: card[name] } : {};
  return {
    ...(isWay(card?.['way']) ? { way: card['way'] } : {}),
    ...(isDataLimit(card?.['maxCommandData']) ? { maxCommandData: card['maxCommandData'] } : {}),
    ...flag('keepLe'),
    ...flag('lockCsim'),
  };
}

function openSessionsOf(sessions: unknown): readonly OpenSession[] {
  return (Array.isArray(sessions) ? sessions : []).flatMap((session: unknown) => {
    const { way, id } = recordOf(session) ?? {};
    return isWay(way) && typeof id === 'string' && /^[0-9A-Za-z]{1,32}$/.test(id) ? [{ way, id }] : [];
  });
}

/** `records` with what is known of `who` now, at the end; of the others the last ones. */
export function withModem(records: ModemRecords, who: ModemKey, memory: ModemMemory): ModemRecords {
  return [...records.filter((record) => !isOf(record, who)), { ...who, ...memory }].slice(-MAX_MODEMS);
}

export function memoryOf(records: ModemRecords, who: ModemKey): ModemMemory {
  return records.find((record) => isOf(record, who)) ?? {};
}

function isOf(record: ModemKey, who: ModemKey): boolean {
  return record.imei === who.imei && record.revision === who.revision;
}

export function writeModemRecords(folder: string, modems: ModemRecords): Promise<void> {
  return writeWhole(join(folder, 'modem.json'), `${JSON.stringify({ modems })}\n`);
}

const MAX_BUNDLES = 64;

/** How often the load of an offline bundle was begun; 0 where nothing is known of it. */
export async function readBundleAttempts(folder: string, transactionId: Uint8Array): Promise<number> {
  const count = recordOf((await readJson(join(folder, 'bundles.json')))?.['begun'])?.[toHex(transactionId)];
  return typeof count === 'number' && Number.isInteger(count) && count > 0 ? count : 0;
}

export async function writeBundleAttempts(
  folder: string,
  transactionId: Uint8Array,
  count: number,
): Promise<void> {
  const held = recordOf((await readJson(join(folder, 'bundles.json')))?.['begun']) ?? {};
  const id = toHex(transactionId);
  const others = Object.entries(held).filter(([name]) => name !== id);
  const begun = Object.fromEntries([...others, [id, count]].slice(-MAX_BUNDLES));
  await writeWhole(join(folder, 'bundles.json'), `${JSON.stringify({ begun })}\n`);
}

/** What the card said to the bundle, for the operator. */
export function writeBundleAnswer(
  folder: string,
  transactionId: Uint8Array,
  answer: Uint8Array,
): Promise<void> {
  return writeWhole(join(folder, `bundle-${toHex(transactionId)}.answer`), answer);
}

/** What the card said when a bundle was loaded before; undefined where nothing is known of it. */
export function readBundleAnswer(folder: string, transactionId: Uint8Array): Promise<Uint8Array | undefined> {
  return readFile(join(folder, `bundle-${toHex(transactionId)}.answer`)).then(
    (octets) => new Uint8Array(octets),
    () => undefined,
  );
}

export function writeNetworkRecord(folder: string, record: NetworkRecord): Promise<void> {
  return writeWhole(join(folder, 'network.json'), `${JSON.stringify(record)}\n`);
}

/** Undefined when there is none, or none that can be read. */
export async function readNetworkRecord(folder: string): Promise<NetworkRecord | undefined> {
  const held = await readJson(join(folder, 'network.json'));
  const whole =
    typeof held?.['at'] === 'string' &&
    typeof held['registration'] === 'string' &&
    recordOf(held['signal']) !== undefined &&
    Array.isArray(held['contexts']) &&
    held['contexts'].every((context) => recordOf(context) !== undefined);
  return whole ? (held as NetworkRecord) : undefined;
}

/** A try of the PIN in the version of its file that was tried. */
export type PinRecord = { readonly file: string; readonly outcome: 'trying' | 'refused' };

/** The PIN of the SIM, or that of the certificate profile. */
export type PinName = 'pin' | 'certificate-pin';

export async function readPinRecord(folder: string, name: PinName = 'pin'): Promise<PinRecord | undefined> {
  const held = await readJson(join(folder, `${name}.json`));
  const [file, outcome] = [held?.['file'], held?.['outcome']];
  if (typeof file !== 'string' || (outcome !== 'trying' && outcome !== 'refused')) return undefined;
  return { file, outcome };
}

export function writePinRecord(
  folder: string,
  record: PinRecord | undefined,
  name: PinName = 'pin',
): Promise<void> {
  return writeWhole(join(folder, `${name}.json`), `${JSON.stringify(record ?? {})}\n`);
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
async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  try {
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(content);
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
