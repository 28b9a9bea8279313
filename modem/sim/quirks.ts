// The deviations of real modems as switches: one row each, with what it does and where it was seen.
import { AgentError } from '../../base/errors.ts';

type Flag = { readonly kind: 'flag' };
type Choice<C extends string> = { readonly kind: 'choice'; readonly choices: readonly C[] };
type Numeric = { readonly kind: 'number'; readonly from: number; readonly to: number };
type Words = { readonly kind: 'list' };
type Text = { readonly kind: 'text' };
type Row = (Flag | Choice<string> | Numeric | Words | Text) & {
  readonly what: string;
  /** Rows of the collection of reports, and where they come from. */
  readonly seen: string;
};

const flag = { kind: 'flag' } as const;
const text = { kind: 'text' } as const;
const list = { kind: 'list' } as const;
function choice<const C extends string>(...choices: readonly C[]): Choice<C> {
  return { kind: 'choice', choices };
}
function numeric(from: number, to: number): Numeric {
  return { kind: 'number', from, to };
}

/** The first choice, zero, false and empty are the standard's behaviour. */
export const QUIRKS = {
  sessionIds: {
    ...choice('numbers', 'handles', 'nordic'),
    what: '+CCHO answers small numbers, 64-bit handles in hex, or 11 to 14, 17 and 18',
    seen: 'Sierra MC7455, EM7590 (lpac#138, #139); Nordic nRF9160 AT reference',
  },
  cchoAnswer: {
    ...choice('prefix', 'bare'),
    what: '+CCHO answers the number alone on its line',
    seen: 'Fibocom FM350-GL (lpac#209, #445); the table of 3GPP TS 27.007, 8.45',
  },
  answerForm: {
    ...choice('spaced', 'tight', 'unquoted', 'trailing-quote'),
    what: 'spacing and quoting of +CSIM, +CGLA, +CCHO and +CRSM answers',
    seen: 'SIMCom A7908E (lpac#238); Telit (ModemManager, test-mm-modem-helpers-telit)',
  },
  testForm: {
    ...choice('ok', 'error', 'silent', 'info'),
    what: 'the test form of the card commands fails, is not answered, or prints a line first',
    seen: 'Fibocom FG132-GL, Quectel EM05-G (lpac#300); Sierra EM7590 (lpac#139); FM350-GL (lpac#442); log in lpac#143',
  },
  cchcLine: {
    ...flag,
    what: '+CCHC prints its own name before OK',
    seen: 'log in lpac#143; 3GPP TS 27.007, 8.46',
  },
  missing: {
    ...list,
    what: 'commands that the modem does not know',
    seen: 'no +CCHC: Sierra EM9191 (lpac#187); +CSIM only: Dell DW5821e-eSIM, Alcatel IK41 (lpac#164)',
  },
  vendorCommands: {
    ...list,
    what: 'vendor commands for the ICCID that the modem has',
    seen: 'vendors’ AT manuals',
  },
  csimChannels: {
    ...choice('ok', 'apdus-fail', 'refused'),
    what: 'over +CSIM channels open but APDUs on them fail, or no channel can be opened',
    seen: 'Quectel EG25, Huawei MS2372h (lpac#164)',
  },
  ccho: { ...choice('ok', 'error'), what: '+CCHO always fails', seen: 'Huawei MS2372h (lpac#164)' },
  cglaLastBlock: {
    ...numeric(0, 1000),
    what: 'every n-th last block (P1 91, P2 08) of a chain gets ERROR from +CGLA; the card has executed it',
    seen: 'Quectel EC20F and others (lpac#186), EG25-G (lpac#173)',
  },
  endless61: {
    ...flag,
    what: 'over +CGLA, STORE DATA answers 6100 and so does every GET RESPONSE, without data',
    seen: 'Quectel EC800G-CN (forums.quectel.com/t/44916)',
  },
  getResponse: {
    ...choice('terminal', 'modem'),
    what: 'the modem fetches the response itself and hands over data and 9000',
    seen: 'log in lpac#143',
  },
  leNeeded: {
    ...flag,
    what: 'without Le the response of a command with data is dropped',
    seen: 'MBIM paths (lpac#118, #159, #438)',
  },
  p3Exact: {
    ...flag,
    what: 'P3 must be the number of octets that follow, and GET RESPONSE is refused',
    seen: 'Wavecom-type manual (Moxa OnCell G2150I, p. 3-9)',
  },
  csimSelect: {
    ...choice('ok', 'cme-0'),
    what: 'SELECT over +CSIM gives +CME ERROR: 0',
    seen: 'Quectel EG95 (atsign-foundation/at_libraries#395)',
  },
  simSleep: {
    ...flag,
    what: 'card commands give +CME ERROR: 3 until AT+ECSIMSLEEP=0',
    seen: 'Eigencomm based modems (lpac#397)',
  },
  errorText: {
    ...choice('standard', 'vendor'),
    what: 'errors come in the vendor’s words whatever +CMEE says',
    seen: 'lpac#187; u-blox SARA-R410 (particle-iot/device-os#2573)',
  },
  cchoRefusal: {
    ...choice('standard', 'cme-13', 'bare'),
    what: 'what +CCHO says when the card refuses the application',
    seen: 'openpilot#37847, #37979',
  },
  lineEnd: {
    ...choice('crlf', 'lf', 'cr'),
    what: 'what stands around result codes and lines',
    seen: 'u-blox SARA-R410M 05.08 (particle-iot/device-os#1824)',
  },
  leakHang: {
    ...numeric(0, 20),
    what: '+CCHO is not answered any more once so many sessions are open',
    seen: 'Fibocom FM350-GL (fildunsky/luci-app-5gmodem esim.sh); openpilot#37271',
  },
  maxSessions: {
    ...numeric(0, 20),
    what: 'more sessions than this are refused',
    seen: 'SM7225 (libqmi merge request 376)',
  },
  isdrNeedsProfile: {
    ...flag,
    what: 'without an enabled profile there is no way to the ISD-R',
    seen: 'Quectel EM061K-GL (lpac#242)',
  },
  simPort: {
    ...choice('ok', 'hangs', 'diag'),
    what: 'this port answers AT but hangs on card commands, or speaks another protocol',
    seen: 'FM350-GL (luci-app-5gmodem esim.sh); RM520N-GL (lpac#73, #182)',
  },
  slotCommand: {
    ...text,
    what: 'the card is not seen until this command was sent',
    seen: 'lpac#182; luci-app-5gmodem; forum.banana-pi.org/t/19170',
  },
  echo: { ...choice('normal', 'stuck'), what: 'ATE0 is accepted and has no effect', seen: 'lpac#173' },
  urcBeforeAnswer: {
    ...text,
    what: 'this unsolicited line comes in front of every answer',
    seen: 'wwan-go at/at_test.go',
  },
  csimLock: {
    ...flag,
    what: '+CSIM works only between AT+CSIM=1 and AT+CSIM=0',
    seen: 'Telit (ModemManager plugins/telit)',
  },
  proactive: {
    ...choice('served', 'ignored'),
    what: 'the modem never fetches what the card announces: the card is not reset after a profile switch',
    seen: 'onomondo-ipa#3; SIM7600 (lpac#236); EG916Q-GL (openpilot#37779)',
  },
  radioOffDropsPort: {
    ...numeric(0, 60_000),
    what: 'AT+CFUN=0 takes the port away for so many milliseconds',
    seen: 'Quectel EG916Q-GL (openpilot#37779)',
  },
  refreshDropsPort: {
    ...numeric(0, 60_000),
    what: 'a card reset takes the port away for so many milliseconds',
    seen: 'Quectel EG25 (commaai/agnos-builder#556)',
  },
  attachNeedsRestart: {
    ...flag,
    what: 'after a profile switch the network refuses the modem until it is restarted (carrier settings of the old profile)',
    seen: 'Quectel EC20 (MengMengCode/VoCat#110)',
  },
  maxCommandData: {
    ...numeric(0, 255),
    what: 'commands with more data than this fail',
    seen: 'lpac#160, #167',
  },
  oversize: {
    ...choice('error', '6601'),
    what: 'how commands over that size fail: ERROR of the modem, or status word 6601',
    seen: 'lpac#160',
  },
  crsm: {
    ...choice('ok', 'cme-3'),
    what: '+CRSM gives +CME ERROR: 3 while the vendor’s command for the ICCID works',
    seen: 'Quectel EG916Q-GL (forums.quectel.com/t/34559)',
  },
  answerDelay: {
    ...numeric(0, 10_000),
    what: 'how long every card command takes besides the line, in milliseconds',
    seen: 'vendors’ manuals name about 300 ms as typical (lpac README)',
  },
  bootLine: {
    ...text,
    what: 'what the modem prints when it has started',
    seen: 'vendors’ AT manuals (RDY, ^SYSSTART)',
  },
} as const satisfies Readonly<Record<string, Row>>;

