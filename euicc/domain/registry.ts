// GET STATUS: what a security domain knows of itself and of what belongs to it (GlobalPlatform Card Specification 11.4).
import { concat, equalBytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv, findTlv, readTlvs } from '../../codec/ber-tlv.ts';
import { type Aid, encodeAid } from '../../codec/ids.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';

export const INS_GET_STATUS = 0xf2;
const DOMAIN = 0x80;
const APPLICATIONS = 0x40;
/** Answers in objects E3, all of them at once. */
const AS_OBJECTS = 0x02;

export type RegistryEntry = {
  readonly aid: Aid;
  readonly lifeCycle: number;
  readonly privileges: Uint8Array;
};

export type Registry = { readonly domain: RegistryEntry; readonly others: readonly RegistryEntry[] };

export function getStatus(
  { domain, others }: Registry,
  { p1, p2, data }: Pick<CommandApdu, 'p1' | 'p2' | 'data'>,
): Reply {
  if (p2 !== AS_OBJECTS) return refuse(SW.incorrectP1P2);
  const searched = searchedAid(data);
  const list = p1 === DOMAIN ? [domain] : p1 === APPLICATIONS ? others : refuse(SW.incorrectP1P2);
  const found = list.filter(({ aid }) => equalBytes(encodeAid(aid).subarray(0, searched.length), searched));
  if (found.length === 0) return refuse(SW.referencedDataNotFound);
  return ok(concat(...found.map(encodeEntry)));
}

function encodeEntry({ aid, lifeCycle, privileges }: RegistryEntry): Uint8Array {
  return encodeTlv(
    0xe3,
    encodeTlv(0x4f, encodeAid(aid)),
    encodeTlv(0x9f70, Uint8Array.of(lifeCycle)),
    encodeTlv(0xc5, privileges),
  );
}

/** The value of 4F, from which on AIDs match; empty for all. */
function searchedAid(data: Uint8Array): Uint8Array {
  try {
    return findTlv(readTlvs(data), 0x4f)?.value ?? refuse(SW.wrongData);
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}
