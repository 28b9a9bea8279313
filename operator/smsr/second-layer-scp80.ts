// The second layer by SCP80 (seed 66, 84): commands in secured packets, each cut into short messages, and the proofs of receipt opened
// (ETSI TS 102 225, ETSI TS 102 226, 3GPP TS 31.115).
import { AgentError, isAgentError } from '../../base/errors.ts';
import {
  type CommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  isSuccess,
  swText,
} from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { bppSegments } from '../../codec/rsp/bpp.ts';
import { decodeResponseScript, SCRIPT_TAG } from '../../codec/script.ts';
import { POR_STATUS, porStatusName } from '../../codec/secured-packet.ts';
import { packetEnvelopes, type PacketSender } from '../../codec/sms-envelope.ts';
import { storeDataCommands } from '../../codec/store-data.ts';
import { cipherBlock } from '../../crypto/scp80.ts';
import { openProofOfReceipt, type Scp80Target, sealRemoteCommand } from '../../crypto/scp80-host.ts';
import type { OpenedScript } from './second-layer.ts';

/** One secured packet on its way. */
export type OtaPacket = {
  readonly counter: number;
  /** How many commands it brings. */
  readonly commands: number;
  /** ENVELOPE commands, one for each short message, in order; the answer to one of them has the proof of receipt. */
  readonly envelopes: readonly Uint8Array[];
};

export type OtaOptions = {
  /** Counter of the first packet; the next ones count on. */
  readonly counter: number;
  readonly sender: PacketSender;
  /** Messages that one packet may need, 1 to 255. Fewer are lost with one message, more have less around them. */
  readonly messages?: number;
};

const DEFAULT_MESSAGES = 20;
/** Octets of a packet in the first message of several, in each further one, and in a message of its own. */
const ROOM = { first: 132, further: 134, alone: 137 } as const;
const HEADER_OCTETS = 10;
/** Counter, padding counter, checksum. */
const SECURED_OCTETS = 14;
/** Tag and length of the script, and the chaining object. */
const SCRIPT_OCTETS = 4 + 3;

/** STORE DATA commands that load a bound profile package, in blocks as long as an APDU may be. */
export function otaLoadCommands(boundProfilePackage: Uint8Array): CommandApdu[] {
  return bppSegments(boundProfilePackage).flatMap((segment) => storeDataCommands(segment));
}

/** Octets of script that fit a packet of so many messages. */
function roomOf({ keys, spi }: Scp80Target, messages: number): number {
  const packet = messages === 1 ? ROOM.alone : ROOM.first + (messages - 1) * ROOM.further;
  const secured = packet - HEADER_OCTETS;
  const whole = spi.ciphering ? secured - (secured % cipherBlock(keys.kic)) : secured;
  return whole - SECURED_OCTETS - SCRIPT_OCTETS;
}

/** How scripts are chained (ETSI TS 102 226, 5.2.1.4). */
const CHAIN = { first: 0x01, more: 0x02, last: 0x03 } as const;

/**
 * Packs commands into as few packets as there must be. Several packets are chained scripts, so that a session of the application goes
 * on from one to the next. Throws `SMS_INVALID` for a command that no packet has room for.
 */
export function protectOverTheAir(
  target: Scp80Target,
  commands: readonly CommandApdu[],
  options: OtaOptions,
): OtaPacket[] {
  const { counter, messages = DEFAULT_MESSAGES, sender } = options;
  const groups = grouped(commands, roomOf(target, messages));
  return groups.map((group, index) => {
    const chain =
      groups.length === 1
        ? []
        : [encodeTlv(SCRIPT_TAG.chaining, Uint8Array.of(chainOf(index, groups.length)))];
    const script = encodeTlv(SCRIPT_TAG.command, ...chain, ...group);
    const packet = sealRemoteCommand(target, counter + index, script);
    return {
      counter: counter + index,
      commands: group.length,
      envelopes: packetEnvelopes(packet, sender, (counter + index) & 0xff).map(encodeCommandApdu),
    };
  });
}

