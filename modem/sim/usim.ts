// What a modem reads from a card to serve it (3GPP TS 31.102, ETSI TS 102 221): applications, identity, PIN, AKA.
import { concat } from '../../base/bytes.ts';
import { type CommandApdu, encodeCommandApdu, SW, type ResponseApdu } from '../../codec/apdu.ts';
import { findTlv, readTlvs } from '../../codec/ber-tlv.ts';
import { AID_USIM, decodeIccid, decodeImsi, encodeAid, type Iccid, type Imsi } from '../../codec/ids.ts';
import { equalBytes, fromHex } from '../../base/bytes.ts';
import type { CardReader } from './card-reader.ts';
import type { AuthenticateAnswer } from './radio.ts';

/** The card's PIN 1 (ETSI TS 102 221, 11.1.9: a VERIFY without data tells the state). */
export type PinState = { readonly is: 'open' } | { readonly is: 'pin' | 'puk'; readonly tries: number };

export type SimInformation = {
  readonly iccid?: Iccid;
  readonly imsi?: Imsi;
  /** Digits of the mobile network code in the IMSI. */
  readonly mncLength: number;
  /** The USIM's AID; undefined when the card has no USIM to offer. */
  readonly usim?: Uint8Array;
  readonly pin: PinState;
};

const MF = '3F00';
const EF_DIR = '2F00';
const EF_ICCID = '2FE2';
const EF_IMSI = '6F07';
const EF_AD = '6FAD';
const PIN_1 = 0x01;

/** Extended channels no; LUI, LPD and LDS of an eUICC are served outside of this terminal (TS 102 221, 11.1.19). */
const TERMINAL_CAPABILITY = fromHex('80AA000005A903830107');
/** Profile download, proactive FETCH, REFRESH, POLL INTERVAL (TS 102 223, 5.2). */
const TERMINAL_PROFILE = fromHex('8010000009FFFFFFFF7F9D00DF3F');

/** Starts a card session after a reset: reads, tells the terminal's abilities, selects the USIM. */
export async function startCardSession(reader: CardReader): Promise<SimInformation> {
  await select(reader, MF);
  await reader.exchange(TERMINAL_CAPABILITY);
  const iccid = await readIccid(reader);
  const usim = await findUsim(reader);
  const none: SimInformation = {
    mncLength: 2,
    pin: { is: 'open' },
    ...(iccid === undefined ? {} : { iccid }),
  };
  if (usim === undefined) return none;
  const fcp = await reader.exchange(selectByAid(usim));
  if (fcp === undefined || !isOk(fcp)) return none;
  const pin: PinState = isPinDisabled(fcp.data) ? { is: 'open' } : await readPinState(reader);
  await reader.exchange(TERMINAL_PROFILE);
  if (pin.is !== 'open') return { ...none, usim, pin };
  return { ...none, usim, pin, ...(await readSubscriber(reader, usim)) };
}

/** EF.IMSI and the length of its network code; what is missing on the card is missing here. */
export async function readSubscriber(
  reader: CardReader,
  usim: Uint8Array,
): Promise<Pick<SimInformation, 'imsi' | 'mncLength'>> {
  await selectApplication(reader, usim);
  const imsiFile = await readFile(reader, EF_IMSI, 9);
  const administrative = await readFile(reader, EF_AD, 4);
  const mncLength = administrative?.[3] === 3 ? 3 : 2;
  const imsi = attempt(() => (imsiFile === undefined ? undefined : decodeImsi(imsiFile)));
  return { mncLength, ...(imsi === undefined ? {} : { imsi }) };
}

async function readIccid(reader: CardReader): Promise<Iccid | undefined> {
  await select(reader, MF);
  const file = await readFile(reader, EF_ICCID, 10);
  return attempt(() => (file === undefined ? undefined : decodeIccid(file)));
}

