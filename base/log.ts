// Log lines as JSON. Secrets are a type of their own that cannot be printed.
import type { Clock } from './clock.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error'];

/** A value that no log, dump or template can show. `reveal` is the only way to it. */
export class Secret<T> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  reveal(): T {
    return this.#value;
  }
  toString(): string {
    return '[secret]';
  }
  toJSON(): string {
    return '[secret]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

export type LogValue = string | number | boolean | null | undefined | Secret<unknown> | readonly LogValue[];
export type LogFields = Readonly<Record<string, LogValue>>;

/** Writes structured lines. `at` names the place, like `modem.at`. */
export type Log = {
  write(level: LogLevel, at: string, msg: string, fields?: LogFields): void;
};

export const silentLog: Log = { write: () => {} };

/** A log that hands one JSON line at a time to `out`. Lines below `level` are dropped. */
export function createLog(options: {
  readonly clock: Clock;
  readonly level: LogLevel;
  readonly out: (line: string) => void;
}): Log {
  const least = LEVELS.indexOf(options.level);
  return {
    write(level, at, msg, fields = {}) {
      if (LEVELS.indexOf(level) < least) return;
      const head = { t: new Date(options.clock.wall()).toISOString(), level, at, msg };
      // The head stands first and cannot be overwritten by a field of the same name.
      options.out(JSON.stringify({ ...head, ...fields, ...head }));
    },
  };
}
