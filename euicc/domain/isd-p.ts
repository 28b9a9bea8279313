// The ISD-Ps as applets: one security domain for each profile, beside what it holds (SGP.02 2.2.1.3, SGP.22 2.4.5). It has no keys of
// its own: profiles come and go through the ISD-R.
import { SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { encodeAid } from '../../codec/ids.ts';
import type { Applet } from '../os/card.ts';
import { ok, status } from '../os/reply.ts';
import type { Profiles } from '../profiles.ts';
import { DATA_OBJECT, INS_GET_DATA } from './management.ts';

/** The ISD-P of every profile there is now; the same one for the same profile each time. */
export function createIsdPs(profiles: Profiles): () => readonly Applet[] {
  const known = new Map<number, Applet>();
  return () =>
    profiles.list().map(({ number, record }) => {
      const applet = known.get(number) ?? isdP(profiles, number, encodeAid(record.isdPAid));
      known.set(number, applet);
      return applet;
    });
}

function isdP(profiles: Profiles, number: number, aid: Uint8Array): Applet {
  return {
    aid,
    select: () => encodeTlv(0x6f, encodeTlv(0x84, aid), encodeTlv(0xa5)),
    deselect: () => {},
    process(_channel, { cla, data, ins, p1, p2 }) {
      // Deleted while it is selected.
      if (!profiles.list().some((profile) => profile.number === number)) return status(SW.conditionsOfUse);
      if ((cla & 0x80) === 0) return status(SW.claNotSupported);
      if (ins !== INS_GET_DATA) return status(SW.insNotSupported);
      if (data.length > 0) return status(SW.wrongLength);
      return p1 * 256 + p2 === DATA_OBJECT.keyInformation
        ? ok(encodeTlv(0xe0))
        : status(SW.referencedDataNotFound);
    },
  };
}
