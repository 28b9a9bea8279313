// A dialogue of AT commands over a line (ITU-T V.250): one at a time, a deadline for each, answers never mixed up.
import { utf8Bytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { createLock } from '../base/lock.ts';
import type { Log } from '../base/log.ts';
import { createAtLineSplitter, type AtLineEvent } from './at-lines.ts';
import { parseAtResult, type AtResult } from './at-results.ts';
import type { ByteLink } from './byte-link.ts';

/** How long a kind of command may take; all can be set per session. */
export type DeadlineClass = 'probe' | 'query' | 'channel' | 'card' | 'install' | 'radio' | 'search';

export const DEADLINES_MS: Readonly<Record<DeadlineClass, number>> = {
  probe: 2_000,
  query: 5_000,
  channel: 10_000,
  card: 30_000,
  install: 240_000,
  radio: 60_000,
  search: 180_000,
};

/** A row of the command table: what to send, which lines answer it, and what they mean. */
export type AtCommand<A extends readonly unknown[], T> = {
  /** The command line without its terminator. */
  readonly send: (...args: A) => string;
  /** Lines that belong to the answer. All others are handed to the subscribers. */
  readonly answer?: RegExp;
  readonly deadline: DeadlineClass;
  /** Makes the value from the matching lines; undefined means that the answer is not what the command allows. */
  readonly read: (lines: readonly RegExpExecArray[]) => T | undefined;
  /** A wrong answer to this command would do harm: after any failure the next command waits for a resynchronisation. */
  readonly exact?: true;
};

export type RunOptions = { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number };

/** What arrives outside of answers. */
export type AtEvent =
  | { readonly is: 'unsolicited'; readonly line: string }
  /** A result code that no command waited for. */
  | { readonly is: 'stray'; readonly line: string }
  | { readonly is: 'garbage'; readonly octets: number }
  /** Nothing that was asked to find the way back was answered. */
  | { readonly is: 'deaf' };

type Run = <A extends readonly unknown[], T>(
  command: AtCommand<A, T>,
  args: A,
  options?: RunOptions,
) => Promise<T>;

export type AtSession = {
  /**
   * Sends one command and reads its answer. Throws `AT_ERROR` (the modem refused; `data.code`, `data.number`),
   * `AT_TIMEOUT`, `AT_ANSWER`, `LINK_CLOSED` or `ABORTED`.
   */
  readonly run: Run;
  /** Lets nobody else between the commands of `work`, which sends them by the function that it is given. */
  alone<T>(work: (run: Run) => Promise<T>): Promise<T>;
  /** The answer cancels the subscription. */
  subscribe(listener: (event: AtEvent) => void): () => void;
  readonly deadlinesMs: Readonly<Record<DeadlineClass, number>>;
  readonly closed: Promise<void>;
  close(): Promise<void>;
};

export type AtSessionOptions = {
  readonly link: ByteLink;
  readonly clock: Clock;
  readonly log: Log;
  readonly deadlinesMs?: Partial<Record<DeadlineClass, number>>;
};

/** One exchange in progress. */
type Pending = {
  readonly line: string;
  readonly answer: RegExp | undefined;
  readonly lines: RegExpExecArray[];
  /** How many characters of answer may still come. */
  room: number;
  readonly onResult: (result: AtResult) => void;
  readonly onFailure: (error: AgentError) => void;
};

/**
 * Commands whose answers cannot be confused. After a lost answer they are asked in turn: what comes before the token
 * belongs to older commands, so a late answer is never taken for the next command's. Every other one also switches result
 * codes on, as words: an octet lost from the line that did so may have switched them off.
 */
const SYNC_TOKENS: readonly (readonly [string, RegExp])[] = [
  ['AT+CMEE?', /^\+CMEE\s*:\s*\d/],
  ['ATQ0V1E0+CFUN?', /^\+CFUN\s*:\s*\d/],
  ['AT+CREG?', /^\+CREG\s*:\s*\d+\s*,\s*\d+\s*(?:,|$)/],
  ['ATQ0V1E0+CSQ', /^\+CSQ\s*:\s*\d/],
];
const SYNC_QUIET_MS = 300;
/** The longest answers, lists of networks and of short messages, have some 10,000 characters. */
const ANSWER_LIMIT = 1_000_000;
/** What a line takes beside its characters, so that empty ones come to an end too. */
const LINE_COST = 16;
const MANY_BLANKS = /\s{9,}/g;
const FEW_BLANKS = ' '.repeat(8);
const ESCAPE = Uint8Array.of(0x1b);
const ESCAPE_GAP_MS = 1_000;

export function openAtSession(options: AtSessionOptions): AtSession {
  const { link, clock, log } = options;
  const deadlines = { ...DEADLINES_MS, ...options.deadlinesMs };
  const lock = createLock();
  const listeners = new Set<(event: AtEvent) => void>();
  let pending: Pending | undefined;
  /** Whether result codes may still come that belong to an older command. */
  let stale = false;
  let syncRound = 0;
  let lastAnswer: RegExp | undefined;
  let closedBy: AgentError | undefined;
  let escapedAt = Number.NEGATIVE_INFINITY;

  const tell = (event: AtEvent): void => {
    for (const listener of listeners) listener(event);
  };
  const onLine = (heard: string): void => {
    // No answer needs more blanks in a row; thousands would keep patterns that allow them anywhere busy for minutes.
    const line = heard.replace(MANY_BLANKS, FEW_BLANKS);
    const result = parseAtResult(line);
    if (pending === undefined) {
      // An answer without a question: the count of answers is off, the next command must not pick one up.
      if (result !== undefined || lastAnswer?.test(line) === true) stale = true;
      tell(result === undefined ? { is: 'unsolicited', line } : { is: 'stray', line });
      return;
    }
    if (line === pending.line) return; // echo
    if (result !== undefined) {
      pending.onResult(result);
      return;
    }
    const match = pending.answer?.exec(line) ?? null;
    if (match === null) tell({ is: 'unsolicited', line });
    else if (pending.room < line.length)
      pending.onFailure(new AgentError('AT_ANSWER', { command: nameOf(pending.line), why: 'it has no end' }));
    else {
      pending.room -= line.length + LINE_COST;
      pending.lines.push(match);
    }
  };
  const onEvent = (event: AtLineEvent): void => {
    if (event.is === 'line') onLine(event.text);
    else if (event.is === 'garbage') {
      log.write('debug', 'modem.at', 'garbage', { octets: event.octets, why: event.why });
      tell({ is: 'garbage', octets: event.octets });
    } else {
      // No command of the table asks for text: leave the prompt without sending any, once, however often it comes.
      if (clock.now() - escapedAt < ESCAPE_GAP_MS) return;
      escapedAt = clock.now();
      link.write(ESCAPE).catch(() => {});
    }
  };
  const fail = (error: AgentError): void => {
    closedBy ??= error;
    pending?.onFailure(error);
  };
  const reading = (async () => {
    const splitter = createAtLineSplitter();
    try {
      for await (const chunk of link.read) for (const event of splitter.push(chunk)) onEvent(event);
      fail(new AgentError('LINK_CLOSED'));
    } catch (cause) {
      fail(isAgentError(cause) ? cause : new AgentError('LINK_CLOSED', {}, { cause: errorOf(cause) }));
    }
  })();

  /**
   * Sends a line and waits for its result code. Leaves `stale` set unless the exchange ended in order. With `sync` the
   * result codes before the token are older commands'; one with no token after it says that the line was refused.
   */
  const exchange = (
    line: string,
    answer: RegExp | undefined,
    how: { readonly timeoutMs: number; readonly sync: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<{ result: AtResult; lines: RegExpExecArray[] }> =>
    new Promise((resolve, reject) => {
      const lines: RegExpExecArray[] = [];
      let cancelQuiet: (() => void) | undefined;
      const done = (): void => {
        pending = undefined;
        cancelTimer();
        cancelQuiet?.();
        how.signal?.removeEventListener('abort', onAbort);
      };
      const give = (error: AgentError): void => {
        done();
        stale = true;
        reject(error);
      };
      const onAbort = (): void => give(new AgentError('ABORTED', { command: nameOf(line) }));
      const giveUp = (): void =>
        give(new AgentError('AT_TIMEOUT', { command: nameOf(line), timeoutMs: how.timeoutMs }));
      const cancelTimer = clock.schedule(how.timeoutMs, giveUp);
      pending = {
        line,
        answer,
        lines,
        room: ANSWER_LIMIT,
        onResult: (result) => {
          if (how.sync && lines.length === 0) {
            cancelQuiet?.();
            cancelQuiet = clock.schedule(SYNC_QUIET_MS, () => {
              if (lines.length === 0) giveUp();
            });
            return;
          }
          done();
          resolve({ result, lines });
        },
        onFailure: give,
      };
      lastAnswer = answer;
      how.signal?.addEventListener('abort', onAbort, { once: true });
      link.write(utf8Bytes(`${line}\r`)).catch((cause: unknown) => {
        if (pending?.lines === lines) give(asLinkError(cause));
      });
    });

  const resynchronise = async (): Promise<void> => {
    for (let attempt = 0; attempt < SYNC_TOKENS.length; attempt++) {
      const [line, answer] = SYNC_TOKENS[syncRound++ % SYNC_TOKENS.length] ?? ['AT', /^/];
      try {
        await exchange(line, answer, { timeoutMs: deadlines.probe, sync: true });
        stale = false;
        log.write('debug', 'modem.at', 'resynchronised', { attempts: attempt + 1 });
        return;
      } catch (error) {
        if (!isAgentError(error, 'AT_TIMEOUT')) throw error;
      }
    }
    tell({ is: 'deaf' });
    throw new AgentError('AT_TIMEOUT', { command: 'resynchronise', attempts: SYNC_TOKENS.length });
  };

  const runNow = async <A extends readonly unknown[], T>(
    command: AtCommand<A, T>,
    args: A,
    how: RunOptions,
  ): Promise<T> => {
    if (how.signal?.aborted === true) throw new AgentError('ABORTED');
    if (closedBy !== undefined) throw closedBy;
    if (stale) await resynchronise();
    const line = command.send(...args);
    const started = clock.now();
    const { result, lines } = await exchange(line, command.answer, {
      timeoutMs: how.timeoutMs ?? deadlines[command.deadline],
      sync: false,
      signal: how.signal,
    });
    log.write('trace', 'modem.at', 'command', {
      command: nameOf(line),
      octets: line.length,
      result: result.is === 'ok' ? 'OK' : result.code,
      ms: Math.round(clock.now() - started),
    });
    if (result.is === 'error') {
      if (command.exact === true) stale = true;
      throw new AgentError('AT_ERROR', {
        command: nameOf(line),
        code: result.code,
        number: result.number,
        text: result.text,
      });
    }
    const value = command.read(lines);
    if (value === undefined) {
      // Its line was lost or torn, or the result code was an older command's.
      stale = true;
      throw new AgentError('AT_ANSWER', { command: nameOf(line), lines: lines.length });
    }
    return value;
  };

  return {
    run: (command, args, how = {}) =>
      untilAborted(
        lock.run(() => runNow(command, args, how)),
        how.signal,
      ),
    alone: (work) => lock.run(() => work((command, args, how = {}) => runNow(command, args, how))),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    deadlinesMs: deadlines,
    closed: reading,
    async close() {
      fail(new AgentError('LINK_CLOSED'));
      await link.close();
      await reading;
    },
  };
}

/** Lets a caller that gave up go at once, also while others are before it. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new AgentError('ABORTED'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function asLinkError(cause: unknown): AgentError {
  return isAgentError(cause) ? cause : new AgentError('LINK_CLOSED', {}, { cause: errorOf(cause) });
}

/** The command without its parameters, which may be a PIN or a profile. */
export function nameOf(line: string): string {
  return (/^AT[+&#!%^*$]?[A-Za-z0-9]*/.exec(line)?.[0] ?? line.slice(0, 8)).toUpperCase();
}

/** The `<err>` of a `+CME ERROR` that `thrown` stands for; undefined for everything else. */
export function cmeErrorOf(thrown: unknown): number | undefined {
  if (!isAgentError(thrown, 'AT_ERROR') || thrown.data['code'] !== 'CME') return undefined;
  return typeof thrown.data['number'] === 'number' ? thrown.data['number'] : undefined;
}
