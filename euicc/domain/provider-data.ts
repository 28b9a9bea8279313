// What its owner writes into a security domain about itself: provider identification and image number (GlobalPlatform Card Specification
// 11.3.3.1 and 11.11).
import { bytesUint, EMPTY } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv, readTlvs, type Tlv } from '../../codec/ber-tlv.ts';
import { cborBytes } from '../../codec/cbor-table.ts';
import type { Aid } from '../../codec/ids.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import { profilePrefix } from '../records.ts';
import { cell, type Cell, type State } from '../state.ts';

/** Security domain provider identification number and image number. */
const TAGS: readonly number[] = [0x42, 0x45];
const MAX_OCTETS = 32;
/** P1: the last block; enciphered data; how the data is structured. */
const LAST = 0x80;
const ENCIPHERED = 0x60;
const STRUCTURE = { mask: 0x18, groups: 0x08, objects: 0x10 } as const;
/** The data grouping of BER-TLV objects. */
const OBJECTS_GROUP = 0x0070;

export type ProviderData = {
  /** The object with this tag, whole. */
  read(tag: number): Uint8Array | undefined;
  /** STORE DATA of one block: objects, or one data grouping of them. */
  store(command: CommandApdu): Reply;
};

export function createProviderData(state: State, number: number, aid: Aid): ProviderData {
  const cellOf = (tag: number): Cell<Uint8Array> =>
    cell(`${profilePrefix(number)}sd-data/${aid}/${tag.toString(16)}`, cborBytes({ max: MAX_OCTETS }), EMPTY);
  return {
    read: (tag) =>
      TAGS.includes(tag) && state.has(cellOf(tag)) ? encodeTlv(tag, state.read(cellOf(tag))) : undefined,
    store({ p1, p2, data }) {
      if ((p1 & LAST) === 0 || p2 !== 0 || (p1 & ENCIPHERED) !== 0) return refuse(SW.incorrectP1P2);
      for (const { tag, value } of objectsIn(p1, data)) {
        if (!TAGS.includes(tag)) return refuse(SW.referencedDataNotFound);
        if (value.length === 0 || value.length > MAX_OCTETS) return refuse(SW.wrongData);
        state.write(cellOf(tag), Uint8Array.from(value));
      }
      return ok();
    },
  };
}

function objectsIn(p1: number, data: Uint8Array): readonly Tlv[] {
  const structure = p1 & STRUCTURE.mask;
  if (structure !== STRUCTURE.groups && structure !== STRUCTURE.objects) return refuse(SW.incorrectP1P2);
  let objects = data;
  if (structure === STRUCTURE.groups) {
    objects = data.subarray(3);
    if (data.length < 3 || objects.length !== data[2]) return refuse(SW.wrongData);
    if (bytesUint(data.subarray(0, 2)) !== OBJECTS_GROUP) return refuse(SW.referencedDataNotFound);
  }
  try {
    const found = readTlvs(objects);
    return found.length > 0 ? found : refuse(SW.wrongData);
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}
