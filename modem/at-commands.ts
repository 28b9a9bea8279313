// The table of AT commands this driver sends: 3GPP TS 27.007 (numbers in the rows), answers in every spelling seen.
import { fromHex, toHex } from '../base/bytes.ts';
import type { ResponseApdu } from '../codec/apdu.ts';
import type { AtCommand } from './at-session.ts';

type Line = RegExpExecArray;

/** A command without parameters or answer. */
function order(line: string, deadline: AtCommand<[], true>['deadline']): AtCommand<[], true> {
  return { send: () => line, deadline, read: () => true };
}

/** A command whose answer is one text. */
function text(line: string, answer: RegExp): AtCommand<[], string> {
  return { send: () => line, answer, deadline: 'query', read: firstGroup };
}

function firstGroup(lines: readonly Line[]): string | undefined {
  return lines[0]?.slice(1).find((group) => group !== undefined);
}

/** A length in characters, then as many hex digits, with any spacing and quoting. */
const APDU_ANSWER = String.raw`\s*:\s*(\d+)\s*,\s*"?\s*([0-9A-Fa-f]*)\s*"?\s*$`;

/** Undefined for a torn line and for what no card can have said. */
function responseApdu(lines: readonly Line[]): ResponseApdu | undefined {
  const [line] = lines;
  const hex = line?.[2] ?? '';
  if (lines.length !== 1 || Number(line?.[1]) !== hex.length || hex.length < 4 || hex.length % 2 !== 0) {
    return undefined;
  }
  const bytes = fromHex(hex);
  const sw1 = bytes[bytes.length - 2] ?? 0;
  if (sw1 >> 4 !== 6 && sw1 >> 4 !== 9) return undefined;
  return { data: bytes.subarray(0, -2), sw: sw1 * 256 + (bytes[bytes.length - 1] ?? 0) };
}

/** Sends a line as it is; answers all lines that are no result code. */
export const rawLine: AtCommand<[string], readonly string[]> = {
  send: (line) => line,
  answer: /^.*$/,
  deadline: 'search',
  read: (lines) => lines.map((line) => line[0]),
};

export const attention = order('AT', 'probe');
/** Result codes on, as words; no echo (V.250 6.2.5, 6.2.6, 6.2.4). */
export const plainDialogue = order('ATQ0V1E0', 'probe');
/** 9.1: errors as numbers. */
export const errorsAsNumbers = order('AT+CMEE=1', 'probe');

/** What modems say of themselves without a prefix, which is no name of theirs. */
const REPORTS = String.raw`(?!(?:RDY|APP RDY|RING|NO CARRIER|(?:NORMAL )?POWER|(?:Call|SMS|PB|SIM) (?:Ready|DONE|RDY))\b)`;
const IDENTITY = String.raw`${REPORTS}"?([^+^"\s][^"]*?)"?\s*$`;
/** 5.1 to 5.3. */
export const manufacturer = text('AT+CGMI', new RegExp(String.raw`^(?:\+CGMI\s*:\s*)?${IDENTITY}`));
export const model = text('AT+CGMM', new RegExp(String.raw`^(?:\+CGMM\s*:\s*)?${IDENTITY}`));
export const revision = text(
  'AT+CGMR',
  new RegExp(String.raw`^(?:\+CGMR\s*:\s*)?(?:Revision\s*:\s*)?${IDENTITY}`),
);
/** 5.4; the serial number is the IMEI, some add the software version. */
export const serialNumber = text('AT+CGSN', /^(?:\+CGSN\s*:\s*)?"?(\d{15})\d{0,2}"?\s*$/);

/** 8.3. */
export const pinState: AtCommand<[], string> = {
  send: () => 'AT+CPIN?',
  answer: /^\+CPIN\s*:\s*"?([A-Za-z0-9 -]+?)"?\s*$/,
  deadline: 'query',
  // The same line is a report of modems whose card just changed: the last one counts.
  read: (lines) => lines.at(-1)?.[1],
};
/** 8.65: tries that are left of the PIN. */
export const pinTries: AtCommand<[], number> = {
  send: () => 'AT+CPINR="SIM PIN"',
  answer: /^\+CPINR\s*:\s*"?SIM PIN"?\s*,\s*(\d{1,2})/,
  deadline: 'channel',
  read: ([line]) => line && Number(line[1]),
};
export const enterPin: AtCommand<[string], true> = {
  send: (pin) => `AT+CPIN="${pin}"`,
  deadline: 'channel',
  read: () => true,
};

/** 8.2: 0 minimum, 1 full functionality. */
export const functionality: AtCommand<[number], true> = {
  send: (fun) => `AT+CFUN=${fun}`,
  deadline: 'radio',
  read: () => true,
};

export const readFunctionality: AtCommand<[], number> = {
  send: () => 'AT+CFUN?',
  answer: /^\+CFUN\s*:\s*(\d{1,3})/,
  deadline: 'query',
  read: (lines) => {
    const last = lines.at(-1);
    return last && Number(last[1]);
  },
};

/** 7.2, 10.1.20, 10.1.22: the registration commands, with unsolicited reports of level `n`. */
export type RegistrationCommand = 'CREG' | 'CGREG' | 'CEREG';
export const reportRegistration: AtCommand<[RegistrationCommand, number], true> = {
  send: (name, n) => `AT+${name}=${n}`,
  deadline: 'query',
  read: () => true,
};
/** The parameters after `<n>`. A report, which has no `<n>`, does not match. */
export const registration: AtCommand<[RegistrationCommand], string> = {
  send: (name) => `AT+${name}?`,
  answer: /^\+C(?:|G|E)REG\s*:\s*\d\s*,\s*(\d{1,2}\s*(?:,.*)?)$/,
  deadline: 'query',
  read: firstGroup,
};

