// Every measuring run there is, by the command that starts it.
import { atFuzz } from './at-fuzz.ts';
import { cardFuzz } from './card-fuzz.ts';
import { cardLife } from './card-life.ts';
import { cardThroughput } from './card-throughput.ts';
import { codecFuzz } from './codec-fuzz.ts';
import { codecThroughput } from './codec-throughput.ts';
import type { Run } from './figure.ts';
import { line } from './line.ts';
import { modemSoak } from './modem-soak.ts';

export const KINDS = ['bench', 'soak', 'fuzz'] as const;
export type RunKind = (typeof KINDS)[number];

export const RUNS: Readonly<Record<RunKind, Readonly<Record<string, Run>>>> = {
  bench: { card: cardThroughput, codec: codecThroughput, line },
  soak: { card: cardLife, modem: modemSoak },
  fuzz: { at: atFuzz, card: cardFuzz, codec: codecFuzz },
};
