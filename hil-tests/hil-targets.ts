// Where the modem of a hardware run is: simulated in this process, simulated in a process of its own behind a serial port, or a device.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../base/bytes.ts';
import { type Clock, realClock, sleep, withDeadline } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { type Log, Secret, silentLog } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { acquireCardLock, isPhysicalPort } from '../agent/card-lock.ts';
import { openLineAt, openModemAt } from '../agent/modem-port.ts';
import { completeImei } from '../codec/ids.ts';
import { createNobleEc } from '../crypto/ec-noble.ts';
import { openEuicc } from '../euicc/euicc.ts';
import { manufactureEuicc } from '../euicc/manufacture.ts';
import { type CardStore, openCardStore } from '../euicc/store.ts';
import { type CardFiles, createMemoryFiles, createNodeFiles } from '../euicc/store-files.ts';
import { createBootstrap } from '../lab/bootstrap.ts';
import { createRadioWorld } from '../lab/radio-world.ts';
import { type ByteLink, createLinkPair } from '../modem/byte-link.ts';
import { openModem } from '../modem/modem.ts';
import type { Fault } from '../modem/sim/faults.ts';
import { PERSONALITIES, type Personality } from '../modem/sim/personalities.ts';
import type { SimQuirks } from '../modem/sim/quirks.ts';
import { createSimModem, type SimModem } from '../modem/sim/sim-modem.ts';
import { parseTcpAddress } from '../modem/tcp-link.ts';
import { manufactureOrder } from '../operator/issuer/factory.ts';
import { createCi, createEum } from '../operator/issuer/pki.ts';
import type { HilTarget } from './hil-run.ts';

export type PersonalityName = keyof typeof PERSONALITIES;

export type SimChoice = {
  readonly personality: PersonalityName;
  readonly quirks?: Partial<SimQuirks>;
  readonly faults?: readonly Fault[];
};

const IMEI = completeImei('35824005000001');
/** Home networks of the two profiles on the card: the first is enabled. */
const NETWORKS = ['00101', '00102'] as const;
const CARD = 'card';

/** Makes a card with two profiles, which no management key guards. */
async function makeCard(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  where: { readonly path: string; readonly key: Secret<Uint8Array>; readonly files: CardFiles },
): Promise<CardStore> {
  // First, so that their identities do not depend on what else is made: traces show them.
  const made = NETWORKS.map((plmn) => createBootstrap({ plmn, random }));
  const ec = createNobleEc(random);
  const issuing = { ec, random, at: clock.wall() };
  const ci = createCi(issuing, { organization: 'Test' });
  const eum = createEum(issuing, ci, { organization: 'Test', eidPrefix: '89999999' });
  const euicc = manufactureOrder(issuing, { ci, eum, serial: 1 });
  const store = await openCardStore({ ...where, random });
  await manufactureEuicc({
    store,
    ec,
    personalisation: {
      ...euicc,
      euiccPrivateKey: euicc.euiccKey.privateKey,
      managed: false,
      profiles: made.map(({ upp, iccid }, i) => {
        const profileClass = i === 0 ? ('provisioning' as const) : ('operational' as const);
        const [serviceProviderName, profileName] = [`Network ${i + 1}`, `Profile ${i + 1}`];
        return {
          upp,
          metadata: { iccid, serviceProviderName, profileName, profileClass },
          enabled: i === 0,
        };
      }),
    },
  });
  return store;
}

export type SimTarget = HilTarget & {
  readonly device: SimModem;
  /** The card's memory as it is stored. */
  image(): Promise<Uint8Array>;
};

/** A simulated modem in this process, on whatever clock. */
export async function openSimTarget(options: {
  readonly clock: Clock;
  readonly random: Random;
  readonly choice: SimChoice;
  readonly log?: Log;
}): Promise<SimTarget> {
  const { clock, random, choice, log = silentLog } = options;
  const { identity, quirks }: Personality = PERSONALITIES[choice.personality];
  const files = createMemoryFiles();
  const store = await makeCard(options, { path: CARD, key: new Secret(random.bytes(32)), files });
  const card = await openEuicc({ store, ec: createNobleEc(random), random, log });
  const device = createSimModem({
    card,
    radio: createRadioWorld({
      networks: NETWORKS.map((plmn, i) => ({ plmn, name: `Network ${i + 1}` })),
      clock,
      onBearer: () => {},
    }),
    clock,
    log,
    imei: IMEI,
    identity,
    quirks: { ...quirks, ...choice.quirks },
    faults: choice.faults ?? [],
  });
  const connect = async (around: (link: ByteLink) => ByteLink): Promise<ByteLink> => {
    const [link, peer] = createLinkPair();
    device.connect(peer);
    return around(link);
  };
  return {
    name: `sim ${choice.personality}`,
    clock,
    device,
    image: async () => (await files.read(CARD)) ?? new Uint8Array(0),
    openModem: ({ around, memory }) => openModem({ openLink: () => connect(around), clock, log, ...memory }),
    openLine: connect,
    async close() {
      await device.close();
      await card.close();
    },
  };
}

