import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { realClock, sleep } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { getEid, listProfiles, withIsdR } from '../../agent/card-operations.ts';
import { parseModemTrace } from '../../codec/modem-trace.ts';
import { dialogueOf } from '../../codec/trace-dialogue.ts';
import { openLink } from '../../modem/open-link.ts';
import { openModem } from '../../modem/modem.ts';
import type { ModemFound } from '../../modem/modem-probe.ts';

const PROGRAM = join(import.meta.dirname, 'main.js');

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'modem-sim-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Starts the program and waits for its first line; the answer has where the modem is. */
async function start(t: TestContext, ...args: string[]) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const lines: string[] = [];
  const reader = createInterface(child.stdout).on('line', (line) => lines.push(line));
  await once(reader, 'line');
  return {
    address: lines[0]?.replace(/^modem at /, '') ?? '',
    gate: Number(lines[1]?.replace(/^gate at 127\.0\.0\.1:/, '')),
    async stop(): Promise<number | null> {
      child.kill('SIGTERM');
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}

function run(...args: string[]) {
  const { status, stderr, stdout } = spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stderr, stdout };
}

function driver(path: string) {
  return openModem({
    openLink: () => openLink({ path, baudRate: 115_200, clock: realClock }),
    clock: realClock,
    log: silentLog,
  });
}

test('behind a pseudo terminal with a name of its own the modem serves one terminal after another', async (t) => {
  const link = join(folder(t), 'modem');
  const program = await start(t, '--pty', link);
  const eids: string[] = [];
  for (let n = 0; n < 2; n++) {
    const modem = await driver(link);
    eids.push(await withIsdR(await modem.openCard(), {}, (channel) => getEid(channel)));
    await modem.close();
  }
  assert.match(eids[0] ?? '', /^89999999\d{24}$/);
  assert.equal(eids[0], eids[1]);
  assert.equal(await program.stop(), 0);
  assert.equal(existsSync(link), false, 'the link is removed');
});

test('on TCP it is a modem of the wanted family, and hangs up on a second terminal', async (t) => {
  const program = await start(t, '--tcp', '127.0.0.1:0', '--personality', 'quectel-eg25');
  const modem = await driver(program.address);
  assert.equal((await modem.identity()).model, 'EG25');
  const second = connect(Number(program.address.split(':').at(-1)), '127.0.0.1');
  second.on('error', () => {});
  await once(second, 'close');
  const profiles = await withIsdR(await modem.openCard(), {}, (channel) => listProfiles(channel));
  assert.deepEqual(
    profiles.map(({ enabled, profileClass }) => [enabled, profileClass]),
    [[true, 'provisioning']],
  );
  await modem.close();
  assert.equal(await program.stop(), 0);
});

test('the port that went away comes back behind the same link under another name', async (t) => {
  const link = join(folder(t), 'modem');
  const program = await start(t, '--pty', link, '--fault', 'drop-port=200@at=14');
  const before = readlinkSync(link);
  const modem = await driver(link);
  const read = async () => withIsdR(await modem.openCard(), {}, (channel) => getEid(channel));
  let lost = 0;
  for (let n = 0; n < 8; n++) await read().catch(() => lost++);
  assert.ok(lost >= 1, 'the fault struck');
  assert.match(await read(), /^\d{32}$/);
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.match(before, /^\/dev\/pts\//);
  await modem.close();
  assert.equal(await program.stop(), 0);
});

test('the radio file decides who gets service, and what cannot be read in it is named', async (t) => {
  const path = join(folder(t), 'radio.json');
  writeFileSync(path, JSON.stringify({ networks: [{ plmn: '00101', name: 'Home', barred: true }] }));
  const program = await start(t, '--tcp', '127.0.0.1:0', '--radio', path);
  const modem = await driver(program.address);
  assert.match((await modem.command('AT+CEREG?')).join(), /\+CEREG: \d,3/);
  await modem.close();
  assert.equal(await program.stop(), 0);

  for (const [content, expected] of [
    ['{', /the file/],
    [{ networks: [] }, /networks/],
    [{ networks: [{ plmn: '1' }] }, /networks\[0\]\.plmn/],
    [{ networks: [{ plmn: '00101', nam: '' }] }, /networks\[0\]\.nam/],
    [{ networks: [{ plmn: '00101', subscribers: [{ imsi: '001', k: '' }] }] }, /subscribers\[0\]\.imsi/],
    [{ networks: [{ plmn: '00101' }], script: [{ atMs: 1, plmn: '00102', coverage: true }] }, /script\[0\]/],
  ] as const) {
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    const { status, stderr } = run('--tcp', '127.0.0.1:0', '--radio', path);
    assert.equal(status, 10, stderr);
    assert.match(stderr, expected);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
  }
});

test('the gate carries TCP only while the modem has a bearer', async (t) => {
  const server = createServer((socket) => socket.end('through')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const program = await start(t, '--tcp', '127.0.0.1:0', '--gate', String(port));
  const through = async (): Promise<string> => {
    const socket = connect(program.gate, '127.0.0.1');
    let heard = '';
    socket.on('data', (data) => (heard += data.toString()));
    socket.on('error', () => {});
    await once(socket, 'close');
    return heard;
  };
  const modem = await driver(program.address);
  await modem.command('AT+CFUN=4');
  assert.equal(await through(), '');
  await modem.command('AT+CFUN=1');
  for (let n = 0; n < 100 && !/,[15]/.test((await modem.command('AT+CEREG?')).join()); n++) {
    await sleep(realClock, 50);
  }
  await modem.command('AT+CGACT=1,1');
  assert.equal(await through(), 'through');
  await modem.close();
  assert.equal(await program.stop(), 0);
});

function agent(...args: string[]) {
  const program = join(import.meta.dirname, '..', '..', 'agent', 'main.js');
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 20_000 });
}

