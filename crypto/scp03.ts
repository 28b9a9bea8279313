// SCP03 keys, cryptograms and message protection (GlobalPlatform Card Specification, Amendment D), S8 and S16 mode.
import { concat, EMPTY, equalBytes, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { type CommandApdu, type ResponseApdu, withChannel } from '../codec/apdu.ts';
import { AES_BLOCK, aesCbcDecrypt, aesCbcEncrypt, aesEncryptBlock, pad80, unpad80 } from './aes.ts';
import { aesCmac } from './cmac.ts';

/** Static keys of a security domain; all three have 16, 24 or 32 octets. */
export type Scp03Keys = {
  readonly enc: Secret<Uint8Array>;
  readonly mac: Secret<Uint8Array>;
  readonly dek: Secret<Uint8Array>;
};

/** Octets of challenges, cryptograms and MACs: 8 in S8 mode, 16 in S16 mode (option "i", bit 1). */
export type Scp03Size = 8 | 16;

/** Security level: 01 C-MAC, 02 C-DECRYPTION, 10 R-MAC, 20 R-ENCRYPTION. */
export type Scp03Level = 0x01 | 0x03 | 0x11 | 0x13 | 0x33;

const LEVELS: readonly number[] = [0x01, 0x03, 0x11, 0x13, 0x33];

/** Keys and cryptograms of one session. */
export type Scp03Session = {
  readonly sEnc: Secret<Uint8Array>;
  readonly sMac: Secret<Uint8Array>;
  readonly sRmac: Secret<Uint8Array>;
  readonly hostCryptogram: Uint8Array;
  readonly cardCryptogram: Uint8Array;
};

/** Option "i": S16 mode, pseudo-random card challenge, R-MAC, R-ENCRYPTION. */
export const SCP03_OPTION = { s16: 0x01, pseudoRandom: 0x10, rMac: 0x20, rEncryption: 0x40 } as const;

/** Derivation data constants (Amendment D, table 4-1). */
const DERIVE = {
  cardCryptogram: 0x00,
  hostCryptogram: 0x01,
  challenge: 0x02,
  sEnc: 0x04,
  sMac: 0x06,
  sRmac: 0x07,
};

function derive(key: Secret<Uint8Array>, constant: number, context: Uint8Array, octets: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 1; (i - 1) * AES_BLOCK < octets; i++) {
    const label = new Uint8Array(12);
    label[11] = constant;
    blocks.push(aesCmac(key, label, Uint8Array.of(0), uintBytes(octets * 8, 2), Uint8Array.of(i), context));
  }
  return concat(...blocks).subarray(0, octets);
}

export function isScp03Level(level: number): level is Scp03Level {
  return LEVELS.includes(level);
}

/** Session keys and both cryptograms; the challenges' length says S8 or S16. Throws `SCP03_SECURITY` where they differ. */
export function deriveScp03Session(input: {
  readonly enc: Secret<Uint8Array>;
  readonly mac: Secret<Uint8Array>;
  readonly hostChallenge: Uint8Array;
  readonly cardChallenge: Uint8Array;
}): Scp03Session {
  const { enc, mac, hostChallenge, cardChallenge } = input;
  const size = hostChallenge.length;
  if ((size !== 8 && size !== 16) || cardChallenge.length !== size) {
    throw new AgentError('SCP03_SECURITY', { why: 'challenges of the wrong length', octets: size });
  }
  const context = concat(hostChallenge, cardChallenge);
  const key = (from: Secret<Uint8Array>, constant: number): Secret<Uint8Array> =>
    new Secret(derive(from, constant, context, from.reveal().length));
  const sMac = key(mac, DERIVE.sMac);
  return {
    sEnc: key(enc, DERIVE.sEnc),
    sMac,
    sRmac: key(mac, DERIVE.sRmac),
    hostCryptogram: derive(sMac, DERIVE.hostCryptogram, context, size),
    cardCryptogram: derive(sMac, DERIVE.cardCryptogram, context, size),
  };
}

/**
 * The pseudo-random card challenge (Amendment D 6.2.2.1): known to both sides from the security domain's AID and the
 * sequence counter (0 to 2^24-1) that INITIALIZE UPDATE will answer.
 */
