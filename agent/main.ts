#!/usr/bin/env node
// The device agent's command line: the only place that knows arguments, files, signals and exit codes.
import { openSync, readFileSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { realClock } from '../base/clock.ts';
import { fromHex } from '../base/bytes.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { outliveReaders, visible } from '../base/terminal.ts';
import { type AgentConfig, loadAgentConfig } from '../config/agent.ts';
import { loadBundleFile, showBundle, shownText } from './bundle-commands.ts';
import {
  certificateProfileFile,
  certificateProfileSummary,
  certificateProfileText,
} from './certificate-profile.ts';
import { EXIT_INTERNAL, EXIT_OK, EXIT_USAGE, exitRowOf } from './exit-codes.ts';
import {
  apduText,
  type Looking,
  parseApdus,
  probe,
  profilesText,
  networksText,
  readEid,
  readNetworks,
  readProfileOfCard,
  readProfiles,
  sendApdus,
  sendAtCommands,
} from './inspect.ts';
import { openLineTrace } from '../modem/line-trace.ts';
import { probeText, reachesIsdR } from '../modem/modem-probe.ts';
import type { ModemAddress } from './modem-port.ts';
import { redactTraceFile } from './redact-trace.ts';
import { modemAddressOf } from './modem-settings.ts';
import { run } from './run.ts';
import { readStatus, statusText } from './status.ts';

type ConfigOptions = { readonly config?: string; readonly set?: Readonly<Record<string, string>> };
type RedactOptions = { readonly redact?: true; readonly redactIds?: true };
type PortOptions = ConfigOptions &
  RedactOptions & { readonly port?: string; readonly baud?: number; readonly trace?: string };
type Output = { readonly json?: true };

/** Set to anything: a fault of the program is shown with its stack. */
const DEBUG = 'EUICC_AGENT_DEBUG';

/** How long a clean end may take once a signal came. */
const SHUTDOWN_MS = 15_000;

function configOf(options: ConfigOptions): AgentConfig {
  const given = Object.keys(process.env).some((name) => name.startsWith('EUICC_AGENT_') && name !== DEBUG);
  if (options.config === undefined && options.set === undefined && !given) {
    throw new AgentError('CONFIG_INVALID', { faults: '\n  there is none: give --config FILE' });
  }
  return loadAgentConfig(options.config, process.env, options.set ?? {});
}

/** `--port` alone is enough for a look at a modem; else the configuration says where it is. */
function addressOf(options: PortOptions): ModemAddress {
  if (options.port !== undefined && options.config === undefined) {
    return { port: options.port, baudRate: options.baud ?? 115_200, access: 'auto' };
  }
  const modem = modemAddressOf(configOf(options));
  return { ...modem, port: options.port ?? modem.port, baudRate: options.baud ?? modem.baudRate };
}

/** How large the trace of one command becomes: in parts that `trace redact` takes, a gibibyte at most. */
const TRACE = { maxBytes: 16_777_216, keep: 63 };

function withoutOf({ redact, redactIds }: RedactOptions): 'nothing' | 'secrets' | 'identities' {
  return redactIds === true ? 'identities' : redact === true ? 'secrets' : 'nothing';
}

/** Does `work` on the modem, with a trace of its line where one is wanted. */
async function look<T>(
  name: string,
  options: PortOptions,
  work: (looking: Looking) => Promise<T>,
): Promise<T> {
  const address = addressOf(options);
  if (options.trace === undefined) return work({ address });
  const trace = openLineTrace(
    { file: options.trace, without: withoutOf(options), ...TRACE },
    {
      clock: realClock,
      program: `euicc-agent ${name}`,
      port: address.port,
      onFailure: (error) => void process.stderr.write(`euicc-agent: the trace ends: ${error.message}\n`),
    },
  );
  try {
    return await work({ address, around: (link) => trace.around(link) });
  } finally {
    trace.close();
  }
}

function print(text: string): void {
  process.stdout.write(`${visible(text)}\n`);
}

/** A full disk loses lines of the log, and nothing else. */
function writeQuietly(descriptor: number, text: string): void {
  try {
    writeSync(descriptor, text);
  } catch {
    // There is nobody to tell: this is where it would be told.
  }
}

function openOutput(file: string | undefined): (line: string) => void {
  if (file === undefined) return (line) => void process.stderr.write(`${line}\n`);
  try {
    const descriptor = openSync(file, 'a', 0o600);
    return (line) => writeQuietly(descriptor, `${line}\n`);
  } catch (thrown) {
    const why = errorOf(thrown).message;
    throw new AgentError('CONFIG_INVALID', { faults: `\n  log.file: ${why}` }, { cause: thrown });
  }
}

async function runCommand(options: ConfigOptions): Promise<void> {
  const config = configOf(options);
  const log = createLog({ clock: realClock, level: config.log.level, out: openOutput(config.log.file) });
  const stop = new AbortController();
  let giveUp = (): void => {};
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      log.write('info', 'agent', 'stopping', { signal: name });
      if (!stop.signal.aborted) giveUp = realClock.schedule(SHUTDOWN_MS, () => process.exit(EXIT_INTERNAL));
      stop.abort();
    });
  }
  try {
    await run({ config, clock: realClock, random: systemRandom, log, signal: stop.signal });
  } catch (thrown) {
    if (!stop.signal.aborted) {
      const error = errorOf(thrown);
      log.write('error', 'agent', 'ended', { why: error.message });
      throw error;
    }
    log.write('debug', 'agent', 'ended by the signal', { why: errorOf(thrown).message });
  } finally {
    giveUp();
  }
  log.write('info', 'agent', 'stopped');
}

