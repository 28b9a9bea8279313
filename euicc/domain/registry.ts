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
/** Executable load files, with their modules or without: what is in a load file of a profile stays unread. */
const LOAD_FILES: ReadonlySet<number> = new Set([0x20, 0x10]);
const LOADED = 0x01;
/** Answers in objects E3, all of them at once. */
const AS_OBJECTS = 0x02;

export type RegistryEntry = {
  readonly aid: Aid;
  readonly lifeCycle: number;
  readonly privileges: Uint8Array;
};

export type Registry = {
  readonly domain: RegistryEntry;
  readonly others: readonly RegistryEntry[];
  readonly loadFiles?: readonly Aid[];
};

export function getStatus(
  { domain, loadFiles = [], others }: Registry,
  { p1, p2, data }: Pick<CommandApdu, 'p1' | 'p2' | 'data'>,
): Reply {
  if (p2 !== AS_OBJECTS) return refuse(SW.incorrectP1P2);
  const searched = searchedAid(data);
  const entriesOf = (kind: number): readonly Entry[] => {
    if (LOAD_FILES.has(kind)) return loadFiles.map((aid) => ({ aid, lifeCycle: LOADED }));
    return kind === DOMAIN ? [domain] : kind === APPLICATIONS ? others : refuse(SW.incorrectP1P2);
  };
  const found = entriesOf(p1).filter(({ aid }) =>
    equalBytes(encodeAid(aid).subarray(0, searched.length), searched),
  );
  if (found.length === 0) return refuse(SW.referencedDataNotFound);
  return ok(concat(...found.map(encodeEntry)));
}

type Entry = Omit<RegistryEntry, 'privileges'> & Partial<Pick<RegistryEntry, 'privileges'>>;

function encodeEntry({ aid, lifeCycle, privileges }: Entry): Uint8Array {
  return encodeTlv(
    0xe3,
    encodeTlv(0x4f, encodeAid(aid)),
    encodeTlv(0x9f70, Uint8Array.of(lifeCycle)),
    ...(privileges === undefined ? [] : [encodeTlv(0xc5, privileges)]),
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
