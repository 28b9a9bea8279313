// A modem as the agent uses it: identity, card, registration and radio, over a line that may go away and come back.
import type { Clock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log, Secret } from '../base/log.ts';
import { parseImei, type Iccid, type Imei } from '../codec/ids.ts';
import {
  functionality,
  manufacturer,
  model,
  type NetworkFound,
  networkSearch,
  type OperatorFound,
  operatorName,
  rawLine,
  readFunctionality,
  revision,
  selectNetwork,
  serialNumber,
  signalQuality,
} from './at-commands.ts';
import type { AtSession, DeadlineClass, RunOptions } from './at-session.ts';
import type { ByteLink } from './byte-link.ts';
import { createCardLessons, type CardLessons, type CardMemory } from './card-lessons.ts';
import type { OpenSession } from './card-sessions.ts';
import { connectData, type DataSettings, type DataState, readDataState } from './data-context.ts';
import { createModemCard, type ModemCard } from './modem-card.ts';
import type { LineRate } from './line-rate.ts';
import { openModemLine, type ModemLine } from './modem-line.ts';
import {
  awaitProfile,
  SWITCH_STEPS,
  type SwitchOptions,
  type SwitchOutcome,
  type SwitchStep,
  type SwitchTools,
} from './profile-switch.ts';
import { findFamily, mergeQuirks, type ModemQuirks } from './quirks.ts';
import { createRegistrationWatch, readRegistration, type Registration } from './registration.ts';
import { readSignal, type Signal } from './signal.ts';
import { createPinEntry, readIccid, readPinTries, readSimState, type SimState } from './sim-state.ts';

export type ModemIdentity = {
  readonly imei: Imei;
  /** Empty where the modem does not tell. */
  readonly manufacturer: string;
  readonly model: string;
  readonly revision: string;
};

/** What lessons belong to: a modem, and the firmware that may have changed its ways. Empty where it does not tell. */
export type ModemKey = { readonly imei: string; readonly revision: string };

export type ModemMemory = {
  readonly card?: CardMemory;
  /** Sessions on the card that are open now: after a crash they are closed first. */
  readonly openSessions?: readonly OpenSession[];
};

export type ModemOptions = {
  /** Opens the line, again after it was lost. */
  readonly openLink: () => Promise<ByteLink>;
  readonly clock: Clock;
  readonly log: Log;
  readonly deadlinesMs?: Partial<Record<DeadlineClass, number>>;
  /** On top of what is known of the modem's family. */
  readonly quirks?: ModemQuirks;
  /** What an earlier life wrote down of this modem, and what to write down for the next one. */
  readonly remembered?: (who: ModemKey) => ModemMemory;
  readonly onLearned?: (who: ModemKey, memory: ModemMemory) => void | Promise<void>;
  /** The rate of a line that has one, and how far it may be raised. Absent: it is never touched. */
  readonly rate?: LineRate;
  /** How long a line that went away may take to come back. */
  readonly returnMs?: number;
  /** The modem must have this IMEI. */
  readonly imei?: string;
};

