// Command and response APDUs (ISO/IEC 7816-3 clause 12, 7816-4 clause 5), short and extended length, and status words.
import { concat, EMPTY } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

/** A command. `le` is the number of octets expected (256 or 65536 for "all"), absent when none are. */
export type CommandApdu = {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly data: Uint8Array;
  readonly le?: number;
};

/** A response: data and the status word as a number (0x9000). */
export type ResponseApdu = { readonly data: Uint8Array; readonly sw: number };

/** Reads a command of any case 1 to 4, short or extended. Throws `APDU_INVALID`. `data` is a view. */
export function decodeCommandApdu(bytes: Uint8Array): CommandApdu {
  const [cla, ins, p1, p2, p3] = bytes;
  if (cla === undefined || ins === undefined || p1 === undefined || p2 === undefined) {
    throw new AgentError('APDU_INVALID', { octets: bytes.length, why: 'shorter than a header' });
  }
  const header = { cla, ins, p1, p2 };
  if (p3 === undefined) return { ...header, data: EMPTY };
  if (bytes.length === 5) return { ...header, data: EMPTY, le: p3 === 0 ? 256 : p3 };
  if (p3 !== 0) {
    const rest = bytes.length - 5 - p3;
    if (rest !== 0 && rest !== 1) throw new AgentError('APDU_INVALID', { lc: p3, octets: bytes.length });
    const data = bytes.subarray(5, 5 + p3);
    const le = bytes[5 + p3];
    return le === undefined ? { ...header, data } : { ...header, data, le: le === 0 ? 256 : le };
  }
  if (bytes.length < 7) throw new AgentError('APDU_INVALID', { lc: 0, octets: bytes.length });
  const length = (bytes[5] ?? 0) * 256 + (bytes[6] ?? 0);
  if (bytes.length === 7) return { ...header, data: EMPTY, le: length === 0 ? 65536 : length };
  const rest = bytes.length - 7 - length;
  if (length === 0 || (rest !== 0 && rest !== 2)) {
    throw new AgentError('APDU_INVALID', { lc: length, octets: bytes.length });
  }
  const data = bytes.subarray(7, 7 + length);
  if (rest === 0) return { ...header, data };
  const le = (bytes[7 + length] ?? 0) * 256 + (bytes[8 + length] ?? 0);
  return { ...header, data, le: le === 0 ? 65536 : le };
}

/** Writes a command in the short form where it fits, else extended. Throws `APDU_INVALID` where a field does not fit. */
export function encodeCommandApdu(command: CommandApdu): Uint8Array {
  const { cla, ins, p1, p2, data, le } = command;
  const header = Uint8Array.of(cla, ins, p1, p2);
  if (data.length > 65535 || (le !== undefined && (le < 1 || le > 65536))) {
    throw new AgentError('APDU_INVALID', { octets: data.length, le });
  }
  if ((cla | ins | p1 | p2) >>> 8 !== 0) throw new AgentError('APDU_INVALID', { cla, ins, p1, p2 });
  if (data.length <= 255 && (le ?? 0) <= 256) {
    return concat(
      header,
      data.length > 0 ? Uint8Array.of(data.length) : EMPTY,
      data,
      le === undefined ? EMPTY : Uint8Array.of(le & 0xff),
    );
  }
  return concat(
    header,
    Uint8Array.of(0),
    data.length > 0 ? Uint8Array.of(data.length >>> 8, data.length & 0xff) : EMPTY,
    data,
    le === undefined ? EMPTY : Uint8Array.of((le >>> 8) & 0xff, le & 0xff),
  );
}

/** Splits data and status word. Throws `APDU_INVALID` below two octets. */
export function decodeResponseApdu(bytes: Uint8Array): ResponseApdu {
  if (bytes.length < 2) throw new AgentError('APDU_INVALID', { octets: bytes.length, why: 'no status word' });
  return {
    data: bytes.subarray(0, bytes.length - 2),
    sw: (bytes[bytes.length - 2] ?? 0) * 256 + (bytes[bytes.length - 1] ?? 0),
  };
}

export function encodeResponseApdu(response: ResponseApdu): Uint8Array {
  return concat(response.data, Uint8Array.of(response.sw >>> 8, response.sw & 0xff));
}

/** The logical channel 0 to 19 that an interindustry or proprietary class names (ISO/IEC 7816-4, 5.4.1). */
export function channelOf(cla: number): number {
  return (cla & 0x40) === 0 ? cla & 0x03 : 4 + (cla & 0x0f);
}

/**
 * The class with its logical channel replaced. Between the form for channels 0 to 3 and the one for 4 to 19 the
 * proprietary, chaining and secure messaging bits go along; secure messaging becomes 04, GlobalPlatform's, on the way back.
 */
export function withChannel(cla: number, channel: number): number {
  if (!Number.isInteger(channel) || channel < 0 || channel > 19)
    throw new AgentError('APDU_INVALID', { channel });
  const further = (cla & 0x40) !== 0;
  if (channel < 4) {
    return (further ? (cla & 0x90) | ((cla & 0x20) === 0 ? 0 : 0x04) : cla & 0xfc) | channel;
  }
  return (further ? cla & 0xf0 : (cla & 0x90) | 0x40 | ((cla & 0x0c) === 0 ? 0 : 0x20)) | (channel - 4);
}

/** Whether the class says secure messaging, in the form for channels 0 to 3 or in the one for 4 to 19. */
export function isSecured(cla: number): boolean {
  return (cla & 0x40) === 0 ? (cla & 0x0c) !== 0 : (cla & 0x20) !== 0;
}

export function swText(sw: number): string {
  return sw.toString(16).toUpperCase().padStart(4, '0');
}

/** Status words by their meaning in ISO/IEC 7816-4 and ETSI TS 102 221. */
export const SW = {
  ok: 0x9000,
  memoryFailure: 0x6581,
  wrongLength: 0x6700,
  channelNotSupported: 0x6881,
  secureMessagingNotSupported: 0x6882,
  securityStatus: 0x6982,
  authenticationBlocked: 0x6983,
  conditionsOfUse: 0x6985,
  noEfSelected: 0x6986,
  wrongData: 0x6a80,
  functionNotSupported: 0x6a81,
  fileNotFound: 0x6a82,
  recordNotFound: 0x6a83,
  notEnoughMemory: 0x6a84,
  incorrectP1P2: 0x6a86,
  lcInconsistentWithP1P2: 0x6a87,
  referencedDataNotFound: 0x6a88,
  wrongP1P2: 0x6b00,
  insNotSupported: 0x6d00,
  claNotSupported: 0x6e00,
  technicalProblem: 0x6f00,
  macError: 0x9862,
} as const;

/**
 * Whether a command was done: 9000, 91xx with a proactive command waiting, or 62xx, a warning that leaves things as asked for. 63xx
 * is none: EXTERNAL AUTHENTICATE and VERIFY refuse with it (GlobalPlatform 11.1.3.2, ETSI TS 102 221 10.2.1).
 */
export function isSuccess(sw: number): boolean {
  return sw === SW.ok || sw >> 8 === 0x91 || sw >> 8 === 0x62;
}
