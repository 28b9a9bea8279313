// The radio file of euicc-modem-sim: networks with their subscribers, and how coverage changes in time.
import { fromHex } from '../../base/bytes.ts';
import { AgentError, errorOf } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { type Imsi, parseImsi } from '../../codec/ids.ts';
import type { Subscriber, SubscriberStore } from '../../operator/mno/hlr.ts';
import type { Network } from '../radio-world.ts';

export type RadioFile = {
  readonly networks: readonly (Omit<Network, 'hlr'> & { readonly subscribers?: SubscriberStore })[];
  /** In order of time, from the start of the program. */
  readonly script: readonly { readonly atMs: number; readonly plmn: string; readonly coverage: boolean }[];
};

type Json = Readonly<Record<string, unknown>>;

const LONGEST_MS = 86_400_000;
const KEY_OCTETS = 16;

/** Reads the text of a radio file. Throws `CONFIG_INVALID` with the key and what was expected there. */
export function parseRadioFile(text: string): RadioFile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw invalid('the file', `JSON (${errorOf(cause).message})`);
  }
  const top = record(parsed, 'the file', ['networks', 'script']);
  const networks = list(top['networks'], 'networks').map(network);
  if (networks.length === 0) throw invalid('networks', 'at least one network');
  const plmns = new Set(networks.map(({ plmn }) => plmn));
  if (plmns.size < networks.length) throw invalid('networks', 'each plmn once');
  const script = (top['script'] === undefined ? [] : list(top['script'], 'script')).map((each, n) => {
    const at = `script[${n}]`;
    const step = record(each, at, ['atMs', 'plmn', 'coverage']);
    const plmn = formed(step['plmn'], `${at}.plmn`, /^\d{5,6}$/, '5 or 6 digits');
    if (!plmns.has(plmn)) throw invalid(`${at}.plmn`, 'a network of this file');
    return {
      atMs: whole(step['atMs'], `${at}.atMs`, LONGEST_MS),
      plmn,
      coverage: flag(step['coverage'], `${at}.coverage`),
    };
  });
  return { networks, script: script.toSorted((a, b) => a.atMs - b.atMs) };
}

function network(value: unknown, n: number): RadioFile['networks'][number] {
  const at = `networks[${n}]`;
  const row = record(value, at, ['plmn', 'name', 'coverage', 'barred', 'roaming', 'attachMs', 'subscribers']);
  const { roaming } = row;
  if (roaming !== undefined && roaming !== 'accepted' && roaming !== 'refused') {
    throw invalid(`${at}.roaming`, 'accepted or refused');
  }
  const plmn = formed(row['plmn'], `${at}.plmn`, /^\d{5,6}$/, '5 or 6 digits');
  return {
    plmn,
    name: row['name'] === undefined ? plmn : formed(row['name'], `${at}.name`, /^[^"\r\n]{1,32}$/, 'text'),
    covered: row['coverage'] === undefined || flag(row['coverage'], `${at}.coverage`),
    barred: row['barred'] !== undefined && flag(row['barred'], `${at}.barred`),
    ...(roaming === undefined ? {} : { roaming }),
    ...(row['attachMs'] === undefined
      ? {}
      : { attachMs: whole(row['attachMs'], `${at}.attachMs`, LONGEST_MS) }),
    ...(row['subscribers'] === undefined
      ? {}
      : { subscribers: createSubscribers(list(row['subscribers'], `${at}.subscribers`), at) }),
  };
}

function createSubscribers(rows: readonly unknown[], at: string): SubscriberStore {
  const held = new Map<Imsi, Subscriber>();
  for (const [n, value] of rows.entries()) {
    const here = `${at}.subscribers[${n}]`;
    const row = record(value, here, ['imsi', 'k', 'opc', 'sqn', 'active']);
    const digits = formed(row['imsi'], `${here}.imsi`, /^\d{6,15}$/, '6 to 15 digits');
    const imsi = parseImsi(digits);
    held.set(imsi, {
      imsi,
      k: key(row['k'], `${here}.k`),
      opc: key(row['opc'], `${here}.opc`),
      sqn: row['sqn'] === undefined ? 0 : whole(row['sqn'], `${here}.sqn`, 2 ** 48 - 1),
      active: row['active'] === undefined || flag(row['active'], `${here}.active`),
    });
  }
  return {
    findSubscriber: (imsi) => Promise.resolve(held.get(imsi)),
    saveSqn(imsi, sqn) {
      const subscriber = held.get(imsi);
      if (subscriber !== undefined) held.set(imsi, { ...subscriber, sqn });
      return Promise.resolve();
    },
  };
}

function key(value: unknown, at: string): Secret<Uint8Array> {
  return new Secret(fromHex(formed(value, at, /^[0-9A-Fa-f]{32}$/, `${KEY_OCTETS} octets as hex`)));
}

function record(value: unknown, at: string, keys: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(at, 'an object');
  const unknown = Object.keys(value).find((name) => !keys.includes(name));
  if (unknown !== undefined) throw invalid(`${at}.${unknown}`, `one of ${keys.join(', ')}`);
  return value as Json;
}

function list(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(at, 'a list');
  return value as readonly unknown[];
}

function formed(value: unknown, at: string, form: RegExp, expected: string): string {
  if (typeof value !== 'string' || !form.test(value)) throw invalid(at, expected);
  return value;
}

function flag(value: unknown, at: string): boolean {
  if (typeof value !== 'boolean') throw invalid(at, 'true or false');
  return value;
}

function whole(value: unknown, at: string, most: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > most) {
    throw invalid(at, `an integer from 0 to ${most}`);
  }
  return value;
}

function invalid(key: string, expected: string): AgentError {
  return new AgentError('CONFIG_INVALID', { key, expected });
}
