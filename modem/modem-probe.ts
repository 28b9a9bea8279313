// What a modem is and can do, found by asking: nothing on the modem or its card is changed, and no session of the card stays open.
import type { Clock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { encodeCommandApdu, swText } from '../codec/apdu.ts';
import { AID_ISD_R, AID_USIM, decodeIccid, encodeAid, parseIccid, VENDOR_ISD_R_AIDS } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import { exchangeApdu } from './apdu-exchange.ts';
import {
  attention,
  errorsAsNumbers,
  manufacturer,
  model,
  plainDialogue,
  rawLine,
  readBinary,
  revision,
  serialNumber,
  VENDOR_ICCID,
} from './at-commands.ts';
import { type AtCommand, type AtSession, cmeErrorOf, openAtSession } from './at-session.ts';
import type { ByteLink } from './byte-link.ts';
import { createCglaWay } from './card-cgla.ts';
import { createCsimWay } from './card-csim.ts';
import { createCardLessons, type CardLessons } from './card-lessons.ts';
import { textOf } from './card-sessions.ts';
import type { CardSession, CardWay, CardWayKind } from './card-way.ts';
import { CME } from './cme-errors.ts';
import { createSpellingWatch } from './probe-spelling.ts';
import { findFamily } from './quirks.ts';
import { readSimState } from './sim-state.ts';

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
  /** Sessions that the modem did not close. */
  readonly leftOpen: readonly string[];
  /** What went wrong, in the modem's or the card's words. */
  readonly failures: readonly string[];
};

export type ModemFound = {
  readonly identity: {
    readonly manufacturer: string;
    readonly model: string;
    readonly revision: string;
    readonly imei: string;
  };
  /** The row of the table of families that fits. */
  readonly family?: string;
  /** As +CPIN tells; no PIN is tried. */
  readonly sim: string;
  /** ICCID by each command that has it. */
  readonly iccid: Readonly<Record<string, string>>;
  readonly ways: readonly WayFound[];
  /** Questions about registration, signal and contexts with their answers, or the error. */
  readonly answers: Readonly<Record<string, readonly string[] | string>>;
  /** Deviations from the standards that were seen. */
  readonly quirks: readonly string[];
  /** A row for the table of modem families. */
  readonly row: string;
};

export type ProbeOptions = { readonly link: ByteLink; readonly clock: Clock; readonly log: Log };

const QUESTIONS = [
  'AT+CREG=?',
  'AT+CREG?',
  'AT+CGREG=?',
  'AT+CGREG?',
  'AT+CEREG=?',
  'AT+CEREG?',
  'AT+COPS?',
  'AT+CSQ',
  'AT+QCSQ',
  'AT+CESQ',
  'AT+CFUN?',
  'AT+CGATT?',
  'AT+CGDCONT?',
  'AT+CGACT?',
  'AT+CGPADDR',
] as const;
const TEST_FORMS = ['AT+CCHO=?', 'AT+CGLA=?', 'AT+CCHC=?', 'AT+CSIM=?'] as const;
const EF_ICCID = 0x2fe2;
const ATTEMPTS = 3;
const STEPS = [255, 120, 60] as const;
/** ES10c.GetEUICCDataRequest for the EID (SGP.22, 5.7.20). */
const GET_EID = Uint8Array.of(0xbf, 0x3e, 0x03, 0x5c, 0x01, 0x5a);
/** A request of ES10c.ProfileInfoList that is never finished: its first block says whether the path carries so much. */
const UNFINISHED = [0xbf, 0x2d, 0x82, 0x04, 0x00] as const;

/** Asks everything. Throws `AT_TIMEOUT` where nothing answers, and `LINK_CLOSED`. Takes the link and closes it. */
export async function probeModem({ link, clock, log }: ProbeOptions): Promise<ModemFound> {
  const spelling = createSpellingWatch();
  const session = openAtSession({ link: spelling.around(link), clock, log });
  try {
    await wake(session);
    const before = await session
      .run(rawLine, ['AT+CMEE?'], { timeoutMs: session.deadlinesMs.query })
      .catch(refused);
    await session.run(errorsAsNumbers, []).catch(refused);
    try {
      return await ask(session, spelling);
    } finally {
      const level = /^\+CMEE\s*:\s*([02])/.exec(before?.join('') ?? '')?.[1];
      if (level !== undefined) await session.run(rawLine, [`AT+CMEE=${level}`]).catch(() => {});
    }
  } finally {
    await session.close();
  }
}

