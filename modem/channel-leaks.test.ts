// An answer that is lost while a channel opens, serves or closes leaves none open once the modem is left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import type { CardWayKind } from './card-way.ts';
import { type Modem, type ModemMemory, openModem } from './modem.ts';
import { parseFault } from './sim/faults.ts';
import { linkTo, openTestingDriver } from './testing-driver.ts';

const ISD_R = encodeAid(AID_ISD_R);
const REQUEST = Uint8Array.of(0x80, 0xe2, 0x91, 0x00, 0x03, 0xbf, 0x2d, 0x00, 0x00);

/** Opens, asks and closes three times; what breaks is left to the next round. Answers the channels that are open then. */
async function channelsAfter(fault: string, way: CardWayKind): Promise<number> {
  const { modem, card, clock } = await openTestingDriver({
    sim: { faults: [parseFault(fault)] },
    modem: { quirks: { card: { way } } },
  });
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
  const { modem, card, clock } = await openTestingDriver({
    sim: { quirks: { answerDelay: 500 } },
    modem: { quirks: { card: { way: 'csim' } } },
  });
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

test('a channel whose line ended within its opening is closed by the next line, which takes another way', async () => {
  for (let at = 1; at <= 12; at++) {
    let memory: ModemMemory = {};
    const onLearned = (_: unknown, learned: ModemMemory): void => void (memory = learned);
    const { modem, sim, card, clock } = await openTestingDriver({
      sim: { faults: [parseFault(`drop-port=100@at=${at}`)] },
      modem: { quirks: { card: { way: 'csim' } }, onLearned },
    });
    const use = async (used: Modem): Promise<void> => {
      try {
        await (await (await used.openCard()).openChannel(ISD_R)).close();
      } finally {
        await used.close();
      }
    };
    await clock.settle(use(modem)).catch((error: unknown) => {
      if (!isAgentError(error)) throw error;
    });
    await clock.advance(1_000);
    const openLink = linkTo(sim);
    const quirks = { card: { way: 'cgla' } } as const;
    const remembered = (): ModemMemory => memory;
    const next = openModem({ openLink, clock, log: silentLog, quirks, remembered, onLearned });
    await clock.settle(use(await clock.settle(next)));
    assert.equal(card.openChannels(), 0, `drop-port at APDU ${at}`);
  }
});
