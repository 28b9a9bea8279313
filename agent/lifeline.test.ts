// When a device that reaches no operator makes its modem begin anew, and when it leaves it alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { createLifeline } from './lifeline.ts';

const MINUTE = 60_000;

function rig(chance = 0) {
  const clock = createVirtualClock();
  const refreshes: string[] = [];
  const lifeline = createLifeline({
    clock,
    random: { bytes: (length) => new Uint8Array(length).fill(chance) },
    refresh: async (attempt) => void refreshes.push(`${attempt} at ${clock.now() / MINUTE}`),
  });
  return { clock, lifeline, refreshes };
}

test('operators that stay out of reach have the modem begin anew, each time after twice as long', async () => {
  const { clock, lifeline, refreshes } = rig();
  lifeline.missed();
  await clock.advance(5 * MINUTE);
  lifeline.missed();
  await clock.advance(100 * MINUTE);
  assert.deepEqual(refreshes, ['1 at 15', '2 at 45', '3 at 105']);
});

test('whatever comes through ends the wait and begins the count again', async () => {
  const { clock, lifeline, refreshes } = rig();
  lifeline.missed();
  await clock.advance(20 * MINUTE);
  lifeline.reached();
  await clock.advance(1_000 * MINUTE);
  assert.deepEqual(refreshes, ['1 at 15']);
  lifeline.missed();
  await clock.advance(15 * MINUTE);
  assert.deepEqual(refreshes, ['1 at 15', '1 at 1035']);
  lifeline.close();
  await clock.advance(1_000 * MINUTE);
  assert.equal(refreshes.length, 2);
});

test('devices of one fleet do not begin anew all at once', async () => {
  const { clock, lifeline, refreshes } = rig(128);
  lifeline.missed();
  await clock.advance(60 * MINUTE);
  assert.deepEqual(refreshes, ['1 at 22.5']);
});
