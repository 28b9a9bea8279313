// The curves with every key and signature from a seed, so that a run repeats to the octet; fast where nothing is random.
import type { Random } from '../base/random.ts';
import type { Ec } from '../crypto/ec.ts';
import { createNobleEc } from '../crypto/ec-noble.ts';
import { createNodeEc } from '../crypto/ec-node.ts';

export function createSeededEc(random: Random): Ec {
  const seeded = createNobleEc(random);
  return {
    ...createNodeEc(),
    generate: (curve) => seeded.generate(curve),
    sign: (curve, privateKey, message) => seeded.sign(curve, privateKey, message),
  };
}
