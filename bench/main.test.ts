import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { RUNS } from './registry.ts';

function call(...args: readonly string[]) {
  const child = spawnSync(process.execPath, [join(import.meta.dirname, 'main.js'), ...args], {
    encoding: 'utf8',
  });
  return { status: child.status, out: child.stdout, err: child.stderr };
}

describe('the program for measuring runs', () => {
  test('prints one JSON object with figures and nothing else on standard output', () => {
    const { status, out, err } = call('fuzz', 'codec', '--runs', '3', '--seed', '7', '--json');
    assert.equal(status, 0, err);
    const report = JSON.parse(out) as { ok: boolean; figures: Record<string, unknown>[] };
    assert.equal(report.ok, true);
    for (const figure of report.figures)
      assert.deepEqual(Object.keys(figure), ['name', 'value', 'bar', 'ok']);
    assert.match(err, /--seed 7/);
  });

  test('prints a line for each figure with its bar', () => {
    const { status, out } = call('fuzz', 'codec', '--runs', '1');
    assert.equal(status, 0);
    for (const line of out.trim().split('\n')) assert.match(line, /^ok .* [\d.]+ {3}bar [\d.]+$/);
  });

  test('ends with 2 and the list of runs when it is called wrongly', () => {
    for (const args of [
      [],
      ['race', 'codec'],
      ['bench'],
      ['bench', 'nothing'],
      ['bench', 'constructor'],
      ['bench', 'codec', 'codec'],
      ['bench', 'codec', '--runs', '0'],
      ['bench', 'codec', '--seed', 'x'],
      ['bench', 'codec', '--loud'],
    ]) {
      const { status, out, err } = call(...args);
      assert.equal(status, 2, args.join(' '));
      assert.equal(out, '');
      assert.match(err, /^usage: npm run bench/m);
    }
  });

  test('names every run in its help', () => {
    const { status, out } = call('--help');
    assert.equal(status, 0);
    for (const name of Object.values(RUNS).flatMap((runs) => Object.keys(runs)))
      assert.match(out, new RegExp(`^ {2}${name} `, 'm'));
  });
});
