// SCP03 in front of a security domain: opens sessions, takes the protection off commands and puts it on responses (GlobalPlatform Amendment D).
import { EMPTY } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { type CommandApdu, SW } from '../codec/apdu.ts';
import { createScp03Card, type Scp03Card } from '../crypto/scp03-card.ts';
import type { Scp03Level } from '../crypto/scp03.ts';
import { type Reply, status } from './os/reply.ts';

/** A keyset of the security domain, 16, 24 or 32 octets a key. */
export type Scp03Keyset = {
  readonly kvn: number;
  readonly enc: Secret<Uint8Array>;
  readonly mac: Secret<Uint8Array>;
};

export type Scp03Domain = {
  readonly aid: Uint8Array;
  /** The keyset of a version, or the first one for version 0. */
  readonly keyset: (kvn: number) => Scp03Keyset | undefined;
  /** The counter of the next session, 3 octets; advanced in the transaction of the command that opens it. */
  readonly readCounter: (kvn: number) => number;
  readonly writeCounter: (kvn: number, counter: number) => void;
};

/** What became of a command: answered here, or to be executed and its reply given to `protect`. */
export type Scp03Outcome =
  | { readonly reply: Reply }
  | {
      readonly command: CommandApdu;
      /** Undefined for a command outside any session. */
      readonly level: Scp03Level | undefined;
      readonly protect: (reply: Reply) => Reply;
    };

export type Scp03Channel = {
  take(channel: number, command: CommandApdu): Scp03Outcome;
  /** The session of a channel is over: another application, another INITIALIZE UPDATE, a reset. */
  end(channel: number): void;
};

const INS_INITIALIZE_UPDATE = 0x50;
const INS_EXTERNAL_AUTHENTICATE = 0x82;
/** Secure messaging bit of a class for channels 0 to 3, and for channels 4 to 19. */
const SECURE_BASIC = 0x04;
const SECURE_FURTHER = 0x20;
const MAX_COUNTER = 0xffffff;

export function createScp03Channel(domain: Scp03Domain): Scp03Channel {
  const sessions = new Map<number, { readonly kvn: number; readonly session: Scp03Card }>();

  const initializeUpdate = (channel: number, command: CommandApdu): Reply => {
    sessions.delete(channel);
    if (command.p2 !== 0) return status(SW.incorrectP1P2);
    if (command.data.length !== 8 && command.data.length !== 16) return status(SW.wrongLength);
    const keys = domain.keyset(command.p1);
    if (keys === undefined) return status(SW.referencedDataNotFound);
    const sequenceCounter = domain.readCounter(keys.kvn);
    if (sequenceCounter > MAX_COUNTER) return status(SW.conditionsOfUse);
    const session = createScp03Card({
      keys,
      keyVersion: keys.kvn,
      hostChallenge: Uint8Array.from(command.data),
      challenge: { sequenceCounter, aid: domain.aid },
    });
    sessions.set(channel, { kvn: keys.kvn, session });
    return { data: session.initializeUpdateData, sw: SW.ok };
  };

  const externalAuthenticate = (channel: number, command: CommandApdu): Reply => {
    const open = sessions.get(channel);
    if (open === undefined) return status(SW.conditionsOfUse);
    const result = open.session.externalAuthenticate(command);
    if (!result.ok) {
      sessions.delete(channel);
      return status(result.sw);
    }
    domain.writeCounter(open.kvn, domain.readCounter(open.kvn) + 1);
    return status(SW.ok);
  };

  return {
    take(channel, command) {
      if (command.ins === INS_INITIALIZE_UPDATE && !isSecure(command.cla)) {
        return { reply: initializeUpdate(channel, command) };
      }
      if (command.ins === INS_EXTERNAL_AUTHENTICATE) return { reply: externalAuthenticate(channel, command) };
      const open = sessions.get(channel);
      if (!isSecure(command.cla)) {
        if (open?.session.level !== undefined) {
          sessions.delete(channel);
          return { reply: status(SW.securityStatus) };
        }
        return { command, level: undefined, protect: (reply) => reply };
      }
      if (open === undefined) return { reply: status(SW.securityStatus) };
      try {
        const plain = open.session.unwrap(command);
        const { session } = open;
        return { command: plain, level: session.level, protect: (reply) => protect(session, reply) };
      } catch (error) {
        if (!isAgentError(error)) throw error;
        sessions.delete(channel);
        return { reply: status(SW.securityStatus) };
      }
    },
    end: (channel) => void sessions.delete(channel),
  };
}

function isSecure(cla: number): boolean {
  return (cla & 0x40) === 0 ? (cla & SECURE_BASIC) !== 0 : (cla & SECURE_FURTHER) !== 0;
}

/** Keeps what the reply has to do beside its octets. */
function protect(session: Scp03Card, reply: Reply): Reply {
  const { data, sw } = session.wrap({ data: reply.data.length === 0 ? EMPTY : reply.data, sw: reply.sw });
  return { ...reply, data, sw };
}
