#!/usr/bin/env node
// `npm run hil`: the scenarios of a modem with an eUICC, on a simulated one, behind a serial port, or on a device.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { realClock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { outliveReaders, visible } from '../base/terminal.ts';
import { encodeTraceEntry, encodeTraceHeader } from '../codec/modem-trace.ts';
import { HIL_EXIT, HIL_EXITS, unreachableExit } from '../lab/hil-exits.ts';
import { PERSONALITIES } from '../modem/sim/personalities.ts';
import { parseQuirk, type SimQuirks } from '../modem/sim/quirks.ts';
import { openTraceFile } from '../modem/trace-file.ts';
import { createTraceRedactor } from '../modem/trace-redaction.ts';
import { hilPage } from './hil-html.ts';
import { junitXml } from './hil-junit.ts';
import { READ_STEPS } from './hil-reads.ts';
import { type HilReport, type HilTarget, runHil } from './hil-run.ts';
import type { ReadStep, WriteStep } from './hil-step.ts';
import { openDeviceTarget, openPtyTarget, openSimTarget, type PersonalityName } from './hil-targets.ts';
import { countsOf, reportText, stepLine } from './hil-text.ts';
import { WRITE_STEPS } from './hil-writes.ts';

const PROBE = 'probe';
const TRACE_BYTES = 268_435_456;
/** Without --redact everything that was said to modem and card is in there. */
const OWNER_ONLY = { mode: 0o600 };

type Flags = {
  readonly target?: 'sim' | 'pty';
  readonly port?: string;
  readonly baud: number;
  readonly personality: PersonalityName;
  readonly quirk?: readonly Partial<SimQuirks>[];
  readonly write?: true | readonly string[];
  readonly profile?: string;
  readonly only?: readonly string[];
  readonly out: string;
  readonly keep?: string;
  readonly redact: boolean;
  readonly redactIds: boolean;
  readonly verbose: boolean;
  readonly list: boolean;
};

function print(text: string): void {
  process.stdout.write(`${visible(text)}\n`);
}

function note(text: string): void {
  process.stderr.write(`hil: ${visible(text)}\n`);
}

async function run(where: 'sim' | 'pty', flags: Flags): Promise<number> {
  const redacted = [
    ...(flags.redact || flags.redactIds ? ['secrets'] : []),
    ...(flags.redactIds ? ['identities'] : []),
  ];
  const log = createLog({
    clock: realClock,
    level: flags.verbose ? 'trace' : 'error',
    out: (line) => void process.stderr.write(`${line}\n`),
  });
  const folder = flags.out;
  await mkdir(folder, { recursive: true });
  const signal = stopSignal();
  const target = await openTarget(where, flags, log);
  try {
    const header = {
      program: 'hil',
      port: target.name,
      ...(redacted.length === 0 ? {} : { redacted }),
    };
    await rm(join(folder, 'trace.jsonl'), { force: true });
    const trace = openTraceFile({
      path: join(folder, 'trace.jsonl'),
      clock: realClock,
      header,
      maxBytes: TRACE_BYTES,
      keep: 1,
      onFailure: (error) => note(`the trace ends: ${error.message}`),
    });
    print(`hardware run on ${target.name}`);
    const report = await runHil(target, {
      reads: chosen(READ_STEPS, flags.only),
      writes: writesOf(flags),
      probe: flags.only?.includes(PROBE) ?? true,
      ...(flags.profile === undefined ? {} : { profile: flags.profile }),
      signal,
      log,
      ...(redacted.length === 0 ? {} : { redactor: createTraceRedactor({ identities: flags.redactIds }) }),
      onStep: (step) => print(stepLine(step)),
      onEntry: (entry) => trace.write(entry),
    });
    trace.close();
    await writeFile(join(folder, 'junit.xml'), junitXml(report), OWNER_ONLY);
    await writeFile(join(folder, 'report.html'), hilPage(report, 'trace.jsonl'), OWNER_ONLY);
    if (flags.keep !== undefined && report.unreachable === undefined)
      await keepTrace(flags.keep, report, header);
    print(reportText(report));
    print(`report: ${join(folder, 'report.html')}, ${join(folder, 'junit.xml')}`);
    return exitOf(report);
  } finally {
    await target.close();
  }
}

