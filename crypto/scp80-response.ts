// SCP80 response packets, the proof of receipt: checksum and ciphering on both sides (ETSI TS 102 225 5.2, 3GPP TS 31.115 4.4).
import { bytesUint, concat, equalBytes, toHex, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import {
  cipherBlock,
  decipher,
  encipher,
  integrityOctets,
  integrityOf,
  type Scp80Keys,
  type Spi,
} from './scp80.ts';
import { tarBytes } from './scp80-command.ts';

/** The user data header that stands before a response packet in a short message; the checksum covers it. */
export const RESPONSE_HEADER: Uint8Array = Uint8Array.of(0x02, 0x71, 0x00);

/** TAR, CNTR, PCNTR, status. */
const HEADER_REST = 10;
/** RPL, RHL, TAR: what stays in clear. */
const CLEAR_OCTETS = 6;
const COUNTER_OCTETS = 5;

export type ResponsePacket = {
  readonly tar: string;
  /** The counter of the command that is answered. */
  readonly counter: number;
  /** As in `POR_STATUS`. */
  readonly status: number;
  /** Response data of the application, for instance a Response Scripting template. */
  readonly data: Uint8Array;
};

/** What the command asked for: the PoR part of its SPI, and KID for the kind of a redundancy check. */
export type ResponseSecurity = {
  readonly por: Pick<Spi['por'], 'integrity' | 'ciphering'>;
  readonly kid: number;
};

/** Builds user data header and packet, from 02 71 00 on. */
export function encodeResponsePacket(
  packet: ResponsePacket,
  { por, kid }: ResponseSecurity,
  keys: Scp80Keys,
): Uint8Array {
  const checkLength = integrityOctets(por.integrity, kid);
  if (por.ciphering && keys.kic === undefined)
    throw new AgentError('KEY_INVALID', { why: 'no ciphering key' });
  const block = por.ciphering && keys.kic !== undefined ? cipherBlock(keys.kic) : 1;
  const secured = COUNTER_OCTETS + 2 + checkLength + packet.data.length;
  const padding = (block - (secured % block)) % block;
  const clear = concat(
    uintBytes(CLEAR_OCTETS - 2 + secured + padding, 2),
    Uint8Array.of(HEADER_REST + checkLength),
    tarBytes(packet.tar),
  );
  const fields = concat(uintBytes(packet.counter, COUNTER_OCTETS), Uint8Array.of(padding, packet.status));
  const payload = concat(packet.data, new Uint8Array(padding));
  const check = integrityOf(por.integrity, kid, keys, concat(RESPONSE_HEADER, clear, fields, payload));
  const body = concat(fields, check, payload);
  return concat(RESPONSE_HEADER, clear, por.ciphering ? encipher(keys, body) : body);
}

/** Opens what a card answered, from 02 71 00 on, as the command asked for it. Throws `SCP80_SECURITY`. */
export function openResponsePacket(
  bytes: Uint8Array,
  { por, kid }: ResponseSecurity,
  keys: Scp80Keys,
): ResponsePacket {
  const refused = (why: string): AgentError =>
    new AgentError('SCP80_SECURITY', { why, octets: bytes.length });
  const header = bytes.subarray(0, RESPONSE_HEADER.length);
  const packet = bytes.subarray(RESPONSE_HEADER.length);
  const checkLength = integrityOctets(por.integrity, kid);
  const checkEnd = COUNTER_OCTETS + 2 + checkLength;
  if (!equalBytes(header, RESPONSE_HEADER) || packet.length < CLEAR_OCTETS + checkEnd)
    throw refused('no response packet');
  const clear = packet.subarray(0, CLEAR_OCTETS);
  if (bytesUint(clear.subarray(0, 2)) !== packet.length - 2) throw refused('wrong length');
  if (clear[2] !== HEADER_REST + checkLength) throw refused('not the security that was asked for');
  const body = responseBody(packet.subarray(CLEAR_OCTETS), por.ciphering, keys);
  if (body === undefined) throw refused('not whole blocks');
  const checked = concat(header, clear, body.subarray(0, COUNTER_OCTETS + 2), body.subarray(checkEnd));
  const check = integrityOf(por.integrity, kid, keys, checked);
  if (!equalBytes(check, body.subarray(COUNTER_OCTETS + 2, checkEnd))) throw refused('wrong checksum');
  const [padding = 0, status = 0] = body.subarray(COUNTER_OCTETS);
  if (padding > body.length - checkEnd) throw refused('wrong padding');
  return {
    tar: toHex(clear.subarray(3)),
    counter: bytesUint(body.subarray(0, COUNTER_OCTETS)),
    status,
    data: body.slice(checkEnd, body.length - padding),
  };
}

function responseBody(body: Uint8Array, ciphering: boolean, keys: Scp80Keys): Uint8Array | undefined {
  if (!ciphering) return body;
  if (keys.kic === undefined) throw new AgentError('KEY_INVALID', { why: 'no ciphering key' });
  return body.length % cipherBlock(keys.kic) === 0 ? decipher(keys.kic, body) : undefined;
}
