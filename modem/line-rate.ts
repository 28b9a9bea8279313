// The rate of a line (ITU-T V.250, 6.2.10, +IPR): raised where it pays, believed only when the modem answers there, and given back.
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { attention, rawLine } from './at-commands.ts';
import type { AtCommand, AtSession } from './at-session.ts';
import type { ByteLink } from './byte-link.ts';

/** How the line may be used. */
export type LineRate = {
  /** The rate of the configuration, which the line has when nothing else is going on. */
  readonly baudRate: number;
  /** Absent: it is never raised. */
  readonly maxBaudRate?: number;
};

/** Rates that modems have, the commonest first: where one is looked for that does not answer at its own. */
const COMMON = [115_200, 460_800, 921_600, 230_400, 9600, 57_600, 38_400, 19_200];
/** The line carries each octet to the card as two characters, with what stands around them. */
const CHARACTERS_PER_OCTET = 2.2;
const BITS_PER_CHARACTER = 10;
/** Changing and giving back takes about a second in all. */
const WORTH_MS = 3_000;
/** The new rate counts after the result code; a UART needs some characters to settle. */
const SETTLE_MS = 100;
const ATTEMPTS = 3;
const ANSWER_MS = 700;
const WHO_MS = 2_000;
const ROUNDS = 3;

const rates: AtCommand<[], readonly number[]> = {
  send: () => 'AT+IPR=?',
  answer: /^\+IPR\s*:\s*(.*)$/,
  deadline: 'probe',
  read: ([line]) => line && offeredRates(line[1] ?? ''),
};
const rateNow: AtCommand<[], number> = {
  send: () => 'AT+IPR?',
  answer: /^\+IPR\s*:\s*(\d{1,8})\s*$/,
  deadline: 'probe',
  read: ([line]) => line && Number(line[1]),
};
const setRate: AtCommand<[number], true> = {
  send: (baudRate) => `AT+IPR=${baudRate}`,
  deadline: 'probe',
  read: () => true,
};

/** Every rate in lists and ranges such as `(0,9600),(4800-921600)`; of a range those that are common. */
export function offeredRates(text: string): readonly number[] {
  const ranges = [...text.matchAll(/(\d+)\s*-\s*(\d+)/g)].map(([, low, high]) => [Number(low), Number(high)]);
  const single = [...text.matchAll(/\d+/g)].map(([digits]) => Number(digits));
  const within = COMMON.filter((rate) => ranges.some(([low = 0, high = 0]) => rate >= low && rate <= high));
  return [...new Set([...single, ...within])].filter((rate) => rate > 0).toSorted((a, b) => b - a);
}

/** Whether a line of `from` gives back more time than the change to `to` costs. */
export function pays(octets: number, from: number, to: number): boolean {
  const bits = octets * CHARACTERS_PER_OCTET * BITS_PER_CHARACTER;
  return bits * (1 / from - 1 / to) * 1000 > WORTH_MS;
}

/** Where to look for a modem that does not answer at `baudRate`. */
export function otherRates(baudRate: number, ...first: readonly (number | undefined)[]): readonly number[] {
  const likely = first.filter((rate) => rate !== undefined);
  return [...new Set([...likely, ...COMMON])].filter((rate) => rate !== baudRate);
}

/** What a modem says of its rate is set again afterwards only where it would be looked for: some say what they do not do. */
function findable(told: number | undefined, baudRate: number): number {
  const follows = 0;
  return told === follows || (told !== undefined && COMMON.includes(told)) ? told : baudRate;
}

export type RateTools = {
  readonly session: AtSession;
  readonly link: ByteLink;
  readonly clock: Clock;
  readonly log: Log;
};

/** What was set before, so that it can be given back. */
export type Raised = { readonly to: number; readonly was: number };

/**
 * Raises the rate for `octets` to the card. Undefined where it does not pay, or the modem refuses, and nothing has changed.
 * Throws where the modem answers at the new rate no more than at the old one: then the line must be opened anew.
 */
export async function raiseRate(
  { baudRate, maxBaudRate }: LineRate,
  octets: number,
  { session, link, clock, log }: RateTools,
): Promise<Raised | undefined> {
  const change = link.setBaudRate;
  if (maxBaudRate === undefined || change === undefined) return undefined;
  if (!pays(octets, baudRate, maxBaudRate)) return undefined;
  return session.alone(async (run) => {
    const offered = await run(rates, []).catch(unknown);
    // A modem that answers no test form, or an empty one, may well have the rate: it is asked for it.
    const named = offered === undefined || offered.length === 0 ? COMMON.toSorted((a, b) => b - a) : offered;
    const to = named.find((rate) => rate <= maxBaudRate && pays(octets, baudRate, rate));
    if (to === undefined) return undefined;
    const was = findable(await run(rateNow, []).catch(unknown), baudRate);
    const known = await sayWho(run).catch(unknown);
    try {
      await run(setRate, [to]);
    } catch (error) {
      if (isAgentError(error, 'AT_ERROR')) {
        log.write('debug', 'modem.rate', 'the modem refuses the rate', { to });
        return undefined;
      }
      // Some answer at the new rate already.
      if (!isAgentError(error, 'AT_TIMEOUT', 'AT_ANSWER')) throw error;
    }
    await change(to);
    await sleep(clock, SETTLE_MS);
    await answers(run);
    // More than two characters, and known ones, must come through again and again before anything that matters does.
    for (let round = 0; known !== undefined && round < ROUNDS; round++) {
      if ((await sayWho(run)) !== known)
        throw new AgentError('AT_ANSWER', { command: 'ATI', why: 'not as before' });
    }
    log.write('info', 'modem.rate', 'raised', { from: baudRate, to });
    return { to, was };
  });
}

/** Gives the rate back. Throws where the modem does not answer there: then the line must be opened anew. */
export function restoreRate(
  { baudRate }: LineRate,
  { was }: Raised,
  { session, link, clock, log }: RateTools,
): Promise<void> {
  return session.alone(async (run) => {
    await run(setRate, [was]).catch((error: unknown) => {
      if (!isAgentError(error, 'AT_TIMEOUT', 'AT_ANSWER')) throw error;
    });
    await link.setBaudRate?.(baudRate);
    await sleep(clock, SETTLE_MS);
    await answers(run);
    log.write('info', 'modem.rate', 'given back', { to: baudRate });
  });
}

/** Some hundred characters that are the same each time. */
async function sayWho(run: AtSession['run']): Promise<string> {
  const lines = await run(rawLine, ['ATI;+CGMI;+CGMM;+CGMR;+CGSN'], { timeoutMs: WHO_MS });
  return lines.join('\n');
}

async function answers(run: AtSession['run']): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run(attention, [], { timeoutMs: ANSWER_MS });
      return;
    } catch (error) {
      if (isAgentError(error, 'AT_ERROR')) return;
      if (attempt === ATTEMPTS || !isAgentError(error, 'AT_TIMEOUT')) throw error;
    }
  }
}

function unknown(error: unknown): undefined {
  if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER', 'AT_TIMEOUT')) throw error;
  return undefined;
}
