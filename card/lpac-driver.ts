// The card's end of lpac's stdio driver (LPAC_APDU=stdio): {"type":"apdu","payload":{"func":…,"param":…}} to an ecode and data.
import { concat, EMPTY, fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { decodeResponseApdu, SW } from '../codec/apdu.ts';
import type { CardSlot } from '../codec/card.ts';

type Payload = { readonly ecode: number; readonly data?: string };

const FAILED: Payload = { ecode: -1 };
const MAX_AID = 16;

/** Answers requests of the driver. Whatever cannot be done is `ecode` -1. */
export function createLpacDriver(card: CardSlot): {
  answer(payload: unknown): Promise<{ readonly type: 'apdu'; readonly payload: Payload }>;
} {
  const command = async (
    ...octets: readonly (number | Uint8Array)[]
  ): Promise<ReturnType<typeof decodeResponseApdu>> =>
    decodeResponseApdu(
      await card.transmit(
        concat(...octets.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part))),
      ),
    );
  const carryOut = async (func: unknown, param: Uint8Array): Promise<Payload> => {
    switch (func) {
      case 'connect':
        await card.reset();
        return { ecode: 0 };
      case 'disconnect':
        await card.powerOff();
        return { ecode: 0 };
      case 'logic_channel_open': {
        if (param.length === 0 || param.length > MAX_AID) return FAILED;
        const opened = await command(0x00, 0x70, 0x00, 0x00, 0x01);
        const channel = opened.data[0];
        // The driver knows channels 1 to 3 only.
        if (opened.sw !== SW.ok || channel === undefined || channel > 3) return FAILED;
        const { sw } = await command(channel, 0xa4, 0x04, 0x00, param.length, param);
        if (sw === SW.ok || sw >> 8 === 0x61) return { ecode: channel };
        await command(0x00, 0x70, 0x80, channel);
        return FAILED;
      }
      case 'logic_channel_close':
        await command(0x00, 0x70, 0x80, param[0] ?? 0);
        return { ecode: 0 };
      case 'transmit':
        return { ecode: 0, data: toHex(await card.transmit(param)) };
      default:
        return FAILED;
    }
  };
  return {
    async answer(payload) {
      const { func, param } = (typeof payload === 'object' && payload !== null ? payload : {}) as {
        readonly func?: unknown;
        readonly param?: unknown;
      };
      try {
        const octets = typeof param === 'string' ? fromHex(param) : EMPTY;
        return { type: 'apdu', payload: await carryOut(func, octets) };
      } catch (error) {
        if (!isAgentError(error)) throw error;
        return { type: 'apdu', payload: FAILED };
      }
    },
  };
}
