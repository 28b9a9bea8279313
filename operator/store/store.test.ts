import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import Database from 'libsql';
import { isAgentError, type ErrorCode } from '../../base/errors.ts';
import { completeEid } from '../../codec/ids.ts';
import { compareAndSet, openStore, type Store, type Tx } from './store.ts';
import type { ProcedureTable } from './tables.ts';

const EID = completeEid('890490320012345678901234567890');

function scratchFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'operator.db');
}

async function memoryStore(t: TestContext): Promise<Store> {
  const store = await openStore({ url: 'sqlite::memory:' });
  t.after(() => store.close());
  return store;
}

function procedure(id: string): ProcedureTable {
  return {
    owner: 'mno-a',
    id,
    eid: EID,
    kind: 'provisioning',
    family: 'C',
    state: 'authenticating',
    data: Uint8Array.of(0, 1, 255),
    ver: 1,
    createdAt: 1_800_000_000_000,
    updatedAt: 1_800_000_000_000,
  };
}

const insert = (id: string) => (tx: Tx) => tx.insertInto('procedures').values(procedure(id)).execute();
const set = (id: string, ver: number) => (tx: Tx) =>
  compareAndSet(tx, 'procedures', { owner: 'mno-a', id }, ver, { state: 'completed' });
const ids = async (store: Store): Promise<string[]> => {
  const rows = await store.read((reader) =>
    reader.selectFrom('procedures').select('id').orderBy('id').execute(),
  );
  return rows.map((row) => row.id);
};
const code = (expected: ErrorCode) => (thrown: unknown) => isAgentError(thrown, expected);

test('what a step stored is there after the file was closed and opened again, octets as octets', async (t) => {
  const file = scratchFile(t);
  const first = await openStore({ url: `sqlite:${file}` });
  await first.transaction(insert('01'));
  await first.close();
  const second = await openStore({ url: `sqlite:${file}` });
  t.after(() => second.close());
  const row = await second.read((reader) =>
    reader.selectFrom('procedures').selectAll().executeTakeFirstOrThrow(),
  );
  assert.deepEqual({ ...row }, procedure('01'));
  assert.ok(row.data instanceof Uint8Array);
});

test('a closed database is one file that can be copied', async (t) => {
  const file = scratchFile(t);
  const store = await openStore({ url: `sqlite:${file}` });
  await store.transaction(insert('01'));
  await store.close();
  copyFileSync(file, `${file}.copy`);
  const copy = await openStore({ url: `sqlite:${file}.copy` });
  t.after(() => copy.close());
  assert.deepEqual(await ids(copy), ['01']);
});

