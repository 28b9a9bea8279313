// The deviations of real modems as switches of one simulated modem: their values, read from a command line or complete.
import { AgentError } from '../../base/errors.ts';
import { type QuirkRow, QUIRKS } from './quirk-table.ts';

export type QuirkName = keyof typeof QUIRKS;

type ValueOf<R> = R extends { readonly kind: 'choice'; readonly choices: readonly (infer C)[] }
  ? C
  : R extends { readonly kind: 'flag' }
    ? boolean
    : R extends { readonly kind: 'number' }
      ? number
      : R extends { readonly kind: 'list' }
        ? readonly string[]
        : string;

/** The switches of one modem. */
export type SimQuirks = { readonly [N in QuirkName]: ValueOf<(typeof QUIRKS)[N]> };

/** All switches as the standards have it, but for those given. */
export function createQuirks(changes: Partial<SimQuirks> = {}): SimQuirks {
  const standard = Object.entries(QUIRKS).map(([name, row]) => [name, standardValue(row)]);
  return { ...(Object.fromEntries(standard) as SimQuirks), ...changes };
}

function standardValue(row: QuirkRow): boolean | number | string | readonly string[] {
  switch (row.kind) {
    case 'flag':
      return false;
    case 'number':
      return 0;
    case 'list':
      return [];
    case 'text':
      return '';
    case 'choice':
      return row.choices[0] ?? '';
  }
}

/** One setting of one switch that is not the standard's, with the others that it needs to show. */
export type Deviation = {
  readonly name: QuirkName;
  /** As on a command line. */
  readonly label: string;
  readonly quirks: Partial<SimQuirks>;
  /** Leaves no way to the card. */
  readonly hopeless: boolean;
};

/** Every switch in every choice, or in settings worth trying. */
export function deviations(): readonly Deviation[] {
  return Object.entries<QuirkRow>(QUIRKS).flatMap(([name, row]) =>
    settingsOf(row).map((value): Deviation => {
      const label = typeof value === 'boolean' ? name : `${name}=${String(value)}`;
      return {
        name: name as QuirkName,
        label,
        quirks: { ...row.together, [name]: value },
        hopeless: row.hopeless?.includes(value as string) ?? false,
      };
    }),
  );
}

function settingsOf(row: QuirkRow): readonly (boolean | number | string | readonly string[])[] {
  if (row.kind === 'flag') return [true];
  return row.kind === 'choice' ? row.choices.slice(1) : (row.examples ?? []);
}

/** Reads `name=value` as on a command line; a flag may stand alone, a list has commas. Throws `CONFIG_INVALID`. */
export function parseQuirk(setting: string): Partial<SimQuirks> {
  const [name = '', ...rest] = setting.split('=');
  const row: QuirkRow | undefined = (QUIRKS as Readonly<Record<string, QuirkRow>>)[name];
  if (row === undefined) throw invalid(setting, 'NAME=VALUE of one of the quirks');
  const value = rest.join('=');
  return { [name]: parseValue(row, value, setting) };
}

function parseValue(
  row: QuirkRow,
  value: string,
  setting: string,
): boolean | number | string | readonly string[] {
  switch (row.kind) {
    case 'flag':
      if (value !== '' && value !== 'on' && value !== 'off') throw invalid(setting, 'on or off');
      return value !== 'off';
    case 'number': {
      const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= row.from && number <= row.to))
        throw invalid(setting, `a number from ${row.from} to ${row.to}`);
      return number;
    }
    case 'list':
      return value.split(',').filter((part) => part !== '');
    case 'text':
      return value;
    case 'choice':
      if (!row.choices.includes(value)) throw invalid(setting, `one of ${row.choices.join(', ')}`);
      return value;
  }
}

function invalid(setting: string, expected: string): AgentError {
  return new AgentError('CONFIG_INVALID', { quirk: setting, expected });
}
