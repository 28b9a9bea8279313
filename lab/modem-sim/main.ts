#!/usr/bin/env node
// The simulated modem as a program: behind a pseudo terminal or TCP, with any personality, quirks and faults.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type Clock, realClock, spinClock } from '../../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../../base/errors.ts';
import { createLog, type LogLevel } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { outliveReaders, visible } from '../../base/terminal.ts';
import { completeImei, type Imei, parseImei } from '../../codec/ids.ts';
import { createNodeEc } from '../../crypto/ec-node.ts';
import type { ByteLink } from '../../modem/byte-link.ts';
import { type LineTrace, openLineTrace } from '../../modem/line-trace.ts';
import { FAULTS, type Fault, parseFault } from '../../modem/sim/faults.ts';
import type { LineTiming } from '../../modem/sim/line-pacer.ts';
import { PERSONALITIES, type Personality } from '../../modem/sim/personalities.ts';
import { QUIRKS, type QuirkRow } from '../../modem/sim/quirk-table.ts';
import { parseQuirk, type SimQuirks } from '../../modem/sim/quirks.ts';
import { createSimModem, type SimModem } from '../../modem/sim/sim-modem.ts';
import type { TcpAddress } from '../../modem/tcp-link.ts';
import { createHlr } from '../../operator/mno/hlr.ts';
import { openGate, type Gate } from '../gate.ts';
import { createRadioWorld, type RadioWorld } from '../radio-world.ts';
import { type Front, openPtyFront, openTcpFront } from './fronts.ts';
import { SIM_EXIT } from './exit-codes.ts';
import { parseRadioFile, type RadioFile } from './radio-file.ts';
import { NEW_CARD, NEW_CARD_PLMN, openSimCard, type SimCard } from './sim-card.ts';

const IMEI_START = '35824005000001';
const SHUTDOWN_MS = 10_000;
/** Parts that `euicc-agent trace redact` takes; a gibibyte at most. */
const TRACE = { maxBytes: 16_777_216, keep: 63 };

type Flags = {
  readonly pty?: string;
  readonly tcp?: TcpAddress;
  readonly card: string;
  readonly keyFile?: string;
  readonly personality: Personality;
  readonly quirk?: readonly Partial<SimQuirks>[];
  readonly fault?: readonly Fault[];
  readonly baud: LineTiming;
  readonly spin: boolean;
  readonly seed: number;
  readonly imei: Imei;
  readonly bootMs?: number;
  readonly radio?: string;
  readonly gate?: number;
  readonly trace?: string;
  readonly redact: boolean;
  readonly redactIds: boolean;
  readonly logLevel: LogLevel;
};

function note(text: string): void {
  process.stderr.write(`euicc-modem-sim: ${visible(text)}\n`);
}

async function run(flags: Flags): Promise<void> {
  const { pty, tcp } = flags;
  if ((pty === undefined) === (tcp === undefined)) {
    throw new CommanderError(SIM_EXIT.usage, 'front', 'give exactly one of --pty and --tcp');
  }
  const clock: Clock = flags.spin ? spinClock : realClock;
  const log = createLog({
    clock,
    level: flags.logLevel,
    out: (line) => void process.stderr.write(`${line}\n`),
  });
  const radioFile = flags.radio === undefined ? undefined : await readRadioFile(flags.radio);
  let cancelGiveUp = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    const onSignal = (): void => {
      cancelGiveUp = realClock.schedule(SHUTDOWN_MS, () => process.exit(SIM_EXIT.internal));
      resolve();
    };
    process.once('SIGINT', onSignal);
    process.once('SIGTERM', onSignal);
  });
  const ec = createNodeEc();
  const held = await openSimCard({ ec, random: systemRandom, log, clock }, flags.card, flags.keyFile);
  const gate: Gate | undefined =
    flags.gate === undefined ? undefined : await openGate({ target: flags.gate });
  const radio = openRadio(radioFile, held, clock, (up) => gate?.setOpen(up));
  let front: Front | undefined;
  const modem: SimModem = createSimModem({
    card: held.card,
    radio: radio.world,
    clock,
    log,
    imei: flags.imei,
    identity: flags.personality.identity,
    quirks: Object.assign({}, flags.personality.quirks, ...(flags.quirk ?? [])) as Partial<SimQuirks>,
    faults: flags.fault ?? [],
    seed: flags.seed,
    timing: flags.baud,
    ...(flags.bootMs === undefined ? {} : { bootMs: flags.bootMs }),
    onPort: (present) => front?.setPresent(present),
  });
  const trace = openTrace(flags, clock);
  const terminals = { connect: (link: ByteLink) => modem.connect(trace?.around(link, 'modem') ?? link) };
  try {
    front =
      pty === undefined
        ? await openTcpFront(tcp ?? { host: '127.0.0.1', port: 0 }, () => terminals)
        : await openPtyFront(pty, clock, () => terminals);
    const gateLine = gate === undefined ? '' : `gate at 127.0.0.1:${gate.port}\n`;
    process.stdout.write(`modem at ${front.address}\n${gateLine}`);
    await stopped;
  } finally {
    radio.close();
    await front?.close();
    await modem.close();
    await gate?.close();
    await held.card?.close();
    trace?.close();
    cancelGiveUp();
  }
}

