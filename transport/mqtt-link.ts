// MessageLink over MQTT 3.1.1 or 5 (OASIS): one client per connection, reconnection and waiting by our own clock.
import { MqttClient, type IClientOptions, type IPublishPacket } from 'mqtt';
import { sleep, withDeadline, type Clock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { createQueue } from '../base/queue.ts';
import type { Random } from '../base/random.ts';
import { connectBroker, parseBrokerUrl, socketFailure, type BrokerTls } from './broker-socket.ts';
import type { LinkMessage, LinkState, MessageLink } from './message-link.ts';

export type MqttLinkOptions = {
  /** mqtt://host:port or mqtts://host:port. */
  readonly url: string;
  /** Names the session at the broker: the same after a restart, never shared by two programs. */
  readonly clientId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly tls?: BrokerTls;
  /** `auto` (default) asks for 5 and takes 3.1.1 where the broker knows no 5. */
  readonly protocol?: 'auto' | 4 | 5;
  readonly keepaliveSeconds?: number;
  /** From the first octet to the broker's acceptance. */
  readonly connectTimeoutMs?: number;
  /** The first pause between attempts; doubles up to `maxBackoffMs`. */
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
};

/** How long the broker keeps the session of a client that is away. */
const SESSION_EXPIRY_SECONDS = 86_400;
const MAX_PACKET_OCTETS = 262_144;
const RECEIVE_MAXIMUM = 64;
const QUEUE_LIMIT = 1024;
const DEFAULT_TIMEOUT_MS = 30_000;
/** CONNACK 1 of MQTT 3.1.1 and 132 of MQTT 5: the broker does not speak this version. */
const UNSUPPORTED_VERSION = new Set([1, 132]);

/** One accepted connection. `fail` tears it down with a reason; `broken` rejects with that reason and never resolves. */
type Connection = {
  readonly client: MqttClient;
  readonly broken: Promise<never>;
  fail(error: AgentError): void;
};

/** Connects in the background and keeps connecting until `close`. Throws `CONFIG_INVALID` for a URL it cannot use. */
export function openMqttLink(options: MqttLinkOptions): MessageLink {
  const { clock, random, log } = options;
  const address = parseBrokerUrl(options.url);
  const broker = `${address.host}:${address.port}`;
  const stop = new AbortController();
  const listeners = new Set<(state: LinkState) => void>();
  const filters = new Set<string>();
  const inbox = createInbox();
  let state: LinkState = { up: false };
  let connection: Connection | undefined;
  let version: 4 | 5 = options.protocol === 4 ? 4 : 5;

  const enter = (next: LinkState): void => {
    state = next;
    log.write(next.up ? 'info' : 'warn', 'transport.mqtt', next.up ? 'up' : 'down', {
      broker,
      ...(next.up ? { fresh: next.fresh, protocol: version } : { why: next.error?.message }),
    });
    for (const listener of listeners) listener(next);
  };

  const clientOptions = (): IClientOptions => ({
    clientId: options.clientId,
    clean: false,
    protocolId: 'MQTT',
    protocolVersion: version,
    keepalive: options.keepaliveSeconds ?? 60,
    // The deadline is ours, by our clock.
    connectTimeout: 2 ** 31 - 1,
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
    ...(version === 5
      ? {
          properties: {
            sessionExpiryInterval: SESSION_EXPIRY_SECONDS,
            receiveMaximum: RECEIVE_MAXIMUM,
            maximumPacketSize: MAX_PACKET_OCTETS,
          },
        }
      : {}),
  });

  /** One attempt: settles when the connection is accepted, then again (`broken`) when it ends. */
  const connectOnce = async (): Promise<{ connection: Connection; fresh: boolean }> => {
    const socket = connectBroker(address, options.tls ?? {});
    // The socket is a Duplex like the streams that the client makes for itself.
    const client = new MqttClient(() => socket, clientOptions());
    let fail: (error: AgentError) => void = () => {};
    const broken = new Promise<never>((_resolve, reject) => {
      fail = (error) => {
        reject(error);
        socket.destroy();
        client.end(true);
      };
    });
    broken.catch(() => {});
    client.handleMessage = (packet, done) => inbox.take(packet, done);
    client.on('error', (error) => fail(clientFailure(error)));
    client.on('close', () =>
      fail(new AgentError('BROKER_UNREACHABLE', { broker, why: 'the broker closed the connection' })),
    );
    const accepted = new Promise<boolean>((resolve) => {
      client.once('connect', (packet) => resolve(!packet.sessionPresent));
    });
    const timeoutMs = options.connectTimeoutMs ?? 20_000;
    try {
      const fresh = await withDeadline(clock, timeoutMs, 'broker', Promise.race([accepted, broken]), {
        signal: stop.signal,
      });
      return { connection: { client, broken, fail }, fresh };
    } catch (thrown) {
      const error = isAgentError(thrown, 'DEADLINE')
        ? new AgentError(
            'BROKER_UNREACHABLE',
            { broker, why: `no answer within ${timeoutMs} ms` },
            { cause: thrown },
          )
        : clientFailure(errorOf(thrown));
      fail(error);
      throw error;
    }
  };

  const clientFailure = (error: Error): AgentError => {
    if (error instanceof AgentError) return error;
    if ('code' in error && typeof error.code === 'number') {
      return new AgentError(
        'BROKER_REFUSED',
        { broker, why: error.message, reasonCode: error.code },
        { cause: error },
      );
    }
    if (error.message === 'Keepalive timeout') {
      return new AgentError('BROKER_UNREACHABLE', { broker, why: 'no answer to a ping' }, { cause: error });
    }
    return socketFailure(address, error);
  };

  const grant = async (held: Connection, filter: string, wait: WaitFor): Promise<void> => {
    const granted = new Promise<void>((resolve, reject) => {
      held.client.subscribe(filter, { qos: 1 }, (error, grants) => {
        const refused = grants?.some((one) => one.qos >= 128) === true;
        if (error === null && !refused) resolve();
        else
          reject(new AgentError('BROKER_REFUSED', { broker, filter, why: error?.message ?? 'not granted' }));
      });
    });
    await waitOn(held, granted, 'subscribe', wait);
  };

  /** Waits on one connection: its end ends the waiting, and silence beyond the deadline ends the connection (half-open TCP). */
  const waitOn = async <T>(held: Connection, work: Promise<T>, what: string, wait: WaitFor): Promise<T> => {
    work.catch(() => {});
    const timeoutMs = wait.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    try {
      return await withDeadline(clock, timeoutMs, what, Promise.race([work, held.broken]), wait);
    } catch (thrown) {
      if (isAgentError(thrown, 'DEADLINE')) {
        held.fail(
          new AgentError('BROKER_UNREACHABLE', { broker, why: `no acknowledgement within ${timeoutMs} ms` }),
        );
      }
      throw thrown;
    }
  };

  const run = async (): Promise<void> => {
    let attempts = 0;
    while (!stop.signal.aborted) {
      const before = version;
      try {
        const next = await connectOnce();
        attempts = 0;
        connection = next.connection;
        enter({ up: true, fresh: next.fresh });
        // With a kept session the broker still knows the granted filters; asking again costs one packet and also
        // covers those that were added while the line was down.
        for (const filter of filters) void grant(next.connection, filter, {}).catch(noteRefusal);
        await next.connection.broken;
      } catch (thrown) {
        connection = undefined;
        inbox.forget();
        if (stop.signal.aborted) break;
        const error = isAgentError(thrown) ? thrown : clientFailure(errorOf(thrown));
        if (options.protocol !== 4 && options.protocol !== 5) version = otherVersion(version, error);
        // A broker that only dislikes the version is asked for the other one at once, and nothing has failed yet.
        if (before === 5 && version === 4) continue;
        enter({ up: false, error });
      }
      const pause = Math.min(
        options.maxBackoffMs ?? 60_000,
        (options.minBackoffMs ?? 1000) * 2 ** attempts++,
      );
      const jitter = 0.5 + ((random.bytes(1)[0] ?? 0) / 255) * 0.5;
      await sleep(clock, pause * jitter, { signal: stop.signal }).catch(() => {});
    }
  };

  const noteRefusal = (error: unknown): void => {
    log.write('error', 'transport.mqtt', 'filter not granted', { why: errorOf(error).message });
  };

  const notConnected = (): AgentError =>
    (!state.up && state.error) || new AgentError('BROKER_UNREACHABLE', { broker, why: 'not connected yet' });

  const whenUp = (wait: WaitFor): Promise<Connection> => {
    if (connection !== undefined) return Promise.resolve(connection);
    let unwatch = (): void => {};
    const up = new Promise<Connection>((resolve) => {
      const listener = (): void => {
        if (connection !== undefined) resolve(connection);
      };
      listeners.add(listener);
      unwatch = () => void listeners.delete(listener);
    });
    const signal = wait.signal === undefined ? stop.signal : AbortSignal.any([wait.signal, stop.signal]);
    return withDeadline(clock, wait.timeoutMs ?? DEFAULT_TIMEOUT_MS, 'broker', up, { signal }).finally(
      unwatch,
    );
  };

  const running = run();

  return {
    async publish(topic, payload, publishOptions = {}) {
      assertOpen(stop.signal);
      const held = connection;
      if (held === undefined) throw notConnected();
      const { qos = 1, expirySeconds } = publishOptions;
      const properties =
        version === 5 && expirySeconds !== undefined
          ? { properties: { messageExpiryInterval: expirySeconds } }
          : {};
      const taken = new Promise<void>((resolve, reject) => {
        // oxlint-disable-next-line eslint/no-restricted-globals -- the edge to mqtt: a Buffer over the same octets
        const octets = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
        held.client.publish(topic, octets, { qos, ...properties }, (error) => {
          if (error === undefined || error === null) resolve();
          else reject(clientFailure(error));
        });
      });
      await closedMeans(stop.signal, waitOn(held, taken, 'publish', publishOptions));
    },
    async subscribe(filter, subscribeOptions = {}) {
      assertOpen(stop.signal);
      filters.add(filter);
      const started = clock.now();
      const held = await closedMeans(stop.signal, whenUp(subscribeOptions));
      const left = (subscribeOptions.timeoutMs ?? DEFAULT_TIMEOUT_MS) - (clock.now() - started);
      await closedMeans(
        stop.signal,
        grant(held, filter, { ...subscribeOptions, timeoutMs: Math.max(1, left) }),
      );
    },
    messages: inbox.messages,
    watch(listener) {
      listeners.add(listener);
      listener(state);
      return () => void listeners.delete(listener);
    },
    async close() {
      if (!stop.signal.aborted) {
        const held = connection;
        stop.abort();
        inbox.end();
        // A clean DISCONNECT where the broker still takes it, then the end of the connection either way.
        if (held !== undefined) {
          const left = new Promise<void>((resolve) => held.client.end(false, {}, () => resolve()));
          await withDeadline(clock, 1000, 'disconnect', left).catch(() => {});
          held.fail(new AgentError('CLOSED'));
        }
      }
      await running;
    },
  };
}

type WaitFor = { readonly timeoutMs?: number; readonly signal?: AbortSignal };

/** The protocol version to try next: the other one where the broker refused this one for what it is. */
function otherVersion(version: 4 | 5, error: AgentError): 4 | 5 {
  const reasonCode = error.data['reasonCode'];
  if (typeof reasonCode === 'number' && UNSUPPORTED_VERSION.has(reasonCode)) return version === 5 ? 4 : 5;
  return version;
}

function assertOpen(signal: AbortSignal): void {
  if (signal.aborted) throw new AgentError('CLOSED', { what: 'message link' });
}

/** Whatever a call rejects with after `close`, the reason is that the link was closed. */
async function closedMeans<T>(stop: AbortSignal, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    if (stop.aborted) throw new AgentError('CLOSED', { what: 'message link' }, { cause: thrown });
    throw thrown;
  }
}

/** Arrived messages for one reader. At the bound the next packet's acknowledgement is held, which stops the socket. */
function createInbox(): {
  take(packet: IPublishPacket, done: () => void): void;
  forget(): void;
  end(): void;
  readonly messages: AsyncIterable<LinkMessage>;
} {
  const queue = createQueue<LinkMessage>(QUEUE_LIMIT + 1);
  let held: (() => void) | undefined;
  async function* read(): AsyncGenerator<LinkMessage> {
    for await (const message of queue) {
      yield message;
      if (queue.size < QUEUE_LIMIT) {
        held?.();
        held = undefined;
      }
    }
  }
  return {
    take(packet, done) {
      const payload =
        typeof packet.payload === 'string' ? new TextEncoder().encode(packet.payload) : packet.payload;
      queue.push({ topic: packet.topic, payload: Uint8Array.from(payload) });
      if (queue.size < QUEUE_LIMIT) done();
      else held = done;
    },
    forget: () => void (held = undefined),
    end: () => queue.end(),
    messages: read(),
  };
}
