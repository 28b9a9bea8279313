// bench card: how fast a virtual eUICC answers, how fast it installs a 12 KB profile, what that writes, and where the time goes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { createSeededRandom } from '../base/random.ts';
import type { CardSlot } from '../codec/card.ts';
import { DeleteProfileRequest } from '../codec/rsp/profile-management.ts';
import type { Ec } from '../crypto/ec.ts';
import { type Euicc, openEuicc } from '../euicc/euicc.ts';
import { openCardStore } from '../euicc/store.ts';
import { createTestPki } from '../euicc/testing/pki.ts';
import { osCard, osWorld, SELECT_USIM, VERIFY_1, VERIFY_LOCAL } from '../euicc/testing/os-card.ts';
import { openIsdR, raw } from '../euicc/testing/terminal.ts';
import { createWorld, ec, ICCID_B, install, STORE_KEY, type World } from '../euicc/testing/world.ts';
import { subscriberPackage } from './card-subject.ts';
import { atLeast, atMost, type Figure, type Run } from './figure.ts';

const INSTALLATIONS = 40;
const PACKAGE_OCTETS = 12_000;
const ROUND_MS = 80;
const ROUNDS = 4;
/** Ends a round by a clock that stands still. */
const MAX_COMMANDS = 1_000_000;

const READ = ['00A40004024F4200', '00B0000000', '00B2015405', '80F2000100'].map(fromHex);
const WRITE = ['00D6000004AABBCCDD'].map(fromHex);

/** Commands a second, by the best of several rounds. */
async function commandsPerSecond(
  clock: Clock,
  card: CardSlot,
  commands: readonly Uint8Array[],
): Promise<number> {
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = clock.now();
    let sent = 0;
    let elapsed = 0;
    do {
      for (const command of commands) await card.transmit(command);
      sent += commands.length;
      elapsed = clock.now() - begin;
    } while (elapsed < ROUND_MS && sent < MAX_COMMANDS);
    best = Math.max(best, elapsed === 0 ? Number.POSITIVE_INFINITY : (sent / elapsed) * 1000);
  }
  return best;
}

/** The same card on a real disk, where each commit is flushed. */
async function onDisk<T>(world: World, work: (card: Euicc) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'card-bench-'));
  try {
    const random = createSeededRandom(1);
    const path = join(folder, 'card.euicc');
    const store = await openCardStore({ path, key: STORE_KEY, random });
    const source = await openCardStore({ path: 'card', key: STORE_KEY, random, files: world.files });
    await store.commit(new Map(source.names().map((name) => [name, source.get(name) ?? null])));
    const card = await openEuicc({ store, ec, random });
    await card.reset();
    const result = await work(card);
    await card.close();
    return result;
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Operation = keyof Ec;
type Times = Record<Operation, number>;

/** Counts the time that each operation of the curves takes. */
function timedEc(clock: Clock, times: Times): Ec {
  const timed = <R>(name: Operation, work: () => R): R => {
    const begin = clock.now();
    try {
      return work();
    } finally {
      times[name] += clock.now() - begin;
    }
  };
  return {
    generate: (curve) => timed('generate', () => ec.generate(curve)),
    publicKeyOf: (curve, key) => timed('publicKeyOf', () => ec.publicKeyOf(curve, key)),
    sign: (curve, key, message) => timed('sign', () => ec.sign(curve, key, message)),
    verify: (curve, key, message, signature) =>
      timed('verify', () => ec.verify(curve, key, message, signature)),
    sharedSecret: (curve, key, peer) => timed('sharedSecret', () => ec.sharedSecret(curve, key, peer)),
  };
}

type Installed = {
  readonly cardMs: number;
  readonly writes: number;
  readonly commands: number;
  readonly times: Times;
};

/** Whole downloads of one profile, deleted in between; only the card's own time counts. */
async function installations(clock: Clock, count: number): Promise<Installed> {
  const times: Times = { generate: 0, publicKeyOf: 0, sign: 0, verify: 0, sharedSecret: 0 };
  const world = await createWorld({ pki: createTestPki(ec), cardEc: timedEc(clock, times) });
  let cardMs = 0;
  let commands = 0;
  const card: Euicc = {
    ...world.card,
    async transmit(command) {
      const begin = clock.now();
      const answer = await world.card.transmit(command);
      cardMs += clock.now() - begin;
      commands++;
      return answer;
    },
  };
  const watched: World = { ...world, card };
  const upp = subscriberPackage(ICCID_B, PACKAGE_OCTETS);
  const measured = { cardMs: 0, writes: 0, commands: 0 };
  const isdR = await openIsdR(card);
  for (let i = 0; i < count; i++) {
    [cardMs, commands] = [0, 0];
    const before = world.files.writes;
    await install(watched, isdR, { iccid: ICCID_B, upp });
    measured.cardMs += cardMs;
    measured.commands += commands;
    measured.writes += world.files.writes - before;
    const kept = { ...times };
    await isdR.es10(DeleteProfileRequest.encode({ is: 'iccid', value: ICCID_B }));
    Object.assign(times, kept);
  }
  await world.card.close();
  return { ...measured, times };
}

function installationFigures({ cardMs, writes, commands, times }: Installed, count: number): Figure[] {
  const share = (...names: readonly Operation[]): number =>
    cardMs === 0 ? 0 : names.reduce((sum, name) => sum + times[name], 0) / cardMs;
  return [
    atLeast('installations of 12 KB a second', (count / cardMs) * 1000, 20),
    atMost('commands an installation', commands / count, 120),
    atMost('state-file writes an installation', writes / count, 4),
    atMost(
      'share of the time in EC operations',
      share('sign', 'verify', 'sharedSecret', 'generate', 'publicKeyOf'),
      0.9,
    ),
    atMost('share in EC verify', share('verify'), 0.6),
    atMost('share in EC sign', share('sign'), 0.4),
    atMost('share in EC agreement and key generation', share('sharedSecret', 'generate', 'publicKeyOf'), 0.4),
  ];
}

export const cardThroughput: Run = {
  doc: 'commands and installations a second of a virtual eUICC, its writes, and the share of EC operations; --runs is installations',
  async run({ clock, runs = INSTALLATIONS, progress }) {
    progress('commands');
    const card = await osCard();
    const ready = async (on: CardSlot): Promise<void> => {
      for (const [command] of [SELECT_USIM, VERIFY_1, VERIFY_LOCAL]) await raw(on, command);
      await raw(on, '00A4000C024F42');
    };
    await ready(card);
    const reading = await commandsPerSecond(clock, card, READ);
    await raw(card, '00A4000C024F42');
    const writing = await commandsPerSecond(clock, card, WRITE);
    await card.close();
    progress('commands on a disk');
    const flushed = await onDisk(await osWorld(), async (on) => {
      await ready(on);
      return commandsPerSecond(clock, on, WRITE);
    });
    progress(`${runs} installations`);
    return [
      atLeast('commands that read a second', reading, 10_000),
      atLeast('commands that write a second, store in memory', writing, 1000),
      atLeast('commands that write a second, store on disk', flushed, 20),
      ...installationFigures(await installations(clock, runs), runs),
    ];
  },
};
