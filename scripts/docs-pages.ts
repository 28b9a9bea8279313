// The pages of docs/ that are written from the tables of the program, so that they cannot say anything else.
import type { Retry } from '../base/errors.ts';
import { type Table, tableRows } from '../config/table.ts';

export const GENERATED = '<!-- Written from the program by `npm run docs`; a change here is lost. -->';

const RETRY: Readonly<Record<Retry, string>> = {
  never: 'give up',
  now: 'try again at once',
  later: 'try again later',
  'after-reset': 'try again after a reset',
};

/** docs/errors.md: every error code with its meaning and what to do next. */
export function errorsPage(
  errors: Readonly<Record<string, { readonly retry: Retry; readonly text: string }>>,
): string {
  const rows = Object.entries(errors).map(
    ([code, { retry, text }]) => `| \`${code}\` | ${cell(text)} | ${RETRY[retry]} |`,
  );
  return page(
    '# Errors',
    GENERATED,
    [
      'Every error carries one of these codes, in the log as in the last word of its message.',
      'Programs decide by the code and by what it says to do next, never by the wording.',
    ].join('\n'),
    ['| code | meaning | what to do |', '|---|---|---|', ...rows].join('\n'),
  );
}

/** docs/exit-codes.md: how the programs end. */
export function exitCodesPage(
  rows: readonly {
    readonly exit: number;
    readonly text: string;
    readonly advice: string;
    readonly codes: readonly string[];
  }[],
  others: readonly { readonly command: string; readonly exits: readonly (readonly [number, string])[] }[],
): string {
  const lines = rows.map(({ exit, text, advice, codes }) => {
    const from = codes.map((code) => `\`${code}\``).join(' ');
    return `| ${exit} | ${cell(text)} | ${cell(advice)} | ${from} |`;
  });
  return page(
    '# Exit codes',
    GENERATED,
    '## euicc-agent',
    [
      'Each failure is one line on stderr, what happened and what to do, and one of these codes.',
      'The state stays good: started again, the agent goes on where it ended. After 2, 10 and 13 a person must look first.',
    ].join('\n'),
    ['| code | meaning | what to do | from ([errors](errors.md)) |', '|---|---|---|---|', ...lines].join(
      '\n',
    ),
    ...others.map(({ command, exits }) =>
      [
        `## ${command}\n`,
        '| code | meaning |',
        '|---|---|',
        ...exits.map(([exit, text]) => `| ${exit} | ${cell(text)} |`),
      ].join('\n'),
    ),
  );
}

/** docs/configuration.md: every key of each program. */
export function configurationPage(tables: readonly Table[]): string {
  return page(
    '# Configuration',
    GENERATED,
    [
      'A program reads a JSON file, then environment variables, then its command line; the later one wins.',
      'Relative paths in the file start from the folder of the file. A key that is not in this list is an error, and',
      'all faults are reported at once. Keys and passwords are never values: the configuration names the file that holds them.',
    ].join('\n'),
    ...tables.map((table) => {
      const rows = tableRows(table).map(({ key, env, row }) => {
        const missing = row.optional === true ? 'none' : '**required**';
        const fallback = row.default === undefined ? missing : `\`${JSON.stringify(row.default)}\``;
        return `| \`${key}\` | ${cell(row.kind.expected)} | ${fallback} | ${cell(row.doc)} | \`${env}\` |`;
      });
      return [
        `## ${table.program}\n`,
        `An example: [${exampleName(table)}](${exampleName(table)}).\n`,
        '| key | value | default | meaning | environment variable |',
        '|---|---|---|---|---|',
        ...rows,
      ].join('\n');
    }),
  );
}

/** The example's file name in docs/. */
export function exampleName(table: Table): string {
  return `${table.program}.example.json`;
}

/** A configuration file with an example or the default of every key that has one. */
export function exampleFile(table: Table): string {
  const content: Record<string, unknown> = {};
  for (const { key, row } of tableRows(table)) {
    const value = row.example ?? row.default;
    if (value === undefined) continue;
    const [name = key, inner] = key.split('.');
    if (inner === undefined) content[name] = value;
    else content[name] = { ...(content[name] as Record<string, unknown> | undefined), [inner]: value };
  }
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** A page of blocks with a line between them. */
export function page(...blocks: readonly string[]): string {
  return `${blocks.join('\n\n')}\n`;
}

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
