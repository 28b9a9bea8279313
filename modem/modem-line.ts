// The line to a modem kept alive: opened, brought into a known form, and opened again when it went away or was restarted.
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { attention, errorsAsNumbers, plainDialogue, rawLine } from './at-commands.ts';
import { openAtSession, type AtSession, type DeadlineClass } from './at-session.ts';
import type { ByteLink } from './byte-link.ts';
import { listenTo } from './port-ear.ts';
import { enableRegistrationReports } from './registration.ts';

export type ModemLineOptions = {
  /** Opens the line, again after it was lost. */
  readonly openLink: () => Promise<ByteLink>;
  readonly clock: Clock;
  readonly log: Log;
  readonly deadlinesMs?: Partial<Record<DeadlineClass, number>>;
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
  /** Sends lines; a refusal is left out. */
  tryLines(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
};

const RETURN_MS = 90_000;
const RETRY_MS = 1_000;
const PROBES = 3;
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

  const connect = async (): Promise<AtSession> => {
    const ear = listenTo(await options.openLink());
    const deadlinesMs = options.deadlinesMs ?? {};
    const opened = openAtSession({ link: ear.link, clock, log, deadlinesMs });
    const startAnew = initialiserOf(opened);
    opened.subscribe((event) => {
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
      await over.close();
      lost = true;
      await live();
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
