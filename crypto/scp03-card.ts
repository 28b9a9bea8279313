// The card side of an SCP03 session (GlobalPlatform Amendment D).
import { concat, EMPTY, equalBytes, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { type CommandApdu, type ResponseApdu, SW } from '../codec/apdu.ts';
import {
  deriveScp03Session,
  isScp03Level,
  protectResponse,
  pseudoRandomCardChallenge,
  SCP03_OPTION,
  type Scp03Chain,
  type Scp03Keys,
  type Scp03Level,
  startScp03Chain,
  unprotectCommand,
} from './scp03.ts';

/** Where the card's challenge comes from. */
export type CardChallengeSource =
  /** Pseudo-random: the counter of the next session and the AID of the security domain. */
  | { readonly sequenceCounter: number; readonly aid: Uint8Array }
  /** Truly random octets, as many as the host's challenge has. */
  | { readonly random: Uint8Array };

export type ExternalAuthenticateResult =
  | { readonly ok: true; readonly level: Scp03Level }
  /** 6300 wrong host cryptogram, 6982 wrong C-MAC, 6A86 unknown level, 6700 wrong length, 6985 not now. */
  | { readonly ok: false; readonly sw: number };

/** A session, from INITIALIZE UPDATE to its end. One refusal ends it. */
export type Scp03Card = {
  /** Response data of INITIALIZE UPDATE. */
  readonly initializeUpdateData: Uint8Array;
  /** Undefined before EXTERNAL AUTHENTICATE succeeded and after the session ended. */
  readonly level: Scp03Level | undefined;
  /** A pseudo-random sequence counter is to advance, durably, when this answers ok. */
  externalAuthenticate(command: CommandApdu): ExternalAuthenticateResult;
  /** The plain command with the secure messaging bits off. Throws `SCP03_SECURITY`: answer 6982. */
  unwrap(command: CommandApdu): CommandApdu;
  /** Protects the response to the last unwrapped command. */
  wrap(response: ResponseApdu): ResponseApdu;
};

/** Opens a session for one INITIALIZE UPDATE. Throws `SCP03_SECURITY` for a host challenge of neither 8 nor 16 octets. */
export function createScp03Card(options: {
  readonly keys: Pick<Scp03Keys, 'enc' | 'mac'>;
  readonly keyVersion: number;
  readonly hostChallenge: Uint8Array;
  readonly challenge: CardChallengeSource;
  /** 10 octets, zeros by default. */
  readonly diversificationData?: Uint8Array;
}): Scp03Card {
  const { keys, keyVersion, hostChallenge, challenge } = options;
  const size = hostChallenge.length === 16 ? 16 : 8;
  const pseudo = 'aid' in challenge;
  const cardChallenge = pseudo
    ? pseudoRandomCardChallenge(keys.enc, challenge.sequenceCounter, challenge.aid, size)
    : challenge.random;
  const session = deriveScp03Session({ ...keys, hostChallenge, cardChallenge });
  const option =
    SCP03_OPTION.rMac |
    SCP03_OPTION.rEncryption |
    (pseudo ? SCP03_OPTION.pseudoRandom : 0) |
    (size === 16 ? SCP03_OPTION.s16 : 0);
  let chain: Scp03Chain | undefined = startScp03Chain(session, size);
  let level: Scp03Level | undefined;
  const end = (): void => {
    chain = undefined;
    level = undefined;
  };
  return {
    initializeUpdateData: concat(
      options.diversificationData ?? new Uint8Array(10),
      Uint8Array.of(keyVersion, 0x03, option),
      cardChallenge,
      session.cardCryptogram,
      pseudo ? uintBytes(challenge.sequenceCounter, 3) : EMPTY,
    ),
    get level() {
      return level;
    },
    externalAuthenticate(command) {
      const before = level === undefined ? chain : undefined;
      end();
      if (before === undefined) return { ok: false, sw: SW.conditionsOfUse };
      const result = authenticate(before, command);
      if (!result.ok) return result;
      chain = { ...result.chain, level: result.level };
      level = result.level;
      return { ok: true, level };
    },
    unwrap(command) {
      const before = level === undefined ? undefined : chain;
      if (before === undefined) throw new AgentError('SCP03_SECURITY', { why: 'there is no session' });
      const kept = level;
      end();
      const out = unprotectCommand(before, command);
      chain = out.chain;
      level = kept;
      return out.command;
    },
    wrap: (response) =>
      chain === undefined || level === undefined ? response : protectResponse(chain, response),
  };
}

type Authenticated =
  | { readonly ok: true; readonly level: Scp03Level; readonly chain: Scp03Chain }
  | { readonly ok: false; readonly sw: number };

function authenticate(chain: Scp03Chain, command: CommandApdu): Authenticated {
  const { p1: level, p2, data } = command;
  if (data.length !== 2 * chain.size) return { ok: false, sw: SW.wrongLength };
  if (p2 !== 0 || !isScp03Level(level)) return { ok: false, sw: SW.incorrectP1P2 };
  if (!equalBytes(data.subarray(0, chain.size), chain.session.hostCryptogram))
    return { ok: false, sw: 0x6300 };
  try {
    return { ok: true, level, chain: unprotectCommand(chain, command).chain };
  } catch {
    return { ok: false, sw: SW.securityStatus };
  }
}
