// Remote management of a profile's security domain: what is there can be asked (GlobalPlatform Card Specification, 11.3 and 11.4;
// ETSI TS 102 226, 8). Applications of a profile are kept but never run, so nothing is loaded or installed this way.
import { concat, equalBytes } from '../../base/bytes.ts';
import { SW } from '../../codec/apdu.ts';
import { encodeTlv, findTlv, readTlvs } from '../../codec/ber-tlv.ts';
import { encodeAid } from '../../codec/ids.ts';
import { isAgentError } from '../../base/errors.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import type { ApplicationContent, LoadedProfile, SecurityDomainContent } from '../profile-content.ts';
import type { RemoteCommands } from './remote-session.ts';

const INS_GET_DATA = 0xca;
const INS_GET_STATUS = 0xf2;
const KEY_INFORMATION = 0x00e0;
const ISD = 0x80;
const APPLICATIONS = 0x40;
/** Answers in objects E3, all of them at once. */
const AS_OBJECTS = 0x02;

type Content = Pick<LoadedProfile, 'securityDomains' | 'applications'>;

export function securityDomainCommands(content: Content, domain: SecurityDomainContent): RemoteCommands {
  return {
    process({ cla, ins, p1, p2, data }) {
      if ((cla & 0x80) === 0) return refuse(SW.claNotSupported);
      if (ins === INS_GET_STATUS) return getStatus(content, domain, p1, p2, data);
      if (ins !== INS_GET_DATA) return refuse(SW.insNotSupported);
      if (data.length > 0) return refuse(SW.wrongLength);
      return p1 * 256 + p2 === KEY_INFORMATION
        ? ok(keyInformation(domain))
        : refuse(SW.referencedDataNotFound);
    },
  };
}

/** Identifier, version, and type and length of each component, of each key; no values. */
function keyInformation({ keys }: SecurityDomainContent): Uint8Array {
  return encodeTlv(
    0xe0,
    ...keys.map(({ identifier, version, components }) =>
      encodeTlv(
        0xc0,
        Uint8Array.of(identifier, version),
        ...components.map(({ type, data }) => Uint8Array.of(type, data.reveal().length)),
      ),
    ),
  );
}

function getStatus(
  { applications, securityDomains }: Content,
  domain: SecurityDomainContent,
  p1: number,
  p2: number,
  data: Uint8Array,
): Reply {
  if (p2 !== AS_OBJECTS) return refuse(SW.incorrectP1P2);
  const searched = searchedAid(data);
  const others = [...securityDomains.filter((each) => each !== domain), ...applications];
  const list = p1 === ISD ? [domain] : p1 === APPLICATIONS ? others : refuse(SW.incorrectP1P2);
  const found = list.filter(({ aid }) => equalBytes(encodeAid(aid).subarray(0, searched.length), searched));
  if (found.length === 0) return refuse(SW.referencedDataNotFound);
  return ok(concat(...found.map(registryEntry)));
}

function registryEntry({ aid, lifeCycle, privileges }: ApplicationContent): Uint8Array {
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
