// Commands of the dialogue itself (ITU-T V.250, 6.1 and 6.2; 3GPP TS 27.007, 9.1) and of the modem's identity (5.1 to 5.8).
import {
  DONE,
  keptNumbers,
  keptSetting,
  LAST,
  numberOf,
  numberSetting,
  type CommandContext,
  type CommandRow,
  type CommandTable,
} from './commands.ts';
import type { DialogueSettings } from './dce.ts';

type Flag = {
  [K in keyof DialogueSettings]: DialogueSettings[K] extends boolean ? K : never;
}[keyof DialogueSettings];
type Register = 's3' | 's4' | 's5';

/** A basic command that switches something: no number is 0 (5.3.1). */
function flag(name: Flag): CommandRow {
  return {
    action: ({ settings }, value) => {
      const digit = value === '' ? '0' : value;
      if (digit !== '0' && digit !== '1') return 'ERROR';
      settings.dialogue[name] = digit === '1';
      return DONE;
    },
  };
}

/** A basic command that is accepted within its range and has no effect on this line. */
function accepted(highest: number): CommandRow {
  return { action: (_, value) => (Number(value) <= highest ? DONE : 'ERROR') };
}

function register(name: Register): CommandRow {
  return {
    read: ({ settings }) => [String(settings.dialogue[name]).padStart(3, '0')],
    set: ({ settings }, [parameter]) => {
      const value = numberOf(parameter, [0, 127], 0);
      if (value === undefined) return 'ERROR';
      settings.dialogue[name] = value;
      return DONE;
    },
  };
}

/** An S-register that is kept without effect. */
function keptRegister(name: string, initial: number): CommandRow {
  return {
    read: ({ settings }) => [(settings.values.get(name) ?? String(initial)).padStart(3, '0')],
    set: ({ settings }, [parameter]) => {
      const value = numberOf(parameter, [0, 255], 0);
      if (value === undefined) return 'ERROR';
      settings.values.set(name, String(value));
      return DONE;
    },
  };
}

/** The one profile of a user is number 0; 1 is taken for it too. */
const defaults: CommandRow = {
  action: (context, value) => {
    if (Number(value) > 1) return 'ERROR';
    context.resetSettings();
    return DONE;
  },
};
/** What stands behind it on the line is not looked at (V.250, 6.1.1). */
const reset: CommandRow = {
  action: (context, value) => {
    if (Number(value) > 1) return 'ERROR';
    context.recallProfile();
    return LAST;
  },
};
const keep: CommandRow = {
  action: (context, value) => {
    if (Number(value) > 1) return 'ERROR';
    context.keepProfile();
    return DONE;
  },
};

/** The settings in force: basic commands, then registers. */
const view: CommandRow = {
  action: ({ settings: { dialogue, values } }) => {
    const on = (flag: boolean): string => (flag ? '1' : '0');
    const registers = [
      ['S0', 0],
      ['S6', 2],
      ['S7', 60],
      ['S8', 2],
      ['S10', 15],
    ] as const;
    const kept = registers.map(([name, initial]) => [name, Number(values.get(name) ?? initial)] as const);
    const own = [
      ['S3', dialogue.s3],
      ['S4', dialogue.s4],
      ['S5', dialogue.s5],
    ] as const;
    const shown = [...kept, ...own]
      .toSorted(([a], [b]) => Number(a.slice(1)) - Number(b.slice(1)))
      .map(([name, value]) => `${name}:${String(value).padStart(3, '0')}`);
    return [`E${on(dialogue.echo)} Q${on(dialogue.quiet)} V${on(dialogue.verbose)}`, shown.join(' ')];
  },
};

function identity(read: (context: CommandContext) => readonly string[]): CommandRow {
  return { action: read, test: () => DONE };
}

const manufacturer = identity(({ identity }) => [identity.manufacturer]);
const model = identity(({ identity }) => [identity.model]);
const revision = identity(({ identity }) => [identity.revision]);
const serialNumber: CommandRow = {
  ...identity(({ equipment }) => [equipment.imei]),
  test: () => ['+CGSN: (0-3)'],
  set: ({ equipment }, [parameter]) => {
    // 5.4: 0 serial number, 1 IMEI, 2 IMEISV, 3 software version.
    const what = numberOf(parameter, [0, 3], 0);
    if (what === undefined) return 'ERROR';
    const imei = equipment.imei;
    return (
      [[imei], [`+CGSN: "${imei}"`], [`+CGSN: "${imei.slice(0, 14)}01"`], ['+CGSN: "01"']][what] ?? 'ERROR'
    );
  },
};

