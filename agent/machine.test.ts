import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { completeEid, completeImei, parseIccid } from '../codec/ids.ts';
import type { DownMessage, UpMessage } from '../codec/wire.ts';
import type { LastSwitch } from './last-switch.ts';
import { accepts, effectOf, type Event, type Order, reduce, type State } from './machine.ts';
import { decodeDurable, type Durable, encodeDurable } from './state-codec.ts';

const eid = completeEid('890490321234512345123456789012');
const imei = completeImei('35824005111111');
const transaction = new Uint8Array(16).fill(1);
const order: Order = { mno: 'mno-a', kind: 'provisioning', transaction };
const octets = Uint8Array.of(0x30, 0x00);
let counter = 0;
const address = (): { id: Uint8Array; eid: typeof eid; transaction: Uint8Array } => ({
  id: new Uint8Array(8).fill(++counter),
  eid,
  transaction,
});
const request: UpMessage = {
  is: 'activationRequest',
  ...address(),
  kind: 'provisioning',
  imei,
  euiccChallenge: new Uint8Array(16),
  euiccInfo1: octets,
};
const authenticate: DownMessage = {
  is: 'authenticateRequest',
  ...address(),
  serverSigned1: octets,
  serverSignature1: octets,
  euiccCiPKIdToBeUsed: octets,
  serverCertificate: octets,
};
const enable: DownMessage = {
  is: 'script',
  ...address(),
  purpose: 'enable',
  iccid: parseIccid('8999901000000000001'),
  script: octets,
  deadlineMs: 60_000,
};
const completed: DownMessage = { is: 'completed', ...address(), iccid: parseIccid('8999901000000000001') };
const report: UpMessage = {
  is: 'scriptReport',
  ...address(),
  command: enable.id,
  outcome: 'done',
  responseScript: octets,
};

const STORY: readonly Event[] = [
  { is: 'ordered', order },
  { is: 'answered', message: request },
  { is: 'receipted', mno: 'mno-a', of: request.id, refused: false },
  { is: 'commanded', mno: 'mno-a', command: enable },
  { is: 'begun', deadline: 123 },
  { is: 'answered', message: report },
  { is: 'commanded', mno: 'mno-a', command: completed },
];

function states(): State[] {
  const seen: State[] = [{ at: 'idle' }];
  for (const event of STORY) seen.push(reduce(seen.at(-1) ?? { at: 'idle' }, event));
  return seen;
}