test('the file is made for its owner alone', async (t) => {
  const file = scratchFile(t);
  const store = await openStore({ url: `sqlite:${file}` });
  t.after(() => store.close());
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('the write-ahead log and full synchronisation are on', async (t) => {
  const file = scratchFile(t);
  const store = await openStore({ url: `sqlite:${file}` });
  t.after(() => store.close());
  const other = new Database(file);
  t.after(() => other.close());
  assert.deepEqual(other.pragma('journal_mode'), [{ journal_mode: 'wal' }]);
});

test('a step that throws leaves nothing behind, and its error comes out unchanged', async (t) => {
  const store = await memoryStore(t);
  await store.transaction(insert('01'));
  const failure = new Error('in the middle');
  await assert.rejects(
    store.transaction(async (tx) => {
      await insert('02')(tx);
      throw failure;
    }),
    (thrown) => thrown === failure,
  );
  assert.deepEqual(await ids(store), ['01']);
  await store.transaction(insert('03'));
  assert.deepEqual(await ids(store), ['01', '03']);
});

test('steps that were begun together run one after the other', async (t) => {
  const store = await memoryStore(t);
  await store.transaction(insert('01'));
  const add = () =>
    store.transaction(async (tx) => {
      const { ver } = await tx.selectFrom('procedures').select('ver').executeTakeFirstOrThrow();
      await new Promise((resolve) => setImmediate(resolve));
      await compareAndSet(tx, 'procedures', { owner: 'mno-a', id: '01' }, ver, { state: `step ${ver}` });
    });
  await Promise.all([add(), add(), add()]);
  const row = await store.read((reader) =>
    reader.selectFrom('procedures').selectAll().executeTakeFirstOrThrow(),
  );
  assert.equal(row.ver, 4);
  assert.equal(row.state, 'step 3');
});

test('compare-and-set changes one row of the right version and refuses any other', async (t) => {
  const store = await memoryStore(t);
  await store.transaction(insert('01'));
  await store.transaction(insert('02'));
  await store.transaction(set('01', 1));
  await assert.rejects(store.transaction(set('01', 1)), code('CONFLICT'));
  await assert.rejects(store.transaction(set('03', 1)), code('CONFLICT'));
  const rows = await store.read((reader) =>
    reader.selectFrom('procedures').select(['id', 'state', 'ver']).orderBy('id').execute(),
  );
  assert.deepEqual(rows, [
    { id: '01', state: 'completed', ver: 2 },
    { id: '02', state: 'authenticating', ver: 1 },
  ]);
});

test('a step inside a step is an error at once and no wait without end', async (t) => {
  const store = await memoryStore(t);
  await assert.rejects(
    store.transaction(() => store.transaction(insert('01'))),
    code('INTERNAL'),
  );
  await assert.rejects(
    store.transaction(() => store.read(() => Promise.resolve())),
    code('INTERNAL'),
  );
  await store.transaction(insert('02'));
  assert.deepEqual(await ids(store), ['02']);
});

test('work that a step left running may open a step of its own later', async (t) => {
  const store = await memoryStore(t);
  let later: Promise<unknown> = Promise.resolve();
  await store.transaction(async () => {
    later = new Promise<void>((resolve) => setImmediate(resolve)).then(() => store.transaction(insert('01')));
    return Promise.resolve();
  });
  await later;
  assert.deepEqual(await ids(store), ['01']);
});

test('the same key twice is a conflict', async (t) => {
  const store = await memoryStore(t);
  await store.transaction(insert('01'));
  await assert.rejects(store.transaction(insert('01')), code('CONFLICT'));
  await store.transaction(async (tx) => {
    await assert.rejects(insert('01')(tx));
    await insert('02')(tx);
  });
  assert.deepEqual(await ids(store), ['01', '02']);
});

test('a value that the database cannot hold is refused before the driver sees it', async (t) => {
  const store = await memoryStore(t);
  for (const bad of [true, undefined, { a: 1 }, Number.NaN]) {
    await assert.rejects(
      store.transaction((tx) =>
        tx
          .insertInto('procedures')
          .values({ ...procedure('01'), state: bad as never })
          .execute(),
      ),
      (thrown) => isAgentError(thrown, 'INTERNAL', 'STORE_FAILED'),
    );
  }
  await assert.rejects(
    store.transaction((tx) =>
      tx
        .insertInto('procedures')
        .values({ ...procedure('01'), createdAt: 'yesterday' as never })
        .execute(),
    ),
    code('STORE_FAILED'),
  );
  assert.deepEqual(await ids(store), []);
});

test('a database that another process is writing to is reported as locked', async (t) => {
  const file = scratchFile(t);
  const store = await openStore({ url: `sqlite:${file}`, busyTimeoutMs: 20 });
  t.after(() => store.close());
  const other = new Database(file);
  t.after(() => other.close());
  other.exec('begin immediate');
  await assert.rejects(store.transaction(insert('01')), code('STORE_LOCKED'));
  other.exec('rollback');
  await store.transaction(insert('01'));
  assert.deepEqual(await ids(store), ['01']);
});

test('a file that is no database, a folder that is missing and a strange URL are each named', async (t) => {
  const file = scratchFile(t);
  writeFileSync(file, 'not a database, and long enough to be looked at '.repeat(40));
  await assert.rejects(openStore({ url: `sqlite:${file}` }), code('STORE_CORRUPT'));
  await assert.rejects(openStore({ url: `sqlite:${file}.missing/x.db` }), code('STORE_FAILED'));
  await assert.rejects(openStore({ url: 'mysql://localhost/x' }), code('CONFIG_INVALID'));
});

test('a database of a newer program is not touched', async (t) => {
  const file = scratchFile(t);
  await (await openStore({ url: `sqlite:${file}` })).close();
  const other = new Database(file);
  other.exec(`insert into kysely_migration (name, timestamp) values ('9999-future', '2030-01-01')`);
  other.close();
  await assert.rejects(
    openStore({ url: `sqlite:${file}` }),
    (thrown) => isAgentError(thrown, 'STORE_VERSION') && thrown.data['migration'] === '9999-future',
  );
});
