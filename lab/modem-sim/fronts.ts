// How terminals reach the simulated modem: a pseudo terminal behind a stable name, or TCP; one after another, the modem lives on.
import { lstat, readlink, symlink, unlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { AgentError, errorOf } from '../../base/errors.ts';
import type { SimModem } from '../../modem/sim/sim-modem.ts';
import { socketLink, type TcpAddress } from '../../modem/tcp-link.ts';
import { openPty, type Pty } from '../pty.ts';

export type Front = {
  /** Where a terminal finds the modem. */
  readonly address: string;
  /** The modem's port went away, or is there again: under another device name, as after re-enumeration. */
  setPresent(present: boolean): void;
  close(): Promise<void>;
};

/**
 * Puts the modem behind a pseudo terminal that the link `name` points to. Throws `FILE_FAILED` where something else than a link
 * has that name: a link is taken over, since a program that was killed leaves its own behind.
 */
export async function openPtyFront(
  name: string,
  clock: Clock,
  modem: () => Pick<SimModem, 'connect'>,
): Promise<Front> {
  let pty: Pty | undefined;
  const linked = async (path: string): Promise<void> => {
    try {
      const there = await lstat(name).catch(() => undefined);
      if (there !== undefined && !there.isSymbolicLink()) {
        throw new AgentError('FILE_FAILED', { file: name, why: 'is there already and is no link' });
      }
      if (there !== undefined) await unlink(name);
      await symlink(path, name);
    } catch (cause) {
      if (cause instanceof AgentError) throw cause;
      throw new AgentError('FILE_FAILED', { file: name, why: errorOf(cause).message }, { cause });
    }
  };
  const remove = async (): Promise<void> => {
    const path = await readlink(name).catch(() => undefined);
    if (path !== undefined && path === pty?.path) await unlink(name).catch(() => {});
  };
  const plug = async (): Promise<void> => {
    const opened = openPty({ clock });
    try {
      await linked(opened.path);
    } catch (error) {
      await opened.link.close();
      throw error;
    }
    pty = opened;
    modem().connect(opened.link);
  };
  /** One change at a time, in order. */
  let changing: Promise<unknown> = plug();
  await changing;
  return {
    get address() {
      return `${name} (${pty?.path ?? 'away'})`;
    },
    setPresent(present) {
      changing = changing
        .then(async () => {
          if (present) return plug();
          await remove();
          await pty?.link.close();
          return undefined;
        })
        .catch(() => {});
    },
    async close() {
      await changing;
      await remove();
      await pty?.link.close();
    },
  };
}

/** Serves one terminal at a time on TCP; a second one is hung up on. Throws `ADDRESS_FAILED`. */
export async function openTcpFront(
  where: TcpAddress,
  modem: () => Pick<SimModem, 'connect'>,
): Promise<Front> {
  let current: Socket | undefined;
  let present = true;
  const server: Server = createServer({ noDelay: true }, (socket) => {
    if (!present || current !== undefined) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    current = socket;
    socket.once('close', () => {
      if (current === socket) current = undefined;
    });
    modem().connect(socketLink(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where.port, where.host, () => resolve());
  }).catch((cause: unknown) => {
    const why = (cause as NodeJS.ErrnoException).code ?? errorOf(cause).message;
    throw new AgentError('ADDRESS_FAILED', { host: where.host, port: where.port, why }, { cause });
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : where.port;
  return {
    address: `tcp://${where.host}:${port}`,
    setPresent(next) {
      present = next;
      if (!next) current?.destroy();
    },
    async close() {
      current?.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}
