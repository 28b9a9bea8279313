import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid, parseAid, parseImei } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import type { Modem } from './modem.ts';
import type { ModemQuirks } from './quirks.ts';
import { PERSONALITIES } from './sim/personalities.ts';
import { createQuirks, deviations, type QuirkName } from './sim/quirks.ts';
import type { SimModemOptions } from './sim/sim-modem.ts';
import { TEST_PROFILES } from './sim/test-card.ts';
import { openTestingDriver } from './testing-driver.ts';

const IMEI = parseImei('490154203237518');
const [FIRST, SECOND] = TEST_PROFILES;
assert.ok(FIRST && SECOND);

/** Switches that only a person can answer: what the modem needs is in no standard. */
const CONFIGURED: Partial<Record<QuirkName, ModemQuirks>> = {
  slotCommand: { initialise: ['AT^SWITCH_SLOT=1'] },
};

/** One chain whole, begun anew with smaller commands or another way when the way breaks. */
async function request(modem: Modem, isdR: Uint8Array, octets: Uint8Array): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    const card = await modem.openCard();
    const channel = await card.openChannel(isdR);
    try {
      let data = new Uint8Array(0);
      for (const command of storeDataCommands(octets, card.maxCommandData)) {
        const response = await channel.transmit(encodeCommandApdu(command));
        if (response.sw !== 0x9000 && response.sw >> 8 !== 0x91) {
          throw new AgentError('CARD_STATUS', { sw: response.sw.toString(16) });
        }
        data = Uint8Array.from(response.data);
      }
      return data;
    } catch (error) {
      if (attempt === 4) throw error;
    } finally {
      await channel.close();
    }
  }
}

/** What every modem must carry: a long request, a switch of the profile, and service with the new one. */
async function useModem(sim: Partial<SimModemOptions>, quirks: ModemQuirks = {}): Promise<void> {
  const isdR = encodeAid(parseAid(sim.quirks?.isdrAid ?? AID_ISD_R));
  const { modem, card, radio, clock } = await openTestingDriver({ sim, modem: { quirks } });
  const settle = <T>(work: Promise<T>): Promise<T> => clock.settle(work);
  assert.equal(await settle(modem.imei()), IMEI);
  assert.equal(await settle(modem.readIccid()), FIRST?.iccid);
  // A request of ES10 (BF2D) that is long enough for a ninth block.
  const octets = Uint8Array.from({ length: 9 * 255 - 10 }, (_, i) =>
    i === 0 ? 0xbf : i === 1 ? 0x2d : i & 0xff,
  );
  assert.equal(toHex(await settle(request(modem, isdR, octets))), toHex(octets));
  const answer = await settle(request(modem, isdR, Uint8Array.of(0xbf, 0x31, 0x01, 0x01)));
  assert.equal(toHex(answer.subarray(0, 2)), 'BF31');
  assert.deepEqual((await settle(modem.awaitProfile(SECOND?.iccid ?? FIRST!.iccid))).seen, true);
  await clock.advance(60_000);
  if (!(await settle(modem.registration())).registered) {
    await settle(modem.restart());
    await clock.advance(60_000);
  }
  assert.equal((await settle(modem.registration())).registered, true);
  assert.deepEqual([...radio.attached.keys()], [SECOND?.imsi]);
  await settle(modem.close());
  assert.ok(card.openChannels() <= 1, `${card.openChannels()} channels left open`);
}

for (const { name, label, quirks, hopeless } of deviations()) {
  if (!hopeless) {
    test(`the driver works with a modem with ${label}`, async () => {
      await useModem({ quirks }, CONFIGURED[name]);
    });
  } else {
    test(`the driver says that a modem with ${label} has no way to the card, in bounded time`, async () => {
      await assert.rejects(useModem({ quirks }), (error) =>
        isAgentError(error, 'AT_TIMEOUT', 'CARD_ACCESS', 'CARD_STATUS'),
      );
    });
  }
}

for (const [name, personality] of Object.entries(PERSONALITIES)) {
  test(`the driver works with ${name}`, async () => {
    await useModem({ identity: personality.identity, quirks: personality.quirks });
  });
}

test('no way at all is told as such', async () => {
  const quirks = { csimChannels: 'refused', ccho: 'error' } as const;
  await assert.rejects(useModem({ quirks }), (error) => isAgentError(error, 'CARD_ACCESS'));
  assert.equal(createQuirks(quirks).ccho, 'error');
});
