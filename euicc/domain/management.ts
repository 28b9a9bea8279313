// The ISD-R as a security domain: its data objects, the registry of the security domains, and its keys (GlobalPlatform Card Specification
// 11.2 to 11.4, 11.8, H.2; SGP.02 2.2.1).
import { fromHex, uintBytes } from '../../base/bytes.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { AID_ECASD, AID_ISD_R } from '../../codec/ids.ts';
import { INS_DELETE, INS_PUT_KEY } from '../../codec/put-key.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import type { Profiles } from '../profiles.ts';
import { type IdentityRecord, keysetCells } from '../records.ts';
import type { State } from '../state.ts';
import { cardObject, cardResources, DATA_OBJECT, INS_GET_DATA } from './card-data.ts';
import { deleteKey, keyInformation, keyVersions, putKey } from './keysets.ts';
import { getStatus, INS_GET_STATUS, type Registry } from './registry.ts';

const PERSONALIZED = 0x0f;
/** States of an ISD-P (SGP.02 2.2.1.3). */
const ISD_P_STATE = { disabled: 0x1f, enabled: 0x3f } as const;
/** Security domain with authorized management; with the global service of the controlling authority; of its own. */
const PRIVILEGES = { isdR: fromHex('804000'), ecasd: fromHex('800100'), isdP: fromHex('800000') } as const;

/** What this security domain works on. */
export type Managed = {
  readonly state: State;
  readonly profiles: Profiles;
  readonly record: IdentityRecord;
  freeMemory(): number;
};

/**
 * A command in the clear; `protectedBy` is the version of the keyset that protected it, undefined where nothing did. Undefined
 * for an instruction that is none of these.
 */
export function manage(
  managed: Managed,
  command: CommandApdu,
  protectedBy: number | undefined,
): Reply | undefined {
  if (command.ins === INS_GET_DATA) return getData(managed, command, protectedBy);
  const perform = MANAGEMENT.get(command.ins);
  if (perform === undefined) return undefined;
  return protectedBy === undefined ? refuse(SW.securityStatus) : perform(managed, command, protectedBy);
}

const MANAGEMENT: ReadonlyMap<
  number,
  (managed: Managed, command: CommandApdu, protectedBy: number) => Reply
> = new Map([
  [INS_GET_STATUS, ({ profiles }: Managed, command: CommandApdu) => getStatus(registryOf(profiles), command)],
  [
    INS_PUT_KEY,
    ({ state }: Managed, command: CommandApdu, protectedBy: number) => putKey(state, command, protectedBy),
  ],
  [
    INS_DELETE,
    ({ state }: Managed, command: CommandApdu, protectedBy: number) => deleteKey(state, command, protectedBy),
  ],
]);

function registryOf(profiles: Profiles): Registry {
  return {
    domain: { aid: AID_ISD_R, lifeCycle: PERSONALIZED, privileges: PRIVILEGES.isdR },
    others: [
      { aid: AID_ECASD, lifeCycle: PERSONALIZED, privileges: PRIVILEGES.ecasd },
      ...profiles.list().map(({ enabled, record }) => ({
        aid: record.isdPAid,
        lifeCycle: enabled ? ISD_P_STATE.enabled : ISD_P_STATE.disabled,
        privileges: PRIVILEGES.isdP,
      })),
    ],
  };
}

/** No secret is among these: everybody may ask. */
function getData(managed: Managed, { p1, p2, data }: CommandApdu, protectedBy: number | undefined): Reply {
  if (data.length > 0) return refuse(SW.wrongLength);
  const { record, state } = managed;
  const name = p1 * 256 + p2;
  switch (name) {
    case DATA_OBJECT.resources:
      return ok(encodeTlv(DATA_OBJECT.resources, cardResources(managed)));
    case DATA_OBJECT.keyInformation:
      return ok(keyInformation(state));
    case DATA_OBJECT.sequenceCounter: {
      const version = protectedBy ?? keyVersions(state)[0];
      const keyset = version === undefined ? undefined : state.read(keysetCells(version));
      if (keyset === undefined) return refuse(SW.referencedDataNotFound);
      return ok(encodeTlv(0xc1, uintBytes(keyset.sequenceCounter, 3)));
    }
    default:
      return ok(cardObject(record, name) ?? refuse(SW.referencedDataNotFound));
  }
}
