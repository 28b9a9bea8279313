// Ends a run whose own thread is stuck: nothing inside of it could. A second thread looks whether the first one still moves.
import { writeSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { realClock } from '../base/clock.ts';

export type Watchdog = {
  /** Says that the run moves, and what it does next. */
  beat(number: number): void;
  close(): Promise<void>;
};

const STDERR = 2;
const LOOKS = 10;

type Post = { readonly watchdog: Int32Array; readonly limitMs: number; readonly what: string };

/** Kills the process with a word on standard error when `limitMs` have passed without a beat. */
export function openWatchdog(limitMs: number, what: string): Watchdog {
  const watchdog = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(import.meta.filename, {
    execArgv: [],
    workerData: { watchdog, limitMs, what } satisfies Post,
  });
  worker.unref();
  return {
    beat(number) {
      Atomics.store(watchdog, 1, number);
      Atomics.add(watchdog, 0, 1);
    },
    close: async () => void (await worker.terminate()),
  };
}

if (!isMainThread && isPost(workerData)) {
  const { watchdog, limitMs, what } = workerData;
  let [seen, still] = [0, 0];
  const look = (): void => {
    const now = Atomics.load(watchdog, 0);
    still = now === seen ? still + 1 : 0;
    seen = now;
    if (still >= LOOKS) {
      // The streams of a thread go through the one that is stuck.
      writeSync(STDERR, `${what} ${Atomics.load(watchdog, 1)}: no end within ${limitMs} ms\n`);
      process.kill(process.pid, 'SIGKILL');
    }
    realClock.schedule(limitMs / LOOKS, look);
  };
  look();
}

function isPost(data: unknown): data is Post {
  return typeof data === 'object' && data !== null && 'watchdog' in data;
}
