// The operator's state in SQL: opened by URL, changed only inside a transaction. SQLite (libsql) with WAL and synchronous=FULL.
import { AsyncLocalStorage } from 'node:async_hooks';
import { closeSync, openSync } from 'node:fs';
import {
  CamelCasePlugin,
  Kysely,
  type KyselyPlugin,
  Migrator,
  type SqliteDatabase,
  SqliteDialect,
  type Transaction,
} from 'kysely';
import Database from 'libsql';
import { AgentError, errorOf } from '../../base/errors.ts';
import { MIGRATIONS } from './migrations.ts';
import type { Tables } from './tables.ts';

/** What a step changes the database through. Ends with the step. */
export type Tx = Transaction<Tables>;
/** Enough for a query; a `Tx` is one too. */
export type Reader = Pick<Kysely<Tables>, 'selectFrom'>;

export type Store = {
  /**
   * Runs one step: all of its changes or none. A constraint that fails is `CONFLICT`, a database that another process holds
   * `STORE_LOCKED`, a damaged file `STORE_CORRUPT`. A step inside a step is a fault of the program (`INTERNAL`), not a wait without end.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Queries without a transaction of their own. */
  read<T>(work: (reader: Reader) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

const BUSY_TIMEOUT_MS = 2000;

/**
 * Opens `sqlite:FILE` or `sqlite::memory:` and brings its tables up to date. Throws `CONFIG_INVALID` for another URL,
 * `STORE_VERSION` for a database of a newer program, `STORE_CORRUPT`, `STORE_LOCKED` and `STORE_FAILED`.
 */
export async function openStore(options: {
  readonly url: string;
  /** How long a step waits for another process's. */
  readonly busyTimeoutMs?: number;
}): Promise<Store> {
  const path = /^sqlite:(.+)$/.exec(options.url)?.[1];
  if (path === undefined) {
    throw new AgentError('CONFIG_INVALID', { key: 'url', value: options.url, expected: 'sqlite:FILE' });
  }
  const database = guarded(path, () => openDatabase(path, options.busyTimeoutMs ?? BUSY_TIMEOUT_MS));
  const db = new Kysely<Tables>({
    dialect: immediateSqlite(database),
    plugins: [octetsPlugin, new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  });
  const inStep = new AsyncLocalStorage<{ active: boolean }>();
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    if (inStep.getStore()?.active === true) {
      throw new AgentError('INTERNAL', { why: 'a database step inside a database step' });
    }
    const token = { active: true };
    try {
      return await inStep.run(token, work);
    } catch (thrown) {
      throw storeError(path, thrown);
    } finally {
      token.active = false;
    }
  };
  const store: Store = {
    transaction: (work) => step(() => db.transaction().execute(work)),
    read: (work) => step(() => work(db)),
    async close() {
      await db.destroy();
      // The context of steps costs every promise of the process something while it is in use.
      inStep.disable();
    },
  };
  try {
    await step(() => migrate(db));
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
  return store;
}

/**
 * Changes the one row that `key` names if it still has version `ver`, and counts the version up; otherwise `CONFLICT`.
 * `changes` are columns of the table.
 */
export async function compareAndSet<T extends VersionedTable>(
  tx: Tx,
  table: T,
  key: Readonly<Partial<Tables[T]>>,
  ver: number,
  changes: Readonly<Partial<Tables[T]>>,
): Promise<void> {
  // The builder's types cannot follow a table that is a parameter; the parameters above are checked against the table instead.
  let update = (tx as unknown as Kysely<{ table: Record<string, unknown> }>)
    .updateTable(table as unknown as 'table')
    .set({ ...changes, ver: ver + 1 })
    .where('ver', '=', ver);
  for (const [column, value] of Object.entries(key)) update = update.where(column, '=', value);
  const { numUpdatedRows } = await update.executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new AgentError('CONFLICT', { table, ver, rows: Number(numUpdatedRows) });
}

type VersionedTable = { [T in keyof Tables]: Tables[T] extends { ver: number } ? T : never }[keyof Tables];

async function migrate(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) },
  });
  const known = new Set(Object.keys(MIGRATIONS));
  const applied = await appliedMigrations(db);
  const unknown = applied.find((name) => !known.has(name));
  if (unknown !== undefined) throw new AgentError('STORE_VERSION', { migration: unknown });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw errorOf(error);
}

