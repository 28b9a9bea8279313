// SCP80 command packets: checksum and ciphering on both sides (ETSI TS 102 225 5.1).
import { bytesUint, concat, equalBytes, uintBytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import {
  type CommandPacket,
  type CommandPacketHeader,
  decodeCommandPacket,
  encodeCommandPacketHead,
  POR_STATUS,
  splitCommandBody,
} from '../codec/secured-packet.ts';
import {
  cipherBlock,
  decipher,
  encipher,
  indicatorFits,
  integrityOctets,
  integrityOf,
  type Scp80Keys,
} from './scp80.ts';

const COUNTER_OCTETS = 5;

/** A command in the clear: `kic` and `kid` as `keyIndicator` makes them, `counter` from 0 to 2^40-1. */
export type SecuredCommand = CommandPacketHeader & { readonly counter: number; readonly data: Uint8Array };

/** Builds the packet from CPL on, without the user data header. Throws `KEY_INVALID`, `PACKET_INVALID`, `NUMBER_RANGE`. */
export function sealCommand(command: SecuredCommand, keys: Scp80Keys): Uint8Array {
  const { spi, kid, counter, data } = command;
  const checkLength = integrityOctets(spi.integrity, kid);
  if (spi.ciphering && keys.kic === undefined)
    throw new AgentError('KEY_INVALID', { why: 'no ciphering key' });
  const block = spi.ciphering && keys.kic !== undefined ? cipherBlock(keys.kic) : 1;
  const secured = COUNTER_OCTETS + 1 + checkLength + data.length;
  const padding = (block - (secured % block)) % block;
  const head = encodeCommandPacketHead(command, checkLength, secured + padding);
  const fields = concat(uintBytes(counter, COUNTER_OCTETS), Uint8Array.of(padding));
  const payload = concat(data, new Uint8Array(padding));
  const check = integrityOf(spi.integrity, kid, keys, concat(head, fields, payload));
  const body = concat(fields, check, payload);
  return concat(head, spi.ciphering ? encipher(keys, body) : body);
}

export type OpenedCommand =
  | { readonly ok: true; readonly command: SecuredCommand }
  /** As in `POR_STATUS`. Nothing that such a packet says is to be believed. */
  | { readonly ok: false; readonly status: number };

/**
 * Deciphers and verifies a packet with the keys that its head names (`decodeCommandPacket` shows it); undefined keys
 * stand for a keyset that the card does not have. The counter is read, not judged: see `checkCounter`. Never throws
 * for what a peer sends.
 */
export function openCommand(packet: Uint8Array, keys: Scp80Keys | undefined): OpenedCommand {
  const parts = readable(() => decodeCommandPacket(packet));
  if (parts === undefined || keys === undefined) return refused(POR_STATUS.unidentifiedSecurityError);
  const { spi, kic, kid, tar, integrityLength } = parts;
  if (integrityLength !== integrityOctets(spi.integrity, kid))
    return refused(POR_STATUS.unidentifiedSecurityError);
  const clear = clearBody(parts, keys);
  if (clear === undefined) return refused(POR_STATUS.cipheringError);
  const body = readable(() => splitCommandBody(clear, integrityLength));
  const status = integrityStatus(parts, clear, keys);
  if (status !== POR_STATUS.porOk) return refused(status);
  if (body === undefined) return refused(POR_STATUS.unidentifiedSecurityError);
  const data = body.data.slice(0, body.data.length - body.paddingLength);
  return { ok: true, command: { spi, kic, kid, tar: tar.slice(), counter: bytesUint(body.counter), data } };
}

function refused(status: number): OpenedCommand {
  return { ok: false, status };
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

function clearBody({ spi, kic, body }: CommandPacket, { kic: key }: Scp80Keys): Uint8Array | undefined {
  if (!spi.ciphering) return body;
  if (key === undefined || !indicatorFits(kic, key)) return undefined;
  return body.length % cipherBlock(key) === 0 ? decipher(key, body) : undefined;
}

function integrityStatus(packet: CommandPacket, clear: Uint8Array, keys: Scp80Keys): number {
  const { spi, kid, head, integrityLength } = packet;
  if (spi.integrity === 'none') return POR_STATUS.porOk;
  const usable = spi.integrity === 'rc' || (keys.kid !== undefined && indicatorFits(kid, keys.kid));
  if (!usable || spi.integrity === 'ds') return POR_STATUS.unidentifiedSecurityError;
  const checkAt = COUNTER_OCTETS + 1;
  const checkEnd = checkAt + integrityLength;
  const check = integrityOf(
    spi.integrity,
    kid,
    keys,
    concat(head, clear.subarray(0, checkAt), clear.subarray(checkEnd)),
  );
  return equalBytes(check, clear.subarray(checkAt, checkEnd)) ? POR_STATUS.porOk : POR_STATUS.integrityFailed;
}
