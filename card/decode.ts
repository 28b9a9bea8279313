// The decoder on the command line: where the octets come from, and how the description is printed.
import { stat } from 'node:fs/promises';
import { concat, utf8Bytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { type ContentKind, describeContent } from '../codec/describe-content.ts';
import { isModemTrace, latin1 } from '../codec/modem-trace.ts';
import { isPastedHex } from '../codec/pasted.ts';
import { isCardFile } from '../euicc/store.ts';
import { failed, readBytes } from './files.ts';

/** Description of what the words name, and how many faults it shows. Throws `HEX_INVALID` or `FILE_FAILED`. */
export async function decodeCommand(
  words: readonly string[],
  flags: { readonly as?: ContentKind; readonly json?: true },
  input: AsyncIterable<unknown>,
): Promise<{ readonly text: string; readonly faults: number }> {
  const content = await contentOf(words, input);
  const { parts, faults, text } = described(content, flags.as, words);
  return { text: flags.json === true ? JSON.stringify(parts) : text, faults };
}

async function contentOf(words: readonly string[], input: AsyncIterable<unknown>): Promise<Uint8Array> {
  const [only] = words;
  if (only === '-' && words.length === 1) {
    const content = await readAll(input);
    if (content.length === 0) throw failed('standard input', 'it is empty');
    return content;
  }
  if (only !== undefined && words.length === 1 && (await exists(only))) {
    const content = await readBytes(only);
    if (isTooMuch(content)) throw failed(only, TOO_MUCH);
    if (isCardFile(content)) throw failed(only, 'it is a card, encrypted as a whole; see euicc-card info');
    if (content.length === 0) throw failed(only, 'it is empty');
    return content;
  }
  for (const word of words) {
    if (words.length > 1 && !isPastedHex(word) && (await exists(word)))
      throw failed(word, 'give one file at a time');
  }
  return utf8Bytes(words.join(' '));
}

/** What describes the content; a single word that is no octets may have been meant as the name of a file. */
function described(content: Uint8Array, as: ContentKind | undefined, words: readonly string[]) {
  try {
    return describeContent(content, as);
  } catch (error) {
    if (!isAgentError(error, 'HEX_INVALID') || words.length > 1) throw error;
    const { why, ...data } = error.data;
    throw new AgentError('HEX_INVALID', { why: `${String(why)}, and no file of this name`, ...data });
  }
}

/** Whether there is something of this name; what is no file to read is told when it is read. */
async function exists(name: string): Promise<boolean> {
  return stat(name).then(
    () => true,
    () => false,
  );
}

/** More than this is no message of a card; traces of a modem's line are longer. */
const TOO_MUCH = 'more than 1 MiB, or 8 MiB for a trace of a modem’s line';
const MAX_INPUT = 1024 * 1024;
const MAX_TRACE = 8 * MAX_INPUT;
const FIRST_LINE = 80;

function isTooMuch(content: Uint8Array): boolean {
  const isTrace = isModemTrace(latin1(content.subarray(0, FIRST_LINE)));
  return content.length > (isTrace ? MAX_TRACE : MAX_INPUT);
}

async function readAll(input: AsyncIterable<unknown>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of input) {
    const octets = part instanceof Uint8Array ? part : utf8Bytes(String(part));
    parts.push(octets);
    length += octets.length;
    if (length > MAX_TRACE) throw failed('standard input', TOO_MUCH);
  }
  const content = concat(...parts);
  if (isTooMuch(content)) throw failed('standard input', TOO_MUCH);
  return content;
}
