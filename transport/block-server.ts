// The operator's end of a transfer: answers each request for blocks from the content alone and remembers nothing.
import { cborItem } from '../codec/cbor-table.ts';
import { block, type BlockRequest } from '../codec/wire.ts';

/** What one request can draw at most, so that a device cannot be made to amplify. */
export const MAX_ANSWER_OCTETS = 131_072;

const blockItem = cborItem(block);

export type TransferContent = {
  readonly transferId: Uint8Array;
  readonly content: Uint8Array;
  readonly blockSize: number;
};

/**
 * The payloads of the requested blocks, in the order asked, each once. Indices beyond the content, empty and repeated ranges are
 * skipped; the answer ends at `MAX_ANSWER_OCTETS`, and the device asks again for the rest.
 */
export function* answerBlocks(transfer: TransferContent, request: BlockRequest): Generator<Uint8Array> {
  const { transferId, content, blockSize } = transfer;
  const count = Math.ceil(content.length / blockSize);
  const sent = new Set<number>();
  let left = MAX_ANSWER_OCTETS;
  for (const [first = 0, length = 0] of request.ranges) {
    for (let index = first; index < Math.min(first + length, count); index++) {
      if (sent.has(index)) continue;
      const data = content.subarray(index * blockSize, (index + 1) * blockSize);
      left -= data.length;
      if (left < 0) return;
      sent.add(index);
      yield blockItem.encode({ transferId, index, data });
    }
  }
}
