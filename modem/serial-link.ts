// A serial port as a ByteLink: the only place that knows the serialport package.
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { SerialPort } from 'serialport';
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import type { ByteLink } from './byte-link.ts';
import { withDirectIo } from './direct-io.ts';
import { findPortOwner, suspectPortOwner } from './port-owner.ts';

export type SerialOptions = {
  readonly path: string;
  readonly baudRate: number;
  readonly clock: Clock;
  /** Hardware flow control. */
  readonly rtscts?: boolean;
};

const MAX_UNREAD_CHUNKS = 65_536;
const PRESENCE_CHECK_MS = 500;

/**
 * Opens the port for this program alone (8 data bits, no parity, 1 stop bit). Throws `PORT_MISSING`, `PORT_BUSY` or
 * `PORT_FAILED`, whose data say what to do.
 */
export async function openSerialLink(options: SerialOptions): Promise<ByteLink> {
  const { path } = options;
  await assertUsable(path);
  const port = new SerialPort({
    path,
    baudRate: options.baudRate,
    rtscts: options.rtscts ?? false,
    lock: true,
    // Dropping DTR at close would hang up, or restart, some modems.
    hupcl: false,
    autoOpen: false,
  });
  await new Promise<void>((resolve, reject) => {
    port.open((cause) => {
      if (cause === null || cause === undefined) resolve();
      else reject(cause);
    });
  }).catch(async (cause: unknown) => {
    throw await openError(path, errorOf(cause));
  });
  if (port.port !== undefined) withDirectIo(port.port);

  const queue = createQueue<Uint8Array>(MAX_UNREAD_CHUNKS);
  let open = true;
  let closing: Promise<void> | undefined;
  let stopWatching: (() => void) | undefined;
  let markClosed: (() => void) | undefined;
  const closed = new Promise<void>((resolve) => (markClosed = resolve));
  const end = (error?: Error): void => {
    open = false;
    stopWatching?.();
    queue.end(error);
    markClosed?.();
  };
  port.on('data', (data: Uint8Array) => {
    queue.push(new Uint8Array(data.buffer, data.byteOffset, data.length));
  });
  port.on('error', (cause: Error) => {
    end(new AgentError('PORT_FAILED', { path }, { cause }));
    if (port.isOpen) port.close(() => {});
  });
  // A device that was unplugged or re-enumerated closes its port with an error.
  port.on('close', (cause: Error | null) => {
    end(cause === null ? undefined : new AgentError('LINK_CLOSED', { path }, { cause }));
  });
  stopWatching = await watchDevice(options, (error) => {
    end(error);
    if (port.isOpen) port.close(() => {});
  });
  return {
    async write(bytes) {
      if (!open) throw new AgentError('LINK_CLOSED', { path });
      await new Promise<void>((resolve, reject) => {
        port.write(bytes, undefined, (cause) => {
          if (cause === null || cause === undefined) resolve();
          else reject(new AgentError('LINK_CLOSED', { path }, { cause: errorOf(cause) }));
        });
      });
    },
    read: queue,
    closed,
    close() {
      closing ??= new Promise<void>((resolve) => {
        if (port.isOpen) port.close(() => resolve());
        else resolve();
      }).then(() => end());
      return closing;
    },
    async setBaudRate(baudRate) {
      await new Promise<void>((resolve, reject) => {
        port.update({ baudRate }, (cause) => {
          if (cause === null || cause === undefined) resolve();
          else reject(new AgentError('PORT_FAILED', { path, baudRate }, { cause }));
        });
      });
    },
  };
}

/**
 * Looks whether the device is still the one that was opened: a read from an unplugged one gives nothing for ever instead of
 * failing. The answer ends the watch.
 */
async function watchDevice(options: SerialOptions, onGone: (error: AgentError) => void): Promise<() => void> {
  const { path, clock } = options;
  const opened = await stat(path);
  let stopped = false;
  let cancel: (() => void) | undefined;
  const check = async (): Promise<void> => {
    const now = await stat(path).catch(() => undefined);
    if (stopped) return;
    if (now?.ino === opened.ino && now.rdev === opened.rdev) arm();
    else onGone(new AgentError('LINK_CLOSED', { path, why: 'the device went away' }));
  };
  const arm = (): void => {
    cancel = clock.schedule(PRESENCE_CHECK_MS, () => void check());
  };
  arm();
  return () => {
    stopped = true;
    cancel?.();
  };
}

async function assertUsable(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw accessError(path, errorOf(cause));
  }
  // Pseudo terminals are held open by the program on their other side, and what is no tty by many.
  const device = await realpath(path);
  if (!/^\/dev\/(?:tty|wwan)/.test(device)) return;
  const owner = await findPortOwner(path);
  if (owner !== undefined) throw busy(path, owner);
}

function accessError(path: string, cause: Error & { readonly code?: string }): AgentError {
  if (cause.code === 'EACCES' || cause.code === 'EPERM') {
    return new AgentError(
      'PORT_FAILED',
      { path, why: 'no permission', do: 'add the user to the group that owns it (often dialout)' },
      { cause },
    );
  }
  return new AgentError(
    'PORT_MISSING',
    { path, do: 'check cable and power; `ls -l /dev/serial/by-id` lists what is there' },
    { cause },
  );
}

/** The package reports the system's errors in words only: this is the one place that reads them. */
async function openError(path: string, cause: Error): Promise<AgentError> {
  if (/lock|busy|temporarily unavailable/i.test(cause.message)) {
    return busy(path, (await findPortOwner(path)) ?? (await suspectPortOwner()), cause);
  }
  if (/no such (?:file|device)/i.test(cause.message)) return accessError(path, cause);
  return new AgentError('PORT_FAILED', { path, why: cause.message }, { cause });
}

function busy(path: string, owner: string | undefined, cause?: Error): AgentError {
  return new AgentError(
    'PORT_BUSY',
    {
      path,
      owner: owner ?? 'unknown',
      do:
        owner?.startsWith('ModemManager') === true
          ? 'stop ModemManager, or have it ignore this port'
          : 'stop it',
    },
    { cause },
  );
}