function setting(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, key, value] = /^([\w.]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError('Expected KEY=VALUE.');
  return { ...before, [key]: value };
}

function baud(text: string): number {
  const rate = Number(text);
  if (!Number.isInteger(rate) || rate < 300 || rate > 4_000_000)
    throw new InvalidArgumentError('Expected 300 to 4000000.');
  return rate;
}

type CertificateProfileOptions = PortOptions &
  Output & { readonly pinFile?: string; readonly challenge?: Uint8Array; readonly out?: string };

function challengeOf(text: string): Uint8Array {
  if (!/^[0-9A-Fa-f]{32}$/.test(text)) throw new InvalidArgumentError('Expected 16 octets in hex.');
  return fromHex(text);
}

async function writeOutput(path: string, octets: Uint8Array): Promise<void> {
  try {
    await writeFile(path, octets, { mode: 0o600 });
  } catch (cause) {
    throw new AgentError('FILE_FAILED', { path, why: errorOf(cause).message }, { cause });
  }
}

function showProgress(done: number, total: number): void {
  process.stderr.write(`\rcommand ${done} of ${total}${done === total ? '\n' : ''}`);
}

function version(): string {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
  return String((JSON.parse(text) as { readonly version?: unknown }).version);
}

function buildProgram(): Command {
  const program = new Command('euicc-agent')
    .description('Gives a device its operator profile over the air, and changes the operator later.')
    .version(version())
    .showHelpAfterError('See euicc-agent --help.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'euicc-agent: ')) });
  const command = (name: string, text: string, parent = program): Command => {
    const made = parent.command(name).description(text).option('--config <file>', 'the configuration (JSON)');
    return made.option(
      '--set <key=value>',
      'one setting, over file and environment; may be repeated',
      setting,
    );
  };
  const looking = (name: string, text: string, parent = program): Command =>
    command(name, text, parent)
      .option('--port <port>', 'the serial port, or auto; enough without a configuration')
      .option('--baud <rate>', 'its rate in bits per second', baud)
      .option('--trace <file>', 'record every octet to and from the modem in this file')
      .option('--redact', 'leave PINs, keys and contents of profiles out of the trace')
      .option('--redact-ids', 'leave ICCID, IMSI, EID and IMEI out of it too');
  const json = ['--json', 'print JSON'] as const;

  command('run', 'work as an agent until SIGINT or SIGTERM; the log goes to stderr as JSON lines').action(
    (options: ConfigOptions) => runCommand(options),
  );
  command('status', 'what the agent is doing, also while it runs')
    .option(...json)
    .action(async (options: ConfigOptions & Output) => {
      const status = await readStatus(configOf(options).state.dir);
      print(options.json === true ? JSON.stringify(status) : statusText(status));
    });
  looking('eid', 'read the EID from the eUICC')
    .option(...json)
    .action(async (options: PortOptions & Output) => {
      const eid = await look('eid', options, readEid);
      print(options.json === true ? JSON.stringify({ eid }) : eid);
    });
  looking('profiles', 'list the profiles on the eUICC')
    .option(...json)
    .action(async (options: PortOptions & Output) => {
      const profiles = await look('profiles', options, readProfiles);
      print(options.json === true ? JSON.stringify({ profiles }) : profilesText(profiles));
    });
  looking('certificate-profile', 'read what the eUICC says of itself, and its certificates')
    .option('--pin-file <file>', 'the PIN, where the card wants one; it is tried once')
    .option('--challenge <hex>', '16 octets of an operator, with which the eUICC signs it', challengeOf)
    .option('--out <file>', 'write it for the operator')
    .option(...json)
    .action(async (options: CertificateProfileOptions) => {
      const answer = await look('certificate-profile', options, (looking) =>
        readProfileOfCard(looking, options),
      );
      if (options.out !== undefined) await writeOutput(options.out, certificateProfileFile(answer));
      const summary = certificateProfileSummary(answer);
      print(options.json === true ? JSON.stringify(summary) : certificateProfileText(summary));
    });
  looking('at', 'send AT commands to the modem')
    .argument('<command...>', 'command lines, such as AT+CSQ')
    .option(...json)
    .action(async (commands: string[], options: PortOptions & Output) => {
      const wrong = commands.find((line) => !/^at[\x20-\x7E]*$/i.test(line));
      if (wrong !== undefined)
        program.error(
          `euicc-agent: '${wrong}' is no AT command line: it begins with AT and is printable ASCII`,
          { exitCode: EXIT_USAGE },
        );
      await look('at', options, (looking) =>
        sendAtCommands(looking, commands, (answer) => {
          if (options.json === true) print(JSON.stringify(answer));
          else for (const line of [...answer.lines, 'OK']) print(line);
        }),
      );
    });
  const modem = program.command('modem').description('learn about the modem');
  looking('probe', 'ask the modem what it is and can do; nothing on it or its card is changed', modem)
    .option(...json)
    .action(async (options: PortOptions & Output) => {
      const found = await look('modem probe', options, probe);
      print(options.json === true ? JSON.stringify(found) : probeText(found));
      if (!reachesIsdR(found)) throw new AgentError('CARD_ACCESS', { why: 'no way leads to an ISD-R' });
    });
  looking('networks', 'what is on the air; takes minutes, and the modem may leave its network for it', modem)
    .option(...json)
    .action(async (options: PortOptions & Output) => {
      const networks = await look('modem networks', options, readNetworks);
      print(options.json === true ? JSON.stringify({ networks }) : networksText(networks));
    });
  const bundle = program.command('bundle').description('a profile as a file, for a device without a network');
  command(
    'show',
    'what an offline bundle holds; with a configuration, whether its operators signed it',
    bundle,
  )
    .argument('<file>', 'the bundle')
    .option(...json)
    .action(async (file: string, options: ConfigOptions & Output) => {
      const given = options.config !== undefined || options.set !== undefined;
      const shown = await showBundle(file, given ? configOf(options) : undefined);
      print(options.json === true ? JSON.stringify(shown) : shownText(shown));
    });
  command('load', 'load an offline bundle into the eUICC; needs no network', bundle)
    .argument('<file>', 'the bundle')
    .option('--answer <file>', 'write what the card said, for the operator')
    .option(...json)
    .action(async (file: string, options: ConfigOptions & Output & { readonly answer?: string }) => {
      const config = configOf(options);
      const { iccid, outcome, notifications } = await loadBundleFile(config, file, {
        ...(options.answer === undefined ? {} : { answerFile: options.answer }),
        ...(options.json === true || !process.stderr.isTTY ? {} : { onProgress: showProgress }),
      });
      const done = outcome === 'present' ? 'is on the card already' : 'is installed';
      const text = `profile ${iccid} ${done}; ${notifications.length} signed notifications wait for the operator`;
      print(options.json === true ? JSON.stringify({ iccid, outcome }) : text);
    });
  looking('apdu', 'send command APDUs to the card')
    .argument('<hex...>', 'command APDUs in hex')
    .option('--aid <hex>', 'send them to this application, on a channel of its own')
    .option(...json)
    .action(async (texts: string[], options: PortOptions & Output & { readonly aid?: string }) => {
      const commands = parseApdus(texts);
      await look('apdu', options, (looking) =>
        sendApdus(looking, commands, options.aid, (answer) => {
          print(options.json === true ? JSON.stringify(answer) : apduText(answer));
        }),
      );
    });
  program
    .command('trace')
    .description('work with traces of the modem’s line; euicc-card decode shows them')
    .command('redact')
    .description('write a copy of a trace without PINs, keys and contents of profiles')
    .argument('<from>', 'the trace')
    .argument('<to>', 'the copy; must not exist')
    .option('--redact-ids', 'without ICCID, IMSI, EID and IMEI too')
    .action((from: string, to: string, options: RedactOptions) =>
      redactTraceFile(from, to, { identities: options.redactIds === true }),
    );
  return program;
}

/** One line (one a fault for a configuration), what to do, and the exit code. Never a stack trace but for faults of ours. */
function report(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  const row = isAgentError(thrown) ? exitRowOf(thrown) : undefined;
  if (row === undefined || !isAgentError(thrown)) {
    process.stderr.write(`euicc-agent: fault of the program: ${errorOf(thrown).message}\n`);
    if (process.env[DEBUG] !== undefined) process.stderr.write(`${errorOf(thrown).stack ?? ''}\n`);
    return EXIT_INTERNAL;
  }
  const { faults, do: ownAdvice, ...data } = thrown.data;
  if (thrown.code === 'CONFIG_INVALID' && typeof faults === 'string') {
    const lines = faults.trim().split(/\n\s*/);
    // A file that cannot be read makes every key missing: only the cause is worth a line.
    const shown = lines[0]?.startsWith('/') === true ? lines.slice(0, 1) : lines;
    for (const line of shown) process.stderr.write(`euicc-agent: configuration: ${visible(line)}\n`);
    return row.exit;
  }
  const { message } = new AgentError(thrown.code, data);
  process.stderr.write(
    `euicc-agent: ${visible(message.replaceAll(/\s+/g, ' '))}; ${visible(String(ownAdvice ?? row.advice))}\n`,
  );
  return row.exit;
}

outliveReaders();
try {
  await buildProgram().parseAsync();
} catch (thrown) {
  process.exitCode = report(thrown);
}
