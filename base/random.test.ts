import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { toHex } from './bytes.ts';
import { createSeededRandom, systemRandom } from './random.ts';

describe('the seeded source', () => {
  test('repeats itself with its seed and differs between neighbouring seeds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 2 }), (seed) => {
        const octets = (from: number): string => toHex(createSeededRandom(from).bytes(16));
        assert.equal(octets(seed), octets(seed));
        assert.notEqual(octets(seed), octets(seed + 1));
      }),
    );
  });

  test('gives fractions from 0 up to, not including, 1, and octets of every value', () => {
    const random = createSeededRandom(1);
    const fractions = Array.from({ length: 10_000 }, () => random.next());
    assert.ok(fractions.every((fraction) => fraction >= 0 && fraction < 1));
    const mean = fractions.reduce((sum, fraction) => sum + fraction, 0) / fractions.length;
    assert.ok(Math.abs(mean - 0.5) < 0.02, `mean ${mean}`);
    assert.equal(new Set(random.bytes(10_000)).size, 256);
  });
});

test('the source of the system gives as many octets as asked for, never the same twice', () => {
  for (const length of [0, 1, 16, 100_000]) assert.equal(systemRandom.bytes(length).length, length);
  const drawn = Array.from({ length: 100 }, () => toHex(systemRandom.bytes(16)));
  assert.equal(new Set(drawn).size, 100);
});
