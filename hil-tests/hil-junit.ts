// The report of a hardware run as JUnit XML, in the form that CI servers read.
import type { HilReport } from './hil-run.ts';
import { countsOf } from './hil-text.ts';

export function junitXml(report: HilReport): string {
  const counts = countsOf(report);
  const totals = [
    attribute('tests', report.steps.length),
    attribute('failures', counts.failed),
    attribute('errors', 0),
    attribute('skipped', counts.skipped),
    attribute('time', seconds(report.ms)),
  ].join('');
  const cases = report.steps.map(({ id, title, verdict, findings, ms }) => {
    const head = `<testcase${attribute('classname', `hil.${id}`)}${attribute('name', title)}${attribute('time', seconds(ms))}>`;
    const outcome =
      verdict.is === 'failed'
        ? [`      <failure${attribute('message', verdict.why)}>${escaped(verdict.why)}</failure>`]
        : verdict.is === 'skipped'
          ? [`      <skipped${attribute('message', verdict.why)}/>`]
          : [];
    const text = findings.map(([name, value]) => `${name}: ${value}`).join('\n');
    const out = text === '' ? [] : [`      <system-out>${escaped(text)}</system-out>`];
    return [`    ${head}`, ...outcome, ...out, '    </testcase>'].join('\n');
  });
  const left =
    report.unrestored.length === 0
      ? []
      : [
          `    <system-err>${escaped(report.unrestored.map((what) => `not put back: ${what}`).join('\n'))}</system-err>`,
        ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${totals}>`,
    `  <testsuite${attribute('name', `hil ${report.target}`)}${totals}${attribute('timestamp', new Date(report.startedAt).toISOString().slice(0, 19))}>`,
    ...cases,
    ...left,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function attribute(name: string, value: string | number): string {
  return ` ${name}="${escaped(String(value)).replaceAll('\n', '&#10;').replaceAll('\t', '&#9;')}"`;
}

/** XML 1.0 has no way to write most control characters: they are shown as \xNN. */
export function escaped(text: string): string {
  const shown = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const allowed =
      code === 0x09 ||
      code === 0x0a ||
      (code >= 0x20 && code <= 0xd7ff) ||
      (code >= 0xe000 && code <= 0xfffd) ||
      code >= 0x10000;
    return allowed ? character : `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
  return shown
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
