// COMPREHENSION-TLV data objects of the card application toolkit (ETSI TS 101 220, 7.1.1; ETSI TS 102 223, 8).
import { bytesUint } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

/** A data object. `tag` is without the bit that asks for comprehension; `value` is a view. */
export type ComprehensionTlv = {
  readonly tag: number;
  readonly required: boolean;
  readonly value: Uint8Array;
};

/** First octet of a tag in three octets. */
const LONG_TAG = 0x7f;
const MAX_LENGTH_OCTETS = 3;

/** Reads data objects back to back until the end. Throws `TLV_INVALID` naming the offset. */
export function readComprehensionTlvs(bytes: Uint8Array): ComprehensionTlv[] {
  const found: ComprehensionTlv[] = [];
  for (let at = 0; at < bytes.length; ) {
    const invalid = (why: string): AgentError => new AgentError('TLV_INVALID', { offset: at, why });
    const [first = 0] = bytes.subarray(at);
    if (first === 0 || first === 0x80 || first === 0xff) throw invalid('no tag');
    const long = first === LONG_TAG;
    const lengthAt = at + (long ? 3 : 1);
    const tag = long ? bytesUint(bytes.subarray(at + 1, lengthAt)) : first;
    const lengthOctet = bytes[lengthAt];
    if (lengthOctet === undefined) throw invalid('header is cut off');
    const more = lengthOctet < 0x80 ? 0 : lengthOctet - 0x80;
    if (more > MAX_LENGTH_OCTETS || lengthOctet === 0x80) throw invalid('length of another form');
    const valueAt = lengthAt + 1 + more;
    if (valueAt > bytes.length) throw invalid('header is cut off');
    const end = valueAt + (more === 0 ? lengthOctet : bytesUint(bytes.subarray(lengthAt + 1, valueAt)));
    if (end > bytes.length) throw invalid('length runs past the end');
    const bit = long ? 0x8000 : 0x80;
    found.push({
      tag: tag & ~bit,
      required: (tag & bit) !== 0,
      value: bytes.subarray(valueAt, end),
    });
    at = end;
  }
  return found;
}
