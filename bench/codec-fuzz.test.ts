import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { realClock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import { createSeededRandom } from '../base/random.ts';
import { codecFuzz, tryInput } from './codec-fuzz.ts';
import { createDecoders } from './decoders.ts';
import { mutate } from './mutate.ts';

const sample = (): Uint8Array => Uint8Array.of(1, 2, 3);
const attempt = (decode: (bytes: Uint8Array) => unknown, encode?: (value: never) => Uint8Array) =>
  tryInput(
    { name: 'planted', sample, decode, ...(encode === undefined ? {} : { encode }) },
    sample(),
    realClock,
  );

/** The exported functions of codec/ that read octets, by name, and the modules' own parts that only they use. */
const READERS = /^(?:decode[A-Z]|read[A-Z]|bppSegments$|createBppReader$)/;
const PARTS = new Set(['readTlv', 'readTlvHeader', 'readOnly']);

describe('the fuzz run', () => {
  test('takes an AgentError for an answer and any other error for a fault', () => {
    const refused = attempt(() => {
      throw new AgentError('TLV_INVALID');
    });
    assert.deepEqual([refused.accepted, refused.fault], [false, undefined]);
    const broken = attempt((bytes) => (bytes as unknown as { no: { where: unknown } }).no.where);
    assert.match(broken.fault ?? '', /^threw TypeError/);
  });

  test('takes a value that does not survive writing and reading for a fault', () => {
    const first = (bytes: Uint8Array) => bytes[0] ?? 0;
    assert.equal(attempt(first, (value: number) => Uint8Array.of(value)).fault, undefined);
    assert.match(attempt(first, () => Uint8Array.of(9)).fault ?? '', /reads another value/);
    const refuse = () => {
      throw new AgentError('TLV_VALUE');
    };
    assert.match(attempt(first, refuse).fault ?? '', /not what it writes/);
  });

  test('has every function of codec/ that reads octets among its decoders', async () => {
    const folder = join(import.meta.dirname, '..', 'codec');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const known = new Set(createDecoders().map(({ name }) => name));
    for (const file of files.filter((name) => /(?<!\.test)\.js$/.test(name))) {
      const module = (await import(pathToFileURL(join(folder, file)).href)) as Record<string, unknown>;
      for (const [name, value] of Object.entries(module)) {
        if (typeof value !== 'function' || !READERS.test(name) || PARTS.has(name)) continue;
        assert.ok(known.has(name), `codec/${file}: ${name}`);
      }
    }
  });

  test('repeats itself with the same seed', () => {
    const run = (seed: number) => {
      const dice = createSeededRandom(seed);
      return Array.from({ length: 50 }, () => mutate(dice, sample(), [sample()]));
    };
    assert.deepEqual(run(1), run(1));
    assert.notDeepEqual(run(1), run(2));
  });

  test('finds nothing in a short run', async () => {
    const lines: string[] = [];
    const figures = await codecFuzz.run({
      clock: realClock,
      runs: 20,
      seed: 1,
      progress: (line) => void lines.push(line),
    });
    assert.deepEqual(
      figures.filter(({ ok }) => !ok).map(({ name }) => name),
      [],
      lines.join('\n'),
    );
  });
});
