// A small card for trying the modem without an eUICC: MF, one USIM a profile, PIN, channels, and an applet that answers.
import { concat, EMPTY, equalBytes, fromHex } from '../../base/bytes.ts';
import { channelOf, decodeCommandApdu, encodeResponseApdu, SW, type CommandApdu } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import type { CardSlot } from '../../codec/card.ts';
import {
  AID_ISD_R,
  AID_USIM,
  encodeAid,
  encodeIccid,
  encodeImsi,
  parseIccid,
  parseImsi,
  type Iccid,
  type Imsi,
} from '../../codec/ids.ts';
import type { AuthenticateAnswer } from './radio.ts';

export type TestProfile = {
  readonly iccid: Iccid;
  readonly imsi: Imsi;
  readonly authenticate?: (rand: Uint8Array, autn: Uint8Array) => AuthenticateAnswer;
};

export type TestCard = CardSlot & {
  /** Every command in order, hex. */
  readonly commands: readonly Uint8Array[];
  /** Logical channels open now, the basic one left out. */
  openChannels(): number;
  readonly enabled: TestProfile | undefined;
};

export type TestCardOptions = {
  readonly profiles?: readonly TestProfile[];
  /** PIN 1; none when absent. */
  readonly pin?: string;
  /** Logical channels besides the basic one. */
  readonly channels?: number;
};

const USIM = concat(encodeAid(AID_USIM), fromHex('FF33FF0189000001'));
const APPLET = encodeAid(AID_ISD_R);
const REFRESH_UICC_RESET = encodeTlv(
  0xd0,
  encodeTlv(0x81, Uint8Array.of(1, 0x01, 0x04)),
  encodeTlv(0x82, Uint8Array.of(0x81, 0x82)),
);
const MAX_PIN_TRIES = 3;
const INS_CHANGE = 0x24;
const INS_DISABLE = 0x26;
const INS_ENABLE = 0x28;

function digits(block: Uint8Array): string {
  return String.fromCharCode(...block.filter((octet) => octet !== 0xff));
}

type Channel = {
  application: 'none' | 'usim' | 'applet';
  file: string;
  response: Uint8Array;
  chain: Uint8Array;
};

export const TEST_PROFILES: readonly TestProfile[] = [
  { iccid: parseIccid('8949000000000000019'), imsi: parseImsi('001010000000001') },
  { iccid: parseIccid('8949000000000000027'), imsi: parseImsi('001020000000002') },
];

/**
 * Its applet (AID of the ISD-R) answers a STORE DATA chain with the octets it got, except `BF31 01 n`: that enables profile
 * n, effective at the next reset, which it asks for by REFRESH.
 */
