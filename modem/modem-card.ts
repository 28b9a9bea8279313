// The Card port over a modem: chooses the way by trying it, closes what leaked, and remembers what worked.
import { AgentError, isAgentError, type ErrorData } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import { createLock } from '../base/lock.ts';
import type { Log } from '../base/log.ts';
import { toHex } from '../base/bytes.ts';
import type { ResponseApdu } from '../codec/apdu.ts';
import type { Card, CardChannel, TransmitOptions } from '../codec/card.ts';
import { exchangeApdu } from './apdu-exchange.ts';
import type { AtSession, DeadlineClass } from './at-session.ts';
import { createCglaWay } from './card-cgla.ts';
import { createCsimWay, csimSender } from './card-csim.ts';
import type { CardQuirks, CardSession, CardWay, CardWayKind, SendOptions } from './card-way.ts';

/** A session that is open on the modem, as it is written down before anything is sent through it. */
export type OpenSession = { readonly way: CardWayKind; readonly id: string };

/** What was learned of one modem (kept per IMEI and firmware). */
export type CardMemory = {
  /** The way that completed its work last. */
  readonly way?: CardWayKind;
  readonly maxCommandData?: number;
};

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
  readonly quirks?: CardQuirks;
  readonly memory?: CardMemory;
  readonly onLearned?: (memory: CardMemory) => void;
  /** Sessions that an earlier life of this program left open. */
  readonly leftOpen?: readonly OpenSession[];
  /** Told at every change, so that a crash leaks nothing: keep the list and give it back as `leftOpen`. */
  readonly onOpenSessions?: (open: readonly OpenSession[]) => void;
};

const COMMAND_DATA_STEPS = [255, 120, 60];
/** No logical channel free or supported (ISO/IEC 7816-4, ETSI TS 102 221 11.1.17). */
const NO_CHANNEL = ['6881', '6A81'];

