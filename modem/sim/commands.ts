// How the simulated modem's AT commands are described: rows of test, read, set and action forms over one context.
import type { Clock } from '../../base/clock.ts';
import type { Parameter } from './command-line.ts';
import type { DialogueSettings, FinalResult } from './dce.ts';
import type { MessageStore } from './commands-messages.ts';
import type { Equipment } from './equipment.ts';
import type { Faults } from './faults.ts';
import type { SimQuirks } from './quirks.ts';

export type SimIdentity = {
  readonly manufacturer: string;
  readonly model: string;
  readonly revision: string;
};

/** What commands set and read besides the equipment. */
export type ModemSettings = {
  readonly dialogue: DialogueSettings;
  /** S-registers without a function here, and +CSCS and the like: name to value. */
  readonly values: Map<string, string>;
  /** `<n>` of +CREG, +CGREG and +CEREG. */
  readonly reports: Record<'CREG' | 'CGREG' | 'CEREG', number>;
  /** +COPS: format 0 long, 1 short, 2 numeric. */
  operatorFormat: number;
  /** PDP contexts by `<cid>`. */
  readonly contexts: Map<number, { readonly type: string; readonly apn: string }>;
  readonly messages: MessageStore;
};

/** Logical channels that the terminal opened by +CCHO: session id to channel. */
export type Sessions = Map<string, number>;

/** What the quirks of one modem remember. A restart puts it back. */
export type QuirkState = {
  cardAwake: boolean;
  slotSelected: boolean;
  csimLocked: boolean;
  endless: boolean;
  lastBlocks: number;
  /** Channels that the terminal opened by MANAGE CHANNEL over +CSIM. */
  readonly csimChannels: Set<number>;
};

export function freshQuirkState(): QuirkState {
  return {
    cardAwake: false,
    slotSelected: false,
    csimLocked: false,
    endless: false,
    lastBlocks: 0,
    csimChannels: new Set(),
  };
}

export type CommandContext = {
  readonly equipment: Equipment;
  readonly identity: SimIdentity;
  readonly settings: ModemSettings;
  readonly sessions: Sessions;
  readonly clock: Clock;
  /** Back to the defaults. */
  readonly resetSettings: () => void;
  /** Writes the settings down as the user's profile, which `Z` and every start bring back (V.250, 6.1.1). */
  readonly keepProfile: () => void;
  readonly recallProfile: () => void;
  /** Restarts the whole modem after this line was answered. */
  readonly restart: () => void;
  readonly quirks: SimQuirks;
  readonly quirkState: QuirkState;
  readonly faults: Faults;
  /** Restarts at once, without a word. */
  readonly crash: () => void;
  /** Takes the port away, and gives it back after so many milliseconds. */
  readonly dropPort: (ms: number) => void;
  /** The card loses contact for so long; `swap` puts another one in. */
  readonly takeCardOut: (ms: number, swap: boolean) => void;
  /** Prompts the terminal for a text that Ctrl-Z ends; undefined when it is given up with ESC. */
  readonly ask: () => Promise<string | undefined>;
  /** The rate of the line (+IPR): 0 follows the terminal. A new one counts once the line was answered. */
  readonly lineRate: { readonly now: number; set(baudRate: number): void };
  /** Hands a short message to the network; answers its reference. */
  readonly sendMessage: (tpdu: Uint8Array) => number;
};

/** A result that ends the command line without success. */
export type Failure = Exclude<FinalResult, 'OK'>;

/** Ends the command line with success, whatever stands behind this command. */
export const LAST = 'LAST';

/** Information lines, or the result that ends the command line, or what is made of a text that the terminal is asked for. */
export type Reply = readonly string[] | Failure | typeof LAST | { readonly ask: (text: string) => Reply };

type Answer = Reply | Promise<Reply>;

export type CommandRow = {
  readonly test?: (context: CommandContext) => Answer;
  readonly read?: (context: CommandContext) => Answer;
  readonly set?: (context: CommandContext, parameters: readonly (Parameter | undefined)[]) => Answer;
  /** `value` is a basic command's number or the dial string. */
  readonly action?: (context: CommandContext, value: string) => Answer;
};

export type CommandTable = Readonly<Record<string, CommandRow>>;

export const DONE: Reply = [];

/** A parameter that is a number within `range`; `fallback` when it is missing. Undefined when it is neither. */
export function numberOf(
  parameter: Parameter | undefined,
  range: readonly [number, number],
  fallback?: number,
): number | undefined {
  if (parameter === undefined) return fallback;
  if (parameter.quoted || !/^\d{1,9}$/.test(parameter.text)) return undefined;
  const value = Number(parameter.text);
  return value >= range[0] && value <= range[1] ? value : undefined;
}

/** A setting with one number: `+NAME: (low-high)`, `+NAME: n`, `+NAME=n`. */
export function numberSetting(
  name: string,
  range: readonly [number, number],
  get: (context: CommandContext) => number,
  put: (context: CommandContext, value: number) => void,
): CommandRow {
  return {
    test: () => [`${name}: (${range[0]}-${range[1]})`],
    read: (context) => [`${name}: ${get(context)}`],
    set: (context, [parameter]) => {
      const value = numberOf(parameter, range, range[0]);
      if (value === undefined) return 'ERROR';
      put(context, value);
      return DONE;
    },
  };
}

/** Several numbers that are kept and given back: those that are left out stay as they are (V.250, 5.4.2.4). */
export function keptNumbers(
  name: string,
  ranges: readonly (readonly [number, number])[],
  initial: readonly number[],
): CommandRow {
  const held = ({ settings }: CommandContext): readonly number[] =>
    settings.values.get(name)?.split(',').map(Number) ?? initial;
  return {
    test: () => [
      `${name}: ${ranges.map(([from, to]) => `(${from === to ? from : `${from}-${to}`})`).join(',')}`,
    ],
    read: (context) => [`${name}: ${held(context).join(',')}`],
    set: (context, given) => {
      const before = held(context);
      const next = ranges.map((range, n) => numberOf(given[n], range, before[n] ?? range[0]));
      if (given.length > ranges.length || next.includes(undefined)) return 'ERROR';
      context.settings.values.set(name, next.join(','));
      return DONE;
    },
  };
}

/** A setting that is kept and given back, without any effect here. */
export function keptSetting(name: string, allowed: readonly string[], quoted: boolean): CommandRow {
  const shown = (text: string): string => (quoted ? `"${text}"` : text);
  return {
    test: () => [`${name}: (${allowed.map(shown).join(',')})`],
    read: ({ settings }) => [`${name}: ${shown(settings.values.get(name) ?? allowed[0] ?? '')}`],
    set: ({ settings }, parameters) => {
      const text = parameters[0]?.text;
      if (text === undefined || !allowed.includes(text)) return 'ERROR';
      settings.values.set(name, text);
      return DONE;
    },
  };
}
