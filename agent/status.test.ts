// `euicc-agent status` in words, from what the state folder holds.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { completeEid, parseIccid } from '../codec/ids.ts';
import { openJournal } from './journal.ts';
import type { LastSwitch } from './last-switch.ts';
import type { State } from './machine.ts';
import { encodeDurable } from './state-codec.ts';
import { journalPath } from './state-folder.ts';
import { readStatus, statusText } from './status.ts';

const OLD = parseIccid('8999901000000000001');
const NEW = parseIccid('8999901000000000019');
const transaction = new Uint8Array(16).fill(1);
const working: State = {
  at: 'working',
  order: { mno: 'mno-a', kind: 'mno-change', transaction },
  command: {
    is: 'script',
    id: new Uint8Array(8),
    eid: completeEid('890490321234512345123456789012'),
    transaction,
    purpose: 'enable',
    iccid: NEW,
    script: Uint8Array.of(0xab, 0x00),
    deadlineMs: 60_000,
  },
  begun: true,
  deadline: Date.UTC(2026, 0, 1),
  ladder: [
    { step: 'refresh', missing: 'card', ms: 30_000 },
    { step: 'radio-cycle', missing: 'card' },
  ],
};

async function statusOf(state: State, lastSwitch?: LastSwitch): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'euicc-status-'));
  try {
    const journal = await openJournal(journalPath(folder));
    const record = { state, handled: [], ...(lastSwitch === undefined ? {} : { lastSwitch }) };
    await journal.append(encodeDurable(record));
    await journal.close();
    return statusText(await readStatus(folder)).split('\n');
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a switch under way is told with the steps that it took', async () => {
  const lines = await statusOf(working);
  assert.ok(lines.includes('step        enable, begun on the card'), lines.join('\n'));
  assert.ok(
    lines.includes('ladder      refresh (no card, 30.0 s), radio-cycle (no card, not ended)'),
    lines.join('\n'),
  );
  const back = await statusOf({ ...working, goingBack: true });
  assert.ok(back.includes('switch      going back to the profile that worked'), back.join('\n'));
});

test('the last switch is told with its end, its steps, and what was found after a restart', async () => {
  const last: LastSwitch = {
    mno: 'mno-a',
    transaction,
    outcome: 'done',
    at: Date.UTC(2026, 0, 1),
    iccid: NEW,
    ladder: [{ step: 'restart', missing: 'registration', back: true, ms: 2000, failure: 'no answer' }],
  };
  const lines = await statusOf({ at: 'idle' }, last);
  assert.deepEqual(lines.slice(-2), [
    `last switch done, ${NEW}, with mno-a, 2026-01-01T00:00:00.000Z`,
    'ladder      back: restart (no registration, no answer)',
  ]);
  const kept = await statusOf({ at: 'idle' }, { ...last, checkedAt: Date.UTC(2026, 0, 2) });
  assert.equal(kept.at(-1), 'checked     2026-01-02T00:00:00.000Z, after a restart: still there');
  const reverted = await statusOf({ at: 'idle' }, { ...last, checkedAt: 1, reverted: OLD, told: true });
  assert.equal(reverted.at(-1), `reverted    to ${OLD}; the operator knows`);
});
