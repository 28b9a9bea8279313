// A simulated modem: AT commands on any number of lines one after another, over a card and a radio network.
import { type Clock, sleep } from '../../base/clock.ts';
import { AgentError, errorOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { createSeededRandom } from '../../base/random.ts';
import type { CardSlot } from '../../codec/card.ts';
import type { Imei } from '../../codec/ids.ts';
import type { ByteLink } from '../byte-link.ts';
import { CME_ERRORS } from '../cme-errors.ts';
import { cardKind, runOwnLpa } from './card-kinds.ts';
import { freshQuirkState, type CommandContext, type ModemSettings, type SimIdentity } from './commands.ts';
import { type Arrival, receiveMessage } from './message-arrival.ts';
import { registrationReports } from './commands-network.ts';
import { createDce, defaultDialogue } from './dce.ts';
import { createEquipment, type Equipment, type EquipmentEvent } from './equipment.ts';
import { commandTable, executeLine } from './execute-line.ts';
import { createFaults, DIAGNOSTIC_NOISE, type Fault, type Faults } from './faults.ts';
import { openSimLine, type LineTiming, type SimLine } from './line-pacer.ts';
import { createQuirks, type SimQuirks } from './quirks.ts';
import type { RadioNetwork } from './radio.ts';
import type { ServiceState } from './service.ts';

export type SimModemOptions = {
  readonly card: CardSlot | undefined;
  /** What the fault `card-swap` puts in; an empty slot when absent. */
  readonly spareCard?: CardSlot;
  readonly radio: RadioNetwork;
  readonly clock: Clock;
  readonly log: Log;
  readonly imei: Imei;
  readonly identity?: Partial<SimIdentity>;
  readonly timing?: LineTiming;
  /** The rate that the modem starts with, of those that +IPR has; 0, which follows the terminal, when absent. */
  readonly baudRate?: number;
  /** How long a restart keeps the modem silent. */
  readonly bootMs?: number;
  readonly attachRetryMs?: number;
  readonly quirks?: Partial<SimQuirks>;
  readonly faults?: readonly Fault[];
  /** Where the faults' chances come from. */
  readonly seed?: number;
  /** Takes the short messages that are sent (SMS-SUBMIT TPDU). */
  readonly onShortMessage?: (tpdu: Uint8Array) => void;
  /** Told when the port goes away and when it is there again, maybe under another name. */
  readonly onPort?: (present: boolean) => void;
};

export type SimModem = {
  /**
   * Serves a terminal on this line until it closes. All else lives on: a next one finds the state of the last. Throws
   * `LINK_CLOSED` while the port is away.
   */
  connect(link: ByteLink): void;
  readonly equipment: Equipment;
  readonly faults: Faults;
  /** The rate that +IPR has set; 0 follows the terminal. */
  readonly baudRate: number;
  /** The time that the octets of the current line took, in microseconds. */
  elapsedUs(): number;
  /** Tells every change of service. The answer cancels. */
  onService(listener: (state: ServiceState) => void): () => void;
  /** A short message from the network (SMS-DELIVER TPDU): to the card, to the store, or nowhere. */
  deliver(tpdu: Uint8Array): Promise<Arrival>;
  /** Power cut and return: volatile state is gone, nothing was said. */
  powerCycle(): Promise<void>;
  close(): Promise<void>;
};

const IDENTITY: SimIdentity = { manufacturer: 'euicc-agent', model: 'Simulated modem', revision: 'SIM-1.0' };
const BOOT_MS = 2_000;
const LINE_ENDS = { lf: '\n', cr: '\r' } as const;
const VENDOR_WORDS: Readonly<Record<number, string>> = { 14: 'SIM busy', 50: 'Parameters error' };

type Profile = Pick<ModemSettings, 'dialogue' | 'reports' | 'operatorFormat' | 'values'>;

function factorySettings(): ModemSettings {
  return {
    dialogue: defaultDialogue(),
    values: new Map(),
    reports: { CREG: 0, CGREG: 0, CEREG: 0 },
    operatorFormat: 0,
    contexts: new Map([[1, { type: 'IP', apn: '' }]]),
    messages: new Map(),
  };
}

/** Powers the modem up: its card starts and it looks for service at once. */
export function createSimModem(options: SimModemOptions): SimModem {
  const { clock, log } = options;
  const quirks = createQuirks(options.quirks);
  const faults = createFaults(options.faults ?? [], createSeededRandom(options.seed ?? 1));
  const listeners = new Set<(state: ServiceState) => void>();
  const settings = factorySettings();
  const sessions = new Map<string, number>();
  const quirkState = freshQuirkState();
  let line: SimLine | undefined;
  let service: ServiceState = { is: 'off' };
  let restarting = false;
  let messageReference = 0;
  /** Between a restart and the first start of the card after it. */
  let restarted = false;
  /** While it boots, the modem hears and says nothing. */
  let booting = false;
  let portPresent = true;

  let rate = options.baudRate ?? 0;
  /** Counts from the answer on to the command that set it. */
  let nextRate: number | undefined;
  const changeRate = (to: number): void => {
    nextRate = undefined;
    const { timing } = options;
    const over = line;
    const change = (): void => {
      rate = to;
      if (timing !== undefined && timing.mode !== 'none') over?.setBaudRate(to === 0 ? timing.baudRate : to);
    };
    if (over === undefined) change();
    else over.afterSent(change);
  };

  const dropPort = (ms: number): void => {
    portPresent = false;
    const dropped = line;
    line = undefined;
    dropped?.close().catch(() => {});
    options.onPort?.(false);
    clock.schedule(ms, () => {
      portPresent = true;
      options.onPort?.(true);
    });
  };
  const onEvent = (event: EquipmentEvent): void => {
    if (event.is === 'card-session-ended') {
      sessions.clear();
      quirkState.csimChannels.clear();
      equipment.service.block(false);
    }
    if (event.is === 'refresh' && quirks.refreshDropsPort > 0) dropPort(quirks.refreshDropsPort);
    if (event.is !== 'service') return;
    const before = service;
    service = event.state;
    for (const text of registrationReports(settings.reports, before, service)) dce.unsolicited(text);
    for (const listener of listeners) listener(service);
  };
  const equipment = createEquipment({
    slot: options.card,
    radio: options.radio,
    imei: options.imei,
    clock,
    log,
    onEvent,
    ignoreProactive: () => quirks.proactive === 'ignored',
    attachNeedsRestart: quirks.attachNeedsRestart,
    ignoreCardChange: quirks.cardChange === 'ignored',
    intercept: cardKind(quirks),
    onCardStarted: async (reader) => {
      const justRestarted = restarted;
      restarted = false;
      await runOwnLpa(reader, quirks, justRestarted);
    },
    ...(options.attachRetryMs === undefined ? {} : { attachRetryMs: options.attachRetryMs }),
  });
  /** Data contexts are in non-volatile memory and stay. */
  const useSettings = ({ dialogue, reports, operatorFormat, values }: Profile): void => {
    Object.assign(settings.dialogue, dialogue);
    Object.assign(settings.reports, reports);
    settings.operatorFormat = operatorFormat;
    settings.values.clear();
    for (const [name, value] of values) settings.values.set(name, value);
  };
  /** What `&W` wrote down; it outlives the power. */
  let profile: Profile = factorySettings();
  let [inSlot, spare] = [options.card, options.spareCard];
  const takeCardOut = async (ms: number, swap: boolean): Promise<void> => {
    await equipment.insertCard(undefined);
    await sleep(clock, ms);
    if (swap) [inSlot, spare] = [spare, inSlot];
    await equipment.insertCard(inSlot);
  };
  const context: CommandContext = {
    equipment,
    identity: { ...IDENTITY, ...options.identity },
    settings,
    sessions,
    clock,
    resetSettings: () => useSettings(factorySettings()),
    keepProfile() {
      const { dialogue, reports, operatorFormat, values } = settings;
      profile = {
        dialogue: { ...dialogue },
        reports: { ...reports },
        operatorFormat,
        values: new Map(values),
      };
    },
    recallProfile: () => useSettings(profile),
    quirks,
    quirkState,
    faults,
    restart: () => {
      restarting = true;
    },
    crash: () => void powerCycle(),
    dropPort,
    takeCardOut: (ms, swap) => void takeCardOut(ms, swap),
    ask: () => dce.ask(),
    lineRate: {
      get now() {
        return rate;
      },
      set: (baudRate) => void (nextRate = baudRate),
    },
    sendMessage(tpdu) {
      options.onShortMessage?.(tpdu);
      messageReference = (messageReference + 1) & 0xff;
      return messageReference;
    },
  };
  const table = commandTable(quirks, options.radio);

  const powerCycle = async (): Promise<void> => {
    restarting = false;
    if (booting) return;
    booting = true;
    dce.reset();
    Object.assign(quirkState, freshQuirkState());
    await equipment.powerOff();
    useSettings(profile);
    await sleep(clock, options.bootMs ?? BOOT_MS);
    booting = false;
    restarted = true;
    changeRate(options.baudRate ?? 0);
    if (quirks.bootLine !== '') dce.unsolicited(quirks.bootLine);
    await equipment.powerOn();
  };
  const dce = createDce({
    settings: settings.dialogue,
    line: () => line,
    execute: (body) => executeLine(body, table, context),
    onAnswered: () => {
      if (nextRate !== undefined) changeRate(nextRate);
      if (restarting) void powerCycle();
      else void equipment.serveCard();
    },
    stuckEcho: quirks.echo === 'stuck',
    spoil: (text) => faults.answer(text),
    sleep: (ms) => sleep(clock, ms),
    ...(quirks.lineEnd === 'crlf' ? {} : { lineEnd: LINE_ENDS[quirks.lineEnd] }),
    ...(quirks.urcBeforeAnswer === '' ? {} : { lineBefore: quirks.urcBeforeAnswer }),
    ...(quirks.errorText === 'standard'
      ? {}
      : { errorWords: (cme: number) => VENDOR_WORDS[cme] ?? CME_ERRORS[cme] ?? 'unknown' }),
  });

  const serve = async (served: SimLine): Promise<void> => {
    for await (const arrival of served.arrivals) {
      if (booting) continue;
      if (quirks.simPort === 'diag') served.send(DIAGNOSTIC_NOISE);
      else dce.feed(arrival);
    }
    if (line === served) line = undefined;
  };
  equipment.powerOn().catch((error: unknown) => {
    log.write('error', 'sim.modem', 'power on failed', { why: errorOf(error).message });
  });

  return {
    connect(link) {
      if (!portPresent) throw new AgentError('LINK_CLOSED', { why: 'the port is away' });
      // A port has one terminal: the one before is cut off.
      void line?.close();
      const opened = openSimLine(link, clock, options.timing ?? { mode: 'none' }, (bytes) =>
        faults.octets(bytes),
      );
      line = opened;
      void serve(opened);
    },
    equipment,
    faults,
    get baudRate() {
      return rate;
    },
    elapsedUs: () => line?.elapsedUs() ?? 0,
    onService(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    deliver: (tpdu) => receiveMessage(tpdu, context, (text) => dce.unsolicited(text)),
    powerCycle,
    async close() {
      await line?.close();
      dce.reset();
      await equipment.powerOff();
    },
  };
}
