// How euicc-card ends: one table of exit codes, with what to do about each. docs/exit-codes.md is written from it.
import type { ErrorCode } from '../base/errors.ts';

type ExitRow = {
  readonly exit: number;
  readonly text: string;
  /** What a person does next. */
  readonly advice: string;
  readonly codes: readonly ErrorCode[];
};

export const EXIT_OK = 0;
export const EXIT_INTERNAL = 1;
export const EXIT_USAGE = 2;
export const EXIT_FAULTS = 3;

export const CARD_EXITS = [
  { exit: EXIT_OK, text: 'done, or stopped by SIGINT or SIGTERM', advice: 'nothing', codes: [] },
  { exit: EXIT_INTERNAL, text: 'a fault of the program', advice: 'report it', codes: [] },
  {
    exit: EXIT_USAGE,
    text: 'the command line or the text to decode is wrong',
    advice: 'see euicc-card --help',
    codes: ['HEX_INVALID', 'TRACE_INVALID', 'ID_INVALID', 'NUMBER_RANGE'],
  },
  {
    exit: EXIT_FAULTS,
    text: '`decode`: the octets break a rule; the text shows where, with `!`',
    advice: 'read the lines that begin with !',
    codes: [],
  },
  {
    exit: 10,
    text: 'a file that was given cannot be used',
    advice: 'correct the file that is named',
    codes: [
      'FILE_FAILED',
      'STATE_FAILED',
      'CERTIFICATE_INVALID',
      'KEY_INVALID',
      'CURVE_UNSUPPORTED',
      'SAIP_INVALID',
    ],
  },
  {
    exit: 11,
    text: 'another process holds the card',
    advice: 'stop the process that is named',
    codes: ['STORE_LOCKED'],
  },
  {
    exit: 12,
    text: 'the card file is damaged or was made with another key',
    advice: 'give the key of this card (--key-file or EUICC_CARD_KEY)',
    codes: ['STORE_CORRUPT'],
  },
  {
    exit: 13,
    text: 'what is to be made is there already, or cannot be made from what is given',
    advice: 'choose another name, or give what is missing',
    codes: ['FILE_EXISTS', 'CARD_UNMADE', 'CONFLICT'],
  },
  {
    exit: 14,
    text: 'the network address cannot be used',
    advice: 'see that the address is free and of this machine',
    codes: ['ADDRESS_FAILED'],
  },
  {
    exit: 15,
    text: 'the power of the card was cut where `serve --cut-write` says',
    advice: 'serve the card again to see what is left',
    codes: ['CLOSED'],
  },
] as const satisfies readonly ExitRow[];

/** The row for an error's code; undefined when the table has none: a fault of the program. */
export function cardExitOf(code: ErrorCode): ExitRow | undefined {
  const rows: readonly ExitRow[] = CARD_EXITS;
  return rows.find(({ codes }) => codes.includes(code));
}
