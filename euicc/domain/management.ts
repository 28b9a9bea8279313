// What every security domain does for who has its keys: data objects, the registry, and its keys (GlobalPlatform Card Specification 11.2
// to 11.4, 11.8, H.2).
import { uintBytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv, readOnly } from '../../codec/ber-tlv.ts';
import { tagList } from '../../codec/rsp/types.ts';
import { INS_DELETE, INS_PUT_KEY } from '../../codec/put-key.ts';
import type { Scp03Size } from '../../crypto/scp03.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import { DATA_OBJECT, INS_GET_DATA } from './card-data.ts';
import { deleteKey, type KeyKinds, putKey } from './keysets.ts';
import { type DomainKeys, keyInformation, scp03KeysOf } from './keys.ts';
import { getStatus, INS_GET_STATUS, type Registry } from './registry.ts';

const TAG_LIST = 0x5c;

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
  /** A data object of the ECASD, whole, by its tag. */
  ecasdObject(tag: number): Uint8Array | undefined;
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
  const { keys } = domain;
  const tag = p1 * 256 + p2;
  if (tag === DATA_OBJECT.forwarded) return forwarded(domain, data);
  if (data.length > 0) return refuse(SW.wrongLength);
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

/** Objects of the ECASD (BF30): those in the tag list of the command, or its certificate. */
function forwarded(domain: SecurityDomain, data: Uint8Array): Reply {
  const wanted = data.length === 0 ? [] : tagsIn(data);
  const tags = wanted.length === 0 ? [DATA_OBJECT.certificate] : wanted;
  const found = tags.flatMap((tag) => domain.ecasdObject(tag) ?? []);
  if (found.length === 0) return refuse(SW.referencedDataNotFound);
  return ok(encodeTlv(DATA_OBJECT.forwarded, ...found));
}

/** The tags of a tag list (5C). */
function tagsIn(data: Uint8Array): readonly number[] {
  try {
    return tagList.decode(readOnly(data, TAG_LIST).value);
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}
