// Cards that are not as SGP.22 has them, and a modem's own LPA: what stands between a card and the modem's contacts.
import { concat, equalBytes, fromHex } from '../../base/bytes.ts';
import { encodeCommandApdu, isSecured, type ResponseApdu, SW } from '../../codec/apdu.ts';
import { AID_ISD_R, encodeAid } from '../../codec/ids.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import type { CardReader } from './card-reader.ts';
import type { SimQuirks } from './quirks.ts';

const INS = { select: 0xa4, storeData: 0xe2 } as const;
const ISD_R = encodeAid(AID_ISD_R);
const TAG = { enableProfile: 0xbf31, iccid: 0x5a, profileIdentifier: 0xa0, refreshFlag: 0x81 } as const;
/** EnableProfileResponse, iccidOrAidNotFound (SGP.22, 5.7.16). */
const NOT_FOUND = fromHex('BF3103800101');

/** The AID that the card's ISD-R answers to. */
export function isdRAid({ isdrAid }: SimQuirks): Uint8Array {
  return isdrAid === '' ? ISD_R : fromHex(isdrAid);
}

/** What such a card makes of a command: another command, an answer at once, or undefined where it is like all others. */
export function cardKind(quirks: SimQuirks): (apdu: Uint8Array) => Uint8Array | ResponseApdu | undefined {
  const name = isdRAid(quirks);
  return (apdu) => {
    const [cla = 0, ins, p1 = 0, p2, length = 0] = apdu;
    const data = apdu.subarray(5, 5 + length);
    if (ins === INS.select && p1 === 0x04 && quirks.isdrAid !== '') {
      if (equalBytes(data, name)) return concat(apdu.subarray(0, 5), ISD_R, apdu.subarray(5 + length));
      if (equalBytes(data, ISD_R)) return { data: new Uint8Array(0), sw: SW.fileNotFound };
    }
    const plain = ins === INS.storeData && !isSecured(cla);
    if (plain && quirks.cardKind === 'sgp02') return { data: new Uint8Array(0), sw: SW.conditionsOfUse };
    if (plain && quirks.enableBy === 'aid' && p2 === 0 && enablesByIccid(data)) {
      return { data: NOT_FOUND, sw: SW.ok };
    }
    return undefined;
  };
}

function enablesByIccid(data: Uint8Array): boolean {
  const tag = (data[0] ?? 0) * 256 + (data[1] ?? 0);
  return tag === TAG.enableProfile && data[3] === TAG.profileIdentifier && data[5] === TAG.iccid;
}

/** The modem's own LPA at a start of the card: holds a channel to the ISD-R, and enables a profile again after a restart. */
export async function runOwnLpa(reader: CardReader, quirks: SimQuirks, restarted: boolean): Promise<void> {
  const again = restarted ? quirks.revertsTo : '';
  if (!quirks.ownLpa && again === '') return;
  const opened = await reader.openChannel(isdRAid(quirks));
  if ('sw' in opened) return;
  if (again !== '') await reader.exchange(enableProfile(fromHex(again)), opened.channel);
  if (!quirks.ownLpa) await reader.closeChannel(opened.channel);
}

/** ES10c.EnableProfile (SGP.22, 5.7.16) with a REFRESH after it. */
function enableProfile(iccid: Uint8Array): Uint8Array {
  const data = encodeTlv(
    TAG.enableProfile,
    encodeTlv(TAG.profileIdentifier, encodeTlv(TAG.iccid, iccid)),
    encodeTlv(TAG.refreshFlag, Uint8Array.of(0xff)),
  );
  return encodeCommandApdu({ cla: 0x80, ins: INS.storeData, p1: 0x91, p2: 0, data });
}
