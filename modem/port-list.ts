// The serial ports of this machine with what stays the same when they are renumbered: udev's names, the USB device, its interface.
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** The USB device behind a port. What the device does not tell is absent. */
export type UsbPlace = {
  /** `vendor:product` in lower-case hex. */
  readonly device: string;
  readonly serial?: string;
  /** The socket it is in, like `1-1.2`. */
  readonly socket: string;
  /** bInterfaceNumber in hex: which of the ports of the device this is. */
  readonly interface: string;
};

export type PortEntry = {
  /** Like `/dev/ttyUSB2`; another one after every enumeration. */
  readonly path: string;
  /** Names below /dev/serial, which stay. */
  readonly names: readonly string[];
  readonly driver?: string;
  readonly usb?: UsbPlace;
};

/** Where devices and what the kernel tells of them are found. */
export type PortRoots = { readonly dev: string; readonly sys: string };
export const SYSTEM_ROOTS: PortRoots = { dev: '/dev', sys: '/sys' };

const SERIAL = /^(?:ttyUSB|ttyACM|ttyS|ttyAMA|ttyHS|ttymxc|wwan\d+at)\d+$/;
/** Drivers of modems: what they call a port is one. Of a converter nobody knows what is behind it. */
const MODEM_DRIVERS = ['option', 'option1', 'qcserial', 'sierra', 'cdc_acm', 'hso'];
const NAME_FOLDERS = ['by-id', 'by-path'];
/** How far above a port its USB device may be. */
const LEVELS = 6;

/** Every serial port that is there, in the order of device, interface and name. What cannot be read is left out. */
export async function listPorts(roots: PortRoots = SYSTEM_ROOTS): Promise<readonly PortEntry[]> {
  const named = await stableNames(roots);
  const entries = await Promise.all(
    (await namesIn(roots.dev))
      .filter((name) => SERIAL.test(name))
      .map((name) => describe(name, roots, named)),
  );
  return entries.toSorted((a, b) => sortKey(a).localeCompare(sortKey(b), 'en', { numeric: true }));
}

/** Whether the driver is a modem's, so that AT may be said to it unasked. */
export function isModemPort({ path, driver }: PortEntry): boolean {
  return basename(path).startsWith('wwan') || (driver !== undefined && MODEM_DRIVERS.includes(driver));
}

/** Whether octets cross a wire with a rate of its own; over USB and PCI a modem's rate is a number without meaning. */
export function hasLineRate(port: PortEntry): boolean {
  return !isModemPort(port) && /\/tty(?!\/)/.test(port.path);
}

/** Whether two entries are the same port of the same device, whatever their numbers. */
export function isSamePort(a: PortEntry, b: PortEntry): boolean {
  if (a.usb === undefined || b.usb === undefined) return a.usb === b.usb && a.path === b.path;
  if (a.usb.device !== b.usb.device || a.usb.interface !== b.usb.interface) return false;
  // Serial numbers tell devices apart; many modems give all the same one, or none.
  if (a.usb.serial !== b.usb.serial) return false;
  return a.usb.socket === b.usb.socket || a.usb.serial !== undefined;
}

/** The other ports of the device that `port` belongs to. */
export function siblingsOf(port: PortEntry, ports: readonly PortEntry[]): readonly PortEntry[] {
  return ports.filter(
    ({ path, usb }) => usb !== undefined && usb.socket === port.usb?.socket && path !== port.path,
  );
}

async function describe(
  name: string,
  roots: PortRoots,
  named: ReadonlyMap<string, readonly string[]>,
): Promise<PortEntry> {
  const path = join(roots.dev, name);
  const device = join(roots.sys, 'class', name.startsWith('wwan') ? 'wwan' : 'tty', name, 'device');
  const driver = await readlink(join(device, 'driver')).then(
    (target) => basename(target),
    () => undefined,
  );
  const usb = await usbPlace(device);
  return {
    path,
    names: named.get(path) ?? [],
    ...(driver === undefined ? {} : { driver }),
    ...(usb === undefined ? {} : { usb }),
  };
}

async function usbPlace(device: string): Promise<UsbPlace | undefined> {
  let folder = await realpath(device).catch(() => undefined);
  let number: string | undefined;
  for (let level = 0; folder !== undefined && level < LEVELS; level++) {
    number ??= await attribute(folder, 'bInterfaceNumber');
    const vendor = await attribute(folder, 'idVendor');
    if (vendor !== undefined) {
      const serial = await attribute(folder, 'serial');
      return {
        device: `${vendor}:${(await attribute(folder, 'idProduct')) ?? ''}`,
        socket: basename(folder),
        interface: number ?? '',
        ...(serial === undefined || serial === '' ? {} : { serial }),
      };
    }
    folder = dirname(folder);
  }
  return undefined;
}

async function attribute(folder: string, name: string): Promise<string | undefined> {
  return readFile(join(folder, name), 'utf8').then(
    (text) => text.trim().slice(0, 128),
    () => undefined,
  );
}

async function stableNames(roots: PortRoots): Promise<ReadonlyMap<string, readonly string[]>> {
  const named = new Map<string, string[]>();
  for (const folder of NAME_FOLDERS) {
    const at = join(roots.dev, 'serial', folder);
    for (const name of await namesIn(at)) {
      const link = join(at, name);
      const target = await realpath(link).catch(() => undefined);
      if (target !== undefined) named.set(target, [...(named.get(target) ?? []), link]);
    }
  }
  return named;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

function sortKey({ path, usb }: PortEntry): string {
  return `${usb?.socket ?? '~'} ${usb?.interface ?? ''} ${path}`;
}
