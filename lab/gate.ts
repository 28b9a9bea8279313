// The device's IP path: a TCP relay that carries octets only while the modem is registered.
import { connect, createServer, type Socket } from 'node:net';
import { listen } from './broker.ts';
import type { Recorder } from './recorder.ts';

export type Gate = {
  /** The TCP port on 127.0.0.1 that stands for the broker as the device sees it. */
  readonly port: number;
  /** Shutting it cuts every connection at once, as losing the bearer does. */
  setOpen(open: boolean): void;
  close(): Promise<void>;
};

/** Relays to `target` on the loopback address. `mqtt-out` is what the device sends. */
export async function openGate(options: {
  readonly target: number;
  readonly recorder?: Recorder;
}): Promise<Gate> {
  let open = false;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };
  const server = createServer({ noDelay: true }, (device) => {
    keep(device);
    if (!open) {
      device.destroy();
      return;
    }
    const broker = connect({ port: options.target, host: '127.0.0.1', noDelay: true });
    keep(broker);
    device.on('data', (bytes) => options.recorder?.record('mqtt-out', bytes));
    broker.on('data', (bytes) => options.recorder?.record('mqtt-in', bytes));
    device.pipe(broker);
    broker.pipe(device);
    device.on('close', () => broker.destroy());
    broker.on('close', () => device.destroy());
  });
  const port = await listen(server, 0);
  return {
    port,
    setOpen(now) {
      open = now;
      if (!now) for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
