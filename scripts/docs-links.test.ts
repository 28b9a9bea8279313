import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const pages = ['.', 'docs'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

describe('the pages for readers', () => {
  for (const page of pages) {
    test(`${page} names only files that are there`, () => {
      const text = readFileSync(join(ROOT, page), 'utf8');
      const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, to = '']) =>
        join(dirname(page), to),
      );
      const paths = [...text.matchAll(/`((?:[\w.-]+\/)+[\w.-]*)`/g)].map(([, path = '']) => path);
      const ours = paths.filter(
        (path) => existsSync(join(ROOT, path.slice(0, path.indexOf('/')))) && !path.startsWith('dist/'),
      );
      const missing = [...links, ...ours].filter((path) => !existsSync(join(ROOT, path)));
      assert.deepEqual(missing, []);
    });
  }

  test('the coverage page has each of the 108 requirements once, in order, and nothing stands without a test', () => {
    const text = readFileSync(join(ROOT, 'docs/coverage.md'), 'utf8');
    const rows = [...text.matchAll(/^\| (\d+) \|.*\| (stands|in part|open) \| (.*) \| (.*) \|$/gm)];
    assert.deepEqual(
      rows.map(([, number]) => Number(number)),
      Array.from({ length: 108 }, (_, i) => i + 1),
    );
    for (const [row, , status, , proof = ''] of rows) {
      if (status !== 'open') assert.match(proof, /\.test\.ts`/, row);
    }
  });
});