/** Nothing is sent before the first call. */
export function createModemCard(options: ModemCardOptions): ModemCard {
  const { session, clock, log, quirks = {} } = options;
  const ways: readonly CardWay[] = [createCglaWay(session, quirks), createCsimWay(session, quirks)];
  const rules = { keepLe: quirks.keepLe ?? false };
  /** One exchange at a time on the whole card, GET RESPONSE included. */
  const lock = createLock();
  const open = new Map<CardSession, OpenSession>();
  let leftOpen = options.leftOpen ?? [];
  const sweepDue = new Set<CardWayKind>(ways.map(({ kind }) => kind));
  let closed = false;
  let way: CardWayKind | undefined = options.memory?.way;
  /** A way on which an APDU of a size that had passed before was refused. */
  let suspect: CardWayKind | undefined;
  let maxCommandData = options.memory?.maxCommandData ?? quirks.maxCommandData ?? 255;
  let largestPassed = 0;
  let refusedAt = 0;

  const tellOpen = (): void => options.onOpenSessions?.([...leftOpen, ...open.values()]);
  const quietly = async (work: Promise<unknown>): Promise<void> => {
    await work.catch((error: unknown) => {
      if (isAgentError(error, 'LINK_CLOSED', 'AT_TIMEOUT')) throw error;
    });
  };
  const sweep = async (over: CardWay): Promise<void> => {
    for (const { id } of leftOpen.filter((left) => left.way === over.kind)) await quietly(over.close(id));
    leftOpen = leftOpen.filter((left) => left.way !== over.kind);
    const ours = new Set([...open.values()].filter((mine) => mine.way === over.kind).map(({ id }) => id));
    for (const id of over.sweepIds) if (!ours.has(id)) await quietly(over.close(id));
    tellOpen();
  };

  const openOver = async (over: CardWay, aid: Uint8Array, how: SendOptions): Promise<CardSession> => {
    const attempt = async (): Promise<CardSession> => {
      try {
        return await over.open(aid, how);
      } catch (error) {
        sweepDue.add(over.kind);
        throw error;
      }
    };
    if (sweepDue.delete(over.kind)) await sweep(over);
    try {
      return await attempt();
    } catch (error) {
      // Channels that a dead client left open look like this: close them, and try once more.
      if (!isAgentError(error, 'AT_ERROR', 'AT_TIMEOUT') && !lacksChannel(error)) throw error;
      await sweep(over);
      return attempt();
    }
  };

  const openSession = async (aid: Uint8Array, how: SendOptions): Promise<CardSession> => {
    const rank = (kind: CardWayKind): number => (kind === suspect ? 2 : kind === way ? 0 : 1);
    const failures: Record<string, string> = {};
    for (const over of ways.toSorted((a, b) => rank(a.kind) - rank(b.kind))) {
      try {
        const opened = await openOver(over, aid, how);
        way = over.kind;
        open.set(opened, { way: over.kind, id: opened.id });
        tellOpen();
        return opened;
      } catch (error) {
        if (!isAgentError(error, 'AT_ERROR', 'AT_TIMEOUT', 'AT_ANSWER')) throw error;
        failures[over.kind] = textOf(error.data);
        log.write('debug', 'modem.card', 'way failed', { way: over.kind, why: failures[over.kind] });
      }
    }
    throw new AgentError('CARD_ACCESS', { aid: toHex(aid), ...failures });
  };

  /** Draws the conclusions from an APDU that the modem, not the card, refused (or the card with a link error). */
  const learnFromRefusal = (kind: CardWayKind, dataOctets: number): void => {
    const smaller = COMMAND_DATA_STEPS.find((step) => step < dataOctets);
    if (dataOctets > largestPassed && dataOctets !== refusedAt && smaller !== undefined) {
      maxCommandData = Math.min(maxCommandData, smaller);
      refusedAt = dataOctets;
    } else {
      suspect = kind;
    }
    log.write('info', 'modem.card', 'command refused', { way: kind, octets: dataOctets, maxCommandData });
    options.onLearned?.({ maxCommandData, ...(suspect === kind || way === undefined ? {} : { way }) });
  };

  const channelOf = (opened: CardSession, kind: CardWayKind): CardChannel => {
    const deadline = createDeadlines();
    let state: 'open' | 'lost' | 'closed' = 'open';
    const exchange = async (command: Uint8Array, how: TransmitOptions): Promise<ResponseApdu> => {
      if (closed || state === 'closed') throw new AgentError('LINK_CLOSED');
      if (state === 'lost') throw new AgentError('CARD_LOST', { why: 'the channel must be opened anew' });
      const endsAt = clock.now() + (how.timeoutMs ?? session.deadlinesMs[deadline(command)]);
      const dataOctets = command[4] ?? 0;
      try {
        const send = (apdu: Uint8Array): Promise<ResponseApdu> =>
          opened.send(apdu, sendOptions(how, Math.max(1, endsAt - clock.now())));
        const response = await exchangeApdu(command, send, rules);
        if (response.sw === 0x6601) learnFromRefusal(kind, dataOctets);
        else largestPassed = Math.max(largestPassed, dataOctets);
        return response;
      } catch (error) {
        // What the card made of the command is unknown: nothing is repeated, and nothing may follow on this channel.
        state = 'lost';
        if (isAgentError(error, 'AT_ERROR')) learnFromRefusal(kind, dataOctets);
        throw asLost(error, command);
      }
    };
    return {
      selectResponse: opened.selectResponse,
      transmit: (command, how = {}) => lock.run(() => exchange(command, how)),
      async close() {
        if (state === 'closed') return;
        state = 'closed';
        await lock.run(() => closeSession(opened));
      },
    };
  };

  /** Idempotent. What cannot be closed now is closed before the next open. */
  const closeSession = async (opened: CardSession): Promise<void> => {
    const entry = open.get(opened);
    if (entry === undefined) return;
    open.delete(opened);
    try {
      await ways.find(({ kind }) => kind === entry.way)?.close(entry.id);
    } catch (error) {
      leftOpen = [...leftOpen, entry];
      sweepDue.add(entry.way);
      log.write('debug', 'modem.card', 'close failed', { way: entry.way, why: String(error) });
    }
    tellOpen();
  };

  const sendBasic = csimSender(session, quirks);
  return {
    get maxCommandData() {
      return maxCommandData;
    },
    completed: () => options.onLearned?.({ maxCommandData, ...(way === undefined ? {} : { way }) }),
    openChannel: (aid, how = {}) =>
      lock.run(async () => {
        if (closed) throw new AgentError('LINK_CLOSED');
        const opened = await openSession(aid, sendOptions(how, how.timeoutMs ?? session.deadlinesMs.channel));
        return channelOf(opened, open.get(opened)?.way ?? 'csim');
      }),
    basic: {
      transmit: (command, how = {}) =>
        lock.run(async () => {
          if (closed) throw new AgentError('LINK_CLOSED');
          const o = sendOptions(how, how.timeoutMs ?? session.deadlinesMs.card);
          try {
            return await exchangeApdu(command, (apdu) => sendBasic(0, apdu, o), rules);
          } catch (error) {
            if (isAgentError(error, 'AT_ERROR')) {
              throw new AgentError('CARD_ACCESS', { csim: textOf(error.data) }, { cause: error });
            }
            throw asLost(error, command);
          }
        }),
    },
    async close() {
      await lock.run(async () => {
        closed = true;
        for (const opened of open.keys()) await closeSession(opened);
      });
    },
  };
}

function sendOptions(how: TransmitOptions, timeoutMs: number): SendOptions {
  return { timeoutMs, ...(how.signal === undefined ? {} : { signal: how.signal }) };
}

function lacksChannel(error: unknown): boolean {
  return isAgentError(error, 'CARD_STATUS') && NO_CHANNEL.includes(String(error.data['sw']));
}

function textOf(data: ErrorData): string {
  return [data['code'], data['text'], data['timeoutMs']].filter((part) => part !== undefined).join(' ');
}

/** A break of the way in the middle of an exchange; cancelling stays what it is. */
function asLost(error: unknown, command: Uint8Array): unknown {
  if (!isAgentError(error, 'AT_ERROR', 'AT_TIMEOUT', 'AT_ANSWER', 'LINK_CLOSED')) return error;
  return new AgentError(
    'CARD_LOST',
    { why: error.code, command: toHex(command.subarray(0, 4)), detail: textOf(error.data) },
    { cause: error },
  );
}

/**
 * Which deadline a command of a channel has. Segments of profile elements (86, 87, 88, and what opens a package) take the
 * card long, and so may anything under secure messaging, which cannot be looked into.
 */
function createDeadlines(): (command: Uint8Array) => DeadlineClass {
  let segment: DeadlineClass = 'card';
  return (command) => {
    const [cla = 0, ins, , p2, , tag = 0, tag2] = command;
    if (ins !== 0xe2) return 'card';
    if ((cla & 0x0c) !== 0) return 'install';
    if (p2 === 0) {
      const long =
        (tag >= 0x86 && tag <= 0x88) || (tag >= 0xa0 && tag <= 0xa3) || (tag === 0xbf && tag2 === 0x36);
      segment = long ? 'install' : 'card';
    }
    return segment;
  };
}