export function pseudoRandomCardChallenge(
  enc: Secret<Uint8Array>,
  sequenceCounter: number,
  aid: Uint8Array,
  size: Scp03Size = 8,
): Uint8Array {
  return derive(enc, DERIVE.challenge, concat(uintBytes(sequenceCounter, 3), aid), size);
}

/** What the protection of one command leaves for the protection of its response. */
export type Scp03Exchange = { readonly mcv: Uint8Array; readonly counter: number };

/** The state of one direction's peer: chaining value and command counter; protects and unprotects in order. */
export type Scp03Chain = {
  readonly session: Scp03Session;
  readonly level: number;
  readonly size: Scp03Size;
  readonly mcv: Uint8Array;
  /** Of the last command; EXTERNAL AUTHENTICATE counts as 0. */
  readonly counter: number;
};

/** Before EXTERNAL AUTHENTICATE, which itself carries a C-MAC and nothing else. */
export function startScp03Chain(session: Scp03Session, size: Scp03Size): Scp03Chain {
  return { session, level: 0x01, size, mcv: new Uint8Array(AES_BLOCK), counter: -1 };
}

function commandVector(chain: Scp03Chain, counter: number): Uint8Array {
  return aesEncryptBlock(chain.session.sEnc, uintBytes(counter, AES_BLOCK));
}

function responseVector(chain: Scp03Chain, counter: number): Uint8Array {
  const block = uintBytes(counter, AES_BLOCK);
  block[0] = 0x80;
  return aesEncryptBlock(chain.session.sEnc, block);
}

function commandMac(chain: Scp03Chain, command: CommandApdu, data: Uint8Array): Uint8Array {
  // The MAC is made for channel 0 whatever channel carries the command (Amendment D 6.2.4).
  const cla = withChannel(command.cla, 0) | 0x04;
  const header = Uint8Array.of(cla, command.ins, command.p1, command.p2, data.length + chain.size);
  return aesCmac(chain.session.sMac, chain.mcv, header, data);
}

/** Octets of plaintext that fit one command of at most `maxCommandData` octets (up to 255) at this level. */
export function scp03MaxData(level: number, size: Scp03Size = 8, maxCommandData = 255): number {
  const room = maxCommandData - size;
  return (level & 0x02) === 0 ? room : room - (room % AES_BLOCK) - 1;
}

/** C-ENC and C-MAC for a command built for any channel; throws `APDU_INVALID` where the result is over 255 octets. */
export function protectCommand(
  chain: Scp03Chain,
  command: CommandApdu,
): { readonly chain: Scp03Chain; readonly command: CommandApdu } {
  if (command.data.length > scp03MaxData(chain.level, chain.size)) {
    throw new AgentError('APDU_INVALID', {
      octets: command.data.length,
      why: 'too long for secure messaging',
    });
  }
  const counter = chain.counter + 1;
  const encrypts = (chain.level & 0x02) !== 0 && command.data.length > 0;
  const data = encrypts
    ? aesCbcEncrypt(chain.session.sEnc, pad80(command.data), commandVector(chain, counter))
    : command.data;
  const mac = commandMac(chain, command, data);
  const cla = secured(command.cla);
  return {
    chain: { ...chain, mcv: mac, counter },
    command: { ...command, cla, data: concat(data, mac.subarray(0, chain.size)) },
  };
}

function secured(cla: number): number {
  return (cla & 0x40) === 0 ? cla | 0x04 : cla | 0x20;
}

function unsecured(cla: number): number {
  return (cla & 0x40) === 0 ? cla & ~0x0c : cla & ~0x20;
}