/** The first USIM of EF.DIR; cards without that file are asked by the AID's common part. */
async function findUsim(reader: CardReader): Promise<Uint8Array | undefined> {
  const prefix = encodeAid(AID_USIM);
  await select(reader, MF);
  const selected = await select(reader, EF_DIR);
  if (isOk(selected)) {
    for (let record = 1; record <= 20; record++) {
      const read = await reader.exchange(Uint8Array.of(0x00, 0xb2, record, 0x04, 0x00));
      if (read === undefined || !isOk(read)) break;
      const aid = attempt(() => applicationOf(read.data));
      if (aid !== undefined && equalBytes(aid.subarray(0, prefix.length), prefix)) return aid;
    }
  }
  return (await selectApplication(reader, prefix)) ? prefix : undefined;
}

/** A record of EF.DIR: 61 { 4F aid, 50 label, ... }, padded FF. */
function applicationOf(record: Uint8Array): Uint8Array | undefined {
  if (record[0] !== 0x61) return undefined;
  const template = record.subarray(2, 2 + (record[1] ?? 0));
  return findTlv(readTlvs(template), 0x4f)?.value;
}

export async function selectApplication(reader: CardReader, aid: Uint8Array): Promise<boolean> {
  return isOk(await reader.exchange(selectByAid(aid)));
}

function selectByAid(aid: Uint8Array): Uint8Array {
  return encodeCommandApdu({ cla: 0, ins: 0xa4, p1: 0x04, p2: 0x04, data: aid, le: 256 });
}

const TAG_FCP = 0x62;
const TAG_PIN_STATUS = 0xc6;

/** PIN status template (ETSI TS 102 221, 11.1.1.4.10): one bit of PS_DO for each key reference in its order, set when enabled. */
function isPinDisabled(fcp: Uint8Array): boolean {
  const status = attempt(() => {
    const template = findTlv(readTlvs(findTlv(readTlvs(fcp), TAG_FCP)?.value ?? fcp), TAG_PIN_STATUS);
    return template === undefined ? undefined : readTlvs(template.value);
  });
  const bits = findTlv(status ?? [], 0x90)?.value;
  const references = (status ?? []).filter(({ tag }) => tag === 0x83).map(({ value }) => value[0]);
  const index = references.indexOf(PIN_1);
  if (bits === undefined || index < 0) return false;
  return ((bits[index >> 3] ?? 0) & (0x80 >> (index & 7))) === 0;
}

async function readPinState(reader: CardReader): Promise<PinState> {
  const answer = await reader.exchange(Uint8Array.of(0x00, 0x20, 0x00, PIN_1));
  return pinStateOf(answer?.sw ?? SW.ok);
}

function pinStateOf(sw: number): PinState {
  if (sw === SW.authenticationBlocked) return { is: 'puk', tries: 0 };
  if (sw >> 4 === 0x63c) return (sw & 0xf) === 0 ? { is: 'puk', tries: 0 } : { is: 'pin', tries: sw & 0xf };
  return { is: 'open' };
}

/** VERIFY of PIN 1. */
export async function verifyPin(reader: CardReader, pin: string): Promise<PinState> {
  const command = { cla: 0, ins: 0x20, p1: 0, p2: PIN_1, data: pinBlock(pin) };
  return pinStateOf((await reader.exchange(encodeCommandApdu(command)))?.sw ?? SW.technicalProblem);
}

/** CHANGE PIN. */
export async function changePin(reader: CardReader, before: string, after: string): Promise<PinState> {
  const data = concat(pinBlock(before), pinBlock(after));
  return pinStateOf(await statusOf(reader, { cla: 0, ins: 0x24, p1: 0, p2: PIN_1, data }));
}

/** ENABLE PIN or DISABLE PIN. */
export async function setPinEnabled(reader: CardReader, on: boolean, pin: string): Promise<PinState> {
  const ins = on ? 0x28 : 0x26;
  return pinStateOf(await statusOf(reader, { cla: 0, ins, p1: 0, p2: PIN_1, data: pinBlock(pin) }));
}

