// The ECASD as an applet: the controlling authority's security domain can be selected; its keys sign through the ISD-R
// (SGP.02 2.2.3, SGP.22 2.4.4).
import { SW } from '../codec/apdu.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { AID_ECASD, encodeAid } from '../codec/ids.ts';
import type { Applet } from './os/card.ts';
import { status } from './os/reply.ts';

export function createEcasd(): Applet {
  const aid = encodeAid(AID_ECASD);
  return {
    aid,
    select: () => encodeTlv(0x6f, encodeTlv(0x84, aid), encodeTlv(0xa5)),
    deselect: () => {},
    process: () => status(SW.insNotSupported),
  };
}
