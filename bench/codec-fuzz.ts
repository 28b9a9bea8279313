// fuzz codec: random and damaged octets into every decoder; only an AgentError may come out, and soon.
import { isDeepStrictEqual } from 'node:util';
import { toHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { createSeededRandom } from '../base/random.ts';
import type { Decoder } from './decoder.ts';
import { createDecoders } from './decoders.ts';
import { atLeast, atMost, type Run } from './figure.ts';
import { below, type Dice, mutate } from './mutate.ts';

const INPUTS_PER_DECODER = 1000;
const MAX_RANDOM = 300;
const SLOW_MS = 250;
/** Of each decoder's faults this many are shown. */
const SHOWN_FAULTS = 2;

type Outcome = { readonly accepted: boolean; readonly fault?: string; readonly elapsedMs: number };

/** What a decoder makes of one input. A value that it accepts must survive being written and read again. */
export function tryInput(decoder: Decoder, bytes: Uint8Array, clock: Clock): Outcome {
  const begin = clock.now();
  let value: unknown;
  try {
    value = decoder.decode(bytes);
  } catch (error) {
    const elapsedMs = clock.now() - begin;
    return { accepted: false, elapsedMs, ...(isAgentError(error) ? {} : { fault: `threw ${shown(error)}` }) };
  }
  const elapsedMs = clock.now() - begin;
  const fault = decoder.encode === undefined ? undefined : rewriteFault(decoder, decoder.encode, value);
  return { accepted: true, elapsedMs, ...(fault === undefined ? {} : { fault }) };
}

function rewriteFault(
  decoder: Decoder,
  encode: (value: never) => Uint8Array,
  value: unknown,
): string | undefined {
  let again: unknown;
  try {
    again = decoder.decode(encode(value as never));
  } catch (error) {
    return `accepts it, but not what it writes of it: ${shown(error)}`;
  }
  return isDeepStrictEqual(again, value) ? undefined : 'reads another value from what it writes of it';
}

function shown(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function nextInput(dice: Dice, decoder: Decoder): Uint8Array {
  const chance = dice.next();
  if (chance < 0.2) return dice.bytes(below(dice, MAX_RANDOM));
  const whole = decoder.sample(dice);
  return chance < 0.25 ? whole : mutate(dice, whole, [whole]);
}

export const codecFuzz: Run = {
  doc: 'random and damaged octets into every decoder of codec/ and crypto/; --runs is the number of inputs for each',
  async run({ clock, runs = INPUTS_PER_DECODER, seed, progress }) {
    const decoders = createDecoders();
    const dice = createSeededRandom(seed);
    let tried = 0;
    let faults = 0;
    let slow = 0;
    const deaf: string[] = [];
    for (const decoder of decoders) {
      let accepted = 0;
      let faulty = 0;
      for (let i = 0; i < runs; i++) {
        const bytes = nextInput(dice, decoder);
        const outcome = tryInput(decoder, bytes, clock);
        tried++;
        if (outcome.accepted) accepted++;
        if (outcome.elapsedMs > SLOW_MS) slow++;
        const fault =
          outcome.fault ??
          (outcome.elapsedMs > SLOW_MS ? `took ${Math.round(outcome.elapsedMs)} ms` : undefined);
        if (fault === undefined) continue;
        faults++;
        faulty++;
        if (faulty <= SHOWN_FAULTS) {
          progress(`--seed ${seed}, ${decoder.name}: ${fault}\n  input ${toHex(bytes)}`);
        }
      }
      if (accepted === 0) deaf.push(decoder.name);
    }
    if (deaf.length > 0) progress(`accepted nothing: ${deaf.join(', ')}`);
    return [
      atLeast('decoders', decoders.length, 100),
      atLeast('inputs', tried, runs * decoders.length),
      atMost('inputs that a decoder does not stand', faults, 0),
      atMost(
        'decoders that accepted no input at all',
        deaf.length,
        runs < INPUTS_PER_DECODER ? decoders.length : 0,
      ),
      atMost(`inputs that took more than ${SLOW_MS} ms`, slow, 0),
    ];
  },
};
