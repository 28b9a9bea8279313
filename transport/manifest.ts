// The manifest of a transfer: made from the content, checked against itself, and the rule for when a block is the right one.
import { concat, equalBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import type { DownOf } from '../codec/wire.ts';
import { sha256 } from '../crypto/hash.ts';

/** Octets that remain of a block's SHA-256. */
export const BLOCK_HASH_OCTETS = 16;
export const DEFAULT_BLOCK_SIZE = 4096;
const MAX_BLOCKS = 65_536;

export type Manifest = Pick<
  DownOf<'manifest'>,
  'transferId' | 'contentKind' | 'totalBytes' | 'blockSize' | 'sha256' | 'hashes' | 'expires'
>;

/** Describes `content` in blocks of `blockSize` (256 to 65536). `expires` is in Unix seconds. Throws `NUMBER_RANGE`. */
export function makeManifest(options: {
  readonly transferId: Uint8Array;
  readonly content: Uint8Array;
  readonly blockSize: number;
  readonly expires: number;
  readonly contentKind: Manifest['contentKind'];
}): Manifest {
  const { transferId, content, blockSize, expires, contentKind } = options;
  if (!Number.isInteger(blockSize) || blockSize < 256 || blockSize > 65_536) {
    throw new AgentError('NUMBER_RANGE', { what: 'block size', value: blockSize });
  }
  const count = Math.ceil(content.length / blockSize);
  if (count < 1 || count > MAX_BLOCKS) {
    throw new AgentError('NUMBER_RANGE', { what: 'content octets', value: content.length });
  }
  const hashes: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    hashes.push(blockHash(content.subarray(index * blockSize, (index + 1) * blockSize)));
  }
  return {
    transferId,
    contentKind,
    totalBytes: content.length,
    blockSize,
    sha256: sha256(content),
    hashes: concat(...hashes),
    expires,
  };
}

/** How many blocks it names. Throws `MANIFEST_INVALID` when sizes and hashes do not fit each other. */
export function blockCount(manifest: Manifest): number {
  const count = Math.ceil(manifest.totalBytes / manifest.blockSize);
  if (count < 1 || count > MAX_BLOCKS || manifest.hashes.length !== count * BLOCK_HASH_OCTETS) {
    throw new AgentError('MANIFEST_INVALID', {
      totalBytes: manifest.totalBytes,
      blockSize: manifest.blockSize,
      hashOctets: manifest.hashes.length,
    });
  }
  return count;
}

/** Octets of the block at `index`: the block size, less for the last. */
export function blockLength(manifest: Manifest, index: number): number {
  return Math.min(manifest.blockSize, manifest.totalBytes - index * manifest.blockSize);
}

/** Whether `data` is the block at `index`: its length and its hash. */
export function isBlock(manifest: Manifest, index: number, data: Uint8Array): boolean {
  if (data.length !== blockLength(manifest, index)) return false;
  const at = index * BLOCK_HASH_OCTETS;
  return equalBytes(blockHash(data), manifest.hashes.subarray(at, at + BLOCK_HASH_OCTETS));
}

function blockHash(data: Uint8Array): Uint8Array {
  return sha256(data).subarray(0, BLOCK_HASH_OCTETS);
}
