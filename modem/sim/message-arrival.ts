// A short message from the network: data for the card goes to it by ENVELOPE (3GPP TS 31.111, 7.1.1), others to the store.
import { concat, toHex } from '../../base/bytes.ts';
import { encodeCommandApdu, type ResponseApdu } from '../../codec/apdu.ts';
import { decodeSmsDeliver, encodeSmsPpDownload, PID_SIM_DATA_DOWNLOAD } from '../../codec/sms-tpdu.ts';
import type { CommandContext } from './commands.ts';
import { arrivalReport, storeMessage } from './commands-messages.ts';

/** Where a message ended. What the card answers is the proof of receipt, if there is one. */
export type Arrival =
  | { readonly is: 'card'; readonly response: ResponseApdu }
  | { readonly is: 'stored'; readonly index: number }
  | { readonly is: 'shown' }
  | { readonly is: 'lost'; readonly why: 'no service' | 'no room' | 'mute card' };

const INS_ENVELOPE = 0xc2;

/** Throws `SMS_INVALID` for octets that are no SMS-DELIVER. */
export async function receiveMessage(
  tpdu: Uint8Array,
  context: CommandContext,
  tell: (text: string) => void,
): Promise<Arrival> {
  const { pid, dcs } = decodeSmsDeliver(tpdu);
  const { equipment, settings } = context;
  if (equipment.service.state.is !== 'registered') return { is: 'lost', why: 'no service' };
  if (pid === PID_SIM_DATA_DOWNLOAD && isClass2(dcs)) {
    const data = encodeSmsPpDownload({ tpdu });
    const envelope = encodeCommandApdu({ cla: 0x80, ins: INS_ENVELOPE, p1: 0, p2: 0, data, le: 256 });
    const response = await equipment.reader.exchange(envelope);
    await equipment.serveCard();
    return response === undefined ? { is: 'lost', why: 'mute card' } : { is: 'card', response };
  }
  // No service centre address in front: the network's own.
  const pdu = concat(Uint8Array.of(0), tpdu);
  const report = arrivalReport(context);
  if (report === 'message') {
    tell(`+CMT: ,${tpdu.length}\r\n${toHex(pdu)}`);
    return { is: 'shown' };
  }
  const index = storeMessage(settings.messages, { state: 0, pdu });
  if (index === undefined) return { is: 'lost', why: 'no room' };
  if (report === 'index') tell(`+CMTI: "ME",${index}`);
  return { is: 'stored', index };
}

/** Data coding with a class, and that is "SIM specific" (3GPP TS 23.038, 4). */
function isClass2(dcs: number): boolean {
  const hasClass = dcs >> 4 === 0xf || ((dcs & 0x90) === 0x10 && dcs >> 6 === 0);
  return hasClass && (dcs & 0x03) === 2;
}
