// Enabling a profile with a modem that needs help: the ladder, the way back, and power cuts on both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock, sleep, type VirtualClock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { createLock } from '../base/lock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { completeEid, completeImei, parseIccid } from '../codec/ids.ts';
import type { DownOf, LadderRecord, UpOf } from '../codec/wire.ts';
import { carryOut } from './carry-out.ts';
import type { CarryOutContext } from './carry-out-context.ts';
import type { Device, LadderStep } from './device.ts';
import { effectOf, type Event, type Order, reduce, type State } from './machine.ts';
import { decodeDurable, encodeDurable } from './state-codec.ts';
import { createTestCard, type TestCard, type TestProfile } from './testing-card.ts';

const eid = completeEid('890490321234512345123456789012');
const imei = completeImei('35824005111111');
const OLD = parseIccid('8999901000000000001');
const NEW = parseIccid('8999901000000000019');
const order: Order = { mno: 'mno-a', kind: 'provisioning', transaction: new Uint8Array(16).fill(1) };
const LADDER: readonly LadderStep[] = ['slot-power', 'radio-cycle', 'restart', 'vendor-reset'];

class Killed extends Error {}

type World = {
  /** The steps after which the modem shows what is enabled on the card; without any it never needs help. */
  readonly shownBy?: readonly LadderStep[];
  /** Whether a network takes a profile, given the steps taken since it was enabled. */
  readonly reaches?: (iccid: string, steps: readonly LadderStep[]) => boolean;
  readonly steps?: readonly LadderStep[];
  /** The process dies here: at the n-th journal write, or at the n-th step, before or after it. */
  readonly dies?: { readonly at: 'write' | 'before step' | 'after step'; readonly n: number };
  readonly deadlineMs?: number;
  /** From the first death on the card cannot be reached before the modem was restarted. */
  readonly cardLost?: boolean;
  readonly rollback?: Uint8Array;
  /** The ISD-R refuses to be selected this often from the first step on. */
  readonly refusals?: number;
};

type End = {
  readonly report: UpOf<'scriptReport'>;
  readonly steps: readonly string[];
  readonly effects: readonly string[];
  readonly enabled: string | undefined;
  readonly lives: number;
  readonly writes: number;
  readonly clock: VirtualClock;
};

