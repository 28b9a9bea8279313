import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createVirtualClock, realClock, spinClock, sleep, withDeadline } from './clock.ts';
import { type ErrorCode, isAgentError } from './errors.ts';

const code = (expected: ErrorCode) => (error: unknown) => isAgentError(error, expected);
const never = new Promise<never>(() => {});

describe('the real clock', () => {
  test('waits the whole time when it is longer than a timer of Node can hold', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let ran = 0;
    realClock.schedule(2 ** 31 + 5000, () => ran++);
    realClock.schedule(Number.POSITIVE_INFINITY, () => assert.fail('infinity has passed'));
    t.mock.timers.tick(2 ** 31 - 1);
    t.mock.timers.tick(5000);
    assert.equal(ran, 0);
    t.mock.timers.tick(1);
    assert.equal(ran, 1);
  });

  test('can be cancelled in every part of a long wait', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const cancel = realClock.schedule(2 ** 32, () => assert.fail('cancelled'));
    t.mock.timers.tick(2 ** 31 + 10);
    cancel();
    t.mock.timers.tick(2 ** 33);
  });

  test('takes a time that is past for now', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let ran = 0;
    realClock.schedule(-5, () => ran++);
    t.mock.timers.tick(1);
    assert.equal(ran, 1);
  });
});

describe('the virtual clock', () => {
  test('runs timers in the order of their time, equal times in the order they were set', async () => {
    const clock = createVirtualClock();
    const order: string[] = [];
    for (const [delay, name] of [
      [20, 'c'],
      [10, 'a'],
      [10, 'b'],
      [-3, 'first'],
    ] as const) {
      clock.schedule(delay, () => order.push(`${name}@${clock.now()}`));
    }
    await clock.advance(15);
    assert.deepEqual(order, ['first@0', 'a@10', 'b@10']);
    assert.equal(clock.now(), 15);
    await clock.advance(5);
    assert.deepEqual(order.slice(3), ['c@20']);
  });

  test('tells the wall in whole milliseconds, as the real one does', async () => {
    const clock = createVirtualClock(1000);
    await clock.advance(0.75);
    assert.deepEqual([clock.now(), clock.wall()], [0.75, 1000]);
    assert.ok(Number.isInteger(realClock.wall()));
  });

  test('runs what a timer sets, within the same step', async () => {
    const clock = createVirtualClock(1000);
    const at: number[] = [];
    const again = (): void => {
      at.push(clock.wall());
      if (at.length < 3) clock.schedule(10, again);
    };
    clock.schedule(10, again);
    await clock.advance(100);
    assert.deepEqual(at, [1010, 1020, 1030]);
  });

  test('lets promises come to rest before the next timer', async () => {
    const clock = createVirtualClock();
    const log: string[] = [];
    const chain = async (): Promise<void> => {
      await sleep(clock, 10);
      for (let i = 0; i < 20; i++) await Promise.resolve();
      log.push('chain');
    };
    const done = chain();
    clock.schedule(11, () => log.push('timer'));
    await clock.advance(20);
    await done;
    assert.deepEqual(log, ['chain', 'timer']);
  });

  test('lets no deadline overtake work on files', async () => {
    const clock = createVirtualClock();
    const folder = await mkdtemp(join(tmpdir(), 'clock-'));
    try {
      const write = writeFile(join(folder, 'file'), new Uint8Array(2_000_000), { flush: true });
      await clock.settle(withDeadline(clock, 1000, 'writing', write));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('forgets a timer that is cancelled', async () => {
    const clock = createVirtualClock();
    const cancel = clock.schedule(10, () => assert.fail('cancelled'));
    cancel();
    cancel();
    await clock.advance(20);
  });

  test('settles work by stepping to its timers, and answers what the work does', async () => {
    const clock = createVirtualClock();
    assert.equal(await clock.settle(sleep(clock, 60_000).then(() => 'done')), 'done');
    assert.equal(clock.now(), 60_000);
    await assert.rejects(clock.settle(Promise.reject(new Error('no'))), /no/);
  });

  test('gives up on work that needs more time than it may', async () => {
    const clock = createVirtualClock();
    await assert.rejects(clock.settle(sleep(clock, 11), 10), code('DEADLINE'));
  });
});

describe('waiting', () => {
  test('ends with ABORTED when the signal fires, before as after the start', async () => {
    const clock = createVirtualClock();
    const early = AbortSignal.abort();
    await assert.rejects(sleep(clock, 10, { signal: early }), code('ABORTED'));
    await assert.rejects(withDeadline(clock, 10, 'work', never, { signal: early }), code('ABORTED'));
    const controller = new AbortController();
    const waits = [
      sleep(clock, 10, { signal: controller.signal }),
      withDeadline(clock, 10, 'work', never, { signal: controller.signal }),
    ];
    controller.abort();
    for (const wait of waits) await assert.rejects(wait, code('ABORTED'));
    await clock.advance(20);
  });

  test('ends with DEADLINE, naming who waited, and not before its time', async () => {
    const clock = createVirtualClock();
    const wait = withDeadline(clock, 10, 'the answer', never);
    let ended = false;
    wait.catch(() => (ended = true));
    await clock.advance(9);
    assert.ok(!ended);
    await clock.advance(1);
    await assert.rejects(wait, /the answer/);
    await assert.rejects(wait, code('DEADLINE'));
  });

  test('passes on what the work answers or throws, and leaves no timer and no listener behind', async () => {
    const clock = createVirtualClock();
    const timers = new Set<() => void>();
    const counting = {
      ...clock,
      schedule(delayMs: number, run: () => void) {
        const cancel = clock.schedule(delayMs, run);
        timers.add(cancel);
        return () => {
          timers.delete(cancel);
          cancel();
        };
      },
    };
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    assert.equal(await withDeadline(counting, 10, 'work', Promise.resolve(7), { signal }), 7);
    const broken = Promise.reject(new TypeError('broken'));
    await assert.rejects(withDeadline(counting, 10, 'work', broken, { signal }), TypeError);
    assert.equal(timers.size, 0);
    assert.equal(listeners, 0);
  });
});

test('the spinning clock calls when the time has come, not before, and not when it was cancelled', async () => {
  for (const delayMs of [0, 0.3, 3]) {
    const began = spinClock.now();
    await new Promise<void>((resolve) => void spinClock.schedule(delayMs, resolve));
    assert.ok(spinClock.now() - began >= delayMs, `${delayMs} ms`);
  }
  const called: number[] = [];
  const cancels = [0, 3].map((delayMs) => spinClock.schedule(delayMs, () => called.push(delayMs)));
  for (const cancel of cancels) cancel();
  await new Promise<void>((resolve) => void spinClock.schedule(6, resolve));
  assert.deepEqual(called, []);
});
