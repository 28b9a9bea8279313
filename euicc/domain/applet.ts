// Security domains as applets that can be selected and asked, and those with keys by one SCP03 session on each channel (GlobalPlatform
// Card Specification 11).
import { fromHex } from '../../base/bytes.ts';
import { SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import type { Applet } from '../os/card.ts';
import { ok, refuse, status } from '../os/reply.ts';
import { createSecureChannel, type SecureChannel } from '../secure-channel.ts';
import { INS_GET_DATA } from './card-data.ts';
import { manage, type SecurityDomain } from './management.ts';

/** The most octets of data in a command (GlobalPlatform 11.9.3.1). */
export const MAXIMUM_LENGTH = fromHex('9F6501FF');

/** One that tells about itself, and has no keys that open a session. */
export function keylessDomainApplet(options: {
  readonly aid: Uint8Array;
  /** The whole data object that P1-P2 name, undefined where there is none. */
  readonly object: (name: number) => Uint8Array | undefined;
  /** Whether it is still there: a profile may be deleted while its domain is selected. */
  readonly exists?: () => boolean;
}): Applet {
  const { aid, object, exists = () => true } = options;
  return {
    aid,
    select: () => encodeTlv(0x6f, encodeTlv(0x84, aid), encodeTlv(0xa5, MAXIMUM_LENGTH)),
    deselect: () => {},
    process(_channel, { cla, data, ins, p1, p2 }) {
      if (!exists()) return status(SW.conditionsOfUse);
      if (ins !== INS_GET_DATA) return status((cla & 0x80) === 0 ? SW.claNotSupported : SW.insNotSupported);
      if (data.length > 0) return status(SW.wrongLength);
      const found = object(p1 * 256 + p2);
      return found === undefined ? status(SW.referencedDataNotFound) : ok(found);
    },
  };
}

/** `isThere` says whether it still exists: it may go while it is selected. */
export function securityDomainApplet(
  aid: Uint8Array,
  domain: SecurityDomain,
  isThere: () => boolean,
): Applet {
  const sessions = new Map<number, SecureChannel>();
  return {
    aid,
    select(channel) {
      sessions.set(channel, createSecureChannel({ ...domain, aid }));
      return encodeTlv(0x6f, encodeTlv(0x84, aid), encodeTlv(0xa5, MAXIMUM_LENGTH));
    },
    deselect: (channel) => void sessions.delete(channel),
    process(channel, command) {
      const secure = sessions.get(channel);
      if (secure === undefined || !isThere()) return refuse(SW.conditionsOfUse);
      return secure.process(
        command,
        (clear, protectedBy) => manage(domain, clear, protectedBy) ?? status(SW.insNotSupported),
      );
    },
  };
}
