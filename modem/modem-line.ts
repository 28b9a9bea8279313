// The line to a modem kept alive: opened, brought into a known form, and opened again when it went away or was restarted.
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { attention, errorsAsNumbers, plainDialogue, rawLine } from './at-commands.ts';
import { openAtSession, type AtSession, type DeadlineClass } from './at-session.ts';
import type { ByteLink } from './byte-link.ts';
import { type LineRate, otherRates, type Raised, raiseRate, restoreRate } from './line-rate.ts';
import { listenTo } from './port-ear.ts';
import { enableRegistrationReports } from './registration.ts';

export type ModemLineOptions = {
  /** Opens the line, again after it was lost. */
  readonly openLink: () => Promise<ByteLink>;
  readonly clock: Clock;
  readonly log: Log;
  readonly deadlinesMs?: Partial<Record<DeadlineClass, number>>;
  /** Absent: the line's rate is never touched. */
  readonly rate?: LineRate;
  /** How long a line that went away may take to come back. */
  readonly returnMs?: number;
  /** Sent at every start, after the common form of the dialogue; what the modem refuses is left out. */
  readonly initialise: () => readonly string[];
  readonly onUnsolicited: (line: string) => void;
  /** Told when the modem has started anew, or may have while its line was away; the dialogue is in its known form again. */
  readonly onRestart?: () => void;
  /** Looks whether what answers on a line that came back is still the same modem; throws when it is not. */
  readonly recognise?: (session: AtSession) => Promise<void>;
};