async function wake(session: AtSession): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      await session.run(attention, []);
      return;
    } catch (error) {
      if (isAgentError(error, 'AT_ERROR')) return;
      if (!isAgentError(error, 'AT_TIMEOUT')) throw error;
    }
  }
  // Result codes may be switched off: only then is the form of the dialogue touched.
  await session.run(plainDialogue, []).catch((error: unknown) => {
    if (!isAgentError(error, 'AT_TIMEOUT')) throw error;
    const advice = 'another port of the modem may be the right one';
    throw new AgentError('AT_TIMEOUT', { command: 'AT', do: advice }, { cause: error });
  });
}

async function ask(
  session: AtSession,
  spelling: ReturnType<typeof createSpellingWatch>,
): Promise<ModemFound> {
  const text = async (command: AtCommand<[], string>): Promise<string> =>
    (await session.run(command, []).catch(refused)) ?? '';
  const identity = {
    manufacturer: await text(manufacturer),
    model: await text(model),
    revision: await text(revision),
    imei: await text(serialNumber),
  };
  const family = findFamily(identity.manufacturer, identity.model);
  const sim = await readSimState(session).catch(refused);
  const iccid = await readIccids(session);
  const answers = await askAll(session, QUESTIONS);
  const lessons = createCardLessons({
    quirks: family?.quirks.card ?? {},
    memory: {},
    onLearned: () => {},
  });
  const ways: WayFound[] = [];
  for (const way of [createCglaWay(session, lessons), createCsimWay(session, lessons)]) {
    ways.push(await tryWay(session, way, lessons));
  }
  const forms = await askAll(session, TEST_FORMS);
  const quirks = [...spelling.seen(), ...quirksOf(ways, forms, iccid, lessons)];
  return {
    identity,
    ...(family === undefined ? {} : { family: family.family }),
    sim: sim === undefined ? 'unknown' : sim.is === 'locked' ? sim.lock : sim.is,
    iccid,
    ways,
    answers,
    quirks,
    row: familyRow(identity, ways, lessons),
  };
}

/** Refusals, torn answers and silence are findings, and undefined. */
function refused(error: unknown): undefined {
  if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER', 'AT_TIMEOUT')) throw error;
  return undefined;
}

async function askAll(
  session: AtSession,
  lines: readonly string[],
): Promise<Record<string, readonly string[] | string>> {
  const answers: Record<string, readonly string[] | string> = {};
  for (const line of lines) {
    try {
      answers[line] = await session.run(rawLine, [line], { timeoutMs: session.deadlinesMs.query });
    } catch (error) {
      answers[line] = failureText(error);
    }
  }
  return answers;
}

function failureText(error: unknown): string {
  if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER', 'AT_TIMEOUT', 'CARD_STATUS', 'CARD_LOST')) throw error;
  if (error.code === 'AT_TIMEOUT') return 'no answer';
  if (error.code === 'AT_ANSWER') return 'an answer without its line';
  if (error.code === 'AT_ERROR') return textOf(error.data);
  return `${error.code} ${String(error.data['sw'] ?? error.data['why'] ?? '')}`.trim();
}

async function readIccids(session: AtSession): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const note = async (name: string, read: () => Promise<string>): Promise<void> => {
    try {
      found[name] = await read();
    } catch (error) {
      if (!isAgentError(error, 'ID_INVALID')) refused(error);
    }
  };
  await note('AT+CRSM', async () => decodeIccid((await session.run(readBinary, [EF_ICCID, 10])).data));
  for (const command of VENDOR_ICCID) {
    await note(command.send(), async () => parseIccid(await session.run(command, [])));
  }
  return found;
}

