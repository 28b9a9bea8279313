// The report of a hardware run on a terminal: a line a step as it happens, then what was found.
import type { TraceEntry } from '../codec/modem-trace.ts';
import { dialogueOf } from '../codec/trace-dialogue.ts';
import type { HilReport } from './hil-run.ts';
import type { StepReport } from './hil-step.ts';

const MARKS = { passed: 'ok', failed: 'FAILED', skipped: 'skipped' } as const;
const NAME = 15;
const LABEL = 26;

export function stepLine({ id, verdict, ms }: StepReport): string {
  const why = verdict.is === 'passed' ? `${Math.round(ms)} ms` : verdict.why;
  return `${MARKS[verdict.is].padEnd(9)}${id.padEnd(NAME)}${why}`;
}

/** What was found, step by step, and how it ended. */
export function reportText(report: HilReport): string {
  const found = report.steps.flatMap(({ id, findings }) =>
    findings.flatMap(([name, value], i) => {
      const [first = '', ...more] = value.split('\n');
      const line = `${(i === 0 ? id : '').padEnd(NAME)}${name.padEnd(LABEL)} ${first}`;
      return [line, ...more.map((rest) => `${' '.repeat(NAME + LABEL)} ${rest}`)];
    }),
  );
  const sent = settersIn(report.entries);
  const counts = countsOf(report);
  return [
    '',
    ...found,
    '',
    `set on the modem: ${sent.length === 0 ? 'nothing' : sent.join(', ')}`,
    ...report.unrestored.map((what) => `NOT PUT BACK: ${what}`),
    `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${(report.ms / 1000).toFixed(1)} s${report.stopped ? ', stopped' : ''}`,
  ].join('\n');
}

export function countsOf({ steps }: Pick<HilReport, 'steps'>): Record<StepReport['verdict']['is'], number> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { verdict } of steps) counts[verdict.is]++;
  return counts;
}

/** Commands of the way to the card; what they do there is the steps' business. */
const CARD_COMMANDS = ['CSIM', 'CGLA', 'CCHO', 'CCHC', 'CRSM'];
/** Questions that name what they are about after an equals sign (3GPP TS 27.007, 8.65 and 10.1.23). */
const QUESTIONS = ['CGPADDR', 'CPINR'];

/** The set forms of commands that were sent, each once, in the order of their first use. */
export function settersIn(entries: readonly TraceEntry[]): readonly string[] {
  const found = new Set<string>();
  const numbered = entries.map((entry, i) => ({ ...entry, line: i }));
  for (const said of dialogueOf(numbered)) {
    if (said.is !== 'said' || said.dir !== 'out') continue;
    for (const [, mark = '', name = ''] of said.text.matchAll(/(?:^AT|;)([+^#%*$!&])(\w+)=(?!\?)/gi)) {
      if (![...CARD_COMMANDS, ...QUESTIONS].includes(name.toUpperCase()))
        found.add(`AT${mark}${name.toUpperCase()}`);
    }
    const [, echo] = /^AT(?:Q0V1)?(E[01])/i.exec(said.text) ?? [];
    if (echo !== undefined) found.add(`AT${echo.toUpperCase()}`);
  }
  return [...found];
}
