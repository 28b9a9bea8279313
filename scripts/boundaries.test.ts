// The import rules of the folders, proved on a copy of the tree: each folder gets every import there is, and the linter
// must refuse exactly those that the folder may not have.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');

type Row = { readonly may: readonly string[]; readonly packages: readonly string[] };

const PRODUCT = 'base codec crypto euicc modem transport config agent operator card'.split(' ');
const NODE = ['node:fs', 'node:fs/promises', 'node:net', 'node:path', 'node:tls', 'node:util'];
const row = (may: string, ...packages: readonly string[]): Row => ({
  may: may.split(' ').filter((name) => name !== ''),
  packages,
});

/** What a file may import, by its place: of ours, and of packages and built-ins. */
const PLACES: Readonly<Record<string, Row>> = {
  'base/planted.ts': row(''),
  'base/random.ts': row('', 'node:crypto'),
  'codec/planted.ts': row('base'),
  'codec/rsp/planted.ts': row('base'),
  'codec/cbor.ts': row('base', 'cbor-x'),
  'crypto/planted.ts': row('base codec', '@noble/curves/nist.js', 'node:crypto'),
  'euicc/planted.ts': row('base codec crypto', 'node:fs', 'node:fs/promises', 'node:path'),
  'euicc/deep/planted.ts': row('base codec crypto', 'node:fs', 'node:fs/promises', 'node:path'),
  'modem/planted.ts': row('base codec', '@serialport/parser-readline', ...NODE),
  'modem/sim/planted.ts': row('base codec', '@serialport/parser-readline', ...NODE),
  'modem/serial-link.ts': row('base codec', 'serialport', '@serialport/parser-readline', ...NODE),
  'transport/planted.ts': row('base codec crypto', ...NODE),
  'transport/mqtt-link.ts': row('base codec crypto', 'mqtt', ...NODE),
  'config/planted.ts': row('base codec', ...NODE),
  'agent/planted.ts': row('base codec crypto modem transport config', 'commander', ...NODE),
  'agent/effects/planted.ts': row('base codec crypto modem transport config', 'commander', ...NODE),
  'operator/planted.ts': row('base codec crypto transport config', ...NODE),
  'operator/mno/planted.ts': row('base codec crypto transport config', ...NODE),
  'operator/store/planted.ts': row('base codec crypto transport config', 'kysely', 'libsql', ...NODE),
  'operator/main.ts': row('base codec crypto transport config', 'commander', ...NODE),
  'card/planted.ts': row('base codec crypto config euicc operator', 'commander', ...NODE),
  'lab/planted.ts': row(PRODUCT.join(' '), 'aedes', '@lydell/node-pty', 'commander', ...NODE),
  'hil-tests/planted.ts': row(
    `${PRODUCT.join(' ')} lab`,
    'node:test',
    'node:test/reporters',
    'node:assert/strict',
    ...NODE,
  ),
  'hil-tests/hil.ts': row(
    `${PRODUCT.join(' ')} lab`,
    'commander',
    'node:test',
    'node:test/reporters',
    'node:assert/strict',
    ...NODE,
  ),
  'bench/planted.ts': row(`${PRODUCT.join(' ')} lab hil-tests`, ...NODE),
  'scripts/planted.ts': row(
    `${PRODUCT.join(' ')} lab hil-tests`,
    'node:test',
    'node:test/reporters',
    ...NODE,
  ),
};

const FOLDERS = [...PRODUCT, 'lab', 'hil-tests', 'bench', 'scripts'];
const PACKAGES = [
  '@lydell/node-pty',
  '@noble/curves/nist.js',
  '@serialport/parser-readline',
  'aedes',
  'cbor-x',
  'commander',
  'fast-check',
  'kysely',
  'libsql',
  'lodash',
  'mqtt',
  'serialport',
  'node:assert/strict',
  'node:buffer',
  'node:crypto',
  'node:module',
  'node:perf_hooks',
  'node:test',
  'node:test/reporters',
  'node:timers',
  'node:timers/promises',
  ...NODE,
];

const folderOf = (place: string): string => place.slice(0, place.indexOf('/'));

/** Everything a file at `place` could import, and whether it may. */
function imports(place: string): { readonly from: string; readonly allowed: boolean }[] {
  const { may, packages } = PLACES[place] ?? row('');
  const up = '../'.repeat(place.split('/').length - 1);
  const folder = folderOf(place);
  return [
    { from: './near.ts', allowed: true },
    ...FOLDERS.filter((other) => other !== folder).map((other) => ({
      from: `${up}${other}/${other}.ts`,
      allowed: may.includes(other),
    })),
    ...PACKAGES.map((from) => ({ from, allowed: packages.includes(from) })),
  ];
}

type Finding = { readonly file: string; readonly rule: string; readonly line: number; readonly help: string };

type Diagnostic = {
  readonly code: string;
  readonly message: string;
  readonly help?: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
};

