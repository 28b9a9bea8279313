// The modem of a configuration: its port found and locked, and a wrong port told with what is beside it.
import { realpath } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { acquireProcessLock, type ProcessLock } from '../config/process-lock.ts';
import { acquireModemLock } from './card-lock.ts';
import type { ByteLink } from '../modem/byte-link.ts';
import { type Modem, type ModemOptions, openModem } from '../modem/modem.ts';
import { createPortFinder, type PortFinder } from '../modem/port-finder.ts';
import { hasLineRate, listPorts, type PortEntry } from '../modem/port-list.ts';
import { openLink } from '../modem/open-link.ts';

/** Where the modem is, from the configuration or the command line. */
export type ModemAddress = {
  /** A path, a name below /dev/serial, tcp://HOST:PORT, or `auto`. */
  readonly port: string;
  readonly baudRate: number;
  readonly access: 'auto' | 'csim' | 'cgla';
  /** Of several modems, this one. */
  readonly imei?: string | undefined;
  /** What the owner of the device knows of this modem; absent is what the driver finds out. */
  readonly maxCommandData?: number | undefined;
  readonly initialise?: readonly string[] | undefined;
  readonly slotPower?: readonly string[] | undefined;
  readonly vendorReset?: readonly string[] | undefined;
  readonly deadlinesMs?: ModemOptions['deadlinesMs'];
  /** How far the rate may be raised for a while. */
  readonly maxBaudRate?: number | undefined;
};

export type AddressOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly memory?: Pick<ModemOptions, 'remembered' | 'onLearned'>;
  /** Put around every link that is opened. */
  readonly around?: (link: ByteLink) => ByteLink;
  readonly ports?: () => Promise<readonly PortEntry[]>;
  /** Whether the port at this path is a real modem's, whose card has one user on this machine. */
  readonly isPhysical?: (path: string) => boolean;
};

/** Pseudo terminals and addresses lead to simulated modems, or to those of another machine. */
const isDevice = (path: string): boolean => /^\/dev\/(?!pts\/)/.test(path);

/** Opens the modem at `address`. Throws `PORT_*`, `MODEM_OTHER`, or `AT_TIMEOUT` with what was heard and the device's other ports. */
export async function openModemAt(address: ModemAddress, options: AddressOptions): Promise<Modem> {
  const { clock, log } = options;
  const { remembered, onLearned } = options.memory ?? {};
  const finder = createPortFinder({
    selector: address.port,
    ports: options.ports ?? listPorts,
    open: (path) => openLocked(path, address.baudRate, clock),
    clock,
    log,
    ...(address.imei === undefined ? {} : { imei: address.imei }),
  });
  const around = options.around ?? ((link: ByteLink) => link);
  const way = address.access === 'auto' ? {} : { way: address.access };
  const { baudRate, maxBaudRate, maxCommandData, initialise, deadlinesMs } = address;
  const { slotPower, vendorReset } = address;
  try {
    const modem = await openModem({
      openLink: async () => around(await withoutMeaninglessRate(finder)),
      clock,
      log,
      ...(address.imei === undefined ? {} : { imei: address.imei }),
      remembered: (who) => {
        const known = remembered?.(who) ?? {};
        return { ...known, card: { ...known.card, ...way } };
      },
      quirks: {
        ...(initialise === undefined ? {} : { initialise }),
        ...(slotPower === undefined ? {} : { slotPower }),
        ...(vendorReset === undefined ? {} : { vendorReset }),
        ...(maxCommandData === undefined ? {} : { card: { maxCommandData } }),
      },
      ...(deadlinesMs === undefined ? {} : { deadlinesMs }),
      rate: { baudRate, ...(maxBaudRate === undefined ? {} : { maxBaudRate }) },
      ...(onLearned === undefined ? {} : { onLearned }),
    });
    return withCardLock(modem, async () => {
      const path = finder.current?.path ?? address.port;
      return (options.isPhysical ?? isDevice)(await realpath(path).catch(() => path));
    });
  } catch (error) {
    throw await withSiblings(error, finder);
  }
}

/** The modem with the lock of its card taken before the card is opened, and given back at the end. */
function withCardLock(modem: Modem, isPhysical: () => Promise<boolean>): Modem {
  let taking: Promise<ProcessLock | undefined> | undefined;
  const take = async (): Promise<ProcessLock | undefined> =>
    (await isPhysical()) ? acquireModemLock(await modem.imei()) : undefined;
  return {
    ...modem,
    async openCard() {
      taking ??= take().catch((error: unknown) => {
        taking = undefined;
        throw error;
      });
      await taking;
      return modem.openCard();
    },
    async close() {
      await modem.close();
      const lock = await taking?.catch(() => undefined);
      await lock?.release();
    },
  };
}

/** The line to the modem at `address`, locked, with nothing said on it yet. Throws `PORT_*`. */
export async function openLineAt(
  address: ModemAddress,
  options: Pick<AddressOptions, 'clock' | 'log' | 'around'>,
): Promise<ByteLink> {
  const { clock, log, around = (link: ByteLink) => link } = options;
  const finder = createPortFinder({
    selector: address.port,
    ports: listPorts,
    open: (path) => openLocked(path, address.baudRate, clock),
    clock,
    log,
    ...(address.imei === undefined ? {} : { imei: address.imei }),
  });
  return around(await finder.openLink());
}

/** Over USB and PCI a rate is a number without meaning: the link is given without the means to change it. */
async function withoutMeaninglessRate(finder: PortFinder): Promise<ByteLink> {
  const link = await finder.openLink();
  if (finder.current !== undefined && hasLineRate(finder.current)) return link;
  return {
    write: (bytes) => link.write(bytes),
    read: link.read,
    closed: link.closed,
    close: () => link.close(),
  };
}

/** A modem has several ports side by side: who has the wrong one is told of the others. */
async function withSiblings(error: unknown, finder: PortFinder): Promise<unknown> {
  const { current } = finder;
  if (!isAgentError(error, 'AT_TIMEOUT') || current === undefined) return error;
  const others = await finder.siblings();
  return new AgentError(
    'AT_TIMEOUT',
    {
      ...error.data,
      port: current.path,
      ...(others.length === 0
        ? {}
        : { do: `try another port of the same modem: ${others.join(', ')}; or set modem.port to auto` }),
    },
    { cause: error },
  );
}

/** Opens the port for this process alone, also against those of ours that may pass over an exclusive open. */
async function openLocked(path: string, baudRate: number, clock: Clock): Promise<ByteLink> {
  const lock = await lockPort(path);
  try {
    const link = await openLink({ path, baudRate, clock });
    void link.closed.then(() => lock?.release());
    return link;
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

/** Undefined where there is no such path: opening it says so in its own words. */
async function lockPort(path: string): Promise<ProcessLock | undefined> {
  const device = await realpath(path).catch(() => undefined);
  if (device === undefined) return undefined;
  try {
    return await acquireProcessLock(device, 'euicc-agent');
  } catch (error) {
    if (!isAgentError(error, 'STORE_LOCKED')) throw error;
    throw new AgentError('PORT_BUSY', { path, owner: error.data['holder'], do: 'stop it' }, { cause: error });
  }
}
