// The main job: manufacture, provision with MNO A, change to MNO B, and a report from the card and the operators' own stores.
import { join } from 'node:path';
import { sleep } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import { ENDED, type Procedure } from '../operator/mno/procedure.ts';
import { type AgentLine, type AgentProcess, startAgent } from './agent-process.ts';
import type { LabMno } from './back-end.ts';
import { rotateKeys } from './key-rotation.ts';
import type { LabOptions } from './options.ts';
import type { KeyRotationReport, ProcedureReport, Report } from './report.ts';
import { findSecrets } from './secret-search.ts';
import { type LabStage, readCard, type StageOptions, withStage, writeAgentConfig } from './stage.ts';
import { judge } from './verdict-of-run.ts';

const PROCEDURE_DEADLINE_MS = 600_000;
const NOTIFICATION_DEADLINE_MS = 60_000;
const POLL_MS = 50;

export type MainJobOptions = StageOptions &
  Partial<Pick<LabOptions, 'rotateKeys'>> & {
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
export function runMainJob(options: MainJobOptions): Promise<Report> {
  return withStage(options, (stage) => runProcedures({ ...options, ...stage }));
}

type Stage = MainJobOptions & LabStage;

async function runProcedures(stage: Stage): Promise<Report> {
  const { backEnd, terminal, recorder, progress, clock } = stage;
  const { eid } = backEnd.euicc;
  const [mnoA, mnoB] = backEnd.mnos;
  if (mnoA === undefined || mnoB === undefined)
    throw new AgentError('INTERNAL', { why: 'two MNOs are needed' });
  const meter = createMeter(stage);
  const configFile = await writeAgentConfig(stage, { activate: true });
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
