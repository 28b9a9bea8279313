// Short messages that bring secured packets: from SMS-PP DOWNLOAD to a whole packet (3GPP TS 31.111, 7.1.1; TS 31.115, 4).
import { isAgentError } from '../../base/errors.ts';
import { toHex } from '../../base/bytes.ts';
import { SW } from '../../codec/apdu.ts';
import { readComprehensionTlvs } from '../../codec/comprehension-tlv.ts';
import {
  decodeSmsDeliver,
  PID_SIM_DATA_DOWNLOAD,
  type SmsAddress,
  type SmsDeliver,
} from '../../codec/sms-tpdu.ts';
import { createMessageAssembler, IEI } from '../../codec/sms-user-data.ts';
import { refuse } from '../os/reply.ts';

const TAG_ADDRESS = 0x06;
const TAG_SMS_TPDU = 0x0b;
/** Class 2 and 8 bit data, in the group of message classes and in the general one (3GPP TS 23.038, 4). */
const FOR_THE_CARD: ReadonlySet<number> = new Set([0xf6, 0x16]);
/** Unfinished messages kept at a time; the one that waits longest goes first. A card has no clock to tell their age. */
const MAX_UNFINISHED = 4;

/** A command packet from CPL on, and where its proof of receipt goes. */
export type ReceivedPacket = {
  readonly packet: Uint8Array;
  readonly originator: SmsAddress;
  /** Type octet and swapped digits. */
  readonly serviceCentre?: Uint8Array;
};

export type SmsReception = {
  /**
   * Takes the value of an SMS-PP DOWNLOAD. Answers a packet that is whole now; nothing for a part of one, and for a message that
   * is no command packet for the card. Refuses with a status word what is no message at all.
   */
  receive(envelope: Uint8Array): ReceivedPacket | undefined;
};

/** Parts of concatenated messages are volatile: a reset forgets them. */
export function createSmsReception(): SmsReception {
  const assembler = createMessageAssembler(MAX_UNFINISHED);
  return {
    receive(envelope) {
      const objects = readOr(() => readComprehensionTlvs(envelope));
      const tpdu = objects.find(({ tag }) => tag === TAG_SMS_TPDU);
      if (tpdu === undefined) return refuse(SW.wrongData);
      const message = readOr(() => decodeSmsDeliver(tpdu.value));
      if (!isForTheCard(message)) return undefined;
      const { originator } = message;
      const key = `${toHex(Uint8Array.of(originator.type))} ${originator.digits}`;
      const whole = readOr(() => assembler.add(key, message.userData));
      if (whole?.elements.some(({ id }) => id === IEI.commandPacket) !== true) return undefined;
      const serviceCentre = objects.find(({ tag }) => tag === TAG_ADDRESS)?.value;
      return {
        packet: whole.body,
        originator,
        ...(serviceCentre === undefined || serviceCentre.length > MAX_ADDRESS
          ? {}
          : { serviceCentre: Uint8Array.from(serviceCentre) }),
      };
    },
  };
}

const MAX_ADDRESS = 12;

function isForTheCard({ pid, dcs }: SmsDeliver): boolean {
  return pid === PID_SIM_DATA_DOWNLOAD && FOR_THE_CARD.has(dcs);
}

function readOr<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}
