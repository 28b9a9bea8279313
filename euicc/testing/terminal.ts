// The terminal's side of a card for tests: GET RESPONSE followed, channels, ES10 over STORE DATA, plain or under SCP03.
import { concat, fromHex, toHex, uintBytes } from '../../base/bytes.ts';
import {
  type CommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  type ResponseApdu,
  withChannel,
} from '../../codec/apdu.ts';
import type { CardSlot } from '../../codec/card.ts';
import { AID_ISD_R, encodeAid } from '../../codec/ids.ts';
import { bppSegments } from '../../codec/rsp/bpp.ts';
import { storeDataCommands } from '../../codec/store-data.ts';

/** TERMINAL PROFILE of a terminal that fetches proactive commands and can be reset by REFRESH (ETSI TS 102 223, 5.2). */
export const TERMINAL_PROFILE = '8010000003FFFF80';

/** Sends octets as they are. */
export async function raw(slot: CardSlot, hex: string): Promise<string> {
  return toHex(await slot.transmit(fromHex(hex)));
}

/** Sends a command and fetches its whole response. 91xx is shown as it is. */
export async function exchange(slot: CardSlot, command: CommandApdu): Promise<ResponseApdu> {
  let response = decodeResponseApdu(await slot.transmit(encodeCommandApdu(command)));
  let data = response.data;
  while (response.sw >> 8 === 0x61) {
    const le = response.sw & 0xff;
    const next = {
      cla: (command.cla & 0x40) === 0 ? command.cla & ~0x0c : command.cla & ~0x20,
      ins: 0xc0,
      p1: 0,
      p2: 0,
      data: new Uint8Array(0),
      le: le === 0 ? 256 : le,
    };
    response = decodeResponseApdu(await slot.transmit(encodeCommandApdu(next)));
    data = concat(data, response.data);
  }
  return { data, sw: response.sw };
}

export function selectAid(slot: CardSlot, aid: Uint8Array, channel = 0): Promise<ResponseApdu> {
  return exchange(slot, { cla: withChannel(0, channel), ins: 0xa4, p1: 4, p2: 4, data: aid });
}

/** A logical channel with the ISD-R selected. */
export type IsdRChannel = {
  readonly channel: number;
  /** One ES10 request to its response. Throws `Error` with the status word where it is not 9000 or 91xx. */
  es10(request: Uint8Array): Promise<Uint8Array>;
  /** The same, with the status word. */
  send(request: Uint8Array): Promise<ResponseApdu>;
  /** All pieces of a bound profile package; the answer is BF37. Stops at the first answer that has data. */
  load(boundProfilePackage: Uint8Array): Promise<Uint8Array>;
};

/** What stands between an ISD-R channel and the card: nothing, or a secure channel. */
export type Wrapping = {
  wrap(command: CommandApdu): CommandApdu;
  unwrap(response: ResponseApdu): ResponseApdu;
};

export async function openIsdR(slot: CardSlot, wrapping?: Wrapping): Promise<IsdRChannel> {
  const opened = await exchange(slot, { cla: 0, ins: 0x70, p1: 0, p2: 0, data: new Uint8Array(0), le: 1 });
  const channel = opened.data[0] ?? 0;
  const selected = await selectAid(slot, encodeAid(AID_ISD_R), channel);
  if (selected.sw !== 0x9000) throw new Error(`SELECT ISD-R: ${toHex(uintBytes(selected.sw, 2))}`);
  return isdRChannel(slot, channel, wrapping);
}

export function isdRChannel(slot: CardSlot, channel: number, wrapping?: Wrapping): IsdRChannel {
  const send = async (request: Uint8Array): Promise<ResponseApdu> => {
    let response: ResponseApdu = { data: new Uint8Array(0), sw: 0 };
    for (const plain of storeDataCommands(request, wrapping === undefined ? 255 : 223)) {
      const command = wrapping === undefined ? plain : wrapping.wrap(plain);
      response = await exchange(slot, { ...command, cla: withChannel(command.cla, channel) });
      if (wrapping !== undefined && response.sw !== 0x6982) response = wrapping.unwrap(response);
      if (response.sw !== 0x9000) break;
    }
    return response;
  };
  const es10 = async (request: Uint8Array): Promise<Uint8Array> => {
    const { data, sw } = await send(request);
    if (sw !== 0x9000 && sw >> 8 !== 0x91) throw new Error(`ES10: ${toHex(uintBytes(sw, 2))}`);
    return data;
  };
  return {
    channel,
    send,
    es10,
    async load(boundProfilePackage) {
      for (const piece of bppSegments(boundProfilePackage)) {
        const data = await es10(piece);
        if (data.length > 0) return data;
      }
      throw new Error('the package ended without a result');
    },
  };
}
