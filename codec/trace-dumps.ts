// Messages that logs spread over several lines: the dumps of OpenSC, what scriptor prints, and the order of pySim.
import { concat, EMPTY, fromHex } from '../base/bytes.ts';

/** A message with the number of its first line. */
export type DumpedStep = {
  readonly is: 'command' | 'response';
  readonly line: number;
  readonly octets: Uint8Array;
};

/** One that has begun: `take` answers the octets of a line that goes on with it, and whether it is the last. */
type Dump = {
  readonly is: DumpedStep['is'];
  readonly line: number;
  data: Uint8Array;
  readonly sw: Uint8Array;
  readonly take: (
    line: string,
    soFar: number,
  ) => { readonly octets: Uint8Array; readonly last: boolean } | undefined;
};

const OCTETS_A_LINE = 16;

function hexOf(text: string): Uint8Array {
  return fromHex(text.replaceAll(' ', ''));
}

/** opensc-tool writes the status word on a line, then the data, sixteen octets and their characters a line. */
const RECEIVED = /^Received \(SW1=0x([0-9A-F]{2}), SW2=0x([0-9A-F]{2})\)/i;
/** The debug log of OpenSC says how many octets follow, sixteen and their characters a line. */
const APDU = /^(Outgoing|Incoming) APDU(?: data)? [[(] *(\d{1,5}) bytes[\])]/;
/** scriptor breaks a response after sixteen octets; behind the last one stands what the status word means. */
const BROKEN = /^< ((?:[0-9A-F]{2} ){16})$/i;
const WHOLE = /^< ((?:[0-9A-F]{2} )+): /i;
/** pySim writes the status word in front of the data. */
const SW_FIRST = /^<- ([0-9A-F]{4}): ([0-9A-F]*)\s*$/i;

function dumpOf(line: string, number: number): Dump | undefined {
  const received = RECEIVED.exec(line);
  if (received !== null) {
    const [, sw1 = '', sw2 = ''] = received;
    return {
      is: 'response',
      line: number,
      data: EMPTY,
      sw: fromHex(sw1 + sw2),
      take(next) {
        const hex = /^((?:[0-9A-F]{2} ){1,16})/.exec(next)?.[1];
        return hex === undefined ? undefined : { octets: hexOf(hex), last: false };
      },
    };
  }
  const apdu = APDU.exec(line);
  if (apdu !== null) {
    const [, direction, digits] = apdu;
    const length = Number(digits);
    return {
      is: direction === 'Outgoing' ? 'command' : 'response',
      line: number,
      data: EMPTY,
      sw: EMPTY,
      take(next, soFar) {
        const expected = Math.min(OCTETS_A_LINE, length - soFar);
        if (expected === 0) return undefined;
        const hex = new RegExp(`^((?:[0-9A-F]{2} ){1,${expected}})`, 'i').exec(`${next} `)?.[1];
        if (hex === undefined) return undefined;
        const octets = hexOf(hex);
        // A line with less than there should be was cut: no other goes on with it.
        return { octets, last: octets.length < expected || soFar + expected === length };
      },
    };
  }
  const broken = BROKEN.exec(line)?.[1];
  if (broken === undefined) return undefined;
  return {
    is: 'response',
    line: number,
    data: hexOf(broken),
    sw: EMPTY,
    take(next) {
      const [, hex, meaning] = /^((?:[0-9A-F]{2} ){1,16})(: .*)?$/i.exec(next) ?? [];
      return hex === undefined ? undefined : { octets: hexOf(hex), last: meaning !== undefined };
    },
  };
}

/** Messages of one line that no simple form fits. */
function lineOf(line: string, number: number): DumpedStep | undefined {
  const whole = WHOLE.exec(line)?.[1];
  if (whole !== undefined) return { is: 'response', line: number, octets: hexOf(whole) };
  const [, sw, data] = SW_FIRST.exec(line) ?? [];
  if (sw === undefined || data === undefined || data.length % 2 !== 0) return undefined;
  return { is: 'response', line: number, octets: fromHex(data + sw) };
}

export type DumpReader = {
  /** Takes the next line: the messages that end with it or before it, and whether it was part of one. */
  push(line: string, number: number): { readonly steps: readonly DumpedStep[]; readonly taken: boolean };
  /** What is still open at the end. */
  end(): readonly DumpedStep[];
};

export function createDumpReader(): DumpReader {
  let open: Dump | undefined;
  const close = (): readonly DumpedStep[] => {
    if (open === undefined) return [];
    const { data, is, line, sw } = open;
    open = undefined;
    return [{ is, line, octets: concat(data, sw) }];
  };
  return {
    push(line, number) {
      const more = open?.take(line, open.data.length);
      if (open !== undefined && more !== undefined) {
        open.data = concat(open.data, more.octets);
        return { steps: more.last ? close() : [], taken: true };
      }
      const before = close();
      const whole = lineOf(line, number);
      if (whole !== undefined) return { steps: [...before, whole], taken: true };
      open = dumpOf(line, number);
      return { steps: before, taken: open !== undefined };
    },
    end: close,
  };
}
