// A modem's line over TCP: a simulated modem, or a serial port behind ser2net or a terminal server in raw mode.
import { connect, type Socket } from 'node:net';
import { type Clock, withDeadline } from '../base/clock.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import type { ByteLink } from './byte-link.ts';

export type TcpAddress = { readonly host: string; readonly port: number };

const MAX_UNREAD_CHUNKS = 65_536;
const CONNECT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/** The address in `tcp://HOST:PORT`, an IPv6 one in brackets; undefined for everything else, like the path of a device. */
export function parseTcpAddress(text: string): TcpAddress | undefined {
  const match = /^tcp:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([^:/[\]]+)):(\d{1,5})\/?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

/** Throws `PORT_MISSING` when nobody listens there, with what to do. */
export async function openTcpLink(
  address: TcpAddress,
  options: { readonly clock: Clock },
): Promise<ByteLink> {
  const { host, port } = address;
  const socket = connect({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  try {
    await withDeadline(options.clock, CONNECT_MS, `tcp://${host}:${port}`, connected);
  } catch (cause) {
    socket.destroy();
    const why = (cause as NodeJS.ErrnoException).code ?? errorOf(cause).message;
    throw new AgentError(
      'PORT_MISSING',
      { path: `tcp://${host}:${port}`, why, do: 'see that the modem or its terminal server listens there' },
      { cause },
    );
  }
  return socketLink(socket);
}

/** A connected socket as a line; both ends use it. */
export function socketLink(socket: Socket): ByteLink {
  const queue = createQueue<Uint8Array>(MAX_UNREAD_CHUNKS);
  let markClosed: (() => void) | undefined;
  const closed = new Promise<void>((resolve) => (markClosed = resolve));
  socket.on('data', (data: Uint8Array) =>
    queue.push(new Uint8Array(data.buffer, data.byteOffset, data.length)),
  );
  // The close that follows says all that counts.
  socket.on('error', () => {});
  socket.once('end', () => socket.end());
  socket.once('close', () => {
    queue.end();
    markClosed?.();
  });
  return {
    async write(bytes) {
      if (socket.destroyed || !socket.writable) throw new AgentError('LINK_CLOSED');
      socket.write(bytes);
    },
    read: queue,
    closed,
    async close() {
      socket.destroy();
      await closed;
    },
  };
}
