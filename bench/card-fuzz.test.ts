// The card's fuzz run finds nothing in a short run, and says so in figures.
import assert from 'node:assert/strict';
import test from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { cardFuzz } from './card-fuzz.ts';

test('a short run of the card fuzz reaches every bar', async () => {
  const shown: string[] = [];
  const figures = await cardFuzz.run({
    clock: createVirtualClock(),
    runs: 6000,
    seed: 20_261_124,
    progress: (line) => void shown.push(line),
  });
  assert.deepEqual(
    figures.filter(({ ok }) => !ok),
    [],
    shown.join('\n'),
  );
});
