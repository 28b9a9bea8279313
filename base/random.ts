// Randomness by parameter: the system's for real use, a seeded one for tests and simulators.
import { randomFillSync } from 'node:crypto';

/** A source of random octets. */
export type Random = { bytes(length: number): Uint8Array };

export const systemRandom: Random = { bytes: (length) => randomFillSync(new Uint8Array(length)) };

/** A repeatable source (xorshift128), never for keys outside tests. */
export function createSeededRandom(seed: number): Random & { next(): number } {
  let [a, b, c, d] = [seed >>> 0 || 0x9e3779b9, 0x243f6a88, 0xb7e15162, seed ^ 0xdeadbeef];
  const next32 = (): number => {
    let t = a ^ (a << 11);
    t ^= t >>> 8;
    [a, b, c] = [b, c, d];
    d = (d ^ (d >>> 19) ^ t) >>> 0;
    return d;
  };
  for (let i = 0; i < 16; i++) next32();
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next32() & 0xff),
    /** A number in [0, 1). */
    next: () => next32() / 2 ** 32,
  };
}
