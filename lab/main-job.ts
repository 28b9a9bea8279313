// The main job: manufacture, provision with MNO A, change to MNO B, and a report from the card and the operators' own stores.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { listProfiles, type ProfileEntry, withIsdR } from '../agent/card-operations.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { createHlr } from '../operator/mno/hlr.ts';
import { ENDED, type Procedure } from '../operator/mno/procedure.ts';
import { type AgentLine, type AgentProcess, startAgent } from './agent-process.ts';
import { openMqttLink } from '../transport/mqtt-link.ts';
import { type BackEnd, type LabMno, openBackEnd } from './back-end.ts';
import { createBootstrap } from './bootstrap.ts';
import { openBroker } from './broker.ts';
import { openGate } from './gate.ts';
import { rotateKeys } from './key-rotation.ts';
import type { LabOptions } from './options.ts';
import type { Progress } from './progress.ts';
import { createRadioWorld } from './radio-world.ts';
import { createRecorder, type Recorder } from './recorder.ts';
import type { KeyRotationReport, ProcedureReport, Report } from './report.ts';
import { findSecrets, type Needle } from './secret-search.ts';
import { openTerminal, type Terminal } from './terminal.ts';
import { judge } from './verdict-of-run.ts';

const BOOTSTRAP_PLMN = '99970';
const PROCEDURE_DEADLINE_MS = 600_000;
const NOTIFICATION_DEADLINE_MS = 60_000;
const SWITCH_DEADLINE_MS = 120_000;
const POLL_MS = 50;

export type MainJobOptions = Pick<LabOptions, 'baud' | 'profileBytes' | 'reject'> &
  Partial<Pick<LabOptions, 'secondLayer' | 'euiccKey' | 'rotateKeys'>> & {
    /** A folder of its own, made when missing. */
    readonly folder: string;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly progress: Progress;
    readonly signal: AbortSignal;
    /** Where the agent is to be killed and started again, for tests of its restart. */
    readonly killAgentAt?: (line: AgentLine) => boolean;
  };

/** Figures that only the device's side knows. */
type Figures = {
  transferMs: number;
  installMs: number;
  apdus: number;
  serialBytesOut: number;
  serialBytesIn: number;
};

/** Runs everything once. Whatever happens, every part is closed again. */
export async function runMainJob(options: MainJobOptions): Promise<Report> {
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
    return await runProcedures({ ...options, backEnd, terminal, recorder, needles, gatePort: gate.port });
  } finally {
    progress.end();
    if (signal.aborted) log.write('info', 'lab', 'stopped');
    for (const close of opened.toReversed()) await close();
  }
}

type Stage = MainJobOptions & {
  readonly backEnd: BackEnd;
  readonly terminal: Terminal;
  readonly recorder: Recorder;
  readonly needles: readonly Needle[];
  readonly gatePort: number;
};

async function runProcedures(stage: Stage): Promise<Report> {
  const { backEnd, terminal, recorder, progress, clock } = stage;
  const { eid } = backEnd.euicc;
  const [mnoA, mnoB] = backEnd.mnos;
  if (mnoA === undefined || mnoB === undefined)
    throw new AgentError('INTERNAL', { why: 'two MNOs are needed' });
  const meter = createMeter(stage);
  const configFile = await writeAgentConfig(stage);
  const start = (): AgentProcess =>
    startAgent({
      configFile,
      logFile: join(stage.folder, 'agent.log'),
      clock,
      onLine: meter.onLine,
      ...(stage.killAgentAt === undefined ? {} : { killAt: stage.killAgentAt }),
    });
  let agent = start();
  let keyRotation: KeyRotationReport | undefined;
  const ends: Ended[] = [];
  try {
    progress.step(`agent     started, asks ${mnoA.name} for a profile`);
    ends.push(await procedureEnd(stage, agent, meter, mnoA, 'provisioning'));
    if (ends[0]?.procedure?.step === 'completed') {
      if (stage.rotateKeys === true) {
        await agent.stop();
        keyRotation = await newKeys(stage);
        agent = start();
      }
      progress.step(`${mnoB.name}     asks the device to change`);
      await mnoB.mno.trigger(eid, 'mno-change');
      ends.push(await procedureEnd(stage, agent, meter, mnoB, 'mno-change'));
      await settle(stage, agent, mnoA, mnoB);
    }
  } finally {
    await agent.stop();
  }
  progress.step('card      read once more, from outside');
  const profiles = await readCard(terminal, stage);
  const procedures: ProcedureReport[] = [];
  for (const end of ends) procedures.push(await procedureReport(stage, end));
  const secrets = findSecrets(recorder.recordings(), stage.needles);
  const enabled = profiles.entries.find((entry) => entry.enabled);
  const facts = {
    eid,
    imei: terminal.imei,
    procedures,
    ...(keyRotation === undefined ? {} : { keyRotation }),
    card: {
      enabledIccid: enabled?.iccid ?? '',
      profiles: profiles.entries.map(({ iccid, enabled: on }) => ({
        iccid,
        state: on ? ('enabled' as const) : ('disabled' as const),
      })),
    },
    secretsOnWire: secrets.length,
    profilesBuilt: (await Promise.all(backEnd.mnos.map(({ smdp }) => smdp.profilesBuilt()))).reduce(
      (a, b) => a + b,
      0,
    ),
  };
  const eis = await backEnd.smsr.as(mnoB.name).getEis(eid);
  const problems = judge({
    ...facts,
    usimIccid: profiles.usimIccid,
    eis,
    secrets,
    rejected: stage.reject !== undefined,
  });
  return { ok: problems.length === 0 && stage.reject === undefined, problems, ...facts };
}

