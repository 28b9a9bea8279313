// The agent as the process that it is in the field: started by its CLI with a configuration file, watched through its log lines.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Clock, withDeadline } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';

/** One log line of the agent. */
export type AgentLine = Readonly<Record<string, unknown>> & { readonly at?: unknown; readonly msg?: unknown };

export type AgentProcess = {
  /** Settles with the exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Asks it to stop, and makes it stop when it does not within the time. */
  stop(): Promise<void>;
};

const STOP_MS = 10_000;

export type AgentOptions = {
  readonly configFile: string;
  readonly logFile: string;
  readonly clock: Clock;
  readonly onLine: (line: AgentLine) => void;
  /** Says of a line whether the process is to be killed there (SIGKILL) and started again, as a power cut would. */
  readonly killAt?: (line: AgentLine) => boolean;
};

/** Starts `euicc-agent run`. Every line goes to the log file and to `onLine`. */
export function startAgent(options: AgentOptions): AgentProcess {
  let current = startOnce(options);
  let stopping = false;
  const follow = (started: StartedProcess): Promise<number | null> =>
    started.exited.then((code) => {
      if (!started.killed() || stopping) return code;
      current = startOnce(options);
      return follow(current);
    });
  return {
    exited: follow(current),
    async stop() {
      stopping = true;
      await current.stop();
    },
  };
}

type StartedProcess = AgentProcess & { readonly killed: () => boolean };

function startOnce(options: AgentOptions): StartedProcess {
  const program = join(import.meta.dirname, '..', 'agent', 'main.js');
  const child: ChildProcess = spawn(
    process.execPath,
    ['--enable-source-maps', program, 'run', '--config', options.configFile],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let killed = false;
  const log = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) throw new AgentError('INTERNAL', { why: 'the agent has no output' });
    createInterface({ input: stream }).on('line', (text) => {
      log.write(`${text}\n`);
      const line = parseLine(text);
      if (line === undefined || killed) return;
      options.onLine(line);
      if (options.killAt?.(line) !== true) return;
      killed = true;
      child.kill('SIGKILL');
    });
  }
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      log.end();
      resolve(code);
    });
  });
  return {
    exited,
    killed: () => killed,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      try {
        await withDeadline(options.clock, STOP_MS, 'the agent to stop', exited);
      } catch {
        child.kill('SIGKILL');
        await exited;
      }
    },
  };
}

function parseLine(text: string): AgentLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as AgentLine) : undefined;
  } catch {
    return undefined;
  }
}
