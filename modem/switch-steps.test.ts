// The steps that make a modem look at its card again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModemOptions } from './modem.ts';
import type { SimQuirks } from './sim/quirks.ts';
import { TEST_PROFILES } from './sim/test-card.ts';
import { openTestingDriver } from './testing-driver.ts';

const rig = (quirks: Partial<SimQuirks>, modem: Partial<ModemOptions> = {}) =>
  openTestingDriver({ sim: { quirks }, modem });

test('a modem offers the steps that it has, the gentlest first', async () => {
  assert.deepEqual((await rig({})).modem.switchSteps, ['radio-cycle', 'restart']);
  const quirks = { slotPower: ['AT+QSIMDET=0'], vendorReset: ['AT#REBOOT'] };
  const { modem } = await rig({}, { quirks });
  assert.deepEqual(modem.switchSteps, ['slot-power', 'radio-cycle', 'restart', 'vendor-reset']);
});

test('a radio cycle ends with the radio on, also where the port goes away with it', async () => {
  const { modem, sim, clock } = await rig({ radioOffDropsPort: 3_000 });
  await clock.settle(modem.takeSwitchStep('radio-cycle'));
  assert.equal(sim.equipment.functionality, 1);
  await clock.advance(10_000);
  assert.equal(await clock.settle(modem.readIccid()), TEST_PROFILES[0]?.iccid);
});

test('a restart of the modem is told once it answers again, whoever caused it', async () => {
  const { modem, sim, clock } = await rig({ bootLine: 'RDY' });
  let restarts = 0;
  const cancel = modem.onRestart(() => restarts++);
  const cycled = sim.powerCycle();
  await clock.settle(cycled);
  await clock.advance(10_000);
  assert.equal(restarts, 1);
  await clock.settle(modem.takeSwitchStep('restart'));
  assert.ok(restarts >= 2);
  const before = restarts;
  cancel();
  await clock.settle(modem.restart());
  assert.equal(restarts, before);
});
