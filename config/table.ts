// One table per program says what it can be told: from it come the loading, the environment names, the example and the page.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { AgentError, errorOf } from '../base/errors.ts';
import { type Fault, isRecord, type Kind, shown } from './kinds.ts';

/** One key. Without `default` and `optional` it must be given. `example` is what the example file shows. */
export type Row<T> = {
  readonly kind: Kind<T>;
  readonly doc: string;
  readonly default?: T;
  readonly optional?: true;
  readonly example?: unknown;
};

export type Section = Readonly<Record<string, Row<unknown>>>;

export type Table = {
  /** The program's name in titles, and in upper case before its environment variables. */
  readonly program: string;
  /** Keys stand in sections (`modem.port`); a list of records is a key of its own (`operators`). */
  readonly keys: Readonly<Record<string, Section | Row<unknown>>>;
};

type RowValue<R> = R extends { readonly kind: Kind<infer T> } ? T : never;
type OptionalNames<S> = {
  [N in keyof S]: S[N] extends { readonly optional: true } ? N : never;
}[keyof S];
type SectionConfig<S> = { readonly [N in Exclude<keyof S, OptionalNames<S>>]: RowValue<S[N]> } & {
  readonly [N in OptionalNames<S>]?: RowValue<S[N]>;
};

/** The configuration that a table describes. */
export type Config<T extends Table> = {
  readonly [N in keyof T['keys']]: T['keys'][N] extends Row<unknown>
    ? RowValue<T['keys'][N]>
    : SectionConfig<T['keys'][N]>;
};

/** Where values come from; later ones win: defaults, file, environment, overrides. */
export type Sources = {
  /** A JSON file. Relative paths in it start from its folder, all others from the working folder. */
  readonly file?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Dotted keys with values as text, as a command line gives them. */
  readonly overrides?: Readonly<Record<string, string>>;
};

/** A rule between keys: `check` answers the faults it finds. It is asked when each of `keys` is right by itself. */
export type Rule<T extends Table> = {
  readonly keys: readonly string[];
  readonly check: (config: Config<T>) => readonly Fault[];
};

function isRow(entry: Section | Row<unknown>): entry is Row<unknown> {
  return 'kind' in entry && 'read' in entry['kind'];
}

/** Every key of a table with its dotted name and the name of its environment variable. */
export function tableRows(
  table: Table,
): { readonly key: string; readonly env: string; readonly row: Row<unknown> }[] {
  const named = (key: string, row: Row<unknown>) => ({ key, env: envName(table, key), row });
  return Object.entries(table.keys).flatMap(([name, entry]) =>
    isRow(entry)
      ? [named(name, entry)]
      : Object.entries(entry).map(([inner, row]) => named(`${name}.${inner}`, row)),
  );
}

/** `modem.baudRate` of `euicc-agent` is `EUICC_AGENT_MODEM_BAUD_RATE`. */
export function envName(table: Table, key: string): string {
  const words = `${table.program}.${key.replaceAll(/([a-z])([A-Z])/g, '$1_$2')}`;
  return words.replaceAll(/[.-]/g, '_').toUpperCase();
}

type Given = { readonly value: unknown; readonly from: string; readonly folder: string };

/**
 * Reads and checks a configuration. Throws `CONFIG_INVALID` with every fault in `faults`, a line each, naming the key,
 * what was found and what is expected. The result is frozen.
 */
