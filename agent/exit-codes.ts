// How the agent's commands end: one table of exit codes, with what to do about each. docs/exit-codes.md is written from it.
import type { AgentError, ErrorCode } from '../base/errors.ts';

export type ExitRow = {
  readonly exit: number;
  readonly text: string;
  /** What a person does next. */
  readonly advice: string;
  readonly codes: readonly ErrorCode[];
};

export const EXIT_OK = 0;
export const EXIT_INTERNAL = 1;
export const EXIT_USAGE = 2;

export const EXIT_CODES = [
  { exit: EXIT_OK, text: 'done, or stopped by SIGINT or SIGTERM', advice: 'nothing', codes: [] },
  {
    exit: EXIT_INTERNAL,
    text: 'a fault of the program',
    advice: 'report it, with the log at level debug',
    codes: [],
  },
  {
    exit: EXIT_USAGE,
    text: 'the command line is wrong',
    advice: 'see euicc-agent --help',
    codes: ['HEX_INVALID', 'APDU_INVALID', 'ID_INVALID'],
  },
  {
    exit: 10,
    text: 'the configuration is wrong',
    advice: 'correct what is named; docs/configuration.md has every key',
    codes: ['CONFIG_INVALID', 'CERTIFICATE_INVALID', 'KEY_INVALID', 'CURVE_UNSUPPORTED'],
  },
  {
    exit: 11,
    text: 'another agent uses the state folder',
    advice: 'stop the other agent, or give this one a folder of its own (state.dir)',
    codes: ['STORE_LOCKED'],
  },
  {
    exit: 12,
    text: 'the state folder cannot be used',
    advice: 'see that the folder (state.dir) exists, is writable and has room',
    codes: ['STATE_FAILED', 'TRANSFER_STORAGE'],
  },
  {
    exit: 13,
    text: 'the journal is damaged',
    advice: 'keep a copy of it, look at the card with euicc-agent profiles, then move the journal away',
    codes: ['JOURNAL_CORRUPT'],
  },
  {
    exit: 14,
    text: 'a file of the command line, or a trace, cannot be read or written',
    advice: 'check its name, the folder and the rights; a copy is never written over a file',
    codes: ['FILE_FAILED', 'FILE_EXISTS', 'TRACE_INVALID', 'TRACE_DIVERGES'],
  },
  {
    exit: 20,
    text: 'the serial port does not exist',
    advice: 'correct modem.port, or check cable and power',
    codes: ['PORT_MISSING'],
  },
  {
    exit: 21,
    text: 'another program holds the serial port or the card',
    advice: 'stop the program that holds it; euicc-agent status works beside a running agent',
    codes: ['PORT_BUSY', 'CARD_LOCKED'],
  },
  {
    exit: 22,
    text: 'the modem does not answer, or refuses',
    advice: 'see that modem.port is its AT command port and modem.baudRate its rate',
    codes: ['PORT_FAILED', 'MODEM_OTHER', 'LINK_CLOSED', 'AT_ERROR', 'AT_TIMEOUT', 'AT_ANSWER'],
  },
  {
    exit: 23,
    text: 'the card cannot be reached, or refuses',
    advice: 'see that an eUICC is in the modem and that the modem gives access to it (modem.access)',
    codes: ['CARD_ACCESS', 'CARD_STATUS', 'CARD_LOST', 'CARD_UNEXPECTED', 'PIN_REFUSED'],
  },
  {
    exit: 30,
    text: 'the broker cannot be reached',
    advice: 'check broker.url, and that the broker runs and the network lets the device through',
    codes: ['BROKER_UNREACHABLE'],
  },
  {
    exit: 31,
    text: 'the broker refuses the device',
    advice: 'check the certificate and client identifier of the device, and its rights at the broker',
    codes: ['BROKER_REFUSED'],
  },
  {
    exit: 32,
    text: 'the certificate of the broker is not trusted',
    advice: 'see that broker.caFile holds the CA that issued it and that broker.url has the name in it',
    codes: ['TLS_UNTRUSTED'],
  },
  {
    exit: 40,
    text: 'the file is no whole offline bundle',
    advice: 'copy the file again; it is cut off, changed or something else',
    codes: ['BUNDLE_INVALID'],
  },
  {
    exit: 41,
    text: 'the offline bundle is not signed by an operator of the configuration',
    advice: 'ask for a bundle of an operator that is under operators, or correct its certificateFile',
    codes: ['COMMAND_REFUSED'],
  },
  {
    exit: 42,
    text: 'the offline bundle is for another eUICC',
    advice: 'take the bundle of this EID (euicc-agent eid, euicc-agent bundle show)',
    codes: ['BUNDLE_EID'],
  },
  {
    exit: 43,
    text: 'the offline bundle has expired',
    advice: "ask the operator for a new one, and check this machine's clock",
    codes: ['BUNDLE_EXPIRED'],
  },
  {
    exit: 44,
    text: 'the offline bundle was used already, or the card was managed since it was made',
    advice: 'look at euicc-agent profiles; ask the operator for a new bundle where the profile is missing',
    codes: ['BUNDLE_STALE'],
  },
  {
    exit: 45,
    text: 'the card did not install the profile of the offline bundle',
    advice: 'load it again; where it ends the same way, send the answer file to the operator',
    codes: ['BUNDLE_FAILED'],
  },
] as const satisfies readonly ExitRow[];

/** The row for an error, by its code; undefined when the table has none: a fault of the program. */
export function exitRowOf(error: AgentError): ExitRow | undefined {
  const rows: readonly ExitRow[] = EXIT_CODES;
  return rows.find(({ codes }) => codes.includes(error.code));
}
