// Which port to open: the one that was named, the same one after it was renumbered, or the one that has the card.
import type { Clock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { attention, pinState, readBinary, serialNumber } from './at-commands.ts';
import { openAtSession } from './at-session.ts';
import type { ByteLink } from './byte-link.ts';
import { listenTo } from './port-ear.ts';
import { isModemPort, isSamePort, type PortEntry, siblingsOf } from './port-list.ts';

/** `auto`: every modem port is asked. Else a path, or a name that udev gives (`usb-Quectel_…-if02-port0`). */
export type PortSelector = string;

export type PortFinderOptions = {
  readonly selector: PortSelector;
  readonly ports: () => Promise<readonly PortEntry[]>;
  /** Throws `PORT_MISSING`, `PORT_BUSY` or `PORT_FAILED`. */
  readonly open: (path: string) => Promise<ByteLink>;
  readonly clock: Clock;
  readonly log: Log;
  /** Of several modems, the one with this IMEI. */
  readonly imei?: string;
};

export type PortFinder = {
  /** Opens the port; later the same port of the same device, whatever it is called then. */
  openLink(): Promise<ByteLink>;
  /** The port that was opened last. */
  readonly current: PortEntry | undefined;
  /** Other ports of the same device, for a person who has the wrong one. */
  siblings(): Promise<readonly string[]>;
};

const AUTO = 'auto';
/** A port that works answers at once; one that does not should not hold up the others. */
const HEAR_MS = 1_000;
const HEAR_ATTEMPTS = 2;
const CARD_MS = 5_000;
const EF_ICCID = 0x2fe2;

export function createPortFinder(options: PortFinderOptions): PortFinder {
  const { selector, log } = options;
  let current: PortEntry | undefined;

  const openEntry = async (entry: PortEntry): Promise<ByteLink> => {
    const link = await options.open(entry.path);
    if (current !== undefined && current.path !== entry.path) {
      log.write('info', 'modem.port', 'the port has another name now', { was: current.path, is: entry.path });
    }
    current = entry;
    return link;
  };
  const openLink = async (): Promise<ByteLink> => {
    const ports = await options.ports();
    const before = current;
    if (before?.usb !== undefined) {
      const again = ports.find((port) => isSamePort(port, before));
      if (again !== undefined) return openEntry(again);
      // Its old name may be another device's by now: without `auto` nothing else is the port that was meant.
      if (selector !== AUTO) throw missing(before.path);
    }
    if (selector === AUTO) return openEntry(await search(options, ports));
    return openEntry(named(selector, ports));
  };
  return {
    openLink,
    get current() {
      return current;
    },
    async siblings() {
      if (current === undefined) return [];
      return siblingsOf(current, await options.ports()).map(({ path }) => path);
    },
  };
}

function named(selector: PortSelector, ports: readonly PortEntry[]): PortEntry {
  const isIt = ({ path, names }: PortEntry): boolean =>
    [path, ...names].some((name) => name === selector || name.endsWith(`/${selector}`));
  const found = ports.find(isIt);
  if (found !== undefined) return found;
  // Pseudo terminals and links of one's own are in no list.
  if (selector.includes('/')) return { path: selector, names: [] };
  throw missing(selector);
}

function missing(path: string): AgentError {
  return new AgentError('PORT_MISSING', {
    path,
    do: 'check cable and power; `ls -l /dev/serial/by-id` lists what is there',
  });
}

/** The first modem port that answers and has the card; of those without one the first that answers. */
async function search(options: PortFinderOptions, ports: readonly PortEntry[]): Promise<PortEntry> {
  const candidates = ports.filter(isModemPort);
  const told: string[] = [];
  let second: PortEntry | undefined;
  for (const port of candidates) {
    const found = await hear(options, port);
    options.log.write('debug', 'modem.port', 'heard', { port: port.path, what: found.what });
    if (found.is === 'card') return port;
    if (found.is === 'modem') second ??= port;
    told.push(`${port.path}: ${found.what}`);
  }
  if (second !== undefined) return second;
  throw new AgentError('PORT_MISSING', {
    path: AUTO,
    heard: told.length === 0 ? 'there is no modem port' : told.join('; '),
    do: 'check cable and power, or name the port in modem.port',
  });
}

type Heard = { readonly is: 'card' | 'modem' | 'nothing'; readonly what: string };

/** Asks a port who it is, and gives it back. Nothing changes on the modem or its card. */
async function hear(options: PortFinderOptions, port: PortEntry): Promise<Heard> {
  const { clock, log } = options;
  let opened: ByteLink;
  try {
    opened = await options.open(port.path);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    const owner = error.data['owner'];
    return { is: 'nothing', what: typeof owner === 'string' ? `held by ${owner}` : error.code };
  }
  const ear = listenTo(opened);
  const session = openAtSession({ link: ear.link, clock, log, deadlinesMs: { probe: HEAR_MS } });
  try {
    await askUntilAnswered(() => session.run(attention, []));
    if (options.imei !== undefined) {
      const imei = await session.run(serialNumber, [], { timeoutMs: CARD_MS });
      if (imei !== options.imei) return { is: 'nothing', what: `the modem with IMEI ${imei}` };
    }
    // Ports without the card answer to AT, and hang or refuse here.
    await tolerant(session.run(pinState, [], { timeoutMs: CARD_MS }));
    await tolerant(session.run(readBinary, [EF_ICCID, 10], { timeoutMs: CARD_MS }));
    return { is: 'card', what: 'a modem with its card' };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    if (error.code === 'AT_TIMEOUT' && error.data['command'] === 'AT')
      return { is: 'nothing', what: ear.heard() };
    return { is: 'modem', what: `answers to AT, and ${error.code} at ${String(error.data['command'])}` };
  } finally {
    await session.close();
  }
}

async function askUntilAnswered(ask: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await ask();
      return;
    } catch (error) {
      if (isAgentError(error, 'AT_ERROR')) return;
      if (!isAgentError(error, 'AT_TIMEOUT')) throw error;
      if (attempt === HEAR_ATTEMPTS) throw new AgentError('AT_TIMEOUT', { command: 'AT' }, { cause: error });
    }
  }
}

async function tolerant(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
  }
}