/** What terminals say and hear, as they would record it themselves. Throws `FILE_FAILED`. */
function openTrace(flags: Flags, clock: Clock): LineTrace | undefined {
  const { trace: file, redact, redactIds } = flags;
  if (file === undefined) return undefined;
  const without = redactIds ? 'identities' : redact ? 'secrets' : 'nothing';
  return openLineTrace(
    { file, without, ...TRACE },
    { clock, program: 'euicc-modem-sim', onFailure: (error) => note(`the trace ends: ${error.message}`) },
  );
}

async function readRadioFile(file: string): Promise<RadioFile> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new AgentError('FILE_FAILED', { file, why: errorOf(cause).message }, { cause });
  }
  try {
    return parseRadioFile(text);
  } catch (cause) {
    if (!isAgentError(cause)) throw cause;
    throw new AgentError('CONFIG_INVALID', { file, ...cause.data }, { cause });
  }
}

/** Without a file: the network of a new card's profile with its keys, and one that takes in everybody else. */
function openRadio(
  file: RadioFile | undefined,
  { subscribers }: SimCard,
  clock: Clock,
  onBearer: (up: boolean) => void,
): { readonly world: RadioWorld; close(): void } {
  const hlrOf = (store: SimCard['subscribers']) =>
    store === undefined ? {} : { hlr: createHlr({ store, random: systemRandom }) };
  const networks = file?.networks ?? [
    { plmn: NEW_CARD_PLMN, name: 'Test operator', roaming: 'accepted' as const, subscribers },
  ];
  const world = createRadioWorld({
    networks: networks.map(({ subscribers: own, ...network }) => ({ ...network, ...hlrOf(own) })),
    onBearer,
    clock,
  });
  const cancels = (file?.script ?? []).map(({ atMs, plmn, coverage }) =>
    clock.schedule(atMs, () => world.setCoverage(plmn, coverage)),
  );
  return {
    world,
    close() {
      for (const cancel of cancels) cancel();
    },
  };
}

function parsed<T>(read: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return read(text);
    } catch (cause) {
      throw new InvalidArgumentError(errorOf(cause).message);
    }
  };
}

function collected<T>(read: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  const one = parsed(read);
  return (text, before = []) => [...before, one(text)];
}

function whole(most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
    if (value < 0 || value > most) throw new InvalidArgumentError(`expected an integer from 0 to ${most}.`);
    return value;
  };
}

function address(text: string): TcpAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new InvalidArgumentError('expected HOST:PORT.');
  return { host: match[1] ?? (match[2] === '' ? '127.0.0.1' : (match[2] ?? '127.0.0.1')), port };
}

function timing(text: string): LineTiming {
  if (text === 'none') return { mode: 'none' };
  const baudRate = /^\d{3,7}$/.test(text) ? Number(text) : 0;
  if (baudRate < 300 || baudRate > 4_000_000) {
    throw new InvalidArgumentError('expected 300 to 4000000 bits per second, or none.');
  }
  return { mode: 'timed', baudRate };
}

function personality(name: string): Personality {
  if (!Object.hasOwn(PERSONALITIES, name)) {
    throw new InvalidArgumentError(`expected one of ${Object.keys(PERSONALITIES).join(', ')}.`);
  }
  return PERSONALITIES[name as keyof typeof PERSONALITIES];
}

function listed(): string {
  const quirks = Object.entries<QuirkRow>(QUIRKS).map(([name, row]) => {
    const values =
      row.kind === 'choice'
        ? row.choices.join('|')
        : row.kind === 'number'
          ? `${row.from}-${row.to}`
          : row.kind;
    return `  ${name}=${values}\n      ${row.what}`;
  });
  const faults = Object.entries(FAULTS).map(
    ([name, row]) => `  ${name}${'argument' in row ? `[=${row.argument}]` : ''}\n      ${row.what}`,
  );
  return [
    'Personalities:',
    ...Object.keys(PERSONALITIES).map((name) => `  ${name}`),
    '',
    'Quirks:',
    ...quirks,
    '',
    'Faults, each followed by @at=N, @every=N or @rate=P (counted in APDUs, answers or octets):',
    ...faults,
    '',
  ].join('\n');
}