export type Modem = {
  imei(): Promise<Imei>;
  identity(): Promise<ModemIdentity>;
  simState(): Promise<SimState>;
  /** No further try in the life of this object once one was refused. Throws `PIN_REFUSED`. */
  enterPin(pin: Secret<string>): Promise<void>;
  /** Tries that are left of the PIN; undefined where nobody tells. */
  pinTries(): Promise<number | undefined>;
  /** EF.ICCID as it is now. Throws while the card is not ready. */
  readIccid(): Promise<Iccid>;
  registration(): Promise<Registration>;
  /** Calls at every change that the modem reports; the answer cancels. */
  onRegistration(listener: (registration: Registration) => void): () => void;
  operator(): Promise<OperatorFound>;
  /** What is on the air: takes minutes, and the modem may leave its network for it. */
  networks(options?: RunOptions): Promise<readonly NetworkFound[]>;
  /** Stays with the network of this MCC and MNC alone, or chooses by itself again. */
  selectNetwork(plmn?: string, options?: RunOptions): Promise<void>;
  /** +CSQ: 0 to 31, 99 when not known. */
  signalQuality(): Promise<number>;
  signal(): Promise<Signal>;
  /** Attachment and data contexts as they are. */
  dataState(): Promise<DataState>;
  /** Brings the data context up as far as it is not, and answers its address where the modem tells one. */
  connectData(settings: DataSettings, options?: RunOptions): Promise<string | undefined>;
  setRadio(on: boolean): Promise<void>;
  /** +CFUN: 0 minimum, 1 full, 4 without radio; undefined where the modem does not tell. */
  functionality(): Promise<number | undefined>;
  /** The one card of this modem, with the one lock on it. After its `close` a new one is made. */
  openCard(): Promise<ModemCard>;
  /** After enable, disable or delete: waits until the modem sees the profile `expected`. */
  awaitProfile(expected: Iccid, options?: SwitchOptions): Promise<SwitchOutcome>;
  /** What makes this modem look at its card again, the gentlest first. */
  readonly switchSteps: readonly Exclude<SwitchStep, 'refresh'>[];
  /** Takes one of them, and waits until the modem answers again. */
  takeSwitchStep(step: Exclude<SwitchStep, 'refresh'>): Promise<void>;
  /** Does `work` with the line at a higher rate where that pays for so many octets to the card; then gives the rate back. */
  hurry<T>(octets: number, work: () => Promise<T>): Promise<T>;
  /** Restarts the modem and waits until it answers. */
  restart(): Promise<void>;
  /** Calls after every restart of the modem, whoever caused it, and when its line came back; the answer cancels. */
  onRestart(listener: () => void): () => void;
  /** One command line as it is; answers the lines before the result code. */
  command(line: string, options?: RunOptions): Promise<readonly string[]>;
  close(): Promise<void>;
};

/** Full functionality after a reset of the MT (3GPP TS 27.007, 8.2). */
const RESTART = 'AT+CFUN=1,1';

/**
 * Opens the line, brings the dialogue into a known form and looks up what is known of the modem. Throws what `openLink`
 * throws, and `AT_TIMEOUT` when nothing on the line answers to AT.
 */
export async function openModem(options: ModemOptions): Promise<Modem> {
  const { clock, log } = options;
  let quirks = options.quirks ?? {};
  const watch = createRegistrationWatch();
  const restarts = new Set<() => void>();
  let imei: Imei | undefined = options.imei === undefined ? undefined : parseImei(options.imei);
  const recognise = async (session: AtSession): Promise<void> => {
    const found = await session.run(serialNumber, []).catch(refusedIsEmpty);
    if (imei === undefined) imei = found === '' ? undefined : parseImei(found);
    else if (found !== '' && found !== imei)
      throw new AgentError('MODEM_OTHER', { imei: found, before: imei });
  };
  const line = await openModemLine({
    ...options,
    initialise: () => quirks.initialise ?? [],
    onUnsolicited: (text) => watch.see(text),
    onRestart() {
      for (const listener of restarts) listener();
    },
    recognise,
  });
  const [maker, type] = [await askIdentity(line, manufacturer), await askIdentity(line, model)];
  const family = findFamily(maker, type);
  if (family !== undefined) {
    quirks = mergeQuirks(family.quirks, quirks);
    log.write('debug', 'modem', 'family known', { family: family.family });
    await line.tryLines(family.quirks.initialise ?? []);
  }
  const firmware = await askIdentity(line, revision);
  const cards = createCards(options, quirks, { imei: imei ?? '', revision: firmware });
  const enterPin = createPinEntry();

  const readImei = async (): Promise<Imei> => {
    imei ??= parseImei(await (await line.live()).run(serialNumber, []));
    return imei;
  };
  const iccid = async (how: RunOptions = {}): Promise<Iccid> => {
    const session = await line.live();
    return readIccid(session, cards.of(session), how);
  };
  const setRadio = async (on: boolean): Promise<void> => {
    await (await line.live()).run(functionality, [on ? 1 : 0]);
  };
  const restart = (): Promise<void> => line.restartBy([RESTART]);
  const actions = switchActions(line, quirks, setRadio, restart);

  return {
    imei: readImei,
    identity: async () => ({
      imei: await readImei(),
      manufacturer: maker,
      model: type,
      revision: firmware,
    }),
    simState: async () => readSimState(await line.live()),
    enterPin: async (pin) => enterPin(await line.live(), pin),
    async pinTries() {
      const session = await line.live();
      return readPinTries(session, cards.of(session));
    },
    readIccid: () => iccid(),
    registration: async () => watch.set(await readRegistration(await line.live())),
    onRegistration: (listener) => watch.subscribe(listener),
    operator: async () => (await line.live()).run(operatorName, []),
    networks: async (how = {}) => (await line.live()).run(networkSearch, [], how),
    selectNetwork: async (plmn, how = {}) => {
      await (await line.live()).run(selectNetwork, [plmn], how);
    },
    signalQuality: async () => (await line.live()).run(signalQuality, []),
    signal: async () => readSignal(await line.live()),
    dataState: async () => readDataState(await line.live()),
    connectData: async (settings, how = {}) => connectData(await line.live(), settings, log, how),
    setRadio,
    functionality: async () =>
      (await line.live()).run(readFunctionality, []).catch((error: unknown) => {
        if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
        return undefined;
      }),
    openCard: async () => cards.of(await line.live()),
    awaitProfile: (expected, how = {}) => {
      const signal = how.signal === undefined ? {} : { signal: how.signal };
      return awaitProfile(expected, { clock, log, readIccid: () => iccid(signal), actions }, how);
    },
    switchSteps: SWITCH_STEPS.filter((step) => actions[step] !== undefined),
    takeSwitchStep: async (step) => actions[step]?.(),
    hurry: (octets, work) => line.hurry(octets, work),
    restart,
    onRestart(listener) {
      restarts.add(listener);
      return () => void restarts.delete(listener);
    },
    command: async (text, how = {}) => (await line.live()).run(rawLine, [text], how),
    async close() {
      await cards.close();
      await line.close();
    },
  };
}

