// A modem as the agent uses it: identity, card, registration and radio, over a link that may go away and come back.
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log, Secret } from '../base/log.ts';
import { parseImei, type Iccid, type Imei } from '../codec/ids.ts';
import {
  attention,
  errorsAsNumbers,
  functionality,
  manufacturer,
  model,
  operatorName,
  plainDialogue,
  rawLine,
  restart,
  revision,
  serialNumber,
  signalQuality,
  type RegistrationCommand,
} from './at-commands.ts';
import { openAtSession, type AtSession, type DeadlineClass, type RunOptions } from './at-session.ts';
import type { ByteLink } from './byte-link.ts';
import type { CardQuirks } from './card-way.ts';
import { createModemCard, type CardMemory, type ModemCard, type OpenSession } from './modem-card.ts';
import { awaitProfile, type SwitchOptions, type SwitchOutcome } from './profile-switch.ts';
import {
  combineRegistration,
  enableRegistrationReports,
  parseRegistrationReport,
  readRegistration,
  type DomainRegistration,
  type Registration,
} from './registration.ts';
import { createPinEntry, readIccid, readSimState, type SimState } from './sim-state.ts';

export type ModemIdentity = {
  readonly imei: Imei;
  /** Empty where the modem does not tell. */
  readonly manufacturer: string;
  readonly model: string;
  readonly revision: string;
};

/** Deviations of a modem from the standards; what is absent is as in the standard. */
export type ModemQuirks = {
  readonly card?: CardQuirks;
  /** Vendor commands that power the card slot off and on, and that reset the modem for good. */
  readonly slotPower?: readonly string[];
  readonly vendorReset?: readonly string[];
  /** Sent once after the common start of the dialogue. */
  readonly initialise?: readonly string[];
};

export type ModemOptions = {
  /** Opens the line, again after it was lost. */
  readonly openLink: () => Promise<ByteLink>;
  readonly clock: Clock;
  readonly log: Log;
  readonly deadlinesMs?: Partial<Record<DeadlineClass, number>>;
  readonly quirks?: ModemQuirks;
  readonly cardMemory?: CardMemory;
  readonly onCardLearned?: (memory: CardMemory) => void;
  /** Sessions on the card that an earlier life left open, and what to write down for the next one. */
  readonly leftOpen?: readonly OpenSession[];
  readonly onOpenSessions?: (open: readonly OpenSession[]) => void;
  /** How long a line that went away may take to come back. */
  readonly returnMs?: number;
};

export type Modem = {
  imei(): Promise<Imei>;
  identity(): Promise<ModemIdentity>;
  simState(): Promise<SimState>;
  /** At most one try in the life of this object. Throws `PIN_REFUSED`. */
  enterPin(pin: Secret<string>): Promise<void>;
  /** EF.ICCID as it is now. Throws while the card is not ready. */
  readIccid(): Promise<Iccid>;
  registration(): Promise<Registration>;
  /** Calls at every change that the modem reports; the answer cancels. */
  onRegistration(listener: (registration: Registration) => void): () => void;
  operator(): Promise<{ readonly name?: string; readonly accessTechnology?: number }>;
  /** +CSQ: 0 to 31, 99 when not known. */
  signalQuality(): Promise<number>;
  setRadio(on: boolean): Promise<void>;
  /** The one card of this modem, with the one lock on it. After its `close` a new one is made. */
  openCard(): Promise<ModemCard>;
  /** After enable, disable or delete: waits until the modem sees the profile `expected`. */
  awaitProfile(expected: Iccid, options?: SwitchOptions): Promise<SwitchOutcome>;
  /** Restarts the modem and waits until it answers. */
  restart(): Promise<void>;
  /** One command line as it is; answers the lines before the result code. */
  command(line: string, options?: RunOptions): Promise<readonly string[]>;
  close(): Promise<void>;
};

const RETURN_MS = 90_000;
const RETRY_MS = 1_000;
const PROBES = 3;
/** Lines that modems print when they have just started, with all settings lost. */
const STARTED = /^(?:RDY|\^SYSSTART|APP RDY|\+SYSSTART)/;

/**
 * Opens the line and brings the dialogue into a known form. Throws what `openLink` throws, and `AT_TIMEOUT` when nothing on
 * the line answers to AT.
 */
