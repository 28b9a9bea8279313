// The offline bundle at the command line: how `euicc-agent bundle` ends, and the whole way as `npm start -- --offline` runs it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { keepAnswer } from '../agent/bundle-commands.ts';
import { realClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom, systemRandom } from '../base/random.ts';
import { completeEid, parseIccid } from '../codec/ids.ts';
import { BUNDLE_VERSION, bundleAnswer, type OfflineBundle } from '../codec/offline-bundle.ts';
import { encodeCommandScript } from '../codec/script.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { keyIdentifier } from '../crypto/x509.ts';
import { runOfflineJob } from '../lab/offline-job.ts';
import { createCi, createMnoIdentity } from '../operator/issuer/pki.ts';
import { sealBundle } from '../transport/offline-bundle.ts';

const ec = createNodeEc();
const MAIN = join(import.meta.dirname, '..', 'agent', 'main.js');

type Ended = { readonly code: number; readonly out: string; readonly err: string };

function agent(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

async function setUp(t: { after(work: () => Promise<void>): void }) {
  const folder = await mkdtemp(join(tmpdir(), 'bundle-cli-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const issuing = { ec, random: createSeededRandom(1), at: realClock.wall() };
  const ci = createCi(issuing, { organization: 'Test' });
  const [known, unknown] = ['mno-a', 'mno-b'].map((name) => createMnoIdentity(issuing, ci, { name }));
  if (known === undefined || unknown === undefined) throw new Error('two MNOs are needed');
  const certificateFile = join(folder, 'mno-a.der');
  await writeFile(certificateFile, known.certificate);
  const config = join(folder, 'agent.json');
  const operators = [{ name: 'mno-a', address: 'mno-a', certificateFile }];
  await writeFile(
    config,
    JSON.stringify({
      state: { dir: join(folder, 'state') },
      modem: { port: join(folder, 'no-modem') },
      broker: { url: 'mqtt://127.0.0.1:1' },
      operators,
    }),
  );
  const now = Math.floor(realClock.wall() / 1000);
  const bundle: OfflineBundle = {
    version: BUNDLE_VERSION,
    eid: completeEid('890490320000000000000000000001'),
    mno: 'mno-a',
    transactionId: new Uint8Array(16).fill(7),
    iccid: parseIccid('8949000000000000012'),
    issued: now,
    expires: now + 3600,
    sequenceCounter: 3,
    scripts: [encodeCommandScript([Uint8Array.of(0x80, 0x50, 0x30, 0, 0)])],
  };
  const sealed = ({ key }: typeof known, change: Partial<OfflineBundle> = {}): Uint8Array =>
    sealBundle(ec, { ...key, kid: keyIdentifier(key.publicKey) }, { ...bundle, ...change });
  const write = async (name: string, octets: Uint8Array): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, octets);
    return path;
  };
  return { folder, config, known, unknown, sealed, write, now };
}

test('show tells what a bundle holds, and with a configuration whether its operators signed it', async (t) => {
  const { config, known, unknown, sealed, write } = await setUp(t);
  const good = await write('good', sealed(known));
  const shown = await agent('bundle', 'show', good);
  assert.equal(shown.code, 0);
  assert.match(shown.out, /ICCID {7}8949000000000000012/);
  assert.match(shown.out, /signature {3}not checked/);
  const signatures = [good, await write('foreign', sealed(unknown))].map(async (file) => {
    const { out } = await agent('bundle', 'show', file, '--config', config, '--json');
    return (JSON.parse(out) as { readonly signature: string }).signature;
  });
  const [valid, foreign = ''] = await Promise.all(signatures);
  assert.equal(valid, 'valid');
  assert.match(foreign, /of no operator this device knows/);
});

test('load ends with a code of its own for each bad bundle, before the modem is looked for', async (t) => {
  const { config, folder, known, unknown, sealed, write, now } = await setUp(t);
  const good = sealed(known);
  const expected: readonly (readonly [number, string])[] = [
    [40, await write('cut', good.subarray(0, 100))],
    [40, await write('no-command', sealed(known, { scripts: [] }))],
    [41, await write('foreign', sealed(unknown))],
    [43, await write('old', sealed(known, { issued: now - 100, expires: now - 50 }))],
    [14, join(folder, 'missing')],
    [40, '/dev/zero'],
    // All is well but that there is no modem.
    [20, await write('good', good)],
  ];
  for (const [code, file] of expected) {
    const ended = await agent('bundle', 'load', file, '--config', config);
    assert.equal(ended.code, code, ended.err);
    assert.equal(ended.err.trim().split('\n').length, 1);
    assert.equal(ended.out, '');
  }
});

test('an answer that could not be written is refused before the modem is looked for', async (t) => {
  const { config, known, folder, sealed, write } = await setUp(t);
  const good = await write('good', sealed(known));
  const answer = join(folder, 'missing', 'answer');
  const ended = await agent('bundle', 'load', good, '--config', config, '--answer', answer);
  assert.equal(ended.code, 14, ended.err);
});

test('loading again does not take the place of what the card said when it installed the profile', async (t) => {
  const { folder } = await setUp(t);
  const head = {
    version: 1,
    eid: completeEid('890490321234512345123456789012'),
    mno: 'mno-a',
    transactionId: new Uint8Array(16).fill(5),
    iccid: parseIccid('8999901000000000019'),
  } as const;
  const present = { ...head, outcome: 'present', notifications: [] } as const;
  const first = await keepAnswer(folder, present);
  assert.deepEqual(first, bundleAnswer.encode(present), 'where nothing else is known it is the answer');
  const installed = { ...head, outcome: 'installed', notifications: [Uint8Array.of(0x30, 0)] } as const;
  assert.deepEqual(await keepAnswer(folder, installed), bundleAnswer.encode(installed));
  assert.deepEqual(await keepAnswer(folder, present), bundleAnswer.encode(installed));
});

test('the whole way: bundle, agent without a network, answer file, and the signed result once there is one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'offline-job-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = {
    folder,
    baud: undefined,
    profileBytes: 3_000,
    reject: undefined,
    clock: realClock,
    random: systemRandom,
    log: silentLog,
    progress: { step: () => {}, bar: () => {}, end: () => {} },
    signal: AbortSignal.timeout(300_000),
  };
  const report = await runOfflineJob(options);
  assert.deepEqual(report.problems, []);
  assert.deepEqual([report.installed, report.delivered, report.secretsSeen], [true, true, 0]);
  assert.equal(report.profilesBuilt, 1);
});
