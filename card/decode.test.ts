// The decoder on the command line: every way in, and how it ends.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { run, runWell, temporaryFolder } from './testing/program.ts';

const EXPECTED = '0000  BF3E GetEuiccDataRequest [3]\n0003    5C tagList [1] 5A\n';

test('octets come as words, as a file, or on standard input, as hex, base64, PEM or themselves', async (t) => {
  const folder = temporaryFolder(t);
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const pem = '-----BEGIN ANYTHING-----\nvz4DXAFa\n-----END ANYTHING-----\n';
  assert.equal(await runWell(['decode', 'BF3E035C015A']), EXPECTED);
  assert.equal(await runWell(['decode', 'bf', '3E:03', '0x5C', '01', '5a']), EXPECTED);
  assert.equal(await runWell(['decode', 'vz4DXAFa']), EXPECTED);
  assert.equal(await runWell(['decode', file('der', fromHex('BF3E035C015A'))]), EXPECTED);
  assert.equal(await runWell(['decode', file('hex', 'BF3E 035C\n015A\n')]), EXPECTED);
  assert.equal(await runWell(['decode', file('pem', pem)]), EXPECTED);
  assert.equal(await runWell(['decode', '-'], { input: fromHex('BF3E035C015A') }), EXPECTED);
  assert.equal(await runWell(['decode', '-'], { input: pem }), EXPECTED);
  const json = JSON.parse(await runWell(['decode', '--json', 'BF3E035C015A'])) as {
    name: string;
    children: unknown[];
  }[][];
  assert.equal(json[0]?.[0]?.name, 'GetEuiccDataRequest');
});

test('faults are shown and told by the exit code; what is no octets is refused in one line', async (t) => {
  const broken = await run(['decode', 'BF3E035C015A0102']);
  assert.equal(broken.code, 3);
  assert.match(broken.stdout, /GetEuiccDataRequest[^]*! /);
  for (const [args, stderr] of [
    [['decode', 'BF3'], /odd/],
    [['decode', 'no-such.file'], /no file of this name, at 0, found "no-such\.fi"/],
    [['decode', '--as', 'nothing', '00'], /choices|Allowed/],
    [['decode', '--as', 'trace', '00'], /./],
  ] as const) {
    const { code, stderr: said, stdout } = await run(args);
    assert.ok(code === 2 || code === 3, args.join(' '));
    if (code === 2) assert.match(said, stderr);
    if (code === 2) assert.equal(stdout, '');
  }
  const folder = temporaryFolder(t);
  const [empty, other] = [join(folder, 'empty'), join(folder, 'other')];
  for (const file of [empty, other]) writeFileSync(file, '');
  for (const [args, stderr] of [
    [[empty], /empty.*it is empty/],
    [['-'], /standard input.*it is empty/],
    [[other, empty], /other.*one file at a time/],
    [[folder], /it is a folder/],
  ] as const) {
    const { code, stderr: said } = await run(['decode', ...args], { input: '' });
    assert.equal(code, 10, said);
    assert.match(said, stderr);
  }
  const large = await run(['decode', '-'], { input: new Uint8Array(1_048_577) });
  assert.equal(large.code, 10);
});

test('a trace of the served card is read back', async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  await runWell(['issuer', at('pki'), '--curve', 'P-256']);
  await runWell(['create', at('a.card'), '--issuer', at('pki'), '--profile', 'minimal']);
  const input = ['00A4000402 3F00', '00C000002B', '80E2910003BF2D00']
    .map((apdu) => JSON.stringify({ apdu: apdu.replace(' ', '') }))
    .join('\n');
  await runWell(['serve', at('a.card'), '--stdio', '--trace', at('trace')], { input });
  const { stdout } = await run(['decode', at('trace')]);
  assert.match(stdout, /command SELECT[^]*File Control Parameters[^]*command STORE DATA/);
});

test('every published file is described to its end', async (t) => {
  const sgp26 = '../shared/testdata/sgp26';
  if (!existsSync(sgp26)) return t.skip('no shared test data');
  for (const folder of ['CI', 'eUICC']) {
    for (const name of readdirSync(join(sgp26, folder))) {
      const text = await runWell(['decode', join(sgp26, folder, name)]);
      assert.match(
        text,
        name.startsWith('SK_') ? /PrivateKeyInfo[^]*secret/ : /Certificate[^]*signature/,
        name,
      );
    }
  }
  return undefined;
});
