// A secured packet on its way to a card: short messages, each in an ENVELOPE (3GPP TS 31.115 clause 4, TS 31.111 7.1.1).
import { AgentError } from '../base/errors.ts';
import type { CommandApdu } from './apdu.ts';
import {
  DCS_CLASS2_8BIT,
  encodeSmsDeliver,
  encodeSmsPpDownload,
  PID_SIM_DATA_DOWNLOAD,
  type SmsAddress,
} from './sms-tpdu.ts';
import { packetToUserData } from './sms-user-data.ts';

/** Where a packet comes from, as its messages say. */
export type PacketSender = {
  readonly originator: SmsAddress;
  /** Type octet and swapped digits. */
  readonly serviceCentre?: Uint8Array;
  /** TP-SCTS, 7 octets; zeros unless given. */
  readonly timestamp?: Uint8Array;
};

const INS_ENVELOPE = 0xc2;
const PROPRIETARY = 0x80;
const MAX_ADDRESS = 12;

/**
 * ENVELOPE (SMS-PP DOWNLOAD) commands for one command packet, from CPL on: one message where it fits, else a concatenated one
 * with this reference (0 to 255). Throws `SMS_INVALID` for a packet of more than 255 messages.
 */
export function packetEnvelopes(packet: Uint8Array, sender: PacketSender, reference: number): CommandApdu[] {
  const { originator, serviceCentre, timestamp = new Uint8Array(7) } = sender;
  if ((serviceCentre?.length ?? 0) > MAX_ADDRESS)
    throw new AgentError('SMS_INVALID', { why: 'the address of the service centre is too long' });
  return packetToUserData(packet, reference).map((userData, index, all) => {
    const tpdu = encodeSmsDeliver({
      originator,
      pid: PID_SIM_DATA_DOWNLOAD,
      dcs: DCS_CLASS2_8BIT,
      timestamp,
      userData,
      noMoreMessages: index === all.length - 1,
      statusReport: false,
      replyPath: false,
    });
    const data = encodeSmsPpDownload({ tpdu, ...(serviceCentre === undefined ? {} : { serviceCentre }) });
    return { cla: PROPRIETARY, ins: INS_ENVELOPE, p1: 0, p2: 0, data };
  });
}

/** A time as TP-SCTS has it, in UTC. */
export function encodeTimestamp(at: Date): Uint8Array {
  const swapped = (value: number): number => ((value % 10) << 4) | Math.floor(value / 10);
  const parts = [
    at.getUTCFullYear() % 100,
    at.getUTCMonth() + 1,
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
  ];
  return Uint8Array.of(...parts.map(swapped), 0);
}
