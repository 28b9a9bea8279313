// The device over a modem that an earlier life of the program left in the middle of something.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEST_PROFILES } from '../modem/sim/test-card.ts';
import { openTestingDriver } from '../modem/testing-driver.ts';
import { openModemDevice } from './modem-device.ts';

test('a modem that was left without its card by a radio cycle cut in half is switched on before anything else', async () => {
  const { modem, sim, clock } = await openTestingDriver();
  await clock.settle(modem.setRadio(false));
  assert.equal(sim.equipment.functionality, 0);
  const device = await clock.settle(openModemDevice(modem, () => {}));
  await clock.advance(5_000);
  assert.equal(await clock.settle(device.readIccid()), TEST_PROFILES[0]?.iccid);
});