describe('agent machine', () => {
  test('goes through a procedure step by step, one effect a state', () => {
    assert.deepEqual(
      states().map((state) => [state.at, effectOf(state)?.is]),
      [
        ['idle', undefined],
        ['requesting', 'makeRequest'],
        ['awaiting', 'deliver'],
        ['awaiting', undefined],
        ['working', 'carryOut'],
        ['working', 'carryOut'],
        ['awaiting', 'deliver'],
        ['idle', undefined],
      ],
    );
  });

  test('an event that comes twice changes nothing the second time', () => {
    let state: State = { at: 'idle' };
    for (const event of STORY) {
      const once = reduce(state, event);
      const twice = reduce(once, event);
      if (event.is === 'begun') assert.deepEqual(twice, once);
      else if (event.is !== 'receipted') assert.equal(twice, once);
      state = once;
    }
  });

  test('takes no command of another operator, of another transaction, or out of turn', () => {
    const [idle, requesting, awaiting] = states();
    assert.ok(idle !== undefined && requesting !== undefined && awaiting !== undefined);
    assert.equal(accepts(awaiting, 'mno-a', authenticate), true);
    assert.equal(accepts(awaiting, 'mno-b', authenticate), false);
    const foreign = { ...authenticate, transaction: new Uint8Array(16).fill(9) };
    assert.equal(accepts(awaiting, 'mno-a', foreign), false);
    assert.equal(accepts(requesting, 'mno-a', authenticate), false);
    assert.equal(accepts(idle, 'mno-a', authenticate), false);
  });

  test('a refusal of the operator ends the procedure, an interruption begins it again under a new transaction', () => {
    const [, , awaiting, , working] = states();
    assert.ok(awaiting !== undefined && working !== undefined);
    assert.deepEqual(reduce(awaiting, { is: 'receipted', mno: 'mno-a', of: request.id, refused: true }), {
      at: 'idle',
    });
    const again = new Uint8Array(16).fill(2);
    assert.deepEqual(reduce(working, { is: 'interrupted', transaction: again }), {
      at: 'requesting',
      order: { mno: 'mno-a', kind: 'provisioning', transaction: again, resumes: transaction, restarts: 1 },
    });
  });

  test('an order that ends while the card holds its session goes by way of the card, whoever ends it', () => {
    const session = new Uint8Array(16).fill(7);
    const open = reduce(
      { at: 'working', order, command: authenticate, begun: false },
      { is: 'answered', message: request, session },
    );
    const refused: DownMessage = { is: 'refused', ...address(), reason: 'no' };
    const trigger: DownMessage = {
      is: 'trigger',
      ...address(),
      transaction: new Uint8Array(16).fill(8),
      kind: 'mno-change',
    };
    const next: Order = { mno: 'mno-a', kind: 'mno-change', transaction: trigger.transaction };
    const held = { ...order, session };
    assert.deepEqual(reduce(open, { is: 'commanded', mno: 'mno-a', command: refused }), {
      at: 'cancelling',
      order: held,
      reason: 'undefinedReason',
    });
    const superseded = reduce(open, { is: 'commanded', mno: 'mno-a', command: trigger });
    assert.deepEqual(superseded, { at: 'cancelling', order: held, reason: 'postponed', next });
    assert.deepEqual(reduce(superseded, { is: 'cancelled' }), { at: 'requesting', order: next });
    const failure = { is: 'failure', ...address(), code: 'TRANSFER_STOPPED' } as const;
    const working: State = { at: 'working', order: held, command: authenticate, begun: false };
    const leaving = reduce(working, { is: 'givenUp', reason: 'timeout', failure });
    assert.deepEqual(leaving, { at: 'cancelling', order: held, reason: 'timeout', failure });
    assert.deepEqual(reduce(leaving, { is: 'cancelled' }), {
      at: 'awaiting',
      order,
      message: failure,
      delivered: false,
    });
    const told = reduce(leaving, { is: 'cancelled', message: request });
    assert.deepEqual(effectOf(told)?.is, 'deliver');
    assert.deepEqual(reduce(told, { is: 'receipted', mno: 'mno-a', of: request.id, refused: true }), {
      at: 'idle',
    });
    for (const state of [open, superseded, leaving, told]) {
      assert.deepEqual(decodeDurable(encodeDurable({ state, handled: [] })).state, state);
    }
  });

  test('a device that tells an operator of a cancelled session is free for another operator', () => {
    const held = { ...order, session: octets };
    const trigger: DownMessage = { is: 'trigger', ...address(), kind: 'mno-change' };
    const other: Order = { mno: 'mno-b', kind: 'mno-change', transaction: trigger.transaction };
    const cancelling: State = { at: 'cancelling', order: held, reason: 'postponed' };
    assert.equal(accepts(cancelling, 'mno-b', trigger), false);
    const telling: State = { ...cancelling, message: request };
    assert.deepEqual(reduce(telling, { is: 'commanded', mno: 'mno-b', command: trigger }), {
      at: 'requesting',
      order: other,
    });
  });

  test('a record of the version before is read', () => {
    const record = encodeDurable({ state: { at: 'idle' }, handled: [] });
    const before = record.map((octet, i) => (i === record.indexOf(2) ? 1 : octet));
    assert.notDeepEqual(before, record);
    assert.deepEqual(decodeDurable(before).state, { at: 'idle' });
  });

  test('every state comes back from the journal as it was', () => {
    const ladder = [
      { step: 'refresh', missing: 'card', ms: 30_000 },
      { step: 'restart', missing: 'card', back: true, failure: 'no answer' },
    ] as const;
    const climbed = states()
      .map((state) => reduce(reduce(state, { is: 'climbed', ladder }), { is: 'goingBack' }))
      .filter((state) => state.at === 'working' && state.goingBack === true);
    assert.equal(climbed.length, 1, 'only what has begun on the card can be climbed for');
    for (const state of [...states(), ...climbed]) {
      const durable: Durable = { state, handled: [enable.id, completed.id] };
      assert.deepEqual(decodeDurable(encodeDurable(durable)), durable);
      const lastSwitch: LastSwitch = {
        mno: 'mno-a',
        transaction,
        outcome: 'rolled-back',
        at: 1,
        iccid: parseIccid('8999901000000000001'),
        ladder,
        checkedAt: 2,
        reverted: parseIccid('8999901000000000019'),
        told: false,
      };
      assert.deepEqual(decodeDurable(encodeDurable({ ...durable, lastSwitch })), { ...durable, lastSwitch });
    }
  });
});