/** What +COPS names: the operator in the format that is set, as text or as MCC and MNC. */
export type OperatorFound = {
  readonly name?: string;
  readonly plmn?: string;
  readonly accessTechnology?: number;
};
const NUMERIC_FORMAT = '2';

/** 7.3: mode, format, operator, access technology. */
export const operatorName: AtCommand<[], OperatorFound> = {
  send: () => 'AT+COPS?',
  answer: /^\+COPS\s*:\s*\d+(?:\s*,\s*(\d+)\s*,\s*"?([^",]*)"?(?:\s*,\s*(\d+))?)?/,
  deadline: 'query',
  read: ([line]) => {
    if (line === undefined) return undefined;
    const [, format, operator = '', technology] = line;
    const named =
      operator.trim() === ''
        ? {}
        : format === NUMERIC_FORMAT && /^\d{5,6}$/.test(operator)
          ? { plmn: operator }
          : { name: operator };
    return { ...named, ...(technology === undefined ? {} : { accessTechnology: Number(technology) }) };
  },
};

/** 7.3: what is on the air. Takes minutes, and some modems leave their network for it. */
export type NetworkFound = {
  readonly stat: 'unknown' | 'available' | 'current' | 'forbidden';
  readonly name: string;
  readonly plmn: string;
  readonly accessTechnology?: number;
};
const NETWORK_STATS = ['unknown', 'available', 'current', 'forbidden'] as const;
const NAME = String.raw`\s*(?:"([^"]*)"|([^",()]*))\s*`;
const NETWORK = new RegExp(
  String.raw`\(\s*([0-3])\s*,${NAME},${NAME},\s*"?(\d{5,6})"?\s*(?:,\s*(\d+)\s*)?\)`,
  'g',
);
export const networkSearch: AtCommand<[], readonly NetworkFound[]> = {
  send: () => 'AT+COPS=?',
  answer: /^\+COPS\s*:\s*(.*)$/,
  deadline: 'search',
  read: (lines) =>
    lines.length === 0
      ? undefined
      : lines.flatMap((line) =>
          [...(line[1] ?? '').matchAll(NETWORK)].map(
            ([, stat, quoted, bare = '', , , plmn = '', technology]) => ({
              stat: NETWORK_STATS[Number(stat)] ?? 'unknown',
              name: quoted ?? bare.trim(),
              plmn,
              ...(technology === undefined ? {} : { accessTechnology: Number(technology) }),
            }),
          ),
        ),
};
/** 7.3: 0 by itself, 1 the given one alone, 4 the given one first. */
export const selectNetwork: AtCommand<[plmn: string | undefined], true> = {
  send: (plmn) => (plmn === undefined ? 'AT+COPS=0' : `AT+COPS=1,2,"${plmn}"`),
  deadline: 'search',
  read: () => true,
};

/** 8.5: received signal strength 0 to 31, 99 when not known. */
export const signalQuality: AtCommand<[], number> = {
  send: () => 'AT+CSQ',
  answer: /^\+CSQ\s*:\s*(\d+)\s*,\s*\d+/,
  deadline: 'query',
  read: ([line]) => line && Number(line[1]),
};

/** 8.18: READ BINARY of a transparent file under the MF. */
export const readBinary: AtCommand<[number, number], ResponseApdu> = {
  send: (file, length) => `AT+CRSM=176,${file},0,0,${length}`,
  answer: /^\+CRSM\s*:\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*"?\s*((?:[0-9A-Fa-f]{2})*)\s*"?\s*)?$/,
  deadline: 'channel',
  read: ([line]) => line && { sw: Number(line[1]) * 256 + Number(line[2]), data: fromHex(line[3] ?? '') },
};

/** Vendors' own ways to the ICCID, the commonest first; digits as people read them. */
export const VENDOR_ICCID = [
  'AT+QCCID',
  'AT+CCID',
  'AT+ICCID',
  'AT%CCID',
  'AT#CCID',
  'AT+CICCID',
  'AT^ICCID?',
  'AT+CCID?',
  'AT+ICCID?',
].map((line) => text(line, /^(?:[+%^#]?[QCI]?I?CCID\s*:\s*)?"?(\d{18,20})[Ff]{0,2}"?\s*$/));

/** 8.17. */
export const csim: AtCommand<[Uint8Array], ResponseApdu> = {
  send: (apdu) => `AT+CSIM=${2 * apdu.length},"${toHex(apdu)}"`,
  answer: new RegExp(String.raw`^\+CSIM${APDU_ANSWER}`),
  deadline: 'card',
  read: responseApdu,
  exact: true,
};

/** 8.45; the session id is opaque. Some modems print it alone, as the table of 8.45 does. */
export const openLogicalChannel: AtCommand<[Uint8Array], string> = {
  send: (aid) => `AT+CCHO="${toHex(aid)}"`,
  answer: /^(?:\+CCHO\s*:\s*"?([0-9A-Za-z]+)"?|(\d+))\s*$/,
  deadline: 'channel',
  read: firstGroup,
  exact: true,
};

/** 8.46. */
export const closeLogicalChannel: AtCommand<[string], true> = {
  send: (session) => `AT+CCHC=${session}`,
  deadline: 'channel',
  read: () => true,
};

/** 8.43. */
export const cgla: AtCommand<[string, Uint8Array], ResponseApdu> = {
  send: (session, apdu) => `AT+CGLA=${session},${2 * apdu.length},"${toHex(apdu)}"`,
  answer: new RegExp(String.raw`^\+CGLA${APDU_ANSWER}`),
  deadline: 'card',
  read: responseApdu,
  exact: true,
};
