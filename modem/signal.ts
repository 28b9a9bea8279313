// What a modem says of its signal (3GPP TS 27.007, 8.5 and 8.69; Quectel's +QCSQ), in dBm and dB.
import { isAgentError } from '../base/errors.ts';
import { signalQuality } from './at-commands.ts';
import type { AtCommand, AtSession, RunOptions } from './at-session.ts';

/** What is not known is absent. */
export type Signal = {
  /** Received power over the whole band, in dBm. */
  readonly rssi?: number;
  /** Of the reference signals (E-UTRAN, NR): power in dBm, quality in dB. */
  readonly rsrp?: number;
  readonly rsrq?: number;
};

/** Numbers of an answer; 99 and 255 stand for "not known" there. */
const numbers = (line: string, name: string): AtCommand<[], readonly number[]> => ({
  send: () => line,
  answer: new RegExp(String.raw`^\+${name}\s*:\s*(-?\d{1,3}(?:\s*,\s*-?\d{1,3}){1,11})\s*$`),
  deadline: 'query',
  read: ([found]) => found?.[1]?.split(',').map(Number),
});
const extended = numbers('AT+CESQ', 'CESQ');
/** `<sysmode>` and what belongs to it. */
const quectel: AtCommand<[], readonly (string | number)[]> = {
  send: () => 'AT+QCSQ',
  answer: /^\+QCSQ\s*:\s*"?([A-Za-z0-9 -]+?)"?\s*((?:,\s*-?\d{1,4}\s*)*)$/,
  deadline: 'query',
  read: ([found]) =>
    found && [found[1]?.toUpperCase() ?? '', ...(found[2] ?? '').split(',').slice(1).map(Number)],
};

/** +CSQ as dBm; from 100 on the count of TD-SCDMA modems. */
export function csqDbm(csq: number): number | undefined {
  if (csq <= 31) return 2 * csq - 113;
  return csq >= 100 && csq <= 191 ? csq - 216 : undefined;
}

/** `<rxlev>,<ber>,<rscp>,<ecno>,<rsrq>,<rsrp>` and, of NR, `<ss_rsrq>,<ss_rsrp>,<ss_sinr>`. */
export function cesqSignal(values: readonly number[]): Signal {
  const [rxlev = 99, , rscp = 255, , rsrq = 255, rsrp = 255, ssRsrq = 255, ssRsrp = 255] = values;
  if (rsrp <= 97) return { rsrp: rsrp - 141, ...(rsrq <= 34 ? { rsrq: rsrq / 2 - 20 } : {}) };
  if (ssRsrp <= 126) return { rsrp: ssRsrp - 157, ...(ssRsrq <= 126 ? { rsrq: ssRsrq / 2 - 43.5 } : {}) };
  if (rscp <= 96) return { rssi: rscp - 121 };
  return rxlev <= 63 ? { rssi: rxlev - 111 } : {};
}

/** LTE and its kin: rssi, rsrp, sinr, rsrq. The scale of sinr differs between firmwares: it is left out. */
function qcsqSignal([mode, rssi, rsrp, , rsrq]: readonly (string | number)[]): Signal {
  if (typeof rssi !== 'number') return {};
  const lte = ['LTE', 'CAT-M1', 'CAT-NB1', 'EMTC', 'NBIOT'].includes(String(mode));
  if (!lte || typeof rsrp !== 'number' || typeof rsrq !== 'number') return { rssi };
  return { rssi, rsrp, rsrq };
}

/** Asks +CSQ, then +CESQ, then +QCSQ where that did not tell of the reference signals. A modem without any answers `{}`. */
export async function readSignal(session: AtSession, options: RunOptions = {}): Promise<Signal> {
  const ask = async <T>(command: AtCommand<[], T>): Promise<T | undefined> => {
    try {
      return await session.run(command, [], options);
    } catch (error) {
      if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
      return undefined;
    }
  };
  const csq = await ask(signalQuality);
  const rssi = csq === undefined ? undefined : csqDbm(csq);
  const plain: Signal = rssi === undefined ? {} : { rssi };
  const standard = { ...plain, ...cesqSignal((await ask(extended)) ?? []) };
  if (standard.rsrp !== undefined) return standard;
  const vendor = await ask(quectel);
  return vendor === undefined ? standard : { ...standard, ...qcsqSignal(vendor) };
}

export function signalText({ rssi, rsrp, rsrq }: Signal): string {
  const parts = [
    ...(rsrp === undefined ? [] : [`RSRP ${rsrp} dBm`]),
    ...(rsrq === undefined ? [] : [`RSRQ ${rsrq} dB`]),
    ...(rssi === undefined ? [] : [`RSSI ${rssi} dBm`]),
  ];
  return parts.length === 0 ? 'not known' : parts.join(', ');
}
