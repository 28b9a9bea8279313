import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { cborItem } from '../codec/cbor-table.ts';
import { block, type BlockRequest } from '../codec/wire.ts';
import { createBlockReceiver, type BlockReceiverOptions } from './block-receiver.ts';
import { answerBlocks } from './block-server.ts';
import { makeManifest } from './manifest.ts';
import { openTransferFile, type TransferFile } from './transfer-file.ts';

const blockItem = cborItem(block);

/** A file whose last unsynced writes a power cut can tear. */
function memoryFile(size: number): TransferFile & { disk: Uint8Array; syncs: number; cutPower(): void } {
  let synced = new Uint8Array(size);
  const file = {
    disk: new Uint8Array(size),
    syncs: 0,
    read: async (offset: number, length: number) => file.disk.slice(offset, offset + length),
    async write(offset: number, bytes: Uint8Array) {
      file.disk.set(bytes, offset);
    },
    async sync() {
      file.syncs += 1;
      synced = Uint8Array.from(file.disk);
    },
    async close() {},
    /** Of what was not synced, only every other sector reached the disk. */
    cutPower() {
      for (let at = 0; at < size; at += 1024) file.disk.set(synced.subarray(at, at + 512), at);
    },
  };
  return file;
}

type Line = {
  /** What becomes of a message on its way: the delays of its copies in ms, and their octets. */
  deliver(payload: Uint8Array): readonly { readonly delayMs: number; readonly payload: Uint8Array }[];
};

function setUp(
  options: {
    bytes?: number;
    blockSize?: number;
    line?: Line;
    file?: ReturnType<typeof memoryFile>;
  } & Partial<BlockReceiverOptions> = {},
) {
  const {
    bytes = 50_000,
    blockSize = 1024,
    line = { deliver: (payload) => [{ delayMs: 40, payload }] },
  } = options;
  const random = createSeededRandom(11);
  const clock = createVirtualClock();
  const content = createSeededRandom(5).bytes(bytes);
  const transferId = createSeededRandom(6).bytes(16);
  const manifest = makeManifest({
    transferId,
    content,
    blockSize,
    expires: 1,
    contentKind: 'profile-script',
  });
  const file = options.file ?? memoryFile(bytes);
  const sent = { requests: [] as BlockRequest[], octets: 0 };
  const receiver = createBlockReceiver({
    manifest,
    file,
    clock,
    random,
    log: silentLog,
    async request(request) {
      sent.requests.push(request);
      // The request takes the same line; whether it survives is asked with empty octets.
      for (const copy of line.deliver(new Uint8Array(0))) {
        clock.schedule(copy.delayMs, () => {
          for (const payload of answerBlocks({ transferId, content, blockSize }, request)) {
            sent.octets += payload.length;
            for (const part of line.deliver(payload))
              clock.schedule(part.delayMs, () => receiver.take(part.payload));
          }
        });
      }
    },
    ...options,
  });
  return { receiver, clock, content, manifest, file, sent, transferId };
}

test('a transfer over a line without faults brings every block once', async () => {
  const { receiver, clock, content, sent, file } = setUp();
  const { content: received, figures } = await clock.settle(receiver.run({}));
  assert.deepEqual(received, content);
  assert.deepEqual(file.disk, content);
  const { requests, elapsedMs, ...counts } = figures;
  assert.deepEqual(counts, {
    blocks: 49,
    receivedBytes: 50_000,
    resumedBytes: 0,
    duplicates: 0,
    foreign: 0,
    bad: 0,
  });
  assert.equal(requests, sent.requests.length);
  assert.ok(elapsedMs < 2000, `${elapsedMs} ms`);
});

test('no more is ever asked for than the window, which grows from 8 KiB to its bound', async () => {
  const { receiver, clock, sent } = setUp({ bytes: 200_000 });
  await clock.settle(receiver.run({}));
  const asked = sent.requests.map(({ ranges }) =>
    ranges.reduce((sum, [, length = 0]) => sum + length * 1024, 0),
  );
  assert.equal(asked[0], 8192);
  assert.ok(Math.max(...asked) <= 32_768);
  assert.ok(sent.requests.length < 20, `${sent.requests.length} requests`);
});

test('progress is told from 0 to the whole', async () => {
  const told: number[] = [];
  const { receiver, clock } = setUp({
    bytes: 4000,
    onProgress: (done, total) => void told.push(done, total),
  });
  await clock.settle(receiver.run({}));
  assert.deepEqual(told, [0, 4000, 1024, 4000, 2048, 4000, 3072, 4000, 4000, 4000]);
});

