#!/usr/bin/env node
// The virtual eUICC's command line: the only place that knows arguments, files, signals and exit codes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { realClock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { createLog, type LogLevel } from '../base/log.ts';
import { outliveReaders, visible } from '../base/terminal.ts';
import { systemRandom } from '../base/random.ts';
import { CONTENT_KINDS, type ContentKind } from '../codec/describe-content.ts';
import type { CurveName } from '../crypto/ec.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { createCard, type CreatedCard } from './create-card.ts';
import { decodeCommand } from './decode.ts';
import { cardExitOf, EXIT_FAULTS, EXIT_INTERNAL, EXIT_OK, EXIT_USAGE } from './exit-codes.ts';
import { cardInfoText, readCardInfo } from './info.ts';
import { CURVES, writeNewIssuer } from './new-issuer.ts';
import { openCardCopy, openCardFile } from './open-card.ts';
import { address, each, eachOid, productionData, serverAddress, whole } from './option-values.ts';
import {
  type Address,
  serveStdio,
  serveTcp,
  serveVpcdClient,
  serveVpcdListener,
  type ServeContext,
} from './serve.ts';
import { tracedCard, traceTo } from './served-card.ts';
import { KEY_VARIABLE } from './store-key.ts';
import { VPCD_PORT } from './vpcd-frames.ts';

/** Set to anything: a fault of the program is shown with its stack. */
const DEBUG = 'EUICC_CARD_DEBUG';
/** How long a clean end may take once a signal came. */
const SHUTDOWN_MS = 10_000;
const JSON_PORT = 35_964;

const ec = createNodeEc();

function print(text: string): void {
  process.stdout.write(`${visible(text)}\n`);
}

function note(text: string): void {
  process.stderr.write(`euicc-card: ${visible(text)}\n`);
}

type KeyFlags = { readonly keyFile?: string };

function keyOptions({ keyFile }: KeyFlags): {
  readonly keyFile?: string;
  readonly environment: NodeJS.ProcessEnv;
} {
  return { ...(keyFile === undefined ? {} : { keyFile }), environment: process.env };
}

type CreateFlags = KeyFlags & {
  readonly issuer: string;
  readonly eid?: string;
  readonly serial?: number;
  readonly profile?: readonly string[];
  readonly enable: boolean;
  readonly managed?: string;
  readonly certificateProfilePin?: string;
  readonly securityModule?: readonly string[];
  readonly scp03Mode?: 'S8' | 'S16';
  readonly dpAddress?: string;
  readonly dsAddress?: string;
  readonly memory?: number;
  readonly cplc?: string;
  readonly json?: true;
};

async function create(card: string, flags: CreateFlags): Promise<void> {
  const { eid, serial, managed, scp03Mode, dpAddress, dsAddress, memory, cplc } = flags;
  const made = await createCard(
    { ec, random: systemRandom, at: realClock.wall() },
    {
      ...keyOptions(flags),
      card,
      issuer: flags.issuer,
      profiles: flags.profile ?? [],
      enable: flags.enable,
      ...(eid === undefined ? {} : { eid }),
      ...(serial === undefined ? {} : { serial }),
      ...(managed === undefined ? {} : { isdRKeyFile: managed }),
      ...(flags.securityModule === undefined ? {} : { securityModulesFor: flags.securityModule }),
      ...(flags.certificateProfilePin === undefined
        ? {}
        : { certificateProfilePinFile: flags.certificateProfilePin }),
      ...(scp03Mode === undefined ? {} : { scp03Mode }),
      ...(dpAddress === undefined ? {} : { defaultDpAddress: dpAddress }),
      ...(dsAddress === undefined ? {} : { rootDsAddress: dsAddress }),
      ...(memory === undefined ? {} : { memory }),
      ...(cplc === undefined ? {} : { cplc }),
    },
  );
  for (const { file, why } of made.ignored) note(`left out ${file}: ${why}`);
  if (flags.json === true) print(JSON.stringify(made));
  else print(createdText(made));
}

function createdText({ card, eid, curves, issued, trustedCis, profiles, made }: CreatedCard): string {
  return [
    `${card}: eUICC ${eid}`,
    `  certificates: ${curves.join(', ')}${issued ? ', issued now' : ''}; trusts ${trustedCis} CI keys`,
    `  profiles: ${profiles.length === 0 ? 'none' : profiles.join(', ')}`,
    ...made.map((file) => `  made ${file}: keep it secret, the card needs it`),
  ].join('\n');
}

type IssuerFlags = {
  readonly curve: 'both' | CurveName;
  readonly eidPrefix: string;
  readonly organization: string;
};

