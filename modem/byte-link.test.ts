import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentError } from '../base/errors.ts';
import { createLinkPair } from './byte-link.ts';

test('what one end writes the other reads in order, and a copy of it', async () => {
  const [a, b] = createLinkPair();
  const bytes = Uint8Array.of(1, 2);
  await a.write(bytes);
  bytes[0] = 9;
  await a.write(Uint8Array.of(3));
  await a.close();
  const seen: number[] = [];
  for await (const chunk of b.read) seen.push(...chunk);
  assert.deepEqual(seen, [1, 2, 3]);
});

test('closing one end ends both', async () => {
  const [a, b] = createLinkPair();
  await b.close();
  await a.closed;
  await a.close();
  for await (const chunk of a.read) assert.fail(`read ${chunk.length}`);
  await assert.rejects(a.write(Uint8Array.of(1)), (error) => isAgentError(error, 'LINK_CLOSED'));
});
