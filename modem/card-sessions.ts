// Sessions on a card: opened by the way that works, counted, closed, and swept where an unknown owner left them.
import { AgentError, isAgentError, type ErrorData } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { toHex } from '../base/bytes.ts';
import { encodeCommandApdu, isSuccess } from '../codec/apdu.ts';
import { exchangeApdu } from './apdu-exchange.ts';
import { rawLine } from './at-commands.ts';
import { cmeErrorOf, type AtSession } from './at-session.ts';
import { createCglaWay } from './card-cgla.ts';
import { createCsimWay } from './card-csim.ts';
import { SUSPECT, type CardLessons } from './card-lessons.ts';
import type { CardSession, CardWay, CardWayKind, SendOptions } from './card-way.ts';
import { CME } from './cme-errors.ts';

/** A session that is open on the modem, as it is written down before anything is sent through it. */
export type OpenSession = { readonly way: CardWayKind; readonly id: string };

export type CardSessions = {
  /** Throws `CARD_ACCESS`, `CARD_STATUS`, `LINK_CLOSED` or `ABORTED`. */
  open(
    aid: Uint8Array,
    how: SendOptions,
  ): Promise<{ readonly session: CardSession; readonly way: CardWayKind }>;
  /** Idempotent. What cannot be closed now is closed before the next open. */
  close(session: CardSession): Promise<void>;
  closeAll(): Promise<void>;
  /** Does what cures "not allowed" on some modems, once. Answers whether it is worth trying again. */
  remedy(failures: readonly unknown[]): Promise<boolean>;
};

export type CardSessionsOptions = {
  readonly session: AtSession;
  readonly log: Log;
  readonly lessons: CardLessons;
  readonly leftOpen: readonly OpenSession[];
  /** Nothing is sent through a session before this has settled. */
  readonly onOpenSessions: (open: readonly OpenSession[]) => void | Promise<void>;
};

/** No logical channel free or supported (ISO/IEC 7816-4, ETSI TS 102 221 11.1.17). */
const NO_CHANNEL = ['6881', '6A81'];
/** Ends the sleep of the card on Eigencomm modems (lpac#397); others do not know it. */
const WAKE_CARD = 'AT+ECSIMSLEEP=0';

type Held = OpenSession & { readonly aid: string };

