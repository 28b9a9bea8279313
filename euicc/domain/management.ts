// What every security domain does for who has its keys: data objects, the registry, and its keys (GlobalPlatform Card Specification 11.2
// to 11.4, 11.8, H.2).
import { uintBytes } from '../../base/bytes.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { INS_DELETE, INS_PUT_KEY } from '../../codec/put-key.ts';
import type { Scp03Size } from '../../crypto/scp03.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import { DATA_OBJECT, INS_GET_DATA } from './card-data.ts';
import { deleteKey, type KeyKinds, putKey } from './keysets.ts';
import { type DomainKeys, keyInformation, scp03KeysOf } from './keys.ts';
import { getStatus, INS_GET_STATUS, type Registry } from './registry.ts';

/** A security domain as its commands see it. */
export type SecurityDomain = {
  readonly keys: DomainKeys;
  readonly keyKinds: KeyKinds;
  /** Octets of challenges and MACs of its SCP03 sessions. */
  readonly size: Scp03Size;
  /** What it tells of itself and of what belongs to it. */
  registry(): Registry;
  /** A data object about itself or the card, whole, by its tag. */
  dataObject(tag: number): Uint8Array | undefined;
  /** Commands beyond those of every security domain; each of them needs protection. */
  readonly further?: ReadonlyMap<number, (command: CommandApdu) => Reply>;
};

/**
 * A command in the clear; `protectedBy` is the version of the keyset that protected it, undefined where nothing did. Undefined
 * for an instruction that is none of these.
 */
export function manage(
  domain: SecurityDomain,
  command: CommandApdu,
  protectedBy: number | undefined,
): Reply | undefined {
  if (command.ins === INS_GET_DATA) return getData(domain, command, protectedBy);
  const { keyKinds, keys } = domain;
  const under = (perform: (version: number) => Reply | undefined): Reply | undefined =>
    protectedBy === undefined ? refuse(SW.securityStatus) : perform(protectedBy);
  switch (command.ins) {
    case INS_GET_STATUS:
      return under(() => getStatus(domain.registry(), command));
    case INS_PUT_KEY:
      return under((version) => putKey(keys, keyKinds, command, version));
    case INS_DELETE:
      return under((version) => deleteKey(keys, command, version));
    default: {
      const further = domain.further?.get(command.ins);
      return further === undefined ? undefined : under(() => further(command));
    }
  }
}

/** No secret is among these: everybody may ask. */
function getData(
  domain: SecurityDomain,
  { p1, p2, data }: CommandApdu,
  protectedBy: number | undefined,
): Reply {
  if (data.length > 0) return refuse(SW.wrongLength);
  const { keys } = domain;
  const tag = p1 * 256 + p2;
  switch (tag) {
    case DATA_OBJECT.keyInformation:
      return ok(keyInformation(keys));
    case DATA_OBJECT.sequenceCounter: {
      const counted = keys.versions().filter((version) => scp03KeysOf(keys, version) !== undefined);
      const version = counted.find((each) => each === protectedBy) ?? counted[0];
      if (version === undefined) return refuse(SW.referencedDataNotFound);
      return ok(encodeTlv(0xc1, uintBytes(keys.sequenceCounter(version), 3)));
    }
    default:
      return ok(domain.dataObject(tag) ?? refuse(SW.referencedDataNotFound));
  }
}
