// The port to a line that carries octets both ways, and a pair of such lines in memory.
import { AgentError } from '../base/errors.ts';
import { createQueue, type Queue } from '../base/queue.ts';

/** A line to a modem. After `close`, or when the other end is gone, `read` ends and `write` throws `LINK_CLOSED`. */
export type ByteLink = {
  /** Settles when the octets are on their way; says nothing about their arrival. */
  write(bytes: Uint8Array): Promise<void>;
  /** What arrives, cut anywhere. For one reader. */
  readonly read: AsyncIterable<Uint8Array>;
  readonly closed: Promise<void>;
  close(): Promise<void>;
  /** Changes the line's rate; absent where the line has none. */
  readonly setBaudRate?: (baudRate: number) => Promise<void>;
};

const MAX_UNREAD_CHUNKS = 65_536;

/** Two ends of one line: what is written to one is read from the other. Closing either closes both. */
export function createLinkPair(): readonly [ByteLink, ByteLink] {
  const queues = [createQueue<Uint8Array>(MAX_UNREAD_CHUNKS), createQueue<Uint8Array>(MAX_UNREAD_CHUNKS)];
  let open = true;
  let markClosed: (() => void) | undefined;
  const closed = new Promise<void>((resolve) => (markClosed = resolve));
  const close = (): Promise<void> => {
    open = false;
    for (const queue of queues) queue.end();
    markClosed?.();
    return closed;
  };
  const end = (incoming: Queue<Uint8Array>, outgoing: Queue<Uint8Array>): ByteLink => ({
    async write(bytes) {
      if (!open) throw new AgentError('LINK_CLOSED');
      outgoing.push(Uint8Array.from(bytes));
    },
    read: incoming,
    closed,
    close,
  });
  const [a, b] = queues as [Queue<Uint8Array>, Queue<Uint8Array>];
  return [end(a, b), end(b, a)];
}
