// The ECASD as an applet: the controlling authority's security domain can be selected and asked whose card this is, and for
// CERT.ECASD.ECKA; its keys sign and agree on keys through the ISD-R (SGP.02 2.2.3, SGP.22 2.4.4).
import { encodeTlv } from '../codec/ber-tlv.ts';
import { AID_ECASD, encodeAid, encodeEid } from '../codec/ids.ts';
import { keylessDomainApplet } from './domain/applet.ts';
import { cardObject, DATA_OBJECT } from './domain/card-data.ts';
import { scp03Size } from './domain/scp03-mode.ts';
import type { Applet } from './os/card.ts';
import type { IdentityRecord } from './records.ts';
import { wholeModules } from './security-modules.ts';
import type { State } from './state.ts';

type Identified = Pick<IdentityRecord, 'eid' | 'cplc'>;

export function createEcasd(options: { readonly state: State; readonly record: Identified }): Applet {
  const { state, record } = options;
  return keylessDomainApplet({
    aid: encodeAid(AID_ECASD),
    object: (name) => ecasdObject(state, record, name),
  });
}

/** What the ECASD tells of itself and the card: the whole object, undefined for one that it has not (SGP.02 2.2.1.2). */
export function ecasdObject(state: State, record: Identified, name: number): Uint8Array | undefined {
  switch (name) {
    case DATA_OBJECT.eid:
      return encodeTlv(0x5a, encodeEid(record.eid));
    case DATA_OBJECT.keyInformation:
      return encodeTlv(0xe0);
    case DATA_OBJECT.certificate: {
      const [first] = certificates(state);
      return first;
    }
    case DATA_OBJECT.certificateStore: {
      const all = certificates(state);
      return all.length === 0 ? undefined : encodeTlv(DATA_OBJECT.certificateStore, ...all);
    }
    default:
      return cardObject(record, scp03Size(state), name);
  }
}

/** CERT.ECASD.ECKA of every security module, each in an object 7F21. */
function certificates(state: State): Uint8Array[] {
  return wholeModules(state).map(({ certificate }) => encodeTlv(DATA_OBJECT.certificate, certificate));
}