async function askIdentity(line: ModemLine, command: typeof manufacturer): Promise<string> {
  const session = await line.live();
  return session.run(command, []).catch(refusedIsEmpty);
}

function refusedIsEmpty(error: unknown): '' {
  if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
  return '';
}

/** What makes a modem look at its card again, as far as this one has it. */
function switchActions(
  line: ModemLine,
  { slotPower, vendorReset }: ModemQuirks,
  setRadio: (on: boolean) => Promise<void>,
  restart: () => Promise<void>,
): SwitchTools['actions'] {
  return {
    ...(slotPower === undefined ? {} : { 'slot-power': () => line.tryLines(slotPower) }),
    'radio-cycle': async () => {
      // The port may go away with the radio, and the answer with it: what counts is that the radio is on in the end.
      const off = await setRadio(false).catch((error: unknown) => error);
      await setRadio(true).catch(async (error: unknown) => {
        if (!isAgentError(error, 'LINK_CLOSED', 'AT_TIMEOUT', 'AT_ANSWER')) throw error;
        await setRadio(true);
      });
      if (isAgentError(off, 'AT_ERROR')) throw off;
    },
    restart,
    ...(vendorReset === undefined ? {} : { 'vendor-reset': () => line.restartBy(vendorReset) }),
  };
}

/** The card of the modem: one object a session, so that there is one lock; lessons and open sessions outlive it. */
function createCards(
  options: ModemOptions,
  quirks: ModemQuirks,
  who: ModemKey,
): { of(session: AtSession): ModemCard; close(): Promise<void> } {
  const { clock, log } = options;
  let memory = options.remembered?.(who) ?? {};
  const learn = async (change: ModemMemory): Promise<void> => {
    memory = { ...memory, ...change };
    await options.onLearned?.(who, memory);
  };
  const lessons: CardLessons = createCardLessons({
    quirks: quirks.card ?? {},
    memory: memory.card ?? {},
    onLearned: (card) => void learn({ card }),
  });
  let leftOpen = memory.openSessions ?? [];
  let current: { readonly session: AtSession; readonly card: ModemCard } | undefined;
  const onOpenSessions = (open: readonly OpenSession[]): Promise<void> => {
    leftOpen = open;
    return learn({ openSessions: open });
  };
  return {
    of(session) {
      if (current?.session === session) return current.card;
      const made = createModemCard({ session, clock, log, lessons, leftOpen, onOpenSessions });
      const card: ModemCard = {
        openChannel: (aid, how) => made.openChannel(aid, how),
        basic: made.basic,
        completed: () => made.completed(),
        get maxCommandData() {
          return made.maxCommandData;
        },
        async close() {
          if (current?.card === card) current = undefined;
          await made.close();
        },
      };
      current = { session, card };
      return card;
    },
    async close() {
      await current?.card.close().catch(() => {});
    },
  };
}