/** One command to enable a profile, with its journal, through as many lives of the process as it takes. */
async function enableIn(world: World): Promise<End> {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const profiles: TestProfile[] = [
    { iccid: OLD, profileClass: 'provisioning', address: 'a', enabled: true },
    { iccid: NEW, profileClass: 'operational', address: 'a', enabled: false },
  ];
  const card: TestCard = createTestCard(eid, profiles);
  const enabled = (): string | undefined => profiles.find((profile) => profile.enabled)?.iccid;
  const command: DownOf<'script'> = {
    is: 'script',
    id: new Uint8Array(8).fill(3),
    eid,
    transaction: order.transaction,
    purpose: 'enable',
    iccid: NEW,
    script: card.script('enable', NEW),
    rollback: world.rollback ?? card.script('rollback', OLD),
    deadlineMs: world.deadlineMs ?? 600_000,
  };
  let journal: Uint8Array = encodeDurable({
    state: { at: 'working', order, command, begun: false },
    handled: [],
  });
  let shown = enabled();
  let since: LadderStep[] = [];
  const steps: string[] = [];
  let refusals = world.refusals ?? 0;
  card.onEffect = (_, when) => {
    if (when === 'after') since = [];
  };
  let [writes, lives] = [0, 0];
  const dieAt = (at: NonNullable<World['dies']>['at'], n: number): void => {
    if (lives === 1 && world.dies?.at === at && world.dies.n === n) throw new Killed();
  };
  const live = async (): Promise<Event> => {
    lives++;
    let { state }: { state: State } = decodeDurable(journal);
    const happen = async (event: Event): Promise<void> => {
      writes++;
      dieAt('write', writes);
      state = reduce(state, event);
      journal = encodeDurable({ state, handled: [] });
    };
    const device: Device = {
      imei,
      async card() {
        if (world.cardLost === true && lives > 1 && !since.includes('restart'))
          throw new AgentError('CARD_ACCESS', { why: 'no answer' });
        if (steps.length > 0 && refusals-- > 0) throw new AgentError('CARD_STATUS', { command: 'SELECT' });
        return card.card;
      },
      async readIccid() {
        if (world.shownBy === undefined) shown = enabled();
        return shown === undefined ? undefined : parseIccid(shown);
      },
      registration: async () => ({ stat: (world.reaches?.(enabled() ?? '', since) ?? true) ? 1 : 2 }),
      connect: async () => undefined,
      modem: {
        steps: world.steps ?? LADDER,
        async take(step) {
          dieAt('before step', steps.length + 1);
          steps.push(step);
          since.push(step);
          if (world.shownBy?.includes(step) === true) shown = enabled();
          dieAt('after step', steps.length);
          if (step === 'slot-power') throw new AgentError('AT_ERROR', { command: 'AT+X' });
        },
        hurry: (_, work) => work(),
        onRestart: () => () => {},
      },
    };
    const context: CarryOutContext = {
      eid,
      device,
      cardLock: createLock(),
      clock,
      random: createSeededRandom(1),
      log: silentLog,
      download: () => Promise.reject(new AgentError('INTERNAL')),
      progress: () => {},
      deadlineMs: Number.POSITIVE_INFINITY,
      probe: { device, clock, log: silentLog, brokerRoundTrip: async () => {} },
      begin: (deadline) => happen({ is: 'begun', ...(deadline === undefined ? {} : { deadline }) }),
      climbed: (ladder) => happen({ is: 'climbed', ladder }),
      goBack: () => happen({ is: 'goingBack' }),
    };
    const effect = effectOf(state);
    assert.ok(effect?.is === 'carryOut');
    return carryOut(context, effect, {});
  };
  const whole = async (): Promise<Event> => {
    for (;;) {
      try {
        return await live();
      } catch (error) {
        // What can be mended later is tried again, as the runtime does.
        if (!(error instanceof Killed) && !isAgentError(error, 'CARD_ACCESS')) throw error;
        await sleep(clock, 10_000);
      }
    }
  };
  const event = await clock.settle(whole(), 3 * 3_600_000);
  if (event.is === 'givenUp')
    throw new AgentError('CONFLICT', { what: event.failure?.code, enabled: enabled() });
  assert.ok(event.is === 'answered' && event.message.is === 'scriptReport');
  const { message } = event;
  return { report: message, steps, effects: card.effects, enabled: enabled(), lives, writes, clock };
}

const told = (ladder: readonly LadderRecord[] | undefined): string[] =>
  (ladder ?? []).map(({ step, missing, back, ms, failure }) =>
    [
      ...(back === true ? ['back'] : []),
      step,
      missing,
      ...(ms === undefined ? ['cut short'] : []),
      ...(failure === undefined ? [] : ['failed']),
    ].join(' '),
  );

test('a modem that shows the new profile by itself is left alone', async () => {
  const { report, steps } = await enableIn({});
  assert.deepEqual([report.outcome, steps, report.ladder], ['done', [], undefined]);
});

test('the ladder is climbed until the card shows the profile, and the operator is told of each step', async () => {
  const { report, steps, enabled } = await enableIn({ shownBy: ['restart'] });
  assert.deepEqual(steps, ['slot-power', 'radio-cycle', 'restart']);
  assert.deepEqual(told(report.ladder), [
    'refresh card',
    'slot-power card failed',
    'radio-cycle card',
    'restart card',
  ]);
  assert.deepEqual([report.outcome, enabled], ['done', NEW]);
});

test('each step gets thirty seconds, and less where the operator allows less', async () => {
  const slow = await enableIn({ shownBy: ['vendor-reset'] });
  assert.equal(slow.report.ladder?.[0]?.ms, 30_000);
  const quick = await enableIn({ shownBy: ['vendor-reset'], deadlineMs: 60_000 });
  assert.deepEqual([quick.report.outcome, quick.steps.at(-1)], ['done', 'vendor-reset']);
});

