import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isAgentError } from './errors.ts';
import { createQueue, type Queue } from './queue.ts';

async function drain<T>(queue: Queue<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

describe('the queue', () => {
  test('hands items out in order, those from before and after the consumer came', async () => {
    const queue = createQueue<number>(10);
    queue.push(1);
    const all = drain(queue);
    queue.push(2);
    await Promise.resolve();
    queue.push(3);
    queue.end();
    assert.deepEqual(await all, [1, 2, 3]);
  });

  test('refuses what goes over its bound and keeps what it has', async () => {
    const queue = createQueue<number>(2);
    queue.push(1);
    queue.push(2);
    assert.throws(
      () => queue.push(3),
      (error) => isAgentError(error, 'QUEUE_FULL'),
    );
    assert.equal(queue.size, 2);
    queue.end();
    assert.deepEqual(await drain(queue), [1, 2]);
  });

  test('hands out what is left before it throws what it was ended with', async () => {
    const queue = createQueue<number>(10);
    queue.push(1);
    queue.end(new Error('line lost'));
    queue.end();
    queue.push(2);
    const seen: number[] = [];
    await assert.rejects(async () => {
      for await (const item of queue) seen.push(item);
    }, /line lost/);
    assert.deepEqual(seen, [1]);
  });

  test('wakes every consumer: each item goes to one, the end to all', async () => {
    const queue = createQueue<number>(10);
    const consumers = [drain(queue), drain(queue), drain(queue)];
    await Promise.resolve();
    for (const item of [1, 2, 3, 4]) {
      queue.push(item);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    queue.end();
    const items = (await Promise.all(consumers)).flat();
    assert.deepEqual(
      items.toSorted((a, b) => a - b),
      [1, 2, 3, 4],
    );
  });

  test('goes on after a consumer that left early', async () => {
    const queue = createQueue<number>(10);
    for (const item of [1, 2, 3]) queue.push(item);
    for await (const item of queue) if (item === 2) break;
    queue.end();
    assert.deepEqual(await drain(queue), [3]);
  });
});
