// soak modem: installations over modems by chance, each under faults by chance until they end; the card says how each ended.
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { atLeast, atMost, type Run } from './figure.ts';
import { liveModem, type ModemLife } from './modem-life.ts';
import { type Exemption, EXEMPTIONS } from './modem-verdict.ts';

const RUNS = 1_000;
const SHOWN_EVERY = 50;
const SHOWN_FAULTS = 4;
/** So few are over before other threads have started. */
const FEW = 30;
/** The share of installations that one exemption may cover. */
const MOST_EXEMPT = 0.25;

type Share = { readonly first: number; readonly step: number; readonly runs: number };
type Lived = ModemLife & { readonly seed: number };

async function live({ first, step, runs }: Share, told: (life: Lived) => void): Promise<void> {
  for (let n = 0; n < runs; n++) {
    const seed = first + n * step;
    told({ seed, ...(await liveModem(seed)) });
  }
}

/** Another thread takes its share of the seeds; each is a world of its own. */
function elsewhere(share: Share, told: (life: Lived) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(import.meta.filename, { workerData: share });
    worker.on('message', told);
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  await live(workerData as Share, (life) => port.postMessage(life));
}

export const modemSoak: Run = {
  doc: 'installations over random modems under random faults, on both planes; --seed S --runs 1 repeats one of them',
  async run({ runs = RUNS, seed, progress }) {
    const tally = { done: 0, retried: 0, struck: 0, compared: 0, wrong: 0, kinds: new Set<string>() };
    const exempt = new Map<Exemption, number>();
    const told = (life: Lived): void => {
      for (const [kind, count] of Object.entries(life.struck)) {
        tally.kinds.add(kind);
        tally.struck += count;
      }
      if (life.retried) tally.retried++;
      tally.compared += life.compared;
      for (const name of life.exempt) exempt.set(name, (exempt.get(name) ?? 0) + 1);
      if (life.faults.length > 0) {
        tally.wrong++;
        const shown = life.faults.slice(0, SHOWN_FAULTS).join('\n  ');
        progress(`--seed ${life.seed} --runs 1 (${life.plane}, ${life.label}):\n  ${shown}`);
      }
      if (runs === 1) {
        progress(
          `${life.plane}, ${life.label}; struck ${JSON.stringify(life.struck)}; at the card ${life.digest}`,
        );
      }
      if (++tally.done % SHOWN_EVERY === 0)
        progress(`${tally.done} installations, ${tally.struck} faults struck`);
    };
    const threads = runs < FEW ? 1 : availableParallelism();
    const shares = Array.from({ length: threads }, (_, n): Share => {
      return { first: seed + n, step: threads, runs: Math.ceil((runs - n) / threads) };
    });
    await Promise.all(shares.map((share) => (threads === 1 ? live(share, told) : elsewhere(share, told))));
    const many = runs >= FEW;
    return [
      atLeast('installations', tally.done, runs),
      atLeast('faults that struck, an installation', tally.struck / runs, many ? 2 : 0),
      atLeast('kinds of faults that struck', tally.kinds.size, many ? 15 : 0),
      atLeast('installations that failed first and were begun again', tally.retried, many ? 1 : 0),
      atLeast('answers held against the card', tally.compared, runs),
      ...(Object.keys(EXEMPTIONS) as Exemption[]).map((name) =>
        atMost(EXEMPTIONS[name], exempt.get(name) ?? 0, many ? runs * MOST_EXEMPT : runs),
      ),
      atMost('installations that ended wrong', tally.wrong, 0),
    ];
  },
};
