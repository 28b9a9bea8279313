// The embedded MQTT broker of the lab, on a loopback port of its own.
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { AgentError } from '../base/errors.ts';
import type { Recorder } from './recorder.ts';

export type Broker = {
  /** The TCP port on 127.0.0.1. */
  readonly port: number;
  close(): Promise<void>;
};

/** Starts the broker; payloads that clients publish go to the recorder. */
export async function openBroker(
  options: { readonly recorder?: Recorder; readonly port?: number } = {},
): Promise<Broker> {
  const aedes = await Aedes.createBroker();
  aedes.on('publish', (packet, client) => {
    if (client === null) return;
    const payload = packet.payload;
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : new Uint8Array(payload);
    options.recorder?.record('mqtt-payload', bytes, packet.topic);
  });
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    aedes.handle(socket);
  });
  const port = await listen(server, options.port ?? 0);
  return {
    port,
    async close() {
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Listens on the loopback address and answers the port. */
export function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string')
        reject(new AgentError('INTERNAL', { why: 'no TCP port' }));
      else resolve(address.port);
    });
  });
}
