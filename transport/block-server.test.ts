import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat } from '../base/bytes.ts';
import { createSeededRandom } from '../base/random.ts';
import { cborItem } from '../codec/cbor-table.ts';
import { block } from '../codec/wire.ts';
import { answerBlocks, MAX_ANSWER_OCTETS } from './block-server.ts';
import { blockCount, isBlock, makeManifest } from './manifest.ts';

const random = createSeededRandom(3);
const transferId = random.bytes(16);

function answered(content: Uint8Array, blockSize: number, ranges: readonly (readonly number[])[]) {
  const item = cborItem(block);
  return [...answerBlocks({ transferId, content, blockSize }, { transferId, ranges })].map(item.decode);
}

function manifestOf(content: Uint8Array, blockSize: number) {
  return makeManifest({ transferId, content, blockSize, expires: 1, contentKind: 'profile-script' });
}

test('the answer to one range of all blocks is the content, and the manifest names every block', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 3000 }),
      fc.integer({ min: 256, max: 1100 }),
      (content, blockSize) => {
        const manifest = manifestOf(content, blockSize);
        const count = blockCount(manifest);
        const blocks = answered(content, blockSize, [[0, count]]);
        assert.deepEqual(concat(...blocks.map(({ data }) => data)), content);
        for (const { index, data } of blocks) assert.ok(isBlock(manifest, index, data));
      },
    ),
  );
});

test('blocks come in the order asked, each once, and none beyond the content', () => {
  const content = random.bytes(1000);
  const blocks = answered(content, 256, [[2, 2], [0, 1], [3, 60_000], [65_536, 9], [1, 0], []]);
  assert.deepEqual(
    blocks.map(({ index, data }) => [index, data.length]),
    [
      [2, 256],
      [3, 232],
      [0, 256],
    ],
  );
});

test('one request draws no more than the bound', () => {
  const content = random.bytes(3 * MAX_ANSWER_OCTETS);
  const blocks = answered(
    content,
    4096,
    Array.from({ length: 64 }, () => [0, 65_536]),
  );
  assert.equal(blocks.length, MAX_ANSWER_OCTETS / 4096);
});

test('a block of other length, other octets or another place is not the one of the manifest', () => {
  const content = random.bytes(1000);
  const manifest = manifestOf(content, 256);
  const first = content.slice(0, 256);
  assert.ok(isBlock(manifest, 0, first));
  assert.ok(!isBlock(manifest, 1, first));
  assert.ok(!isBlock(manifest, 0, first.subarray(0, 255)));
  assert.ok(!isBlock(manifest, 0, concat(first, Uint8Array.of(0))));
  for (let bit = 0; bit < 2048; bit += 7) {
    const changed = Uint8Array.from(first);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(!isBlock(manifest, 0, changed));
  }
});

test('a manifest that contradicts itself is refused', () => {
  const manifest = manifestOf(random.bytes(1000), 256);
  const faults = [
    { ...manifest, totalBytes: 1025 },
    { ...manifest, blockSize: 512 },
    { ...manifest, hashes: manifest.hashes.subarray(1) },
    { ...manifest, totalBytes: 16_777_216, blockSize: 256, hashes: new Uint8Array(0) },
  ];
  for (const fault of faults) assert.throws(() => blockCount(fault), { code: 'MANIFEST_INVALID' });
});

test('content that cannot be cut into blocks is refused', () => {
  assert.throws(() => manifestOf(new Uint8Array(0), 256), { code: 'NUMBER_RANGE' });
  for (const size of [0, 255, 65_537, 300.5])
    assert.throws(() => manifestOf(Uint8Array.of(1), size), { code: 'NUMBER_RANGE' });
});
