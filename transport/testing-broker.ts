// Puts a broker (aedes) behind a real socket for tests: it can vanish and come back on its port, with its sessions or without them.
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

export type TestBroker = {
  readonly url: string;
  readonly port: number;
  stop(options?: { readonly loseSessions?: boolean }): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
};

/** What aedes offers. */
export type BrokerEngine = { handle(socket: Socket): unknown; close(done: () => void): void };

/** Listens on a free port of this machine. `create` makes an engine without sessions. */
export async function openTestBroker(
  create: () => Promise<BrokerEngine>,
  tls?: TlsOptions,
): Promise<TestBroker> {
  let broker = await create();
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  const start = async (): Promise<void> => {
    const accept = (socket: Socket): void => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => sockets.delete(socket));
      broker.handle(socket);
    };
    server = tls === undefined ? createTcpServer(accept) : createTlsServer(tls, accept);
    await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  };
  const stop = async (options: { readonly loseSessions?: boolean } = {}): Promise<void> => {
    const closed = new Promise<void>((resolve) =>
      server === undefined ? resolve() : server.close(() => resolve()),
    );
    for (const socket of sockets) socket.destroy();
    await closed;
    server = undefined;
    if (options.loseSessions === true) {
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      broker = await create();
    }
  };
  await start();
  return {
    url: `${tls === undefined ? 'mqtt' : 'mqtts'}://127.0.0.1:${port}`,
    port,
    start,
    stop,
    async close() {
      await stop();
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    },
  };
}
