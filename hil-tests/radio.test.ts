// The main job on a bad air: coverage that comes and goes all the time cuts the IP path with it, and both procedures still end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upMessages } from '../codec/wire.ts';
import { openMainJobWorld } from './main-job-world.ts';

const PLMNS = ['99970', '99901', '99902'] as const;

test('networks that come and go do not keep the device from its profiles', async () => {
  const world = await openMainJobWorld({ profileBytes: 3_000, sim: { attachRetryMs: 5_000 } });
  const { clock, radio } = world;
  let losses = 0;
  let stopped = false;
  const flap = (n: number): void => {
    if (stopped) return;
    const plmn = PLMNS[n % PLMNS.length] ?? '99970';
    radio.setCoverage(plmn, false);
    losses++;
    clock.schedule(1_500, () => radio.setCoverage(plmn, true));
    clock.schedule(3_000, () => flap(n + 1));
  };
  clock.schedule(200, () => flap(0));
  try {
    for (const kind of ['provisioning', 'mno-change'] as const) {
      const { step, reason } = await world.run(kind);
      assert.equal(step, 'completed', reason);
    }
    assert.ok(losses > 3, `${losses} losses of coverage`);
    stopped = true;
    await clock.advance(120_000);
    const { profiles, freeChannel } = await world.stopAndAsk();
    assert.deepEqual(Object.values(profiles).toSorted(), ['disabled', 'enabled']);
    assert.equal(freeChannel, 1);
  } finally {
    stopped = true;
    await world.close();
  }
});

test('a profile whose network is not on the air is given up, and the device goes back to the one that worked', async () => {
  const world = await openMainJobWorld({ profileBytes: 3_000 });
  try {
    world.radio.setCoverage('99901', false);
    const { step, reason } = await world.run('provisioning');
    assert.equal(step, 'failed', reason);
    await world.clock.advance(600_000);
    const { profiles } = await world.stopAndAsk();
    const enabled = Object.entries(profiles).filter(([, state]) => state === 'enabled');
    assert.equal(enabled.length, 1);
    assert.match(enabled[0]?.[0] ?? '', /^8999900/, 'the bootstrap profile');
  } finally {
    await world.close();
  }
});

test('a modem that ignores its card does not keep the device from going back, nor wait for the profile that it leaves', async () => {
  const world = await openMainJobWorld({ profileBytes: 3_000, sim: { quirks: { proactive: 'ignored' } } });
  const ladders: string[] = [];
  world.tamper((message) => {
    if (!message.topic.endsWith('/up')) return message;
    const said = upMessages.decode(message.payload);
    if (said.is === 'scriptReport' && said.outcome === 'rolled-back')
      ladders.push((said.ladder ?? []).flatMap(({ step, back }) => (back === true ? [step] : [])).join(', '));
    return message;
  });
  try {
    world.radio.setCoverage('99901', false);
    const { step, reason } = await world.run('provisioning');
    assert.equal(step, 'failed', reason);
    assert.deepEqual([...new Set(ladders)], ['refresh, radio-cycle']);
    const { profiles } = await world.stopAndAsk();
    const enabled = Object.entries(profiles).filter(([, state]) => state === 'enabled');
    assert.match(enabled.map(([iccid]) => iccid).join(), /^8999900\d+$/, 'the bootstrap profile');
  } finally {
    await world.close();
  }
});
