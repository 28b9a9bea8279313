// The traces in hil-tests/traces: those of simulated modems are made here, and every one is played to the driver again.
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { getEid, listProfiles, withIsdR } from '../agent/card-operations.ts';
import {
  encodeTraceEntry,
  encodeTraceHeader,
  parseModemTrace,
  type ReadEntry,
  type TraceSession,
} from '../codec/modem-trace.ts';
import { openModem } from '../modem/modem.ts';
import { probeModem } from '../modem/modem-probe.ts';
import { createTraceAnswers, type TraceAnswers } from '../modem/trace-answers.ts';
import { createTraceReplay, type TraceReplay } from '../modem/trace-replay.ts';
import { READ_STEPS } from './hil-reads.ts';
import { type HilTarget, runHil } from './hil-run.ts';
import { openSimTarget, type PersonalityName } from './hil-targets.ts';
import { WRITE_STEPS } from './hil-writes.ts';

/** Modems that differ in their way to the card, in how they spell, and in how they take a switch. */
const RECORDED: readonly PersonalityName[] = [
  'generic',
  'quectel-ec25',
  'quectel-eg25',
  'quectel-bg96',
  'simcom-sim7600',
  'ublox-sara-r4',
  'telit-le910',
  'sierra-mc7455',
  'fibocom-fm350',
  'nordic-nrf9160',
];
/** Those whose runs also change things: the second one loses its port at each change of the profile. */
const CHANGED: readonly PersonalityName[] = ['generic', 'quectel-eg25'];
/** Time for a simulated modem to start and to find its network. */
const START_MS = 20_000;

/** The files of simulated modems, by their names. The same at every call. */
export async function recordedTraces(): Promise<Readonly<Record<string, string>>> {
  const files: Record<string, string> = {};
  for (const name of RECORDED) files[`sim-${name}.jsonl`] = await recordRun(name, false);
  for (const name of CHANGED) files[`sim-${name}-write.jsonl`] = await recordRun(name, true);
  return files;
}

async function recordRun(personality: PersonalityName, write: boolean): Promise<string> {
  const clock = createVirtualClock();
  const target = await openSimTarget({ clock, random: createSeededRandom(1), choice: { personality } });
  await clock.advance(START_MS);
  const profile = write ? await disabledProfile(target, clock) : undefined;
  const started = new Date(clock.wall()).toISOString();
  const { entries } = await clock.settle(
    runHil(target, {
      reads: READ_STEPS,
      writes: write ? WRITE_STEPS : [],
      probe: !write,
      ...(profile === undefined ? {} : { profile }),
    }),
  );
  await clock.settle(target.close());
  const header = encodeTraceHeader({ program: 'hil', port: target.name, started });
  return [header, ...entries.map(encodeTraceEntry), ''].join('\n');
}

async function disabledProfile(target: HilTarget, clock: VirtualClock): Promise<string | undefined> {
  const profiles = await clock.settle(
    target.openModem({ around: (link) => link, memory: {} }).then(async (modem) => {
      const list = await withIsdR(await modem.openCard(), {}, (channel) => listProfiles(channel));
      await modem.close();
      return list;
    }),
  );
  return profiles.find(({ enabled }) => !enabled)?.iccid;
}

/** How a step went when it was recorded, and how it goes now. */
export type Replayed = {
  readonly step: string;
  readonly recorded: string;
  readonly now: string;
  readonly why?: string;
};

/**
 * Plays the sessions of a trace to the driver, which does what was done when it was recorded. Throws `TRACE_INVALID`, also for a
 * recording of something that cannot be done again. `exactly`: throws `TRACE_DIVERGES` where the driver writes otherwise than it did;
 * `answers`: the driver may, what it asks is answered as it was then.
 */
export async function replayTrace(
  content: Uint8Array,
  how: 'exactly' | 'answers' = 'exactly',
): Promise<readonly Replayed[]> {
  const replayed: Replayed[] = [];
  for (const session of parseModemTrace(content).sessions) {
    const clock = createVirtualClock();
    if (how === 'answers') {
      const modem = createTraceAnswers(session.entries, { clock });
      replayed.push(...(await clock.settle(repeat(session, modem, clock), PATIENCE_MS)));
      continue;
    }
    const modem = createTraceReplay(session.entries, { clock, pace: 'recorded' });
    const outcomes = await clock.settle(repeat(session, modem, clock), PATIENCE_MS);
    modem.finish();
    replayed.push(...outcomes);
  }
  return replayed;
}

type Played = Pick<TraceReplay, 'openLink'> & Partial<Pick<TraceAnswers, 'enter'>>;

const PATIENCE_MS = 24 * 3_600_000;

async function repeat(
  { header, entries }: TraceSession,
  replay: Played,
  clock: VirtualClock,
): Promise<readonly Replayed[]> {
  const openLink = () => replay.openLink();
  const tools = { clock, log: silentLog };
  switch (header.program) {
    case 'hil':
      return repeatRun(entries, replay, clock);
    case 'euicc-agent modem probe':
      await probeModem({ link: await openLink(), ...tools });
      return [];
    case 'euicc-agent eid':
    case 'euicc-agent profiles': {
      const modem = await openModem({ openLink, ...tools });
      await withIsdR(await modem.openCard(), {}, async (channel) => {
        if (header.program === 'euicc-agent eid') await getEid(channel);
        else await listProfiles(channel);
      });
      await modem.close();
      return [];
    }
    default: {
      const expected = 'a recording of hil, euicc-agent eid, profiles or modem probe';
      throw new AgentError('TRACE_INVALID', { line: 1, expected, found: header.program });
    }
  }
}

async function repeatRun(
  entries: readonly ReadEntry[],
  replay: Played,
  clock: VirtualClock,
): Promise<readonly Replayed[]> {
  const recorded = new Map<string, string>();
  let profile: string | undefined;
  for (const entry of entries) {
    if (entry.is !== 'event') continue;
    if (entry.event === 'plan') profile = String(entry.data['profile']);
    if (entry.event === 'done') recorded.set(String(entry.data['name']), String(entry.data['outcome']));
  }
  const target: HilTarget = {
    name: 'replay',
    clock,
    openModem: ({ around, memory }) =>
      openModem({ openLink: async () => around(await replay.openLink()), clock, log: silentLog, ...memory }),
    openLine: async (around) => around(await replay.openLink()),
    close: () => Promise.resolve(),
  };
  const { steps } = await runHil(target, {
    reads: READ_STEPS.filter(({ id }) => recorded.has(id)),
    writes: WRITE_STEPS.filter(({ id }) => recorded.has(id)),
    probe: recorded.get('probe') !== 'skipped',
    onEntry(entry) {
      if (entry.is === 'event' && entry.event === 'step') replay.enter?.(String(entry.data['name']));
    },
    ...(profile === undefined ? {} : { profile }),
  });
  return steps.map(({ id, verdict }) => ({
    step: id,
    recorded: recorded.get(id) ?? 'not there',
    now: verdict.is,
    ...(verdict.is === 'passed' ? {} : { why: verdict.why }),
  }));
}
