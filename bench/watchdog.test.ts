// Threads that are stuck, and threads that move.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const WATCHDOG = pathToFileURL(join(import.meta.dirname, 'watchdog.js')).href;

/** Runs a program with a watchdog `dog` of 300 ms. */
function run(body: string): Promise<{ readonly signal: string | null; readonly said: string }> {
  const source = `import { openWatchdog } from ${JSON.stringify(WATCHDOG)}; const dog = openWatchdog(300, 'life'); ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    timeout: 30_000,
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (said += text));
  return new Promise((resolve) => child.on('close', (_code, signal) => resolve({ signal, said })));
}

test('a thread that is stuck is ended, and said where', async () => {
  const { signal, said } = await run('dog.beat(7); for (;;);');
  assert.equal(signal, 'SIGKILL');
  assert.match(said, /^life 7: no end within 300 ms/);
});

test('a run that moves lives, and ends by itself', async () => {
  const moving =
    'for (let n = 0; n < 20; n++) { dog.beat(n); await new Promise((r) => setTimeout(r, 50)); } await dog.close();';
  assert.deepEqual(await run(moving), { signal: null, said: '' });
});