test('a network that refuses a profile which the card shows is met with the radio and a restart only', async () => {
  const { report } = await enableIn({ reaches: (_, steps) => steps.includes('restart') });
  assert.deepEqual(told(report.ladder), [
    'refresh registration',
    'radio-cycle registration',
    'restart registration',
  ]);
  assert.equal(report.outcome, 'done');
});

test('the way back has a ladder of its own, and both are told', async () => {
  const { report, enabled } = await enableIn({
    reaches: (iccid, steps) => iccid === OLD && steps.includes('radio-cycle'),
    steps: ['radio-cycle', 'restart'],
  });
  assert.deepEqual(told(report.ladder), [
    'refresh registration',
    'radio-cycle registration',
    'restart registration',
    'back refresh registration',
    'back radio-cycle registration',
  ]);
  assert.deepEqual([report.outcome, enabled, report.enabledIccid], ['rolled-back', OLD, OLD]);
});

test('a death at any write or step changes nothing in the end, and the step that was cut short is taken again', async () => {
  const worlds: readonly World[] = [
    { shownBy: ['restart'] },
    { reaches: (iccid, steps) => iccid === OLD && steps.includes('restart') },
  ];
  for (const world of worlds) {
    const whole = await enableIn(world);
    const ends = (end: End): unknown[] => [end.report.outcome, end.enabled, end.effects];
    for (const at of ['write', 'before step', 'after step'] as const) {
      const count = at === 'write' ? whole.writes : whole.steps.length;
      for (let n = 1; n <= count; n++) {
        const end = await enableIn({ ...world, dies: { at, n } });
        const name = `${at} ${n}`;
        assert.deepEqual([name, end.lives, ...ends(end)], [name, 2, ...ends(whole)]);
        if (at === 'write') continue;
        const cut = end.report.ladder?.findIndex(({ ms }) => ms === undefined) ?? -1;
        assert.ok(cut > 0, name);
        assert.equal(end.report.ladder?.[cut + 1]?.step, end.report.ladder?.[cut]?.step, name);
      }
    }
  }
});

test('the deadline of the verdict stands across a death: climbing does not lengthen it', async () => {
  const world: World = { reaches: (iccid) => iccid === OLD, deadlineMs: 300_000 };
  const whole = await enableIn(world);
  const cut = await enableIn({ ...world, dies: { at: 'before step', n: 2 } });
  assert.equal(whole.report.outcome, 'rolled-back');
  assert.equal(cut.report.outcome, 'rolled-back');
  assert.ok(cut.clock.now() <= whole.clock.now() + 2_000, `${cut.clock.now()} and ${whole.clock.now()} ms`);
});

test('a card that cannot be reached after a death is no dead end: the ladder is climbed, and the script not played again', async () => {
  const world: World = { shownBy: ['restart'], cardLost: true };
  for (const dies of [
    { at: 'before step', n: 2 },
    { at: 'write', n: 2 },
  ] as const) {
    const end = await enableIn({ ...world, dies });
    assert.deepEqual([end.report.outcome, end.effects, end.enabled], ['done', [`enable ${NEW}`], NEW]);
    assert.ok(end.steps.includes('restart'));
  }
});

test('a way back that cannot be read is refused while the device still has its network', async () => {
  for (const rollback of [Uint8Array.of(0xaa, 0x05), Uint8Array.of(0xaa, 0x03, 0x22, 0x01, 0x80)]) {
    await assert.rejects(enableIn({ rollback }), (error) => {
      assert.ok(isAgentError(error, 'CONFLICT'));
      assert.match(String(error.data['what']), /^(?:TLV|APDU)_/);
      assert.equal(error.data['enabled'], OLD);
      return true;
    });
  }
});

test('a card that refuses its ISD-R for a while on the way back is asked again', async () => {
  const { report, enabled } = await enableIn({
    reaches: (iccid) => iccid === OLD,
    steps: ['radio-cycle'],
    refusals: 3,
  });
  assert.deepEqual([report.outcome, enabled], ['rolled-back', OLD]);
});
