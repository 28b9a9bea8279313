// Final result codes (ITU-T V.250, 5.7.1 and 3GPP TS 27.007, 9.2): the one table of lines that end a command.
import { parseCmeError } from './cme-errors.ts';

export type AtResult =
  | { readonly is: 'ok' }
  /** `code` is the V.250 text, or `CME`/`CMS`; `number` and `text` as far as the modem told. */
  | { readonly is: 'error'; readonly code: string; readonly number?: number; readonly text?: string };

type Row = { readonly pattern: RegExp; readonly result: (match: RegExpExecArray) => AtResult };

const plain = (text: string): Row => ({
  pattern: new RegExp(`^\\s{0,8}${text}\\s*$`),
  result: () => (text === 'OK' ? { is: 'ok' } : { is: 'error', code: text }),
});

const FINALS: readonly Row[] = [
  plain('OK'),
  plain('ERROR'),
  {
    pattern: /^\s{0,8}\+CME ERROR\b\s*:?\s*(.*?)\s*$/i,
    result: ([, text = '']) => {
      const number = parseCmeError(text);
      return { is: 'error', code: 'CME', text, ...(number === undefined ? {} : { number }) };
    },
  },
  {
    pattern: /^\s{0,8}\+CMS ERROR\b\s*:?\s*(.*?)\s*$/i,
    result: ([, text = '']) => ({
      is: 'error',
      code: 'CMS',
      text,
      ...(/^\d+$/.test(text) ? { number: Number(text) } : {}),
    }),
  },
  plain('NO CARRIER'),
  plain('NO DIALTONE'),
  plain('BUSY'),
  plain('NO ANSWER'),
  plain('ABORTED'),
  plain('COMMAND NOT SUPPORT'),
  plain('TOO MANY PARAMETERS'),
];

/** What the line says of the command, or undefined when it is no final result code. */
export function parseAtResult(line: string): AtResult | undefined {
  for (const { pattern, result } of FINALS) {
    const match = pattern.exec(line);
    if (match !== null) return result(match);
  }
  return undefined;
}
