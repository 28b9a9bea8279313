// A card that loses its power in the middle of a random life is never between two states, and says so in figures.
import assert from 'node:assert/strict';
import test from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { cardLife } from './card-life.ts';

test('a short life with cuts reaches every bar', async () => {
  const shown: string[] = [];
  const figures = await cardLife.run({
    clock: createVirtualClock(),
    runs: 100,
    seed: 20_261_124,
    progress: (line) => void shown.push(line),
  });
  assert.deepEqual(
    figures.filter(({ ok }) => !ok),
    [],
    shown.join('\n'),
  );
});
