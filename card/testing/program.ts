// The real program as a child process, for tests: run to its end, or started with pipes and ended with the test.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import type { CardSlot } from '../../codec/card.ts';

const MAIN = join(import.meta.dirname, '..', 'main.js');
const RUN_MS = 60_000;

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'euicc-card-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
export type RunOptions = {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
};

/** Runs the program to its end. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    timeout: RUN_MS,
    killSignal: 'SIGKILL',
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [stdout, stderr] = [all(child.stdout), all(child.stderr)];
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: await stdout, stderr: await stderr };
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return new TextDecoder().decode(concat(...parts));
}

/** Runs the program and fails the test where it does not end well. */
export async function runWell(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(args, options);
  assert.equal(code, 0, `${args.join(' ')}\n${stderr}`);
  return stdout;
}

export type Started = {
  readonly child: ChildProcess;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** The next line of the log that says this. */
  logged(msg: string): Promise<Readonly<Record<string, unknown>>>;
  /** Everything on standard error so far. */
  log(): string;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
};

export function start(t: TestContext, args: readonly string[]): Started {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'pipe' });
  const lines: Readonly<Record<string, unknown>>[] = [];
  let text = '';
  let seen = 0;
  let wake = (): void => {};
  const closed = once(child, 'close').then(() => wake());
  createInterface({ input: child.stderr }).on('line', (line) => {
    text += `${line}\n`;
    lines.push(line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : { msg: line });
    wake();
  });
  child.stdin.on('error', () => {});
  t.after(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  return {
    child,
    stdin: child.stdin,
    stdout: child.stdout,
    log: () => text,
    async logged(msg) {
      for (;;) {
        while (seen < lines.length) {
          const line = lines[seen++];
          if (line?.['msg'] === msg) return line;
        }
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`ended without "${msg}":\n${text}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      await closed;
      return child.exitCode;
    },
  };
}

/** Lines of JSON on a pair of streams: each request to its answer, in order. */
export type JsonLines = {
  ask(request: unknown): Promise<Readonly<Record<string, unknown>>>;
  /** Sends text as it is. */
  send(text: string): void;
  next(): Promise<Readonly<Record<string, unknown>>>;
};

export function jsonLines(input: Readable, output: Writable): JsonLines {
  const lines = createInterface({ input })[Symbol.asyncIterator]();
  const next = async (): Promise<Readonly<Record<string, unknown>>> => {
    const line = await lines.next();
    if (line.done === true) throw new Error('the stream ended');
    return JSON.parse(line.value) as Record<string, unknown>;
  };
  return {
    send: (text) => void output.write(text),
    next,
    ask(request) {
      output.write(`${JSON.stringify(request)}\n`);
      return next();
    },
  };
}

/** A card behind lines of JSON, as a slot. */
export function jsonSlot(lines: JsonLines): CardSlot {
  const text = (value: unknown): string => (typeof value === 'string' ? value : assert.fail(String(value)));
  return {
    reset: async () => fromHex(text((await lines.ask({ reset: true }))['atr'])),
    async transmit(command) {
      const answer = await lines.ask({ apdu: toHex(command) });
      assert.equal(answer['error'], undefined);
      return fromHex(text(answer['data']) + text(answer['sw']));
    },
    powerOff: async () => void (await lines.ask({ powerOff: true })),
  };
}
