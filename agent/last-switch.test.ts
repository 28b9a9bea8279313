// What is remembered of a switch that ended, however it ended.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeEid, parseIccid } from '../codec/ids.ts';
import type { UpOf } from '../codec/wire.ts';
import { type LastSwitch, switchEndedBy } from './last-switch.ts';
import type { State } from './machine.ts';

const eid = completeEid('890490321234512345123456789012');
const PROFILE = parseIccid('8999901000000000019');
const OTHER = parseIccid('8999901000000000001');
const transaction = new Uint8Array(16).fill(1);
const before: LastSwitch = { mno: 'mno-a', transaction, outcome: 'done', at: 1, iccid: PROFILE };

function after(
  purpose: 'enable' | 'disable' | 'delete',
  iccid: typeof PROFILE,
  outcome: UpOf<'scriptReport'>['outcome'],
): LastSwitch | undefined {
  const state: State = {
    at: 'working',
    order: { mno: 'mno-b', kind: 'mno-change', transaction },
    begun: true,
    command: {
      is: 'script',
      id: new Uint8Array(8),
      eid,
      transaction,
      purpose,
      iccid,
      script: Uint8Array.of(0xab, 0),
      deadlineMs: 1_000,
    },
  };
  const message: UpOf<'scriptReport'> = {
    is: 'scriptReport',
    id: new Uint8Array(8),
    eid,
    transaction,
    command: new Uint8Array(8),
    outcome,
    responseScript: new Uint8Array(0),
    ...(purpose === 'enable' ? { enabledIccid: iccid } : {}),
  };
  return switchEndedBy(state, { is: 'answered', message }, { wallMs: 5.4, before });
}

test('a switch that ended is the last one, with the profile that it left', () => {
  assert.deepEqual(after('enable', OTHER, 'rolled-back'), {
    mno: 'mno-b',
    transaction,
    outcome: 'rolled-back',
    at: 5,
    iccid: OTHER,
  });
});

test('a profile that an operator disabled or deleted is not missed after the next restart', () => {
  for (const purpose of ['disable', 'delete'] as const) {
    assert.equal(after(purpose, PROFILE, 'done')?.iccid, undefined);
    assert.equal(after(purpose, PROFILE, 'done')?.mno, 'mno-a');
    assert.equal(after(purpose, PROFILE, 'failed'), undefined);
    assert.equal(after(purpose, OTHER, 'done'), undefined);
  }
});