const START_MS = 30_000;
const PROGRAM = join(import.meta.dirname, '..', 'lab', 'modem-sim', 'main.js');

/** A simulated modem in a process of its own: everything between is as with a device on a serial port. */
export async function openPtyTarget(options: {
  readonly random: Random;
  readonly choice: SimChoice;
  readonly log?: Log;
}): Promise<HilTarget> {
  const { random, choice } = options;
  const folder = await mkdtemp(join(tmpdir(), 'euicc-hil-'));
  const at = (name: string): string => join(folder, name);
  const key = random.bytes(32);
  const store = await makeCard(
    { clock: realClock, random },
    { path: at(CARD), key: new Secret(key), files: createNodeFiles() },
  );
  await store.close();
  await writeFile(at('key'), toHex(key), { mode: 0o600 });
  const networks = NETWORKS.map((plmn, i) => ({ plmn, name: `Network ${i + 1}` }));
  await writeFile(at('radio'), JSON.stringify({ networks }));
  const quirks = Object.entries(choice.quirks ?? {}).flatMap(([name, value]) => [
    '--quirk',
    `${name}=${String(value)}`,
  ]);
  const child = spawn(
    process.execPath,
    [
      PROGRAM,
      '--pty',
      at('modem'),
      '--card',
      at(CARD),
      '--key-file',
      at('key'),
      '--radio',
      at('radio'),
      '--personality',
      choice.personality,
      ...quirks,
    ],
    // A Ctrl-C on the terminal is for the run alone: the modem is needed for putting things back.
    { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
  );
  const exited = once(child, 'exit');
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    process.removeListener('exit', kill);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const started = Promise.race([once(child.stdout, 'data'), exited.then(() => undefined)]);
    const said = await withDeadline(realClock, START_MS, 'euicc-modem-sim', started);
    if (said === undefined) throw new AgentError('PORT_MISSING', { path: at('modem'), why: 'it ended' });
  } catch (error) {
    await close();
    throw error;
  }
  const device = openDeviceTarget({ port: at('modem'), baudRate: 115_200, ...options });
  return { ...device, name: `pty ${choice.personality}`, close };
}

const OURS_MS = 5_000;
const ASK_EVERY_MS = 50;
const PAUSE_MS = 300;

/** A modem on a port of this machine, or behind tcp://HOST:PORT. */
export function openDeviceTarget(options: {
  readonly port: string;
  readonly baudRate: number;
  readonly log?: Log;
}): HilTarget {
  const { port, baudRate, log = silentLog } = options;
  const address = { port, baudRate, access: 'auto' as const };
  const context = { clock: realClock, log };
  let closedAt = Number.NEGATIVE_INFINITY;
  const watched =
    (around: (link: ByteLink) => ByteLink) =>
    (link: ByteLink): ByteLink => {
      void link.closed.then(() => (closedAt = realClock.now()));
      return around(link);
    };
  /** A port that this program has just closed may take a moment until it is free. */
  const onceFree = async <T>(open: () => Promise<T>): Promise<T> => {
    // Terminal servers hang up on a second client, and may not know yet that the first is gone.
    if (parseTcpAddress(port) !== undefined) {
      await sleep(realClock, Math.max(0, closedAt + PAUSE_MS - realClock.now()));
    }
    const endsAt = realClock.now() + OURS_MS;
    for (;;) {
      try {
        return await open();
      } catch (error) {
        const ours =
          isAgentError(error, 'PORT_BUSY') && String(error.data['owner']).includes(String(process.pid));
        if (!ours || realClock.now() >= endsAt) throw error;
        await sleep(realClock, ASK_EVERY_MS);
      }
    }
  };
  return {
    name: port,
    clock: realClock,
    openModem: ({ around, memory }) =>
      onceFree(() => openModemAt(address, { ...context, around: watched(around), memory })),
    openLine: (around) => onceFree(() => openLineAt(address, { ...context, around: watched(around) })),
    async lockCard(eid) {
      if (await isPhysicalPort(port)) return acquireCardLock(eid);
      return { release: () => Promise.resolve() };
    },
    close: () => Promise.resolve(),
  };
}
