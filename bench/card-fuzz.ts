// fuzz card: sessions with a card, two at a time, damaged, mixed with noise, and cut by resets and lost power. Every answer is
// one of the card's status words, soon, within the length asked for, and holds none of its secrets; what is stored is whole.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bytesUint, concat, EMPTY, fromHex, toHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { createLock } from '../base/lock.ts';
import type { Log } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { Euicc } from '../euicc/euicc.ts';
import { isPowerLoss } from '../euicc/store-files.ts';
import { createTestPki } from '../euicc/testing/pki.ts';
import { ec, type World } from '../euicc/testing/world.ts';
import { SCENARIOS } from './card-scenarios.ts';
import { createSubject } from './card-subject.ts';
import { createWatch, type Watch } from './card-watch.ts';
import { atLeast, atMost, type Run } from './figure.ts';
import { below, type Dice, mutate, pick } from './mutate.ts';

const DEFAULT_COMMANDS = 1_000_000;
/** A card is made anew after so many commands, so that one broken state does not hide what comes after. */
const COMMANDS_A_CARD = 5000;
const COMMANDS_A_CHECK = 500;
/** A run in which rare things are rarer than this does not try them. */
const COMMANDS_AN_EVENT = 10_000;
const SLOW_MS = 1000;
const HEAP_GROWTH_MB = 32;
const SHOWN_FAULTS = 3;
const MAX_RANDOM = 270;
/** How often a command is damaged, and something comes in between. */
const ROUGH = { damaged: 0.06, noise: 0.05, reset: 0.002, cut: 0.0005 } as const;
/** Sessions that mostly reach their end, so that there is something to break. */
const CALM = { damaged: 0.0005, noise: 0.001, reset: 0.0002, cut: 0.0005 } as const;

/** Commands that are right at some time, to be repeated, damaged and mixed. */
const SEEDS = [
  '00A4040010A0000005591010FFFFFFFF890000010000',
  '00A4040007A000000087100200',
  '00A40004023F0000',
  '00A4000C022FE2',
  '00A4080C047FFF6F07',
  '00B000000A',
  '00B2010426',
  '00D6000002FFFF',
  '00A2010401FF00',
  '002000010831323334FFFFFFFF',
  '0070000001',
  '00708001',
  '00C0000000',
  '80F2000000',
  '80F2000100',
  '80AA000005A903810100',
  '8010000004FFFFFFFF',
  '8012000000',
  '801400000C810301010482028281830100',
  '80C2000004D6020500',
  '00880081221023553CBE9637A89D218AE64DAE47BF351055F328B43577B9B94A9FFAC354DFAFB300',
  '80CB0080015C00',
  '80DB008005A103010203',
  '80E2910003BF2000',
  '80E2910003BF2E00',
  '80E2910014BF3111A00C5A0A98881201000000000081010000',
  '80E2110003BF3810',
  '80E2910004BF360100',
  '80500000080102030405060708',
  '84820300100102030405060708090A0B0C0D0E0F10',
  '80CA00E000',
].map(fromHex);

function noise(dice: Dice): Uint8Array {
  const chance = dice.next();
  if (chance < 0.15) return dice.bytes(below(dice, MAX_RANDOM));
  const seed = pick(dice, SEEDS);
  if (chance < 0.35)
    return concat(seed.subarray(0, 4), Uint8Array.of(below(dice, 256)), dice.bytes(below(dice, 256)));
  return chance < 0.6 ? seed : mutate(dice, seed, SEEDS);
}

/** Stands for a reset where a fault names the command. */
const RESET = fromHex('00');
/** First octets of status words that say yes. */
const ACCEPTED = new Set([0x90, 0x91, 0x61]);
const INSTALLATION_RESULT = 0xbf37;
/** What a successful installation's result ends with, before its signature (SGP.22 5.5). */
const SUCCESS = '3007A0053003800100';

function isInstalled(answer: Uint8Array): boolean {
  return bytesUint(answer.subarray(0, 2)) === INSTALLATION_RESULT && toHex(answer).includes(SUCCESS);
}

/** What a run has seen. */
type Tally = {
  commands: number;
  accepted: number;
  installed: number;
  slowestMs: number;
  cuts: number;
  readonly faults: string[];
};