export type QuirkName = keyof typeof QUIRKS;

type ValueOf<R> = R extends { readonly kind: 'choice'; readonly choices: readonly (infer C)[] }
  ? C
  : R extends { readonly kind: 'flag' }
    ? boolean
    : R extends { readonly kind: 'number' }
      ? number
      : R extends { readonly kind: 'list' }
        ? readonly string[]
        : string;

/** The switches of one modem. */
export type SimQuirks = { readonly [N in QuirkName]: ValueOf<(typeof QUIRKS)[N]> };

/** All switches as the standards have it, but for those given. */
export function createQuirks(changes: Partial<SimQuirks> = {}): SimQuirks {
  const standard = Object.entries(QUIRKS).map(([name, row]) => [name, standardValue(row)]);
  return { ...(Object.fromEntries(standard) as SimQuirks), ...changes };
}

function standardValue(row: Row): boolean | number | string | readonly string[] {
  switch (row.kind) {
    case 'flag':
      return false;
    case 'number':
      return 0;
    case 'list':
      return [];
    case 'text':
      return '';
    case 'choice':
      return row.choices[0] ?? '';
  }
}

/** Reads `name=value` as on a command line; a flag may stand alone, a list has commas. Throws `CONFIG_INVALID`. */
export function parseQuirk(setting: string): Partial<SimQuirks> {
  const [name = '', ...rest] = setting.split('=');
  const row: Row | undefined = (QUIRKS as Readonly<Record<string, Row>>)[name];
  if (row === undefined) throw invalid(setting, `there is no quirk ${name}`);
  const value = rest.join('=');
  return { [name]: parseValue(row, value, setting) };
}

function parseValue(row: Row, value: string, setting: string): boolean | number | string | readonly string[] {
  switch (row.kind) {
    case 'flag':
      if (value !== '' && value !== 'on' && value !== 'off') throw invalid(setting, 'on or off');
      return value !== 'off';
    case 'number': {
      const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= row.from && number <= row.to))
        throw invalid(setting, `a number from ${row.from} to ${row.to}`);
      return number;
    }
    case 'list':
      return value.split(',').filter((part) => part !== '');
    case 'text':
      return value;
    case 'choice':
      if (!row.choices.includes(value)) throw invalid(setting, `one of ${row.choices.join(', ')}`);
      return value;
  }
}

function invalid(setting: string, expected: string): AgentError {
  return new AgentError('CONFIG_INVALID', { quirk: setting, expected });
}