/** Opens the ISD-R, or where there is none the USIM, sends to it, and closes all again. */
async function tryWay(session: AtSession, way: CardWay, lessons: CardLessons): Promise<WayFound> {
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
    const found: { reaches: WayFound['reaches']; maxCommandData?: number; secondSession?: boolean } = {
      reaches: aid === AID_USIM ? 'card' : 'nothing',
    };
    try {
      if (aid !== AID_USIM) {
        const send = (apdu: Uint8Array) => opened.send(apdu, { timeoutMs: session.deadlinesMs.card });
        const [getEid] = storeDataCommands(GET_EID).map((command) =>
          encodeCommandApdu({ ...command, le: 256 }),
        );
        const { sw } = await exchangeApdu(getEid ?? GET_EID, send, {
          keepLe: lessons.quirks.keepLe ?? false,
        });
        if (sw === 0x6601) failures.push(`STORE DATA: ${swText(sw)}`);
        else found.reaches = 'isd-r';
        found.maxCommandData = await largestCommand(send, failures);
      }
    } catch (error) {
      failures.push(`STORE DATA: ${failureText(error)}`);
    }
    const second = await open(aid, 'a second session');
    found.secondSession = second !== undefined;
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

function quirksOf(
  ways: readonly WayFound[],
  forms: Readonly<Record<string, readonly string[] | string>>,
  iccid: Readonly<Record<string, string>>,
  lessons: CardLessons,
): string[] {
  const formOf = Object.entries(forms).filter(([line]) => {
    const works = ways.find(({ way }) => (line === 'AT+CSIM=?' ? way === 'csim' : way === 'cgla'));
    return works !== undefined && works.reaches !== 'nothing';
  });
  const crsm = iccid['AT+CRSM'] === undefined && Object.keys(iccid).length > 0;
  return [
    ...formOf
      .filter(([, answer]) => typeof answer === 'string')
      .map(([line, answer]) => `${line}: ${String(answer)}, though the command works`),
    ...ways
      .filter(({ leftOpen }) => leftOpen.length > 0)
      .map(({ way, leftOpen }) => `${way}: sessions cannot be closed (${leftOpen.join(', ')})`),
    ...ways
      .filter(({ reaches, aid }) => reaches === 'nothing' && aid !== undefined)
      .map(({ way }) => `${way}: opens the ISD-R, but commands to it fail`),
    ...ways
      .filter(({ maxCommandData }) => maxCommandData !== undefined && maxCommandData < 255)
      .map(({ way, maxCommandData }) => `${way}: commands carry ${maxCommandData} octets at most`),
    ...(lessons.quirks.lockCsim === true ? ['+CSIM wants AT+CSIM=1 first'] : []),
    ...(crsm ? ['+CRSM does not tell the ICCID, the vendor’s command does'] : []),
  ];
}

/** A row as it stands in modem/quirks.ts. */
function familyRow(
  identity: ModemFound['identity'],
  ways: readonly WayFound[],
  lessons: CardLessons,
): string {
  const best = ways.filter(({ reaches }) => reaches === 'isd-r');
  const [only] = best;
  const least = Math.min(255, ...best.map(({ maxCommandData }) => maxCommandData || 255));
  const card = {
    ...(best.length === 1 && only !== undefined ? { way: only.way } : {}),
    ...(lessons.quirks.lockCsim === true ? { lockCsim: true } : {}),
    ...(least < 255 ? { maxCommandData: least } : {}),
  };
  const name = `${identity.manufacturer} ${identity.model}`.trim();
  const pattern = name.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
  const members = Object.entries(card).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const quirks = members.length === 0 ? '{}' : `{ card: { ${members.join(', ')} } }`;
  return [
    '{',
    `  family: ${JSON.stringify(name)},`,
    `  match: /${pattern}/i,`,
    `  quirks: ${quirks.replaceAll('"', "'")},`,
    `  sources: [${JSON.stringify(`euicc-agent modem probe, firmware ${identity.revision}`)}],`,
    '}',
  ].join('\n');
}

/** For a person. */
export function probeText(found: ModemFound): string {
  const { identity } = found;
  const row = (name: string, value: string): string => `${name.padEnd(16)}${value === '' ? '-' : value}`;
  return [
    row('manufacturer', identity.manufacturer),
    row('model', identity.model),
    row('firmware', identity.revision),
    row('IMEI', identity.imei),
    row('family', found.family ?? 'no row fits'),
    row('card', found.sim),
    ...Object.entries(found.iccid).map(([command, iccid]) => row('ICCID', `${iccid} by ${command}`)),
    ...found.ways.map((way) => row(way.way === 'cgla' ? '+CCHO, +CGLA' : '+CSIM', wayText(way))),
    ...Object.entries(found.answers).map(([line, answer]) =>
      row(line, typeof answer === 'string' ? `(${answer})` : answer.join(' | ')),
    ),
    ...found.quirks.map((quirk) => row('quirk', quirk)),
    '',
    'A row for modem/quirks.ts:',
    found.row,
  ].join('\n');
}

const REACHES = {
  'isd-r': 'reaches the ISD-R',
  card: 'reaches a card without ISD-R',
  nothing: 'does not work',
};

function wayText(way: WayFound): string {
  return [
    REACHES[way.reaches],
    ...(way.maxCommandData === undefined ? [] : [`${way.maxCommandData} octets a command`]),
    ...(way.secondSession === undefined ? [] : [way.secondSession ? 'two sessions at once' : 'one session']),
    ...(way.reaches === 'isd-r' ? [] : way.failures.slice(0, 2)),
  ].join(', ');
}

/** Whether any way leads to the eUICC. */
export function reachesIsdR(found: ModemFound): boolean {
  return found.ways.some(({ reaches }) => reaches === 'isd-r');
}
