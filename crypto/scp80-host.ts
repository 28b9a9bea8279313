// SCP80 from outside the card: packets for one application under one keyset, and its proofs of receipt (ETSI TS 102 225, 3GPP TS 31.115).
import { equalBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { decodeResponsePacket, POR_STATUS, type Spi, UDH_RESPONSE } from '../codec/secured-packet.ts';
import { integrityOctets, keyIndicator, type Scp80Keys } from './scp80.ts';
import { sealCommand } from './scp80-command.ts';
import { openResponse, type SecuredResponse } from './scp80-response.ts';

/** Whom packets are for, and how they are protected. */
export type Scp80Target = {
  /** 3 octets. */
  readonly tar: Uint8Array;
  /** Version of the keyset, 1 to 15. */
  readonly keyset: number;
  readonly keys: Required<Scp80Keys>;
  readonly spi: Spi;
};

/** Checksum, ciphering and a counter that is higher; the proof of receipt protected alike and in the report. */
export const SECURE_SPI: Spi = {
  counter: 'higher',
  ciphering: true,
  integrity: 'cc',
  por: 'always',
  porIntegrity: 'cc',
  porCiphering: true,
  porInSubmit: false,
};

/** The command packet from CPL on. `counter` from 0 to 2^40-1; each is good for one packet. */
export function sealRemoteCommand(
  { tar, keyset, keys, spi }: Scp80Target,
  counter: number,
  data: Uint8Array,
): Uint8Array {
  const kic = keyIndicator(keyset, keys.kic);
  const kid = keyIndicator(keyset, keys.kid);
  return sealCommand({ spi, kic, kid, tar, counter, data }, keys);
}

/** A proof of receipt. One that is not `authentic` is a refusal that anybody could have written. */
export type ProofOfReceipt = SecuredResponse & { readonly authentic: boolean };

const PLAIN = { spi: { porIntegrity: 'none', porCiphering: false }, kid: 0 } as const;

/**
 * Opens the user data of a report or message, header included. A card answers without protection what it does not believe; a
 * success without the protection that was asked for is refused. Throws `SCP80_SECURITY` or `PACKET_INVALID`.
 */
export function openProofOfReceipt(
  { tar, keyset, keys, spi }: Scp80Target,
  userData: Uint8Array,
): ProofOfReceipt {
  if (!equalBytes(userData.subarray(0, UDH_RESPONSE.length), UDH_RESPONSE))
    throw new AgentError('PACKET_INVALID', { why: 'no response packet' });
  const packet = userData.subarray(UDH_RESPONSE.length);
  const kid = keyIndicator(keyset, keys.kid);
  const expected = integrityOctets(spi.porIntegrity, kid);
  const { integrityLength } = decodeResponsePacket(packet);
  const isProtected = integrityLength === expected;
  const response = openResponse(packet, isProtected ? { spi, kid } : PLAIN, keys);
  if (!equalBytes(response.tar, tar))
    throw new AgentError('SCP80_SECURITY', { why: 'of another application' });
  const authentic = isProtected && spi.porIntegrity === 'cc';
  if (!authentic && expected > 0 && response.status === POR_STATUS.porOk)
    throw new AgentError('SCP80_SECURITY', { why: 'not the security that was asked for' });
  return { ...response, authentic };
}
