// The ladder after a switch in the whole system: a modem that needs it, an operator that hears of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upMessages } from '../codec/wire.ts';
import { openMainJobWorld } from './main-job-world.ts';

test('a modem that ignores its card and holds on to the old profile is helped up step by step, and the operator is told', async () => {
  const world = await openMainJobWorld({
    profileBytes: 3_000,
    sim: { quirks: { proactive: 'ignored', attachNeedsRestart: true } },
  });
  const told: string[] = [];
  world.tamper((message) => {
    if (!message.topic.endsWith('/up')) return message;
    const said = upMessages.decode(message.payload);
    if (said.is === 'scriptReport' && said.ladder !== undefined)
      told.push(said.ladder.map(({ step, missing }) => `${step} for ${missing}`).join(', '));
    return message;
  });
  try {
    const { step, reason } = await world.run('provisioning');
    assert.equal(step, 'completed', reason);
    assert.deepEqual(
      [...new Set(told)],
      ['refresh for card, radio-cycle for card, restart for registration'],
    );
  } finally {
    await world.close();
  }
});