/** `yy/MM/dd,hh:mm:ss+zz` in UTC. */
function clockText(wallMs: number): string {
  const [date = '', time = ''] = new Date(wallMs).toISOString().split('T');
  return `${date.slice(2).replaceAll('-', '/')},${time.slice(0, 8)}+00`;
}

const LINE_RATES = [9600, 19200, 38400, 57600, 115_200, 230_400, 460_800, 921_600];

export const DIALOGUE_COMMANDS: CommandTable = {
  E: flag('echo'),
  Q: flag('quiet'),
  V: flag('verbose'),
  X: accepted(4),
  L: accepted(3),
  M: accepted(3),
  T: accepted(0),
  P: accepted(0),
  H: accepted(0),
  Z: reset,
  '&F': defaults,
  '&C': accepted(1),
  '&D': accepted(2),
  '&K': accepted(6),
  '&S': accepted(1),
  '&V': view,
  '&W': keep,
  I: { action: ({ identity }) => [identity.manufacturer, identity.model, `Revision: ${identity.revision}`] },
  /** No calls are carried: data goes over the default bearer. */
  D: { action: () => 'NO CARRIER' },
  A: { action: () => 'NO CARRIER' },
  S0: keptRegister('S0', 0),
  S3: register('s3'),
  S4: register('s4'),
  S5: register('s5'),
  S6: keptRegister('S6', 2),
  S7: keptRegister('S7', 60),
  S8: keptRegister('S8', 2),
  S10: keptRegister('S10', 15),
  '+CMEE': numberSetting(
    '+CMEE',
    [0, 2],
    ({ settings }) => settings.dialogue.errorLevel,
    ({ settings }, value) => {
      settings.dialogue.errorLevel = value as 0 | 1 | 2;
    },
  ),
  '+GMI': manufacturer,
  '+GMM': model,
  '+GMR': revision,
  '+GSN': identity(({ equipment }) => [equipment.imei]),
  '+CGMI': manufacturer,
  '+CGMM': model,
  '+CGMR': revision,
  '+CGSN': serialNumber,
  '+GCAP': identity(() => ['+GCAP: +CGSM']),
  '+CSCS': keptSetting('+CSCS', ['IRA', 'GSM', 'UCS2', 'HEX'], true),
  '+CCLK': {
    test: () => DONE,
    read: ({ clock }) => [`+CCLK: "${clockText(clock.wall())}"`],
  },
  '+CMER': keptNumbers(
    '+CMER',
    [
      [0, 3],
      [0, 0],
      [0, 0],
      [0, 1],
      [0, 0],
    ],
    [0, 0, 0, 0, 0],
  ),
  /** No calls are carried: there are none to list or to hang up. */
  '+CLCC': { test: () => DONE, action: () => DONE },
  '+CHUP': { test: () => DONE, action: () => DONE },
  '+FCLASS': { test: () => ['0'], read: () => ['0'], set: (_, [n]) => (n?.text === '0' ? DONE : 'ERROR') },
  '+CRC': keptSetting('+CRC', ['0', '1'], false),
  '+ICF': keptNumbers(
    '+ICF',
    [
      [3, 3],
      [0, 3],
    ],
    [3, 3],
  ),
  '+IFC': keptNumbers(
    '+IFC',
    [
      [0, 2],
      [0, 2],
    ],
    [0, 0],
  ),
  '+IPR': {
    test: () => [`+IPR: (0),(${LINE_RATES.join(',')})`],
    read: ({ lineRate }) => [`+IPR: ${lineRate.now}`],
    set: ({ lineRate }, [parameter]) => {
      const baudRate = numberOf(parameter, [0, 4_000_000], 0);
      if (baudRate === undefined || (baudRate !== 0 && !LINE_RATES.includes(baudRate))) return 'ERROR';
      lineRate.set(baudRate);
      return DONE;
    },
  },
};
