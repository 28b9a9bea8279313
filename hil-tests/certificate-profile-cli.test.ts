// The certificate profile at the command line: a card made with a PIN, read by the agent through a modem, decoded, and shown.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';

const program = (...path: readonly string[]): string => join(import.meta.dirname, '..', ...path, 'main.js');

function run(of: string, ...args: readonly string[]) {
  return spawnSync(process.execPath, [of, ...args], { encoding: 'utf8', timeout: 60_000 });
}

/** The address of a simulated modem with this card in it. */
async function modemWith(t: TestContext, card: string): Promise<string> {
  const args = [program('lab', 'modem-sim'), '--tcp', '127.0.0.1:0', '--card', card];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return line.replace(/^modem at /, '');
}

test('a card made with a PIN gives its certificate profile to who has the PIN file, and to nobody else', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-profile-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => join(folder, name);
  const [card, pin, out] = [at('a.card'), at('pin'), at('profile')];
  assert.equal(run(program('card'), 'issuer', at('pki')).status, 0);
  const made = run(
    program('card'),
    'create',
    card,
    '--issuer',
    at('pki'),
    '--certificate-profile-pin',
    pin,
    '--json',
  );
  assert.equal(made.status, 0, made.stderr);
  const digits = readFileSync(pin, 'utf8').trim();
  assert.match(digits, /^\d{6}$/);
  assert.equal(statSync(pin).mode & 0o077, 0);
  assert.ok((JSON.parse(made.stdout) as { readonly made: string[] }).made.includes(pin));

  const port = ['--port', await modemWith(t, card)];
  const read = (...args: readonly string[]) => run(program('agent'), 'certificate-profile', ...port, ...args);
  const closed = read();
  assert.deepEqual([closed.status, closed.stdout], [23, '']);
  assert.match(closed.stderr, /--pin-file/);
  writeFileSync(at('wrong'), digits === '111111' ? '222222' : '111111');
  const wrong = read('--pin-file', at('wrong'));
  assert.equal(wrong.status, 23);
  assert.match(wrong.stderr, /triesLeft 2/);
  assert.match(run(program('card'), 'info', card).stdout, /pin: 2 of 3 tries left/);
  const good = read('--pin-file', pin, '--challenge', '5A'.repeat(16), '--out', out);
  assert.equal(good.status, 0, good.stderr);
  assert.match(good.stdout, /^card OS {5}\S/m);
  assert.match(good.stdout, /^static key {2}Test ECASD, P-256/m);
  assert.match(good.stdout, /^signed {6}by the eUICC/m);
  assert.equal(read('--challenge', '5A').status, 2);

  const decoded = run(program('card'), 'decode', out);
  assert.equal(decoded.status, 0);
  for (const name of ['CertificateProfile', 'CertificateProfileProof', 'profileHash', 'platform']) {
    assert.ok(decoded.stdout.includes(name), name);
  }
  const shown = [made.stdout, made.stderr, closed.stderr, wrong.stderr, good.stdout, decoded.stdout];
  assert.equal(shown.join('').includes(digits), false);
});

test('a PIN file that holds none makes no card, and is named without what is in it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-profile-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => join(folder, name);
  assert.equal(run(program('card'), 'issuer', at('pki')).status, 0);
  writeFileSync(at('pin'), 'sesame');
  const made = run(
    program('card'),
    'create',
    at('a.card'),
    '--issuer',
    at('pki'),
    '--certificate-profile-pin',
    at('pin'),
  );
  assert.notEqual(made.status, 0);
  assert.match(made.stderr, /pin/);
  assert.doesNotMatch(made.stderr, /sesame/);
});
