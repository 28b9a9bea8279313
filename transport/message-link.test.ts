// One contract for every MessageLink, run on the broker in memory and on MQTT 3.1.1 over a real socket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Aedes } from 'aedes';
import { utf8Bytes } from '../base/bytes.ts';
import { realClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { createMemoryBroker } from './memory-link.ts';
import type { LinkMessage, LinkState, MessageLink } from './message-link.ts';
import { openMqttLink } from './mqtt-link.ts';
import { openTestBroker } from './testing-broker.ts';

type Harness = {
  link(clientId: string): MessageLink;
  stop(options: { loseSessions: boolean }): Promise<void>;
  start(): Promise<void>;
  end(): Promise<void>;
};

async function memoryHarness(): Promise<Harness> {
  const broker = createMemoryBroker(realClock);
  return {
    link: (clientId) => broker.link(clientId),
    stop: async (options) => broker.stop(options),
    start: async () => broker.start(),
    end: async () => {},
  };
}

async function mqttHarness(): Promise<Harness> {
  const broker = await openTestBroker(() => Aedes.createBroker());
  const links: MessageLink[] = [];
  return {
    link(clientId) {
      const link = openMqttLink({
        url: broker.url,
        clientId,
        clock: realClock,
        random: systemRandom,
        log: silentLog,
        minBackoffMs: 10,
        maxBackoffMs: 20,
      });
      links.push(link);
      return link;
    },
    stop: (options) => broker.stop(options),
    start: () => broker.start(),
    async end() {
      await Promise.all(links.map((link) => link.close()));
      await broker.close();
    },
  };
}

async function take(link: MessageLink, count: number): Promise<readonly LinkMessage[]> {
  const taken: LinkMessage[] = [];
  if (count === 0) return taken;
  const iterator = link.messages[Symbol.asyncIterator]();
  while (taken.length < count) {
    const next = await iterator.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}

function until(link: MessageLink, holds: (state: LinkState) => boolean): Promise<LinkState> {
  return new Promise((resolve) => {
    let unwatch = (): void => {};
    unwatch = link.watch((state) => {
      if (!holds(state)) return;
      resolve(state);
      queueMicrotask(() => unwatch());
    });
  });
}

function text(message: LinkMessage): string {
  return `${message.topic}=${new TextDecoder().decode(message.payload)}`;
}

function messageLinkContract(name: string, open: () => Promise<Harness>): void {
  test(`${name}: what one client publishes reaches the subscribers of its topic, in order and unchanged`, async (t) => {
    const harness = await open();
    t.after(() => harness.end());
    const [sender, receiver] = [harness.link('sender'), harness.link('receiver')];
    await receiver.subscribe('a/+/c');
    await until(sender, (state) => state.up);
    await sender.publish('a/x/other', utf8Bytes('no'));
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    await Promise.all([1, 2, 3].map((n) => sender.publish('a/b/c', utf8Bytes(`m${n}`))));
    await sender.publish('a/b/c', all, { qos: 0, expirySeconds: 60 });
    const received = await take(receiver, 4);
    assert.deepEqual(received.slice(0, 3).map(text), ['a/b/c=m1', 'a/b/c=m2', 'a/b/c=m3']);
    assert.deepEqual(received[3]?.payload, all);
    assert.equal(received[3]?.payload.constructor, Uint8Array);
  });

  test(`${name}: asking again for a granted filter is answered again and doubles nothing`, async (t) => {
    const harness = await open();
    t.after(() => harness.end());
    const link = harness.link('one');
    await link.subscribe('t');
    await link.subscribe('t');
    await link.publish('t', utf8Bytes('1'));
    await link.publish('t', utf8Bytes('2'));
    assert.deepEqual((await take(link, 2)).map(text), ['t=1', 't=2']);
  });

  for (const loseSessions of [false, true]) {
    const what = loseSessions ? 'without its sessions' : 'with its sessions';
    test(`${name}: after the broker came back ${what} the filters hold again`, async (t) => {
      const harness = await open();
      t.after(() => harness.end());
      const [sender, receiver] = [harness.link('sender'), harness.link('receiver')];
      await receiver.subscribe('t');
      await until(sender, (state) => state.up);
      await harness.stop({ loseSessions });
      const down = await until(receiver, (state) => !state.up && state.error !== undefined);
      assert.ok(!down.up && down.error?.code === 'BROKER_UNREACHABLE');
      await until(sender, (state) => !state.up && state.error !== undefined);
      await assert.rejects(sender.publish('t', utf8Bytes('lost')), { code: 'BROKER_UNREACHABLE' });
      await harness.start();
      const back = await until(receiver, (state) => state.up);
      assert.deepEqual(back, { up: true, fresh: loseSessions });
      // The grant for the remembered filter is sent before this round trip.
      await receiver.subscribe('t2');
      await until(sender, (state) => state.up);
      await sender.publish('t', utf8Bytes('again'));
      assert.deepEqual((await take(receiver, 1)).map(text), ['t=again']);
    });
  }

  test(`${name}: a filter asked for while the broker is away is granted when it comes, or the wait ends`, async (t) => {
    const harness = await open();
    t.after(() => harness.end());
    const link = harness.link('one');
    await until(link, (state) => state.up);
    await harness.stop({ loseSessions: true });
    await until(link, (state) => !state.up);
    await assert.rejects(link.subscribe('t', { timeoutMs: 5 }), { code: 'DEADLINE' });
    const aborted = new AbortController();
    const waiting = link.subscribe('t', { signal: aborted.signal });
    aborted.abort();
    await assert.rejects(waiting, { code: 'ABORTED' });
    const granted = link.subscribe('t');
    await harness.start();
    await granted;
    await link.publish('t', utf8Bytes('1'));
    assert.deepEqual((await take(link, 1)).map(text), ['t=1']);
  });

  test(`${name}: close ends the messages and every waiting call, and may be called again`, async (t) => {
    const harness = await open();
    t.after(() => harness.end());
    const link = harness.link('one');
    await until(link, (state) => state.up);
    await harness.stop({ loseSessions: false });
    await until(link, (state) => !state.up);
    const waiting = link.subscribe('t');
    const reading = take(link, 1);
    const refused = assert.rejects(waiting, { code: 'CLOSED' });
    await Promise.all([link.close(), link.close()]);
    await refused;
    assert.deepEqual(await reading, []);
    await assert.rejects(link.publish('t', utf8Bytes('x')), { code: 'CLOSED' });
    await assert.rejects(link.subscribe('t'), { code: 'CLOSED' });
    await link.close();
  });
}

messageLinkContract('memory', memoryHarness);
messageLinkContract('mqtt', mqttHarness);
