// A security domain that is there to be selected and asked: it answers GET DATA, and has no keys that open a session on a channel
// (GlobalPlatform Card Specification 11.3, 11.9).
import { fromHex } from '../../base/bytes.ts';
import { SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import type { Applet } from '../os/card.ts';
import { ok, status } from '../os/reply.ts';
import { INS_GET_DATA } from './card-data.ts';

/** Maximum length of the data field in a command. */
export const MAXIMUM_LENGTH = fromHex('9F6501FF');

export function createDomainApplet(options: {
  readonly aid: Uint8Array;
  /** The whole data object that P1-P2 name, undefined where there is none. */
  readonly object: (name: number) => Uint8Array | undefined;
  /** Whether it is still there: a profile may be deleted while its domain is selected. */
  readonly exists?: () => boolean;
}): Applet {
  const { aid, object, exists = () => true } = options;
  return {
    aid,
    select: () => encodeTlv(0x6f, encodeTlv(0x84, aid), encodeTlv(0xa5, MAXIMUM_LENGTH)),
    deselect: () => {},
    process(_channel, { cla, data, ins, p1, p2 }) {
      if (!exists()) return status(SW.conditionsOfUse);
      if (ins !== INS_GET_DATA) return status((cla & 0x80) === 0 ? SW.claNotSupported : SW.insNotSupported);
      if (data.length > 0) return status(SW.wrongLength);
      const found = object(p1 * 256 + p2);
      return found === undefined ? status(SW.referencedDataNotFound) : ok(found);
    },
  };
}