async function issuer(folder: string, { curve, eidPrefix, organization }: IssuerFlags): Promise<void> {
  const curves = curve === 'both' ? CURVES : [curve];
  const files = await writeNewIssuer(
    { ec, random: systemRandom, at: realClock.wall() },
    { folder, curves, eidPrefix, organization },
  );
  for (const file of files) print(file);
}

type ServeFlags = KeyFlags & {
  readonly stdio?: true;
  readonly tcp?: Address;
  readonly vpcd?: Address;
  readonly vpcdListen?: Address;
  readonly logLevel: LogLevel;
  readonly trace?: string;
  readonly cutWrite?: number;
};

function frontOf({ stdio, tcp, vpcd, vpcdListen }: ServeFlags): (context: ServeContext) => Promise<void> {
  const fronts = [
    ...(stdio === true
      ? [(context: ServeContext) => serveStdio(process.stdin, process.stdout, context)]
      : []),
    ...(tcp === undefined ? [] : [(context: ServeContext) => serveTcp(tcp, context)]),
    ...(vpcd === undefined ? [] : [(context: ServeContext) => serveVpcdClient(vpcd, context)]),
    ...(vpcdListen === undefined ? [] : [(context: ServeContext) => serveVpcdListener(vpcdListen, context)]),
  ];
  const [front, ...others] = fronts;
  if (front === undefined || others.length > 0) {
    throw new CommanderError(
      EXIT_USAGE,
      'front',
      'give exactly one of --stdio, --tcp, --vpcd, --vpcd-listen',
    );
  }
  return front;
}

async function serve(card: string, flags: ServeFlags): Promise<void> {
  const front = frontOf(flags);
  const out = (line: string): void => void process.stderr.write(`${line}\n`);
  const log = createLog({ clock: realClock, level: flags.logLevel, out });
  const trace = flags.trace === undefined ? undefined : traceTo(flags.trace);
  const stop = new AbortController();
  const { cutWrite: at } = flags;
  let isCut = false;
  const onCut = (): void => {
    isCut = true;
    log.write('warn', 'card', 'the power was cut as --cut-write says', { write: at });
    stop.abort();
  };
  const cut = at === undefined ? undefined : { at, onCut };
  const euicc = await openCardFile({ ec, random: systemRandom, log }, card, keyOptions(flags), cut);
  let giveUp = (): void => {};
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      log.write('info', 'card', 'stopping', { signal: name });
      if (!stop.signal.aborted) giveUp = realClock.schedule(SHUTDOWN_MS, () => process.exit(EXIT_INTERNAL));
      stop.abort();
    });
  }
  try {
    log.write('info', 'card', 'serving', { card });
    const served = trace === undefined ? euicc : tracedCard(euicc, realClock, trace);
    await front({ card: served, clock: realClock, log, signal: stop.signal });
  } finally {
    await euicc.close();
    giveUp();
    // A pipe that stays open must not keep a program that has ended.
    process.stdin.destroy();
  }
  if (isCut) throw new AgentError('CLOSED', { what: 'power' });
}

async function info(card: string, flags: KeyFlags & { readonly json?: true }): Promise<void> {
  const log = { write: () => {} };
  const { euicc, store, octets } = await openCardCopy(
    { ec, random: systemRandom, log },
    card,
    keyOptions(flags),
  );
  const found = await readCardInfo(euicc, store, octets);
  await euicc.close();
  print(flags.json === true ? JSON.stringify(found) : cardInfoText(found));
}

type DecodeFlags = { readonly as?: ContentKind; readonly json?: true };

async function decode(words: readonly string[], flags: DecodeFlags): Promise<void> {
  const { text, faults } = await decodeCommand(words, flags, process.stdin);
  print(text);
  if (faults > 0) process.exitCode = EXIT_FAULTS;
}

function version(): string {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
  return String((JSON.parse(text) as { readonly version?: unknown }).version);
}