/** The first signal ends the run after what was changed is put back; the second ends the program. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(HIL_EXIT.stopped);
      note('stopping: putting back what was changed; once more to end at once');
      stop.abort();
    });
  }
  return stop.signal;
}

function openTarget(
  where: 'sim' | 'pty',
  flags: Flags,
  log: ReturnType<typeof createLog>,
): Promise<HilTarget> {
  const { port, baud, personality } = flags;
  if (port !== undefined) return Promise.resolve(openDeviceTarget({ port, baudRate: baud, log }));
  const quirks = Object.assign({}, ...(flags.quirk ?? [])) as Partial<SimQuirks>;
  const choice = { personality, quirks };
  if (where === 'pty') return openPtyTarget({ random: systemRandom, choice, log });
  return openSimTarget({ clock: realClock, random: systemRandom, choice });
}

function chosen<S extends ReadStep | WriteStep>(
  steps: readonly S[],
  only: readonly string[] | undefined,
): readonly S[] {
  return only === undefined ? steps : steps.filter(({ id }) => only.includes(id));
}

function writesOf({ write }: Flags): readonly WriteStep[] {
  if (write === undefined) return [];
  return write === true ? WRITE_STEPS : chosen(WRITE_STEPS, write);
}

/** A file that `hil-tests/traces` can take in: the whole run, under the modem's name. */
async function keepTrace(
  folder: string,
  { steps, entries, startedAt, target }: HilReport,
  header: { readonly program: string; readonly port: string; readonly redacted?: readonly string[] },
): Promise<void> {
  const found = new Map(steps.find(({ id }) => id === 'identity')?.findings ?? []);
  const words = [found.get('manufacturer'), found.get('model'), found.get('revision')].join(' ').trim();
  const name = (words === '' ? target : words).toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const started = new Date(startedAt).toISOString();
  const lines = [encodeTraceHeader({ ...header, started }), ...entries.map(encodeTraceEntry), ''];
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name.replaceAll(/^-|-$/g, '')}.jsonl`);
  await writeFile(path, lines.join('\n'), OWNER_ONLY);
  print(`trace kept: ${path}`);
}

function exitOf(report: HilReport): number {
  const { unreachable, unrestored, stopped } = report;
  if (unreachable !== undefined) {
    const { do: advice, ...data } = unreachable.data;
    note(
      new AgentError(unreachable.code, data).message + (advice === undefined ? '' : `; ${String(advice)}`),
    );
    return unreachableExit(unreachable.code);
  }
  if (unrestored.length > 0) return HIL_EXIT.unrestored;
  if (stopped) return HIL_EXIT.stopped;
  return countsOf(report).failed > 0 ? HIL_EXIT.failed : HIL_EXIT.ok;
}

function names(known: readonly string[]) {
  return (text: string, before?: true | readonly string[]): readonly string[] => {
    const given = text.split(',');
    const wrong = given.find((name) => !known.includes(name));
    if (wrong !== undefined) throw new InvalidArgumentError(`expected one of ${known.join(', ')}.`);
    return [...(Array.isArray(before) ? (before as readonly string[]) : []), ...given];
  };
}

function quirk(text: string, before: readonly Partial<SimQuirks>[] = []): readonly Partial<SimQuirks>[] {
  try {
    return [...before, parseQuirk(text)];
  } catch (cause) {
    throw new InvalidArgumentError(errorOf(cause).message);
  }
}

function baud(text: string): number {
  const rate = /^\d{3,7}$/.test(text) ? Number(text) : 0;
  if (rate < 300 || rate > 4_000_000) throw new InvalidArgumentError('expected 300 to 4000000.');
  return rate;
}

function listed(): string {
  const line = (id: string, text: string): string => `  ${id.padEnd(15)}${text}`;
  return [
    'Always, and nothing on modem or card is changed:',
    ...READ_STEPS.map(({ id, title }) => line(id, title)),
    line(PROBE, 'The modem is probed'),
    '',
    'With --write, and put back afterwards:',
    ...WRITE_STEPS.map(({ id, changes }) => line(id, changes)),
  ].join('\n');
}

function buildProgram(onExit: (code: number) => void): Command {
  return new Command('hil')
    .usage('[sim|pty] [options]   (npm run hil -- ...)')
    .description(
      'Runs the scenarios of a modem with an eUICC and writes a report. Without --write nothing on modem or card is changed.',
    )
    .showHelpAfterError('See npm run hil -- --help.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'hil: ')) })
    .addArgument(
      new Argument(
        '[target]',
        'sim: a simulated modem in this process; pty: one in its own, behind a serial port',
      )
        .choices(['sim', 'pty'])
        .default(undefined, 'sim'),
    )
    .addOption(
      new Option('--target <target>', 'the same as the argument').choices(['sim', 'pty']).conflicts('port'),
    )
    .option('--port <port>', 'a device: a serial port, its name below /dev/serial, tcp://HOST:PORT, or auto')
    .addOption(new Option('--baud <rate>', 'rate of the port').argParser(baud).default(115_200))
    .addOption(
      new Option(
        '--write [what]',
        'make changes and put them back: all, or those named; see --list',
      ).argParser(names(WRITE_STEPS.map(({ id }) => id))),
    )
    .option('--profile <iccid>', 'the profile that `nickname` and `switch` may work with')
    .addOption(
      new Option('--only <step>', 'leave out all other steps that read; may be repeated').argParser(
        names([...READ_STEPS.map(({ id }) => id), PROBE]),
      ),
    )
    .addOption(
      new Option('--personality <name>', 'the simulated modem')
        .choices(Object.keys(PERSONALITIES))
        .default('generic'),
    )
    .addOption(new Option('--quirk <name=value>', 'one switch of the simulated modem').argParser(quirk))
    .option('--out <folder>', 'where report.html, junit.xml and trace.jsonl go', 'hil-report')
    .option(
      '--keep <folder>',
      'keep the trace there under the name of the modem, as hil-tests/traces has them',
    )
    .option('--redact', 'leave PINs, keys and contents of profiles out of trace and report', false)
    .option('--redact-ids', 'leave ICCID, IMSI, EID and IMEI out of them too', false)
    .option('--verbose', 'the driver’s log on stderr', false)
    .option('--list', 'print the steps', false)
    .addHelpText(
      'after',
      `\nExit codes:\n${HIL_EXITS.map(([exit, text]) => `  ${String(exit).padEnd(5)}${text}`).join('\n')}`,
    )
    .action(async (where: 'sim' | 'pty' | undefined, flags: Flags, command: Command) => {
      if (where !== undefined && flags.target !== undefined && where !== flags.target) {
        command.error(`error: the target is ${where} or ${flags.target}`);
      }
      if (flags.list) print(listed());
      else onExit(await run(where ?? flags.target ?? 'sim', flags));
    });
}

outliveReaders();

try {
  await buildProgram((code) => (process.exitCode = code)).parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? HIL_EXIT.ok : HIL_EXIT.usage;
  } else {
    const error = errorOf(thrown);
    // What the system says of a file needs no stack.
    note(isAgentError(thrown) || 'code' in error ? error.message : (error.stack ?? error.message));
    process.exitCode = HIL_EXIT.internal;
  }
}
