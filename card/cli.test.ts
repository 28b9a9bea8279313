// The program as its users meet it: making and showing cards, wrong input named in one line, secrets in no output.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { CARD_EXITS } from './exit-codes.ts';
import { run, runWell, temporaryFolder } from './testing/program.ts';

function latin1(octets: Uint8Array): string {
  return String.fromCharCode(...octets);
}

test('help, version and usage', async () => {
  const help = await run(['--help']);
  assert.equal(help.code, 0);
  for (const command of ['issuer', 'create', 'serve', 'info', 'decode'])
    assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  assert.equal(await runWell(['--version']), `${version}\n`);
  for (const wrong of [
    [],
    ['frobnicate'],
    ['create'],
    ['create', 'x'],
    ['serve', 'x'],
    ['serve', 'x', '--tcp', 'a:b:c'],
    ['decode'],
    ['create', 'x', '--issuer', 'y', '--cplc', '00'],
  ]) {
    const { code, stderr } = await run(wrong);
    assert.equal(code, 2, wrong.join(' '));
    assert.notEqual(stderr, '');
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
});

test('a card is made from a new issuer, shown, and keeps its secrets', async (t) => {
  const folder = temporaryFolder(t);
  const [pki, card, managed] = ['pki', 'a.card', 'isdr.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const files = (await runWell(['issuer', pki])).trim().split('\n');
  assert.equal(files.length, 16);
  for (const file of files) assert.equal(statSync(file).mode & 0o077, file.includes('SK_') ? 0 : 0o044, file);

  const made = JSON.parse(
    await runWell([
      'create',
      card,
      '--issuer',
      pki,
      '--serial',
      '7',
      '--profile',
      'minimal',
      '--profile',
      'minimal=test',
      '--managed',
      managed,
      '--dp-address',
      'dp.example.com',
      '--cplc',
      `4790${'00'.repeat(40)}`,
      '--json',
    ]),
  ) as { eid: string; curves: string[]; profiles: string[]; made: string[]; issued: boolean };
  assert.match(made.eid, /^899999990{21}7\d\d$/);
  assert.deepEqual([made.curves, made.issued], [['P-256', 'brainpoolP256r1'], true]);
  assert.deepEqual(made.made, [`${card}.key`, managed]);
  for (const file of [card, ...made.made]) assert.equal(statSync(file).mode & 0o077, 0, file);

  const text = await runWell(['info', card]);
  assert.match(text, new RegExp(`^eid: ${made.eid}$`, 'm'));
  assert.match(text, /^ {2}icFabricator: 4790$/m);
  assert.match(text, /^managed: true$/m);
  assert.match(text, /^ {4}kvn: 48$/m);
  assert.match(text, /^ {2}defaultDpAddress: dp\.example\.com$/m);
  const json = await runWell(['info', card, '--json']);
  const info = JSON.parse(json) as {
    certificates: { role: string }[];
    profiles: { profileState: string; profileClass: string }[];
    store: unknown;
  };
  assert.deepEqual(
    info.certificates.map(({ role }) => role),
    ['CI', 'CI', 'EUM', 'eUICC', 'EUM', 'eUICC', 'ECASD', 'ECASD'],
  );
  assert.deepEqual(
    info.profiles.map(({ profileState, profileClass }) => [profileState, profileClass]),
    [
      ['enabled', 'operational'],
      ['disabled', 'test'],
    ],
  );
  assert.deepEqual(info.store, { version: 1, octets: statSync(card).size });

  const key = readFileSync(`${card}.key`, 'utf8').trim();
  const keys = JSON.parse(readFileSync(managed, 'utf8')) as Record<string, string | number>;
  const stored = latin1(readFileSync(card));
  for (const secret of [key, keys['enc'], keys['mac'], keys['dek'], '465B5CE8B199B49FAA5F0A2EE238A6BC']) {
    const hex = String(secret);
    assert.ok(!text.includes(hex) && !json.includes(hex));
    assert.ok(!stored.includes(latin1(fromHex(hex))));
  }
});

test('the key comes from the file that is named, the environment, or beside the card', async (t) => {
  const folder = temporaryFolder(t);
  const [pki, card, keyFile] = ['pki', 'a.card', 'my.key'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await runWell(['issuer', pki, '--curve', 'P-256']);
  const key = 'ab'.repeat(32);
  await runWell(['create', card, '--issuer', pki], { env: { EUICC_CARD_KEY: key } });
  assert.ok(!existsSync(`${card}.key`));
  await runWell(['info', card], { env: { EUICC_CARD_KEY: key } });
  writeFileSync(keyFile, fromHex(key));
  await runWell(['info', card, '--key-file', keyFile], { env: { EUICC_CARD_KEY: '00'.repeat(32) } });

  const missing = await run(['info', card]);
  assert.equal(missing.code, 10);
  assert.match(missing.stderr, /a\.card\.key.*EUICC_CARD_KEY.*--key-file/);
  const other = await run(['info', card], { env: { EUICC_CARD_KEY: '00'.repeat(32) } });
  assert.equal(other.code, 12);
  const wrong = await run(['info', card], { env: { EUICC_CARD_KEY: 'secret-but-wrong' } });
  assert.equal(wrong.code, 10);
  assert.match(wrong.stderr, /EUICC_CARD_KEY/);
  assert.doesNotMatch(wrong.stderr, /secret-but-wrong/);
});

test('what cannot be made is refused in one line that names what is wrong', async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  await runWell(['issuer', at('pki'), '--curve', 'P-256', '--eid-prefix', '89012345']);
  await runWell(['create', at('there.card'), '--issuer', at('pki')]);
  writeFileSync(at('bad.der'), 'A0038001');
  writeFileSync(at('isdr.json'), '{"kvn": 48, "enc": "00"}');
  const refused: readonly (readonly [args: readonly string[], code: number, stderr: RegExp])[] = [
    [['create', at('there.card'), '--issuer', at('pki')], 13, /there\.card/],
    [['create', at('x.card'), '--issuer', at('nowhere')], 10, /nowhere.*ENOENT/],
    [['create', at('x.card'), '--issuer', at('pki/DPauth')], 13, /no CI certificate/],
    [['create', at('x.card'), '--issuer', at('pki/CI')], 13, /EUM with its private key/],
    [['create', at('x.card'), '--issuer', at('pki'), '--eid', '123'], 2, /identifier/],
    [
      [
        'create',
        at('x.card'),
        '--issuer',
        at('pki'),
        '--eid',
        '890123450000000000000000000007'.replace('8901', '8902'),
      ],
      13,
      /89012345/,
    ],
    [['create', at('x.card'), '--issuer', at('pki'), '--eid', '1'.repeat(30), '--serial', '1'], 13, /serial/],
    [['create', at('x.card'), '--issuer', at('pki'), '--profile', at('bad.der')], 10, /bad\.der/],
    [['create', at('x.card'), '--issuer', at('pki'), '--profile', at('none.der')], 10, /none\.der.*ENOENT/],
    [['create', at('x.card'), '--issuer', at('pki'), '--managed', at('isdr.json')], 10, /isdr\.json.*enc/],
    [
      ['create', at('x.card'), '--issuer', at('pki'), '--profile', 'minimal=tset'],
      10,
      /minimal=tset.*test, /,
    ],
    [
      [
        'create',
        at('x.card'),
        '--issuer',
        at('pki'),
        '--profile',
        'minimal',
        '--memory',
        '10',
        '--managed',
        at('new.json'),
      ],
      10,
      /does not fit/,
    ],
    [['create', at('no/x.card'), '--issuer', at('pki')], 10, /no\/x\.card/],
    [['issuer', at('pki')], 13, /not empty/],
    [['issuer', at('pki2'), '--eid-prefix', '12'], 2, /8 digits/],
    [['info', at('x.card')], 10, /x\.card.*ENOENT/],
    [['serve', at('x.card'), '--stdio'], 10, /x\.card.*ENOENT/],
    [['info', at('bad.der')], 10, /bad\.der.*not a card/],
    [['serve', at('pki'), '--stdio'], 10, /pki.*folder/],
    [['decode', at('there.card')], 10, /euicc-card info/],
    [['serve', at('there.card'), '--stdio', '--tcp', ':0'], 2, /exactly one/],
  ];
  for (const [args, code, stderr] of refused) {
    const ended = await run(args);
    assert.match(ended.stderr, stderr, args.join(' '));
    assert.equal(ended.stderr.trim().split('\n').length, 1, ended.stderr);
    assert.equal(ended.code, code, ended.stderr);
    assert.ok(CARD_EXITS.some(({ exit }) => exit === code));
  }
  for (const file of ['x.card', 'x.card.key', 'new.json']) assert.ok(!existsSync(at(file)), file);
  writeFileSync(at('damaged.card'), readFileSync(at('there.card')).fill(0, 40, 60));
  const damaged = await run(['info', at('damaged.card'), '--key-file', at('there.card.key')]);
  assert.equal(damaged.code, 12);
});

test('of several that make one card at a time, one makes it whole', async (t) => {
  const folder = temporaryFolder(t);
  const [pki, card] = [join(folder, 'pki'), join(folder, 'a.card')];
  await runWell(['issuer', pki, '--curve', 'P-256']);
  const all = await Promise.all(
    [1, 2, 3].map((serial) => run(['create', card, '--issuer', pki, '--serial', String(serial)])),
  );
  const made = all.filter(({ code }) => code === 0);
  assert.equal(made.length, 1);
  for (const { code, stderr } of all) assert.ok(code === 0 || code === 11 || code === 13, stderr);
  const eid = /eUICC (\d{32})/.exec(made[0]?.stdout ?? '')?.[1] ?? 'none';
  assert.match(await runWell(['info', card]), new RegExp(`^eid: ${eid}$`, 'm'));
});

test('a card is made with a security module for each SM-DP, or with one for all', async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  await runWell(['issuer', at('pki'), '--curve', 'P-256']);
  const shown = async (card: string, ...modules: string[]): Promise<unknown> => {
    await runWell(['create', at(card), '--issuer', at('pki'), ...modules]);
    const info = await runWell(['info', at(card), '--json']);
    return (JSON.parse(info) as { securityModules: unknown }).securityModules;
  };
  const module = (of: string) => ({ for: of, curve: 'P-256', state: 'installed' });
  assert.deepEqual(await shown('a'), { mode: 'single', modules: [module('all SM-DPs')] });
  assert.deepEqual(await shown('b', '--security-module', '2.999.10', '--security-module', '2.999.12'), {
    mode: 'per MNO',
    modules: [module('2.999.10'), module('2.999.12')],
  });
  const wrong = await run(['create', at('c'), '--issuer', at('pki'), '--security-module', 'mno-a']);
  assert.equal(wrong.code, 2);
});

test('a card is in S8 mode, or in S16 mode where it is asked for', async (t) => {
  const folder = temporaryFolder(t);
  const pki = join(folder, 'pki');
  await runWell(['issuer', pki, '--curve', 'P-256']);
  for (const [name, flags] of [
    ['S8', []],
    ['S16', ['--scp03-mode', 'S16']],
  ] as const) {
    const card = join(folder, `${name}.card`);
    await runWell(['create', card, '--issuer', pki, '--managed', join(folder, 'isdr.json'), ...flags]);
    assert.match(await runWell(['info', card]), new RegExp(`^scp03Mode: ${name}$`, 'm'));
  }
  assert.equal((await run(['create', 'x', '--issuer', pki, '--scp03-mode', 'S32'])).code, 2);
});
