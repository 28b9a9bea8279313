// Everything that a run of the lab stands on: broker, operators, a card in a simulated modem, radio; opened and closed around it.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { listProfiles, type ProfileEntry, withIsdR } from '../agent/card-operations.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { createHlr } from '../operator/mno/hlr.ts';
import { openMqttLink } from '../transport/mqtt-link.ts';
import { type BackEnd, openBackEnd } from './back-end.ts';
import { createBootstrap } from './bootstrap.ts';
import { openBroker } from './broker.ts';
import { openGate } from './gate.ts';
import type { LabOptions } from './options.ts';
import type { Progress } from './progress.ts';
import { createRadioWorld } from './radio-world.ts';
import { createRecorder, type Recorder } from './recorder.ts';
import type { Needle } from './secret-search.ts';
import { openTerminal, type Terminal } from './terminal.ts';

/** Where the agent records the line to its modem, without secrets. */
export const MODEM_TRACE = 'modem-trace.jsonl';

const BOOTSTRAP_PLMN = '99970';
const SWITCH_DEADLINE_MS = 120_000;

export type StageOptions = Pick<LabOptions, 'baud' | 'profileBytes' | 'reject'> &
  Partial<Pick<LabOptions, 'secondLayer' | 'euiccKey' | 'securityModules'>> & {
    /** A folder of its own, made when missing. */
    readonly folder: string;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly progress: Progress;
    readonly signal: AbortSignal;
  };

export type LabStage = {
  readonly backEnd: BackEnd;
  readonly terminal: Terminal;
  readonly recorder: Recorder;
  readonly needles: readonly Needle[];
  /** The device's way to the broker, which is open while its modem is registered. */
  readonly gatePort: number;
};

/** Opens the stage for as long as the work takes. Whatever happens, every part is closed again. */
export async function withStage<T>(options: StageOptions, work: (stage: LabStage) => Promise<T>): Promise<T> {
  const { folder, clock, random, log, progress, signal } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const needles: Needle[] = [];
  const recorder = createRecorder();
  const ec = createNodeEc();
  const opened: (() => Promise<void>)[] = [];
  try {
    const broker = await openBroker({ recorder });
    opened.push(() => broker.close());
    const gate = await openGate({ target: broker.port, recorder });
    opened.push(() => gate.close());
    progress.step('issuer    certificates, keys and one eUICC');
    const operators = join(folder, 'operators');
    await mkdir(operators, { recursive: true, mode: 0o700 });
    const backEnd = await openBackEnd({
      storeUrl: (role) => `sqlite:${join(operators, `${role}.db`)}`,
      openLink: (clientId) =>
        openMqttLink({ url: `mqtt://127.0.0.1:${broker.port}`, clientId, clock, random, log }),
      ec,
      clock,
      random,
      log,
      profileBytes: options.profileBytes,
      switchDeadlineMs: SWITCH_DEADLINE_MS,
      witness: (needle) => void needles.push(needle),
      ...(options.reject === undefined ? {} : { fault: options.reject }),
      ...(options.secondLayer === undefined ? {} : { secondLayer: options.secondLayer }),
      ...(options.euiccKey === undefined ? {} : { euiccKey: options.euiccKey }),
      ...(options.securityModules === undefined ? {} : { securityModules: options.securityModules }),
    });
    opened.push(() => backEnd.close());
    const bootstrap = createBootstrap({ plmn: BOOTSTRAP_PLMN, random });
    needles.push({ name: 'bootstrap UPP', kind: 'package', bytes: bootstrap.upp });
    for (const [name, bytes] of bootstrap.secrets) needles.push({ name, kind: 'value', bytes });
    const { euicc, smsr, mnos } = backEnd;
    await smsr.registerEis({
      eid: euicc.eid,
      euiccCertificate: euicc.euiccCertificate,
      eumCertificate: euicc.eumCertificate,
      isdRKeys: euicc.isdRKeys,
      ecasdCertificates: euicc.securityModules.map(({ certificate }) => certificate),
      source: 'issuer',
      profiles: [{ iccid: bootstrap.iccid, mno: '', profileClass: 'provisioning', state: 'enabled' }],
    });
    const bootstrapHlr = createHlr({ store: bootstrap.subscribers, random });
    const radio = createRadioWorld({
      networks: [
        { plmn: BOOTSTRAP_PLMN, name: bootstrap.name, hlr: bootstrapHlr },
        ...mnos.map(({ mccMnc, spn, hlr }) => ({ plmn: mccMnc, name: spn, hlr })),
      ],
      onBearer: (up) => gate.setOpen(up),
      clock,
    });
    const terminal = await openTerminal({ ...options, euicc, bootstrap, radio, recorder, ec });
    opened.push(() => terminal.close());
    progress.step(`factory   EID ${euicc.eid}, IMEI ${terminal.imei}, modem at ${terminal.port}`);
    return await work({ backEnd, terminal, recorder, needles, gatePort: gate.port });
  } finally {
    progress.end();
    if (signal.aborted) log.write('info', 'lab', 'stopped');
    for (const close of opened.toReversed()) await close();
  }
}

/** The agent's configuration; with `activate` it asks the first MNO for a profile by itself. */
export async function writeAgentConfig(
  { folder, backEnd, terminal, gatePort, baud }: StageOptions & LabStage,
  { activate }: { readonly activate: boolean },
): Promise<string> {
  const operators = [];
  for (const { name, certificate } of backEnd.mnos) {
    const certificateFile = join(folder, `${name}.der`);
    await writeFile(certificateFile, certificate);
    operators.push({ name, address: name, certificateFile });
  }
  const path = join(folder, 'agent.json');
  const config = {
    state: { dir: join(folder, 'agent') },
    modem: { port: terminal.port, ...(baud === undefined ? {} : { baudRate: baud }) },
    broker: { url: `mqtt://127.0.0.1:${gatePort}` },
    operators,
    trace: { file: join(folder, MODEM_TRACE) },
    ...(activate ? { activation: { mno: operators[0]?.name } } : {}),
  };
  await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`);
  return path;
}

/** The card's own word: profile list through the ISD-R, EF.ICCID through the modem. */
export async function readCard(
  terminal: Terminal,
  { signal }: Pick<StageOptions, 'signal'>,
): Promise<{ readonly entries: readonly ProfileEntry[]; readonly usimIccid: string }> {
  const modem = await terminal.openModem();
  try {
    const entries = await withIsdR(await modem.openCard(), { signal }, (channel) =>
      listProfiles(channel, { signal }),
    );
    return { entries, usimIccid: await modem.readIccid() };
  } finally {
    await modem.close();
  }
}