/** The port is the agent's otherwise. */
function newKeys({ backEnd, progress, signal, terminal }: Stage): Promise<KeyRotationReport> {
  progress.step('sm-sr     gives the eUICC new management keys, while the agent is stopped');
  return rotateKeys({
    smsr: backEnd.smsr,
    terminal,
    eid: backEnd.euicc.eid,
    signal,
    onScript: (number) => progress.step(`sm-sr     key script ${number}`),
  });
}

async function writeAgentConfig({ folder, backEnd, terminal, gatePort, baud }: Stage): Promise<string> {
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
    activation: { mno: operators[0]?.name },
  };
  await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`);
  return path;
}

type Ended = { readonly mno: LabMno; readonly procedure: Procedure | undefined; readonly figures: Figures };
type Meter = {
  readonly onLine: (line: AgentLine) => void;
  begin(): void;
  figures(): Figures;
  readonly lastError: string;
};

/** Measures a procedure from the agent's progress lines and the recorder's counts, and draws the bars. */
function createMeter({ clock, recorder, progress }: Stage): Meter {
  let started = { out: 0, in: 0 };
  let marks = new Map<string, { first: number; last: number; total: number }>();
  let lastError = '';
  return {
    get lastError() {
      return lastError;
    },
    begin() {
      started = { out: recorder.count('serial-out'), in: recorder.count('serial-in') };
      marks = new Map();
    },
    onLine(line) {
      if (line['level'] === 'error' && typeof line.msg === 'string') lastError = line.msg;
      const { phase, done, total } = line as { phase?: unknown; done?: unknown; total?: unknown };
      if (line.msg !== 'progress' || typeof phase !== 'string') return;
      if (typeof done !== 'number' || typeof total !== 'number') return;
      const now = clock.now();
      const mark = marks.get(phase);
      if (mark === undefined) marks.set(phase, { first: now, last: now, total });
      else mark.last = now;
      if (phase === 'transfer' || phase === 'install') progress.bar(phase, done, total);
    },
    figures() {
      const spent = (phase: string): number => {
        const mark = marks.get(phase);
        return mark === undefined ? 0 : Math.round(mark.last - mark.first);
      };
      return {
        transferMs: spent('transfer'),
        installMs: spent('install'),
        apdus: marks.get('install')?.total ?? 0,
        serialBytesOut: recorder.count('serial-out') - started.out,
        serialBytesIn: recorder.count('serial-in') - started.in,
      };
    },
  };
}

/** Follows one procedure in its MNO's store until it ends. */
async function procedureEnd(
  stage: Stage,
  agent: AgentProcess,
  meter: Meter,
  mno: LabMno,
  kind: Procedure['kind'],
): Promise<Ended> {
  const { backEnd, progress } = stage;
  meter.begin();
  let shown = '';
  let procedure: Procedure | undefined;
  await waitUntil(stage, agent, meter, PROCEDURE_DEADLINE_MS, async () => {
    const all = await mno.store.procedures(backEnd.euicc.eid);
    procedure = all.findLast((each) => each.kind === kind && each.step !== 'superseded');
    if (procedure !== undefined && procedure.step !== shown) {
      shown = procedure.step;
      progress.step(`${mno.name}     ${stepText(procedure)}`);
    }
    return procedure !== undefined && ENDED.has(procedure.step);
  });
  return { mno, procedure, figures: meter.figures() };
}

function stepText(procedure: Procedure): string {
  switch (procedure.step) {
    case 'authenticating':
      return 'activation request; asks the eUICC for status, capability and certificate';
    case 'preparing':
      return `eUICC accepted after ${procedure.verdict?.checks.length ?? 0} checks; ${procedure.keyMode === 'static' ? 'names its static key' : 'asks for a one-time key'}`;
    case 'installing':
      return `profile ${procedure.iccid ?? ''} built and sent under two layers, ${procedure.packageBytes ?? 0} octets`;
    case 'enabling':
      return 'installed, the result is signed by the eUICC; enables the profile';
    case 'confirming':
      return 'registered with the new profile; waits for the signed notifications';
    case 'deleting':
      return `${procedure.donor?.mno ?? 'the donor'} lets its profile go; deletes it`;
    case 'completed':
      return 'completed';
    default:
      return `${procedure.step}: ${procedure.reason ?? ''}`;
  }
}

/** After the change both operators still wait for the last signed words of the eUICC. */
async function settle(stage: Stage, agent: AgentProcess, donor: LabMno, receiving: LabMno): Promise<void> {
  const { eid } = stage.backEnd.euicc;
  const events = async (mno: LabMno): Promise<Set<string>> =>
    new Set((await mno.store.notifications(eid)).map(({ event }) => event));
  await waitUntil(stage, agent, undefined, NOTIFICATION_DEADLINE_MS, async () => {
    const [left, right] = [await events(donor), await events(receiving)];
    return left.has('disable') && left.has('delete') && right.has('install') && right.has('enable');
  }).catch((error: unknown) => {
    if (!(error instanceof AgentError) || error.code !== 'DEADLINE') throw error;
  });
}

async function waitUntil(
  { clock, signal }: Stage,
  agent: AgentProcess,
  meter: Meter | undefined,
  timeoutMs: number,
  reached: () => Promise<boolean>,
): Promise<void> {
  const end = clock.now() + timeoutMs;
  let gone: number | null | undefined;
  void agent.exited.then((code) => (gone = code));
  while (!(await reached())) {
    if (gone !== undefined) {
      const why = meter === undefined || meter.lastError === '' ? '' : `: ${meter.lastError}`;
      throw new AgentError('CLOSED', { what: `the agent, with exit code ${String(gone)}${why}` });
    }
    if (clock.now() >= end) throw new AgentError('DEADLINE', { what: 'the procedure', timeoutMs });
    await sleep(clock, POLL_MS, { signal });
  }
}

/** The card's own word: profile list through the ISD-R, EF.ICCID through the modem. */
async function readCard(
  terminal: Terminal,
  { signal }: Stage,
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

async function procedureReport(stage: Stage, { mno, procedure, figures }: Ended): Promise<ProcedureReport> {
  const { eid } = stage.backEnd.euicc;
  if (procedure === undefined) throw new AgentError('NOT_FOUND', { what: 'procedure', mno: mno.name });
  const iccids = new Set([procedure.iccid, procedure.donor?.iccid]);
  const own = stage.backEnd.mnos.map(async (each) =>
    (await each.store.notifications(eid)).map((row) => ({ to: each.name, ...row })),
  );
  const rows = (await Promise.all(own))
    .flat()
    .filter(
      ({ iccid, event, to }) =>
        iccids.has(iccid) &&
        (iccid === procedure.iccid
          ? to === mno.name && (event === 'install' || event === 'enable')
          : event === 'disable' || event === 'delete'),
    );
  return {
    kind: procedure.kind,
    family: procedure.family,
    keyMode: procedure.keyMode,
    secondLayer: procedure.secondLayer,
    mno: mno.name,
    iccid: procedure.iccid ?? '',
    outcome: procedure.step,
    profileBytes: procedure.profileBytes ?? 0,
    packageBytes: procedure.packageBytes ?? 0,
    blocks: procedure.blocks ?? 0,
    ...figures,
    verdict: procedure.verdict ?? { accepted: false, checks: [] },
    notifications: rows
      .toSorted((a, b) => a.seqNumber - b.seqNumber)
      .map(({ to, event, verified }) => ({ to, event, verified })),
  };
}
