// What a modem is and can do, found by asking: nothing on the modem or its card is changed, and no session of the card stays open.
import type { Clock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { decodeIccid, parseIccid } from '../codec/ids.ts';
import {
  attention,
  errorsAsNumbers,
  manufacturer,
  model,
  type OperatorFound,
  operatorName,
  pinTries,
  plainDialogue,
  rawLine,
  readBinary,
  revision,
  serialNumber,
  VENDOR_ICCID,
} from './at-commands.ts';
import { type AtCommand, type AtSession, openAtSession } from './at-session.ts';
import type { ByteLink } from './byte-link.ts';
import { createCglaWay } from './card-cgla.ts';
import { createCsimWay } from './card-csim.ts';
import { createCardLessons } from './card-lessons.ts';
import { type DataState, readDataState } from './data-context.ts';
import { failureText, refused, tryWay, type WayFound } from './probe-card.ts';
import { familyRow, quirksOf } from './probe-row.ts';
import { createSpellingWatch, ECHO } from './probe-spelling.ts';
import { findFamily } from './quirks.ts';
import { combineRegistration, readRegistration, type Registration } from './registration.ts';
import { readSignal, type Signal, signalText } from './signal.ts';
import { readSimState } from './sim-state.ts';

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
  /** Tries that are left of the PIN, where the modem tells. */
  readonly pinTries?: number;
  /** ICCID by each command that has it. */
  readonly iccid: Readonly<Record<string, string>>;
  readonly ways: readonly WayFound[];
  /** What the answers below say together; what the modem does not tell is absent. */
  readonly network: {
    readonly registration?: Registration;
    readonly operator?: OperatorFound;
    readonly signal: Signal;
    readonly data: DataState;
  };
  /** Questions about registration, signal and contexts with their answers, or the error. */
  readonly answers: Readonly<Record<string, readonly string[] | string>>;
  /** Deviations from the standards that were seen. */
  readonly quirks: readonly string[];
  /** A row for the table of modem families; absent where the modem does not say what it is. */
  readonly row?: string;
};

export type ProbeOptions = {
  readonly link: ByteLink;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with the IMEI, empty where the modem does not tell, before anything is asked of the card. */
  readonly beforeCard?: (imei: string) => Promise<void>;
};

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
  'AT+IPR?',
  'AT+IPR=?',
] as const;
const TEST_FORMS = ['AT+CCHO=?', 'AT+CGLA=?', 'AT+CCHC=?', 'AT+CSIM=?'] as const;
const EF_ICCID = 0x2fe2;
const ATTEMPTS = 3;

/** Asks everything. Throws `AT_TIMEOUT` where nothing answers, and `LINK_CLOSED`. Takes the link and closes it. */
export async function probeModem({ link, clock, log, beforeCard }: ProbeOptions): Promise<ModemFound> {
  const spelling = createSpellingWatch();
  const session = openAtSession({ link: spelling.around(link), clock, log });
  try {
    await wake(session);
    const before = await session
      .run(rawLine, ['AT+CMEE?'], { timeoutMs: session.deadlinesMs.query })
      .catch(refused);
    // What finds the way back after a silence also switches the echo off.
    const echoed = spelling.seen().includes(ECHO);
    await session.run(errorsAsNumbers, []).catch(refused);
    try {
      return await ask(session, spelling, beforeCard);
    } finally {
      if (echoed) await session.run(rawLine, ['ATE1']).catch(() => {});
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
  beforeCard: ProbeOptions['beforeCard'],
): Promise<ModemFound> {
  const text = async (command: AtCommand<[], string>): Promise<string> =>
    (await session.run(command, []).catch(refused)) ?? '';
  const identity = {
    manufacturer: await text(manufacturer),
    model: await text(model),
    revision: await text(revision),
    imei: await text(serialNumber),
  };
  await beforeCard?.(identity.imei);
  const family = findFamily(identity.manufacturer, identity.model);
  const sim = await readSimState(session).catch(refused);
  const iccid = await readIccids(session);
  const answers = await askAll(session, QUESTIONS);
  const network = await askNetwork(session);
  const tries = await session.run(pinTries, []).catch(refused);
  const commands = await session.run(rawLine, ['AT+CLAC']).catch(refused);
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
  // An echo that is on is as V.250 has it: whether ATE0 would end it is not tried here.
  const quirks = [
    ...spelling.seen().filter((sign) => sign !== ECHO),
    ...quirksOf(ways, forms, iccid, lessons),
  ];
  return {
    identity,
    ...(family === undefined ? {} : { family: family.family }),
    sim: sim === undefined ? 'unknown' : sim.is === 'locked' ? sim.lock : sim.is,
    ...(tries === undefined ? {} : { pinTries: tries }),
    iccid,
    ways,
    network,
    answers,
    quirks,
    ...familyRow(identity, ways, lessons, commands ?? []),
  };
}

async function askNetwork(session: AtSession): Promise<ModemFound['network']> {
  const domains = await readRegistration(session).catch(refused);
  const operator = await session.run(operatorName, []).catch(refused);
  return {
    ...(domains === undefined ? {} : { registration: combineRegistration(domains) }),
    ...(operator === undefined ? {} : { operator }),
    signal: (await readSignal(session).catch(refused)) ?? {},
    data: (await readDataState(session).catch(refused)) ?? { contexts: [] },
  };
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
    row(
      'card',
      found.sim + (found.pinTries === undefined ? '' : `, ${found.pinTries} tries of the PIN left`),
    ),
    ...Object.entries(found.iccid).map(([command, iccid]) => row('ICCID', `${iccid} by ${command}`)),
    ...found.ways.map((way) => row(way.way === 'cgla' ? '+CCHO, +CGLA' : '+CSIM', wayText(way))),
    ...networkRows(found.network).map(([name, value]) => row(name, value)),
    ...Object.entries(found.answers).map(([line, answer]) =>
      row(line, typeof answer === 'string' ? `(${answer})` : answer.join(' | ')),
    ),
    ...found.quirks.map((quirk) => row('quirk', quirk)),
    '',
    ...(found.row === undefined
      ? ['The modem does not say what it is: there is no row to contribute.']
      : ['A row for modem/quirks.ts:', found.row]),
  ].join('\n');
}

function networkRows({ registration, operator, signal, data }: ModemFound['network']): [string, string][] {
  const name = operator?.plmn ?? operator?.name;
  const where = name === undefined ? '' : ` at ${name}`;
  return [
    ['registration', registration === undefined ? '' : `${registration.status}${where}`],
    ['signal', signalText(signal)],
    ['attached', data.attached === undefined ? '' : data.attached ? 'yes' : 'no'],
    ...data.contexts.map(({ cid, type, apn, active, address }): [string, string] => {
      const state = active === undefined ? 'state not told' : active ? 'up' : 'down';
      const named = apn === '' ? 'no APN' : apn;
      return [
        'data context',
        [`${cid}`, type, named, state, ...(address === undefined ? [] : [address])].join(', '),
      ];
    }),
  ];
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
