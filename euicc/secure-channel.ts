// SCP03 on a security domain: one session on one logical channel (GlobalPlatform Card Specification 11, Amendment D).
import { equalBytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { type CommandApdu, SW } from '../codec/apdu.ts';
import type { Scp03Keys, Scp03Size } from '../crypto/scp03.ts';
import { createScp03Card, type Scp03Card } from '../crypto/scp03-card.ts';
import { INS_GET_DATA } from './domain/card-data.ts';
import { type DomainKeys, scp03KeysOf } from './domain/keys.ts';
import { ok, type Reply, status } from './os/reply.ts';

const INS_INITIALIZE_UPDATE = 0x50;
const INS_EXTERNAL_AUTHENTICATE = 0x82;
const MAX_SEQUENCE = 0xffffff;
const SECURE = 0x04;

export type SecureChannel = {
  /**
   * One command to the security domain: the two that open a session, or one for `perform`, in the clear. `protectedBy` is the version of
   * the keyset that protected it, undefined where nothing did. `onBroken` runs where the protection is wrong; the session is over then.
   */
  process(
    command: CommandApdu,
    perform: (command: CommandApdu, protectedBy: number | undefined) => Reply | Promise<Reply>,
    onBroken?: () => void,
  ): Promise<Reply>;
};

type SessionKeys = Pick<Scp03Keys, 'enc' | 'mac'>;

export function createSecureChannel(options: {
  readonly keys: DomainKeys;
  /** Of the security domain. */
  readonly aid: Uint8Array;
  /** Octets of challenges, cryptograms and MACs on this card. */
  readonly size: Scp03Size;
}): SecureChannel {
  const { keys, aid, size } = options;
  let session: Scp03Card | undefined;
  let keyVersion = 0;
  /** The keys of the session, or what the session itself has put in their place. */
  let held: SessionKeys | undefined;
  let counter = 0;

  const find = (version: number): { readonly version: number; readonly found: SessionKeys } | undefined => {
    for (const each of version === 0 ? keys.versions() : [version]) {
      const found = scp03KeysOf(keys, each);
      if (found !== undefined) return { version: each, found };
    }
    return undefined;
  };

  const initializeUpdate = ({ p1, p2, data }: CommandApdu): Reply => {
    session = undefined;
    if (p2 !== 0) return status(SW.incorrectP1P2);
    if (data.length !== size) return status(SW.wrongLength);
    const keyset = find(p1);
    if (keyset === undefined) return status(SW.referencedDataNotFound);
    counter = keys.sequenceCounter(keyset.version);
    if (counter === MAX_SEQUENCE) return status(SW.conditionsOfUse);
    keyVersion = keyset.version;
    held = keyset.found;
    session = createScp03Card({
      keys: keyset.found,
      keyVersion,
      hostChallenge: Uint8Array.from(data),
      challenge: { sequenceCounter: counter, aid },
    });
    return ok(session.initializeUpdateData);
  };

  const externalAuthenticate = (command: CommandApdu): Reply => {
    if (session === undefined) return status(SW.conditionsOfUse);
    const result = session.externalAuthenticate(command);
    // Another channel may have used up the counter, or changed the keys: what was recorded once must not open two sessions.
    const isFresh = holds() && keys.sequenceCounter(keyVersion) === counter;
    if (!result.ok || !isFresh) {
      session = undefined;
      return status(result.ok ? SW.conditionsOfUse : result.sw);
    }
    keys.setSequenceCounter(keyVersion, counter + 1);
    return ok();
  };

  const holds = (): boolean => {
    const now = scp03KeysOf(keys, keyVersion);
    if (now === undefined || held === undefined) return false;
    return equalBytes(now.enc.reveal(), held.enc.reveal()) && equalBytes(now.mac.reveal(), held.mac.reveal());
  };

  const unwrap = (command: CommandApdu): CommandApdu | undefined => {
    // Keys that are gone or replaced hold nothing open: their owner of before may have a session on another channel.
    if (!holds()) session = undefined;
    try {
      return session?.unwrap(command);
    } catch (error) {
      session = undefined;
      if (isAgentError(error)) return undefined;
      throw error;
    }
  };

  return {
    async process(command, perform, onBroken = () => {}) {
      // GET DATA is known in either class.
      if ((command.cla & 0x80) === 0 && command.ins !== INS_GET_DATA) return status(SW.claNotSupported);
      if (command.ins === INS_INITIALIZE_UPDATE) return initializeUpdate(command);
      if (command.ins === INS_EXTERNAL_AUTHENTICATE) return externalAuthenticate(command);
      const isOpen = session?.level !== undefined;
      if (!isSecure(command.cla)) return isOpen ? status(SW.securityStatus) : perform(command, undefined);
      if (!isOpen) return status(SW.securityStatus);
      const plain = unwrap(command);
      if (plain === undefined) {
        onBroken();
        return status(SW.securityStatus);
      }
      const reply = await perform(plain, keyVersion);
      // A session goes on under its own keys though it has replaced them.
      held = scp03KeysOf(keys, keyVersion);
      return session === undefined ? reply : { ...reply, ...session.wrap(reply) };
    },
  };
}

function isSecure(cla: number): boolean {
  return (cla & 0x40) === 0 ? (cla & 0x0c) === SECURE : (cla & 0x20) !== 0;
}