for (const seed of [1, 2, 3, 4, 5]) {
  test(`with a third lost, and blocks doubled, reordered and damaged, the content arrives whole (seed ${seed})`, async () => {
    const random = createSeededRandom(seed);
    const damaged = new Set<string>();
    const line: Line = {
      deliver(payload) {
        const dice = random.next();
        if (dice < 0.3) return [];
        const delayMs = 20 + random.next() * 400;
        if (dice < 0.35)
          return [
            { delayMs, payload },
            { delayMs: delayMs * 2, payload },
          ];
        if (dice < 0.4 && payload.length > 0) {
          // Each block at most once, so that three strikes do not end the transfer.
          const { index } = blockItem.decode(payload);
          if (damaged.has(String(index))) return [{ delayMs, payload }];
          damaged.add(String(index));
          const changed = Uint8Array.from(payload);
          changed[changed.length - 5] = (changed[changed.length - 5] ?? 0) ^ 0x10;
          return [{ delayMs, payload: changed }];
        }
        return [{ delayMs, payload }];
      },
    };
    const { receiver, clock, content, sent } = setUp({ line });
    const { content: received, figures } = await clock.settle(receiver.run({}));
    assert.deepEqual(received, content);
    assert.ok(figures.bad > 0 && figures.bad <= damaged.size);
    assert.ok(sent.octets < 1.75 * content.length, `${sent.octets} octets for ${content.length}`);
  });
}

test('what is in the file after a power cut is not asked for again, and what was torn is', async () => {
  const first = setUp();
  const stop = new AbortController();
  const cut = assert.rejects(first.receiver.run({ signal: stop.signal }), { code: 'ABORTED' });
  await first.clock.advance(200);
  stop.abort();
  await cut;
  assert.ok(first.file.disk.some((octet) => octet !== 0));
  // A block that was written and never synced, and one that rotted.
  first.file.disk.set(first.content.subarray(48 * 1024), 48 * 1024);
  first.file.cutPower();
  first.file.disk[10] = (first.file.disk[10] ?? 0) ^ 1;

  const second = setUp({ file: first.file });
  const { content, figures } = await second.clock.settle(second.receiver.run({}));
  assert.deepEqual(content, first.content);
  assert.ok(figures.resumedBytes > 8192);
  assert.equal(figures.receivedBytes + figures.resumedBytes, 50_000);
  const asked = second.sent.requests.flatMap(({ ranges }) =>
    ranges.flatMap(([from = 0, length = 0]) => Array.from({ length }, (_, i) => from + i)),
  );
  assert.ok(asked.includes(0) && asked.includes(48) && !asked.includes(1));
});

test('a whole file is taken as it is, without a request', async () => {
  const done = setUp();
  await done.clock.settle(done.receiver.run({}));
  const again = setUp({ file: done.file });
  const { figures } = await again.clock.settle(again.receiver.run({}));
  assert.equal(again.sent.requests.length, 0);
  assert.equal(figures.resumedBytes, 50_000);
});

test('a file is synced at least once a window, so that a cut costs no more than one', async () => {
  const { receiver, clock, file } = setUp({ bytes: 200_000 });
  await clock.settle(receiver.run({}));
  assert.ok(file.syncs >= Math.floor(200_000 / 32_768), `${file.syncs}`);
});

test('three wrong copies of one block end the transfer and name it', async () => {
  const wrong: Line = {
    deliver(payload) {
      if (payload.length === 0 || blockItem.decode(payload).index !== 7) return [{ delayMs: 10, payload }];
      const changed = Uint8Array.from(payload);
      changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1;
      return [{ delayMs: 10, payload: changed }];
    },
  };
  const { receiver, clock } = setUp({ line: wrong });
  await assert.rejects(clock.settle(receiver.run({})), (error: Error & { code?: string; data?: unknown }) => {
    assert.equal(error.code, 'TRANSFER_MISMATCH');
    assert.match(error.message, /index 7, copies 3/);
    return true;
  });
});

test('blocks of another transfer, beyond the content, of a wrong length and noise change nothing', async () => {
  const { receiver, clock, content, transferId, file } = setUp({ bytes: 3000 });
  const other = createSeededRandom(99).bytes(16);
  const data = content.subarray(0, 1024);
  receiver.take(blockItem.encode({ transferId: other, index: 0, data }));
  receiver.take(blockItem.encode({ transferId, index: 3, data }));
  receiver.take(blockItem.encode({ transferId, index: 0, data: data.subarray(1) }));
  receiver.take(Uint8Array.of(0xff, 0x00));
  const { content: received, figures } = await clock.settle(receiver.run({}));
  assert.deepEqual(received, content);
  assert.deepEqual(file.disk, content);
  assert.deepEqual([figures.foreign, figures.bad], [3, 1]);
});

