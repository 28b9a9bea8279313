// The driver on a simulated modem with a card of its own, for tests: in virtual time, opened and ready.
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { CardSlot } from '../codec/card.ts';
import { type ByteLink, createLinkPair } from './byte-link.ts';
import { type Modem, type ModemOptions, openModem } from './modem.ts';
import { createSimModem, type SimModem, type SimModemOptions } from './sim/sim-modem.ts';
import { createTestCard, type TestCard, type TestCardOptions } from './sim/test-card.ts';
import { createTestRadio, type TestRadio } from './sim/test-radio.ts';
import { IMEI } from './sim/testing-terminal.ts';

export type TestingDriver = {
  readonly modem: Modem;
  readonly sim: SimModem;
  readonly card: TestCard;
  readonly radio: TestRadio;
  readonly clock: VirtualClock;
  /** The driver's end of every line that it has opened, in order. */
  readonly links: ByteLink[];
};

export type TestingDriverOptions = {
  readonly card?: TestCardOptions;
  readonly sim?: Partial<SimModemOptions>;
  readonly modem?: Partial<ModemOptions>;
  /** What stands in the modem in place of the card itself. */
  readonly slot?: (card: TestCard) => CardSlot;
  readonly clock?: VirtualClock;
};

export async function openTestingDriver(options: TestingDriverOptions = {}): Promise<TestingDriver> {
  const clock = options.clock ?? createVirtualClock();
  const card = createTestCard(options.card);
  const radio = createTestRadio();
  const slot = options.slot?.(card) ?? card;
  const sim = createSimModem({ card: slot, radio, clock, log: silentLog, imei: IMEI, ...options.sim });
  const links: ByteLink[] = [];
  const openLink = async (): Promise<ByteLink> => {
    const link = await linkTo(sim)();
    links.push(link);
    return link;
  };
  const modem = await clock.settle(openModem({ openLink, clock, log: silentLog, ...options.modem }));
  return { modem, sim, card, radio, clock, links };
}

/** Opens lines to a simulated modem. */
export function linkTo(sim: SimModem): () => Promise<ByteLink> {
  return async () => {
    const [link, peer] = createLinkPair();
    sim.connect(peer);
    return link;
  };
}