export function loadConfig<T extends Table>(
  table: T,
  sources: Sources,
  rules: readonly Rule<T>[] = [],
): Config<T> {
  const faults: string[] = [];
  const rows = tableRows(table);
  const given = new Map<string, Given>();
  if (sources.file !== undefined) fromFile(table, resolve(sources.file), given, faults);
  fromEnv(table, sources.env ?? {}, given, faults);
  for (const [key, value] of Object.entries(sources.overrides ?? {})) {
    const row = rows.find((candidate) => candidate.key === key)?.row;
    if (row === undefined) faults.push(unknownKey(table, key, 'the command line'));
    else given.set(key, fromText(row, value, 'the command line'));
  }

  const config: Record<string, unknown> = {};
  const wrong = new Set<string>();
  for (const [name, entry] of Object.entries(table.keys)) if (!isRow(entry)) config[name] = {};
  for (const { key, env, row } of rows) {
    const before = faults.length;
    const value = readKey(key, env, row, given.get(key), faults);
    if (faults.length > before) wrong.add(key);
    if (value === undefined) continue;
    const [name, inner] = key.split('.');
    if (inner === undefined) config[key] = value;
    else (config[name ?? key] as Record<string, unknown>)[inner] = value;
  }
  const whole = config as Config<T>;
  for (const { keys, check } of rules) {
    if (keys.some((key) => wrong.has(key))) continue;
    for (const fault of check(whole)) faults.push(faultLine(fault, given.get(fault.path)?.from));
  }
  if (faults.length > 0) {
    throw new AgentError('CONFIG_INVALID', { file: sources.file, faults: `\n  ${faults.join('\n  ')}` });
  }
  return deepFreeze(whole);
}

function readKey(
  key: string,
  env: string,
  row: Row<unknown>,
  given: Given | undefined,
  faults: string[],
): unknown {
  if (given === undefined) {
    if (row.default === undefined && row.optional !== true) {
      faults.push(`${key}: is missing, expected ${row.kind.expected}; set it in the file or as ${env}`);
    }
    return row.default;
  }
  return row.kind.read(given.value, { path: key, folder: given.folder }, (fault) => {
    faults.push(faultLine(fault, given.from));
  });
}

function faultLine(fault: Fault, from: string | undefined): string {
  const origin = from === undefined ? '' : ` (from ${from})`;
  return `${fault.path}${origin}: found ${fault.found}, expected ${fault.expected}`;
}

function unknownKey(table: Table, key: string, from: string): string {
  const section = table.keys[key.split('.')[0] ?? ''];
  const inside = key.includes('.') && section !== undefined && !isRow(section);
  const known = Object.keys(inside ? section : table.keys).join(', ');
  return `${key} (from ${from}): is an unknown key, expected one of ${known}`;
}

function fromFile(table: Table, path: string, given: Map<string, Given>, faults: string[]): void {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    const why = errorOf(error);
    const readable = !('code' in why);
    faults.push(
      `${path}: ${readable ? `is not JSON (${why.message})` : `cannot be read (${String(why.code)})`}`,
    );
    return;
  }
  if (!isRecord(content)) {
    faults.push(`${path}: found ${shown(content)}, expected a record of sections`);
    return;
  }
  const folder = dirname(path);
  const take = (key: string, value: unknown): void =>
    void given.set(key, { value, from: 'the file', folder });
  for (const [name, value] of Object.entries(content)) {
    const entry = Object.hasOwn(table.keys, name) ? table.keys[name] : undefined;
    if (entry === undefined) faults.push(unknownKey(table, name, 'the file'));
    else if (isRow(entry)) take(name, value);
    else if (!isRecord(value)) {
      faults.push(
        `${name} (from the file): found ${shown(value)}, expected a section with ${Object.keys(entry).join(', ')}`,
      );
    } else {
      for (const [inner, innerValue] of Object.entries(value)) {
        if (Object.hasOwn(entry, inner)) take(`${name}.${inner}`, innerValue);
        else faults.push(unknownKey(table, `${name}.${inner}`, 'the file'));
      }
    }
  }
}

/** Variables that begin like a section but name no key are slips of the pen; others of the same prefix are left alone. */
function fromEnv(
  table: Table,
  env: Readonly<Record<string, string | undefined>>,
  given: Map<string, Given>,
  faults: string[],
): void {
  const rows = new Map(tableRows(table).map((row) => [row.env, row]));
  const sections = Object.keys(table.keys).map((name) => `${envName(table, name)}_`);
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    const known = rows.get(name);
    if (known !== undefined) given.set(known.key, fromText(known.row, value, name));
    else if (sections.some((section) => name.startsWith(section))) {
      const near = [...rows.keys()].filter((other) =>
        sections.some((s) => name.startsWith(s) && other.startsWith(s)),
      );
      faults.push(`${name}: is an unknown variable, expected one of ${near.join(', ')}`);
    }
  }
}

function fromText(row: Row<unknown>, text: string, from: string): Given {
  return { value: row.kind.fromText?.(text) ?? text, from, folder: process.cwd() };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
