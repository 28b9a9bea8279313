// `npm start -- --offline`: MNO A provisions the device by a file, which the agent loads without a network (seed 56, 72).
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sleep } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { makeBundle, readBundleAnswer } from '../operator/mno/offline.ts';
import { startAgent } from './agent-process.ts';
import type { LabMno } from './back-end.ts';
import { findSecrets } from './secret-search.ts';
import { type LabStage, readCard, type StageOptions, withStage, writeAgentConfig } from './stage.ts';

export type OfflineReport = {
  readonly ok: boolean;
  /** What speaks against `ok`, in sentences. */
  readonly problems: readonly string[];
  readonly eid: string;
  readonly mno: string;
  readonly iccid: string;
  readonly bundleBytes: number;
  /** What `euicc-agent bundle load` printed. */
  readonly loaded: string;
  /** What the MNO believes of the answer file. */
  readonly installed: boolean;
  /** Whether the agent delivered the eUICC's signed result too, once it had a network. */
  readonly delivered: boolean;
  readonly profiles: readonly string[];
  readonly secretsSeen: number;
  readonly profilesBuilt: number;
};

const DELIVERY_MS = 60_000;
const POLL_MS = 50;
const run = promisify(execFile);

/** Runs it once and closes every part again. */
export function runOfflineJob(options: StageOptions): Promise<OfflineReport> {
  return withStage(options, (stage) => provision({ ...options, ...stage }));
}

type Stage = StageOptions & LabStage;

async function provision(stage: Stage): Promise<OfflineReport> {
  const { backEnd, progress, folder, recorder, needles } = stage;
  const { eid } = backEnd.euicc;
  const [mno] = backEnd.mnos;
  if (mno === undefined) throw new AgentError('INTERNAL', { why: 'an MNO is needed' });
  const file = join(folder, `${eid}.bundle`);
  const answerFile = join(folder, `${eid}.answer`);
  const configFile = await writeAgentConfig(stage, { activate: false });
  const made = await bundleOf(stage, mno);
  const nothing = { eid, mno: mno.name, iccid: '', bundleBytes: 0, loaded: '', secretsSeen: 0 };
  if ('refused' in made) {
    progress.step(`${mno.name}     ${made.refused}`);
    const profilesBuilt = await mno.smdp.profilesBuilt();
    const problems = profilesBuilt === 0 ? [] : ['a profile was built for a bad eUICC'];
    const state = { ok: false, installed: false, delivered: false, profiles: [], profilesBuilt };
    return { ...nothing, ...state, problems };
  }
  const { iccid } = made;
  await writeFile(file, made.file, { mode: 0o600 });
  progress.step(
    `${mno.name}     bundle ${file}, ${made.file.length} octets, for the static key of the eUICC`,
  );
  progress.step(`agent     ${firstLine(await agent(['bundle', 'show', file, '--config', configFile]))}`);
  const loaded = firstLine(
    await agent(['bundle', 'load', file, '--config', configFile, '--answer', answerFile]),
  );
  progress.step(`agent     ${loaded}`);
  const result = await readBundleAnswer(mno.offline, new Uint8Array(await readFile(answerFile)));
  progress.step(
    `${mno.name}     answer read in: ${result.installed ? 'installed, signed by the eUICC' : 'nothing'}`,
  );
  const delivered = await deliveredOverNetwork(stage, configFile);
  progress.step('card      read once more, from outside');
  const { entries } = await readCard(stage.terminal, stage);
  const recordings = [
    ...recorder.recordings(),
    { channel: 'mqtt-payload', topic: 'bundle', bytes: made.file } as const,
  ];
  const secrets = findSecrets(recordings, needles);
  const held = entries.find((entry) => entry.iccid === iccid);
  const eis = await backEnd.smsr.as(mno.name).getEis(eid);
  const problems = [
    ...secrets.map(({ name, where, offset }) => `${name} seen in ${where} at ${offset}`),
    ...(held === undefined ? ['the profile is not on the card'] : []),
    ...(result.installed ? [] : ['the answer file does not prove the installation']),
    ...(delivered ? [] : ['the signed result was not delivered over the network']),
    ...(eis.profiles.some((profile) => profile.iccid === iccid) ? [] : ['the EIS does not know the profile']),
  ];
  return {
    ok: problems.length === 0,
    problems,
    eid,
    mno: mno.name,
    iccid,
    bundleBytes: made.file.length,
    loaded,
    installed: result.installed,
    delivered,
    profiles: entries.map((entry) => `${entry.iccid} ${entry.enabled ? 'enabled' : 'disabled'}`),
    secretsSeen: secrets.length,
    profilesBuilt: await mno.smdp.profilesBuilt(),
  };
}

/** The bundle, or why the MNO makes none. */
async function bundleOf(
  { backEnd }: Stage,
  mno: LabMno,
): Promise<Awaited<ReturnType<typeof makeBundle>> | { readonly refused: string }> {
  try {
    return await makeBundle(mno.offline, { eid: backEnd.euicc.eid });
  } catch (error) {
    if (!isAgentError(error, 'REFUSED')) throw error;
    return { refused: error.message };
  }
}

/** The agent as its users start it, to its end. */
async function agent(args: readonly string[]): Promise<string> {
  const program = join(import.meta.dirname, '..', 'agent', 'main.js');
  try {
    return (await run(process.execPath, ['--enable-source-maps', program, ...args])).stdout;
  } catch (cause) {
    const { code, stderr } = cause as { readonly code?: number; readonly stderr?: string };
    const what = `euicc-agent ${args.slice(0, 2).join(' ')}, exit code ${String(code)}: ${firstLine(stderr ?? '')}`;
    throw new AgentError('CLOSED', { what }, { cause });
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

/** The agent runs with a network: it takes the signed result from the card to the MNO, and off the card then. */
async function deliveredOverNetwork(stage: Stage, configFile: string): Promise<boolean> {
  const { clock, folder, progress, signal } = stage;
  let isDelivered = false;
  const running = startAgent({
    configFile,
    logFile: join(folder, 'agent.log'),
    clock,
    onLine: ({ msg, outcome }) => {
      if (msg === 'notification' && outcome === 'done') isDelivered = true;
    },
  });
  try {
    for (const end = clock.now() + DELIVERY_MS; !isDelivered && clock.now() < end; ) {
      await sleep(clock, POLL_MS, { signal });
    }
  } finally {
    await running.stop();
  }
  if (isDelivered) progress.step('agent     started with a network: the signed result is delivered');
  return isDelivered;
}

/** The report as a person reads it. */
export function offlineReportText(report: OfflineReport): string {
  const lines = [
    `EID ${report.eid}`,
    '',
    `bundle        ${report.bundleBytes} octets for profile ${report.iccid} of ${report.mno}`,
    `loaded        ${report.loaded}`,
    ...report.profiles.map((profile, i) => (i === 0 ? 'card' : '').padEnd(14) + profile),
    `secrets seen in the bundle, on the serial line or in MQTT: ${report.secretsSeen}`,
    ...report.problems.map((problem) => `problem: ${problem}`),
    report.ok ? 'ok: card and operator agree' : 'not ok',
  ];
  return lines.join('\n');
}
