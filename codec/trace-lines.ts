// Traces of card traffic as people have them: lines of JSON of euicc-card and lpac, AT commands, logs of pcscd, OpenSC, scriptor and
// pySim, and hex behind arrows. What a line says, without knowing what the octets mean.
import { fromHex, utf8Bytes } from '../base/bytes.ts';
import { withoutPasswords } from './at-passwords.ts';
import { isModemTrace, parseModemTrace, type TraceHeader } from './modem-trace.ts';
import { createDumpReader } from './trace-dumps.ts';
import { dialogueOf, type DialogueEvent, type DialogueLine } from './trace-dialogue.ts';

/** What a trace holds, with the number of its line from 1. */
export type TraceStep =
  | {
      readonly is: 'command' | 'response' | 'atr';
      readonly line: number;
      readonly octets: Uint8Array;
      /** When and how it went over the line, where the trace tells. */
      readonly said?: string;
    }
  | { readonly is: 'note'; readonly line: number; readonly text: string };

const HEX = '((?:[0-9A-Fa-f]{2}[\\s:]?)+)';
const STAMP = '^(?:\\[[^\\]]*\\]|[\\d:.,T+Z-]+)?\\s*';

/** The forms that name their direction, the first that fits wins. */
const FORMS: readonly (readonly [is: 'command' | 'response' | 'atr', form: RegExp])[] = [
  ['command', /^\s*AT\+CSIM=\d+,\s*"?([0-9A-Fa-f]+)"?/i],
  // Some modems number sessions with handles.
  ['command', /^\s*AT\+CGLA="?\w+"?,\s*\d+,\s*"?([0-9A-Fa-f]+)"?/i],
  ['response', /^\s*\+(?:CSIM|CGLA)\s*:\s*\d+\s*,\s*"?\s*([0-9A-Fa-f]+)"?/i],
  ['command', new RegExp(`${STAMP}(?:>{1,3}|[=-]+>|→|Sending:|TX:|C:|C-APDU:?)\\s*${HEX}\\s*$`)],
  ['response', new RegExp(`${STAMP}(?:<{1,3}|<[=-]+|←|RX:|R:|R-APDU:?)\\s*${HEX}\\s*$`)],
  ['command', new RegExp(`\\bAPDU:\\s*${HEX}\\s*$`)],
  ['response', new RegExp(`\\bSW:\\s*${HEX}\\s*$`)],
  ['atr', new RegExp(`\\bATR:\\s*${HEX}\\s*$`)],
];

/**
 * The steps of a trace, or undefined where no line of the text is a command or response of any known form. Throws
 * `TRACE_INVALID` for what begins as a trace of a modem's line and is none.
 */
export function parseTrace(text: string): TraceStep[] | undefined {
  if (isModemTrace(text)) return modemSteps(text);
  const steps: TraceStep[] = [];
  const dumps = createDumpReader();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const dumped = dumps.push(line, i + 1);
    steps.push(...dumped.steps);
    if (!dumped.taken) steps.push(...stepsOf(line, i + 1));
  }
  steps.push(...dumps.end());
  return steps.some(({ is }) => is === 'command' || is === 'response') ? steps : undefined;
}

function stepsOf(line: string, number: number): TraceStep[] {
  if (line.trimStart().startsWith('{')) {
    const steps = jsonSteps(line, number);
    if (steps !== undefined) return steps;
  }
  for (const [is, form] of FORMS) {
    const hex = form.exec(line)?.[1]?.replaceAll(/[\s:]/g, '');
    if (hex !== undefined && hex.length % 2 === 0) return [{ is, line: number, octets: fromHex(hex) }];
  }
  return [{ is: 'note', line: number, text: line.trim() }];
}

/** The dialogue of a trace of a modem's line: APDUs, and everything else as it was said. Echoes are left out. */
function modemSteps(text: string): TraceStep[] {
  const { sessions, torn } = parseModemTrace(utf8Bytes(text));
  const steps = sessions.flatMap(({ header, entries }): TraceStep[] => [
    { is: 'note', line: Math.max(1, (entries[0]?.line ?? 2) - 1), text: headerText(header) },
    ...dialogueOf(entries).flatMap((each, i, all) =>
      isOkAfterApdu(each, all[i - 1]) ? [] : dialogueSteps(each),
    ),
  ]);
  return [...steps, ...torn.map((line): TraceStep => ({ is: 'note', line, text: 'cut off' }))];
}

function isOkAfterApdu(each: DialogueLine | DialogueEvent, before?: DialogueLine | DialogueEvent): boolean {
  if (each.is !== 'said' || before?.is !== 'said' || each.text.trim() !== 'OK') return false;
  return before.dir === 'in' && stepsOf(before.text, 0)[0]?.is === 'response';
}

function headerText({ program, port, started, redacted }: TraceHeader): string {
  const parts = [program, port, started, ...(redacted ?? []).map((what) => `without ${what}`)];
  return parts.filter((part) => part !== undefined && part !== '').join(', ');
}

function dialogueSteps(each: DialogueLine | DialogueEvent): TraceStep[] {
  const { line } = each;
  const at = `${each.t.toFixed(1)} ms`;
  if (each.is === 'event') {
    const data = Object.entries(each.data).map(([name, value]) => ` ${name} ${value}`);
    return [{ is: 'note', line, text: `${at}  -- ${each.event}${data.join('')}` }];
  }
  if (each.echo) return [];
  const said = `${at}  ${each.dir === 'out' ? '>' : '<'} ${withoutPasswords(each.text)}`;
  const [step] = stepsOf(each.text, line);
  const fits = step?.is === (each.dir === 'out' ? 'command' : 'response');
  if (step === undefined || step.is === 'note' || !fits) return [{ is: 'note', line, text: said }];
  return [{ ...step, said: said.replace(/,\s*"?[0-9A-Fa-f]{4,}"?\s*$/, '') }];
}

type Json = Readonly<Record<string, unknown>>;

/** Lines of the JSON front, of its trace file, and of lpac's driver; undefined for other JSON. */
function jsonSteps(line: string, number: number): TraceStep[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const message = value as Json;
  const { payload } = message;
  const inner = typeof payload === 'object' && payload !== null ? (payload as Json) : undefined;
  const steps: TraceStep[] = [];
  const add = (is: 'command' | 'response' | 'atr', ...texts: readonly unknown[]): void => {
    const hex = texts.map(String).join('');
    if (/^(?:[0-9A-Fa-f]{2})+$/.test(hex)) steps.push({ is, line: number, octets: fromHex(hex) });
  };
  if (inner?.['func'] === 'transmit') add('command', inner['param']);
  if (inner?.['ecode'] !== undefined && inner['data'] !== undefined) add('response', inner['data']);
  if (message['atr'] !== undefined && message['atr'] !== true) add('atr', message['atr']);
  if (message['apdu'] !== undefined) add('command', message['apdu']);
  if (message['sw'] !== undefined) add('response', message['data'] ?? '', message['sw']);
  return steps.length === 0 ? [{ is: 'note', line: number, text: line.trim() }] : steps;
}
