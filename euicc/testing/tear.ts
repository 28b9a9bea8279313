// The power is cut at every write of a command, after any part of the write: the card is in the state before or after it.
import { isPowerLoss } from '../store-files.ts';
import type { World } from './world.ts';

/** A command that writes. `S` is what the card shows of itself, as plain data. */
export type TearCase<S> = {
  readonly name: string;
  /** The states on both sides, literally. */
  readonly before: S;
  readonly after: S;
  readonly world: () => Promise<World>;
  /** What leads up to the command; the answer is the command. */
  readonly arrange: (world: World) => Promise<() => Promise<unknown>>;
  /** What the card shows after the power-up. */
  readonly observe: (world: World) => Promise<S>;
};

/** How much of the write that is hit reaches the disk, and whether zeros stand for what follows. */
const TEARS = [
  { keep: 0 },
  { keep: 5 },
  { keep: 5, zeros: 100_000 },
  { keep: 40, zeros: 100_000 },
  { keep: 1_000_000 },
] as const;
const MAX_WRITES = 20;

function need(ok: boolean, why: () => string): void {
  if (!ok) throw new Error(why());
}

function needSame(found: unknown, expected: unknown, when: string): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(expected)];
  need(is === should, () => `${when}: ${is}, expected ${should}`);
}

async function isCut(command: () => Promise<unknown>): Promise<boolean> {
  try {
    await command();
    return false;
  } catch (error) {
    if (isPowerLoss(error)) return true;
    throw error;
  }
}

/** Cuts at the first, second, ... write until the command gets through. Throws where a state is neither of the two. */
export async function tearAtEveryWrite<S>(of: TearCase<S>): Promise<void> {
  const seen = new Set<string>();
  let cuts = 0;
  for (const tear of TEARS) {
    for (let at = 1; ; at++) {
      need(at <= MAX_WRITES, () => `more than ${MAX_WRITES} writes`);
      const world = await of.world();
      const command = await of.arrange(world);
      world.files.cutAt(at, tear);
      const lost = await isCut(command);
      world.files.powerOn();
      await world.reopen();
      const found = await of.observe(world);
      if (!lost) {
        needSame(found, of.after, 'undisturbed');
        break;
      }
      cuts++;
      const isBefore = JSON.stringify(found) === JSON.stringify(of.before);
      if (!isBefore) needSame(found, of.after, `write ${at}, ${JSON.stringify(tear)}`);
      seen.add(JSON.stringify(found));
      await world.reopen();
      needSame(await of.observe(world), found, 'the next power-up');
      await world.card.close();
    }
  }
  need(cuts >= TEARS.length, () => `${cuts} cuts`);
  for (const side of [of.before, of.after]) {
    need(seen.has(JSON.stringify(side)), () => `never met ${JSON.stringify(side)}`);
  }
}
