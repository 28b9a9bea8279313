// Secured packets and the SMS that carry them in words (ETSI TS 102 225, 3GPP TS 31.115, TS 23.040).
import { equalBytes, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { type DescribedNode, fault, hexNode, leaf, misfit } from './describe-node.ts';
import {
  decodeCommandPacket,
  decodeResponsePacket,
  decodeSpi,
  keyUseOf,
  type PacketBody,
  porStatusName,
  splitCommandBody,
  splitResponseBody,
  type Spi,
  UDH_COMMAND,
  UDH_RESPONSE,
} from './secured-packet.ts';
import { IEI, splitUserData, type UserData } from './sms-user-data.ts';

/** Describes a packet with or without its user data header, or undefined where the octets are none. */
export function describePacket(bytes: Uint8Array, at: number): DescribedNode[] | undefined {
  const header = toHex(bytes.subarray(0, 3));
  const start = leaf(at, 'user data header', header);
  const rest = bytes.subarray(3);
  if (header === toHex(UDH_COMMAND)) return [start, orFault(() => commandPacket(rest, at + 3), rest, at + 3)];
  if (header === toHex(UDH_RESPONSE))
    return [start, orFault(() => responsePacket(rest, at + 3), rest, at + 3)];
  const [first, ...others] = [commandPacket, responsePacket].flatMap((packet) => {
    try {
      return [packet(bytes, at)];
    } catch (error) {
      if (!isAgentError(error)) throw error;
      return [];
    }
  });
  if (first === undefined) return undefined;
  return [others.reduce((best, other) => (misfit([other]) < misfit([best]) ? other : best), first)];
}

function orFault(packet: () => DescribedNode, bytes: Uint8Array, at: number): DescribedNode {
  try {
    return packet();
  } catch (error) {
    if (!isAgentError(error)) throw error;
    const why = String(error.data['why'] ?? error.code);
    return { ...hexNode(at, 'secured packet', bytes), children: [fault(at, why)], text: toHex(bytes) };
  }
}

function spiText(spi: Spi): string {
  return [
    `counter ${spi.counter}`,
    spi.ciphering ? 'ciphered' : 'not ciphered',
    `integrity ${spi.integrity}`,
    `PoR ${spi.por}`,
    `PoR integrity ${spi.porIntegrity}`,
    spi.porCiphering ? 'PoR ciphered' : 'PoR not ciphered',
    ...(spi.porInSubmit ? ['PoR in SMS-SUBMIT'] : []),
  ].join(', ');
}

function keyText(octet: number): string {
  const use = keyUseOf(octet);
  return `key version ${use.keyVersion}, ${use.algorithm} (${toHex(Uint8Array.of(octet))})`;
}

function commandPacket(bytes: Uint8Array, at: number): DescribedNode {
  const packet = decodeCommandPacket(bytes);
  const bodyAt = at + packet.head.length;
  const body = packet.spi.ciphering
    ? [hexNode(bodyAt, 'ciphered: counter, padding counter, checksum, data, padding', packet.body)]
    : bodyNodes(() => splitCommandBody(packet.body, packet.integrityLength), packet.body, bodyAt, 6);
  return {
    at,
    name: 'command packet',
    length: bytes.length,
    children: [...commandHead(bytes, at), ...body],
  };
}

const COMMAND_HEAD_OCTETS = 10;

/** CPL to TAR, of a packet or of the first part of one. */
function commandHead(bytes: Uint8Array, at: number): DescribedNode[] {
  const [cplHigh = 0, cplLow = 0, chl = 0, spi1 = 0, spi2 = 0, kic = 0, kid = 0] = bytes;
  return [
    leaf(at, 'CPL', String(cplHigh * 256 + cplLow)),
    leaf(at + 2, 'CHL', `${chl} (${chl - 13} octets of integrity)`),
    leaf(at + 3, 'SPI', `${spiText(decodeSpi(spi1, spi2))} (${toHex(bytes.subarray(3, 5))})`),
    leaf(at + 5, 'KIc', keyText(kic)),
    leaf(at + 6, 'KID', keyText(kid)),
    leaf(at + 7, 'TAR', toHex(bytes.subarray(7, COMMAND_HEAD_OCTETS))),
  ];
}

/** The first part of a packet in several messages: its head, and what there is of the rest. */
function commandPart(bytes: Uint8Array, at: number): DescribedNode {
  const rest = hexNode(at + COMMAND_HEAD_OCTETS, 'the packet so far', bytes.subarray(COMMAND_HEAD_OCTETS));
  return {
    at,
    name: 'command packet, its first part',
    length: bytes.length,
    children: [...commandHead(bytes, at), rest],
  };
}

function responsePacket(bytes: Uint8Array, at: number): DescribedNode {
  const packet = decodeResponsePacket(bytes);
  const bodyAt = at + packet.head.length;
  return {
    at,
    name: 'response packet',
    length: bytes.length,
    children: [
      leaf(at, 'RPL', String(bytes.length - 2)),
      leaf(at + 2, 'RHL', `${10 + packet.integrityLength} (${packet.integrityLength} octets of integrity)`),
      leaf(at + 3, 'TAR', toHex(packet.tar)),
      hexNode(
        bodyAt,
        'counter, padding counter, status, checksum, data (ciphered where the SPI asked for it)',
        packet.body,
      ),
      ...plainResponse(packet, bodyAt),
    ],
  };
}

/** What the body says unless it is ciphered; nothing where it must be, because it makes no sense. */
function plainResponse(
  { body, integrityLength }: ReturnType<typeof decodeResponsePacket>,
  at: number,
): DescribedNode[] {
  try {
    splitResponseBody(body, integrityLength);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return [];
  }
  const status = leaf(at + 6, 'status', porStatusName(body[6] ?? 0));
  const nodes = bodyNodes(() => splitResponseBody(body, integrityLength), body, at, 7);
  return [{ at, name: 'if not ciphered', children: [status, ...nodes] }];
}

function bodyNodes(
  split: () => PacketBody,
  body: Uint8Array,
  at: number,
  integrityOffset: number,
): DescribedNode[] {
  try {
    const parts = split();
    const dataAt = at + body.length - parts.data.length;
    const padded = parts.data.length - parts.paddingLength;
    return [
      leaf(at, 'counter', toHex(parts.counter)),
      leaf(at + 5, 'padding counter', String(parts.paddingLength)),
      hexNode(at + integrityOffset, 'integrity', parts.integrity),
      hexNode(dataAt, 'data', parts.data.subarray(0, padded)),
    ];
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return [fault(at, String(error.data['why'] ?? error.code)), hexNode(at, 'body', body)];
  }
}

/**
 * Describes an SMS-DELIVER TPDU (TS 23.040 9.2.2.1), or undefined where the octets are none. A TP-UDL that is not what is
 * there speaks against one, unless `surely` or the user data holds a secured packet.
 */
export function describeDeliver(bytes: Uint8Array, at: number, surely = false): DescribedNode[] | undefined {
  const first = bytes[0] ?? 0xff;
  const digits = bytes[1] ?? 0xff;
  const addressEnd = 3 + Math.ceil(digits / 2);
  if ((first & 0x03) !== 0 || digits > 20) return undefined;
  const user = userDataNodes(bytes, at, {
    dcsAt: addressEnd + 1,
    udlAt: addressEnd + 9,
    hasHeader: (first & 0x40) !== 0,
    surely,
  });
  if (user === undefined) return undefined;
  return [
    {
      at,
      name: 'SMS-DELIVER',
      length: bytes.length,
      children: [
        leaf(at, 'flags', toHex(bytes.subarray(0, 1))),
        leaf(at + 1, 'TP-OA', toHex(bytes.subarray(1, addressEnd))),
        leaf(at + addressEnd, 'TP-PID', toHex(bytes.subarray(addressEnd, addressEnd + 1))),
        leaf(at + addressEnd + 1, 'TP-DCS', toHex(bytes.subarray(addressEnd + 1, addressEnd + 2))),
        leaf(at + addressEnd + 2, 'TP-SCTS', toHex(bytes.subarray(addressEnd + 2, addressEnd + 9))),
        ...user,
      ],
    },
  ];
}

/** Octets of TP-VP by its format (TS 23.040 9.2.3.3). */
const VALIDITY_OCTETS = [0, 7, 1, 7] as const;

/** The same for an SMS-SUBMIT TPDU (TS 23.040 9.2.2.2). */
export function describeSubmit(bytes: Uint8Array, at: number, surely = false): DescribedNode[] | undefined {
  const first = bytes[0] ?? 0xff;
  const digits = bytes[2] ?? 0xff;
  const addressEnd = 4 + Math.ceil(digits / 2);
  if ((first & 0x03) !== 1 || digits > 20) return undefined;
  const validity = VALIDITY_OCTETS[(first >> 3) & 0x03] ?? 0;
  const udlAt = addressEnd + 2 + validity;
  const hasHeader = (first & 0x40) !== 0;
  const user = userDataNodes(bytes, at, { dcsAt: addressEnd + 1, udlAt, hasHeader, surely });
  if (user === undefined) return undefined;
  return [
    {
      at,
      name: 'SMS-SUBMIT',
      length: bytes.length,
      children: [
        leaf(at, 'flags', toHex(bytes.subarray(0, 1))),
        leaf(at + 1, 'TP-MR', String(bytes[1] ?? 0)),
        leaf(at + 2, 'TP-DA', toHex(bytes.subarray(2, addressEnd))),
        leaf(at + addressEnd, 'TP-PID', toHex(bytes.subarray(addressEnd, addressEnd + 1))),
        leaf(at + addressEnd + 1, 'TP-DCS', toHex(bytes.subarray(addressEnd + 1, addressEnd + 2))),
        ...(validity === 0
          ? []
          : [leaf(at + addressEnd + 2, 'TP-VP', toHex(bytes.subarray(addressEnd + 2, udlAt)))]),
        ...user,
      ],
    },
  ];
}

/** Names of information elements (TS 23.040 9.2.3.24). */
const ELEMENTS: Readonly<Record<number, string>> = {
  [IEI.concatenated8]: 'concatenated, 8 bit reference',
  0x04: 'application port addressing, 8 bit',
  0x05: 'application port addressing, 16 bit',
  [IEI.concatenated16]: 'concatenated, 16 bit reference',
  [IEI.commandPacket]: 'secured command packet',
  [IEI.responsePacket]: 'secured response packet',
};

/** TP-UDL and TP-UD to the end of the TPDU; undefined where the length is not that of what is there. */
function userDataNodes(
  bytes: Uint8Array,
  at: number,
  place: {
    readonly dcsAt: number;
    readonly udlAt: number;
    readonly hasHeader: boolean;
    readonly surely: boolean;
  },
): DescribedNode[] | undefined {
  const { dcsAt, udlAt, hasHeader, surely } = place;
  const length = bytes[udlAt];
  const userAt = udlAt + 1;
  const user = bytes.subarray(userAt);
  // Class and coding groups with the default alphabet count septets.
  const coding = bytes[dcsAt] ?? 0;
  const septets = (coding & 0xc0) === 0 ? (coding & 0x0c) === 0 : (coding & 0xf4) === 0xf0;
  const octets = length === undefined || !septets ? length : Math.ceil((length * 7) / 8);
  const wrong = octets !== user.length;
  const secured =
    hasHeader && [UDH_COMMAND, UDH_RESPONSE].some((header) => equalBytes(header, user.subarray(0, 3)));
  if (length === undefined || (wrong && !surely && !secured)) return undefined;
  const said = leaf(at + udlAt, 'TP-UDL', `${length}${septets ? ' septets' : ''}`);
  const head = wrong
    ? {
        ...said,
        children: [fault(at + udlAt, `TP-UDL says ${octets ?? 0} octets, ${user.length} are there`)],
      }
    : said;
  if (!hasHeader) return [head, hexNode(at + userAt, 'TP-UD', user)];
  return [head, ...(describePacket(user, at + userAt) ?? headedNodes(user, at + userAt))];
}

function packetNode(body: Uint8Array, at: number, whole: boolean): DescribedNode | undefined {
  if (whole) return orFault(() => commandPacket(body, at), body, at);
  return body.length < COMMAND_HEAD_OCTETS ? undefined : commandPart(body, at);
}

/** User data with a header of several elements, as the parts of a long message have it. */
function headedNodes(user: Uint8Array, at: number): DescribedNode[] {
  const bodyAt = 1 + (user[0] ?? 0);
  let parts: UserData;
  try {
    parts = splitUserData(user, true);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return [fault(at, String(error.data['why'] ?? error.code)), hexNode(at, 'TP-UD', user)];
  }
  let from = at + 1;
  const elements = parts.elements.map(({ id, data }): DescribedNode => {
    const name = ELEMENTS[id] ?? `element ${toHex(Uint8Array.of(id))}`;
    const part =
      id === IEI.concatenated8 && data.length === 3
        ? `part ${data[2] ?? 0} of ${data[1] ?? 0}, reference ${data[0] ?? 0} `
        : '';
    const node = leaf(from, name, `${part}(${toHex(data)})`);
    from += 2 + data.length;
    return node;
  });
  const whole = parts.elements.length === 1;
  const packet = parts.elements.some(({ id }) => id === IEI.commandPacket)
    ? packetNode(parts.body, at + bodyAt, whole)
    : undefined;
  return [
    { at, name: 'user data header', length: bodyAt, children: elements },
    packet ?? hexNode(at + bodyAt, whole ? 'data' : 'data of this part', parts.body),
  ];
}
