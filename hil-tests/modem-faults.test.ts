// One fault of the modem in the middle of the main job's first procedure, at many places: it is taken up again and completes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFault } from '../modem/sim/faults.ts';
import { openMainJobWorld } from './main-job-world.ts';

/** From the first questions over authentication to the end of the load. */
const PLACES = [4, 19, 27, 33, 41, 52];
const FAULTS = ['reset', 'reset-after', 'mute', 'cme=13', 'card-out=3000', 'drop-port=3000', 'exhaust'];

for (const [n, fault] of FAULTS.entries()) {
  test(`provisioning comes through ${fault}`, async () => {
    for (const at of PLACES.filter((_, place) => (place + n) % 3 === 0)) {
      const world = await openMainJobWorld({
        profileBytes: 3_000,
        sim: { faults: [parseFault(`${fault}@at=${at}`)] },
      });
      try {
        const { step, reason } = await world.run('provisioning');
        assert.equal(step, 'completed', `${fault} at APDU ${at}: ${reason}`);
        assert.equal(Object.keys(world.device.faults.struck).length, 1, `${fault} at APDU ${at} struck`);
        const { profiles } = await world.stopAndAsk();
        assert.deepEqual(Object.values(profiles).toSorted(), ['disabled', 'enabled']);
      } finally {
        await world.close();
      }
    }
  });
}
