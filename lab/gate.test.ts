import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { listen } from './broker.ts';
import { openGate } from './gate.ts';

/** A peer behind the gate that gives back what it gets. */
async function echoing(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  const port = await listen(server, 0);
  return {
    port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.on('close', () => resolve()));
const answer = (socket: Socket): Promise<string> =>
  new Promise((resolve) =>
    socket.once('data', (bytes: Uint8Array) => resolve(new TextDecoder().decode(bytes))),
  );

test('octets pass while the bearer is up, are cut off with it, and nobody gets through before it is back', async () => {
  const peer = await echoing();
  const gate = await openGate({ target: peer.port });
  const dial = (): Socket => connect(gate.port, '127.0.0.1').on('error', () => {});
  await closed(dial());
  gate.setOpen(true);
  const first = dial();
  first.write('hello');
  assert.equal(await answer(first), 'hello');
  const cut = closed(first);
  gate.setOpen(false);
  await cut;
  await closed(dial());
  gate.setOpen(true);
  const second = dial();
  second.write('again');
  assert.equal(await answer(second), 'again');
  second.destroy();
  await gate.close();
  await peer.close();
});
