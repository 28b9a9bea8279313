// How a modem leads to the card, found by trying each way: what it reaches, how much a command carries, what it leaves open.
import { isAgentError } from '../base/errors.ts';
import { encodeCommandApdu, type ResponseApdu, swText } from '../codec/apdu.ts';
import { AID_ISD_R, AID_USIM, encodeAid, VENDOR_ISD_R_AIDS } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import { exchangeApdu } from './apdu-exchange.ts';
import { type AtSession, cmeErrorOf } from './at-session.ts';
import type { CardLessons } from './card-lessons.ts';
import { textOf } from './card-sessions.ts';
import type { CardSession, CardWay, CardWayKind } from './card-way.ts';
import { CME } from './cme-errors.ts';

export type WayFound = {
  readonly way: CardWayKind;
  /** `isd-r`: the eUICC's ISD-R was opened and answered. `card`: a card, and no ISD-R on it. */
  readonly reaches: 'isd-r' | 'card' | 'nothing';
  /** The application that was opened. */
  readonly aid?: string;
  /** The most octets of data that passed in one command. */
  readonly maxCommandData?: number;
  /** Whether a second session opens beside the first. */
  readonly secondSession?: boolean;
  /** The highest number that a session had, where sessions have numbers. */
  readonly highestSession?: number;
  /** Sessions that the modem did not close. */
  readonly leftOpen: readonly string[];
  /** What went wrong, in the modem's or the card's words. */
  readonly failures: readonly string[];
};

const STEPS = [255, 120, 60] as const;
/** ES10c.GetEUICCDataRequest for the EID (SGP.22, 5.7.20). */
const GET_EID = Uint8Array.of(0xbf, 0x3e, 0x03, 0x5c, 0x01, 0x5a);
/** A request of ES10c.ProfileInfoList that is never finished: its first block says whether the path carries so much. */
const UNFINISHED = [0xbf, 0x2d, 0x82, 0x04, 0x00] as const;

/** Opens the ISD-R, or where there is none the USIM, sends to it, and closes all again. */
export async function tryWay(session: AtSession, way: CardWay, lessons: CardLessons): Promise<WayFound> {
  const timeoutMs = session.deadlinesMs.channel;
  const failures: string[] = [];
  const leftOpen: string[] = [];
  let lockTried = false;
  const close = async (id: string): Promise<void> => {
    await way.close(id).catch((error: unknown) => {
      failures.push(`close: ${failureText(error)}`);
      leftOpen.push(id);
    });
  };
  const open = async (aid: string, called: string): Promise<CardSession | undefined> => {
    try {
      return await way.open(encodeAid(aid as typeof AID_ISD_R), { timeoutMs });
    } catch (error) {
      failures.push(`${called}: ${failureText(error)}`);
      // The lock that some +CSIM want is found out here as the driver does it.
      if (way.kind === 'csim' && cmeErrorOf(error) === CME.notAllowed && !lockTried) {
        lockTried = true;
        lessons.needs('lockCsim', true);
        return open(aid, called);
      }
      return undefined;
    }
  };
  for (const aid of [AID_ISD_R, ...VENDOR_ISD_R_AIDS, AID_USIM]) {
    const opened = await open(aid, aid === AID_USIM ? 'USIM' : `ISD-R ${aid}`);
    if (opened === undefined) {
      if (failures.at(-1)?.endsWith('no answer') === true) break;
      continue;
    }
    const found: {
      reaches: WayFound['reaches'];
      maxCommandData?: number;
      secondSession?: boolean;
      highestSession?: number;
    } = { reaches: aid === AID_USIM ? 'card' : 'nothing' };
    try {
      if (aid !== AID_USIM) {
        const send = (apdu: Uint8Array) => opened.send(apdu, { timeoutMs: session.deadlinesMs.card });
        const { sw } = await askEid(send, lessons);
        if (sw === 0x6601) failures.push(`STORE DATA: ${swText(sw)}`);
        else found.reaches = 'isd-r';
        found.maxCommandData = await largestCommand(send, failures);
      }
    } catch (error) {
      failures.push(`STORE DATA: ${failureText(error)}`);
    }
    const second = await open(aid, 'a second session');
    found.secondSession = second !== undefined;
    const numbers = [opened.id, second?.id ?? ''].filter((id) => /^\d{1,2}$/.test(id)).map(Number);
    if (numbers.length > 0) found.highestSession = Math.max(...numbers);
    if (second !== undefined) await close(second.id);
    await close(opened.id);
    return { way: way.kind, ...found, aid, leftOpen, failures };
  }
  return { way: way.kind, reaches: 'nothing', leftOpen, failures };
}

/** Begins a request that is never finished, with less data each time. Zero when not even the smallest passes. */
async function largestCommand(
  send: (apdu: Uint8Array) => Promise<{ readonly sw: number }>,
  failures: string[],
): Promise<number> {
  for (const octets of STEPS) {
    const data = new Uint8Array(octets);
    data.set(UNFINISHED);
    try {
      const { sw } = await send(encodeCommandApdu({ cla: 0x80, ins: 0xe2, p1: 0x11, p2: 0, data }));
      if (sw !== 0x6601 && sw !== 0x6700) return octets;
      failures.push(`${octets} octets: ${swText(sw)}`);
    } catch (error) {
      failures.push(`${octets} octets: ${failureText(error)}`);
    }
  }
  return 0;
}

/** Asks for the EID; without Le first, and with it where a path drops the response otherwise. */
async function askEid(
  send: (apdu: Uint8Array) => Promise<ResponseApdu>,
  lessons: CardLessons,
): Promise<ResponseApdu> {
  const [command] = storeDataCommands(GET_EID);
  const getEid = command === undefined ? GET_EID : encodeCommandApdu({ ...command, le: 256 });
  const plain = await exchangeApdu(getEid, send, { keepLe: lessons.quirks.keepLe ?? false });
  if (plain.sw !== 0x9000 || plain.data.length > 0) return plain;
  const asked = await exchangeApdu(getEid, send, { keepLe: true });
  if (asked.data.length > 0) lessons.needs('keepLe', true);
  return asked;
}

/** Refusals, torn answers and silence are findings, and undefined. */
export function refused(error: unknown): undefined {
  if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER', 'AT_TIMEOUT')) throw error;
  return undefined;
}

export function failureText(error: unknown): string {
  if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER', 'AT_TIMEOUT', 'CARD_STATUS', 'CARD_LOST')) throw error;
  if (error.code === 'AT_TIMEOUT') return 'no answer';
  if (error.code === 'AT_ANSWER') return 'an answer without its line';
  if (error.code === 'AT_ERROR') return textOf(error.data);
  return `${error.code} ${String(error.data['sw'] ?? error.data['why'] ?? '')}`.trim();
}
