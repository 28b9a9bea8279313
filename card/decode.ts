// The decoder on the command line: where the octets come from, and how the description is printed.
import { stat } from 'node:fs/promises';
import { concat, utf8Bytes } from '../base/bytes.ts';
import { DESCRIBED_KINDS, type DescribedKind, describeContent } from '../codec/describe.ts';
import { failed, readBytes } from './files.ts';

export const DECODE_KINDS: readonly string[] = DESCRIBED_KINDS;

/** Description of what the words name, and how many faults it shows. Throws `HEX_INVALID` or `FILE_FAILED`. */
export async function decodeCommand(
  words: readonly string[],
  flags: { readonly as?: DescribedKind; readonly json?: true },
  input: AsyncIterable<unknown>,
): Promise<{ readonly text: string; readonly faults: number }> {
  const content = await contentOf(words, input);
  const { parts, faults, text } = describeContent(content, flags.as);
  return { text: flags.json === true ? JSON.stringify(parts) : text, faults };
}

async function contentOf(words: readonly string[], input: AsyncIterable<unknown>): Promise<Uint8Array> {
  const [only] = words;
  if (only === '-' && words.length === 1) return readAll(input);
  if (only !== undefined && words.length === 1 && (await isFile(only))) return readBytes(only);
  return utf8Bytes(words.join(' '));
}

async function isFile(name: string): Promise<boolean> {
  return stat(name).then(
    (found) => found.isFile() || found.isFIFO() || found.isCharacterDevice(),
    () => false,
  );
}

/** More than this is no message of a card. */
const MAX_INPUT = 64 * 1024 * 1024;

async function readAll(input: AsyncIterable<unknown>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of input) {
    const octets = part instanceof Uint8Array ? part : utf8Bytes(String(part));
    parts.push(octets);
    length += octets.length;
    if (length > MAX_INPUT) throw failed('standard input', 'more than 64 MiB');
  }
  return concat(...parts);
}
