// The look at the profile after restarts of device and modem, and what the operator hears of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { completeEid, completeImei, parseIccid } from '../codec/ids.ts';
import type { UpMessage } from '../codec/wire.ts';
import type { Device } from './device.ts';
import type { LastSwitch } from './last-switch.ts';
import { createSwitchGuard, type SwitchGuard } from './switch-guard.ts';

const eid = completeEid('890490321234512345123456789012');
const OLD = parseIccid('8999901000000000001');
const NEW = parseIccid('8999901000000000019');
const SWITCHED: LastSwitch = {
  mno: 'mno-a',
  transaction: new Uint8Array(16).fill(1),
  outcome: 'done',
  at: 1,
  iccid: NEW,
};

/** A guard in the journal of one device, with what its modem says and what the operator is told. */
function rig(first: LastSwitch | undefined) {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const sent: UpMessage[] = [];
  const stop = new AbortController();
  const world = {
    last: first,
    iccid: NEW,
    restart: (): void => {},
    reads: 0,
    answers: true,
    full: false,
  };
  const device: Device = {
    imei: completeImei('35824005111111'),
    card: () => Promise.reject(new AgentError('CARD_ACCESS')),
    async readIccid() {
      world.reads++;
      if (world.reads === 1) throw new AgentError('AT_ERROR', { code: 'CME', number: 14 });
      return world.iccid;
    },
    registration: async () => ({ stat: 1 }),
    connect: async () => undefined,
    modem: {
      steps: [],
      take: async () => {},
      hurry: (_, work) => work(),
      onRestart(listener) {
        world.restart = listener;
        return () => {};
      },
    },
  };
  const guard: SwitchGuard = createSwitchGuard({
    eid,
    device,
    clock,
    random: createSeededRandom(1),
    log: silentLog,
    async send(mno, message) {
      sent.push(message);
      if (world.answers) guard.receipted(mno, message.id);
    },
    last: () => world.last,
    async keep(found) {
      if (world.full && found.told === true) throw new AgentError('STATE_FAILED', { why: 'ENOSPC' });
      world.last = found;
    },
  });
  const running = guard.run({ signal: stop.signal });
  return {
    clock,
    sent,
    world,
    end: async (): Promise<void> => {
      stop.abort();
      await running;
    },
  };
}

test('after a restart of the device the profile is looked at again, and the look is written down', async () => {
  const { clock, sent, world, end } = rig(SWITCHED);
  await clock.advance(60_000);
  assert.equal(world.last?.checkedAt, Date.UTC(2026, 0, 1) + 15_000);
  assert.equal(world.last?.reverted, undefined);
  assert.equal(sent.length, 0);
  await end();
});

test('a profile that went back after a restart of the modem is told to the operator until he has it', async () => {
  const { clock, sent, world, end } = rig(SWITCHED);
  await clock.advance(60_000);
  world.iccid = OLD;
  world.answers = false;
  await clock.advance(3_600_000);
  assert.equal(sent.length, 0);
  world.restart();
  await clock.advance(200_000);
  assert.ok(sent.length >= 3, `told ${sent.length} times`);
  assert.deepEqual(
    [
      ...new Set(
        sent.map((message) => (message.is === 'failure' ? `${message.code} ${message.detail}` : message.is)),
      ),
    ],
    [`PROFILE_REVERTED ${OLD} instead of ${NEW} after a restart`],
  );
  assert.deepEqual([world.last?.reverted, world.last?.told], [OLD, false]);
  world.answers = true;
  await clock.advance(120_000);
  assert.equal(world.last?.told, true);
  const before = sent.length;
  world.restart();
  await clock.advance(3_600_000);
  assert.equal(sent.length, before, 'the same news is told once');
  world.iccid = NEW;
  world.restart();
  await clock.advance(60_000);
  assert.deepEqual([world.last?.reverted, world.last?.told], [undefined, undefined]);
  await end();
});

test('what a death left untold is told by the next life', async () => {
  const { clock, sent, end } = rig({ ...SWITCHED, reverted: OLD, told: false });
  await clock.advance(60_000);
  // The look at the start finds the right profile again: then there is nothing left to tell.
  assert.equal(sent.length, 0);
  await end();
  const again = rig({ ...SWITCHED, reverted: OLD, told: false });
  again.world.iccid = OLD;
  await again.clock.advance(60_000);
  assert.equal(again.sent.length, 1);
  await again.end();
});

test('before the first switch, and while another is under way, nothing is asked', async () => {
  const { clock, world, end } = rig(undefined);
  world.restart();
  await clock.advance(600_000);
  assert.equal(world.reads, 0);
  await end();
});

test('a receipt that the disk does not take ends nothing: the operator is told once more', async () => {
  const { clock, sent, world, end } = rig({ ...SWITCHED, reverted: OLD, told: false });
  world.iccid = OLD;
  world.full = true;
  await clock.advance(60_000);
  assert.deepEqual([sent.length, world.last?.told], [1, false]);
  world.full = false;
  await clock.advance(120_000);
  assert.equal(world.last?.told, true);
  await end();
});
