// The lock of a file between processes: one holder, who is named, and none once it is gone.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { isAgentError } from '../base/errors.ts';
import { acquireProcessLock, holderOf } from './process-lock.ts';

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'lock-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function lockedBy(holder: RegExp) {
  return (thrown: unknown): boolean =>
    isAgentError(thrown, 'STORE_LOCKED') && holder.test(String(thrown.data['holder']));
}

/** Another process that takes the lock and keeps it until it is killed. */
async function otherProcess(path: string): Promise<ChildProcess> {
  const module = join(import.meta.dirname, 'process-lock.js');
  const text = `import { acquireProcessLock } from ${JSON.stringify(module)};
    await acquireProcessLock(process.argv[1], 'the other program');
    process.stdout.write('held'); process.stdin.resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

test('a second taker is refused and told who holds the lock, by whatever path it comes', async (t) => {
  const home = folder(t);
  const file = join(home, 'card');
  writeFileSync(file, '');
  symlinkSync(file, join(home, 'other-name'));
  const lock = await acquireProcessLock(file, 'first');
  const me = new RegExp(`^first, process ${process.pid}$`);
  await assert.rejects(acquireProcessLock(file, 'second'), lockedBy(me));
  await assert.rejects(acquireProcessLock(join(home, 'other-name'), 'second'), lockedBy(me));
  assert.match((await holderOf(file)) ?? '', me);
  await lock.release();
  assert.equal(await holderOf(file), undefined);
  await (await acquireProcessLock(file, 'second')).release();
});

test('files of one folder have locks of their own, also those with long names that begin alike', async (t) => {
  const home = folder(t);
  const long = 'a'.repeat(60);
  const locks = [
    await acquireProcessLock(join(home, `${long}1`), 'x'),
    await acquireProcessLock(join(home, `${long}2`), 'x'),
    await acquireProcessLock(join(home, 'b'), 'x'),
    await acquireProcessLock(home, 'x'),
  ];
  for (const lock of locks) await lock.release();
});

test('a killed process leaves no lock', async (t) => {
  const home = folder(t);
  mkdirSync(join(home, 'state'));
  const child = await otherProcess(join(home, 'state'));
  await assert.rejects(
    acquireProcessLock(join(home, 'state'), 'me'),
    lockedBy(new RegExp(`^the other program, process ${child.pid}$`)),
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await acquireProcessLock(join(home, 'state'), 'me')).release();
});

test('a path in no folder is named', async (t) => {
  const path = join(folder(t), 'missing', 'card');
  await assert.rejects(
    acquireProcessLock(path, 'me'),
    (thrown) => isAgentError(thrown, 'STATE_FAILED') && thrown.data['path'] === path,
  );
});
