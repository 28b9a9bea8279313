// The main job through every personality and every single deviation of a modem: provisioning and MNO change, whole, in virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentError } from '../base/errors.ts';
import type { ModemQuirks } from '../modem/quirks.ts';
import { PERSONALITIES } from '../modem/sim/personalities.ts';
import { deviations, type QuirkName } from '../modem/sim/quirks.ts';
import type { SimModemOptions } from '../modem/sim/sim-modem.ts';
import { openMainJobWorld } from './main-job-world.ts';

/** What the owner of the device has to configure, since no standard tells it. */
const CONFIGURED: Partial<Record<QuirkName, ModemQuirks>> = {
  slotCommand: { initialise: ['AT^SWITCH_SLOT=1'] },
};

async function mainJob(sim: Partial<SimModemOptions>, quirks: ModemQuirks = {}): Promise<void> {
  const world = await openMainJobWorld({ sim, quirks, profileBytes: 3_000 });
  try {
    const provisioning = await world.run('provisioning');
    assert.equal(provisioning.step, 'completed', provisioning.reason);
    const change = await world.run('mno-change');
    assert.equal(change.step, 'completed', change.reason);
    // The last notifications may still be on their way.
    await world.clock.advance(120_000);
    const { profiles, freeChannel } = await world.stopAndAsk();
    const states = Object.entries(profiles).map(([iccid, state]) => `${state} ${iccid.slice(0, 7)}`);
    assert.deepEqual(states.toSorted(), ['disabled 8999900', 'enabled 8999902']);
    assert.ok(freeChannel <= 2, `${freeChannel - 1} logical channels were left open`);
    assert.deepEqual((await world.notifications()).toSorted(), [
      'mno-a delete',
      'mno-a disable',
      'mno-a enable',
      'mno-a install',
      'mno-b enable',
      'mno-b install',
    ]);
  } finally {
    await world.close();
  }
}

for (const { name, label, quirks, hopeless } of deviations()) {
  if (hopeless) {
    test(`a modem with ${label} has no way to the card, and the agent says so`, async () => {
      await assert.rejects(mainJob({ quirks }), (error) =>
        isAgentError(error, 'AT_TIMEOUT', 'CARD_ACCESS', 'CARD_STATUS'),
      );
    });
  } else {
    test(`both procedures complete over a modem with ${label}`, async () => {
      await mainJob({ quirks }, CONFIGURED[name]);
    });
  }
}

for (const [name, { identity, quirks }] of Object.entries(PERSONALITIES)) {
  test(`both procedures complete over ${name}`, async () => {
    await mainJob({ identity, quirks });
  });
}
