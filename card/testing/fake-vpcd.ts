// A virtual reader for tests that speaks as vsmartcard's vpcd does: it listens, takes one card, and asks it.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { concat, EMPTY } from '../../base/bytes.ts';
import type { CardSlot } from '../../codec/card.ts';
import { VPCD_CONTROL, vpcdFrame } from '../vpcd-frames.ts';

export type FakeReader = {
  readonly port: number;
  /** Waits for the card to connect. */
  connection(): Promise<ReaderConnection>;
  close(): Promise<void>;
};

/** A connected card. `send` does not wait for an answer. */
export type ReaderConnection = CardSlot & {
  readonly socket: Socket;
  send(octets: Uint8Array): void;
  answer(): Promise<Uint8Array>;
};

export async function startFakeReader(t: TestContext, port = 0): Promise<FakeReader> {
  const waiting: Socket[] = [];
  let wake = (): void => {};
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => open.delete(socket));
    waiting.push(socket);
    wake();
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  t.after(close);
  return {
    port: (server.address() as AddressInfo).port,
    close,
    async connection() {
      for (;;) {
        const socket = waiting.shift();
        if (socket !== undefined) return readerConnection(socket);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

/** The reader's end of a connection. */
export function readerConnection(socket: Socket): ReaderConnection {
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let held: Uint8Array = EMPTY;
  const answer = async (): Promise<Uint8Array> => {
    for (;;) {
      const end = 2 + (held[0] ?? 0) * 256 + (held[1] ?? 0);
      if (held.length >= 2 && held.length >= end) {
        const message = held.slice(2, end);
        held = held.slice(end);
        return message;
      }
      const chunk = await chunks.next();
      if (chunk.done === true) throw new Error('the card closed the connection');
      held = concat(held, chunk.value);
    }
  };
  const send = (octets: Uint8Array): void => void socket.write(octets);
  const control = (octet: number): void => send(vpcdFrame(Uint8Array.of(octet)));
  return {
    socket,
    send,
    answer,
    async reset() {
      control(VPCD_CONTROL.on);
      control(VPCD_CONTROL.atr);
      return answer();
    },
    async transmit(command) {
      send(vpcdFrame(command));
      return answer();
    },
    async powerOff() {
      control(VPCD_CONTROL.off);
    },
  };
}
