// Locks and passwords (3GPP TS 27.007, 7.4, 7.5, 8.65): the card's PIN switched on and off, changed, and its tries told.
import { CME } from '../cme-errors.ts';
import type { Parameter } from './command-line.ts';
import { cardError } from './commands-card.ts';
import {
  DONE,
  numberOf,
  type CommandContext,
  type CommandRow,
  type CommandTable,
  type Reply,
} from './commands.ts';
import { changePin, isPinEnabled, pinTries, setPinEnabled, type PinState } from './usim.ts';

const SIM = 'SC';
const QUERY = 2;

function isPin(parameter: Parameter | undefined): parameter is Parameter {
  return parameter !== undefined && /^\d{4,8}$/.test(parameter.text);
}

/** What a try of the PIN led to. */
function outcome({ equipment }: CommandContext, state: PinState): Reply {
  if (state.is === 'open') return DONE;
  equipment.pinFailed(state);
  return { cme: state.is === 'puk' ? CME.simPukRequired : CME.incorrectPassword };
}

const clck: CommandRow = {
  test: () => [`+CLCK: ("${SIM}")`],
  set: async (context, [facility, mode, password]) => {
    const wanted = numberOf(mode, [0, QUERY]);
    if (facility === undefined || wanted === undefined) return { cme: CME.incorrectParameters };
    if (facility.text.toUpperCase() !== SIM) return { cme: CME.notSupported };
    const { equipment } = context;
    const error = cardError(equipment.simStatus, wanted !== QUERY);
    if (error !== undefined) return error;
    const enabled = equipment.sim?.usim && (await isPinEnabled(equipment.reader, equipment.sim.usim));
    if (enabled === undefined) return { cme: CME.simFailure };
    if (wanted === QUERY) return [`+CLCK: ${enabled ? 1 : 0}`];
    if (!isPin(password)) return { cme: CME.incorrectPassword };
    if (enabled === (wanted === 1)) return DONE;
    return outcome(context, await setPinEnabled(equipment.reader, wanted === 1, password.text));
  },
};

const cpwd: CommandRow = {
  test: () => [`+CPWD: ("${SIM}",8)`],
  set: async (context, [facility, before, after]) => {
    if (facility?.text.toUpperCase() !== SIM) return { cme: CME.notSupported };
    if (!isPin(before) || !isPin(after)) return { cme: CME.incorrectPassword };
    const error = cardError(context.equipment.simStatus, true);
    if (error !== undefined) return error;
    return outcome(context, await changePin(context.equipment.reader, before.text, after.text));
  },
};

/** Tries that are left; both codes where none is named. */
const cpinr: CommandRow = {
  test: () => ['+CPINR: ("SIM PIN","SIM PUK")'],
  action: (context) => remaining(context, ['SIM PIN', 'SIM PUK']),
  set: (context, [code]) => {
    if (code?.text !== 'SIM PIN' && code?.text !== 'SIM PUK') return { cme: CME.incorrectParameters };
    return remaining(context, [code.text]);
  },
};

async function remaining(
  { equipment }: CommandContext,
  codes: readonly ('SIM PIN' | 'SIM PUK')[],
): Promise<Reply> {
  const error = cardError(equipment.simStatus, false);
  if (error !== undefined) return error;
  const lines: string[] = [];
  for (const code of codes) {
    const tries = await pinTries(equipment.reader, code === 'SIM PIN' ? 'pin' : 'puk');
    if (tries !== undefined) lines.push(`+CPINR: ${code},${tries}`);
  }
  return lines;
}

export const SECURITY_COMMANDS: CommandTable = { '+CLCK': clck, '+CPWD': cpwd, '+CPINR': cpinr };