export type ModemLine = {
  /** The session, after the line came back where it was lost. */
  live(): Promise<AtSession>;
  /** Sends lines of which the last restarts the modem, and waits until it is back. */
  restartBy(lines: readonly string[]): Promise<void>;
  /** Does `work` with the line at a higher rate where that pays for so many octets to the card; then gives the rate back. */
  hurry<T>(octets: number, work: () => Promise<T>): Promise<T>;
  /** Sends lines; a refusal is left out. */
  tryLines(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
};

const RETURN_MS = 90_000;
const RETRY_MS = 1_000;
const PROBES = 3;
const RATE_PROBE_MS = 500;
const OF_THE_LINE = ['CARD_LOST', 'AT_TIMEOUT', 'AT_ANSWER', 'AT_ERROR', 'LINK_CLOSED'] as const;
/** A modem needs longer than this for a start. */
const RESTART_GAP_MS = 1_000;
/** Lines that modems print when they have just started, with all settings lost. */
const STARTED = /^(?:RDY|\^SYSSTART|APP RDY|\+SYSSTART)/;

/**
 * Opens the line and brings the dialogue into a known form. Throws what `openLink` throws, and `AT_TIMEOUT` when nothing on
 * the line answers to AT.
 */
export async function openModemLine(options: ModemLineOptions): Promise<ModemLine> {
  const { clock, log } = options;
  let closed = false;
  let lost = false;
  let returning: Promise<AtSession> | undefined;
  let raised: (Raised & { readonly over: AtSession }) | undefined;
  let rateFailed = false;

  let link: ByteLink | undefined;
  /** The last rate that the modem was asked for. */
  let asked: number | undefined;
  const openAt = async (baudRate: number | undefined): Promise<ByteLink> => {
    const opened = await options.openLink();
    if (baudRate !== undefined) await opened.setBaudRate?.(baudRate);
    return opened;
  };
  /** At the line's rate; where nothing answers there, at the one that an earlier life may have left the modem at. */
  const connect = async (): Promise<AtSession> => {
    try {
      return await connectAt(undefined);
    } catch (error) {
      const { rate } = options;
      if (rate === undefined || link?.setBaudRate === undefined || !isAgentError(error, 'AT_TIMEOUT'))
        throw error;
      for (const baudRate of otherRates(rate.baudRate, asked, rate.maxBaudRate)) {
        if (closed || !(await answersAt(baudRate))) continue;
        log.write('warn', 'modem.rate', 'the modem was at another rate', { at: baudRate });
        const session = await connectAt(baudRate);
        await restoreRate(rate, { to: baudRate, was: rate.baudRate }, { session, link, clock, log }).catch(
          async (cause: unknown) => {
            // Without the rate of the configuration the modem is used at its own.
            if (isAgentError(cause, 'AT_ERROR')) return;
            await session.close();
            throw cause;
          },
        );
        return session;
      }
      throw error;
    }
  };
  const answersAt = async (baudRate: number): Promise<boolean> => {
    const opened = await openAt(baudRate);
    const session = openAtSession({ link: opened, clock, log, deadlinesMs: { probe: RATE_PROBE_MS } });
    try {
      await session.run(attention, []).catch(() => session.run(attention, []));
      return true;
    } catch (error) {
      if (!isAgentError(error)) throw error;
      return error.code === 'AT_ERROR';
    } finally {
      await session.close();
    }
  };
  const connectAt = async (baudRate: number | undefined): Promise<AtSession> => {
    link = await openAt(baudRate);
    const ear = listenTo(link);
    const deadlinesMs = options.deadlinesMs ?? {};
    const opened = openAtSession({ link: ear.link, clock, log, deadlinesMs });
    const startAnew = initialiserOf(opened);
    opened.subscribe((event) => {
      // A modem that restarted at its own rate is not heard at another one: the line is opened anew.
      if (event.is === 'deaf' && raised !== undefined) void opened.close();
      if (event.is !== 'unsolicited') return;
      options.onUnsolicited(event.line);
      if (STARTED.test(event.line)) startAnew();
    });
    try {
      await initialise(opened);
      ear.deafen();
      await options.recognise?.(opened);
      return opened;
    } catch (error) {
      await opened.close();
      if (isAgentError(error, 'AT_TIMEOUT')) {
        throw new AgentError('AT_TIMEOUT', { ...error.data, heard: ear.heard() }, { cause: error });
      }
      throw error;
    }
  };
  const initialise = async (over: AtSession): Promise<void> => {
    await probe(over);
    for (const command of [plainDialogue, errorsAsNumbers]) {
      await over.run(command, []).catch(tolerateRefusal);
    }
    await tryLinesOver(over, options.initialise());
    await enableRegistrationReports(over);
  };
  /** One at a time, and at most one more after it: a modem that says for ever that it starts keeps nobody from working. */
  const initialiserOf = (over: AtSession): (() => void) => {
    let lastAt = Number.NEGATIVE_INFINITY;
    let running = false;
    return () => {
      if (running || clock.now() - lastAt < RESTART_GAP_MS) return;
      running = true;
      lastAt = clock.now();
      log.write('warn', 'modem', 'the modem restarted');
      initialise(over)
        .then(() => options.onRestart?.())
        .catch(() => {})
        .finally(() => (running = false));
    };
  };
  const watched = (opened: AtSession): AtSession => {
    void opened.closed.then(() => {
      if (opened === session) lost = true;
    });
    return opened;
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
  const live = async (): Promise<AtSession> => {
    if (closed) throw new AgentError('LINK_CLOSED');
    if (!lost) return session;
    returning ??= reconnect()
      .then((opened) => {
        session = opened;
        lost = false;
        watched(opened);
        log.write('info', 'modem', 'the line is back');
        options.onRestart?.();
        return opened;
      })
      .finally(() => (returning = undefined));
    return returning;
  };
  let session = await connect();
  watched(session);

  const openAnew = async (over: AtSession): Promise<void> => {
    await over.close();
    if (over === session) lost = true;
    await live();
  };
  const raise = async (octets: number): Promise<void> => {
    const { rate } = options;
    const over = await live();
    if (rate?.maxBaudRate === undefined || link === undefined || raised !== undefined || rateFailed) return;
    try {
      asked = rate.maxBaudRate;
      const change = await raiseRate(rate, octets, { session: over, link, clock, log });
      raised = change === undefined ? undefined : { ...change, over };
    } catch (error) {
      if (!isAgentError(error)) throw error;
      rateFailed = true;
      log.write('warn', 'modem.rate', 'nothing is heard at the new rate', { why: error.message });
      await openAnew(over);
    }
  };
  const lower = async (): Promise<void> => {
    const { rate } = options;
    const change = raised;
    raised = undefined;
    // A line that was opened anew meanwhile has its own rate again.
    if (change === undefined || rate === undefined || link === undefined || lost || change.over !== session)
      return;
    try {
      await restoreRate(rate, change, { session: change.over, link, clock, log });
    } catch (error) {
      if (!isAgentError(error)) throw error;
      await openAnew(change.over).catch(() => {});
    }
  };

  return {
    live,
    async restartBy(lines) {
      const over = await live();
      for (const line of lines) {
        await over.run(rawLine, [line], { timeoutMs: over.deadlinesMs.radio }).catch((error: unknown) => {
          // Many restart without an answer, and the port goes away with them.
          if (!isAgentError(error, 'AT_TIMEOUT', 'LINK_CLOSED')) throw error;
        });
      }
      await openAnew(over);
    },
    async hurry(octets, work) {
      await raise(octets);
      try {
        return await work();
      } catch (error) {
        // It may have been the line: the next time it keeps its own rate.
        if (raised !== undefined && isAgentError(error, ...OF_THE_LINE)) rateFailed = true;
        throw error;
      } finally {
        await lower();
      }
    },
    tryLines: async (lines) => tryLinesOver(await live(), lines),
    async close() {
      closed = true;
      await session.close();
    },
  };
}

/** The first AT sets the rate where the modem finds it by itself, and may be lost in that. */
async function probe(over: AtSession): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await over.run(attention, []);
      return;
    } catch (error) {
      if (isAgentError(error, 'AT_ERROR')) return;
      if (!isAgentError(error, 'AT_TIMEOUT')) throw error;
      if (attempt === PROBES) {
        throw new AgentError('AT_TIMEOUT', {
          command: 'AT',
          do: 'another port of the modem may be the right one',
        });
      }
    }
  }
}

async function tryLinesOver(session: AtSession, lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    await session.run(rawLine, [line], { timeoutMs: session.deadlinesMs.channel }).catch(tolerateRefusal);
  }
}

function tolerateRefusal(error: unknown): void {
  if (!isAgentError(error, 'AT_ERROR')) throw error;
}
