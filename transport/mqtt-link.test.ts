import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { Aedes } from 'aedes';
import type { TlsOptions } from 'node:tls';
import { EMPTY } from '../base/bytes.ts';
import { realClock } from '../base/clock.ts';
import type { AgentError } from '../base/errors.ts';
import { Secret, silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { BrokerTls } from './broker-socket.ts';
import type { LinkState, MessageLink } from './message-link.ts';
import { openMqttLink } from './mqtt-link.ts';
import { openTestBroker, type TestBroker } from './testing-broker.ts';
import {
  CLIENT_CERTIFICATE,
  CLIENT_KEY,
  EXPIRED_CERTIFICATE,
  OTHER_CA,
  SERVER_CERTIFICATE,
  SERVER_KEY,
  TEST_CA,
  WRONG_NAME_CERTIFICATE,
} from './testing-tls.ts';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});

type OpenOptions = { tls?: BrokerTls; connectTimeoutMs?: number; clientId?: string };

function open(url: string, options: OpenOptions = {}): MessageLink {
  const link = openMqttLink({
    url,
    clientId: 'test',
    clock: realClock,
    random: systemRandom,
    log: silentLog,
    ...options,
  });
  opened.push(link);
  return link;
}

async function openBroker(tls?: TlsOptions): Promise<TestBroker> {
  const broker = await openTestBroker(() => Aedes.createBroker(), tls);
  opened.push(broker);
  return broker;
}

/** A server that answers the first octets of each connection with `answer`, and then says nothing. */
async function openMuteServer(answer: Uint8Array): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    if (answer.length > 0) socket.once('data', () => socket.write(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push({
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The state after the first attempt: up, or down with a reason. */
function firstState(link: MessageLink): Promise<LinkState> {
  return new Promise((resolve) => {
    link.watch((state) => {
      if (state.up || state.error !== undefined) resolve(state);
    });
  });
}

async function failureOf(url: string, options: OpenOptions = {}): Promise<AgentError> {
  const link = open(url, options);
  const state = await firstState(link);
  assert.ok(!state.up && state.error !== undefined, 'the connection was expected to fail');
  return state.error;
}

const ca = TEST_CA;

test('a URL that names no broker is refused at once', () => {
  for (const url of ['', 'localhost:1883', 'http://localhost', 'mqtt://', 'mqtt://host/path']) {
    assert.throws(() => open(url), { code: 'CONFIG_INVALID' }, url);
  }
});

test('a broker that is not there is BROKER_UNREACHABLE with host and port', async () => {
  const broker = await openTestBroker(() => Aedes.createBroker());
  await broker.close();
  const error = await failureOf(broker.url);
  assert.equal(error.code, 'BROKER_UNREACHABLE');
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${broker.port}, why connection refused`));
});

test('a host name that does not exist is BROKER_UNREACHABLE', async () => {
  const error = await failureOf('mqtt://no-such-host.invalid:1883');
  assert.equal(error.code, 'BROKER_UNREACHABLE');
  assert.match(error.message, /host name/);
});

test('a server that accepts the connection and says nothing is given up at the deadline', async () => {
  const error = await failureOf(await openMuteServer(EMPTY), { connectTimeoutMs: 50 });
  assert.equal(error.code, 'BROKER_UNREACHABLE');
  assert.match(error.message, /no answer within 50 ms/);
});

test('a publish that is never acknowledged ends the connection', async () => {
  // CONNACK of MQTT 5: accepted, no session.
  const link = open(await openMuteServer(Uint8Array.of(0x20, 0x03, 0x00, 0x00, 0x00)));
  assert.deepEqual(await firstState(link), { up: true, fresh: true });
  const down = new Promise<LinkState>((resolve) =>
    link.watch((state) => (state.up ? undefined : resolve(state))),
  );
  await assert.rejects(link.publish('t', Uint8Array.of(1), { timeoutMs: 30 }), { code: 'DEADLINE' });
  const state = await down;
  assert.ok(!state.up && state.error?.code === 'BROKER_UNREACHABLE');
});

test('a broker that refuses the client is BROKER_REFUSED with its reason', async () => {
  // CONNACK of MQTT 5 with reason 0x87.
  const error = await failureOf(await openMuteServer(Uint8Array.of(0x20, 0x03, 0x00, 0x87, 0x00)));
  assert.equal(error.code, 'BROKER_REFUSED');
  assert.match(error.message, /Not authorized/);
});

test('TLS with the right CA connects, also with a client certificate', async () => {
  const broker = await openBroker({
    key: SERVER_KEY,
    cert: SERVER_CERTIFICATE,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const link = open(broker.url, {
    tls: { ca, certificate: CLIENT_CERTIFICATE, privateKey: new Secret(CLIENT_KEY) },
  });
  assert.equal((await firstState(link)).up, true);
  const without = await failureOf(broker.url, { tls: { ca } });
  assert.equal(without.code, 'BROKER_REFUSED');
});

const UNTRUSTED = [
  {
    what: 'another CA',
    cert: SERVER_CERTIFICATE,
    ca: OTHER_CA,
    why: /issuer is not in the configured CA file/,
  },
  {
    what: 'no CA at all',
    cert: SERVER_CERTIFICATE,
    ca: undefined,
    why: /issuer is not in the configured CA file/,
  },
  { what: 'an expired certificate', cert: EXPIRED_CERTIFICATE, ca, why: /it has expired/ },
  { what: 'a certificate for another host', cert: WRONG_NAME_CERTIFICATE, ca, why: /another host name/ },
];
for (const row of UNTRUSTED) {
  test(`TLS with ${row.what} is TLS_UNTRUSTED and says why`, async () => {
    const broker = await openBroker({ key: SERVER_KEY, cert: row.cert });
    const error = await failureOf(broker.url, row.ca === undefined ? {} : { tls: { ca: row.ca } });
    assert.equal(error.code, 'TLS_UNTRUSTED');
    assert.match(error.message, row.why);
  });
}

test('TLS to a port that speaks no TLS, and no TLS to a port that does, are BROKER_UNREACHABLE', async () => {
  const plain = await openBroker();
  const first = await failureOf(`mqtts://127.0.0.1:${plain.port}`, { tls: { ca } });
  assert.equal(first.code, 'BROKER_UNREACHABLE');
  const secure = await openBroker({ key: SERVER_KEY, cert: SERVER_CERTIFICATE });
  const second = await failureOf(`mqtt://127.0.0.1:${secure.port}`);
  assert.equal(second.code, 'BROKER_UNREACHABLE');
});

test('a QoS 1 round trip does not wait for delayed acknowledgements of TCP', async () => {
  const broker = await openBroker();
  const link = open(broker.url);
  await link.subscribe('t');
  const started = realClock.now();
  for (let i = 0; i < 20; i++) await link.publish('t', new Uint8Array(200));
  assert.ok(realClock.now() - started < 20 * 30, `${realClock.now() - started} ms for 20 round trips`);
});

test('a reader that lags behind loses nothing', async () => {
  const broker = await openBroker();
  const link = open(broker.url);
  await link.subscribe('t');
  const count = 2500;
  const writer = open(broker.url, { clientId: 'writer' });
  assert.equal((await firstState(writer)).up, true);
  for (let i = 0; i < count; i += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, k) => writer.publish('t', Uint8Array.of((i + k) & 0xff))),
    );
  }
  let expected = 0;
  for await (const message of link.messages) {
    assert.equal(message.payload[0], expected & 0xff);
    if (++expected === count) break;
  }
  assert.equal(expected, count);
});
