// The off-card side of an SCP03 session (GlobalPlatform Amendment D), with the card at hand or prepared without it.
import { bytesUint, equalBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import type { CommandApdu, ResponseApdu } from '../codec/apdu.ts';
import {
  deriveScp03Session,
  protectCommand,
  pseudoRandomCardChallenge,
  SCP03_OPTION,
  type Scp03Chain,
  type Scp03Exchange,
  type Scp03Keys,
  type Scp03Level,
  type Scp03Size,
  startScp03Chain,
  unprotectResponse,
} from './scp03.ts';

/** What a card answers to INITIALIZE UPDATE. */
export type InitializeUpdateData = {
  readonly diversificationData: Uint8Array;
  readonly keyVersion: number;
  /** The parameter "i", bits as in `SCP03_OPTION`. */
  readonly option: number;
  readonly cardChallenge: Uint8Array;
  readonly cardCryptogram: Uint8Array;
  /** Present where the challenge is pseudo-random: the value this session's challenge was made from. */
  readonly sequenceCounter?: number;
};

const KEY_INFORMATION_AT = 10;
const SCP03 = 0x03;

/** Reads the response data of INITIALIZE UPDATE. Throws `SCP03_SECURITY`. */
export function parseInitializeUpdate(data: Uint8Array): InitializeUpdateData {
  const [keyVersion, protocol, option] = data.subarray(KEY_INFORMATION_AT);
  const size = ((option ?? 0) & SCP03_OPTION.s16) === 0 ? 8 : 16;
  const end = KEY_INFORMATION_AT + 3 + 2 * size;
  if (keyVersion === undefined || option === undefined || (data.length !== end && data.length !== end + 3)) {
    throw new AgentError('SCP03_SECURITY', { octets: data.length, why: 'not an INITIALIZE UPDATE answer' });
  }
  if (protocol !== SCP03) throw new AgentError('SCP03_SECURITY', { protocol, why: 'not SCP03' });
  const read: InitializeUpdateData = {
    diversificationData: data.slice(0, KEY_INFORMATION_AT),
    keyVersion,
    option,
    cardChallenge: data.slice(end - 2 * size, end - size),
    cardCryptogram: data.slice(end - size, end),
  };
  return data.length === end ? read : { ...read, sequenceCounter: bytesUint(data.subarray(end)) };
}

/**
 * One session. Either `accept` the card's answer to `initializeUpdate`, or `assume` the sequence counter and play
 * everything later; then send `externalAuthenticate` and the wrapped commands in the order they were wrapped.
 */
export type Scp03Host = {
  readonly initializeUpdate: CommandApdu;
  /** Checks the card's cryptogram. Throws `SCP03_SECURITY`. */
  accept(initializeUpdateData: Uint8Array): void;
  /** Computes the card's challenge from its next sequence counter and the AID of its security domain. */
  assume(sequenceCounter: number, aid: Uint8Array): void;
  /** Once, after `accept` or `assume`. */
  externalAuthenticate(): CommandApdu;
  /** After `externalAuthenticate`. */
  wrap(command: CommandApdu): CommandApdu;
  /** The response to the oldest wrapped command that has none yet. Throws `SCP03_SECURITY`. */
  unwrap(response: ResponseApdu): ResponseApdu;
};

/** `hostChallenge` has 8 octets, or 16 for S16 mode. */
export function createScp03Host(options: {
  readonly keys: Pick<Scp03Keys, 'enc' | 'mac'>;
  /** Key version number 30 to 3F, or 0 for the security domain's first. */
  readonly keyVersion: number;
  readonly level: Scp03Level;
  readonly hostChallenge: Uint8Array;
}): Scp03Host {
  const { keys, keyVersion, level, hostChallenge } = options;
  const size: Scp03Size = hostChallenge.length === 16 ? 16 : 8;
  const unanswered: Scp03Exchange[] = [];
  let chain: Scp03Chain | undefined;
  const needChain = (authenticated: boolean): Scp03Chain => {
    if (chain === undefined || chain.counter >= 0 !== authenticated) {
      throw new AgentError('SCP03_SECURITY', { why: 'the session is not at this step' });
    }
    return chain;
  };
  const start = (cardChallenge: Uint8Array): Scp03Chain => {
    if (chain !== undefined) throw new AgentError('SCP03_SECURITY', { why: 'the session has begun' });
    return startScp03Chain(deriveScp03Session({ ...keys, hostChallenge, cardChallenge }), size);
  };
  return {
    initializeUpdate: { cla: 0x80, ins: 0x50, p1: keyVersion, p2: 0, data: hostChallenge, le: 256 },
    accept(data) {
      const { cardChallenge, cardCryptogram } = parseInitializeUpdate(data);
      const started = start(cardChallenge);
      if (!equalBytes(started.session.cardCryptogram, cardCryptogram)) {
        throw new AgentError('SCP03_SECURITY', { why: 'wrong card cryptogram' });
      }
      chain = started;
    },
    assume(sequenceCounter, aid) {
      chain = start(pseudoRandomCardChallenge(keys.enc, sequenceCounter, aid, size));
    },
    externalAuthenticate() {
      const current = needChain(false);
      const data = current.session.hostCryptogram;
      const out = protectCommand(current, { cla: 0x80, ins: 0x82, p1: level, p2: 0, data });
      chain = { ...out.chain, level };
      return out.command;
    },
    wrap(command) {
      const out = protectCommand(needChain(true), command);
      chain = out.chain;
      unanswered.push({ mcv: chain.mcv, counter: chain.counter });
      return out.command;
    },
    unwrap(response) {
      const current = needChain(true);
      const exchange = unanswered.shift();
      if (exchange === undefined) throw new AgentError('SCP03_SECURITY', { why: 'no command is unanswered' });
      return unprotectResponse(current, exchange, response);
    },
  };
}