export async function openModem(options: ModemOptions): Promise<Modem> {
  const { clock, log, quirks = {} } = options;
  const listeners = new Set<(registration: Registration) => void>();
  let domains = new Map<RegistrationCommand, DomainRegistration>();
  let lastTold = '';
  let imei: Imei | undefined;
  let card: { readonly session: AtSession; readonly card: ModemCard } | undefined;
  let leftOpen = options.leftOpen ?? [];
  const enterPin = createPinEntry();
  let closed = false;

  const tell = (): Registration => {
    const combined = combineRegistration(domains);
    const text = JSON.stringify(combined);
    if (text !== lastTold) {
      lastTold = text;
      for (const listener of listeners) listener(combined);
    }
    return combined;
  };

  const connect = async (): Promise<AtSession> => {
    const link = await options.openLink();
    const opened = openAtSession({
      link,
      clock,
      log,
      ...(options.deadlinesMs === undefined ? {} : { deadlinesMs: options.deadlinesMs }),
    });
    opened.subscribe((event) => {
      if (event.is !== 'unsolicited') return;
      const report = parseRegistrationReport(event.line);
      if (report !== undefined) {
        domains.set(...report);
        tell();
      } else if (STARTED.test(event.line)) {
        log.write('warn', 'modem', 'the modem restarted');
        initialise(opened).catch(() => {});
      }
    });
    try {
      await initialise(opened);
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  };

  const initialise = async (over: AtSession): Promise<void> => {
    for (let probe = 1; ; probe++) {
      try {
        await over.run(attention, []);
        break;
      } catch (error) {
        if (isAgentError(error, 'AT_ERROR')) break;
        if (!isAgentError(error, 'AT_TIMEOUT')) throw error;
        if (probe === PROBES) {
          throw new AgentError('AT_TIMEOUT', {
            command: 'AT',
            do: 'another port of the modem may be the right one',
          });
        }
      }
    }
    for (const command of [plainDialogue, errorsAsNumbers]) {
      await over.run(command, []).catch(tolerateRefusal);
    }
    for (const line of quirks.initialise ?? []) await over.run(rawLine, [line]).catch(tolerateRefusal);
    await enableRegistrationReports(over);
  };

  /** Opens the line again until it answers, or throws the last failure after `returnMs`. */
  const reconnect = async (): Promise<AtSession> => {
    const endsAt = clock.now() + (options.returnMs ?? RETURN_MS);
    for (;;) {
      try {
        return await connect();
      } catch (error) {
        if (closed || clock.now() >= endsAt || !isAgentError(error)) throw error;
        await sleep(clock, RETRY_MS);
      }
    }
  };

  let session = await connect();
  let lost = false;
  let returning: Promise<AtSession> | undefined;
  const watch = (over: AtSession): void => {
    void over.closed.then(() => {
      if (over === session) lost = true;
    });
  };
  watch(session);

  /** The session, after the line came back where it was lost. */
  const live = async (): Promise<AtSession> => {
    if (closed) throw new AgentError('LINK_CLOSED');
    if (!lost) return session;
    returning ??= reconnect()
      .then((opened) => {
        session = opened;
        lost = false;
        watch(opened);
        log.write('info', 'modem', 'the line is back');
        return opened;
      })
      .finally(() => (returning = undefined));
    return returning;
  };

  const cardOf = (over: AtSession): ModemCard => {
    if (card?.session === over) return card.card;
    const made = createModemCard({
      session: over,
      clock,
      log,
      quirks: quirks.card ?? {},
      leftOpen,
      memory: options.cardMemory ?? {},
      ...(options.onCardLearned === undefined ? {} : { onLearned: options.onCardLearned }),
      onOpenSessions: (open) => {
        leftOpen = open;
        options.onOpenSessions?.(open);
      },
    });
    const shared: ModemCard = {
      openChannel: (aid, how) => made.openChannel(aid, how),
      basic: made.basic,
      completed: () => made.completed(),
      get maxCommandData() {
        return made.maxCommandData;
      },
      async close() {
        if (card?.card === shared) card = undefined;
        await made.close();
      },
    };
    card = { session: over, card: shared };
    return shared;
  };

  const iccidOver = async (how: RunOptions = {}): Promise<Iccid> => {
    const over = await live();
    return readIccid(over, cardOf(over), how);
  };

  const restartModem = async (): Promise<void> => {
    const over = await live();
    await over.run(restart, []).catch((error: unknown) => {
      // Many restart without an answer, and the port goes away with them.
      if (!isAgentError(error, 'AT_TIMEOUT', 'LINK_CLOSED')) throw error;
    });
    await over.close();
    lost = true;
    await live();
  };

  const setRadio = async (on: boolean): Promise<void> => {
    await (await live()).run(functionality, [on ? 1 : 0]);
  };
  const runLines = async (lines: readonly string[]): Promise<void> => {
    for (const line of lines)
      await (await live()).run(rawLine, [line], { timeoutMs: session.deadlinesMs.radio });
  };
  const optional = async (command: typeof manufacturer): Promise<string> =>
    (await live()).run(command, []).catch((error: unknown) => {
      if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
      return '';
    });
  const readImei = async (): Promise<Imei> => {
    imei ??= parseImei(await (await live()).run(serialNumber, []));
    return imei;
  };

  return {
    imei: readImei,
    identity: async () => ({
      imei: await readImei(),
      manufacturer: await optional(manufacturer),
      model: await optional(model),
      revision: await optional(revision),
    }),
    simState: async () => readSimState(await live()),
    enterPin: async (pin) => enterPin(await live(), pin),
    readIccid: () => iccidOver(),
    async registration() {
      domains = await readRegistration(await live());
      return tell();
    },
    onRegistration(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    operator: async () => (await live()).run(operatorName, []),
    signalQuality: async () => (await live()).run(signalQuality, []),
    setRadio,
    openCard: async () => cardOf(await live()),
    awaitProfile: (expected, how = {}) =>
      awaitProfile(
        expected,
        {
          clock,
          log,
          readIccid: () => iccidOver(how.signal === undefined ? {} : { signal: how.signal }),
          actions: {
            ...(quirks.slotPower === undefined
              ? {}
              : { 'slot-power': () => runLines(quirks.slotPower ?? []) }),
            'radio-cycle': async () => {
              await setRadio(false);
              await setRadio(true);
            },
            restart: restartModem,
            ...(quirks.vendorReset === undefined
              ? {}
              : { 'vendor-reset': () => runLines(quirks.vendorReset ?? []) }),
          },
        },
        how,
      ),
    restart: restartModem,
    command: async (line, how = {}) => (await live()).run(rawLine, [line], how),
    async close() {
      closed = true;
      if (card !== undefined) await card.card.close().catch(() => {});
      await session.close();
    },
  };
}

function tolerateRefusal(error: unknown): void {
  if (!isAgentError(error, 'AT_ERROR')) throw error;
}
