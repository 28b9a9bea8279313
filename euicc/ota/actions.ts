// What a script may ask of the terminal: at once, before the commands behind it, or where one of them fails (ETSI TS 102 226, 5.2.1.2 and
// 5.2.1.3).
import { isAgentError } from '../../base/errors.ts';
import { readComprehensionTlvs } from '../../codec/comprehension-tlv.ts';
import type { Action } from '../os/cat.ts';
import type { Toolkit } from './scripts.ts';

const REFRESH = 0x01;
const PLAY_TONE = 0x20;
const DISPLAY_TEXT = 0x21;
/** Types of the proactive commands that may be asked for. */
export const IMMEDIATE: readonly number[] = [REFRESH, PLAY_TONE, DISPLAY_TEXT];
export const ON_ERROR: readonly number[] = [PLAY_TONE, DISPLAY_TEXT];

const TAG_COMMAND_DETAILS = 0x01;
const DETAILS_OCTETS = 3;
/** Values of one octet that are no objects; the others name a record of EF RMA, which this card has not. */
const PROACTIVE_SESSION = 0x81;
const EARLY_RESPONSE = 0x82;

type ScriptAction = Action | 'proactive session' | 'early response' | undefined;

/** What is asked for; undefined for what this card does not do. */
export function readAction(value: Uint8Array, allowed: readonly number[]): ScriptAction {
  if (value.length === 1) {
    if (value[0] === PROACTIVE_SESSION) return 'proactive session';
    return value[0] === EARLY_RESPONSE ? 'early response' : undefined;
  }
  try {
    const [details, ...others] = readComprehensionTlvs(value);
    const [, type, qualifier] = details?.value ?? [];
    const isCommand = details?.tag === TAG_COMMAND_DETAILS && details.value.length === DETAILS_OCTETS;
    if (!isCommand || type === undefined || qualifier === undefined || others.length === 0) return undefined;
    if (!allowed.includes(type)) return undefined;
    return { type, qualifier, objects: value.slice(2 + DETAILS_OCTETS) };
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

export function actionOf(action: ScriptAction): Action | undefined {
  return typeof action === 'object' ? action : undefined;
}

/** Whether the script may go on: the toolkit is its own, or the terminal has carried out what it asked for. */
export async function isDone(action: ScriptAction, toolkit: Toolkit): Promise<boolean> {
  if (action === undefined || action === 'early response' || !toolkit.isFree) return false;
  if (action === 'proactive session') return true;
  return toolkit.canPerform(action.type) && toolkit.canAnswerLater && toolkit.pause(action);
}
