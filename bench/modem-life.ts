// One installation over a modem by chance, under faults for a while: on the managed plane by the whole agent and its operators, on
// the standard plane by the agent's card operations. Afterwards the card itself is asked what became of it.
import { listProfiles, withIsdR } from '../agent/card-operations.ts';
import { openModemDevice } from '../agent/modem-device.ts';
import { wakeMuteCard } from '../agent/mute-card.ts';
import { loadBoundProfilePackage } from '../agent/load-package.ts';
import { EMPTY, toHex } from '../base/bytes.ts';
import { type Clock, createVirtualClock, sleep, type VirtualClock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { CardSlot } from '../codec/card.ts';
import { completeImei, type Iccid } from '../codec/ids.ts';
import { sha256 } from '../crypto/hash.ts';
import type { Ec } from '../crypto/ec.ts';
import { createTestPki } from '../euicc/testing/pki.ts';
import { openIsdR } from '../euicc/testing/terminal.ts';
import { createWorld } from '../euicc/testing/world.ts';
import { openMainJobWorld } from '../hil-tests/main-job-world.ts';
import { finalResultOf } from '../hil-tests/rsp-card.ts';
import { boundPackage, managedWorld } from '../hil-tests/smsr-world.ts';
import { type ByteLink, createLinkPair } from '../modem/byte-link.ts';
import { type Modem, openModem } from '../modem/modem.ts';
import { createPortFinder, type PortFinder } from '../modem/port-finder.ts';
import { createSimModem, type SimModem, type SimModemOptions } from '../modem/sim/sim-modem.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { ENDED, type Procedure } from '../operator/mno/procedure.ts';
import { type CardWitness, createCardWitness } from './card-witness.ts';
import { drawModem, type DrawnModem } from './modem-draw.ts';
import { type Exemption, exemptions, leaks, wrongAnswers, wrongCard } from './modem-verdict.ts';
import { below, type Dice, pick } from './mutate.ts';
import { createSeededEc } from './seeded-ec.ts';

const PLANES = ['SCP80', 'SCP03', 'SCP03', 'SCP03', 'direct', 'direct'] as const;
export type Plane = (typeof PLANES)[number];

export type ModemLife = {
  readonly label: string;
  readonly plane: Plane;
  /** What is wrong with how it ended, in words. */
  readonly faults: readonly string[];
  /** Whether it ended without a profile at first, and was begun again. */
  readonly retried: boolean;
  readonly struck: Readonly<Record<string, number>>;
  readonly compared: number;
  /** What was not looked at. */
  readonly exempt: readonly Exemption[];
  /** Over every octet at the card's contacts: the same seed gives the same. */
  readonly digest: string;
};

const PROFILE_BYTES = 3_000;
const SHORTEST_TROUBLE_MS = 20_000;
const LONGEST_TROUBLE_MS = 20 * 60_000;
/** What an installation may take once nothing strikes any more, by the clock of the simulation. */
const CALM_MS = 3_600_000;
const ATTEMPTS = 3;
/** Longer than any card is out, port away or answer late. */
const SETTLING_MS = 90_000;
const POLL_MS = 10_000;
const RESTART_MS = 5_000;
const RETRY_MS = 20_000;
const CARD_PATIENCE = 4;
const IMEI = completeImei('35824005000001');

type Stage = {
  readonly dice: Dice;
  readonly seed: number;
  readonly ec: Ec;
  readonly drawn: DrawnModem;
  readonly witness: CardWitness;
  readonly log: Log;
  readonly sim: Partial<SimModemOptions>;
};

export async function liveModem(seed: number, log: Log = silentLog): Promise<ModemLife> {
  const dice = createSeededRandom(scattered(seed));
  const drawn = drawModem(dice);
  // SCP80 comes in ENVELOPEs of whole messages on the basic channel, which only +CSIM reaches, and whole.
  const { missing = [], maxCommandData = 0 } = drawn.quirks;
  const planes = missing.includes('+CSIM') || maxCommandData > 0 ? PLANES.slice(1) : PLANES;
  const plane = pick(dice, planes);
  let digest = EMPTY;
  const ec = createSeededEc(createSeededRandom(seed ^ 0x5eed));
  const spare = drawn.faults.some(({ kind }) => kind === 'card-swap') ? await otherCard(ec, seed) : undefined;
  const witness = createCardWitness((octets) => void (digest = sha256(digest, octets)), {
    dropsResponses: drawn.quirks.leNeeded === true,
  });
  const stage: Stage = {
    dice,
    seed,
    ec,
    drawn,
    witness,
    log,
    sim: {
      identity: drawn.identity,
      quirks: drawn.quirks,
      faults: drawn.faults,
      seed: below(dice, 2 ** 31),
      ...(spare === undefined ? {} : { spareCard: witness.other(spare) }),
    },
  };
  const lived = plane === 'direct' ? await liveDirect(stage) : await liveManaged(stage, plane);
  const exempt = exemptions(stage, lived.struck);
  return { label: drawn.label, plane, compared: witness.compared, exempt, digest: toHex(digest), ...lived };
}

/** Seeds in a row begin alike; these do not. */
function scattered(seed: number): number {
  const mixed = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

type Lived = Pick<ModemLife, 'faults' | 'retried' | 'struck'>;

async function otherCard(ec: Ec, seed: number): Promise<CardSlot> {
  return (await createWorld({ pki: createTestPki(ec), cardEc: ec, seed })).card;
}

/** The port as a driver finds it: each time that it comes back it has another name. */
function createPort(
  clock: Clock,
  log: Log,
): {
  readonly onPort: (there: boolean) => void;
  find(sim: () => SimModem): PortFinder;
} {
  let number = 0;
  let there = true;
  return {
    onPort(present) {
      there = present;
      if (present) number++;
    },
    find: (sim) =>
      createPortFinder({
        selector: 'usb-Modem-if02-port0',
        clock,
        log,
        ports: async () =>
          there
            ? [
                {
                  path: `/dev/ttyUSB${number}`,
                  names: ['/dev/serial/by-id/usb-Modem-if02-port0'],
                  driver: 'option1',
                  usb: { device: '2c7c:0125', socket: '1-1', interface: '02' },
                },
              ]
            : [],
        open: async (path): Promise<ByteLink> => {
          if (!there || path !== `/dev/ttyUSB${number}`) throw new AgentError('PORT_MISSING', { path });
          const [link, peer] = createLinkPair();
          sim().connect(peer);
          return link;
        },
      }),
  };
}

function troubleMs(dice: Dice): number {
  return SHORTEST_TROUBLE_MS + below(dice, LONGEST_TROUBLE_MS);
}

/** Ends the faults, lets what is under way come to rest, and puts the card back that was there. */
async function calm(clock: VirtualClock, modem: SimModem, card: CardSlot): Promise<void> {
  modem.faults.stop();
  await clock.advance(SETTLING_MS);
  if (modem.faults.struck['card-swap'] !== undefined) await clock.settle(modem.equipment.insertCard(card));
}

async function liveManaged(stage: Stage, plane: 'SCP03' | 'SCP80'): Promise<Lived> {
  const { dice, seed, ec, drawn, witness, log } = stage;
  let inner: CardSlot | undefined;
  let finder: PortFinder | undefined;
  const port = createPort({ now: () => 0, wall: () => 0, schedule: () => () => {} }, log);
  const world = await openMainJobWorld({
    ec,
    seed,
    profileBytes: PROFILE_BYTES,
    secondLayer: plane === 'SCP80' ? 'scp80' : 'scp03',
    restartMs: RESTART_MS,
    log,
    quirks: drawn.configured,
    sim: { ...stage.sim, onPort: port.onPort },
    around: {
      card: (card) => (inner = witness.slot(card)),
      device: (device) => ({ ...device, card: async (how) => witness.card(await device.card(how)) }),
    },
    openLink: async (modem) => (finder ??= port.find(() => modem)).openLink(),
  });
  const { clock, eid, backEnd, device } = world;
  const [mno] = backEnd.mnos;
  if (mno === undefined || inner === undefined)
    throw new AgentError('INTERNAL', { why: 'no operator or card' });
  /** How the last procedure ended, or undefined when there was none before `until`. */
  const ended = async (until: number, before: number): Promise<Procedure | undefined> => {
    while (clock.now() < until) {
      if (world.failure !== undefined) throw errorOf(world.failure);
      const all = await mno.store.procedures(eid);
      const done = all.filter(({ step }) => ENDED.has(step) && step !== 'superseded');
      if (done.length > before) return done.at(-1);
      await sleep(clock, POLL_MS);
    }
    return undefined;
  };
  const faults: string[] = [];
  let retried = false;
  try {
    const trouble = troubleMs(dice);
    let count = 0;
    let last = await clock.settle(ended(clock.now() + trouble, count), 2 * trouble + CALM_MS);
    await calm(clock, device, inner);
    // What is under way gets its time; what was given up is asked for again, as an operator does.
    last ??= await clock.settle(ended(clock.now() + CALM_MS, count), 2 * CALM_MS);
    for (let attempt = 0; last?.step !== 'completed'; attempt++) {
      if (attempt === ATTEMPTS) {
        const step = last?.step ?? (await mno.store.procedures(eid)).at(-1)?.step ?? 'none';
        throw new AgentError('DEADLINE', { what: 'installation', step, why: last?.reason ?? '' });
      }
      retried = true;
      if (last !== undefined) count++;
      await clock.settle(mno.mno.trigger(eid, 'provisioning'));
      last = await clock.settle(ended(clock.now() + CALM_MS, count), 2 * CALM_MS);
    }
    await clock.advance(600_000);
    if (!device.equipment.reader.powered) await inner.reset();
    const { freeChannel } = await world.stopAndAsk();
    const told = (await mno.store.notifications(eid)).flatMap(({ event, verified, iccid }) =>
      verified && event === 'install' ? [iccid] : [],
    );
    const ordered = (await mno.store.procedures(eid)).map((each) => each.iccid);
    faults.push(...leaks(stage, device, freeChannel), ...wrongAnswers(stage, device));
    faults.push(...(await wrongCard(inner, { iccid: last.iccid, ordered, told })));
  } catch (error) {
    faults.push(errorOf(error).message);
    if (!isAgentError(error)) faults.push(errorOf(error).stack ?? '');
  } finally {
    await world.close();
  }
  return { faults, retried, struck: device.faults.struck };
}

/** What a device does that has a modem and a server, and no agent: asks the card what became of it before it tries again. */
async function liveDirect(stage: Stage): Promise<Lived> {
  const { dice, ec, seed, drawn, witness, log } = stage;
  const closing: (() => unknown)[] = [];
  const closers = { after: (close?: unknown) => void closing.push(close as () => unknown) };
  const world = await managedWorld(closers, {
    managed: false,
    profileBytes: PROFILE_BYTES,
    ec,
    seed,
  });
  const clock = createVirtualClock();
  const port = createPort(clock, log);
  const inner = witness.slot(world.card);
  const device = createSimModem({
    card: inner,
    radio: createTestRadio(),
    clock,
    log,
    imei: IMEI,
    onPort: port.onPort,
    ...stage.sim,
  });
  const finder = port.find(() => device);
  let modem: Modem | undefined;
  const attempt = async (): Promise<Iccid | undefined> => {
    modem ??= await openModem({
      openLink: () => finder.openLink(),
      clock,
      log,
      quirks: drawn.configured,
    });
    const card = witness.card(await modem.openCard());
    return withIsdR(card, {}, async (channel) => {
      const held = (await listProfiles(channel)).find(({ profileClass }) => profileClass === 'operational');
      if (held !== undefined) return held.iccid;
      const { iccid, boundProfilePackage } = await boundPackage(
        world,
        'mno-a',
        channel,
        'dynamic',
        `order ${seed}`,
      );
      const result = await loadBoundProfilePackage(channel, boundProfilePackage, {
        maxData: channel.maxCommandData ?? 255,
      });
      return finalResultOf(result).is === 'successResult' ? iccid : undefined;
    });
  };
  const wake = async (attempt: number): Promise<void> => {
    try {
      if (modem === undefined) return;
      const has = await openModemDevice(modem, () => {});
      await wakeMuteCard({ device: has, log }, attempt, { anyway: true });
    } catch (error) {
      if (!isAgentError(error)) throw error;
    }
  };
  let failures = 0;
  const install = async (until: number): Promise<Iccid | undefined> => {
    for (;;) {
      try {
        const iccid = await attempt();
        if (iccid !== undefined) return iccid;
      } catch (error) {
        if (!isAgentError(error)) throw error;
      }
      failures++;
      if (clock.now() >= until) return undefined;
      if (failures % CARD_PATIENCE === 0) await wake(failures / CARD_PATIENCE);
      await sleep(clock, RETRY_MS);
    }
  };
  const faults: string[] = [];
  try {
    const trouble = troubleMs(dice);
    const early = await clock.settle(install(clock.now() + trouble), 2 * trouble + CALM_MS);
    await calm(clock, device, inner);
    const iccid = early ?? (await clock.settle(install(clock.now() + CALM_MS), 2 * CALM_MS));
    if (iccid === undefined) throw new AgentError('DEADLINE', { what: 'installation', failures });
    // Whatever an interrupted end left open is closed at the next use.
    await clock.settle(install(clock.now() + CALM_MS), 2 * CALM_MS);
    await clock.settle(modem?.close() ?? Promise.resolve());
    if (!device.equipment.reader.powered) await inner.reset();
    const asked = await openIsdR(inner);
    faults.push(...leaks(stage, device, asked.channel), ...wrongAnswers(stage, device));
    faults.push(...(await wrongCard(inner, { iccid, ordered: [iccid], told: [] })));
  } catch (error) {
    faults.push(errorOf(error).message);
    if (!isAgentError(error)) faults.push(errorOf(error).stack ?? '');
  } finally {
    await clock.settle(device.close()).catch(() => {});
    for (const close of closing.toReversed()) await close();
  }
  return { faults, retried: failures > 0, struck: device.faults.struck };
}
