// Files of every kind that a user may name.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAgentError } from '../base/errors.ts';
import { readBounded } from './read-bounded.ts';

test('a file is read whole up to the bound, and a file without an end to the octet behind it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'bounded-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'a file');
  const content = Uint8Array.from({ length: 150_000 }, (_, i) => i & 0xff);
  await writeFile(path, content);
  assert.deepEqual(await readBounded(path, content.length), content);
  assert.equal((await readBounded(path, 99_999)).length, 100_000);
  assert.equal((await readBounded('/dev/zero', 1000)).length, 1001);
  for (const wrong of [folder, join(folder, 'missing')]) {
    await assert.rejects(readBounded(wrong, 10), (error) => isAgentError(error, 'FILE_FAILED'));
  }
});
