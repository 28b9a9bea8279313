// Secured packets of SCP80 (ETSI TS 102 225, 3GPP TS 31.115): headers of command and response packets, without their cryptography.
import { concat, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

/** User data headers that announce the two kinds of packet in an SMS. */
export const UDH_COMMAND = Uint8Array.of(0x02, 0x70, 0x00);
export const UDH_RESPONSE = Uint8Array.of(0x02, 0x71, 0x00);

const INTEGRITY = ['none', 'rc', 'cc', 'ds'] as const;
const COUNTER = ['none', 'available', 'higher', 'next'] as const;
const POR = ['none', 'always', 'onError', 'reserved'] as const;

/** The security parameter indicator: how the command is protected, and which proof of receipt (PoR) it asks for. */
export type Spi = {
  /** `higher`: must be above the card's counter; `next`: must be exactly one above. */
  readonly counter: (typeof COUNTER)[number];
  readonly ciphering: boolean;
  readonly integrity: (typeof INTEGRITY)[number];
  readonly por: (typeof POR)[number];
  readonly porIntegrity: (typeof INTEGRITY)[number];
  readonly porCiphering: boolean;
  /** The PoR comes in an SMS-SUBMIT of its own, not in the report to the SMS. */
  readonly porInSubmit: boolean;
};

/** Two octets. */
export function encodeSpi(spi: Spi): Uint8Array {
  return Uint8Array.of(
    (COUNTER.indexOf(spi.counter) << 3) | (spi.ciphering ? 4 : 0) | INTEGRITY.indexOf(spi.integrity),
    (spi.porInSubmit ? 0x20 : 0) |
      (spi.porCiphering ? 0x10 : 0) |
      (INTEGRITY.indexOf(spi.porIntegrity) << 2) |
      POR.indexOf(spi.por),
  );
}

/** Reads the two octets of an SPI. */
export function decodeSpi(first: number, second: number): Spi {
  return {
    counter: COUNTER[(first >> 3) & 3] ?? 'none',
    ciphering: (first & 4) !== 0,
    integrity: INTEGRITY[first & 3] ?? 'none',
    por: POR[second & 3] ?? 'none',
    porIntegrity: INTEGRITY[(second >> 2) & 3] ?? 'none',
    porCiphering: (second & 0x10) !== 0,
    porInSubmit: (second & 0x20) !== 0,
  };
}

/** Algorithms by the low four bits of KIc and KID; AES means CBC for ciphering and CMAC for the checksum. */
const ALGORITHM = {
  0: 'implicit',
  1: 'des',
  2: 'aes',
  5: '2-key 3des',
  9: '3-key 3des',
  13: 'des-ecb',
} as const;

/** One octet KIc or KID: the key version that the card holds, and the algorithm. */
export type KeyUse = { readonly keyVersion: number; readonly algorithm: string };

export function keyUseOf(octet: number): KeyUse {
  const algorithm = ALGORITHM[(octet & 0x0f) as keyof typeof ALGORITHM] ?? `algorithm ${octet & 0x0f}`;
  return { keyVersion: octet >> 4, algorithm };
}

export type CommandPacketHeader = {
  readonly spi: Spi;
  readonly kic: number;
  readonly kid: number;
  /** Three octets: which application the packet is for. */
  readonly tar: Uint8Array;
};

/** A command packet in its parts. `body` is what ciphering covers: counter, padding counter, checksum, data, padding. */
export type CommandPacket = CommandPacketHeader & {
  /** Octets of the checksum or signature: CHL less 13. */
  readonly integrityLength: number;
  /** CPL to TAR as they came. */
  readonly head: Uint8Array;
  readonly body: Uint8Array;
};

const BODY_FIXED = 6;

/** CPL, CHL, SPI, KIc, KID, TAR for a body of `bodyLength` octets (padding included). */
export function encodeCommandPacketHead(
  header: CommandPacketHeader,
  integrityLength: number,
  bodyLength: number,
): Uint8Array {
  if (header.tar.length !== 3) throw invalid('a TAR has three octets');
  return concat(
    uintBytes(8 + bodyLength, 2),
    uintBytes(13 + integrityLength, 1),
    encodeSpi(header.spi),
    Uint8Array.of(header.kic, header.kid),
    header.tar,
  );
}

/** Reads a command packet without UDH, from CPL on. Throws `PACKET_INVALID`. Views. */
export function decodeCommandPacket(packet: Uint8Array): CommandPacket {
  const head = packet.subarray(0, 10);
  const [cplHigh, cplLow, chl, spi1, spi2, kic, kid] = head;
  if (
    cplHigh === undefined ||
    cplLow === undefined ||
    chl === undefined ||
    spi1 === undefined ||
    spi2 === undefined ||
    kic === undefined ||
    kid === undefined ||
    head.length < 10
  ) {
    throw invalid(`${packet.length} octets, a command packet has at least 16`);
  }
  checkLength('CPL', cplHigh * 256 + cplLow, packet.length - 2);
  const integrityLength = chl - 13;
  const body = packet.subarray(10);
  if (integrityLength < 0 || body.length < BODY_FIXED + integrityLength) {
    throw invalid(`CHL ${chl} does not fit ${packet.length} octets`);
  }
  return {
    spi: decodeSpi(spi1, spi2),
    kic,
    kid,
    tar: head.subarray(7, 10),
    integrityLength,
    head,
    body,
  };
}

/** A body in the clear. `data` includes the padding that `paddingLength` counts. */
export type PacketBody = {
  readonly counter: Uint8Array;
  readonly paddingLength: number;
  readonly integrity: Uint8Array;
  readonly data: Uint8Array;
};

/** Splits a command's body in the clear. Throws `PACKET_INVALID`. */
export function splitCommandBody(body: Uint8Array, integrityLength: number): PacketBody {
  const paddingLength = body[5];
  const data = body.subarray(BODY_FIXED + integrityLength);
  if (
    paddingLength === undefined ||
    body.length < BODY_FIXED + integrityLength ||
    paddingLength > data.length
  ) {
    throw invalid('the padding counter is longer than the data');
  }
  return {
    counter: body.subarray(0, 5),
    paddingLength,
    integrity: body.subarray(BODY_FIXED, BODY_FIXED + integrityLength),
    data,
  };
}

/** Status of a proof of receipt (TS 102 225 table 5). */
export const POR_STATUS = {
  porOk: 0,
  integrityFailed: 1,
  counterLow: 2,
  counterHigh: 3,
  counterBlocked: 4,
  cipheringError: 5,
  unidentifiedSecurityError: 6,
  insufficientMemory: 7,
  moreTime: 8,
  tarUnknown: 9,
  insufficientSecurityLevel: 10,
  actualResponseBySmsSubmit: 11,
  actualResponseByUssd: 12,
} as const;

/** The name of a PoR status, or `status 42`. */
export function porStatusName(status: number): keyof typeof POR_STATUS | `status ${number}` {
  const row = Object.entries(POR_STATUS).find(([, code]) => code === status);
  return row === undefined ? `status ${status}` : (row[0] as keyof typeof POR_STATUS);
}

/** A response packet (PoR) in its parts. `body`: counter, padding counter, status, checksum, data, padding. */
export type ResponsePacket = {
  readonly tar: Uint8Array;
  /** Octets of the checksum: RHL less 10. */
  readonly integrityLength: number;
  /** RPL to TAR as they came. */
  readonly head: Uint8Array;
  readonly body: Uint8Array;
};

/** RPL, RHL, TAR for a body of `bodyLength` octets (padding included). */
export function encodeResponsePacketHead(
  tar: Uint8Array,
  integrityLength: number,
  bodyLength: number,
): Uint8Array {
  if (tar.length !== 3) throw invalid('a TAR has three octets');
  return concat(uintBytes(4 + bodyLength, 2), uintBytes(10 + integrityLength, 1), tar);
}

/** Reads a response packet without UDH, from RPL on. Throws `PACKET_INVALID`. Views. */
export function decodeResponsePacket(packet: Uint8Array): ResponsePacket {
  const head = packet.subarray(0, 6);
  const [rplHigh, rplLow, rhl] = head;
  if (rplHigh === undefined || rplLow === undefined || rhl === undefined || head.length < 6) {
    throw invalid(`${packet.length} octets, a response packet has at least 13`);
  }
  checkLength('RPL', rplHigh * 256 + rplLow, packet.length - 2);
  const integrityLength = rhl - 10;
  const body = packet.subarray(6);
  if (integrityLength < 0 || body.length < BODY_FIXED + 1 + integrityLength) {
    throw invalid(`RHL ${rhl} does not fit ${packet.length} octets`);
  }
  return { tar: head.subarray(3, 6), integrityLength, head, body };
}

/** Splits a response's body in the clear. Throws `PACKET_INVALID`. */
export function splitResponseBody(
  body: Uint8Array,
  integrityLength: number,
): PacketBody & { readonly status: number } {
  const status = body[BODY_FIXED];
  const paddingLength = body[5];
  const data = body.subarray(BODY_FIXED + 1 + integrityLength);
  if (status === undefined || paddingLength === undefined || paddingLength > data.length) {
    throw invalid('the padding counter is longer than the data');
  }
  return {
    counter: body.subarray(0, 5),
    paddingLength,
    status,
    integrity: body.subarray(BODY_FIXED + 1, BODY_FIXED + 1 + integrityLength),
    data,
  };
}

function checkLength(name: string, said: number, found: number): void {
  if (said !== found) throw invalid(`${name} says ${said} octets, ${found} follow`);
}

function invalid(why: string): AgentError {
  return new AgentError('PACKET_INVALID', { why });
}