function buildProgram(): Command {
  const program = new Command('euicc-card')
    .description('A virtual eUICC: makes cards, serves them to readers and tools, shows and decodes.')
    .version(version())
    .showHelpAfterError('See euicc-card --help.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'euicc-card: ')) })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 2 wrong usage, 3 decoded with faults, 10 to 15 see docs/exit-codes.md.',
    );
  const keyFile = [
    '--key-file <file>',
    `the card's key, 64 hex digits; else ${KEY_VARIABLE}, else <card>.key`,
  ] as const;
  const json = ['--json', 'print JSON'] as const;
  program
    .command('issuer')
    .description('make a whole test PKI: CI, EUM and SM-DP+ certificates with their keys')
    .argument('<folder>', 'a new or empty folder')
    .addOption(new Option('--curve <name>', 'elliptic curve').choices(['both', ...CURVES]).default('both'))
    .option('--eid-prefix <digits>', 'what the EIDs of the EUM begin with', '89999999')
    .option('--organization <name>', 'name in the certificates', 'Test')
    .action(issuer);
  program
    .command('create')
    .description('make a card')
    .argument('<card>', 'the card file, which must not exist')
    .requiredOption(
      '--issuer <folder>',
      'certificates and keys: from `euicc-card issuer`, GSMA SGP.26, or your own',
    )
    .option(...keyFile)
    .option('--eid <digits>', 'EID, 32 digits or the first 30')
    .option(
      '--serial <number>',
      "number of the card, for an EID of the EUM's prefix",
      whole(Number.MAX_SAFE_INTEGER),
    )
    .option(
      '--profile <file>',
      'a profile package, or `minimal`; =test, =provisioning, =operational behind it; may be repeated',
      each,
    )
    .option('--no-enable', 'leave the first profile disabled')
    .option(
      '--managed <file>',
      "changes need SCP03 under the ISD-R's keys in this file, which is made where it is missing",
    )
    .option(
      '--certificate-profile-pin <file>',
      'reading the certificate profile needs the PIN in this file, which is made where it is missing',
    )
    .option(
      '--security-module <oid>',
      'a security module for the SM-DP with this object identifier alone, instead of one for all; may be repeated',
      eachOid,
    )
    .addOption(
      new Option('--scp03-mode <mode>', 'octets of challenges and MACs of SCP03: 8 (S8) or 16 (S16)')
        .choices(['S8', 'S16'])
        .default('S8'),
    )
    .option('--dp-address <host>', 'default SM-DP+ address', serverAddress)
    .option('--ds-address <host>', 'root SM-DS address', serverAddress)
    .option('--memory <octets>', 'size of the memory for profiles', whole(2 ** 31))
    .option('--cplc <hex>', 'card production life cycle data, 42 octets', productionData)
    .option(...json)
    .action(create);
  program
    .command('serve')
    .description(
      'put a card into a reader or behind a tool, until SIGINT or SIGTERM; the log goes to stderr as JSON lines',
    )
    .argument('<card>', 'the card file')
    .option(...keyFile)
    .option('--vpcd <host:port>', 'connect to the virtual reader of pcscd (vsmartcard)', address(VPCD_PORT))
    .option('--vpcd-listen <host:port>', 'wait for a virtual reader that connects', address(VPCD_PORT))
    .option('--tcp <host:port>', 'lines of JSON on TCP', address(JSON_PORT))
    .option('--stdio', 'lines of JSON on standard input and output')
    .option('--trace <file>', 'append what passes, for euicc-card decode; PINs are left out')
    .option(
      '--cut-write <n>',
      'lose the power half way through the n-th write to the card file',
      whole(2 ** 31, 1),
    )
    .addOption(
      new Option('--log-level <level>', 'least level')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .action(serve);
  program
    .command('info')
    .description('show a card, also while it is served')
    .argument('<card>', 'the card file')
    .option(...keyFile)
    .option(...json)
    .action(info);
  program
    .command('decode')
    .description(
      'octets as indented, named text: APDUs, traces, data objects, certificates, profile packages, messages',
    )
    .argument('<octets...>', 'hex, base64 or PEM, a file, or - for standard input')
    .addOption(new Option('--as <kind>', 'what it is; found out otherwise').choices(CONTENT_KINDS))
    .option(...json)
    .action(decode);
  return program;
}

/** One line, what to do, and the exit code. Never a stack trace but for faults of ours. */
function report(thrown: unknown): number {
  if (thrown instanceof CommanderError) {
    if (thrown.code === 'front') note(thrown.message);
    return thrown.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  }
  const row = isAgentError(thrown) ? cardExitOf(thrown.code) : undefined;
  if (row === undefined || !(thrown instanceof AgentError)) {
    note(`fault of the program: ${errorOf(thrown).message}`);
    if (process.env[DEBUG] !== undefined) process.stderr.write(`${errorOf(thrown).stack ?? ''}\n`);
    return EXIT_INTERNAL;
  }
  note(`${thrown.message.replaceAll(/\s+/g, ' ')}; ${row.advice}`);
  return row.exit;
}

outliveReaders();
try {
  await buildProgram().parseAsync();
} catch (thrown) {
  process.exitCode = report(thrown);
}
