// The ISD-Ps as applets: one security domain for each profile, beside what it holds (SGP.02 2.2.1.3, SGP.22 2.4.5). It has no keys of
// its own: profiles come and go through the ISD-R.
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { encodeAid } from '../../codec/ids.ts';
import type { Applet } from '../os/card.ts';
import type { Profiles } from '../profiles.ts';
import type { IdentityRecord } from '../records.ts';
import { createDomainApplet } from './applet.ts';
import { cardObject, DATA_OBJECT } from './card-data.ts';

/** The ISD-P of every profile there is now; the same one for the same profile each time. */
export function createIsdPs(
  profiles: Profiles,
  record: Pick<IdentityRecord, 'eid' | 'cplc'>,
): () => readonly Applet[] {
  const known = new Map<number, Applet>();
  const isdP = (number: number, aid: Uint8Array): Applet =>
    createDomainApplet({
      aid,
      object: (name) => (name === DATA_OBJECT.keyInformation ? encodeTlv(0xe0) : cardObject(record, name)),
      exists: () => profiles.list().some((profile) => profile.number === number),
    });
  return () =>
    profiles.list().map(({ number, record: held }) => {
      const applet = known.get(number) ?? isdP(number, encodeAid(held.isdPAid));
      known.set(number, applet);
      return applet;
    });
}
