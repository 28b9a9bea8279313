// The device's end of a transfer: asks for what is missing, believes only what the manifest names, resumes from the file alone.
import { equalBytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { cborItem, idText } from '../codec/cbor-table.ts';
import { type Block, block, type BlockRequest, type DownOf } from '../codec/wire.ts';
import { sha256 } from '../crypto/hash.ts';
import { blockCount, blockLength, isBlock, type Manifest } from './manifest.ts';
import type { TransferFile } from './transfer-file.ts';

export type BlockReceiverOptions = {
  readonly manifest: Manifest;
  readonly file: TransferFile;
  /** Sends a request on the transfer's `get` topic. A rejection counts as an unanswered request. */
  readonly request: (request: BlockRequest) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The most that may be asked for and not be here yet. */
  readonly maxWindowBytes?: number;
  /** The pause before a request is repeated, as long as no round trip was measured. */
  readonly firstTimeoutMs?: number;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
};

/** Counts of one run. `resumedBytes` were in the file already. */
export type TransferFigures = {
  readonly blocks: number;
  readonly requests: number;
  readonly receivedBytes: number;
  readonly resumedBytes: number;
  /** Right blocks that were there already. */
  readonly duplicates: number;
  /** Dropped: of another transfer, beyond the content, or no block at all. */
  readonly foreign: number;
  /** Dropped: not the octets that the manifest names. */
  readonly bad: number;
  readonly elapsedMs: number;
};

type Stop = Pick<DownOf<'transferStop'>, 'why' | 'retryAfterMs'>;

export type BlockReceiver = {
  /** What came on the block topic. Never throws: what does not belong is dropped and counted. */
  take(payload: Uint8Array): void;
  /** The operator ends the transfer or asks for a pause. */
  stop(stop: Stop): void;
  /** The way to the operator is back: asks again now instead of after the pause. */
  nudge(): void;
  /**
   * Runs to the whole, verified content. Rejects with `TRANSFER_STOPPED`, with `TRANSFER_MISMATCH` after three wrong copies of one
   * block, with `MANIFEST_INVALID` when right blocks make wrong content, with `ABORTED`, or as the file does; what is in the file stays.
   */
  run(options: {
    readonly signal?: AbortSignal;
  }): Promise<{ readonly content: Uint8Array; readonly figures: TransferFigures }>;
};

const FIRST_WINDOW = 8192;
const MAX_WINDOW = 32_768;
const MIN_TIMEOUT_MS = 2000;
/** Until a round trip was measured: on a slow line a second request would only make it slower. */
const FIRST_TIMEOUT_MS = 30_000;
const MAX_SILENCE_MS = 300_000;
/** After so many unanswered requests the log says that the transfer is parked; it goes on with the longest pause. */
const PARKED_AFTER = 32;
const STRIKES = 3;
const MAX_RANGES = 64;
const QUEUE_LIMIT = 128;
const MAX_PAUSE_MS = 86_400_000;

const blockItem = cborItem(block);

export function createBlockReceiver(options: BlockReceiverOptions): BlockReceiver {
  const { manifest, file, clock, log } = options;
  const count = blockCount(manifest);
  const transfer = idText(manifest.transferId);
  const maxWindow = Math.max(options.maxWindowBytes ?? MAX_WINDOW, manifest.blockSize);
  const have = new Uint8Array(count);
  /** Asked for and not here. */
  const asked = new Set<number>();
  const strikes = new Map<number, number>();
  const waiting: Uint8Array[] = [];
  const figures = { requests: 0, receivedBytes: 0, resumedBytes: 0, duplicates: 0, foreign: 0, bad: 0 };
  let doneBytes = 0;
  let unsyncedBytes = 0;
  let windowBytes = Math.min(FIRST_WINDOW, maxWindow);
  let smoothedRttMs: number | undefined;
  /** The block whose arrival is timed: the first of the last request that was no repetition. */
  let timed: { readonly index: number; readonly at: number } | undefined;
  let silentTries = 0;
  let askAgainAt = 0;
  let pausedUntil = 0;
  let stopped: Error | undefined;
  let changed = false;
  let wake = (): void => void (changed = true);

  const silenceMs = (): number => {
    const base =
      smoothedRttMs === undefined
        ? (options.firstTimeoutMs ?? FIRST_TIMEOUT_MS)
        : Math.max(MIN_TIMEOUT_MS, 4 * smoothedRttMs);
    const grown = base * 2 ** Math.min(silentTries, 20);
    const jitter = silentTries === 0 ? 1 : 0.5 + ((options.random.bytes(1)[0] ?? 0) / 255) * 0.5;
    return Math.max(base, Math.min(grown, MAX_SILENCE_MS) * jitter);
  };

  /** The file decides what is here: a torn, rotten or missing block is one that does not have its hash. */
  const scan = async (): Promise<void> => {
    for (let index = 0; index < count; index++) {
      const data = await file.read(index * manifest.blockSize, blockLength(manifest, index));
      if (!isBlock(manifest, index, data)) continue;
      have[index] = 1;
      doneBytes += data.length;
    }
    figures.resumedBytes = doneBytes;
  };

  const nextWanted = (): number[] => {
    const wanted: number[] = [];
    let room = windowBytes;
    for (const index of asked) room -= blockLength(manifest, index);
    for (let index = 0; index < count; index++) {
      if (have[index] === 1 || asked.has(index)) continue;
      room -= blockLength(manifest, index);
      if (room < 0 && (wanted.length > 0 || asked.size > 0)) break;
      wanted.push(index);
    }
    return wanted;
  };

  const ask = (): void => {
    const ranges = rangesOf(nextWanted()).slice(0, MAX_RANGES);
    const first = ranges[0]?.[0];
    if (first === undefined) return;
    for (const [from, length] of ranges) for (let i = 0; i < length; i++) asked.add(from + i);
    figures.requests += 1;
    timed = silentTries === 0 ? { index: first, at: clock.now() } : undefined;
    askAgainAt = clock.now() + silenceMs();
    // Not waited for: blocks may come before the broker's acknowledgement, and one that never comes is a silence like any other.
    options.request({ transferId: manifest.transferId, ranges }).catch((error: unknown) => {
      if (isAgentError(error)) {
        log.write('debug', 'transport.receiver', 'request not sent', { transfer, why: error.message });
        return;
      }
      stopped = errorOf(error);
      wake();
    });
  };

  const afterSilence = (): void => {
    silentTries += 1;
    asked.clear();
    // One block finds out whether the line is dead or only slow.
    windowBytes = manifest.blockSize;
    if (silentTries === PARKED_AFTER) {
      log.write('warn', 'transport.receiver', 'parked: nobody answers', { transfer, requests: silentTries });
    }
  };

  const drop = (why: 'foreign' | 'bad', fields: { readonly [name: string]: string | number }): void => {
    figures[why] += 1;
    // One line each way is enough: a flood must not fill the log.
    if (figures[why] === 1) log.write('warn', 'transport.receiver', 'block dropped', { transfer, ...fields });
  };

  const accept = async (payload: Uint8Array): Promise<void> => {
    const received = decodeBlock(payload);
    if (received === undefined) return drop('foreign', { why: 'not a block' });
    const { index, data, transferId } = received;
    if (!equalBytes(transferId, manifest.transferId)) {
      return drop('foreign', { why: 'of another transfer', other: idText(transferId) });
    }
    if (index >= count) return drop('foreign', { why: 'beyond the content', index });
    if (have[index] === 1) {
      figures.duplicates += 1;
      return;
    }
    if (!isBlock(manifest, index, data)) {
      drop('bad', { why: 'not the octets of the manifest', index });
      asked.delete(index);
      const strike = (strikes.get(index) ?? 0) + 1;
      strikes.set(index, strike);
      if (strike >= STRIKES) throw new AgentError('TRANSFER_MISMATCH', { transfer, index, copies: strike });
      return;
    }
    await file.write(index * manifest.blockSize, data);
    have[index] = 1;
    asked.delete(index);
    doneBytes += data.length;
    figures.receivedBytes += data.length;
    unsyncedBytes += data.length;
    progressed(index, data.length);
    if (unsyncedBytes >= windowBytes) await sync();
    options.onProgress?.(doneBytes, manifest.totalBytes);
  };

  const progressed = (index: number, octets: number): void => {
    if (timed?.index === index) {
      const sample = clock.now() - timed.at;
      smoothedRttMs = smoothedRttMs === undefined ? sample : (7 * smoothedRttMs + sample) / 8;
      timed = undefined;
    }
    silentTries = 0;
    windowBytes = Math.min(maxWindow, windowBytes + octets);
    askAgainAt = clock.now() + silenceMs();
  };

  const sync = async (): Promise<void> => {
    if (unsyncedBytes === 0) return;
    unsyncedBytes = 0;
    await file.sync();
  };

  /** Settles when something arrived or changed since the last call, at the latest at `at`. */
  const somethingOr = async (at: number, signal: AbortSignal | undefined): Promise<void> => {
    if (!changed && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          cancel();
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const cancel = clock.schedule(Math.max(0, at - clock.now()), done);
        wake = done;
        signal?.addEventListener('abort', done, { once: true });
      });
      wake = () => void (changed = true);
    }
    changed = false;
  };

  const askedBytes = (): number => {
    let bytes = 0;
    for (const index of asked) bytes += blockLength(manifest, index);
    return bytes;
  };

  const receiveAll = async (signal: AbortSignal | undefined): Promise<void> => {
    while (doneBytes < manifest.totalBytes) {
      if (signal?.aborted === true) throw new AgentError('ABORTED', { what: 'transfer' });
      if (stopped !== undefined) throw stopped;
      const payload = waiting.shift();
      if (payload !== undefined) {
        await accept(payload);
        continue;
      }
      const now = clock.now();
      if (now < pausedUntil) {
        await somethingOr(pausedUntil, signal);
        continue;
      }
      if (asked.size > 0 && now >= askAgainAt) afterSilence();
      if (askedBytes() <= windowBytes / 2) ask();
      await somethingOr(askAgainAt, signal);
    }
  };

  return {
    take(payload) {
      // What does not fit is lost like a lost packet, and asked for again.
      if (waiting.length < QUEUE_LIMIT) waiting.push(payload);
      wake();
    },
    stop({ why, retryAfterMs }) {
      if (why === 'slow-down') {
        pausedUntil = clock.now() + Math.min(retryAfterMs ?? MAX_SILENCE_MS, MAX_PAUSE_MS);
        asked.clear();
      } else stopped = new AgentError('TRANSFER_STOPPED', { transfer, why });
      wake();
    },
    nudge() {
      silentTries = 0;
      asked.clear();
      askAgainAt = clock.now();
      wake();
    },
    async run({ signal }) {
      const started = clock.now();
      await scan();
      options.onProgress?.(doneBytes, manifest.totalBytes);
      try {
        await receiveAll(signal);
      } finally {
        await sync();
      }
      const content = await file.read(0, manifest.totalBytes);
      if (!equalBytes(sha256(content), manifest.sha256)) {
        throw new AgentError('MANIFEST_INVALID', {
          transfer,
          why: 'the blocks do not make the content it names',
        });
      }
      return {
        content,
        figures: { blocks: count, ...figures, elapsedMs: Math.round(clock.now() - started) },
      };
    },
  };
}

function decodeBlock(payload: Uint8Array): Block | undefined {
  try {
    return blockItem.decode(payload);
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

/** Runs of neighbours as [first, count]. */
function rangesOf(indices: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const index of indices) {
    const last = ranges.at(-1);
    if (last !== undefined && last[0] + last[1] === index) last[1] += 1;
    else ranges.push([index, 1]);
  }
  return ranges;
}
