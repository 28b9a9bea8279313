import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';

const RUNNER = join(import.meta.dirname, 'run-tests.js');
const GOOD =
  "import test from 'node:test'; test('holds', () => {}); test('waits', { skip: 'why' }, () => {});";
const BAD = "import test from 'node:test'; test('breaks', () => { throw new Error('broken'); });";

type Options = { readonly wanted?: readonly string[]; readonly prepare?: (root: string) => void };

/** Runs the runner on a tree of the given files (`dist/` names are compiled output) and says which of them are left. */
function runOn(files: Readonly<Record<string, string>>, options: Options = {}) {
  const root = mkdtempSync(join(tmpdir(), 'run-tests-'));
  try {
    for (const [name, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files })) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    options.prepare?.(root);
    const { NODE_TEST_CONTEXT: _nested, ...env } = process.env;
    const args = [RUNNER, ...(options.wanted ?? [])];
    const child = spawnSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' });
    const left = Object.keys(files).filter((name) => existsSync(join(root, name)));
    return { status: child.status, out: child.stdout, err: child.stderr, left };
  } finally {
    rmSync(root, { recursive: true });
  }
}

describe('the test runner', () => {
  test('runs the tests of every folder, nested ones too, and ends with the counts', () => {
    const { status, out, err } = runOn({
      'a/x.test.ts': '',
      'dist/a/x.test.js': GOOD,
      'a/deep/er/y.test.ts': '',
      'dist/a/deep/er/y.test.js': GOOD,
    });
    assert.equal(err, '');
    assert.equal(status, 0);
    assert.match(out, /^# tests 4$/m);
    assert.match(out, /^# pass 2$/m);
    assert.match(out, /^# skipped 2$/m);
  });

  test('passes a failure on', () => {
    const { status, out } = runOn({
      'a/x.test.ts': '',
      'dist/a/x.test.js': GOOD,
      'a/y.test.ts': '',
      'dist/a/y.test.js': BAD,
    });
    assert.equal(status, 1);
    assert.match(out, /broken/);
    assert.match(out, /^# fail 1$/m);
  });

  test('fails when a test file has no compiled file', () => {
    const { status, err } = runOn({ 'a/x.test.ts': '', 'dist/a/x.test.js': GOOD, 'a/y.test.ts': '' });
    assert.equal(status, 1);
    assert.match(err, /a\/y\.test\.ts: has no compiled file/);
  });

  test('fails when a test file changed after it was compiled', () => {
    const { status, err } = runOn(
      { 'a/x.test.ts': '', 'dist/a/x.test.js': GOOD },
      { prepare: (root) => utimesSync(join(root, 'dist/a/x.test.js'), new Date(1000), new Date(1000)) },
    );
    assert.equal(status, 1);
    assert.match(err, /a\/x\.test\.ts: is newer than its compiled file/);
  });

  test('fails when a file runs without any test in it', () => {
    const { status, err } = runOn({
      'a/x.test.ts': '',
      'dist/a/x.test.js': GOOD,
      'a/y.test.ts': '',
      'dist/a/y.test.js': "import { describe } from 'node:test'; describe('empty', () => {});",
      'a/z.test.ts': '',
      'dist/a/z.test.js': 'process.exit(0);',
    });
    assert.equal(status, 1);
    assert.equal(err, 'a/y.test.ts: no test in it ran\na/z.test.ts: no test in it ran\n');
  });

  test('fails when there is no test file at all', () => {
    const { status, err } = runOn({ 'node_modules/p/x.test.ts': '', '.hidden/x.test.ts': '' });
    assert.equal(status, 1);
    assert.match(err, /no test file was found/);
  });

  test('removes compiled tests whose source is gone instead of running them', () => {
    const { status, left } = runOn({
      'a/x.test.ts': '',
      'dist/a/x.test.js': GOOD,
      'dist/old/gone.test.js': BAD,
    });
    assert.equal(status, 0);
    assert.deepEqual(left, ['a/x.test.ts', 'dist/a/x.test.js']);
  });

  test('runs only the files whose path holds a given part', () => {
    const { status, out } = runOn(
      { 'a/x.test.ts': '', 'dist/a/x.test.js': GOOD, 'b/y.test.ts': '', 'dist/b/y.test.js': BAD },
      { wanted: ['a/'] },
    );
    assert.equal(status, 0);
    assert.match(out, /^# tests 2$/m);
  });
});
