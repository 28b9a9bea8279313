// SCP03 on a security domain: one session on one logical channel (GlobalPlatform Card Specification 11, Amendment D).
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { type CommandApdu, SW } from '../codec/apdu.ts';
import { createScp03Card, type Scp03Card } from '../crypto/scp03-card.ts';
import { ok, type Reply, status } from './os/reply.ts';
import { keyVersions } from './domain/keysets.ts';
import { type Keyset, keysetCells } from './records.ts';
import type { State } from './state.ts';

export const INS_INITIALIZE_UPDATE = 0x50;
export const INS_EXTERNAL_AUTHENTICATE = 0x82;
const MAX_SEQUENCE = 0xffffff;

export type SecureChannel = {
  /** Whether commands must come wrapped, by C-MAC at least. */
  readonly isOpen: boolean;
  /** Version of the keyset of the session. */
  readonly keyVersion: number;
  initializeUpdate(command: CommandApdu): Reply;
  externalAuthenticate(command: CommandApdu): Reply;
  /** The plain command, or undefined where its protection is wrong; the session is over then. */
  unwrap(command: CommandApdu): CommandApdu | undefined;
  wrap(reply: Reply): Reply;
};

export function createSecureChannel(options: {
  readonly state: State;
  readonly aid: Uint8Array;
}): SecureChannel {
  const { state, aid } = options;
  let session: Scp03Card | undefined;
  let keyVersion = 0;
  let opensWith: Keyset | undefined;
  const keysetOf = (version: number): { readonly version: number; readonly keyset: Keyset } | undefined => {
    const versions = keyVersions(state);
    const found = version === 0 ? versions[0] : versions.find((each) => each === version);
    const keyset = found === undefined ? undefined : state.read(keysetCells(found));
    return found === undefined || keyset === undefined ? undefined : { version: found, keyset };
  };
  return {
    get isOpen() {
      return session?.level !== undefined;
    },
    get keyVersion() {
      return keyVersion;
    },
    initializeUpdate({ p1, p2, data }) {
      session = undefined;
      if (p2 !== 0) return status(SW.incorrectP1P2);
      if (data.length !== 8 && data.length !== 16) return status(SW.wrongLength);
      const found = keysetOf(p1);
      if (found === undefined) return status(SW.referencedDataNotFound);
      const { sequenceCounter, enc, mac } = found.keyset;
      if (sequenceCounter === MAX_SEQUENCE) return status(SW.conditionsOfUse);
      keyVersion = found.version;
      opensWith = found.keyset;
      session = createScp03Card({
        keys: { enc: new Secret(enc), mac: new Secret(mac) },
        keyVersion,
        hostChallenge: Uint8Array.from(data),
        challenge: { sequenceCounter, aid },
      });
      return ok(session.initializeUpdateData);
    },
    externalAuthenticate(command) {
      if (session === undefined) return status(SW.conditionsOfUse);
      const result = session.externalAuthenticate(command);
      if (!result.ok) {
        session = undefined;
        return status(result.sw);
      }
      // Another channel may have used up the counter, or changed the keys: what was recorded once must not open two sessions.
      const keyset = state.read(keysetCells(keyVersion));
      if (keyset === undefined || keyset !== opensWith) {
        session = undefined;
        return status(SW.conditionsOfUse);
      }
      state.write(keysetCells(keyVersion), { ...keyset, sequenceCounter: keyset.sequenceCounter + 1 });
      return ok();
    },
    unwrap(command) {
      // Keys that are gone hold nothing open: their owner of before may have a session on another channel.
      if (!state.has(keysetCells(keyVersion))) session = undefined;
      try {
        return session?.unwrap(command);
      } catch (error) {
        session = undefined;
        if (isAgentError(error)) return undefined;
        throw error;
      }
    },
    wrap: (reply) => (session === undefined ? reply : { ...reply, ...session.wrap(reply) }),
  };
}