function chainOf(index: number, count: number): number {
  if (index === 0) return CHAIN.first;
  return index === count - 1 ? CHAIN.last : CHAIN.more;
}

/** C-APDU objects in groups that fit. */
function grouped(commands: readonly CommandApdu[], room: number): Uint8Array[][] {
  const groups: Uint8Array[][] = [];
  let left = -1;
  for (const command of commands) {
    const object = encodeTlv(SCRIPT_TAG.commandApdu, encodeCommandApdu(command));
    if (object.length > room) {
      throw new AgentError('SMS_INVALID', {
        why: `a command of ${object.length} octets does not fit ${room}`,
      });
    }
    if (object.length > left) {
      groups.push([]);
      left = room;
    }
    groups.at(-1)?.push(object);
    left -= object.length;
  }
  return groups;
}

/**
 * What a card answered to packets: data and status word of each ENVELOPE that was sent. Only authentic proofs of receipt count.
 * Never throws on what a card or a device answered.
 */
export function openOverTheAir(
  target: Scp80Target,
  packets: readonly OtaPacket[],
  answers: readonly Uint8Array[],
): OpenedOverTheAir {
  const responses: Uint8Array[] = [];
  let lastSw = 0;
  let at = 0;
  for (const [index, packet] of packets.entries()) {
    const end = at + packet.envelopes.length;
    const delivered = answers.slice(at, end);
    at = end;
    const opened =
      delivered.length < packet.envelopes.length
        ? { reason: `packet ${index + 1} was not delivered` }
        : openPacket(target, packet, delivered);
    if (!Array.isArray(opened)) return { ok: false, responses, lastSw, ...opened };
    for (const response of opened) {
      lastSw = decodeResponseApdu(response).sw;
      responses.push(response);
    }
    const failed = opened.find((response) => !goesOn(decodeResponseApdu(response).sw));
    if (failed !== undefined || opened.length < packet.commands) {
      const reason =
        failed === undefined
          ? `${packet.commands - opened.length} commands were not executed`
          : `command ${responses.length} answered ${swText(lastSw)}`;
      return { ok: false, responses, lastSw, reason };
    }
  }
  return { ok: true, responses, lastSw };
}

/** What was executed, and the status of the proof of receipt where the card itself refused a packet (`POR_STATUS`). */
export type OpenedOverTheAir = OpenedScript & { readonly refused?: number };

/** Data that waits for a GET RESPONSE is no fault: the command was done. */
function goesOn(sw: number): boolean {
  return isSuccess(sw) || sw >> 8 === 0x61;
}

type Refusal = Pick<OpenedOverTheAir, 'refused'> & { readonly reason: string };

/** The responses to a packet's commands, or why there are none to believe. */
function openPacket(
  target: Scp80Target,
  packet: OtaPacket,
  answers: readonly Uint8Array[],
): Uint8Array[] | Refusal {
  try {
    const read = answers.map(decodeResponseApdu);
    // It comes with the message that makes the packet whole: an earlier one, where some were there already.
    const data = read.findLast((answer) => answer.data.length > 0)?.data;
    if (data === undefined) return { reason: `no proof of receipt, ${swText(read.at(-1)?.sw ?? 0)}` };
    const proof = openProofOfReceipt(target, data);
    if (proof.status !== POR_STATUS.porOk) {
      const reason = porStatusName(proof.status);
      return proof.authentic ? { reason, refused: proof.status } : { reason: `${reason}, not proved` };
    }
    if (!proof.authentic) return { reason: 'the proof of receipt is not protected' };
    if (proof.counter !== packet.counter) return { reason: 'the proof of receipt is of another packet' };
    const { badFormat, chaining, responses } = decodeResponseScript(proof.data);
    if (badFormat !== undefined) return { reason: 'the script could not be read' };
    if (chaining !== undefined) return { reason: 'the chain of scripts is broken' };
    return responses.map((each) => Uint8Array.from(each));
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return { reason: error.message };
  }
}
