// A hand on the wire during the main job: what it changes is refused and named, and nothing of it reaches the card.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Log } from '../base/log.ts';
import type { Channel } from '../transport/topics.ts';
import { parseTopic } from '../transport/topics.ts';
import { openMainJobWorld } from './main-job-world.ts';

/** The world, what it logged, and a hand that flips the last octet of the messages of a channel, as many as `most`. */
async function worldWithHand(t: TestContext, channel: Channel, most: number) {
  const lines: string[] = [];
  const log: Log = {
    write: (_level, at, text, fields) => void lines.push(JSON.stringify([at, text, fields])),
  };
  const world = await openMainJobWorld({ profileBytes: 3_000, log });
  t.after(() => world.close());
  const touched = { count: 0 };
  world.tamper((message) => {
    if (parseTopic(message.topic).channel !== channel || touched.count >= most) return message;
    touched.count++;
    const payload = Uint8Array.from(message.payload);
    const last = payload.length - 1;
    payload[last] = (payload[last] ?? 0) ^ 1;
    return { ...message, payload };
  });
  return { world, lines, touched };
}

test('a changed block is dropped by its digest and asked for again, and the profile is installed once', async (t) => {
  const { world, lines, touched } = await worldWithHand(t, 'block', 2);
  const { step, reason } = await world.run('provisioning');
  assert.equal(step, 'completed', reason);
  assert.equal(touched.count, 2);
  assert.ok(
    lines.some((line) => /block dropped/.test(line)),
    lines.join('\n'),
  );
  assert.equal(Object.keys((await world.stopAndAsk()).profiles).length, 2);
});

test('when every block is changed the transfer ends with its name, and the card has what it had', async (t) => {
  const { world, lines, touched } = await worldWithHand(t, 'block', Infinity);
  const { step, reason } = await world.run('provisioning');
  assert.equal(step, 'failed', reason);
  assert.ok(touched.count > 2);
  assert.match(reason ?? '', /TRANSFER_MISMATCH|block/i);
  assert.ok(
    lines.some((line) => /TRANSFER_MISMATCH/.test(line)),
    lines.join('\n'),
  );
  const { profiles } = await world.stopAndAsk();
  assert.deepEqual(Object.values(profiles), ['enabled']);
});

test('a command whose signature was changed is refused by name, and does not happen; sent again whole it does', async (t) => {
  const { world, lines, touched } = await worldWithHand(t, 'down', 3);
  const { step, reason } = await world.run('provisioning');
  assert.equal(step, 'completed', reason);
  assert.equal(touched.count, 3);
  const refused = lines.filter((line) => /agent\.command.*refused/.test(line));
  assert.equal(refused.length, 3, lines.join('\n'));
  for (const line of refused) assert.match(line, /COMMAND_REFUSED|SIGNATURE_INVALID|CBOR_INVALID/);
});

test('when no command arrives as it was signed, nothing happens on the card', async (t) => {
  const { world, lines } = await worldWithHand(t, 'down', Infinity);
  await world.clock.advance(600_000);
  assert.ok(lines.some((line) => /agent\.command.*refused/.test(line)));
  const { profiles, freeChannel } = await world.stopAndAsk();
  assert.deepEqual(Object.values(profiles), ['enabled']);
  assert.equal(freeChannel, 1);
});
