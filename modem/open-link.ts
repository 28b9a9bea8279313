// The line to a modem by its address: a serial port, or tcp://HOST:PORT.
import type { ByteLink } from './byte-link.ts';
import { openSerialLink, type SerialOptions } from './serial-link.ts';
import { openTcpLink, parseTcpAddress } from './tcp-link.ts';

/** `path` may be an address too, which has no rate. Throws what the opening throws. */
export function openLink(options: SerialOptions): Promise<ByteLink> {
  const address = parseTcpAddress(options.path);
  return address === undefined ? openSerialLink(options) : openTcpLink(address, options);
}
