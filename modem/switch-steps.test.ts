import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { parseImei } from '../codec/ids.ts';
import { type ByteLink, createLinkPair } from './byte-link.ts';
import { openModem, type Modem, type ModemOptions } from './modem.ts';
import type { SimQuirks } from './sim/quirks.ts';
import { createSimModem, type SimModem } from './sim/sim-modem.ts';
import { createTestCard, TEST_PROFILES } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';

async function rig(quirks: Partial<SimQuirks>, options: Partial<ModemOptions> = {}) {
  const clock = createVirtualClock();
  const sim: SimModem = createSimModem({
    card: createTestCard(),
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei('490154203237518'),
    quirks,
  });
  const openLink = async (): Promise<ByteLink> => {
    const [link, peer] = createLinkPair();
    sim.connect(peer);
    return link;
  };
  const modem: Modem = await clock.settle(openModem({ openLink, clock, log: silentLog, ...options }));
  return { modem, sim, clock };
}

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
