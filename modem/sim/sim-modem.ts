// A simulated modem: AT commands on any number of lines one after another, over a card and a radio network.
import type { Clock } from '../../base/clock.ts';
import { errorOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { CardSlot } from '../../codec/card.ts';
import type { Imei } from '../../codec/ids.ts';
import type { ByteLink } from '../byte-link.ts';
import { CARD_COMMANDS, VENDOR_CARD_COMMANDS } from './commands-card.ts';
import { DIALOGUE_COMMANDS } from './commands-dialogue.ts';
import { networkCommands, registrationReports } from './commands-network.ts';
import type {
  CommandContext,
  CommandRow,
  CommandTable,
  ModemSettings,
  Reply,
  SimIdentity,
} from './commands.ts';
import { parseCommandLine, parseParameters, type ParsedCommand } from './command-line.ts';
import { createDce, defaultDialogue, type LineResult } from './dce.ts';
import { createEquipment, type Equipment, type EquipmentEvent } from './equipment.ts';
import { openSimLine, type LineTiming, type SimLine } from './line-pacer.ts';
import type { RadioNetwork } from './radio.ts';
import type { ServiceState } from './service.ts';

export type SimModemOptions = {
  readonly card: CardSlot | undefined;
  readonly radio: RadioNetwork;
  readonly clock: Clock;
  readonly log: Log;
  readonly imei: Imei;
  readonly identity?: Partial<SimIdentity>;
  readonly timing?: LineTiming;
  /** How long a restart keeps the modem silent. */
  readonly bootMs?: number;
  readonly attachRetryMs?: number;
  /** Commands that this modem does not know, and vendor commands that it does. */
  readonly withoutCommands?: readonly string[];
  readonly vendorCommands?: readonly string[];
  /** Never fetches what the card announces by 91xx. */
  readonly ignoreProactive?: boolean;
};

export type SimModem = {
  /** Serves a terminal on this line until it closes. All else lives on: a next one finds the state of the last. */
  connect(link: ByteLink): void;
  readonly equipment: Equipment;
  /** The time that the octets of the current line took, in microseconds. */
  elapsedUs(): number;
  /** Tells every change of service. The answer cancels. */
  onService(listener: (state: ServiceState) => void): () => void;
  /** Power cut and return: volatile state is gone, nothing was said. */
  powerCycle(): Promise<void>;
  close(): Promise<void>;
};

const IDENTITY: SimIdentity = { manufacturer: 'euicc-agent', model: 'Simulated modem', revision: 'SIM-1.0' };
const BOOT_MS = 2_000;

function factorySettings(): ModemSettings {
  return {
    dialogue: defaultDialogue(),
    values: new Map(),
    reports: { CREG: 0, CGREG: 0, CEREG: 0 },
    operatorFormat: 0,
    contexts: new Map([[1, { type: 'IP', apn: '' }]]),
  };
}

/** Powers the modem up: its card starts and it looks for service at once. */
export function createSimModem(options: SimModemOptions): SimModem {
  const { clock, log } = options;
  const listeners = new Set<(state: ServiceState) => void>();
  const settings = factorySettings();
  const sessions = new Map<string, number>();
  let line: SimLine | undefined;
  let service: ServiceState = { is: 'off' };
  let restarting = false;
  /** While it boots, the modem hears and says nothing. */
  let booting = false;

  const onEvent = (event: EquipmentEvent): void => {
    if (event.is === 'card-session-ended') sessions.clear();
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
    ignoreProactive: () => options.ignoreProactive === true,
    ...(options.attachRetryMs === undefined ? {} : { attachRetryMs: options.attachRetryMs }),
  });
  /** Data contexts are in non-volatile memory and stay. */
  const resetSettings = (): void => {
    const { dialogue, reports, operatorFormat } = factorySettings();
    Object.assign(settings.dialogue, dialogue);
    Object.assign(settings.reports, reports);
    settings.operatorFormat = operatorFormat;
    settings.values.clear();
  };
  const context: CommandContext = {
    equipment,
    identity: { ...IDENTITY, ...options.identity },
    settings,
    sessions,
    clock,
    resetSettings,
    restart: () => {
      restarting = true;
    },
  };
  const table = commandTable(options);

  const powerCycle = async (): Promise<void> => {
    restarting = false;
    booting = true;
    dce.reset();
    await equipment.powerOff();
    resetSettings();
    await new Promise<void>((resolve) => void clock.schedule(options.bootMs ?? BOOT_MS, () => resolve()));
    booting = false;
    await equipment.powerOn();
  };
  const dce = createDce({
    settings: settings.dialogue,
    line: () => line,
    execute: (body) => executeLine(body, table, context),
    onAnswered: () => {
      if (restarting) void powerCycle();
      else void equipment.serveCard();
    },
  });

  const serve = async (served: SimLine): Promise<void> => {
    for await (const { bytes, beganUs } of served.arrivals) if (!booting) dce.feed(bytes, beganUs);
    if (line === served) line = undefined;
  };
  equipment.powerOn().catch((error: unknown) => {
    log.write('error', 'sim.modem', 'power on failed', { why: errorOf(error).message });
  });

  return {
    connect(link) {
      const opened = openSimLine(link, clock, options.timing ?? { mode: 'none' });
      line = opened;
      void serve(opened);
    },
    equipment,
    elapsedUs: () => line?.elapsedUs() ?? 0,
    onService(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    powerCycle,
    async close() {
      await line?.close();
      dce.reset();
      await equipment.powerOff();
    },
  };
}

function commandTable(options: SimModemOptions): CommandTable {
  const vendor = Object.entries(VENDOR_CARD_COMMANDS).filter(
    ([name]) => options.vendorCommands?.includes(name) === true,
  );
  const all = Object.entries({
    ...DIALOGUE_COMMANDS,
    ...CARD_COMMANDS,
    ...networkCommands(() => options.radio.signalStrength()),
    ...Object.fromEntries(vendor),
  });
  return Object.fromEntries(all.filter(([name]) => options.withoutCommands?.includes(name) !== true));
}

/** Runs the commands of a line in order until one does not end in OK (V.250, 5.3). */
async function executeLine(body: string, table: CommandTable, context: CommandContext): Promise<LineResult> {
  const info: string[] = [];
  const commands = parseCommandLine(body);
  if (commands === undefined) return { info, final: 'ERROR' };
  for (const command of commands) {
    const reply = await executeCommand(command, table[command.name], context);
    if (!Array.isArray(reply)) return { info, final: reply as Exclude<Reply, readonly string[]> };
    info.push(...(reply as readonly string[]));
  }
  return { info, final: 'OK' };
}

function executeCommand(
  command: ParsedCommand,
  row: CommandRow | undefined,
  context: CommandContext,
): Reply | Promise<Reply> {
  if (row === undefined) return 'ERROR';
  switch (command.form) {
    case 'test':
      return row.test?.(context) ?? 'ERROR';
    case 'read':
      return row.read?.(context) ?? 'ERROR';
    case 'action':
      return row.action?.(context, command.value) ?? 'ERROR';
    case 'set': {
      const parameters = parseParameters(command.value);
      return parameters === undefined ? 'ERROR' : (row.set?.(context, parameters) ?? 'ERROR');
    }
  }
}