export function createCardSessions(options: CardSessionsOptions): CardSessions {
  const { session, log, lessons } = options;
  const ways: readonly CardWay[] = [createCglaWay(session, lessons), createCsimWay(session, lessons)];
  const open = new Map<CardSession, Held>();
  /** Sessions that the modem refuses to close: used again instead of leaking another one. */
  const idle = new Map<string, CardSession & Held>();
  const sweepDue = new Set<CardWayKind>(ways.map(({ kind }) => kind));
  /** Ways over which something is likely open that nobody uses: also from an earlier line, which may have taken another way than this one. */
  const owed = new Set<CardWayKind>(options.leftOpen.map(({ way }) => way));
  let leftOpen = options.leftOpen;
  let remedied = false;

  const tellOpen = async (): Promise<void> => {
    const held = [...leftOpen, ...open.values(), ...idle.values()];
    await options.onOpenSessions(held.map(({ way, id }) => ({ way, id })));
  };
  const sweep = async (over: CardWay): Promise<void> => {
    const known = leftOpen.filter(({ way }) => way === over.kind).map(({ id }) => id);
    const ours = new Set([...open.values()].filter(({ way }) => way === over.kind).map(({ id }) => id));
    for (const [aid, held] of idle) if (held.way === over.kind) idle.delete(aid);
    for (const id of new Set([...known, ...over.sweepIds])) {
      if (ours.has(id)) continue;
      await over.close(id).catch((error: unknown) => {
        if (isAgentError(error, 'LINK_CLOSED', 'AT_TIMEOUT')) throw error;
      });
    }
    leftOpen = leftOpen.filter(({ way }) => way !== over.kind);
    owed.delete(over.kind);
    await tellOpen();
  };
  /** Closes what a way may have left open, also where another way is used from now on. */
  const settleDebts = async (): Promise<void> => {
    for (const over of ways) {
      if (!owed.has(over.kind)) continue;
      await sweep(over).catch((error: unknown) => {
        if (!isAgentError(error, 'AT_TIMEOUT')) throw error;
      });
    }
  };

  const openOver = async (over: CardWay, aid: Uint8Array, how: SendOptions): Promise<CardSession> => {
    if (sweepDue.delete(over.kind)) await sweep(over);
    try {
      return await over.open(aid, how);
    } catch (error) {
      sweepDue.add(over.kind);
      // Channels that a dead client left open look like this, and an answer that was lost has left one: close them, and try once more.
      const cured = isAgentError(error, 'AT_ERROR', 'AT_TIMEOUT', 'AT_ANSWER') || lacksChannel(error);
      if (!isAgentError(error, 'CARD_STATUS')) owed.add(over.kind);
      if (isAgentError(error, 'LINK_CLOSED')) {
        // The line ended within the opening: the next one hears that something may be open, by any number of this way.
        leftOpen = [...leftOpen, ...over.sweepIds.slice(0, 1).map((id) => ({ way: over.kind, id }))];
        await tellOpen();
      }
      if (!cured) throw error;
      await sweep(over);
      return over.open(aid, how).catch((again: unknown) => {
        owed.add(over.kind);
        throw again;
      });
    }
  };

  /** Tries the ways in turn. Answers the failures when none opens. */
  const tryWays = async (
    aid: Uint8Array,
    how: SendOptions,
  ): Promise<{ readonly session: CardSession; readonly way: CardWayKind } | Map<CardWayKind, AgentError>> => {
    const failures = new Map<CardWayKind, AgentError>();
    for (const over of ways.toSorted((a, b) => lessons.rank(a.kind) - lessons.rank(b.kind))) {
      try {
        return { session: await openOver(over, aid, how), way: over.kind };
      } catch (error) {
        if (!isAgentError(error, 'AT_ERROR', 'AT_TIMEOUT', 'AT_ANSWER')) throw error;
        failures.set(over.kind, error);
        log.write('debug', 'modem.card', 'way failed', { way: over.kind, why: textOf(error.data) });
      }
    }
    return failures;
  };

  /** "Not allowed" may mean that the card sleeps or that +CSIM wants to be locked first. Once, and only then. */
  const remedy = async (failures: readonly unknown[]): Promise<boolean> => {
    if (remedied || !failures.some((error) => cmeErrorOf(error) === CME.notAllowed)) return false;
    remedied = true;
    await session
      .run(rawLine, [WAKE_CARD], { timeoutMs: session.deadlinesMs.query })
      .catch((error: unknown) => {
        if (!isAgentError(error, 'AT_ERROR')) throw error;
        // No such command: then it is the lock.
        lessons.needs('lockCsim', true);
      });
    return true;
  };

  const close = async (closing: CardSession): Promise<void> => {
    const held = open.get(closing);
    if (held === undefined) return;
    open.delete(closing);
    try {
      await ways.find(({ kind }) => kind === held.way)?.close(held.id);
    } catch (error) {
      log.write('debug', 'modem.card', 'close failed', { way: held.way, why: String(error) });
      if (isUnknownCommand(error)) {
        idle.set(held.aid, { ...closing, ...held });
      } else {
        leftOpen = [...leftOpen, held];
        sweepDue.add(held.way);
        owed.add(held.way);
      }
    }
    await tellOpen();
  };

  return {
    async open(aid, how) {
      const name = toHex(aid);
      const again = idle.get(name);
      if (again !== undefined && lessons.rank(again.way) < SUSPECT) {
        idle.delete(name);
        if (await selectAnew(again, aid, how)) {
          open.set(again, again);
          return { session: again, way: again.way };
        }
        leftOpen = [...leftOpen, again];
      }
      await settleDebts();
      let found = await tryWays(aid, how);
      if (found instanceof Map && (await remedy([...found.values()]))) found = await tryWays(aid, how);
      if (found instanceof Map) {
        const texts = [...found].map(([way, { data }]) => [way, textOf(data)]);
        const refused = [...found.values()].some((error) => isAgentError(error, 'AT_ERROR'));
        const why = refused ? 'refused' : 'no answer';
        throw new AgentError('CARD_ACCESS', { aid: name, why, ...Object.fromEntries(texts) });
      }
      lessons.opened(found.way);
      open.set(found.session, { way: found.way, id: found.session.id, aid: name });
      await tellOpen();
      return found;
    },
    close,
    remedy,
    async closeAll() {
      for (const each of open.keys()) await close(each);
      await settleDebts();
    },
  };
}

/** Selects the application on a session that was used before: what its last user left there, such as a secure channel, ends. */
async function selectAnew(held: CardSession, aid: Uint8Array, how: SendOptions): Promise<boolean> {
  const select = encodeCommandApdu({ cla: 0, ins: 0xa4, p1: 0x04, p2: 0x00, data: aid, le: 256 });
  try {
    const selected = await exchangeApdu(select, (apdu) => held.send(apdu, how), { keepLe: false });
    return isSuccess(selected.sw);
  } catch (error) {
    if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER', 'CARD_LOST')) throw error;
    return false;
  }
}

function isUnknownCommand(error: unknown): boolean {
  if (!isAgentError(error, 'AT_ERROR')) return false;
  return error.data['code'] === 'ERROR' || cmeErrorOf(error) === CME.notSupported;
}

function lacksChannel(error: unknown): boolean {
  return isAgentError(error, 'CARD_STATUS') && NO_CHANNEL.includes(String(error.data['sw']));
}

export function textOf(data: ErrorData): string {
  const parts = [data['code'], data['text'], data['timeoutMs'], data['why']];
  // An OK whose answer was not to be read, or was not there.
  if (data['lines'] !== undefined) parts.push('OK with no answer in a known form');
  return parts.filter((part) => part !== undefined).join(' ');
}