/** The card as the scenarios meet it: their commands go through dice, and every answer is watched. */
function roughSlot(
  world: World,
  tools: {
    readonly dice: Dice;
    readonly watch: Watch;
    readonly tally: Tally;
    readonly clock: Clock;
    readonly limit: number;
    readonly chances: { readonly current: typeof ROUGH | typeof CALM };
  },
): Euicc {
  const { dice, watch, tally, clock, limit, chances } = tools;
  const fault = (command: Uint8Array, why: string | undefined): void => {
    if (why !== undefined) tally.faults.push(`${toHex(command)}: ${why}`);
  };
  const deliver = async (command: Uint8Array): Promise<Uint8Array> => {
    if (tally.commands >= limit) throw new Error('enough');
    tally.commands++;
    if (tally.commands % COMMANDS_A_CHECK === 0) fault(command, await watch.store(world));
    const begin = clock.now();
    try {
      const answer = await world.card.transmit(command);
      tally.slowestMs = Math.max(tally.slowestMs, clock.now() - begin);
      if (ACCEPTED.has(answer.at(-2) ?? 0)) tally.accepted++;
      if (isInstalled(answer)) tally.installed++;
      fault(command, watch.answer(command, answer));
      return answer;
    } catch (error) {
      if (!isPowerLoss(error)) fault(command, error instanceof Error ? error.stack : String(error));
      else await powerUp(command);
      throw error;
    }
  };
  const reset = async (): Promise<Uint8Array> => {
    try {
      return await world.card.reset();
    } catch (error) {
      if (!isPowerLoss(error)) throw error;
      await powerUp(RESET);
      return EMPTY;
    }
  };
  const powerUp = async (command: Uint8Array): Promise<void> => {
    tally.cuts++;
    world.files.powerOn();
    await world.reopen();
    fault(command, await watch.store(world));
  };
  const through = async (command: Uint8Array): Promise<Uint8Array> => {
    if (dice.next() < chances.current.reset) await reset();
    if (dice.next() < chances.current.cut) {
      const tear = pick(dice, [{ keep: 0 }, { keep: 9 }, { keep: 40, zeros: 1e6 }, { keep: 1e6 }]);
      world.files.cutAt(1 + below(dice, 3), tear);
    }
    while (dice.next() < chances.current.noise) await deliver(noise(dice));
    return deliver(dice.next() < chances.current.damaged ? mutate(dice, command, SEEDS) : command);
  };
  const lock = createLock();
  return {
    reset: () => lock.run(reset),
    powerOff: () => lock.run(() => world.card.powerOff()),
    close: () => world.card.close(),
    transmit: (command) => lock.run(() => through(command)),
  };
}

/** Two rough sessions at a time, or a calm one. They may end by an error, which is no fault: the answers are watched. */
async function workOn(world: World, tools: Omit<Parameters<typeof roughSlot>[1], 'chances'>): Promise<void> {
  const { dice, tally, limit } = tools;
  const chances: { current: typeof ROUGH | typeof CALM } = { current: ROUGH };
  const rough: World = { ...world, card: roughSlot(world, { ...tools, chances }) };
  const play = (): Promise<void> => pick(dice, SCENARIOS)(rough, dice);
  while (tally.commands < limit) {
    chances.current = pick(dice, [ROUGH, CALM]);
    await Promise.allSettled(chances.current === CALM ? [play()] : [play(), play()]);
  }
}

/** Octets that are really in use. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

export const cardFuzz: Run = {
  doc: 'damaged sessions, noise, resets and lost power at a virtual eUICC; --runs is the number of commands',
  async run({ clock, runs = DEFAULT_COMMANDS, seed, progress }) {
    const dice = createSeededRandom(seed);
    const tally: Tally = { commands: 0, accepted: 0, installed: 0, slowestMs: 0, cuts: 0, faults: [] };
    const log: Log = {
      write(level, at, msg, fields) {
        if (level === 'error' && at === 'euicc.os') tally.faults.push(`${msg}: ${String(fields?.['error'])}`);
      },
    };
    const pki = createTestPki(ec);
    let heapBefore = 0;
    while (tally.commands < runs) {
      const managed = below(dice, 3) === 0;
      const { world, hidden } = await createSubject({ pki, managed, seed: seed + tally.commands, log });
      const limit = Math.min(runs, tally.commands + COMMANDS_A_CARD);
      const watch = createWatch(hidden);
      await workOn(world, { dice, watch, tally, clock, limit });
      await world.card.close();
      if (heapBefore === 0) heapBefore = heapUsed();
      if (tally.commands % 100_000 === 0) progress(`${tally.commands} commands, ${tally.cuts} cuts`);
    }
    for (const fault of tally.faults.slice(0, SHOWN_FAULTS)) progress(fault);
    return [
      atMost('faults', tally.faults.length, 0),
      atMost('slowest command, ms', tally.slowestMs, SLOW_MS),
      atLeast('commands', tally.commands, runs),
      atLeast('accepted commands, share', tally.accepted / tally.commands, 0.2),
      atLeast('profiles installed', tally.installed, Math.floor(runs / COMMANDS_AN_EVENT)),
      atLeast('power cuts survived', tally.cuts, Math.floor(runs / COMMANDS_AN_EVENT)),
      atMost('heap growth, MB', (heapUsed() - heapBefore) / 1e6, HEAP_GROWTH_MB),
    ];
  },
};
