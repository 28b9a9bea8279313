// The ISD-R as a security domain: its keysets, and the registry of the security domains of the card (SGP.02 2.2.1; SGP.22 2.4.3).
import { fromHex } from '../../base/bytes.ts';
import type { CommandApdu } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { AID_ECASD, AID_ISD_R } from '../../codec/ids.ts';
import { INS_PIN_UNBLOCK, unblockCertificateProfile } from '../certificate-profile.ts';
import type { Profiles } from '../profiles.ts';
import type { IdentityRecord } from '../records.ts';
import type { State } from '../state.ts';
import { ecasdObject } from '../ecasd.ts';
import { cardObject, cardResources, DATA_OBJECT } from './card-data.ts';
import type { SecurityDomain } from './management.ts';
import { isdPEntry } from './isd-p.ts';
import { scp03Size } from './scp03-mode.ts';
import { isdRKeys } from './stored-keys.ts';

const PERSONALIZED = 0x0f;
/** Security domain with authorized management; with the global service of the controlling authority. */
const PRIVILEGES = { isdR: fromHex('804000'), ecasd: fromHex('800100') } as const;

export function createIsdRDomain(card: {
  readonly state: State;
  readonly profiles: Profiles;
  readonly record: IdentityRecord;
  freeMemory(): number;
}): SecurityDomain {
  const { profiles, record, state } = card;
  return {
    dataObject: (name) =>
      name === DATA_OBJECT.resources
        ? encodeTlv(DATA_OBJECT.resources, cardResources(card))
        : cardObject(record, scp03Size(state), name),
    ecasdObject: (name) => ecasdObject(state, record, name),
    keys: isdRKeys(state),
    keyKinds: 'aes',
    size: scp03Size(state),
    further: new Map([
      [INS_PIN_UNBLOCK, (command: CommandApdu) => unblockCertificateProfile(state, command)],
    ]),
    registry: () => ({
      domain: { aid: AID_ISD_R, lifeCycle: PERSONALIZED, privileges: PRIVILEGES.isdR },
      others: [
        { aid: AID_ECASD, lifeCycle: PERSONALIZED, privileges: PRIVILEGES.ecasd },
        ...profiles.list().map(isdPEntry),
      ],
    }),
  };
}