function sessionsOf(file: string) {
  return parseModemTrace(new Uint8Array(readFileSync(file))).sessions;
}

test('agent and modem record the same dialogue, and neither leaves in it what it was told to leave out', async (t) => {
  const at = (name: string): string => join(folder(t), name);
  const [whole, without, copy] = [at('whole'), at('without'), at('copy')];
  const program = await start(t, '--tcp', '127.0.0.1:0', '--trace', whole);
  const port = ['--port', program.address];
  const eid = agent('eid', ...port, '--trace', without, '--redact-ids').stdout.trim();
  agent('at', 'AT+CPIN="4711"', ...port, '--trace', without, '--redact-ids');
  assert.equal(await program.stop(), 0);
  const said = (file: string): string[] =>
    sessionsOf(file).flatMap(({ entries }) =>
      dialogueOf(entries).flatMap((each) => (each.is === 'said' ? [`${each.dir} ${each.text}`] : [])),
    );
  const [seen, covered] = [said(whole), said(without)];
  assert.equal(seen.length, covered.length);
  assert.deepEqual(
    seen.map((line) => line.length),
    covered.map((line) => line.length),
  );
  assert.ok(seen.join().includes(eid) && seen.join().includes('4711'));
  assert.ok(!covered.join().includes(eid) && !covered.join().includes('4711'));
  assert.deepEqual(
    sessionsOf(without).map(({ header }) => header.redacted),
    [
      ['secrets', 'identities'],
      ['secrets', 'identities'],
    ],
  );

  assert.equal(agent('trace', 'redact', whole, copy).status, 0);
  assert.ok(said(copy).join().includes(eid) && !said(copy).join().includes('4711'));
  const again = agent('trace', 'redact', whole, copy, '--redact-ids');
  assert.deepEqual([again.status, /FILE_EXISTS/.test(again.stderr)], [14, true], again.stderr);
  assert.equal(agent('trace', 'redact', PROGRAM, at('other')).status, 14);
});

test('a wrong call is told in one line, with what was expected', (t) => {
  const taken = join(folder(t), 'file');
  writeFileSync(taken, '');
  for (const [args, status, expected] of [
    [[], 2, /exactly one of --pty and --tcp/],
    [['--pty', 'a', '--tcp', ':1'], 2, /exactly one/],
    [['--bogus'], 2, /unknown option/],
    [['--tcp', 'nonsense'], 2, /HOST:PORT/],
    [['--tcp', ':0', '--baud', '7'], 2, /300 to 4000000/],
    [['--tcp', ':0', '--personality', 'nokia'], 2, /quectel-ec25/],
    [['--tcp', ':0', '--quirk', 'nope=1'], 2, /nope/],
    [['--tcp', ':0', '--fault', 'reset@never'], 2, /@at=N/],
    [['--tcp', ':0', '--imei', '12'], 2, /imei/i],
    [['--tcp', ':0', '--card', '/nowhere.card'], 10, /nowhere/],
    [['--tcp', '192.0.2.1:1'], 12, /192\.0\.2\.1/],
    [['--pty', taken], 10, /is no link/],
  ] as const) {
    const result = run(...args);
    assert.equal(result.status, status, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, expected);
    assert.doesNotMatch(result.stderr, /\n\s+at /, 'no stack trace');
  }
  const { status, stdout } = run('--list');
  assert.equal(status, 0);
  for (const word of ['telit-le910', 'drop-port', 'refreshDropsPort']) assert.ok(stdout.includes(word), word);
});

test('euicc-agent modem probe names the family, the ways to the card, and says so by its exit code', async (t) => {
  const probe = async (...args: string[]) => {
    const program = await start(t, '--tcp', '127.0.0.1:0', ...args);
    const agent = join(import.meta.dirname, '..', '..', 'agent', 'main.js');
    const child = spawn(process.execPath, [agent, 'modem', 'probe', '--json', '--port', program.address]);
    let stdout = '';
    child.stdout.on('data', (data) => (stdout += String(data)));
    const [status] = (await once(child, 'close')) as [number];
    assert.equal(await program.stop(), 0);
    return { status, found: JSON.parse(stdout) as ModemFound };
  };
  const { status, found } = await probe('--personality', 'quectel-eg25');
  assert.equal(status, 0);
  assert.equal(found.family, 'Quectel EG25');
  assert.deepEqual(
    found.ways.map(({ way, reaches, leftOpen }) => [way, reaches, leftOpen]),
    [
      ['cgla', 'isd-r', []],
      ['csim', 'nothing', []],
    ],
  );
  const without = await probe('--card', 'none');
  assert.equal(without.status, 23);
  assert.deepEqual(without.found.quirks, []);
});
