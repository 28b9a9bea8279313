import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentError } from '../base/errors.ts';
import { loadBoundProfilePackage } from '../agent/load-package.ts';
import { finalResultOf } from './rsp-card.ts';
import { boundPackage, managedWorld, onCard } from './smsr-world.ts';

test('on the standard plane the device loads a package itself, in blocks of the size that the way carries', async (t) => {
  for (const [maxData, least] of [
    [255, 20],
    [120, 40],
  ] as const) {
    const world = await managedWorld(t, { managed: false });
    const channel = await world.isdR();
    const { iccid, boundProfilePackage } = await boundPackage(world, 'mno-a', channel);
    const seen: [number, number][] = [];
    const result = await loadBoundProfilePackage(channel, boundProfilePackage, {
      maxData,
      onProgress: (done, total) => seen.push([done, total]),
    });
    assert.equal(finalResultOf(result).is, 'successResult');
    assert.equal((await onCard(world))[iccid], 'disabled');
    assert.ok(seen.length >= least, `${seen.length} commands`);
    assert.deepEqual(seen.at(-1), [seen.length, seen.length]);
  }
});

test('a package that is damaged on the way ends with the result that says so, and nothing is installed', async (t) => {
  const world = await managedWorld(t, { managed: false });
  const channel = await world.isdR();
  const { iccid, boundProfilePackage } = await boundPackage(world, 'mno-a', channel);
  const damaged = Uint8Array.from(boundProfilePackage);
  damaged[damaged.length - 300] = (damaged[damaged.length - 300] ?? 0) ^ 1;
  const result = await loadBoundProfilePackage(channel, damaged, { maxData: 255 });
  assert.equal(finalResultOf(result).is, 'errorResult');
  assert.equal((await onCard(world))[iccid], undefined);
});

test('a card that refuses a block stops the load and says which one it was', async (t) => {
  const world = await managedWorld(t, { managed: true });
  const channel = await world.isdR();
  const { boundProfilePackage } = await boundPackage(world, 'mno-a', channel);
  // A managed card takes profiles under the SM-SR's keys only.
  await assert.rejects(
    loadBoundProfilePackage(channel, boundProfilePackage, { maxData: 255 }),
    (thrown) =>
      isAgentError(thrown, 'CARD_STATUS') && thrown.data['sw'] === '6982' && thrown.data['number'] === 1,
  );
});
