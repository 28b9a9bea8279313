// What a person pasted or a file holds, in words: octets in any layout, or a trace of several messages.
import { AgentError } from '../base/errors.ts';
import { DESCRIBED_KINDS, type DescribedKind, describeNodes } from './describe.ts';
import { countFaults, type DescribedNode, misfit, renderNodes } from './describe-node.ts';
import { describeTrace } from './describe-trace.ts';
import { isPastedHex, parsePasted, pastedText } from './pasted.ts';
import { parseTrace } from './trace-lines.ts';

/** What content can be taken for. */
export const CONTENT_KINDS = [...DESCRIBED_KINDS, 'trace'] as const;
export type ContentKind = DescribedKind | 'trace';

/** What was found in some content: a list of descriptions, one a message, and their text. */
export type DescribedContent = {
  readonly parts: readonly (readonly DescribedNode[])[];
  readonly text: string;
  /** Lines of the text that say that a rule is broken. */
  readonly faults: number;
};

/**
 * Describes hex (with spaces, colons, 0x, over several lines), base64, PEM, a trace, or the octets themselves. Several lines of
 * hex are one dump or one message a line, whichever explains more. Throws `HEX_INVALID` for text that is none of these.
 */
export function describeContent(content: Uint8Array, as?: ContentKind): DescribedContent {
  const text = pastedText(content);
  if (text === undefined) {
    if (as === 'trace') throw new AgentError('HEX_INVALID', { why: 'a trace is text' });
    return rendered([describeNodes(content, as)]);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (as === 'trace' || (as === undefined && !isPastedHex(text))) {
    const steps = parseTrace(text);
    if (steps !== undefined) return rendered(describeTrace(steps));
    if (as === 'trace' && lines.every(isPastedHex)) return rendered(describeTrace(alternating(lines)));
    if (as === 'trace')
      throw new AgentError('HEX_INVALID', { why: 'no line of the text is a command or a response' });
  }
  const whole = describeNodes(parsePasted(text), as);
  if (lines.length > 1 && lines.every(isPastedHex)) {
    const each = lines.map((line) => describeNodes(parsePasted(line), as));
    if (misfit(each.flat()) <= misfit(whole)) return rendered(each);
  }
  return rendered([whole]);
}

/** Bare lines of hex that are said to be a trace: command and response in turn. */
function alternating(lines: readonly string[]) {
  return lines.map((line, i) => ({
    is: i % 2 === 0 ? ('command' as const) : ('response' as const),
    line: i + 1,
    octets: parsePasted(line),
  }));
}

function rendered(parts: readonly (readonly DescribedNode[])[]): DescribedContent {
  return { parts, text: parts.map(renderNodes).join('\n\n'), faults: countFaults(parts.flat()) };
}
