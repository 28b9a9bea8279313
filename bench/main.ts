// The program behind `npm run bench|soak|fuzz`: starts one measuring run and holds its figures to their bars.
import { parseArgs } from 'node:util';
import { realClock } from '../base/clock.ts';
import { bytesUint } from '../base/bytes.ts';
import { systemRandom } from '../base/random.ts';
import { outliveReaders } from '../base/terminal.ts';
import type { Figure } from './figure.ts';
import { KINDS, type RunKind, RUNS } from './registry.ts';

const EXIT = { short: 1, usage: 2 } as const;

function usage(kind: string | undefined): string {
  const lines = KINDS.filter((each) => kind === undefined || each === kind).flatMap((each) => {
    const names = Object.entries(RUNS[each]);
    const listed = names.map(([name, { doc }]) => `  ${name.padEnd(10)} ${doc}`);
    return [`${each}:`, ...(names.length === 0 ? ['  none'] : listed)];
  });
  return [
    `usage: npm run ${kind ?? KINDS.join('|')} -- NAME [--runs N] [--seed N] [--json]`,
    '',
    ...lines,
    '',
    '  --runs N   how often; each run has its own default',
    '  --seed N   the seed of everything random; a run prints the one it took',
    '  --json     one JSON object on standard output, progress on standard error',
    '',
    'exit code: 0 when every figure reaches its bar, 1 when one falls short or the run fails, 2 for a wrong call',
    '',
  ].join('\n');
}

function wrongCall(why: string, kind: string | undefined): never {
  process.stderr.write(`${why}\n\n${usage(kind)}`);
  process.exit(EXIT.usage);
}

function parseCall() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        runs: { type: 'string' },
        seed: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return wrongCall(error instanceof Error ? error.message : String(error), undefined);
  }
}

function count(name: string, text: string | undefined, min: number, kind: string): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  return value >= min ? value : wrongCall(`--${name} ${text}: not an integer from ${min}`, kind);
}

function line(figure: Figure, width: number): string {
  return `${figure.ok ? 'ok   ' : 'SHORT'} ${figure.name.padEnd(width)} ${String(figure.value).padStart(12)}   bar ${figure.bar}\n`;
}

outliveReaders();
const { values, positionals } = parseCall();
const [given, name, ...more] = positionals;
const kind = KINDS.find((each): each is RunKind => each === given);
if (values.help) {
  process.stdout.write(usage(kind));
  process.exit(0);
}
if (kind === undefined) wrongCall(`unknown kind of run: ${given ?? 'none given'}`, undefined);
const chosen = Object.hasOwn(RUNS[kind], name ?? '') ? RUNS[kind][name ?? ''] : undefined;
if (chosen === undefined) wrongCall(name === undefined ? 'no run named' : `unknown run: ${name}`, kind);
if (more.length > 0) wrongCall(`one run at a time: ${more.join(' ')}`, kind);

const runs = count('runs', values.runs, 1, kind);
const seed = count('seed', values.seed, 0, kind) ?? bytesUint(systemRandom.bytes(4));
const progress = (text: string): void => void process.stderr.write(`${text}\n`);
progress(`${kind} ${name} --seed ${seed}`);
let figures: readonly Figure[] = [];
let ok = false;
try {
  figures = await chosen.run({ clock: realClock, runs, seed, progress });
  ok = figures.length > 0 && figures.every((figure) => figure.ok);
} catch (error) {
  progress(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
const width = Math.max(0, ...figures.map((figure) => figure.name.length));
if (values.json) process.stdout.write(`${JSON.stringify({ ok, figures })}\n`);
else for (const figure of figures) process.stdout.write(line(figure, width));
if (!ok) process.exitCode = EXIT.short;
