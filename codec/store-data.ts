// STORE DATA chains to the ISD-R (SGP.22 5.7.2, GlobalPlatform 11.11): cutting an ES10 request, and joining it on the card.
import { concat, EMPTY } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { type CommandApdu, SW } from './apdu.ts';

/** P1: BER-TLV data, case 4; more blocks follow, or this is the last one. */
export const P1_MORE = 0x11;
export const P1_LAST = 0x91;

const MAX_BLOCKS = 256;

/**
 * The STORE DATA commands for one ES10 request, blocks of at most `maxData` octets (1 to 255) numbered from 0. Without Le:
 * where there is an answer, the card says so by 61xx. Throws `APDU_INVALID` when the request needs more than 256 blocks.
 */
export function storeDataCommands(request: Uint8Array, maxData = 255): CommandApdu[] {
  if (!Number.isInteger(maxData) || maxData < 1 || maxData > 255) {
    throw new AgentError('APDU_INVALID', { maxData });
  }
  const count = Math.max(1, Math.ceil(request.length / maxData));
  if (count > MAX_BLOCKS) throw new AgentError('APDU_INVALID', { octets: request.length, blocks: count });
  return Array.from({ length: count }, (_, block) => ({
    cla: 0x80,
    ins: 0xe2,
    p1: block === count - 1 ? P1_LAST : P1_MORE,
    p2: block,
    data: request.subarray(block * maxData, (block + 1) * maxData),
  }));
}

/** What a block did: the chain goes on, the request is whole, or the block is refused with a status word. */
type Reassembled =
  | { readonly is: 'more' }
  | { readonly is: 'request'; readonly request: Uint8Array }
  | { readonly is: 'refused'; readonly sw: number };

/** Joins the blocks of one logical channel. A block 0 starts anew; a refused block drops what was collected. */
export type StoreDataReassembler = {
  add(command: Pick<CommandApdu, 'p1' | 'p2' | 'data'>): Reassembled;
  reset(): void;
};

/** `maxRequest` bounds what is collected (octets). */
export function createStoreDataReassembler(maxRequest = MAX_BLOCKS * 255): StoreDataReassembler {
  let blocks: Uint8Array[] = [];
  let collected = 0;
  const reset = (): void => {
    blocks = [];
    collected = 0;
  };
  const refuse = (sw: number): Reassembled => {
    reset();
    return { is: 'refused', sw };
  };
  return {
    reset,
    add({ p1, p2, data }) {
      if (p1 !== P1_MORE && p1 !== P1_LAST) return refuse(SW.incorrectP1P2);
      if (p2 === 0) reset();
      else if (p2 !== blocks.length) return refuse(SW.incorrectP1P2);
      if (collected + data.length > maxRequest) return refuse(SW.notEnoughMemory);
      blocks.push(Uint8Array.from(data));
      collected += data.length;
      if (p1 === P1_MORE) return { is: 'more' };
      const request = blocks.length === 0 ? EMPTY : concat(...blocks);
      reset();
      return { is: 'request', request };
    },
  };
}
