// The main job as `npm start` runs it: real processes, a real pseudo terminal, a real broker, and an agent that loses its power.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { realClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { latin1, type ModemTrace, parseModemTrace } from '../codec/modem-trace.ts';
import type { AgentLine } from '../lab/agent-process.ts';
import { type MainJobOptions, runMainJob } from '../lab/main-job.ts';
import { MODEM_TRACE } from '../lab/stage.ts';
import type { Report } from '../lab/report.ts';

type Watched = { readonly trace?: (trace: ModemTrace) => void };

async function runJob(change: Partial<MainJobOptions> = {}, { trace: watch }: Watched = {}): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'main-job-'));
  try {
    const report = await runMainJob({
      folder,
      baud: undefined,
      profileBytes: 6000,
      reject: undefined,
      clock: realClock,
      random: systemRandom,
      log: silentLog,
      progress: { step: () => {}, bar: () => {}, end: () => {} },
      signal: AbortSignal.timeout(300_000),
      ...change,
    });
    watch?.(parseModemTrace(new Uint8Array(await readFile(join(folder, MODEM_TRACE)))));
    return report;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function notificationsOf(report: Report): string[] {
  return report.procedures.flatMap(({ notifications }) =>
    notifications.map(({ to, event, verified }) => `${event} to ${to}${verified ? '' : ' not verified'}`),
  );
}

/** What the agent's own trace shows of the secured commands that loaded the card. Fails where it has none of them. */
function loadsShown(traces: readonly ModemTrace[]): readonly string[] {
  const loads: string[] = [];
  for (const { header, entries } of traces.flatMap(({ sessions }) => sessions)) {
    assert.deepEqual(header.redacted, ['secrets']);
    for (const entry of entries) {
      if (entry.is === 'event' || entry.dir === 'in') continue;
      const load = /AT\+CGLA=.*"8[4-7]E2.{6}(.*)"/.exec(latin1(entry.octets))?.[1];
      if (load !== undefined) loads.push(load);
    }
  }
  assert.ok(loads.length > 40, `${loads.length} commands`);
  return loads.filter((load) => !/^0*$/.test(load));
}

const ALL_NOTIFICATIONS = [
  'install to mno-a',
  'enable to mno-a',
  'install to mno-b',
  'disable to mno-a',
  'enable to mno-b',
  'delete to mno-a',
];

describe('the main job', () => {
  test('provisions with MNO A and changes to MNO B; card, EIS and both operators agree, and nothing secret was seen', async () => {
    const trace: ModemTrace[] = [];
    const report = await runJob({}, { trace: (found) => void trace.push(found) });
    assert.deepEqual(report.problems, []);
    assert.equal(report.ok, true);
    assert.equal(report.secretsOnWire, 0);
    assert.deepEqual(loadsShown(trace), []);
    assert.equal(report.profilesBuilt, 2);
    assert.deepEqual(
      report.procedures.map(({ kind, mno, outcome }) => [kind, mno, outcome]),
      [
        ['provisioning', 'mno-a', 'completed'],
        ['mno-change', 'mno-b', 'completed'],
      ],
    );
    assert.deepEqual(notificationsOf(report).toSorted(), ALL_NOTIFICATIONS.toSorted());
    const [, change] = report.procedures;
    assert.equal(report.card.enabledIccid, change?.iccid);
    assert.ok(report.procedures.every(({ profileBytes }) => profileBytes === 6000));
  });

  for (const [secondLayer, before, after] of [
    ['scp03', 0x30, 0x31],
    ['scp80', 0x01, 0x02],
  ] as const) {
    test(`changes the management keys between the procedures, and goes on under the new ones by ${secondLayer}`, async () => {
      const report = await runJob({ secondLayer, rotateKeys: true });
      assert.deepEqual(report.problems, []);
      assert.deepEqual(report.keyRotation, { before: [before], after: [after], scripts: 2 });
      assert.deepEqual(
        report.procedures.map(({ outcome }) => outcome),
        ['completed', 'completed'],
      );
      assert.equal(report.secretsOnWire, 0);
    });
  }

  test('a revoked eUICC is refused by name of the check, and no profile is built', async () => {
    const report = await runJob({ reject: 'revoked' });
    assert.equal(report.ok, false);
    assert.deepEqual(report.problems, []);
    assert.equal(report.profilesBuilt, 0);
    const failed = report.procedures[0]?.verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);
    assert.deepEqual(failed, ['not revoked']);
  });

  test('an agent killed at every big step of both procedures goes on where it was', async () => {
    const killedAt = new Set<string>();
    const killOnce = (line: AgentLine): boolean => {
      if (line.at !== 'agent.state') return false;
      const step = [line['kind'], line.msg, line['why']].join(' ');
      if (killedAt.has(step) || line['kind'] === undefined) return false;
      killedAt.add(step);
      return true;
    };
    let lives = 0;
    const report = await runJob(
      { killAgentAt: killOnce },
      { trace: ({ sessions }) => (lives = sessions.length) },
    );
    assert.equal(lives, killedAt.size + 1, 'each life left a trace that can be read');
    assert.deepEqual(report.problems, []);
    assert.equal(report.ok, true);
    assert.deepEqual(notificationsOf(report).toSorted(), ALL_NOTIFICATIONS.toSorted());
    assert.equal(report.profilesBuilt, 2, 'a download that begins anew builds nothing anew');
    assert.ok(killedAt.size >= 12, [...killedAt].join('; '));
  });
});
