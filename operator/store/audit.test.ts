import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import Database from 'libsql';
import { isAgentError } from '../../base/errors.ts';
import { appendAudit, type AuditVerdict, verifyAudit } from './audit.ts';
import { openStore, type Store } from './store.ts';

const ROWS = 600;

const folder = mkdtempSync(join(tmpdir(), 'audit-'));
after(() => rmSync(folder, { recursive: true }));
const template = join(folder, 'template.db');

/** A log of two owners, longer than one page of the verification. */
before(async () => {
  const store = await openStore({ url: `sqlite:${template}` });
  await store.transaction(async (tx) => {
    for (let i = 1; i <= ROWS; i++) {
      const entry = {
        owner: 'smsr',
        actor: 'mno-a',
        action: 'enableProfile',
        subject: `eid ${i}`,
        details: { i },
      };
      await appendAudit(tx, entry, 1000 + i);
    }
    await appendAudit(tx, { owner: 'mno-a', actor: 'lab', action: 'start', subject: '' }, 1);
  });
  await store.close();
});

let copies = 0;

/** The log, and a way to change it behind the program's back. */
async function auditedStore(t: TestContext) {
  const file = join(folder, `copy${++copies}.db`);
  copyFileSync(template, file);
  const store = await openStore({ url: `sqlite:${file}` });
  t.after(() => store.close());
  const tamper = (sql: string): void => {
    const database = new Database(file);
    database.exec(`drop trigger audit_no_update; drop trigger audit_no_delete; ${sql}`);
    database.close();
  };
  return { store, tamper };
}

const verdict = (store: Store, owner = 'smsr', expectedHead?: Uint8Array): Promise<AuditVerdict> =>
  store.read((reader) => verifyAudit(reader, owner, expectedHead === undefined ? {} : { expectedHead }));

test('an untouched log verifies, each owner by itself, and goes on after that', async (t) => {
  const { store } = await auditedStore(t);
  const first = await verdict(store);
  assert.ok(first.ok);
  assert.equal(first.rows, ROWS);
  const other = await verdict(store, 'mno-a');
  assert.ok(other.ok && other.rows === 1);
  const empty = await verdict(store, 'nobody');
  assert.ok(empty.ok && empty.rows === 0);
  await store.transaction((tx) =>
    appendAudit(tx, { owner: 'smsr', actor: 'x', action: 'y', subject: 'z' }, 5000),
  );
  const second = await verdict(store, 'smsr', first.head);
  assert.ok(second.ok && second.rows === ROWS + 1);
});

test('the database itself refuses to change or delete a row', async (t) => {
  const { store } = await auditedStore(t);
  const refused = (thrown: unknown): boolean =>
    isAgentError(thrown, 'STORE_FAILED') && /append-only/.test(thrown.message);
  await assert.rejects(
    store.transaction((tx) => tx.updateTable('audit').set({ actor: 'nobody' }).execute()),
    refused,
  );
  await assert.rejects(
    store.transaction((tx) => tx.deleteFrom('audit').execute()),
    refused,
  );
});

for (const column of ['at', 'actor', 'action', 'subject', 'details'] as const) {
  test(`a changed ${column} is found in its row`, async (t) => {
    const { store, tamper } = await auditedStore(t);
    tamper(
      `update audit set ${column} = ${column === 'at' ? '7' : `'x'`} where owner = 'smsr' and seq = 501`,
    );
    assert.deepEqual(await verdict(store), { ok: false, seq: 501, why: 'its content was changed' });
    assert.ok((await verdict(store, 'mno-a')).ok);
  });
}

test('a missing row is named', async (t) => {
  const { store, tamper } = await auditedStore(t);
  tamper(`delete from audit where owner = 'smsr' and seq = 3`);
  assert.deepEqual(await verdict(store), { ok: false, seq: 3, why: 'the row is missing' });
});

test('rows cut off at the end are found with the head of an earlier verdict', async (t) => {
  const { store, tamper } = await auditedStore(t);
  const first = await verdict(store);
  assert.ok(first.ok);
  tamper(`delete from audit where owner = 'smsr' and seq > 590`);
  const cut = await verdict(store);
  assert.ok(cut.ok && cut.rows === 590);
  assert.deepEqual(await verdict(store, 'smsr', first.head), {
    ok: false,
    seq: 591,
    why: 'rows at the end are missing',
  });
});

test('a row replaced together with its own hash breaks the row after it', async (t) => {
  const { store, tamper } = await auditedStore(t);
  const forged = await openStore({ url: 'sqlite::memory:' });
  t.after(() => forged.close());
  const hash = await forged.transaction(async (tx) => {
    await appendAudit(tx, { owner: 'smsr', actor: 'mallory', action: 'nothing', subject: '' }, 1001);
    return (await tx.selectFrom('audit').select('hash').executeTakeFirstOrThrow()).hash;
  });
  const hex = [...hash].map((octet) => octet.toString(16).padStart(2, '0')).join('');
  tamper(
    `update audit set actor = 'mallory', action = 'nothing', subject = '', details = '{}', hash = x'${hex}' where owner = 'smsr' and seq = 1`,
  );
  assert.deepEqual(await verdict(store), { ok: false, seq: 2, why: 'it does not follow the row before' });
});