function lint(root: string): { readonly status: number | null; readonly findings: Finding[] } {
  const child = spawnSync(join(ROOT, 'node_modules', '.bin', 'oxlint'), ['--format', 'json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const report = JSON.parse(child.stdout) as { readonly diagnostics: readonly Diagnostic[] };
  return {
    status: child.status,
    findings: report.diagnostics.map(({ code, message, help, filename, labels }) => ({
      file: filename,
      rule: code.replace(/^\w+\((.*)\)$/, '$1'),
      line: labels[0]?.span.line ?? 0,
      help: `${message} ${help ?? ''}`,
    })),
  };
}

describe('the import rules', () => {
  let copy = '';
  let clean: ReturnType<typeof lint>;
  let planted: ReturnType<typeof lint>;
  const plant = (place: string, lines: readonly string[]): void => {
    mkdirSync(dirname(join(copy, place)), { recursive: true });
    writeFileSync(join(copy, place), `${lines.join('\n')}\n`);
  };
  const found = (place: string, rule: string): Finding[] =>
    planted.findings.filter((finding) => finding.file === place && finding.rule === rule);

  before(() => {
    copy = mkdtempSync(join(tmpdir(), 'boundaries-'));
    for (const folder of FOLDERS) {
      mkdirSync(join(copy, folder));
      if (readdirSync(ROOT).includes(folder))
        cpSync(join(ROOT, folder), join(copy, folder), { recursive: true });
    }
    for (const file of ['.oxlintrc.json', 'package.json', 'tsconfig.json'])
      cpSync(join(ROOT, file), join(copy, file));
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    clean = lint(copy);
    for (const place of Object.keys(PLACES)) {
      plant(
        place,
        imports(place).map(({ from }, i) => `export * as name${i} from '${from}';`),
      );
    }
    plant('agent/forms.ts', [
      "import { openEuicc } from '../euicc/card.ts';",
      "import type { Euicc } from '../euicc/card.ts';",
      "import '../euicc/card.ts';",
      "export { other } from '../euicc/card.ts';",
      "export const late = async (): Promise<unknown> => [openEuicc, await import('../euicc/card.ts')];",
      'export type Card = Euicc;',
    ]);
    for (const folder of FOLDERS) {
      plant(`${folder}/ambient.ts`, [
        'export const a = setTimeout(String, 1);',
        'export const b = setInterval(String, 1);',
        'export const c = Date.now();',
        'export const d = Math.random();',
        'export const e = performance.now();',
        'export const f = process.hrtime.bigint();',
        "export const g = Buffer.from('');",
      ]);
      plant(`${folder}/planted.test.ts`, [
        "export * as check from 'fast-check';",
        "export * as t from 'node:test';",
      ]);
    }
    plant('codec/upward.test.ts', ["export * as up from '../modem/modem.ts';"]);
    plant('agent/upward.test.ts', ["export * as up from '../lab/lab.ts';"]);
    plant('card/sideways.test.ts', ["export * as side from '../modem/modem.ts';"]);
    plant('operator/sideways.test.ts', ["export * as side from '../agent/agent.ts';"]);
    planted = lint(copy);
  });
  after(() => rmSync(copy, { recursive: true }));

  test('leave the tree as it stands alone', () => {
    assert.deepEqual(clean, { status: 0, findings: [] });
  });

  test('fail the check when one is broken', () => {
    assert.equal(planted.status, 1);
  });

  for (const place of Object.keys(PLACES)) {
    test(`let ${place} import what its folder names and nothing else`, () => {
      const refused = found(place, 'no-restricted-imports');
      const lines = new Set(refused.map(({ line }) => line));
      const wrong = imports(place).filter(({ allowed }, i) => lines.has(i + 1) === allowed);
      assert.deepEqual(wrong, []);
      for (const { help } of refused) assert.match(help, new RegExp(`${folderOf(place)} may import`));
    });
  }

  test('see every form of import', () => {
    const lines = found('agent/forms.ts', 'no-restricted-imports').map(({ line }) => line);
    assert.deepEqual(new Set(lines), new Set([1, 2, 3, 4, 5]));
  });

  for (const folder of FOLDERS) {
    test(`keep ambient time, randomness and Buffer out of ${folder}${folder === 'base' ? ' but for its ports' : ''}`, () => {
      const place = `${folder}/ambient.ts`;
      const findings = [
        ...found(place, 'no-restricted-globals'),
        ...found(place, 'no-restricted-properties'),
      ];
      const lines = findings.map(({ line }) => line);
      assert.deepEqual(new Set(lines), new Set(folder === 'base' ? [7] : [1, 2, 3, 4, 5, 6, 7]));
    });
  }

  test('let tests use any package, but no folder above their own', () => {
    const files = planted.findings
      .filter(({ file, rule }) => file.endsWith('.test.ts') && rule === 'no-restricted-imports')
      .map(({ file }) => file);
    assert.deepEqual(files.toSorted(), [
      'agent/upward.test.ts',
      'card/sideways.test.ts',
      'codec/upward.test.ts',
      'operator/sideways.test.ts',
    ]);
  });
});