function version(): string {
  const text = readFileSync(join(import.meta.dirname, '..', '..', '..', 'package.json'), 'utf8');
  return String((JSON.parse(text) as { readonly version?: unknown }).version);
}

function buildProgram(): Command {
  return new Command('euicc-modem-sim')
    .description(
      'A simulated modem with a virtual eUICC, behind a pseudo terminal or TCP, until SIGINT or SIGTERM.',
    )
    .version(version())
    .showHelpAfterError('See euicc-modem-sim --help.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'euicc-modem-sim: ')) })
    .addOption(new Option('--pty <link>', 'serve a pseudo terminal, with a link of this name to it'))
    .addOption(new Option('--tcp <host:port>', 'serve TCP, one terminal at a time').argParser(address))
    .option(
      '--card <file>',
      'a card file of euicc-card, tcp://HOST:PORT where euicc-card serves one, `new` for one that is gone afterwards, or `none`',
      NEW_CARD,
    )
    .option('--key-file <file>', "the card's key; else EUICC_CARD_KEY, else <card>.key")
    .addOption(
      new Option('--personality <name>', 'the modem to be; --list shows them')
        .argParser(personality)
        .default(PERSONALITIES.generic, 'generic'),
    )
    .addOption(
      new Option('--quirk <name=value>', 'a single switch, over the personality; may be repeated').argParser(
        collected(parseQuirk),
      ),
    )
    .addOption(
      new Option('--fault <spec>', 'like reset@at=37 or lose@rate=0.001; may be repeated').argParser(
        collected(parseFault),
      ),
    )
    .addOption(
      new Option('--baud <rate>', 'octets take the time of a line of this rate, or none')
        .argParser(timing)
        .default({ mode: 'none' }, 'none'),
    )
    .option('--spin', 'time the line to microseconds; keeps a processor busy', false)
    .addOption(
      new Option('--seed <number>', "where the faults' chances come from")
        .argParser(whole(2 ** 32 - 1))
        .default(1),
    )
    .addOption(
      new Option('--imei <digits>', 'identity of the modem')
        .argParser(parsed(parseImei))
        .default(completeImei(IMEI_START), completeImei(IMEI_START)),
    )
    .addOption(new Option('--boot-ms <ms>', 'how long a restart takes').argParser(whole(600_000)))
    .option('--radio <file>', 'networks, subscribers and coverage in time (JSON)')
    .addOption(
      new Option(
        '--gate <port>',
        'carry TCP to this port of 127.0.0.1 while the modem has a bearer; prints the port that stands for it',
      ).argParser(whole(65_535)),
    )
    .option('--trace <file>', 'record every octet of the terminals in this file')
    .option('--redact', 'leave PINs, keys and contents of profiles out of the trace', false)
    .option('--redact-ids', 'leave ICCID, IMSI, EID and IMEI out of it too', false)
    .addOption(
      new Option('--log-level <level>', 'least level; the log goes to stderr as JSON lines')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('warn'),
    )
    .option('--list', 'print personalities, quirks and faults', false)
    .addHelpText('after', '\nExit codes: 0 stopped, 2 wrong usage, 10 to 12 see docs/exit-codes.md.')
    .action(async (flags: Flags & { readonly list: boolean }) => {
      if (flags.list) process.stdout.write(listed());
      else await run(flags);
    });
}

/** One line, and the exit code; a stack trace only for faults of ours. */
function report(thrown: unknown): number {
  if (thrown instanceof CommanderError) {
    if (thrown.code === 'front') note(`${thrown.message}; see euicc-modem-sim --help`);
    return thrown.exitCode === 0 ? SIM_EXIT.ok : SIM_EXIT.usage;
  }
  if (!isAgentError(thrown)) {
    note(errorOf(thrown).stack ?? String(thrown));
    return SIM_EXIT.internal;
  }
  note(thrown.message);
  if (thrown.code === 'STORE_LOCKED' || thrown.code === 'CARD_LOST') return SIM_EXIT.held;
  return thrown.code === 'ADDRESS_FAILED' ? SIM_EXIT.address : SIM_EXIT.input;
}

outliveReaders();

try {
  await buildProgram().parseAsync();
} catch (thrown) {
  process.exitCode = report(thrown);
}
