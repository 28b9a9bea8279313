// The ECASD as an applet: the controlling authority's security domain can be selected and asked whose card this is, and for
// CERT.ECASD.ECKA; its keys sign and agree on keys through the ISD-R (SGP.02 2.2.3, SGP.22 2.4.4).
import { SW } from '../codec/apdu.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { AID_ECASD, encodeAid, encodeEid } from '../codec/ids.ts';
import { DATA_OBJECT, INS_GET_DATA } from './domain/management.ts';
import type { Applet } from './os/card.ts';
import { ok, status } from './os/reply.ts';
import { type IdentityRecord, securityModulesCell } from './records.ts';
import type { State } from './state.ts';

export function createEcasd(options: {
  readonly state: State;
  readonly record: Pick<IdentityRecord, 'eid'>;
}): Applet {
  const { state, record } = options;
  const aid = encodeAid(AID_ECASD);
  return {
    aid,
    select: () => encodeTlv(0x6f, encodeTlv(0x84, aid), encodeTlv(0xa5)),
    deselect: () => {},
    process(_channel, { cla, data, ins, p1, p2 }) {
      if ((cla & 0x80) === 0) return status(SW.claNotSupported);
      if (ins !== INS_GET_DATA) return status(SW.insNotSupported);
      if (data.length > 0) return status(SW.wrongLength);
      switch (p1 * 256 + p2) {
        case DATA_OBJECT.eid:
          return ok(encodeTlv(0x5a, encodeEid(record.eid)));
        case DATA_OBJECT.keyInformation:
          return ok(encodeTlv(0xe0));
        case DATA_OBJECT.certificate: {
          const [first] = state.read(securityModulesCell);
          return first === undefined
            ? status(SW.referencedDataNotFound)
            : ok(encodeTlv(DATA_OBJECT.certificate, first.certificate));
        }
        default:
          return status(SW.referencedDataNotFound);
      }
    },
  };
}
