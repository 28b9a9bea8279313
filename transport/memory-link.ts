// A broker in memory for tests and simulations: MessageLinks that can be cut, with sessions kept or lost, on any clock.
import { withDeadline, type Clock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import { createQueue, type Queue } from '../base/queue.ts';
import type { LinkMessage, LinkState, MessageLink } from './message-link.ts';
import { topicMatches } from './topics.ts';

export type MemoryBroker = {
  /** A client of this broker; the same id takes up its session. Connected at once unless the broker is down. */
  link(clientId: string): MessageLink;
  /** Cuts every connection until `start`. `loseSessions` forgets filters and undelivered messages. */
  stop(options?: { readonly loseSessions?: boolean }): void;
  start(): void;
  /** Every message that a client published, in order. */
  readonly published: readonly LinkMessage[];
  /** Sees each delivery first; answers what is delivered instead: nothing, the message, or several. */
  fault: (message: LinkMessage, clientId: string) => readonly LinkMessage[];
};

type Session = {
  readonly filters: Set<string>;
  readonly waiting: LinkMessage[];
  client?: { readonly queue: Queue<LinkMessage>; readonly enter: (state: LinkState) => void };
};

const SESSION_LIMIT = 4096;

export function createMemoryBroker(clock: Clock): MemoryBroker {
  const sessions = new Map<string, Session>();
  const published: LinkMessage[] = [];
  let running = true;
  const unreachable = (): AgentError => new AgentError('BROKER_UNREACHABLE', { broker: 'memory' });

  const broker: MemoryBroker = {
    published,
    fault: (message) => [message],
    stop(options = {}) {
      running = false;
      for (const session of sessions.values()) session.client?.enter({ up: false, error: unreachable() });
      if (options.loseSessions === true) {
        for (const session of sessions.values()) {
          session.filters.clear();
          session.waiting.length = 0;
        }
      }
    },
    start() {
      running = true;
      for (const session of sessions.values()) attach(session);
    },
    link(clientId) {
      const session = sessions.get(clientId) ?? { filters: new Set<string>(), waiting: [] };
      sessions.set(clientId, session);
      return openLink(session);
    },
  };

  const attach = (session: Session): void => {
    if (session.client === undefined) return;
    session.client.enter({ up: true, fresh: session.filters.size === 0 });
    for (const message of session.waiting.splice(0)) session.client.queue.push(message);
  };

  const deliver = (message: LinkMessage): void => {
    for (const [clientId, session] of sessions) {
      if (![...session.filters].some((filter) => topicMatches(filter, message.topic))) continue;
      for (const copy of broker.fault(message, clientId)) {
        if (running && session.client !== undefined) session.client.queue.push(copy);
        else if (session.waiting.length < SESSION_LIMIT) session.waiting.push(copy);
      }
    }
  };

  const openLink = (session: Session): MessageLink => {
    const queue = createQueue<LinkMessage>(SESSION_LIMIT);
    const filters = new Set<string>();
    const listeners = new Set<(state: LinkState) => void>();
    let state: LinkState = { up: false };
    let closed = false;
    const enter = (next: LinkState): void => {
      state = next;
      if (next.up) for (const filter of filters) session.filters.add(filter);
      for (const listener of listeners) listener(next);
    };
    const assertOpen = (): void => {
      if (closed) throw new AgentError('CLOSED', { what: 'message link' });
    };
    const client = { queue, enter };
    session.client?.enter({
      up: false,
      error: new AgentError('BROKER_REFUSED', { why: 'session taken over' }),
    });
    session.client = client;
    if (running) attach(session);

    return {
      async publish(topic, payload) {
        assertOpen();
        await Promise.resolve();
        assertOpen();
        if (!running) throw unreachable();
        const message = { topic, payload: Uint8Array.from(payload) };
        published.push(message);
        deliver(message);
      },
      async subscribe(filter, options = {}) {
        assertOpen();
        filters.add(filter);
        if (!state.up) {
          let unwatch = (): void => {};
          const up = new Promise<void>((resolve, reject) => {
            const listener = (): void => (closed ? reject(new AgentError('CLOSED')) : resolve());
            listeners.add(listener);
            unwatch = () => void listeners.delete(listener);
          });
          await withDeadline(clock, options.timeoutMs ?? 30_000, 'broker', up, options).finally(unwatch);
        }
        assertOpen();
        session.filters.add(filter);
      },
      messages: queue,
      watch(listener) {
        listeners.add(listener);
        listener(state);
        return () => void listeners.delete(listener);
      },
      async close() {
        if (closed) return;
        closed = true;
        enter({ up: false });
        if (session.client === client) delete session.client;
        queue.end();
        await Promise.resolve();
      },
    };
  };
  return broker;
}
