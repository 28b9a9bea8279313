// Command and response APDUs in words: class, instruction, what the data is for, and the meaning of status words.
import { toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { channelOf, type CommandApdu, decodeCommandApdu, isSecured, SW, swText } from './apdu.ts';
import { CARD_OBJECTS } from './describe-card-data.ts';
import { managementData, managementParameters } from './describe-management.ts';
import { describeTlvs, placeTlvs } from './describe-table.ts';
import { STATUS_WORDS } from './describe-names.ts';
import { type DescribedNode, hexNode, leaf } from './describe-node.ts';
import { describeToolkit, describeToolkitObjects } from './describe-toolkit.ts';
import { AID_CERTIFICATE_PROFILE } from './certificate-profile.ts';
import { AID_ECASD, AID_ISD_P_PREFIX, AID_ISD_R, AID_USIM } from './ids.ts';
import { P1_LAST, P1_MORE } from './store-data.ts';

/** Instructions by their octet (ETSI TS 102 221, 102 223, GlobalPlatform). */
const INSTRUCTIONS: Readonly<Record<number, string>> = {
  0x04: 'DEACTIVATE FILE',
  0x10: 'TERMINAL PROFILE',
  0x12: 'FETCH',
  0x14: 'TERMINAL RESPONSE',
  0x20: 'VERIFY PIN',
  0x24: 'CHANGE PIN',
  0x26: 'DISABLE PIN',
  0x28: 'ENABLE PIN',
  0x2c: 'UNBLOCK PIN',
  0x32: 'INCREASE',
  0x44: 'ACTIVATE FILE',
  0x50: 'INITIALIZE UPDATE',
  0x70: 'MANAGE CHANNEL',
  0x78: 'GET IDENTITY',
  0x82: 'EXTERNAL AUTHENTICATE',
  0x84: 'GET CHALLENGE',
  0x88: 'AUTHENTICATE',
  0xa2: 'SEARCH RECORD',
  0xa4: 'SELECT',
  0xaa: 'TERMINAL CAPABILITY',
  0xb0: 'READ BINARY',
  0xb2: 'READ RECORD',
  0xc0: 'GET RESPONSE',
  0xc2: 'ENVELOPE',
  0xca: 'GET DATA',
  0xd6: 'UPDATE BINARY',
  0xd8: 'PUT KEY',
  0xdc: 'UPDATE RECORD',
  0xe2: 'STORE DATA',
  0xe4: 'DELETE',
  0xe6: 'INSTALL',
  0xe8: 'LOAD',
  0xf0: 'SET STATUS',
  0xf2: 'STATUS',
};

/** Their data is PINs and PUKs, of which only the length is shown. */
const PIN_INSTRUCTIONS: readonly number[] = [0x20, 0x24, 0x26, 0x28, 0x2c];

export function isPinInstruction(ins: number): boolean {
  return PIN_INSTRUCTIONS.includes(ins);
}

const APPLICATIONS: readonly (readonly [prefix: string, name: string])[] = [
  [AID_ISD_R, 'ISD-R'],
  [AID_ECASD, 'ECASD'],
  [AID_CERTIFICATE_PROFILE, 'certificate profile'],
  [AID_ISD_P_PREFIX, 'ISD-P'],
  [AID_USIM, 'USIM'],
];

/** Describes what a tag at the top says: the caller's knowledge of data objects. */
export type DescribeObjects = (bytes: Uint8Array, at: number) => DescribedNode[];

/** Describes a command, or undefined where the octets are none. `objects` describes data objects inside. */
export function describeCommand(
  bytes: Uint8Array,
  at: number,
  objects: DescribeObjects,
): DescribedNode[] | undefined {
  let command: CommandApdu;
  try {
    command = decodeCommandApdu(bytes);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
  const { cla, ins, p1, p2, data, le } = command;
  const name = isClass(cla) ? INSTRUCTIONS[ins] : undefined;
  const extended = bytes.length > 5 && bytes[4] === 0;
  const dataAt = at + (extended ? 7 : 5);
  const secure = isSecured(cla);
  const channel = `${toHex(bytes.subarray(0, 1))} channel ${channelOf(cla)}${secure ? ', secure messaging' : ''}`;
  const head: DescribedNode = {
    at,
    name: `command ${name ?? `instruction ${toHex(bytes.subarray(1, 2))}`}`,
    length: bytes.length,
    ...(name === undefined ? { kind: 'unknown' as const } : {}),
    children: [
      leaf(at, 'CLA', channel),
      leaf(at + 2, 'P1 P2', `${toHex(Uint8Array.of(p1, p2))}${parameterText(command)}`),
      ...(data.length === 0 ? [] : [leaf(at + 4, 'Lc', String(data.length))]),
      ...(data.length === 0 ? [] : dataNodes(command, dataAt, secure, objects)),
      ...(le === undefined ? [] : [leaf(at + bytes.length - (extended ? 2 : 1), 'Le', String(le))]),
    ],
  };
  return [head];
}

/** Why octets are no command APDU (ISO/IEC 7816-3 12.1). */
export function commandFault(bytes: Uint8Array): string {
  if (bytes.length < 4) return `expected a header of 4 octets, ${bytes.length} are there`;
  const extended = bytes[4] === 0;
  const headOctets = extended ? 7 : 5;
  const lc = extended ? (bytes[5] ?? 0) * 256 + (bytes[6] ?? 0) : (bytes[4] ?? 0);
  return `Lc says ${lc} octets, expected them and at most Le behind; ${Math.max(0, bytes.length - headOctets)} are there`;
}

/** Whether cards of this project's kind know the class: interindustry, proprietary, and GSM's A0. */
function isClass(cla: number): boolean {
  return cla === 0xa0 || [0x00, 0x40, 0x60, 0x80, 0xc0, 0xe0].includes(cla & 0xf0);
}

function parameterText(command: CommandApdu): string {
  const { ins, p1, p2 } = command;
  if (ins === 0xe2 && (p1 === P1_LAST || p1 === P1_MORE)) {
    return ` block ${p2}, ${p1 === P1_LAST ? 'the last' : 'more follow'}`;
  }
  if (ins === 0xca) return dataObjectText(p1 * 256 + p2);
  if (ins === 0xa4) return p1 === 0x04 ? ' by AID' : p1 === 0 ? ' by file identifier' : '';
  return managementParameters(command);
}

/** What GET DATA asks for. */
function dataObjectText(tag: number): string {
  const name = CARD_OBJECTS[tag]?.name;
  return name === undefined ? '' : ` ${name}`;
}

function dataNodes(
  command: CommandApdu,
  at: number,
  secure: boolean,
  objects: DescribeObjects,
): DescribedNode[] {
  const { ins, p1, p2, data } = command;
  if (secure) return [hexNode(at, 'protected data', data)];
  if (isPinInstruction(ins)) return [{ ...leaf(at, 'PIN', 'secret'), length: data.length }];
  if (ins === 0xa4) return [leaf(at, p1 === 0x04 ? 'AID' : 'file', selected(data))];
  const managed = managementData(command, at, describeTlvs);
  if (managed !== undefined) return managed;
  if (ins === 0xe2 && p1 === P1_LAST && p2 === 0) return objects(data, at);
  if (ins === 0xe2) return [hexNode(at, `block ${p2} of a chain`, data)];
  if (ins === 0xc2) return describeEnvelope(data, at);
  if (ins === 0x14) return describeToolkitObjects(data, at);
  const { rest } = placeTlvs(data, at);
  const holdsObjects = ins === 0xaa;
  return holdsObjects && rest.length === 0 ? describeTlvs(data, at) : [hexNode(at, 'data', data)];
}

function selected(data: Uint8Array): string {
  const hex = toHex(data);
  const application = APPLICATIONS.find(([prefix]) => hex.startsWith(prefix));
  return application === undefined ? hex : `${application[1]} ${hex}`;
}

function describeEnvelope(data: Uint8Array, at: number): DescribedNode[] {
  const { placed, rest } = placeTlvs(data, at);
  return [...placed.flatMap((one) => describeToolkit(one) ?? describeTlvs(one.tlv.raw, one.at)), ...rest];
}

/** Describes a response, or undefined where the last two octets cannot be a status word. */
export function describeResponse(
  bytes: Uint8Array,
  at: number,
  objects: DescribeObjects,
): DescribedNode[] | undefined {
  const sw = (bytes[bytes.length - 2] ?? 0) * 256 + (bytes[bytes.length - 1] ?? 0);
  const meaning = bytes.length < 2 ? undefined : statusMeaning(sw);
  if (meaning === undefined) return undefined;
  const data = bytes.subarray(0, bytes.length - 2);
  // Data that begins with a known object is that object, even where it is damaged further on.
  const known = placeTlvs(data, at).rest.length === 0 || objects(data, at)[0]?.kind === undefined;
  const nodes = known ? objects(data, at) : [hexNode(at, 'data', data)];
  return [
    {
      at,
      name: 'response',
      length: bytes.length,
      children: [
        ...(data.length === 0 ? [] : nodes),
        leaf(at + data.length, 'SW', `${swText(sw)} ${meaning}`),
      ],
    },
  ];
}

/** What a status word says, or undefined for a number that is none. */
function statusMeaning(sw: number): string | undefined {
  const low = sw & 0xff;
  const listed = STATUS_WORDS[swText(sw)];
  const named = Object.entries(SW).find(([, value]) => value === sw)?.[0];
  if (named !== undefined) return listed === undefined ? named : `${named}: ${listed}`;
  if (listed !== undefined) return listed;
  switch (sw >> 8) {
    case 0x61:
      return `${low === 0 ? 256 : low} octets to get`;
    case 0x6c:
      return `wrong Le, ${low === 0 ? 256 : low} octets are there`;
    case 0x91:
      return `ok, a proactive command of ${low} octets waits`;
    case 0x92:
      return (low & 0xf0) === 0 ? `ok after ${low} tries of memory` : low === 0x40 ? 'memory problem' : 'ok';
    case 0x63:
      return (low & 0xf0) === 0xc0 ? `failed, ${low & 0x0f} tries left` : 'warning';
    case 0x62:
      return 'warning';
    case 0x9f:
      return `GSM: ok, ${low} octets to get`;
    case 0x9e:
      return `GSM: SIM data download error, ${low} octets to get`;
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0x68:
    case 0x69:
    case 0x6a:
    case 0x6b:
    case 0x6d:
    case 0x6e:
    case 0x6f:
    case 0x93:
    case 0x94:
    case 0x98:
      return 'without a name';
    default:
      return undefined;
  }
}
