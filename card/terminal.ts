// The terminal's side of a card in a slot: GET RESPONSE followed, the ISD-R on a channel of its own, ES10 over STORE DATA.
import { concat, EMPTY } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import {
  type CommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  type ResponseApdu,
  SW,
  swText,
  withChannel,
} from '../codec/apdu.ts';
import type { CardSlot } from '../codec/card.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';

/** A card answers no more parts of a response than this. */
const MAX_PARTS = 4096;

/** Sends a command and fetches its whole response. */
export async function exchange(slot: CardSlot, command: CommandApdu): Promise<ResponseApdu> {
  let response = decodeResponseApdu(await slot.transmit(encodeCommandApdu(command)));
  const parts = [response.data];
  while (response.sw >> 8 === 0x61 && parts.length < MAX_PARTS) {
    const le = response.sw & 0xff;
    const next = { cla: command.cla, ins: 0xc0, p1: 0, p2: 0, data: EMPTY, le: le === 0 ? 256 : le };
    response = decodeResponseApdu(await slot.transmit(encodeCommandApdu(next)));
    parts.push(response.data);
  }
  return { data: concat(...parts), sw: response.sw };
}

/** One ES10 request to its response; undefined where the card does not know the function. Throws `CARD_STATUS`. */
export type Es10 = (request: Uint8Array) => Promise<Uint8Array | undefined>;

/** What a card that does not have a function answers. */
const UNKNOWN_FUNCTION: readonly number[] = [
  SW.wrongData,
  SW.functionNotSupported,
  SW.referencedDataNotFound,
];

/** Opens the ISD-R. Throws `CARD_STATUS`. */
export async function openIsdR(slot: CardSlot): Promise<Es10> {
  const opened = await exchange(slot, { cla: 0, ins: 0x70, p1: 0, p2: 0, data: EMPTY, le: 1 });
  const channel = opened.data[0];
  if (opened.sw !== SW.ok || channel === undefined) throw refused('MANAGE CHANNEL', opened.sw);
  const select = { cla: withChannel(0, channel), ins: 0xa4, p1: 4, p2: 0, data: encodeAid(AID_ISD_R) };
  const selected = await exchange(slot, select);
  if (selected.sw !== SW.ok) throw refused('SELECT ISD-R', selected.sw);
  return async (request) => {
    let last: ResponseApdu = { data: EMPTY, sw: 0 };
    for (const command of storeDataCommands(request)) {
      last = await exchange(slot, { ...command, cla: withChannel(command.cla, channel) });
      if (last.sw !== SW.ok) break;
    }
    if (UNKNOWN_FUNCTION.includes(last.sw)) return undefined;
    if (last.sw !== SW.ok && last.sw >> 8 !== 0x91) throw refused('STORE DATA', last.sw);
    return last.data;
  };
}

function refused(command: string, sw: number): AgentError {
  return new AgentError('CARD_STATUS', { command, sw: swText(sw) });
}
