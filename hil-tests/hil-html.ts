// The report of a hardware run as one HTML page that needs nothing else: steps, findings, and the dialogue of each step.
import { withoutPasswords } from '../codec/at-passwords.ts';
import type { TraceEntry } from '../codec/modem-trace.ts';
import { dialogueOf } from '../codec/trace-dialogue.ts';
import { escaped } from './hil-junit.ts';
import type { HilReport } from './hil-run.ts';
import type { StepReport } from './hil-step.ts';
import { countsOf, settersIn } from './hil-text.ts';

/** The line of the header is the first of a trace. */
const FIRST_ENTRY_LINE = 2;

type Numbered = TraceEntry & { readonly line: number };

export function hilPage(report: HilReport, traceFile: string): string {
  const counts = countsOf(report);
  const parts = dialogueBySteps(report.entries);
  const identity = report.steps.find(({ id }) => id === 'identity')?.findings ?? [];
  const of = (name: string): string => identity.find(([each]) => each === name)?.[1] ?? '';
  const device = [of('manufacturer'), of('model'), of('revision')].filter((part) => part !== '').join(' ');
  const verdict = report.unrestored.length > 0 || counts.failed > 0 ? 'failed' : 'passed';
  const facts: readonly (readonly [string, string])[] = [
    ['Target', report.target],
    ['Modem', device === '' ? 'unknown' : device],
    ['Started', new Date(report.startedAt).toISOString().replace('T', ' ').slice(0, 19)],
    ['Took', `${(report.ms / 1000).toFixed(1)} s${report.stopped ? ', stopped before its end' : ''}`],
    ['Set on the modem', settersIn(report.entries).join(', ') || 'nothing'],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hardware run: ${escaped(device === '' ? report.target : device)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>Hardware run <span class="badge ${verdict}">${counts.failed === 0 && verdict === 'passed' ? 'passed' : 'failed'}</span></h1>
<p class="counts">${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped</p>
<dl>${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escaped(value)}</dd></div>`).join('\n')}
<div><dt>Trace</dt><dd><a href="${escaped(traceFile)}">${escaped(traceFile)}</a>, ${report.entries.length + 1} lines</dd></div></dl>
${report.unrestored.map((what) => `<p class="alarm">Not put back: ${escaped(what)}</p>`).join('\n')}
</header>
<table>
<thead><tr><th>Step</th><th>Outcome</th><th class="n">Time</th><th class="n">Trace</th></tr></thead>
<tbody>
${report.steps.map((step) => summaryRow(step, parts.get(step.id) ?? [])).join('\n')}
</tbody>
</table>
${report.steps.map((step) => section(step, parts.get(step.id) ?? [])).join('\n')}
</main>
</body>
</html>
`;
}

/** Entries of each step, from its mark to the next one's. */
function dialogueBySteps(entries: readonly TraceEntry[]): Map<string, Numbered[]> {
  const parts = new Map<string, Numbered[]>();
  let current: Numbered[] = [];
  for (const [i, entry] of entries.entries()) {
    if (entry.is === 'event' && entry.event === 'step') {
      current = [];
      parts.set(String(entry.data['name']), current);
    }
    current.push({ ...entry, line: i + FIRST_ENTRY_LINE });
  }
  return parts;
}

function outcome({ verdict }: StepReport): string {
  return `<span class="badge ${verdict.is}">${verdict.is}</span>`;
}

function summaryRow(step: StepReport, part: readonly Numbered[]): string {
  const [first, last] = [part[0]?.line ?? 0, part.at(-1)?.line ?? 0];
  const why = step.verdict.is === 'passed' ? '' : ` <span class="why">${escaped(step.verdict.why)}</span>`;
  return `<tr><td><a href="#${step.id}">${escaped(step.title)}</a></td><td>${outcome(step)}${why}</td><td class="n">${Math.round(step.ms)} ms</td><td class="n"><a href="#trace-${step.id}">${first}–${last}</a></td></tr>`;
}

function section(step: StepReport, part: readonly Numbered[]): string {
  const rows = step.findings.map(
    ([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`,
  );
  const lines = dialogueOf(part).map((each) => {
    const time = each.t.toFixed(1);
    if (each.is === 'event') {
      const data = Object.entries(each.data).map(([name, value]) => ` ${name} ${value}`);
      return row(each.line, time, 'event', '', `${each.event}${data.join('')}`);
    }
    const kind = each.echo ? 'echo' : each.dir;
    return row(each.line, time, kind, each.dir === 'out' ? '→' : '←', withoutPasswords(each.text));
  });
  const why = step.verdict.is === 'passed' ? '' : `<p class="why">${escaped(step.verdict.why)}</p>`;
  return `<section id="${step.id}">
<h2>${escaped(step.title)} ${outcome(step)}</h2>
${why}${rows.length === 0 ? '' : `<table class="findings"><tbody>${rows.join('')}</tbody></table>`}
<details${step.verdict.is === 'failed' ? ' open' : ''}><summary>Trace, ${lines.length} lines</summary>
<div class="dialogue" id="trace-${step.id}">${lines.join('\n')}</div></details>
</section>`;
}

function row(line: number, time: string, kind: string, arrow: string, text: string): string {
  return `<div class="${kind}"><i>${line}</i><b>${time}</b><u>${arrow}</u><code>${escaped(text)}</code></div>`;
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --ok: #1a7f37; --bad: #cf222e; --idle: #6e7781; }
@media (prefers-color-scheme: dark) { :root { --ok: #3fb950; --bad: #ff7b72; --idle: #9198a1; } }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 17px; margin: 0 0 8px; }
.counts { margin: 2px 0 14px; color: var(--idle); }
dl { display: grid; gap: 4px 20px; margin: 0 0 20px; }
dl div { display: grid; grid-template-columns: 150px 1fr; } dt { color: var(--idle); } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: 0 0 28px; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--idle); font-weight: 500; } .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
section { border-top: 2px solid var(--line); padding: 16px 0 10px; scroll-margin-top: 8px; }
.findings { margin: 0 0 10px; } .findings th { font-weight: 500; width: 240px; color: var(--idle); }
.findings td { white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, monospace; font-size: 13px; }
.badge { font-size: 12px; font-weight: 600; border: 1px solid; border-radius: 10px; padding: 1px 8px; vertical-align: 2px; }
.badge.passed { color: var(--ok); } .badge.failed { color: var(--bad); } .badge.skipped { color: var(--idle); }
.why { color: var(--idle); } .alarm { color: var(--bad); font-weight: 600; border: 2px solid; padding: 8px 12px; }
summary { cursor: pointer; color: var(--idle); }
.dialogue { font: 12.5px/1.55 ui-monospace, monospace; background: var(--soft); padding: 8px; margin-top: 6px; overflow-x: auto; }
.dialogue div { display: grid; grid-template-columns: 44px 84px 20px 1fr; }
.dialogue i, .dialogue b { font-style: normal; font-weight: 400; color: var(--idle); text-align: right; padding-right: 10px; }
.dialogue u { text-decoration: none; } .dialogue code { overflow-wrap: anywhere; font: inherit; }
.dialogue .out code, .dialogue .out u { font-weight: 600; } .dialogue .echo, .dialogue .event { opacity: 0.6; }
@media (max-width: 640px) { dl div { grid-template-columns: 1fr; } .findings th { width: 110px; } .dialogue div { grid-template-columns: 36px 64px 16px 1fr; } }
`;
