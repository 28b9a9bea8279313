// bench line: installations over a serial line against what the line could carry at best (N = 255, the echo off).
import { AgentError } from '../base/errors.ts';
import { type Clock, createVirtualClock, realClock, spinClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { playScript, retrieveNotifications, withIsdR } from '../agent/card-operations.ts';
import { loadBoundProfilePackage } from '../agent/load-package.ts';
import { encodeCommandApdu, encodeResponseApdu } from '../codec/apdu.ts';
import type { Card, CardChannel } from '../codec/card.ts';
import { completeImei } from '../codec/ids.ts';
import { packetEnvelopes } from '../codec/sms-envelope.ts';
import { boundPackage, type ManagedWorld, managedWorld } from '../hil-tests/smsr-world.ts';
import { finalResultOf } from '../hil-tests/rsp-card.ts';
import { openPty } from '../lab/pty.ts';
import { type ByteLink, createLinkPair } from '../modem/byte-link.ts';
import { openModem } from '../modem/modem.ts';
import { openSerialLink } from '../modem/serial-link.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { SECURE_SPI, type Scp80Target } from '../crypto/scp80-host.ts';
import { openOverTheAir, otaLoadCommands, protectOverTheAir } from '../operator/smsr/second-layer-scp80.ts';
import { atLeast, atMost, type Figure, type Run } from './figure.ts';

const BITS_PER_OCTET = 10;
const FULL = 255;
/** `AT+CSIM=520,"…"` CR with 255 octets of data, and the answer `+CSIM: 4,"9000"` with its OK. */
const FLOOR_OCTETS = { csim: 535 + 25, cgla: 537 + 25 } as const;
const SIXTY_KB = 60_000;
/** A profile whose package is the one that the bar of round trips is about. */
const SMALL = { packageBytes: 12_385, roundTrips: 79, kilobytesOut: 30.7 } as const;

type Way = keyof typeof FLOOR_OCTETS;
type Plane = 'direct' | 'SCP03' | 'SCP80';

type Installation = {
  readonly packageBytes: number;
  readonly apdus: number;
  readonly octetsOut: number;
  readonly octetsIn: number;
  readonly ms: number;
  /** Processor time of this whole process. */
  readonly cpuMs: number;
};

/** What crossed a line, as the terminal saw it. */
type Meter = { out: number; in: number; lines: number };

function metered(link: ByteLink, meter: Meter): ByteLink {
  return {
    ...link,
    write(bytes) {
      meter.out += bytes.length;
      for (const octet of bytes) if (octet === 0x0d) meter.lines++;
      return link.write(bytes);
    },
    read: (async function* () {
      for await (const bytes of link.read) {
        meter.in += bytes.length;
        yield bytes;
      }
    })(),
    close: () => link.close(),
  };
}

/** One card, its modem and a line between modem and driver, for `work`; everything is closed again. */
async function onLine<T>(
  setup: {
    readonly baud: number | undefined;
    readonly way: Way;
    readonly plane: Plane;
    readonly real: boolean;
    readonly profileBytes: number;
  },
  work: (stage: {
    readonly world: ManagedWorld;
    readonly card: Card;
    readonly withChannel: <R>(use: (channel: CardChannel) => Promise<R>) => Promise<R>;
    readonly meter: Meter;
    readonly clock: Clock;
  }) => Promise<T>,
): Promise<T> {
  const { baud, way, plane, real, profileBytes } = setup;
  const closing: (() => unknown)[] = [];
  const world = await managedWorld(
    { after: (close) => void closing.push(() => close?.({} as never, () => {})) },
    { managed: plane !== 'direct', profileBytes, ...(plane === 'SCP80' ? { kvn: OTA_KEYSET } : {}) },
  );
  const virtual = createVirtualClock();
  const clock = real ? realClock : virtual;
  const settle = <R>(job: Promise<R>): Promise<R> => (real ? job : virtual.settle(job, 24 * 3_600_000));
  try {
    const sim = createSimModem({
      card: world.card,
      radio: createTestRadio(),
      clock: real ? spinClock : virtual,
      log: silentLog,
      imei: completeImei('35824005000001'),
      timing: baud === undefined ? { mode: 'none' } : { mode: 'timed', baudRate: baud },
    });
    closing.push(() => settle(sim.close()));
    const meter: Meter = { out: 0, in: 0, lines: 0 };
    const pty = real ? openPty({ clock }) : undefined;
    const openLink = async (): Promise<ByteLink> => {
      if (pty !== undefined) {
        return metered(await openSerialLink({ path: pty.path, baudRate: baud ?? 115_200, clock }), meter);
      }
      const [here, there] = createLinkPair();
      sim.connect(there);
      return metered(here, meter);
    };
    if (pty !== undefined) {
      sim.connect(pty.link);
      closing.push(() => pty.link.close());
    }
    const modem = await settle(openModem({ openLink, clock, log: silentLog, quirks: { card: { way } } }));
    closing.push(() => settle(modem.close()));
    const card = await settle(modem.openCard());
    return await settle(work({ world, card, meter, clock, withChannel: (use) => withIsdR(card, {}, use) }));
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

function installed(bf37: Uint8Array): void {
  const result = finalResultOf(bf37);
  if (result.is !== 'successResult')
    throw new AgentError('CARD_STATUS', { command: 'LoadBoundProfilePackage', why: result.is });
}

const OTA_KEYSET = 1;
const OTA_SENDER = { originator: { type: 0x91, digits: '491511234567' } } as const;
const ENVELOPE_MS = 120_000;

/** Messages in ENVELOPE commands on the basic channel; the result is the notification that the card made of it. */
async function loadOverTheAir(
  world: ManagedWorld,
  card: Card,
  channel: CardChannel,
  boundProfilePackage: Uint8Array,
): Promise<Uint8Array | undefined> {
  const { enc, mac } = world.isdRKeys;
  const target: Scp80Target = {
    tar: Uint8Array.of(0, 0, 1),
    keyset: OTA_KEYSET,
    keys: { kic: { algorithm: 'aes', key: enc }, kid: { algorithm: 'aes', key: mac } },
    spi: SECURE_SPI,
  };
  const packets = protectOverTheAir(target, otaLoadCommands(boundProfilePackage), {
    counter: 1,
    sender: OTA_SENDER,
  });
  const answers: Uint8Array[] = [];
  for (const envelope of packets.flatMap(({ envelopes }) => envelopes)) {
    answers.push(encodeResponseApdu(await card.basic.transmit(envelope, { timeoutMs: ENVELOPE_MS })));
  }
  const { ok, reason } = openOverTheAir(target, packets, answers);
  if (!ok) throw new AgentError('CARD_STATUS', { command: 'ENVELOPE', why: reason });
  return (await retrieveNotifications(channel)).at(-1);
}

/** Only the load is measured: what comes before it is the same on every plane. */
async function install(setup: Parameters<typeof onLine>[0]): Promise<Installation> {
  return onLine(setup, async ({ world, card, meter, clock, withChannel }) => {
    const bound = await withChannel((channel) => boundPackage(world, 'mno-a', channel));
    const { boundProfilePackage } = bound;
    const script =
      setup.plane === 'SCP03'
        ? (await world.service.as('mno-a').secureProfile({ mno: 'mno-a', eid: world.eid, ...bound })).script
        : undefined;
    // What follows is the device's alone.
    await world.store.close();
    return withChannel(async (channel) => {
      const before = { ...meter };
      const began = clock.now();
      const cpu = process.cpuUsage();
      const result =
        setup.plane === 'SCP80'
          ? await loadOverTheAir(world, card, channel, boundProfilePackage)
          : script === undefined
            ? await loadBoundProfilePackage(channel, boundProfilePackage, { maxData: FULL })
            : (await playScript(channel, script)).profileInstallationResult;
      const ms = clock.now() - began;
      const { user, system } = process.cpuUsage(cpu);
      if (result === undefined) throw new AgentError('CARD_STATUS', { command: 'LoadBoundProfilePackage' });
      installed(result);
      return {
        packageBytes: boundProfilePackage.length,
        apdus: meter.lines - before.lines,
        octetsOut: meter.out - before.out,
        octetsIn: meter.in - before.in,
        ms,
        cpuMs: (user + system) / 1000,
      };
    });
  });
}

/** The time of the package's octets in full commands, one after the other, with nothing between them. */
function floorMs({ packageBytes }: Installation, baud: number, way: Way): number {
  return (((packageBytes / FULL) * FLOOR_OCTETS[way] * BITS_PER_OCTET) / baud) * 1000;
}

function shareOf(done: Installation, baud: number, way: Way): number {
  return (100 * floorMs(done, baud, way)) / done.ms;
}

/** How often an installation in real time is measured while it falls short: other programs take processor time too. */
const TRIES = 3;

/** `AT+CSIM=340,"…"` CR, and the answer `+CSIM: 4,"9000"` with its OK, beside the hex digits. */
const CSIM_FRAME_OCTETS = 15 + 25;
/** Octets of a packet in a concatenated message (3GPP TS 23.040, 9.2.3.24.1). */
const MESSAGE_OCTETS = 134;

/** Octets on the line for the package in whole messages, each in its ENVELOPE, with no packet, script or command around it. */
function messageFloor(packageBytes: number): number {
  const [, full] = packetEnvelopes(new Uint8Array(3 * MESSAGE_OCTETS), OTA_SENDER, 0).map(encodeCommandApdu);
  const messages = Math.ceil(packageBytes / MESSAGE_OCTETS);
  return messages * (CSIM_FRAME_OCTETS + 2 * (full?.length ?? 0));
}

/** Installations before the first that is measured, so that it finds the code compiled. */
const WARM_UP = 8;

/** Driver, serialport, simulated modem and card together: the agent's side is a part of it. */
async function cpuMsPerApdu(): Promise<number> {
  const setup = {
    baud: undefined,
    way: 'cgla',
    plane: 'direct',
    real: true,
    profileBytes: SIXTY_KB,
  } as const;
  for (let round = 0; round < WARM_UP; round++) await install(setup);
  const { apdus, cpuMs } = await install(setup);
  return cpuMs / apdus;
}

/** From the challenge to the result on the standard plane: lines to the modem and octets in them. */
async function wholeDownload(): Promise<Figure[]> {
  let profileBytes = 11_500;
  for (let round = 0; ; round++) {
    const { packageBytes, lines, out } = await onLine(
      { baud: undefined, way: 'cgla', plane: 'direct', real: false, profileBytes },
      ({ world, meter, withChannel }) =>
        withChannel(async (channel) => {
          const before = { ...meter };
          const { boundProfilePackage } = await boundPackage(world, 'mno-a', channel);
          installed(await loadBoundProfilePackage(channel, boundProfilePackage, { maxData: FULL }));
          return {
            packageBytes: boundProfilePackage.length,
            lines: meter.lines - before.lines,
            out: meter.out - before.out,
          };
        }),
    );
    if (packageBytes < SMALL.packageBytes || round === 0) {
      profileBytes += Math.max(1, SMALL.packageBytes - packageBytes);
      if (round < 8) continue;
    }
    const name = `download of a ${packageBytes}-octet package, challenge to result`;
    return [
      atMost(`${name}: AT round trips`, lines, SMALL.roundTrips),
      atMost(`${name}: kB towards the modem`, out / 1000, SMALL.kilobytesOut),
    ];
  }
}

export const line: Run = {
  doc: 'installations of a 60 KB package at four line rates, by CSIM and CGLA, direct and under a second layer',
  async run({ progress, runs = TRIES }) {
    const figures: Figure[] = [
      ...(await wholeDownload()),
      atMost('processor time an APDU, both ends of the line together, ms', await cpuMsPerApdu(), 1),
    ];
    const octets = new Map<string, number>();
    let packageBytes = 0;
    for (const way of ['csim', 'cgla'] as const) {
      for (const plane of ['direct', 'SCP03', 'SCP80'] as const) {
        for (const baud of [9600, 115_200, 460_800, 921_600]) {
          const barred = plane === 'direct' && (baud === 115_200 || baud === 921_600);
          const bar = baud === 921_600 ? 90 : 97;
          let done = await install({ baud, way, plane, real: barred, profileBytes: SIXTY_KB });
          for (let round = 1; barred && round < runs && shareOf(done, baud, way) < bar; round++) {
            const again = await install({ baud, way, plane, real: true, profileBytes: SIXTY_KB });
            if (again.ms < done.ms) done = again;
          }
          octets.set(`${plane} ${way}`, done.octetsOut + done.octetsIn);
          packageBytes = done.packageBytes;
          const share = shareOf(done, baud, way);
          const name = `${baud} baud, ${way.toUpperCase()}, ${plane}`;
          progress(
            `${name}: ${done.packageBytes} octets in ${done.apdus} AT lines, ${done.octetsOut} out, ${done.octetsIn} in, ` +
              `${(done.ms / 1000).toFixed(2)} s, ${share.toFixed(1)} % of the floor${barred ? ' (pseudo terminal, real time)' : ' (virtual time)'}`,
          );
          if (barred) figures.push(atLeast(`${name}: % of the floor`, share, bar));
        }
      }
      const direct = octets.get(`direct ${way}`) ?? 1;
      const added = (plane: Plane): number => 100 * ((octets.get(`${plane} ${way}`) ?? 0) / direct - 1);
      const over = `over direct, ${way.toUpperCase()}: % more octets on the line`;
      figures.push(atMost(`SCP03 ${over}`, added('SCP03'), 12), atMost(`SCP80 ${over}`, added('SCP80'), 75));
      progress(
        `SCP80, ${way.toUpperCase()}: ${added('SCP80').toFixed(1)} % more octets than direct; messages of 140 octets with nothing ` +
          `in them but the package would have ${(100 * (messageFloor(packageBytes) / direct - 1)).toFixed(1)} % more`,
      );
    }
    return figures;
  },
};
