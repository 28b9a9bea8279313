// `npm run hil` as a program: its targets, files, signals and exit codes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { realClock, sleep } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { openLineAt } from '../agent/modem-port.ts';
import { parseModemTrace } from '../codec/modem-trace.ts';
import { hilPage } from './hil-html.ts';
import { junitXml } from './hil-junit.ts';
import type { HilReport } from './hil-run.ts';
import { replayTrace } from './hil-traces.ts';

const PROGRAM = join(import.meta.dirname, 'hil.js');
const SIM = join(import.meta.dirname, '..', 'lab', 'modem-sim', 'main.js');

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'hil-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function start(t: TestContext, program: string, args: readonly string[], cwd: string) {
  const child = spawn(process.execPath, [program, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const said = { stdout: '', stderr: '' };
  const lines = createInterface(child.stdout).on('line', (line) => (said.stdout += `${line}\n`));
  child.stderr.on('data', (data) => (said.stderr += String(data)));
  const exited = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
  return { child, lines, exited };
}

async function hil(t: TestContext, cwd: string, ...args: string[]) {
  return start(t, PROGRAM, args, cwd).exited;
}

/** The nesting of a document that keeps the rules of XML; throws for one that does not. */
function elementsOf(xml: string): readonly string[] {
  const open: string[] = [];
  const seen: string[] = [];
  // eslint-disable-next-line no-control-regex -- these are what XML 1.0 rules out
  assert.doesNotMatch(xml, /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/);
  const tokens = xml
    .replace(/^<\?xml[^?]*\?>/, '')
    .matchAll(/<(\/?)([\w-]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>|([^<]+)|</g);
  for (const [token, end, name, attributes = '', empty, text = ''] of tokens) {
    assert.notEqual(token, '<', 'a tag is well-formed');
    assert.doesNotMatch(attributes + text, /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-f]+);)/i);
    if (name === undefined) continue;
    if (end === '/') assert.equal(open.pop(), name);
    else {
      seen.push([...open, name].join('/'));
      if (empty !== '/') open.push(name);
    }
  }
  assert.deepEqual(open, []);
  return seen;
}

test('over a serial port, with changes, it writes a report, and the trace that it keeps plays again', async (t) => {
  const cwd = folder(t);
  const args = [
    'pty',
    '--personality',
    'quectel-eg25',
    '--write',
    'nickname',
    '--redact-ids',
    '--keep',
    'kept',
  ];
  const { code, stdout, stderr } = await hil(t, cwd, ...args);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /ok +nickname/);
  assert.match(stdout, /Quectel[^]*17 passed, 0 failed/);
  const page = readFileSync(join(cwd, 'hil-report', 'report.html'), 'utf8');
  assert.match(page, /href="#trace-eid"[^]*id="trace-eid"[^]*AT\+CGLA/);
  assert.doesNotMatch(page, /(?:src|href)="(?:https?:)?\/\//, 'it needs nothing else');
  const cases = elementsOf(readFileSync(join(cwd, 'hil-report', 'junit.xml'), 'utf8'));
  assert.equal(cases.filter((path) => path === 'testsuites/testsuite/testcase').length, 17);
  const trace = parseModemTrace(new Uint8Array(readFileSync(join(cwd, 'hil-report', 'trace.jsonl'))));
  assert.deepEqual(trace.sessions[0]?.header.redacted, ['secrets', 'identities']);
  assert.deepEqual(readdirSync(join(cwd, 'kept')), ['quectel-eg25-eg25ggbr07a08m2g.jsonl']);
  const kept = new Uint8Array(readFileSync(join(cwd, 'kept', 'quectel-eg25-eg25ggbr07a08m2g.jsonl')));
  const steps = await replayTrace(kept, 'answers');
  assert.equal(steps.length, 17);
  assert.ok(steps.every(({ recorded, now }) => recorded === now));
});

test('a failing step, a port that is missing or taken, and a wrong call have exit codes of their own', async (t) => {
  const cwd = folder(t);
  const link = join(cwd, 'modem');
  const none = await hil(t, cwd, '--quirk', 'missing=+CSQ', '--only', 'signal');
  assert.equal(none.code, 3, none.stdout);
  assert.match(none.stdout, /FAILED +signal/);
  const missing = await hil(t, cwd, '--port', '/dev/no-such-port');
  assert.equal(missing.code, 20);
  assert.match(missing.stderr, /no-such-port.*check cable and power/);
  assert.ok(existsSync(join(cwd, 'hil-report', 'junit.xml')), 'the report is there all the same');
  const wrong = [
    ['--write', 'everything'],
    ['moon'],
    ['--target', 'moon'],
    ['sim', '--target', 'pty'],
    ['--target', 'pty', '--port', link],
    ['--only', 'nothing'],
    ['--baud', '7'],
  ];
  for (const args of wrong) {
    assert.equal((await hil(t, cwd, ...args)).code, 2, args.join(' '));
  }
  const sim = start(t, SIM, ['--pty', link], cwd);
  await once(sim.lines, 'line');
  const held = await openLineAt(
    { port: link, baudRate: 9_600, access: 'auto' },
    { clock: realClock, log: silentLog },
  );
  const busy = await hil(t, cwd, '--port', link);
  assert.equal(busy.code, 21, busy.stdout);
  assert.match(busy.stderr, new RegExp(`process ${process.pid}.*stop it`));
  await held.close();
  sim.child.kill('SIGTERM');
  await sim.exited;
});

