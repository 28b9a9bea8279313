// The dialogue in a trace of a modem's line: whole lines of text, each with its direction and time, echoes told apart.
import { latin1, type ReadEntry, type TraceEvent } from './modem-trace.ts';

export type DialogueLine = {
  readonly is: 'said';
  readonly t: number;
  /** Line of the trace at which it began. */
  readonly line: number;
  readonly dir: 'out' | 'in';
  readonly text: string;
  /** The modem repeats what it was sent. */
  readonly echo: boolean;
};

export type DialogueEvent = TraceEvent & { readonly line: number };

type Begun = { t: number; line: number; text: string };

/** Longer than any line of a modem: what has no end is cut. */
const LONGEST = 65_536;

/** The entries as lines, in the order in which they were complete; what has no end comes where the line was closed. */
export function dialogueOf(entries: readonly ReadEntry[]): readonly (DialogueLine | DialogueEvent)[] {
  const lines: (DialogueLine | DialogueEvent)[] = [];
  const begun: { out?: Begun | undefined; in?: Begun | undefined } = {};
  let command = '';
  const end = (dir: 'out' | 'in'): void => {
    const line = begun[dir];
    begun[dir] = undefined;
    if (line === undefined || line.text === '') return;
    const echo = dir === 'in' && command !== '' && line.text === command;
    if (dir === 'out') command = line.text;
    lines.push({ is: 'said', dir, ...line, echo });
  };
  for (const entry of entries) {
    if (entry.is === 'event') {
      end('in');
      end('out');
      lines.push(entry);
      continue;
    }
    for (const character of latin1(entry.octets)) {
      if (character === '\r' || character === '\n') {
        end(entry.dir);
        continue;
      }
      const line = (begun[entry.dir] ??= { t: entry.t, line: entry.line, text: '' });
      line.text += character;
      if (line.text.length === LONGEST) end(entry.dir);
    }
  }
  end('in');
  end('out');
  return lines;
}