for (const why of ['gone', 'superseded', 'expired'] as const) {
  test(`"${why}" ends the transfer at once`, async () => {
    const { receiver, clock, sent } = setUp();
    const ended = assert.rejects(receiver.run({}), { code: 'TRANSFER_STOPPED', message: new RegExp(why) });
    await clock.advance(60);
    receiver.stop({ why });
    await ended;
    const before = sent.requests.length;
    await clock.advance(3_600_000);
    assert.equal(sent.requests.length, before);
  });
}

test('"slow-down" pauses the requests for as long as it says', async () => {
  const { receiver, clock, sent, content } = setUp();
  const running = receiver.run({});
  await clock.advance(60);
  receiver.stop({ why: 'slow-down', retryAfterMs: 600_000 });
  const before = sent.requests.length;
  await clock.advance(599_000);
  assert.equal(sent.requests.length, before);
  assert.deepEqual((await clock.settle(running)).content, content);
});

test('an operator that does not answer is asked at growing intervals, never faster than every 2 s', async () => {
  const silent: Line = { deliver: () => [] };
  const { receiver, clock, sent } = setUp({ line: silent });
  const times: number[] = [];
  const stop = new AbortController();
  const ended = assert.rejects(receiver.run({ signal: stop.signal }), { code: 'ABORTED' });
  for (let seen = 0; clock.now() < 3_600_000; ) {
    await clock.advance(1000);
    if (sent.requests.length > seen) {
      times.push(clock.now());
      seen = sent.requests.length;
    }
  }
  stop.abort();
  await ended;
  const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
  assert.ok(Math.min(...gaps) >= 2000);
  assert.ok(Math.max(...gaps) <= 301_000);
  assert.ok(times.length > 10 && times.length < 40, `${times.length} requests in an hour`);
  assert.ok(sent.requests.every(({ ranges }) => ranges.reduce((sum, [, n = 0]) => sum + n, 0) <= 8));
});

test('when the link comes back, the request is made again at once', async () => {
  let dead = true;
  const line: Line = { deliver: (payload) => (dead ? [] : [{ delayMs: 10, payload }]) };
  const { receiver, clock, content } = setUp({ line });
  const running = receiver.run({});
  await clock.advance(1_000_000);
  dead = false;
  receiver.nudge();
  const { content: received } = await clock.settle(running, 5000);
  assert.deepEqual(received, content);
});

test('a line with a round trip of 10 s and 1 kbit/s draws hardly a block twice', async () => {
  let free = 0;
  const clockOf: { now(): number }[] = [];
  const line: Line = {
    deliver(payload) {
      const now = clockOf[0]?.now() ?? 0;
      free = Math.max(free, now) + payload.length * 8;
      return [{ delayMs: free - now + 5000, payload }];
    },
  };
  const { receiver, clock, content, sent } = setUp({ line, bytes: 20_000 });
  clockOf.push(clock);
  const { content: received } = await clock.settle(receiver.run({}));
  assert.deepEqual(received, content);
  assert.ok(sent.octets < 1.6 * content.length, `${sent.octets} octets for ${content.length}`);
});

test('right blocks that do not make the content of the manifest are refused at the end', async () => {
  const { clock, manifest, content } = setUp({ bytes: 3000 });
  const file = memoryFile(3000);
  file.disk.set(content);
  const receiver = createBlockReceiver({
    manifest: { ...manifest, sha256: new Uint8Array(32) },
    file,
    clock,
    random: createSeededRandom(1),
    log: silentLog,
    request: async () => {},
  });
  await assert.rejects(clock.settle(receiver.run({})), { code: 'MANIFEST_INVALID' });
});

test('the file on disk takes its room at once, keeps its octets over a restart and is made anew for another size', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'transfer-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'a');
  const first = await openTransferFile(path, 70_000);
  assert.equal((await readFile(path)).length, 70_000);
  await first.write(
    69_990,
    Uint8Array.from({ length: 10 }, (_, i) => i + 1),
  );
  await first.sync();
  await first.close();
  const second = await openTransferFile(path, 70_000);
  assert.deepEqual(await second.read(69_988, 100), Uint8Array.of(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  await second.close();
  await writeFile(path, 'something else');
  const third = await openTransferFile(path, 300);
  assert.deepEqual(await third.read(0, 400), new Uint8Array(300));
  await third.close();
});

test('a file that cannot be made is TRANSFER_STORAGE and says why', async () => {
  await assert.rejects(openTransferFile('/proc/no-such-folder/a', 10), {
    code: 'TRANSFER_STORAGE',
    message: /ENOENT/,
  });
});