export function createTestCard(options: TestCardOptions = {}): TestCard {
  const profiles = options.profiles ?? TEST_PROFILES;
  const commands: Uint8Array[] = [];
  const channels = new Map<number, Channel>();
  let enabled = 0;
  let next = 0;
  let powered = false;
  let pin = options.pin ?? '0000';
  let enabledPin = options.pin !== undefined;
  let verified = !enabledPin;
  let tries = MAX_PIN_TRIES;
  let proactive: Uint8Array | undefined;

  const newChannel = (): Channel => ({ application: 'none', file: '3F00', response: EMPTY, chain: EMPTY });
  const ok = (): number => (proactive === undefined ? SW.ok : 0x9100 | proactive.length);
  const status = (sw: number): Uint8Array => encodeResponseApdu({ data: EMPTY, sw });
  const data = (bytes: Uint8Array): Uint8Array => encodeResponseApdu({ data: bytes, sw: ok() });
  /** A T=0 card keeps the answer of a command that had data. */
  const later = (channel: Channel, bytes: Uint8Array): Uint8Array => {
    channel.response = bytes;
    return status(0x6100 | (Math.min(bytes.length, 256) & 0xff));
  };
  const fcp = (...members: Uint8Array[]): Uint8Array =>
    encodeTlv(0x62, encodeTlv(0x82, Uint8Array.of(0x78, 0x21)), ...members);
  const pinStatus = (): Uint8Array =>
    encodeTlv(0xc6, Uint8Array.of(0x90, 1, enabledPin ? 0x80 : 0), Uint8Array.of(0x83, 1, 1));

  const fileOf = (channel: Channel): Uint8Array | undefined => {
    const profile = profiles[enabled];
    if (channel.file === '2FE2') return profile && encodeIccid(profile.iccid);
    if (channel.file === '2F00') return concat(dirRecord(), new Uint8Array(6).fill(0xff));
    if (channel.application !== 'usim') return undefined;
    if (channel.file === '6F07') return profile && encodeImsi(profile.imsi);
    if (channel.file === '6FAD') return fromHex('00000002');
    return undefined;
  };
  const dirRecord = (): Uint8Array =>
    encodeTlv(0x61, encodeTlv(0x4f, USIM), encodeTlv(0x50, fromHex('5553494D')));

  const select = (channel: Channel, command: CommandApdu): Uint8Array => {
    if (command.p1 === 0x04) {
      const isUsim =
        equalBytes(command.data, USIM.subarray(0, command.data.length)) && command.data.length >= 7;
      if (isUsim && profiles[enabled] !== undefined)
        Object.assign(channel, { application: 'usim', file: '7FFF' });
      else if (equalBytes(command.data, APPLET)) channel.application = 'applet';
      else return status(SW.fileNotFound);
      return later(channel, fcp(encodeTlv(0x84, command.data), pinStatus()));
    }
    const file = [...command.data]
      .map((octet) => octet.toString(16).padStart(2, '0'))
      .join('')
      .toUpperCase();
    const before = channel.file;
    channel.file = file;
    if (file === '3F00') channel.application = 'none';
    if (file !== '3F00' && fileOf(channel) === undefined) {
      channel.file = before;
      return status(SW.fileNotFound);
    }
    return later(channel, fcp(encodeTlv(0x84, command.data)));
  };
  const read = (channel: Channel, command: CommandApdu): Uint8Array => {
    const file = fileOf(channel);
    if (file === undefined) return status(SW.noEfSelected);
    if (channel.file === '6F07' && !verified) return status(SW.securityStatus);
    if (command.ins === 0xb2 && command.p1 !== 1) return status(SW.recordNotFound);
    if (command.le === 256 && file.length !== 256) return status(0x6c00 | file.length);
    return data(file.subarray(0, command.le));
  };
  const manageChannel = (command: CommandApdu): Uint8Array => {
    if (command.p1 === 0x80) return status(channels.delete(command.p2) ? SW.ok : SW.incorrectP1P2);
    for (let number = 1; number <= (options.channels ?? 3); number++) {
      if (channels.has(number)) continue;
      channels.set(number, newChannel());
      return data(Uint8Array.of(number));
    }
    return status(SW.functionNotSupported);
  };
  const verify = (command: CommandApdu): Uint8Array => {
    if (tries === 0) return status(SW.authenticationBlocked);
    if (command.data.length === 0) return status(verified ? SW.ok : 0x63c0 | tries);
    const [given, next] = [digits(command.data.subarray(0, 8)), digits(command.data.subarray(8))];
    const right = given === pin;
    tries = right ? MAX_PIN_TRIES : tries - 1;
    if (!right) return status(tries === 0 ? SW.authenticationBlocked : 0x63c0 | tries);
    if (command.ins === INS_CHANGE) pin = next;
    if (command.ins === INS_DISABLE || command.ins === INS_ENABLE) enabledPin = command.ins === INS_ENABLE;
    verified = true;
    return status(SW.ok);
  };
  const storeData = (channel: Channel, command: CommandApdu): Uint8Array => {
    if (channel.application !== 'applet') return status(SW.insNotSupported);
    channel.chain = command.p2 === 0 ? command.data : concat(channel.chain, command.data);
    if ((command.p1 & 0x80) === 0) return status(SW.ok);
    const [tag1, tag2, , number = 0] = channel.chain;
    if (tag1 === 0xbf && tag2 === 0x31) {
      next = number;
      proactive = REFRESH_UICC_RESET;
      return later(channel, fromHex('BF3103800100'));
    }
    return later(channel, channel.chain);
  };
  const authenticate = (channel: Channel, command: CommandApdu): Uint8Array => {
    const answer = profiles[enabled]?.authenticate?.(
      command.data.subarray(1, 17),
      command.data.subarray(18, 34),
    );
    if (answer === undefined) return status(SW.conditionsOfUse);
    const withLength = (bytes: Uint8Array): Uint8Array => concat(Uint8Array.of(bytes.length), bytes);
    if (answer.is === 'mac-failure') return status(SW.macError);
    if (answer.is === 'refused') return status(answer.sw);
    if (answer.is === 'synchronisation-failure') {
      return later(channel, concat(Uint8Array.of(0xdc), withLength(answer.auts)));
    }
    return later(
      channel,
      concat(Uint8Array.of(0xdb), withLength(answer.res), withLength(answer.ck), withLength(answer.ik)),
    );
  };

  const execute = (channel: Channel, command: CommandApdu): Uint8Array => {
    const kept = channel.response;
    channel.response = EMPTY;
    switch (command.ins) {
      case 0xc0: {
        const part = kept.subarray(0, command.le);
        channel.response = kept.subarray(part.length);
        if (part.length === 0) return status(SW.conditionsOfUse);
        if (channel.response.length === 0) return data(part);
        return encodeResponseApdu({
          data: part,
          sw: 0x6100 | (Math.min(channel.response.length, 256) & 0xff),
        });
      }
      case 0xa4:
        return select(channel, command);
      case 0xb0:
      case 0xb2:
        return read(channel, command);
      case 0x70:
        return manageChannel(command);
      case 0x20:
      case INS_CHANGE:
      case INS_DISABLE:
      case INS_ENABLE:
        return verify(command);
      case 0xe2:
        return storeData(channel, command);
      case 0x88:
        return authenticate(channel, command);
      case 0x12: {
        const fetched = proactive;
        proactive = undefined;
        return fetched === undefined ? status(SW.technicalProblem) : data(fetched);
      }
      case 0x10:
      case 0x14:
      case 0xaa:
      case 0xf2:
        return status(ok());
      default:
        return status(SW.insNotSupported);
    }
  };
  return {
    commands,
    openChannels: () => channels.size - 1,
    get enabled() {
      return profiles[enabled];
    },
    async reset() {
      powered = true;
      enabled = next;
      verified = !enabledPin;
      proactive = undefined;
      channels.clear();
      channels.set(0, newChannel());
      return fromHex('3B9F96801FC78031E073FE211B63');
    },
    async powerOff() {
      powered = false;
    },
    async transmit(bytes) {
      if (!powered) throw new Error('no power');
      commands.push(Uint8Array.from(bytes));
      const channel = channels.get(channelOf(bytes[0] ?? 0));
      if (channel === undefined) return status(SW.channelNotSupported);
      return execute(channel, decodeCommandApdu(bytes));
    },
  };
}