async function appliedMigrations(db: Kysely<Tables>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some((table) => table.name === 'kysely_migration')) return [];
  const rows = await (db as unknown as Kysely<{ kysely_migration: { name: string } }>)
    .selectFrom('kysely_migration')
    .select('name')
    .execute();
  return rows.map((row) => row.name);
}

function openDatabase(path: string, busyTimeoutMs: number): ControlledDatabase {
  // SQLite creates its file with the process's mask; keys inside are sealed, and still nobody else needs to read it.
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
  const database = new Database(path);
  try {
    database.pragma(`busy_timeout=${busyTimeoutMs}`);
    database.pragma('journal_mode=WAL');
    database.pragma('synchronous=FULL');
  } catch (thrown) {
    database.close();
    throw thrown;
  }
  return {
    exec: (sql) => void database.exec(sql),
    close() {
      // The driver's own close leaves the log beside the file: a copy of the file alone would lack the last steps.
      database.pragma('wal_checkpoint(TRUNCATE)');
      database.close();
    },
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        reader: statement.reader,
        all: (values) => statement.all(values.map(bindable)),
        run: (values) => statement.run(values.map(bindable)),
        iterate: (values) => statement.iterate(values.map(bindable)),
      };
    },
  };
}

/** The driver ends the process on a type that it does not know, so a wrong one stops here. */
function bindable(value: unknown): unknown {
  if (value === null || typeof value === 'string' || value instanceof Uint8Array) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new AgentError('INTERNAL', { why: `a ${typeof value} cannot be a value of the database` });
}

/**
 * A step takes the write lock at once: one that reads first and writes later cannot lose a race with another process. Its ends are
 * run by `exec`, because a prepared statement that fails stays in progress with this driver and would block every later commit.
 */
function immediateSqlite(database: ControlledDatabase): SqliteDialect {
  const dialect = new SqliteDialect({ database });
  const createDriver = dialect.createDriver.bind(dialect);
  const control = (sql: string) => () => {
    database.exec(sql);
    return Promise.resolve();
  };
  dialect.createDriver = () => {
    const driver = createDriver();
    driver.beginTransaction = control('begin immediate');
    driver.commitTransaction = control('commit');
    driver.rollbackTransaction = control('rollback');
    return driver;
  };
  return dialect;
}

type ControlledDatabase = SqliteDatabase & { readonly exec: (sql: string) => void };

/** Octets leave as Uint8Array, whatever the driver's own class is. */
const octetsPlugin: KyselyPlugin = {
  transformQuery: ({ node }) => node,
  transformResult: ({ result }) => {
    const rows = result.rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([column, value]) => [
          column,
          value instanceof ArrayBuffer ? new Uint8Array(value) : value,
        ]),
      ),
    );
    return Promise.resolve({ ...result, rows });
  },
};

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw storeError(path, thrown);
  }
}

function storeError(path: string, thrown: unknown): Error {
  const error = errorOf(thrown);
  if (error instanceof AgentError) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const data = { file: path, code };
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return new AgentError('STORE_LOCKED', data, { cause: error });
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code)) return new AgentError('STORE_CORRUPT', data, { cause: error });
  if (/^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)/.test(code))
    return new AgentError('CONFLICT', data, { cause: error });
  if (/^((?:UNKNOWN_)?SQLITE_|E[A-Z]+$)/.test(code) || error.message.startsWith('ConnectionFailed')) {
    return new AgentError('STORE_FAILED', { ...data, why: error.message }, { cause: error });
  }
  return error;
}
