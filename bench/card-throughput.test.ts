// The card's bench measures real installations, and says so in figures.
import assert from 'node:assert/strict';
import test from 'node:test';
import { realClock } from '../base/clock.ts';
import { cardThroughput } from './card-throughput.ts';

const options = { seed: 1, progress: () => {} };

test('an installation takes 2 writes and 70 commands, whatever the machine', async () => {
  const figures = await cardThroughput.run({ ...options, clock: realClock, runs: 1 });
  const value = (name: string) => figures.find((figure) => figure.name === name)?.value;
  assert.equal(value('state-file writes an installation'), 2);
  assert.equal(value('commands an installation'), 70);
  const share = value('share of the time in EC operations') ?? 0;
  assert.ok(share > 0 && share < 1, `${share}`);
});
