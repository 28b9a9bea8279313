// SCP80 command packets: header, checksum and ciphering on both sides (ETSI TS 102 225 5.1).
import { bytesUint, concat, equalBytes, toHex, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import {
  cipherBlock,
  decipher,
  decodeSpi,
  encipher,
  encodeSpi,
  indicatorFits,
  integrityOctets,
  integrityOf,
  POR_STATUS,
  type Scp80Keys,
  type Spi,
} from './scp80.ts';

/** Octets of CHL's part without RC/CC: SPI, KIc, KID, TAR, CNTR, PCNTR. */
const HEADER_REST = 13;
/** CPL, CHL, SPI, KIc, KID, TAR: what stays in clear. */
const CLEAR_OCTETS = 10;
const COUNTER_OCTETS = 5;

export type CommandPacket = {
  readonly spi: Spi;
  /** Keyset number and algorithm, see `keyIndicator`. */
  readonly kic: number;
  readonly kid: number;
  /** Toolkit application reference, 6 hex digits upper case. */
  readonly tar: string;
  /** 0 to 2^40-1; 0 where there is none. */
  readonly counter: number;
  readonly data: Uint8Array;
};

/** Builds the packet from CPL on: without the user data header of the short message. Throws `KEY_INVALID`, `NUMBER_RANGE`. */
export function encodeCommandPacket(packet: CommandPacket, keys: Scp80Keys): Uint8Array {
  const { spi, kic, kid, counter, data } = packet;
  const checkLength = integrityOctets(spi.integrity, kid);
  if (spi.ciphering && keys.kic === undefined)
    throw new AgentError('KEY_INVALID', { why: 'no ciphering key' });
  const block = spi.ciphering && keys.kic !== undefined ? cipherBlock(keys.kic) : 1;
  const secured = COUNTER_OCTETS + 1 + checkLength + data.length;
  const padding = (block - (secured % block)) % block;
  const clear = concat(
    uintBytes(CLEAR_OCTETS - 2 + secured + padding, 2),
    Uint8Array.of(HEADER_REST + checkLength),
    encodeSpi(spi),
    Uint8Array.of(kic, kid),
    tarBytes(packet.tar),
  );
  const counterField = concat(uintBytes(counter, COUNTER_OCTETS), Uint8Array.of(padding));
  const payload = concat(data, new Uint8Array(padding));
  const check = integrityOf(spi.integrity, kid, keys, concat(clear, counterField, payload));
  const body = concat(counterField, check, payload);
  return concat(clear, spi.ciphering ? encipher(keys, body) : body);
}

export function tarBytes(tar: string): Uint8Array {
  if (!/^[0-9A-Fa-f]{6}$/.test(tar))
    throw new AgentError('ID_INVALID', { kind: 'TAR', value: tar.slice(0, 8) });
  return Uint8Array.from([0, 2, 4], (at) => Number.parseInt(tar.slice(at, at + 2), 16));
}

/** The part of a packet that travels in clear, enough to find its keys. */
export type CommandHeader = Pick<CommandPacket, 'spi' | 'kic' | 'kid' | 'tar'>;

/** Reads the clear header. Throws `APDU_INVALID` where the octets are no command packet. */
export function readCommandHeader(packet: Uint8Array): CommandHeader {
  const header = clearHeader(packet);
  if (header === undefined)
    throw new AgentError('APDU_INVALID', { octets: packet.length, why: 'no command packet' });
  return header;
}

function clearHeader(packet: Uint8Array): CommandHeader | undefined {
  if (packet.length < 2 + 1 + HEADER_REST || bytesUint(packet.subarray(0, 2)) !== packet.length - 2)
    return undefined;
  const [, , headerLength = 0, spi1 = 0, spi2 = 0, kic = 0, kid = 0] = packet;
  const spi = decodeSpi(spi1, spi2);
  if (spi === undefined || headerLength !== HEADER_REST + integrityOctets(spi.integrity, kid))
    return undefined;
  return { spi, kic, kid, tar: toHex(packet.subarray(7, CLEAR_OCTETS)) };
}

export type OpenedCommand =
  | { readonly ok: true; readonly packet: CommandPacket }
  /** `status` as in `POR_STATUS`; `counter` where it could be read, for the proof of receipt. */
  | { readonly ok: false; readonly status: number; readonly counter?: number };

/**
 * Deciphers and verifies a packet with the keys that its header names; undefined keys stand for a keyset that the card
 * does not have. The counter is read, not judged: see `checkCounter`. Never throws for what a peer sends.
 */
export function openCommandPacket(packet: Uint8Array, keys: Scp80Keys | undefined): OpenedCommand {
  const header = clearHeader(packet);
  if (header === undefined || keys === undefined) return refused(POR_STATUS.unidentifiedSecurityError);
  const { spi, kic, kid } = header;
  const body = clearBody(packet, header, keys);
  if (body === undefined) return refused(POR_STATUS.cipheringError);
  const checkLength = integrityOctets(spi.integrity, kid);
  const counter = bytesUint(body.subarray(0, COUNTER_OCTETS));
  const padding = body[COUNTER_OCTETS] ?? 0;
  const checkEnd = COUNTER_OCTETS + 1 + checkLength;
  if (spi.integrity !== 'none') {
    const usable = spi.integrity === 'rc' || (keys.kid !== undefined && indicatorFits(kid, keys.kid));
    if (!usable || spi.integrity === 'ds') return refused(POR_STATUS.unidentifiedSecurityError, counter);
    const checked = concat(
      packet.subarray(0, CLEAR_OCTETS),
      body.subarray(0, COUNTER_OCTETS + 1),
      body.subarray(checkEnd),
    );
    const check = integrityOf(spi.integrity, kid, keys, checked);
    if (!equalBytes(check, body.subarray(COUNTER_OCTETS + 1, checkEnd)))
      return refused(POR_STATUS.integrityFailed);
  }
  if (padding > body.length - checkEnd) return refused(POR_STATUS.unidentifiedSecurityError, counter);
  const data = body.slice(checkEnd, body.length - padding);
  return { ok: true, packet: { ...header, kic, counter, data } };
}

function refused(status: number, counter?: number): OpenedCommand {
  return counter === undefined ? { ok: false, status } : { ok: false, status, counter };
}

function clearBody(packet: Uint8Array, { spi, kic }: CommandHeader, keys: Scp80Keys): Uint8Array | undefined {
  const body = packet.subarray(CLEAR_OCTETS);
  if (!spi.ciphering) return body;
  if (keys.kic === undefined || !indicatorFits(kic, keys.kic)) return undefined;
  return body.length % cipherBlock(keys.kic) === 0 ? decipher(keys.kic, body) : undefined;
}