test('the target may be an option too, and nobody else reads what a run writes', async (t) => {
  const cwd = folder(t);
  const { code, stdout } = await hil(t, cwd, '--target', 'pty', '--only', 'identity', '--keep', 'kept');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /hardware run on pty generic/);
  for (const name of ['hil-report', 'kept']) {
    for (const file of readdirSync(join(cwd, name))) {
      assert.equal(statSync(join(cwd, name, file)).mode & 0o077, 0, file);
    }
  }
});

test('a run whose output nobody takes any more goes on to its end: what was changed is put back, and the report is written', async (t) => {
  const cwd = folder(t);
  const full = openSync('/dev/full', 'a');
  t.after(() => closeSync(full));
  const args = ['--only', 'identity', '--write', 'nickname', '--verbose'];
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, stdio: ['ignore', 'pipe', full] });
  t.after(() => child.kill('SIGKILL'));
  child.stdout?.destroy();
  const [code] = (await once(child, 'exit')) as [number | null];
  assert.equal(code, 0);
  assert.ok(existsSync(join(cwd, 'hil-report', 'report.html')));
});

test('Ctrl-C in the middle of a change ends with the radio on again and the report written', async (t) => {
  const cwd = folder(t);
  const radio = join(cwd, 'radio.json');
  writeFileSync(
    radio,
    JSON.stringify({ networks: [{ plmn: '00101', attachMs: 4_000, roaming: 'accepted' }] }),
  );
  const sim = start(t, SIM, ['--tcp', '127.0.0.1:0', '--radio', radio], cwd);
  const [first] = (await once(sim.lines, 'line')) as [string];
  const port = first.replace('modem at ', '');
  const run = start(
    t,
    PROGRAM,
    ['--port', port, '--only', 'registration', '--write', 'radio', '--write', 'restart'],
    cwd,
  );
  const path = join(cwd, 'hil-report', 'trace.jsonl');
  const recorded = (): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  for (let n = 0; n < 400 && !recorded().includes('"AT+CFUN=0'); n++) await sleep(realClock, 50);
  run.child.kill('SIGINT');
  const { code, stdout, stderr } = await run.exited;
  assert.equal(code, 130, stdout + stderr);
  assert.match(stderr, /putting back/);
  const sent = recorded().match(/AT\+CFUN=[\d,]+|"restore"/g);
  assert.deepEqual(
    sent,
    ['AT+CFUN=0', 'AT+CFUN=1', '"restore"', '"restore"'],
    'what comes after is not begun',
  );
  assert.ok(existsSync(join(cwd, 'hil-report', 'report.html')));
  sim.child.kill('SIGTERM');
  await sim.exited;
});

test('whatever a modem says, JUnit XML and page stay whole', () => {
  const nasty = `]]> <b a="1">'& &amp;\0\x1b[31m\ud800\u{1f4f6}\ufffe\n\ttab`;
  const report: HilReport = {
    target: nasty,
    startedAt: 0,
    ms: 1234.5678,
    steps: [
      {
        id: 'identity',
        title: nasty,
        verdict: { is: 'failed', why: nasty },
        findings: [[nasty, nasty]],
        at: 0,
        ms: 1,
      },
      { id: 'sim', title: '', verdict: { is: 'skipped', why: nasty }, findings: [], at: 1, ms: 1 },
      { id: 'eid', title: 'fine', verdict: { is: 'passed' }, findings: [], at: 2, ms: 1 },
    ],
    unrestored: [nasty],
    stopped: true,
    entries: [
      { is: 'event', t: 0, event: 'step', data: { name: 'identity' } },
      { is: 'octets', t: 1, dir: 'in', octets: Uint8Array.from(nasty, (c) => c.charCodeAt(0) & 0xff) },
    ],
  };
  const xml = junitXml(report);
  const paths = elementsOf(xml);
  assert.deepEqual(
    paths.filter((path) => path.includes('testcase/')).map((path) => path.split('/').at(-1)),
    ['failure', 'system-out', 'skipped'],
  );
  assert.match(xml, /<testsuite name="[^"]*" tests="3" failures="1" errors="0" skipped="1" time="1\.235"/);
  const page = hilPage(report, 'trace.jsonl');
  assert.doesNotMatch(page, /<b a=/);
  assert.match(page, /Not put back/);
});
