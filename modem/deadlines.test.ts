// How long commands wait whose answers never come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import { DEADLINES_MS, type DeadlineClass } from './at-session.ts';
import { openTestingDriver } from './testing-driver.ts';

/** How long a command waits whose answer never comes. */
async function patience(
  deadlinesMs: Partial<Record<DeadlineClass, number>>,
  command: string,
  long: boolean,
): Promise<number> {
  let mute = false;
  const { modem, clock } = await openTestingDriver({
    slot: (card) => ({
      ...card,
      transmit: (apdu) => (mute ? new Promise<never>(() => {}) : card.transmit(apdu)),
    }),
    modem: { deadlinesMs },
  });
  const channel = await clock.settle(
    (await clock.settle(modem.openCard())).openChannel(encodeAid(AID_ISD_R)),
  );
  mute = true;
  const began = clock.now();
  await assert.rejects(
    clock.settle(channel.transmit(fromHex(command), long ? { long: true } : {})),
    (error) => isAgentError(error, 'CARD_LOST'),
  );
  return clock.now() - began;
}

test('each class of commands has its deadline, of the table or of the configuration', async () => {
  const ES10 = '80E2910006BF3E035C015A';
  const SEGMENT = '80E2110003860100';
  const SCRIPT = '84E2910003A1A2A3';
  assert.equal(await patience({}, ES10, false), DEADLINES_MS.card);
  assert.equal(await patience({}, SEGMENT, false), DEADLINES_MS.install);
  assert.equal(await patience({}, SCRIPT, false), DEADLINES_MS.install);
  assert.equal(await patience({}, ES10, true), DEADLINES_MS.install);
  assert.equal(await patience({ card: 1_234 }, ES10, false), 1_234);
  assert.equal(await patience({ install: 600_000 }, SEGMENT, false), 600_000);
});
