// The Card port over a modem: exchanges whole and in order, nothing sent twice, a lost channel stays lost.
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import { createLock } from '../base/lock.ts';
import type { Log } from '../base/log.ts';
import { concat, toHex } from '../base/bytes.ts';
import { isSecured, type ResponseApdu, swText } from '../codec/apdu.ts';
import type { Card, CardChannel, TransmitOptions } from '../codec/card.ts';
import { exchangeApdu } from './apdu-exchange.ts';
import { type AtSession, cmeErrorOf, type DeadlineClass } from './at-session.ts';
import { csimSender } from './card-csim.ts';
import type { CardLessons } from './card-lessons.ts';
import { createCardSessions, textOf, type OpenSession } from './card-sessions.ts';
import type { CardSession, CardWayKind, SendOptions } from './card-way.ts';
import { isPassing } from './cme-errors.ts';

export type ModemCard = Card & {
  /** The most octets of data that commands to this card should carry: cut STORE DATA to it. */
  readonly maxCommandData: number;
  /** Says that a long exchange went well: what was used for it is worth remembering. */
  completed(): void;
};

export type ModemCardOptions = {
  readonly session: AtSession;
  readonly clock: Clock;
  readonly log: Log;
  readonly lessons: CardLessons;
  /** Sessions that an earlier life of this program left open. */
  readonly leftOpen: readonly OpenSession[];
  /** Told at every change, so that a crash leaks nothing: keep the list and give it back as `leftOpen`. */
  readonly onOpenSessions: (open: readonly OpenSession[]) => void | Promise<void>;
};

const LINK_ERROR = 0x6601;
const INS = { getResponse: 0xc0, storeData: 0xe2 } as const;
const GET_RESPONSE = Uint8Array.of(0x00, INS.getResponse, 0x00, 0x00, 0x00);

/** Nothing is sent before the first call. */
export function createModemCard(options: ModemCardOptions): ModemCard {
  const { session, clock, lessons } = options;
  const sessions = createCardSessions(options);
  /** One exchange at a time on the whole card, GET RESPONSE included. */
  const lock = createLock();
  let closed = false;
  const assertOpen = (): void => {
    if (closed) throw new AgentError('LINK_CLOSED');
  };

  const deadlineOf = (how: TransmitOptions, kind: DeadlineClass): number =>
    session.deadlinesMs[how.long === true ? 'install' : kind];

  const channelOf = (opened: CardSession, way: CardWayKind): CardChannel => {
    const chain = createChainWatch();
    let state: 'open' | 'lost' | 'closed' = 'open';
    const exchange = async (command: Uint8Array, how: TransmitOptions): Promise<ResponseApdu> => {
      assertOpen();
      if (state === 'closed') throw new AgentError('LINK_CLOSED');
      if (state === 'lost') throw new AgentError('CARD_LOST', { why: 'the channel must be opened anew' });
      chain.see(command);
      const endsAt = clock.now() + (how.timeoutMs ?? deadlineOf(how, chain.deadline));
      const dataOctets = command.length > 5 ? (command[4] ?? 0) : 0;
      let fetching = false;
      const send = (apdu: Uint8Array): Promise<ResponseApdu> => {
        fetching = apdu[1] === INS.getResponse;
        return opened.send(
          lessons.quirks.keepLe === true ? withLe(apdu) : apdu,
          sendOptions(how, Math.max(1, endsAt - clock.now())),
        );
      };
      const refused = (): void => lessons.refused({ way, dataOctets, fetching });
      try {
        const response = await exchangeApdu(command, send, { keepLe: lessons.quirks.keepLe ?? false });
        if (response.sw === LINK_ERROR) {
          throw new AgentError('CARD_LOST', { why: 'link error', sw: swText(response.sw) });
        }
        lessons.passed(dataOctets);
        return chain.owesResponse(response) ? await fetchWithheld(response, send, lessons) : response;
      } catch (error) {
        // What the card made of the command is unknown: nothing is repeated, and nothing may follow on this channel.
        state = 'lost';
        // A card that is busy or out says nothing about the size of what it got.
        const speaks =
          isAgentError(error, 'AT_ERROR', 'AT_TIMEOUT', 'CARD_LOST') && !isPassing(cmeErrorOf(error));
        if (speaks) refused();
        throw asLost(error, command);
      }
    };
    return {
      selectResponse: opened.selectResponse,
      get maxCommandData() {
        return lessons.maxCommandData;
      },
      transmit: (command, how = {}) => lock.run(() => exchange(command, how)),
      async close() {
        if (state === 'closed') return;
        state = 'closed';
        await lock.run(() => sessions.close(opened));
      },
    };
  };

  const sendBasic = csimSender(session, lessons);
  const transmitBasic = async (command: Uint8Array, how: TransmitOptions): Promise<ResponseApdu> => {
    assertOpen();
    const o = sendOptions(how, how.timeoutMs ?? deadlineOf(how, 'card'));
    const rules = { keepLe: lessons.quirks.keepLe ?? false };
    try {
      const response = await exchangeApdu(command, (apdu) => sendBasic(0, apdu, o), rules);
      if (response.sw !== LINK_ERROR) return response;
      throw new AgentError('CARD_LOST', { why: 'link error', sw: swText(response.sw) });
    } catch (error) {
      if (!isAgentError(error, 'AT_ERROR')) throw asLost(error, command);
      if (await sessions.remedy([error])) return transmitBasic(command, how);
      throw new AgentError('CARD_ACCESS', { csim: textOf(error.data) }, { cause: error });
    }
  };
  return {
    get maxCommandData() {
      return lessons.maxCommandData;
    },
    completed: () => lessons.completed(),
    openChannel: (aid, how = {}) =>
      lock.run(async () => {
        assertOpen();
        const timeoutMs = how.timeoutMs ?? session.deadlinesMs.channel;
        const opened = await sessions.open(aid, sendOptions(how, timeoutMs));
        return channelOf(opened.session, opened.way);
      }),
    basic: { transmit: (command, how = {}) => lock.run(() => transmitBasic(command, how)) },
    async close() {
      await lock.run(async () => {
        closed = true;
        await sessions.closeAll();
      });
    },
  };
}