/** Verifies and decrypts a command. Throws `SCP03_SECURITY`; the session is over then. */
export function unprotectCommand(
  chain: Scp03Chain,
  command: CommandApdu,
): { readonly chain: Scp03Chain; readonly command: CommandApdu } {
  const refused = (why: string): AgentError => new AgentError('SCP03_SECURITY', { ins: command.ins, why });
  if (secured(command.cla) !== command.cla) throw refused('the command is not secured');
  if (command.data.length < chain.size) throw refused('the command is shorter than a MAC');
  const data = command.data.subarray(0, command.data.length - chain.size);
  const mac = commandMac(chain, command, data);
  if (!equalBytes(mac.subarray(0, chain.size), command.data.subarray(data.length))) {
    throw refused('wrong command MAC');
  }
  const counter = chain.counter + 1;
  const encrypted = (chain.level & 0x02) !== 0 && data.length > 0;
  if (encrypted && data.length % AES_BLOCK !== 0) throw refused('not whole blocks');
  const plain = encrypted
    ? unpad80(aesCbcDecrypt(chain.session.sEnc, data, commandVector(chain, counter)))
    : data;
  if (plain === undefined) throw refused('wrong padding');
  return {
    chain: { ...chain, mcv: mac, counter },
    command: { ...command, cla: unsecured(command.cla), data: plain },
  };
}

/** Only answers that carry a result are protected: 9000, 62xx and 63xx (Amendment D 6.2.5). */
function isProtected(sw: number): boolean {
  return sw === 0x9000 || sw >> 8 === 0x62 || sw >> 8 === 0x63;
}

/** R-ENC and R-MAC for the response to the chain's last command. */
export function protectResponse(chain: Scp03Chain, response: ResponseApdu): ResponseApdu {
  if ((chain.level & 0x10) === 0 || !isProtected(response.sw)) return response;
  const encrypts = (chain.level & 0x20) !== 0 && response.data.length > 0;
  const data = encrypts
    ? aesCbcEncrypt(chain.session.sEnc, pad80(response.data), responseVector(chain, chain.counter))
    : response.data;
  const mac = aesCmac(chain.session.sRmac, chain.mcv, data, uintBytes(response.sw, 2));
  return { data: concat(data, mac.subarray(0, chain.size)), sw: response.sw };
}

/** Verifies and decrypts the response to the command that left `exchange`. Throws `SCP03_SECURITY`. */
export function unprotectResponse(
  chain: Omit<Scp03Chain, 'mcv' | 'counter'>,
  exchange: Scp03Exchange,
  response: ResponseApdu,
): ResponseApdu {
  if ((chain.level & 0x10) === 0) return response;
  const refused = (why: string): AgentError => new AgentError('SCP03_SECURITY', { sw: response.sw, why });
  if (!isProtected(response.sw)) {
    if (response.data.length > 0) throw refused('data without a MAC');
    return { data: EMPTY, sw: response.sw };
  }
  if (response.data.length < chain.size) throw refused('the response is shorter than a MAC');
  const data = response.data.subarray(0, response.data.length - chain.size);
  const mac = aesCmac(chain.session.sRmac, exchange.mcv, data, uintBytes(response.sw, 2));
  if (!equalBytes(mac.subarray(0, chain.size), response.data.subarray(data.length))) {
    throw refused('wrong response MAC');
  }
  if ((chain.level & 0x20) === 0 || data.length === 0) return { data, sw: response.sw };
  if (data.length % AES_BLOCK !== 0) throw refused('not whole blocks');
  const vector = responseVector({ ...chain, ...exchange }, exchange.counter);
  const plain = unpad80(aesCbcDecrypt(chain.session.sEnc, data, vector));
  if (plain === undefined) throw refused('wrong padding');
  return { data: plain, sw: response.sw };
}

/** A new key under the static DEK, as PUT KEY carries it; `key` is padded with zeros to whole blocks (Amendment D 7.2). */
export function encryptWithDek(dek: Secret<Uint8Array>, key: Secret<Uint8Array>): Uint8Array {
  const plain = key.reveal();
  const whole = new Uint8Array(Math.ceil(plain.length / AES_BLOCK) * AES_BLOCK);
  whole.set(plain);
  return aesCbcEncrypt(dek, whole);
}

/** The inverse of `encryptWithDek`: `length` octets of key. Throws `SCP03_SECURITY` where the octets cannot hold it. */
export function decryptWithDek(
  dek: Secret<Uint8Array>,
  encrypted: Uint8Array,
  length: number,
): Secret<Uint8Array> {
  if (encrypted.length !== Math.ceil(length / AES_BLOCK) * AES_BLOCK) {
    throw new AgentError('SCP03_SECURITY', {
      why: 'wrong length of an encrypted key',
      octets: encrypted.length,
    });
  }
  return new Secret(aesCbcDecrypt(dek, encrypted).slice(0, length));
}
