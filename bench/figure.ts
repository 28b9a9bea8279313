// What a measuring run answers: figures, each with the bar it is held to.
import type { Clock } from '../base/clock.ts';

/** The unit stands in the name. `ok` says whether the value reaches its bar. */
export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly bar: number;
  readonly ok: boolean;
};

export type RunOptions = {
  readonly clock: Clock;
  /** How often: the meaning is the run's own. Absent, the run takes its default. */
  readonly runs: number | undefined;
  readonly seed: number;
  /** One line for the person who waits. */
  readonly progress: (line: string) => void;
};

/** A measuring run by name. */
export type Run = {
  readonly doc: string;
  readonly run: (options: RunOptions) => Promise<readonly Figure[]>;
};

/** A figure that must reach the bar. */
export function atLeast(name: string, value: number, bar: number): Figure {
  return { name, value: rounded(value), bar, ok: value >= bar };
}

/** A figure that must not pass the bar. */
export function atMost(name: string, value: number, bar: number): Figure {
  return { name, value: rounded(value), bar, ok: value <= bar };
}

function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(4));
}

/** How many times a second `work` runs, by the best of several rounds of about `roundMs` each. */
export function timesPerSecond(clock: Clock, work: () => void, rounds: number, roundMs = 100): number {
  let batch = 1;
  let best = 0;
  for (let round = 0; round < rounds; ) {
    const begin = clock.now();
    for (let i = 0; i < batch; i++) work();
    const elapsed = clock.now() - begin;
    if (elapsed < roundMs / 2) {
      batch *= 2;
      continue;
    }
    best = Math.max(best, (batch / elapsed) * 1000);
    round++;
  }
  return best;
}
