// The main job as `npm start` runs it: real processes, a real pseudo terminal, a real broker, and an agent that loses its power.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { realClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { AgentLine } from '../lab/agent-process.ts';
import { type MainJobOptions, runMainJob } from '../lab/main-job.ts';
import type { Report } from '../lab/report.ts';

async function runJob(change: Partial<MainJobOptions> = {}): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'main-job-'));
  try {
    return await runMainJob({
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
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function notificationsOf(report: Report): string[] {
  return report.procedures.flatMap(({ notifications }) =>
    notifications.map(({ to, event, verified }) => `${event} to ${to}${verified ? '' : ' not verified'}`),
  );
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
    const report = await runJob();
    assert.deepEqual(report.problems, []);
    assert.equal(report.ok, true);
    assert.equal(report.secretsOnWire, 0);
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
    const report = await runJob({ killAgentAt: killOnce });
    assert.deepEqual(report.problems, []);
    assert.equal(report.ok, true);
    assert.deepEqual(notificationsOf(report).toSorted(), ALL_NOTIFICATIONS.toSorted());
    assert.equal(report.profilesBuilt, 2, 'a download that begins anew builds nothing anew');
    assert.ok(killedAt.size >= 12, [...killedAt].join('; '));
  });
});
