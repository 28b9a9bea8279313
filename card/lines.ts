// A stream of octets as lines of text; a line that is too long is told once and then skipped to its end.
import { concat, EMPTY } from '../base/bytes.ts';

export type Line = { readonly is: 'line'; readonly text: string } | { readonly is: 'tooLong' };

const NEWLINE = 0x0a;

/** Lines without their ends (LF or CR LF), empty ones left out. The last one needs no end. */
export async function* linesOf(octets: AsyncIterable<Uint8Array>, maxOctets: number): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  let held: Uint8Array[] = [];
  let length = 0;
  let skipping = false;
  const take = function* (part: Uint8Array, ended: boolean): Generator<Line> {
    if (!skipping) {
      held.push(Uint8Array.from(part));
      length += part.length;
      if (length > maxOctets) {
        skipping = true;
        [held, length] = [[], 0];
        yield { is: 'tooLong' };
      }
    }
    if (!ended) return;
    const text = skipping
      ? ''
      : decoder.decode(held.length === 0 ? EMPTY : concat(...held)).replace(/\r$/, '');
    [held, length, skipping] = [[], 0, false];
    if (text.trim() !== '') yield { is: 'line', text };
  };
  for await (const chunk of octets) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      yield* take(chunk.subarray(from, end), true);
      from = end + 1;
    }
    if (from < chunk.length) yield* take(chunk.subarray(from), false);
  }
  yield* take(EMPTY, true);
}
