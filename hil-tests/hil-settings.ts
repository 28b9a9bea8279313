// Settings of the dialogue that every driver needs its own way: noted before a hardware run, put back after it.
import type { Clock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { latin1 } from '../codec/modem-trace.ts';
import { attention, rawLine } from '../modem/at-commands.ts';
import { type AtSession, openAtSession } from '../modem/at-session.ts';
import type { ByteLink } from '../modem/byte-link.ts';

/** Echo (V.250, 6.2.4) and the first parameter of commands with a read form; absent where the modem does not tell. */
export type DialogueSettings = {
  readonly echo?: boolean;
  readonly values: Readonly<Record<string, string>>;
};

type Tools = { readonly clock: Clock; readonly log: Log };

/** 3GPP TS 27.007, 9.1, 7.2, 10.1.20, 10.1.22. */
const SETTINGS = ['CMEE', 'CREG', 'CGREG', 'CEREG'];
const ATTEMPTS = 3;

/** Asks a modem that nobody has spoken to yet. Takes the link and closes it. Throws `AT_TIMEOUT` where nothing answers. */
export async function readDialogue(link: ByteLink, tools: Tools): Promise<DialogueSettings> {
  const { session, heard } = listening(link, tools);
  try {
    await wake(session);
    heard.splice(0);
    await session.run(attention, []).catch(refused);
    const echo = heard.join('').startsWith('AT\r');
    return { echo, values: await valuesOf(session) };
  } finally {
    await session.close();
  }
}

/** Sets what is otherwise now. Takes the link and closes it. Answers what could not be put back. */
export async function restoreDialogue(
  link: ByteLink,
  before: DialogueSettings,
  tools: Tools,
): Promise<readonly string[]> {
  const { session, heard } = listening(link, tools);
  const ask = (line: string): Promise<unknown> =>
    session.run(rawLine, [line], { timeoutMs: session.deadlinesMs.query }).catch(refused);
  try {
    await wake(session);
    const now = await valuesOf(session);
    for (const [name, value] of Object.entries(before.values)) {
      if (now[name] !== value) await ask(`AT+${name}=${value}`);
    }
    if (before.echo !== undefined) await ask(before.echo ? 'ATE1' : 'ATE0');
    heard.splice(0);
    await session.run(attention, []).catch(refused);
    const echo = heard.join('').startsWith('AT\r');
    const after = await valuesOf(session);
    return [
      ...(before.echo === undefined || before.echo === echo ? [] : [before.echo ? 'ATE1' : 'ATE0']),
      ...Object.entries(before.values)
        .filter(([name, value]) => after[name] !== value)
        .map(([name, value]) => `AT+${name}=${value}`),
    ];
  } finally {
    await session.close();
  }
}

export function dialogueText({ echo, values }: DialogueSettings): string {
  const known = Object.entries(values).map(([name, value]) => `+${name}: ${value}`);
  return [...(echo === undefined ? [] : [echo ? 'echo on' : 'echo off']), ...known].join(', ');
}

function listening(link: ByteLink, tools: Tools): { readonly session: AtSession; readonly heard: string[] } {
  const heard: string[] = [];
  const read = (async function* () {
    for await (const chunk of link.read) {
      heard.push(latin1(chunk));
      yield chunk;
    }
  })();
  return { heard, session: openAtSession({ ...tools, link: { ...link, read } }) };
}

/** The first AT may be lost: the modem finds the line's rate by it. */
async function wake(session: AtSession): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await session.run(attention, []);
      return;
    } catch (error) {
      if (isAgentError(error, 'AT_ERROR')) return;
      if (!isAgentError(error, 'AT_TIMEOUT') || attempt === ATTEMPTS) throw error;
    }
  }
}

async function valuesOf(session: AtSession): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const name of SETTINGS) {
    const lines = await session
      .run(rawLine, [`AT+${name}?`], { timeoutMs: session.deadlinesMs.query })
      .catch(refused);
    const value = new RegExp(String.raw`^\+${name}\s*:\s*(\d)`, 'm').exec((lines ?? []).join('\n'))?.[1];
    if (value !== undefined) values[name] = value;
  }
  return values;
}

function refused(error: unknown): undefined {
  if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER', 'AT_TIMEOUT')) throw error;
  return undefined;
}