/** As the USIM's control parameters say it; undefined when it cannot be selected. */
export async function isPinEnabled(reader: CardReader, usim: Uint8Array): Promise<boolean | undefined> {
  const fcp = await reader.exchange(selectByAid(usim));
  return fcp !== undefined && isOk(fcp) ? !isPinDisabled(fcp.data) : undefined;
}

/** Tries that are left: VERIFY or UNBLOCK PIN without data (ETSI TS 102 221, 11.1.9, 11.1.13). Undefined when the card does not tell. */
export async function pinTries(reader: CardReader, code: 'pin' | 'puk'): Promise<number | undefined> {
  const answer = await reader.exchange(Uint8Array.of(0x00, code === 'pin' ? 0x20 : 0x2c, 0x00, PIN_1));
  if (answer?.sw === SW.authenticationBlocked) return 0;
  if (answer !== undefined && answer.sw >> 4 === 0x63c) return answer.sw & 0xf;
  return undefined;
}

async function statusOf(reader: CardReader, command: CommandApdu): Promise<number> {
  return (await reader.exchange(encodeCommandApdu(command)))?.sw ?? SW.technicalProblem;
}

/** UNBLOCK PIN with the PUK and a new PIN; answers whether the card accepted. */
export async function unblockPin(reader: CardReader, puk: string, pin: string): Promise<boolean> {
  const data = concat(pinBlock(puk), pinBlock(pin));
  return isOk(await reader.exchange(encodeCommandApdu({ cla: 0, ins: 0x2c, p1: 0, p2: PIN_1, data })));
}

/** Digits as text, padded FF to 8 octets. */
function pinBlock(digits: string): Uint8Array {
  const block = new Uint8Array(8).fill(0xff);
  block.set(Array.from(digits.slice(0, 8), (digit) => digit.charCodeAt(0)));
  return block;
}

/** AUTHENTICATE in the 3G context (3GPP TS 31.102, 7.1.2.1). */
export async function authenticate(
  reader: CardReader,
  usim: Uint8Array,
  rand: Uint8Array,
  autn: Uint8Array,
): Promise<AuthenticateAnswer> {
  // The terminal shares the basic channel and may have selected something else.
  await selectApplication(reader, usim);
  const data = concat(Uint8Array.of(rand.length), rand, Uint8Array.of(autn.length), autn);
  const answer = await reader.exchange(
    encodeCommandApdu({ cla: 0, ins: 0x88, p1: 0, p2: 0x81, data, le: 256 }),
  );
  if (answer === undefined) return { is: 'refused', sw: SW.technicalProblem };
  if (answer.sw === SW.macError) return { is: 'mac-failure' };
  const [tag] = answer.data;
  const values = lengthValues(answer.data.subarray(1));
  const [first, ck, ik] = values;
  if (isOk(answer) && tag === 0xdc && first !== undefined)
    return { is: 'synchronisation-failure', auts: first };
  if (isOk(answer) && tag === 0xdb && first !== undefined && ck !== undefined && ik !== undefined) {
    return { is: 'success', res: first, ck, ik };
  }
  return { is: 'refused', sw: answer.sw };
}

function lengthValues(bytes: Uint8Array): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at] ?? 0;
    values.push(bytes.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return values;
}

function select(reader: CardReader, file: string): Promise<ResponseApdu | undefined> {
  const command = { cla: 0, ins: 0xa4, p1: 0, p2: 0x04, data: fromHex(file), le: 256 };
  return reader.exchange(encodeCommandApdu(command));
}

async function readFile(reader: CardReader, file: string, length: number): Promise<Uint8Array | undefined> {
  if (!isOk(await select(reader, file))) return undefined;
  const read = await reader.exchange(Uint8Array.of(0x00, 0xb0, 0, 0, length));
  return read !== undefined && isOk(read) ? read.data : undefined;
}

function isOk(response: ResponseApdu | undefined): boolean {
  return response !== undefined && (response.sw === SW.ok || response.sw >> 8 === 0x91);
}

function attempt<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
