// What a card really answered, beside what the driver said that it answered; and which of its channels are open.
import { concat, equalBytes, toHex } from '../base/bytes.ts';
import {
  channelOf,
  decodeCommandApdu,
  decodeResponseApdu,
  type ResponseApdu,
  swText,
} from '../codec/apdu.ts';
import type { Card, CardChannel, CardSlot } from '../codec/card.ts';

const INS = { manageChannel: 0x70, getResponse: 0xc0 } as const;
const OK = 0x9000;

export type CardWitness = {
  /** The card, watched. */
  slot(card: CardSlot): CardSlot;
  /** Another card that takes its place for a while; its channels are not counted. */
  other(card: CardSlot): CardSlot;
  /** What a driver has of the card, watched. */
  card(card: Card): Card;
  /** Answers of the driver that the card never gave, in words. */
  readonly unbelievable: readonly string[];
  /** Answers that were compared. */
  readonly compared: number;
  /** Logical channels that are open, the basic one left out. */
  openChannels(): readonly number[];
};

type Exchange = { readonly command: Uint8Array; readonly answer: ResponseApdu };

/**
 * `see` is told of every octet that goes to the card and comes from it. `dropsResponses`: the modem itself may say that a response is none,
 * which no driver can tell.
 */
export function createCardWitness(
  see: (octets: Uint8Array) => void,
  { dropsResponses = false }: { readonly dropsResponses?: boolean } = {},
): CardWitness {
  const unbelievable: string[] = [];
  const channels = new Set<number>();
  let compared = 0;
  /** What the card did since the driver's present command began. */
  let recent: Exchange[] = [];

  const note = (command: Uint8Array, answer: ResponseApdu): void => {
    const [, ins, p1, p2 = 0] = command;
    if (ins !== INS.manageChannel || answer.sw !== OK) return;
    if (p1 === 0x80) channels.delete(p2 === 0 ? channelOf(command[0] ?? 0) : p2);
    else channels.add(p2 === 0 ? (answer.data[0] ?? 0) : p2);
  };
  const watched =
    (transmit: CardChannel['transmit']): CardChannel['transmit'] =>
    async (command, how) => {
      recent = [];
      const told = await transmit(command, how);
      compared++;
      if (!saidByCard(recent, command, told, dropsResponses)) {
        const answers = recent.map(
          (each) => `${toHex(each.command.subarray(0, 5))}>${swText(each.answer.sw)}`,
        );
        unbelievable.push(
          `${toHex(command.subarray(0, 5))} is said to have given ${told.data.length} octets and ${swText(told.sw)}; the card: ${answers.join(' ')}`,
        );
      }
      return told;
    };
  const watchedSlot = (card: CardSlot, done: typeof note, reset: () => void): CardSlot => ({
    async reset() {
      reset();
      return card.reset();
    },
    async powerOff() {
      reset();
      await card.powerOff();
    },
    async transmit(command) {
      see(command);
      const answer = await card.transmit(command);
      see(answer);
      const exchange = {
        command: Uint8Array.from(command),
        answer: decodeResponseApdu(Uint8Array.from(answer)),
      };
      recent.push(exchange);
      done(exchange.command, exchange.answer);
      return answer;
    },
  });
  return {
    unbelievable,
    get compared() {
      return compared;
    },
    openChannels: () => [...channels],
    slot: (card) => watchedSlot(card, note, () => channels.clear()),
    other: (card) =>
      watchedSlot(
        card,
        () => {},
        () => {},
      ),
    card: (card) => ({
      async openChannel(aid, how) {
        const channel = await card.openChannel(aid, how);
        return {
          selectResponse: channel.selectResponse,
          get maxCommandData() {
            return channel.maxCommandData ?? 255;
          },
          transmit: watched((command, options) => channel.transmit(command, options)),
          close: () => channel.close(),
        };
      },
      basic: { transmit: watched((command, how) => card.basic.transmit(command, how)) },
      close: () => card.close(),
    }),
  };
}

/** Whether the card answered this command so: at once, or in parts that were fetched from the same channel afterwards. */
function saidByCard(
  recent: readonly Exchange[],
  command: Uint8Array,
  told: ResponseApdu,
  dropsResponses: boolean,
): boolean {
  const asked = decodeCommandApdu(command);
  let channel: number | undefined;
  let parts: Uint8Array[] = [];
  for (const { command: sent, answer } of recent) {
    const { cla, ins, p1, p2, data } = decodeCommandApdu(sent);
    const isIt = ins === asked.ins && p1 === asked.p1 && p2 === asked.p2 && equalBytes(data, asked.data);
    if (isIt) {
      channel = channelOf(cla);
      parts = [answer.data];
    } else if (ins === INS.getResponse && channelOf(cla) === channel) parts.push(answer.data);
    else continue;
    if (dropsResponses && answer.sw >> 8 === 0x61 && told.sw === OK && told.data.length === 0) return true;
    if (answer.sw === told.sw && equalBytes(concat(...parts), told.data)) return true;
  }
  return false;
}
