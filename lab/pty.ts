// A pseudo terminal: its slave is a real tty that serialport opens, its master a ByteLink for the simulated modem.
import { closeSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import loader from '@lydell/node-pty/requireBinary.js';
import { concat, EMPTY } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import type { ByteLink } from '../modem/byte-link.ts';

export type Pty = {
  /** What a client opens, like `/dev/pts/3`. */
  readonly path: string;
  /** The modem's side. It stays open when clients come and go. */
  readonly link: ByteLink;
};

type PtyBinding = {
  open(
    columns: number,
    rows: number,
  ): { readonly master: number; readonly slave: number; readonly pty: string };
};

const MAX_UNREAD_CHUNKS = 65_536;
const MAX_UNREAD_OCTETS = 1_048_576;

/**
 * Opens a pair. The package's own `open` would read the slave too and take octets from the client, so only its binding is
 * used, and only the master is read. The slave is kept open unread: else the master fails when a client closes.
 */
export function openPty(options: { readonly clock: Clock }): Pty {
  const binding = loader.requireBinary('pty.node') as PtyBinding;
  const { master, slave, pty } = binding.open(80, 24);
  const stream = new ReadStream(master);
  const queue = createQueue<Uint8Array>(MAX_UNREAD_CHUNKS);
  let open = true;
  let markClosed: (() => void) | undefined;
  const closed = new Promise<void>((resolve) => (markClosed = resolve));
  const writer = createWriter(master, options.clock);
  const end = (error?: Error): void => {
    if (!open) return;
    writer.stop();
    open = false;
    queue.end(error);
    closeSync(slave);
    markClosed?.();
  };
  // Raw from the start: a client that opens later would find its first octets echoed by the line discipline.
  stream.setRawMode(true);
  stream.on('data', (data: Uint8Array) => {
    queue.push(new Uint8Array(data.buffer, data.byteOffset, data.length));
  });
  stream.on('error', (cause: unknown) =>
    end(new AgentError('LINK_CLOSED', { path: pty }, { cause: errorOf(cause) })),
  );
  stream.on('close', () => end());
  return {
    path: pty,
    link: {
      async write(bytes) {
        if (!open) throw new AgentError('LINK_CLOSED', { path: pty });
        writer.write(bytes);
      },
      read: queue,
      closed,
      async close() {
        stream.destroy();
        end();
        await closed;
      },
    },
  };
}

/** Writes without ever blocking the loop, which the stream of a master would: the client may live in this process. */
function createWriter(master: number, clock: Clock): { write(bytes: Uint8Array): void; stop(): void } {
  let waiting = EMPTY;
  let cancelRetry: (() => void) | undefined;
  let pauseMs = 1;
  const flush = (): void => {
    cancelRetry = undefined;
    try {
      while (waiting.length > 0) {
        waiting = waiting.subarray(writeSync(master, waiting));
        pauseMs = 1;
      }
    } catch (cause) {
      if ((cause as { code?: string }).code !== 'EAGAIN') {
        waiting = EMPTY; // the terminal is gone; the stream tells
        return;
      }
      cancelRetry = clock.schedule(pauseMs, flush);
      pauseMs = Math.min(2 * pauseMs, 50);
    }
  };
  return {
    write(bytes) {
      // Without a reader the terminal fills up. Like a UART without flow control, it then loses what comes.
      if (waiting.length + bytes.length > MAX_UNREAD_OCTETS) return;
      waiting = waiting.length === 0 ? bytes : concat(waiting, bytes);
      if (cancelRetry === undefined) flush();
    },
    stop: () => cancelRetry?.(),
  };
}
