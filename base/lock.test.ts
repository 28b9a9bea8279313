import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { createVirtualClock, sleep } from './clock.ts';
import { createLock } from './lock.ts';

describe('the lock', () => {
  test('never has two holders, keeps the order of arrival, and outlives failures', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ arrives: fc.nat(20), takes: fc.nat(20), fails: fc.boolean() }), {
          maxLength: 8,
        }),
        async (jobs) => {
          const clock = createVirtualClock();
          const lock = createLock();
          const arrived: number[] = [];
          const served: number[] = [];
          let inside = 0;
          const all = jobs.map(async ({ arrives, takes, fails }, i) => {
            await sleep(clock, arrives);
            arrived.push(i);
            await lock.run(async () => {
              assert.equal(++inside, 1);
              served.push(i);
              await sleep(clock, takes);
              inside--;
              if (fails) throw new Error(`job ${i}`);
            });
          });
          const results = await clock.settle(Promise.allSettled(all));
          assert.deepEqual(served, arrived);
          assert.deepEqual(
            results.map(({ status }) => status === 'rejected'),
            jobs.map(({ fails }) => fails),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  test('hands the answer back, and what is thrown at once as what is rejected', async () => {
    const lock = createLock();
    assert.equal(await lock.run(() => Promise.resolve(5)), 5);
    const thrower = (): Promise<never> => {
      throw new TypeError('at once');
    };
    await assert.rejects(lock.run(thrower), TypeError);
    assert.equal(await lock.run(() => Promise.resolve(6)), 6);
  });

  test('does not start work in the call itself', async () => {
    let started = false;
    const work = createLock().run(() => {
      started = true;
      return Promise.resolve();
    });
    assert.ok(!started);
    await work;
  });
});
