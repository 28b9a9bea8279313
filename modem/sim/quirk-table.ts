// The deviations of real modems, one row each: what it does, where it was seen, and how the driver gets along with it.

type Flag = { readonly kind: 'flag' };
type Choice<C extends string> = { readonly kind: 'choice'; readonly choices: readonly C[] };
type Numeric = { readonly kind: 'number'; readonly from: number; readonly to: number };
type Words = { readonly kind: 'list' };
type Text = { readonly kind: 'text' };
export type QuirkRow = (Flag | Choice<string> | Numeric | Words | Text) & {
  readonly what: string;
  /** Where it was reported. */
  readonly seen: string;
  /** How a driver gets along with it, in a sentence. */
  readonly copes: string;
  /** Settings worth trying of a row whose kind does not list them. */
  readonly examples?: readonly (number | string | readonly string[])[];
  /** Other switches without which this one shows nothing. */
  readonly together?: Readonly<Record<string, unknown>>;
  /** Settings that leave no way to the card: the driver says so in bounded time. */
  readonly hopeless?: readonly (number | string)[];
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
    copes: 'the session id is opaque text and comes back as it was; those of 1 to 18 are swept',
  },
  cchoAnswer: {
    ...choice('prefix', 'bare'),
    what: '+CCHO answers the number alone on its line',
    seen: 'Fibocom FM350-GL (lpac#209, #445); the table of 3GPP TS 27.007, 8.45',
    copes: 'takes a bare line as the answer of +CCHO',
  },
  answerForm: {
    ...choice('spaced', 'tight', 'unquoted', 'trailing-quote'),
    what: 'spacing and quoting of +CSIM, +CGLA, +CCHO and +CRSM answers',
    seen: 'SIMCom A7908E (lpac#238); Telit (ModemManager, test-mm-modem-helpers-telit)',
    copes: 'reads the fields with any spacing and quoting',
  },
  testForm: {
    ...choice('ok', 'error', 'silent', 'info'),
    what: 'the test form of the card commands fails, is not answered, or prints a line first',
    seen: 'Fibocom FG132-GL, Quectel EM05-G (lpac#300); Sierra EM7590 (lpac#139); FM350-GL (lpac#442); log in lpac#143',
    copes: 'never asks the test form; the command itself is tried',
  },
  cchcLine: {
    ...flag,
    what: '+CCHC prints its own name before OK',
    seen: 'log in lpac#143; 3GPP TS 27.007, 8.46',
    copes: 'lines that it does not wait for are set aside',
  },
  missing: {
    ...list,
    what: 'commands that the modem does not know',
    seen: 'no +CCHC: Sierra EM9191 (lpac#187); +CSIM only: Dell DW5821e-eSIM, Alcatel IK41 (lpac#164)',
    copes: 'tries the other way to the card; a session that cannot be closed is used again',
    examples: [
      ['+CCHC'],
      ['+CCHO', '+CGLA', '+CCHC'],
      ['+CSIM'],
      ['+CRSM'],
      ['+CGREG', '+CEREG'],
      ['+CSIM', '+CRSM'],
    ],
  },
  vendorCommands: {
    ...list,
    what: 'vendor commands for the ICCID that the modem has',
    seen: 'vendors’ AT manuals',
    copes: 'asks them where +CRSM does not tell the ICCID',
    examples: [['+QCCID', '+CCID', '+ICCID']],
  },
  csimChannels: {
    ...choice('ok', 'apdus-fail', 'refused'),
    what: 'over +CSIM channels open but APDUs on them fail, or no channel can be opened',
    seen: 'Quectel EG25, Huawei MS2372h (lpac#164)',
    copes: 'a way that lets commands down is left for the other one',
  },
  ccho: {
    ...choice('ok', 'error', 'denied'),
    what: '+CCHO always fails, or is always denied',
    seen: 'Huawei MS2372h (lpac#164); over QMI: SIM7600G-H, Telit LE910C4 (lpac#221)',
    copes: 'goes over +CSIM',
  },
  cglaLastBlock: {
    ...numeric(0, 1000),
    what: 'every n-th last block (P1 91, P2 08) of a chain gets ERROR from +CGLA; the card has executed it',
    seen: 'Quectel EC20F and others (lpac#186), EG25-G (lpac#173)',
    copes: 'asks the card what became of it, then takes the other way',
    examples: [1, 2],
  },
  endless61: {
    ...flag,
    what: 'over +CGLA, STORE DATA answers 6100 and so does every GET RESPONSE, without data',
    seen: 'Quectel EC800G-CN (forums.quectel.com/t/44916)',
    copes: 'gives up GET RESPONSE after rounds without data, and takes the other way',
  },
  getResponse: {
    ...choice('terminal', 'modem'),
    what: 'the modem fetches the response itself and hands over data and 9000',
    seen: 'log in lpac#143',
    copes: 'takes data that come with 9000',
  },
  leNeeded: {
    ...flag,
    what: 'without Le the response of a command with data is dropped',
    seen: 'MBIM paths (lpac#118, #159, #438)',
    copes: 'asks for a response that is missing, and sends Le from then on',
  },
  p3Exact: {
    ...flag,
    what: 'P3 must be the number of octets that follow, and GET RESPONSE is refused',
    seen: 'Wavecom-type manual (Moxa OnCell G2150I, p. 3-9)',
    copes: 'sends no Le with data and asks for no response of its own',
  },
  csimSelect: {
    ...choice('ok', 'cme-0'),
    what: 'SELECT over +CSIM gives +CME ERROR: 0',
    seen: 'Quectel EG95 (atsign-foundation/at_libraries#395)',
    copes: 'goes over +CGLA',
  },
  simSleep: {
    ...flag,
    what: 'card commands give +CME ERROR: 3 until AT+ECSIMSLEEP=0',
    seen: 'Eigencomm based modems (lpac#397)',
    copes: 'wakes the card when commands are not allowed',
  },
  errorText: {
    ...choice('standard', 'vendor'),
    what: 'errors come in the vendor’s words whatever +CMEE says',
    seen: 'lpac#187; u-blox SARA-R410 (particle-iot/device-os#2573)',
    copes: 'knows an error by its form, whatever its words',
  },
  cchoRefusal: {
    ...choice('standard', 'cme-13', 'bare'),
    what: 'what +CCHO says when the card refuses the application',
    seen: 'openpilot#37847, #37979',
    copes: 'tries every way before it says that there is no eUICC',
  },
  lineEnd: {
    ...choice('crlf', 'lf', 'cr'),
    what: 'what stands around result codes and lines',
    seen: 'u-blox SARA-R410M 05.08 (particle-iot/device-os#1824)',
    copes: 'takes any line end',
  },
  leakHang: {
    ...numeric(0, 20),
    what: '+CCHO is not answered any more once so many sessions are open',
    seen: 'Fibocom FM350-GL (fildunsky/luci-app-5gmodem esim.sh); openpilot#37271',
    copes: 'closes what earlier owners left open, then opens once more',
    examples: [3],
  },
  maxSessions: {
    ...numeric(0, 20),
    what: 'more sessions than this are refused',
    seen: 'SM7225 (libqmi merge request 376)',
    copes: 'holds one session at a time and closes it',
    examples: [1],
  },
  isdrNeedsProfile: {
    ...flag,
    what: 'without an enabled profile there is no way to the ISD-R',
    seen: 'Quectel EM061K-GL (lpac#242)',
    copes: 'never leaves the card without an enabled profile',
  },
  simPort: {
    ...choice('ok', 'hangs', 'diag'),
    what: 'this port answers AT but hangs on card commands, or speaks another protocol',
    seen: 'FM350-GL (luci-app-5gmodem esim.sh); RM520N-GL (lpac#73, #182)',
    copes: 'fails in bounded time and says that this port leads to no card',
    hopeless: ['hangs', 'diag'],
  },
  slotCommand: {
    ...text,
    what: 'the card is not seen until this command was sent',
    seen: 'lpac#182; luci-app-5gmodem; forum.banana-pi.org/t/19170',
    copes: 'sends what the configuration names as start of the dialogue',
    examples: ['AT^SWITCH_SLOT=1'],
  },
  echo: {
    ...choice('normal', 'stuck'),
    what: 'ATE0 is accepted and has no effect',
    seen: 'lpac#173',
    copes: 'drops the line that it has just sent',
  },
  urcBeforeAnswer: {
    ...text,
    what: 'this unsolicited line comes in front of every answer',
    seen: 'wwan-go at/at_test.go',
    copes: 'sets unsolicited lines aside and hands them to subscribers',
    examples: ['+CMTI: "SM",1', '+CREG: 2'],
  },
  csimLock: {
    ...flag,
    what: '+CSIM works only between AT+CSIM=1 and AT+CSIM=0',
    seen: 'Telit (ModemManager plugins/telit)',
    copes: 'locks +CSIM when it is not allowed without',
    together: { missing: ['+CCHO', '+CGLA', '+CCHC'] },
  },
  proactive: {
    ...choice('served', 'ignored'),
    what: 'the modem never fetches what the card announces: the card is not reset after a profile switch',
    seen: 'onomondo-ipa#3; SIM7600 (lpac#236); EG916Q-GL (openpilot#37779)',
    copes: 'waits for the REFRESH, then makes the modem look: slot power, radio off and on, restart',
  },
  radioOffDropsPort: {
    ...numeric(0, 60_000),
    what: 'AT+CFUN=0 takes the port away for so many milliseconds',
    seen: 'Quectel EG916Q-GL (openpilot#37779)',
    copes: 'waits until the port is back and goes on',
    examples: [3_000],
    together: { proactive: 'ignored' },
  },
  refreshDropsPort: {
    ...numeric(0, 60_000),
    what: 'a card reset takes the port away for so many milliseconds',
    seen: 'Quectel EG25 (commaai/agnos-builder#556)',
    copes: 'waits until the port is back and goes on',
    examples: [3_000],
  },
  attachNeedsRestart: {
    ...flag,
    what: 'after a profile switch the network refuses the modem until it is restarted (carrier settings of the old profile)',
    seen: 'Quectel EC20 (MengMengCode/VoCat#110)',
    copes: 'restarts the modem when the network refuses the new profile',
    together: { proactive: 'ignored' },
  },
  maxCommandData: {
    ...numeric(0, 255),
    what: 'commands with more data than this fail',
    seen: 'lpac#160, #167',
    copes: 'steps down to commands of 120 and 60 octets, and remembers it',
    examples: [200, 100],
  },
  oversize: {
    ...choice('error', '6601'),
    what: 'how commands over that size fail: ERROR of the modem, or status word 6601',
    seen: 'lpac#160',
    copes: 'takes both for a command that was too long',
    together: { maxCommandData: 120 },
  },
  crsm: {
    ...choice('ok', 'cme-3'),
    what: '+CRSM gives +CME ERROR: 3 while the vendor’s command for the ICCID works',
    seen: 'Quectel EG916Q-GL (forums.quectel.com/t/34559)',
    copes: 'asks the vendor’s command',
    together: { vendorCommands: ['+QCCID'] },
  },
  cardStopsData: {
    ...flag,
    what: 'no IP while a channel to the card is open: the modem has one active slot for both',
    seen: 'Dell DW5821e (lpac#184)',
    copes: 'downloads all before it opens the card, and closes it before it needs the network',
  },
  cardChange: {
    ...choice('noticed', 'ignored'),
    what: 'another card in the slot is not noticed before the slot is powered anew',
    seen: 'SIM7600 (lpac#236)',
    copes:
      'a card that does not answer is started anew by the ladder after a switch, up to a restart of the modem',
  },
  isdrAid: {
    ...text,
    what: 'the ISD-R of the card answers to a vendor’s AID only',
    seen: '5ber (lpac#157, #175, #181); eSIM.me v2 (EasyLPAC#36)',
    copes: 'tries the AIDs that are known after the standard’s own',
    examples: ['A0000005591010FFFFFFFF8900050500', 'A0000005591010000000008900000300'],
  },
  cardKind: {
    ...choice('sgp22', 'sgp02'),
    what: 'the card is an SGP.02 one: it has an ISD-R, and none of ES10',
    seen: 'lpac#168, #212',
    copes: 'ends with the status word of the card and changes nothing',
    hopeless: ['sgp02'],
  },
  enableBy: {
    ...choice('any', 'aid'),
    what: 'ES10c.EnableProfile with an ICCID is refused; with the ISD-P’s AID it works',
    seen: 'EastcomPeace (lpac USAGE, 3899/SimAdmin#31)',
    copes: 'profiles are switched by scripts under the SM-SR’s keys, not by the agent’s own ES10c',
  },
  revertsTo: {
    ...text,
    what: 'each restart of the modem enables the profile with this ICCID (EF.ICCID, hex) again',
    seen: 'openpilot#34924, #36094',
    copes:
      'a managed card obeys the SM-SR’s keys only; on others the ICCID is read again after every restart',
    examples: ['98890900000000001000'],
  },
  ownLpa: {
    ...flag,
    what: 'the modem has an LPA of its own, which holds a channel to the ISD-R',
    seen: '3GPP TS 27.007 (+CEUICCPD and others)',
    copes: 'needs one channel and no more',
  },
  answerDelay: {
    ...numeric(0, 10_000),
    what: 'how long every card command takes besides the line, in milliseconds',
    seen: 'vendors’ manuals name about 300 ms as typical (lpac README)',
    copes: 'every command has its own deadline, of seconds to minutes',
    examples: [300],
  },
  bootLine: {
    ...text,
    what: 'what the modem prints when it has started',
    seen: 'vendors’ AT manuals (RDY, ^SYSSTART)',
    copes: 'an unsolicited line; the dialogue is set up again after a restart',
    examples: ['RDY'],
  },
} as const satisfies Readonly<Record<string, QuirkRow>>;
