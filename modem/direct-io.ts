// Reads and writes of an open serial port on this thread: its descriptor never blocks, and a change of threads costs more than the call.
import { readSync, writeSync } from 'node:fs';

/** What is used of a port as the serialport package's binding for Linux opens it. */
export type PortBinding = {
  readonly fd?: number | null;
  readonly poller?: { once(event: 'readable', listener: (error: Error | null) => void): unknown };
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Promise<{ readonly buffer: Uint8Array; readonly bytesRead: number }>;
  write(buffer: Uint8Array): Promise<void>;
};

/**
 * Lets `port` read when octets are there and write what fits at once. Whatever else happens, a full line or a device that is
 * gone, is left to the port's own ways. A port of another kind stays as it is. Returns `port`.
 */
export function withDirectIo<P extends PortBinding>(port: P): P {
  const { poller } = port;
  if (typeof port.fd !== 'number' || poller === undefined) return port;
  const own = { read: port.read.bind(port), write: port.write.bind(port) };
  const readable = (): Promise<void> =>
    new Promise((resolve, reject) => {
      poller.once('readable', (error) => (error === null ? resolve() : reject(error)));
    });
  port.read = async (buffer, offset, length) => {
    await readable();
    const bytesRead = attempt(port, (fd) => readSync(fd, buffer, offset, length, null));
    return bytesRead > 0 ? { buffer, bytesRead } : own.read(buffer, offset, length);
  };
  port.write = async (buffer) => {
    const written = attempt(port, (fd) => writeSync(fd, buffer));
    if (written < buffer.length) await own.write(buffer.subarray(written));
  };
  return port;
}

/** Octets moved; none where the port is closed, full or faulty, which the caller's next step finds out. */
function attempt({ fd }: PortBinding, move: (fd: number) => number): number {
  if (typeof fd !== 'number') return 0;
  try {
    return move(fd);
  } catch {
    return 0;
  }
}
