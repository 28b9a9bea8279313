// What a modem teaches about its way to the card: which way works, how much a command may carry, what must be switched on.
import type { CardQuirks, CardWayKind } from './card-way.ts';

/** What is worth keeping of one modem (per IMEI and firmware). */
export type CardMemory = {
  /** The way that completed its work last. */
  readonly way?: CardWayKind;
  readonly maxCommandData?: number;
  /** What the way needs that others do not. */
  readonly keepLe?: boolean;
  readonly lockCsim?: boolean;
};

/** A command that did not get through: the octets of data it carried, and whether it was the fetching of a response. */
export type Refusal = {
  readonly way: CardWayKind;
  readonly dataOctets: number;
  readonly fetching: boolean;
};

export type CardLessons = {
  /** The quirks as known so far; what is learned is added. */
  readonly quirks: CardQuirks;
  readonly maxCommandData: number;
  /** The order in which ways are tried. */
  rank(way: CardWayKind): number;
  opened(way: CardWayKind): void;
  passed(dataOctets: number): void;
  refused(refusal: Refusal): void;
  needs(quirk: 'keepLe' | 'lockCsim', needed: boolean): void;
  completed(): void;
};

/** The rank of a way that let a command down. */
export const SUSPECT = 2;

const COMMAND_DATA_STEPS = [255, 120, 60];

export function createCardLessons(options: {
  readonly quirks: CardQuirks;
  readonly memory: CardMemory;
  readonly onLearned: (memory: CardMemory) => void;
}): CardLessons {
  const { keepLe, lockCsim } = options.memory;
  let needed: Pick<CardMemory, 'keepLe' | 'lockCsim'> = {
    ...(keepLe === undefined ? {} : { keepLe }),
    ...(lockCsim === undefined ? {} : { lockCsim }),
  };
  let quirks: CardQuirks = { ...options.quirks, ...needed };
  let way = options.memory.way ?? quirks.way;
  let suspect: CardWayKind | undefined;
  let maxCommandData = Math.min(options.memory.maxCommandData ?? 255, quirks.maxCommandData ?? 255);
  let largestPassed = 0;
  let refusedAt = 0;
  const tell = (): void =>
    options.onLearned({
      ...needed,
      maxCommandData,
      ...(way === undefined || way === suspect ? {} : { way }),
    });
  return {
    get quirks() {
      return quirks;
    },
    get maxCommandData() {
      return maxCommandData;
    },
    rank: (kind) => (kind === suspect ? SUSPECT : kind === way ? 0 : 1),
    opened(kind) {
      way = kind;
      if (suspect === kind) suspect = undefined;
    },
    passed(dataOctets) {
      largestPassed = Math.max(largestPassed, dataOctets);
    },
    refused({ way: kind, dataOctets, fetching }) {
      const smaller = COMMAND_DATA_STEPS.find((step) => step < dataOctets);
      // A size that never passed may be too large. One that has passed, or is refused again, speaks against the way.
      if (!fetching && dataOctets > largestPassed && dataOctets !== refusedAt && smaller !== undefined) {
        maxCommandData = Math.min(maxCommandData, smaller);
        refusedAt = dataOctets;
      } else {
        suspect = kind;
      }
      tell();
    },
    needs(quirk, value) {
      quirks = { ...quirks, [quirk]: value };
      needed = { ...needed, [quirk]: value };
      tell();
    },
    completed: tell,
  };
}
