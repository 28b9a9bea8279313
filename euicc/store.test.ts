// The card's store: what a commit promises at every possible cut, and what a damaged file is answered with.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { type CardStore, openCardStore } from './store.ts';
import { type CardFiles, createMemoryFiles, isPowerLoss, type MemoryFiles } from './store-files.ts';

const PATH = 'card';
const KEY = new Secret(new Uint8Array(32).fill(7));

function open(files: CardFiles, key = KEY, path = PATH): Promise<CardStore> {
  return openCardStore({ path, key, random: createSeededRandom(1), files });
}

function changes(values: Readonly<Record<string, string | null>>): Map<string, Uint8Array | null> {
  return new Map(
    Object.entries(values).map(([name, value]) => [name, value === null ? null : utf8Bytes(value)]),
  );
}

function content(store: CardStore): Record<string, string> {
  const names = store.names().toSorted();
  return Object.fromEntries(names.map((name) => [name, new TextDecoder().decode(store.get(name))]));
}

test('values are there again after opening, removed ones are not', async () => {
  const files = createMemoryFiles();
  const store = await open(files);
  assert.deepEqual(content(store), {});
  await store.commit(changes({ a: '1', b: '2' }));
  await store.commit(changes({ b: null, c: '3' }));
  await store.commit(new Map());
  assert.equal(store.written.commits, 2);
  assert.deepEqual(content(store), { a: '1', c: '3' });
  assert.deepEqual(content(await open(files)), { a: '1', c: '3' });
});

test('a cut at any write, after any number of octets, leaves the state before or after the commit', async () => {
  const script = [
    changes({ a: '1', b: 'x' }),
    changes({ b: 'y', c: 'z' }),
    changes({ a: null }),
    changes({ d: '4', b: null }),
  ];
  const expected = [
    {},
    { a: '1', b: 'x' },
    { a: '1', b: 'y', c: 'z' },
    { b: 'y', c: 'z' },
    { c: 'z', d: '4' },
  ];
  let cuts = 0;
  for (let at = 1; at <= 7; at++) {
    for (const keep of [0, 1, 3, 4, 7, 8, 9, 30, 60, 1000]) {
      for (const zeros of [0, 2, 1000]) {
        const files = createMemoryFiles();
        const store = await open(files);
        files.cutAt(at, { keep, zeros });
        let done = 0;
        try {
          for (const change of script) {
            await store.commit(change);
            done++;
          }
          continue;
        } catch (error) {
          assert.ok(isPowerLoss(error), String(error));
        }
        cuts++;
        await assert.rejects(store.commit(changes({ e: '5' })), isPowerLoss);
        files.powerOn();
        const found = content(await open(files));
        const acceptable = [expected[done], expected[done + 1]].map((state) => JSON.stringify(state));
        assert.ok(
          acceptable.includes(JSON.stringify(found)),
          `cut ${at} ${keep} ${zeros}: ${JSON.stringify(found)}`,
        );
        const again = await open(files);
        await again.commit(changes({ e: '5' }));
        assert.deepEqual(content(await open(files)), { ...found, e: '5' });
      }
    }
  }
  assert.ok(cuts > 100, `${cuts} cuts`);
});

test('a failed append is forgotten by the store, and the next commit writes the log anew', async () => {
  const files = createMemoryFiles();
  let fail = false;
  const failing: MemoryFiles = {
    ...files,
    append: async (path, bytes) => {
      if (!fail) return files.append(path, bytes);
      await files.append(path, bytes.subarray(0, 5));
      throw new Error('no space');
    },
  };
  const store = await open(failing);
  await store.commit(changes({ a: '1' }));
  fail = true;
  await assert.rejects(store.commit(changes({ a: '2' })), /no space/);
  assert.deepEqual(content(store), { a: '1' });
  await store.commit(changes({ b: '3' }));
  assert.deepEqual(content(await open(files)), { a: '1', b: '3' });
});

test('a log that has grown is written anew and stays small', async () => {
  const files = createMemoryFiles();
  const store = await open(files);
  for (let i = 0; i < 400; i++) await store.commit(changes({ a: String(i).padEnd(1000) }));
  const size = (await files.read(PATH))?.length ?? 0;
  assert.ok(size < 70_000, `${size} octets`);
  assert.ok(store.written.octets < 600_000, `${store.written.octets} octets written`);
  assert.equal(content(await open(files))['a']?.trim(), '399');
});

test('damage is named: wrong key, changed octet, another file, a record from elsewhere', async () => {
  const files = createMemoryFiles();
  const store = await open(files);
  await store.commit(changes({ a: '1' }));
  const first = (await files.read(PATH))?.length ?? 0;
  await store.commit(changes({ a: '2' }));
  await store.commit(changes({ a: '3' }));
  const whole = (await files.read(PATH)) ?? new Uint8Array();
  const opening = (bytes: Uint8Array, key = KEY): Promise<CardStore> =>
    open(createMemoryFiles(new Map([[PATH, bytes]])), key);
  const corrupt = (error: unknown): boolean => isAgentError(error, 'STORE_CORRUPT');
  await assert.rejects(opening(whole, new Secret(new Uint8Array(32))), corrupt);
  await assert.rejects(opening(utf8Bytes('{"not": "a card"}')), corrupt);
  for (let at = 0; at < whole.length - 1; at++) {
    const changed = Uint8Array.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    await assert.rejects(opening(changed), corrupt, `octet ${at}`);
  }
  const second = whole.subarray(first, first + (whole.length - first) / 2);
  const third = whole.subarray(first + (whole.length - first) / 2);
  await assert.rejects(opening(Uint8Array.from([...whole.subarray(0, first), ...third, ...second])), corrupt);
});

test('the file holds nothing readable', async () => {
  const files = createMemoryFiles();
  await (await open(files)).commit(changes({ secret: 'the key of the card' }));
  const text = new TextDecoder('latin1').decode(await files.read(PATH));
  assert.ok(!text.includes('secret') && !text.includes('the key'));
});

test('the real file system: private file, nothing left over, state kept', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'card-store-'));
  try {
    const path = join(folder, 'card.euicc');
    const options = { path, key: KEY, random: createSeededRandom(2) };
    const store = await openCardStore(options);
    await store.commit(changes({ a: '1' }));
    await store.commit(changes({ b: '2' }));
    await store.close();
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await writeFile(`${path}.new`, 'left over from a cut');
    const again = await openCardStore(options);
    assert.deepEqual(content(again), { a: '1', b: '2' });
    await assert.rejects(readFile(`${path}.new`), /ENOENT/);
    await again.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});
