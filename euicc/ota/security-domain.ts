// Remote management of a profile's security domain: what is there can be asked (GlobalPlatform Card Specification, 11.3 and 11.4;
// ETSI TS 102 226, 8). Applications of a profile are kept but never run, so nothing is loaded or installed this way.
import { SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { DATA_OBJECT, INS_GET_DATA } from '../domain/card-data.ts';
import { getStatus, INS_GET_STATUS } from '../domain/registry.ts';
import { ok, refuse } from '../os/reply.ts';
import type { LoadedProfile, SecurityDomainContent } from '../profile-content.ts';
import type { RemoteCommands } from './remote-session.ts';

type Content = Pick<LoadedProfile, 'securityDomains' | 'applications'>;

export function securityDomainCommands(content: Content, domain: SecurityDomainContent): RemoteCommands {
  const { applications, securityDomains } = content;
  const others = [...securityDomains.filter((each) => each !== domain), ...applications];
  return {
    process(command) {
      const { cla, ins, p1, p2, data } = command;
      if ((cla & 0x80) === 0) return refuse(SW.claNotSupported);
      if (ins === INS_GET_STATUS) return getStatus({ domain, others }, command);
      if (ins !== INS_GET_DATA) return refuse(SW.insNotSupported);
      if (data.length > 0) return refuse(SW.wrongLength);
      return p1 * 256 + p2 === DATA_OBJECT.keyInformation
        ? ok(keyInformation(domain))
        : refuse(SW.referencedDataNotFound);
    },
  };
}

/** Identifier, version, and type and length of each component, of each key; no values. */
export function keyInformation({ keys }: SecurityDomainContent): Uint8Array {
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
