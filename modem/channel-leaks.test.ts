// An answer that is lost while a channel opens, serves or closes leaves none open once the modem is left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { AID_ISD_R, encodeAid, parseImei } from '../codec/ids.ts';
import { createLinkPair } from './byte-link.ts';
import type { CardWayKind } from './card-way.ts';
import { openModem } from './modem.ts';
import { parseFault } from './sim/faults.ts';
import { createSimModem } from './sim/sim-modem.ts';
import { createTestCard } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';

const ISD_R = encodeAid(AID_ISD_R);
const REQUEST = Uint8Array.of(0x80, 0xe2, 0x91, 0x00, 0x03, 0xbf, 0x2d, 0x00, 0x00);

/** Opens, asks and closes three times; what breaks is left to the next round. Answers the channels that are open then. */
async function channelsAfter(fault: string, way: CardWayKind): Promise<number> {
  const clock = createVirtualClock();
  const card = createTestCard();
  const device = createSimModem({
    card,
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei('490154203237518'),
    faults: [parseFault(fault)],
  });
  const modem = await clock.settle(
    openModem({
      openLink: async () => {
        const [link, peer] = createLinkPair();
        device.connect(peer);
        return link;
      },
      clock,
      log: silentLog,
      quirks: { card: { way } },
    }),
  );
  for (let round = 0; round < 3; round++) {
    const work = async (): Promise<void> => {
      const channel = await (await modem.openCard()).openChannel(ISD_R);
      try {
        await channel.transmit(REQUEST);
      } finally {
        await channel.close();
      }
    };
    await clock.settle(work()).catch((error: unknown) => {
      if (!isAgentError(error)) throw error;
    });
  }
  await clock.settle(modem.close());
  return card.openChannels();
}

for (const way of ['cgla', 'csim'] as const) {
  for (const kind of ['silence', 'truncate', 'tear']) {
    test(`no channel is left open over ${way} by ${kind} of any one answer`, async () => {
      for (let at = 18; at <= 60; at++) {
        assert.equal(await channelsAfter(`${kind}@at=${at}`, way), 0, `${kind}@at=${at}`);
      }
    });
  }
}

test('an opening that is cancelled leaves no channel open', async () => {
  const clock = createVirtualClock();
  const card = createTestCard();
  const device = createSimModem({
    card,
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei('490154203237518'),
    quirks: { answerDelay: 500 },
  });
  const openLink = async () => {
    const [link, peer] = createLinkPair();
    device.connect(peer);
    return link;
  };
  const quirks = { card: { way: 'csim' } } as const;
  const modem = await clock.settle(openModem({ openLink, clock, log: silentLog, quirks }));
  // The sweep before the first opening takes its time.
  await clock.settle((async () => (await (await modem.openCard()).openChannel(ISD_R)).close())());
  const stop = new AbortController();
  const opening = (async () => (await modem.openCard()).openChannel(ISD_R, { signal: stop.signal }))();
  opening.catch(() => {});
  await clock.advance(0);
  stop.abort();
  await assert.rejects(clock.settle(opening), (error) => isAgentError(error, 'ABORTED'));
  await clock.settle(modem.close());
  assert.equal(card.openChannels(), 0);
});