function sendOptions(how: TransmitOptions, timeoutMs: number): SendOptions {
  return { timeoutMs, ...(how.signal === undefined ? {} : { signal: how.signal }) };
}

/** A break of the way in the middle of an exchange; cancelling stays what it is. */
function asLost(error: unknown, command: Uint8Array): unknown {
  if (!isAgentError(error, 'AT_ERROR', 'AT_TIMEOUT', 'AT_ANSWER', 'LINK_CLOSED')) return error;
  const detail = textOf(error.data);
  return new AgentError(
    'CARD_LOST',
    {
      why: error.code,
      command: toHex(command.subarray(0, 4)),
      ...(detail === '' ? {} : { detail }),
    },
    { cause: error },
  );
}

/** A command with data and nothing after it, with the Le that a path needs which drops responses otherwise. */
function withLe(apdu: Uint8Array): Uint8Array {
  return apdu.length > 5 && apdu.length === 5 + (apdu[4] ?? 0) ? concat(apdu, Uint8Array.of(0)) : apdu;
}

/** Some paths drop a response where the command had no Le, but the card still has it. */
async function fetchWithheld(
  response: ResponseApdu,
  send: (apdu: Uint8Array) => Promise<ResponseApdu>,
  lessons: CardLessons,
): Promise<ResponseApdu> {
  let fetched: ResponseApdu;
  try {
    fetched = await exchangeApdu(GET_RESPONSE, send, { keepLe: true });
  } catch (error) {
    // A modem that keeps GET RESPONSE to itself has nothing to withhold.
    if (isAgentError(error, 'AT_ERROR')) return response;
    throw error;
  }
  if (fetched.data.length === 0) return response;
  lessons.needs('keepLe', true);
  return fetched;
}

/**
 * Follows STORE DATA chains. Segments of profile elements (86, 87, 88, and what opens a package) take the card long, and
 * so may anything under secure messaging, which cannot be looked into. All other requests of ES10 have a response.
 */
function createChainWatch(): {
  see(command: Uint8Array): void;
  readonly deadline: DeadlineClass;
  owesResponse(response: ResponseApdu): boolean;
} {
  let deadline: DeadlineClass = 'card';
  let es10Request = false;
  let last = false;
  return {
    see(command) {
      const [cla = 0, ins, p1 = 0, p2, , tag = 0, tag2] = command;
      const secured = isSecured(cla);
      if (ins !== INS.storeData || secured) {
        deadline = secured && ins === INS.storeData ? 'install' : 'card';
        es10Request = false;
        return;
      }
      last = (p1 & 0x80) !== 0;
      if (p2 !== 0) return;
      const opensPackage = tag === 0xbf && tag2 === 0x36;
      const long = (tag >= 0x86 && tag <= 0x88) || (tag >= 0xa0 && tag <= 0xa3) || opensPackage;
      deadline = long ? 'install' : 'card';
      es10Request = tag === 0xbf && !opensPackage;
    },
    get deadline() {
      return deadline;
    },
    owesResponse: ({ data, sw }) => es10Request && last && data.length === 0 && sw === 0x9000,
  };
}
