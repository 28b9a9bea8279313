// The kinds of values a configuration key can hold: what each accepts, and what it says it expects.
import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';

/** One fault in one value: where (like `operators[1].name`), what was found, what is expected. */
export type Fault = { readonly path: string; readonly found: string; readonly expected: string };

/** Where a value stands: its path for faults, and the folder that relative paths in it start from. */
export type Place = { readonly path: string; readonly folder: string };

/** How a value is read from JSON or, as text, from the environment and the command line. */
export type Kind<T> = {
  /** The end of the sentence "expected …". */
  readonly expected: string;
  /** Answers the value, or hands each fault to `report` and answers undefined. */
  readonly read: (value: unknown, place: Place, report: (fault: Fault) => void) => T | undefined;
  /** Text to the JSON value it stands for. Text stands for itself where this is left out. */
  readonly fromText?: (text: string) => unknown;
};

/** The value a `Kind` stands for. */
export type KindValue<K> = K extends Kind<infer T> ? T : never;

/** Shows a found value in a fault, cut where it is long. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function simple<T>(expected: string, accept: (value: unknown, place: Place) => T | undefined): Kind<T> {
  return {
    expected,
    read(value, place, report) {
      const accepted = accept(value, place);
      if (accepted === undefined) report({ path: place.path, found: shown(value), expected });
      return accepted;
    },
  };
}

/** A whole number within limits, both included. */
export function integer(min: number, max: number): Kind<number> {
  return {
    ...simple(`an integer from ${min} to ${max}`, (value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
        ? value
        : undefined,
    ),
    fromText: (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text),
  };
}

/** One of a few words. */
export function choice<const W extends readonly string[]>(...words: W): Kind<W[number]> {
  return simple(`one of ${words.join(', ')}`, (value) => words.find((word) => word === value));
}

/** Text of 1 to `max` characters without control characters; `pattern` narrows it and `expected` says how. */
export function text(
  max: number,
  pattern?: RegExp,
  expected = `text of 1 to ${max} characters`,
): Kind<string> {
  return simple(expected, (value) =>
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= max &&
    !/\p{Cc}/u.test(value) &&
    pattern?.test(value) !== false
      ? value
      : undefined,
  );
}

/** A path, made absolute. Nothing needs to be there yet. */
export function path(what: string): Kind<string> {
  const kind = text(4096, undefined, `the path of ${what}`);
  return {
    ...kind,
    read(value, place, report) {
      const given = kind.read(value, place, report);
      return given === undefined || isAbsolute(given) ? given : resolve(place.folder, given);
    },
  };
}

/** The path of a serial port, made absolute; an address tcp://HOST:PORT, and a word without a slash (`auto`, or a name that udev gave), stand for themselves. */
export function serialPort(): Kind<string> {
  const expected = 'the path of a serial port, its name, tcp://HOST:PORT, or auto';
  const kind = path('a serial port');
  return {
    expected,
    read: (value, place, report) =>
      typeof value === 'string' && /^(?:[\w.:+-]{1,255}|tcp:\/\/[^\s/]+:\d{1,5})$/.test(value)
        ? value
        : kind.read(value, place, (fault) => report({ ...fault, expected })),
  };
}

/** The path of a file that is there and can be read. A `secret` one must be closed to others than its owner and group. */
export function file(what: string, options: { readonly secret?: true } = {}): Kind<string> {
  const kind = path(what);
  return {
    ...kind,
    read(value, place, report) {
      const at = kind.read(value, place, report);
      if (at === undefined) return undefined;
      const problem = fileProblem(at, options.secret === true);
      if (problem === undefined) return at;
      const expected = options.secret ? `${kind.expected}, closed to others (mode 0600)` : kind.expected;
      report({ path: place.path, found: `${shown(at)}, ${problem}`, expected });
      return undefined;
    },
  };
}

function fileProblem(at: string, secret: boolean): string | undefined {
  try {
    const stat = statSync(at);
    if (!stat.isFile()) return 'which is no file';
    accessSync(at, constants.R_OK);
    const open = secret && process.platform !== 'win32' && (stat.mode & 0o007) !== 0;
    return open ? `which others may use (mode 0${(stat.mode & 0o777).toString(8)})` : undefined;
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return missing ? 'which does not exist' : 'which cannot be read';
  }
}

/** The address of a server, with one of `protocols` (`mqtt:`) and without user name, password or path. */
export function serverUrl(...protocols: readonly string[]): Kind<string> {
  const forms = protocols.map((protocol) => `${protocol}//host:port`).join(' or ');
  const expected = `an address of the form ${forms}`;
  return {
    expected,
    read(value, { path: at }, report) {
      const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
      const known = url !== undefined && protocols.includes(url.protocol) && url.hostname !== '';
      if (known && url.username === '' && url.password === '') {
        if (/^\/?$/.test(url.pathname) && url.search === '' && url.hash === '') return String(value);
      }
      // What stands before an @ is a credential and must not reach a log.
      const found = typeof value === 'string' ? shown(value.replace(/^.*@/s, '…@')) : shown(value);
      report({ path: at, found, expected });
      return undefined;
    },
  };
}

/** A list of texts of one form. As text it is written as JSON. */
export function texts(max: number, each: Kind<string>): Kind<readonly string[]> {
  const expected = `a list of at most ${max}, each ${each.expected}`;
  return {
    expected,
    read(value, place, report) {
      if (!Array.isArray(value) || value.length > max) {
        report({ path: place.path, found: shown(value), expected });
        return undefined;
      }
      const items = value.map((item: unknown, i) =>
        each.read(item, { ...place, path: `${place.path}[${i}]` }, report),
      );
      const whole = items.filter((item) => item !== undefined);
      return whole.length === items.length ? whole : undefined;
    },
    fromText: jsonOrText,
  };
}

function jsonOrText(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}

/** A list of records, each with exactly the given fields. As text it is written as JSON. */
export function records<const F extends Readonly<Record<string, Kind<unknown>>>>(
  min: number,
  max: number,
  fields: F,
): Kind<readonly { readonly [N in keyof F]: KindValue<F[N]> }[]> {
  type Item = { readonly [N in keyof F]: KindValue<F[N]> };
  const names = Object.keys(fields);
  const expected = `a list of ${min} to ${max} records with ${names.join(', ')}`;
  const readItem = (value: unknown, place: Place, report: (fault: Fault) => void): Item | undefined => {
    if (!isRecord(value)) {
      report({ path: place.path, found: shown(value), expected: `a record with ${names.join(', ')}` });
      return undefined;
    }
    for (const name of Object.keys(value)) {
      if (Object.hasOwn(fields, name)) continue;
      report({ path: `${place.path}.${name}`, found: 'an unknown key', expected: names.join(', ') });
    }
    const item = Object.entries(fields).map(([name, kind]) => {
      const at = { ...place, path: `${place.path}.${name}` };
      return [name, kind.read(Object.hasOwn(value, name) ? value[name] : undefined, at, report)] as const;
    });
    return item.every(([, held]) => held !== undefined) ? (Object.fromEntries(item) as Item) : undefined;
  };
  return {
    expected,
    read(value, place, report) {
      if (!Array.isArray(value) || value.length < min || value.length > max) {
        report({ path: place.path, found: shown(value), expected });
        return undefined;
      }
      const items = value.map((item: unknown, i) =>
        readItem(item, { ...place, path: `${place.path}[${i}]` }, report),
      );
      const whole = items.filter((item) => item !== undefined);
      return whole.length === items.length ? whole : undefined;
    },
    fromText: jsonOrText,
  };
}

/** Whether a JSON value is a record of named values. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
