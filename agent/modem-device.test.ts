import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { parseImei } from '../codec/ids.ts';
import { type ByteLink, createLinkPair } from '../modem/byte-link.ts';
import { openModem } from '../modem/modem.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestCard, TEST_PROFILES } from '../modem/sim/test-card.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { openModemDevice } from './modem-device.ts';

async function rig() {
  const clock = createVirtualClock();
  const sim = createSimModem({
    card: createTestCard(),
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei('490154203237518'),
  });
  const openLink = async (): Promise<ByteLink> => {
    const [link, peer] = createLinkPair();
    sim.connect(peer);
    return link;
  };
  const modem = await clock.settle(openModem({ openLink, clock, log: silentLog }));
  return { modem, sim, clock };
}

test('a modem that was left without its card by a radio cycle cut in half is switched on before anything else', async () => {
  const { modem, sim, clock } = await rig();
  await clock.settle(modem.setRadio(false));
  assert.equal(sim.equipment.functionality, 0);
  const device = await clock.settle(openModemDevice(modem, () => {}));
  await clock.advance(5_000);
  assert.equal(await clock.settle(device.readIccid()), TEST_PROFILES[0]?.iccid);
});
