// The simulated modem's reader: power, one APDU at a time, logical channels, and the modem's own exchanges with the card.
import { concat } from '../../base/bytes.ts';
import { createLock } from '../../base/lock.ts';
import {
  decodeResponseApdu,
  encodeCommandApdu,
  SW,
  withChannel,
  type ResponseApdu,
} from '../../codec/apdu.ts';
import type { CardSlot } from '../../codec/card.ts';
import { exchangeApdu } from '../apdu-exchange.ts';

export type CardReader = {
  /** Powers the card and resets it. False when there is none or it stays mute. */
  powerOn(): Promise<boolean>;
  powerOff(): Promise<void>;
  readonly powered: boolean;
  /** One APDU as it is. Undefined when the card is off or does not answer. */
  transmit(apdu: Uint8Array): Promise<ResponseApdu | undefined>;
  /** The modem's own exchange on a channel, response fetched whole. */
  exchange(apdu: Uint8Array, channel?: number): Promise<ResponseApdu | undefined>;
  /** MANAGE CHANNEL and SELECT. Answers the channel, or the status word of the refusal. */
  openChannel(aid: Uint8Array): Promise<{ readonly channel: number } | { readonly sw: number }>;
  closeChannel(channel: number): Promise<void>;
  insert(slot: CardSlot | undefined): void;
};

export type CardReaderOptions = {
  readonly slot: CardSlot | undefined;
  /** Told after a response 91xx: the card has a proactive command of that many octets. */
  readonly onProactive: (octets: number) => void;
  /** Sees every APDU before the card: answers in its place, or says what the card is given instead. */
  readonly intercept?: (apdu: Uint8Array) => Uint8Array | ResponseApdu | undefined;
};

export function createCardReader(options: CardReaderOptions): CardReader {
  const lock = createLock();
  let slot = options.slot;
  let powered = false;

  const transmitNow = async (apdu: Uint8Array): Promise<ResponseApdu | undefined> => {
    if (!powered || slot === undefined) return undefined;
    const replaced = options.intercept?.(apdu);
    if (replaced !== undefined && 'sw' in replaced) return replaced;
    try {
      const response = decodeResponseApdu(await slot.transmit(replaced ?? apdu));
      if (response.sw >> 8 === 0x91)
        options.onProactive((response.sw & 0xff) === 0 ? 256 : response.sw & 0xff);
      return response;
    } catch {
      // A card that fails is mute to a reader.
      powered = false;
      return undefined;
    }
  };
  const exchange = (apdu: Uint8Array, channel = 0): Promise<ResponseApdu | undefined> =>
    lock.run(async () => {
      try {
        return await exchangeApdu(
          apdu,
          async (command) => {
            const inClass = concat(Uint8Array.of(withChannel(command[0] ?? 0, channel)), command.subarray(1));
            const response = await transmitNow(inClass);
            if (response === undefined) throw new MuteCard();
            return response;
          },
          { keepLe: false },
        );
      } catch {
        return undefined;
      }
    });
  const closeChannel = async (channel: number): Promise<void> => {
    await exchange(Uint8Array.of(0x00, 0x70, 0x80, channel, 0x00));
  };

  return {
    get powered() {
      return powered;
    },
    powerOn: () =>
      lock.run(async () => {
        powered = false;
        if (slot === undefined) return false;
        try {
          await slot.reset();
          powered = true;
        } catch {
          powered = false;
        }
        return powered;
      }),
    powerOff: () =>
      lock.run(async () => {
        powered = false;
        await slot?.powerOff();
      }),
    transmit: (apdu) => lock.run(() => transmitNow(apdu)),
    exchange,
    async openChannel(aid) {
      const opened = await exchange(Uint8Array.of(0x00, 0x70, 0x00, 0x00, 0x01));
      const channel = opened?.data[0];
      if (opened === undefined || opened.sw !== SW.ok || channel === undefined) {
        return { sw: opened?.sw ?? SW.technicalProblem };
      }
      const select = encodeCommandApdu({ cla: 0, ins: 0xa4, p1: 0x04, p2: 0x00, data: aid, le: 256 });
      const selected = await exchange(select, channel);
      if (
        selected !== undefined &&
        (selected.sw === SW.ok || selected.sw >> 8 === 0x91 || selected.sw >> 8 === 0x62)
      ) {
        return { channel };
      }
      await closeChannel(channel);
      return { sw: selected?.sw ?? SW.technicalProblem };
    },
    closeChannel,
    insert(next) {
      powered = false;
      slot = next;
    },
  };
}

class MuteCard extends Error {}
