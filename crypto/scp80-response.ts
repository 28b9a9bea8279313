// SCP80 response packets, the proof of receipt: checksum and ciphering on both sides (ETSI TS 102 225 5.2, 3GPP TS 31.115 4.4).
import { bytesUint, concat, equalBytes, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import {
  decodeResponsePacket,
  encodeResponsePacketHead,
  type Spi,
  splitResponseBody,
  UDH_RESPONSE,
} from '../codec/secured-packet.ts';
import { cipherBlock, decipher, encipher, integrityOctets, integrityOf, type Scp80Keys } from './scp80.ts';

const COUNTER_OCTETS = 5;

/** A proof of receipt in the clear. */
export type SecuredResponse = {
  /** Of the application that was addressed, 3 octets. */
  readonly tar: Uint8Array;
  /** The counter of the command that is answered. */
  readonly counter: number;
  /** As in `POR_STATUS`. */
  readonly status: number;
  /** Response data of the application, for instance a Response Scripting template. */
  readonly data: Uint8Array;
};

/** What the command asked for: its SPI, and KID for the kind of a redundancy check. */
export type ResponseSecurity = {
  readonly spi: Pick<Spi, 'porIntegrity' | 'porCiphering'>;
  readonly kid: number;
};

/** Builds the packet from RPL on; the checksum covers the user data header 02 71 00 that stands before it too. */
export function sealResponse(
  response: SecuredResponse,
  { spi, kid }: ResponseSecurity,
  keys: Scp80Keys,
): Uint8Array {
  const checkLength = integrityOctets(spi.porIntegrity, kid);
  if (spi.porCiphering && keys.kic === undefined)
    throw new AgentError('KEY_INVALID', { why: 'no ciphering key' });
  const block = spi.porCiphering && keys.kic !== undefined ? cipherBlock(keys.kic) : 1;
  const secured = COUNTER_OCTETS + 2 + checkLength + response.data.length;
  const padding = (block - (secured % block)) % block;
  const head = encodeResponsePacketHead(response.tar, checkLength, secured + padding);
  const fields = concat(uintBytes(response.counter, COUNTER_OCTETS), Uint8Array.of(padding, response.status));
  const payload = concat(response.data, new Uint8Array(padding));
  const check = integrityOf(spi.porIntegrity, kid, keys, concat(UDH_RESPONSE, head, fields, payload));
  const body = concat(fields, check, payload);
  return concat(head, spi.porCiphering ? encipher(keys, body) : body);
}

/** Opens what a card answered, from RPL on, as the command asked for it. Throws `SCP80_SECURITY` or `PACKET_INVALID`. */
export function openResponse(
  packet: Uint8Array,
  { spi, kid }: ResponseSecurity,
  keys: Scp80Keys,
): SecuredResponse {
  const { head, tar, integrityLength, body } = decodeResponsePacket(packet);
  if (integrityLength !== integrityOctets(spi.porIntegrity, kid)) {
    throw new AgentError('SCP80_SECURITY', { why: 'not the security that was asked for' });
  }
  const clear = spi.porCiphering ? deciphered(body, keys) : body;
  const checkAt = COUNTER_OCTETS + 2;
  const checkEnd = checkAt + integrityLength;
  const covered = concat(UDH_RESPONSE, head, clear.subarray(0, checkAt), clear.subarray(checkEnd));
  const check = integrityOf(spi.porIntegrity, kid, keys, covered);
  if (!equalBytes(check, clear.subarray(checkAt, checkEnd))) {
    throw new AgentError('SCP80_SECURITY', { why: 'wrong checksum' });
  }
  const { counter, status, data, paddingLength } = splitResponseBody(clear, integrityLength);
  return {
    tar: tar.slice(),
    counter: bytesUint(counter),
    status,
    data: data.slice(0, data.length - paddingLength),
  };
}

function deciphered(body: Uint8Array, { kic }: Scp80Keys): Uint8Array {
  if (kic === undefined) throw new AgentError('KEY_INVALID', { why: 'no ciphering key' });
  if (body.length % cipherBlock(kic) !== 0)
    throw new AgentError('SCP80_SECURITY', { why: 'not whole blocks' });
  return decipher(kic, body);
}
