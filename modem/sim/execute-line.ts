// Executes a command line on the table of a simulated modem, through the quirks that concern commands as a whole.
import { CME } from '../cme-errors.ts';
import { CARD_COMMANDS, VENDOR_CARD_COMMANDS } from './commands-card.ts';
import { DIALOGUE_COMMANDS } from './commands-dialogue.ts';
import { MESSAGE_COMMANDS } from './commands-messages.ts';
import { networkCommands, vendorNetworkCommands } from './commands-network.ts';
import { SECURITY_COMMANDS } from './commands-security.ts';
import {
  DONE,
  LAST,
  type CommandContext,
  type CommandRow,
  type CommandTable,
  type Failure,
  type Reply,
} from './commands.ts';
import { parseCommandLine, parseParameters, type ParsedCommand } from './command-line.ts';
import type { LineResult } from './dce.ts';
import type { SimQuirks } from './quirks.ts';
import type { Air } from './radio.ts';

const CARD_NAMES: ReadonlySet<string> = new Set([
  ...Object.keys(CARD_COMMANDS).filter((name) => name !== '+CFUN'),
  ...Object.keys(VENDOR_CARD_COMMANDS),
]);
/** Commands whose test form and whose answers' spelling differ among modems. */
const APDU_NAMES: ReadonlySet<string> = new Set(['+CSIM', '+CCHO', '+CCHC', '+CGLA', '+CRSM']);
const TEST_LINES: Readonly<Record<string, string>> = {
  '+CGLA': '+CGLA: <sessionid>,<lengh>,<cmd>',
  '+CCHC': '+CCHC',
  '+CCHO': '+CCHO: <dfname>',
};

/** No modem has room for more in one answer; a line that asks for it ends there. */
const MAX_ANSWER_OCTETS = 262_144;

const simSleep: CommandRow = {
  set: ({ quirkState }, [mode]) => {
    quirkState.cardAwake = mode?.text === '0';
    return DONE;
  },
};

/** The commands of a modem with these quirks. */
export function commandTable(quirks: SimQuirks, radio: Air): CommandTable {
  const vendor = Object.entries({ ...VENDOR_CARD_COMMANDS, ...vendorNetworkCommands(radio) }).filter(
    ([name]) => quirks.vendorCommands.includes(name),
  );
  const all = Object.entries({
    ...DIALOGUE_COMMANDS,
    ...CARD_COMMANDS,
    ...SECURITY_COMMANDS,
    ...MESSAGE_COMMANDS,
    ...networkCommands(radio),
    ...Object.fromEntries(vendor),
    ...(quirks.simSleep ? { '+ECSIMSLEEP': simSleep } : {}),
  });
  const table = Object.fromEntries(all.filter(([name]) => !quirks.missing.includes(name)));
  // Names with the prefix AT, its own among them (3GPP TS 27.007, 8.37).
  const names = [...Object.keys(table), '+CLAC'].map((name) => `AT${name}`);
  return { ...table, '+CLAC': { test: () => DONE, action: () => names } };
}

/** Runs the commands of a line in order until one does not end in OK (V.250, 5.3). */
export async function executeLine(
  body: string,
  table: CommandTable,
  context: CommandContext,
): Promise<LineResult> {
  const info: string[] = [];
  let octets = 0;
  const { slotCommand } = context.quirks;
  if (slotCommand !== '' && `AT${body}`.toUpperCase() === slotCommand.toUpperCase()) {
    context.quirkState.slotSelected = true;
    return { info, final: 'OK' };
  }
  const commands = parseCommandLine(body);
  if (commands === undefined) return { info, final: 'ERROR' };
  for (const command of commands) {
    const answer = guard(command, context) ?? (await executeCommand(command, table[command.name], context));
    const reply = await entered(answer, context);
    if (context.quirks.cardStopsData) {
      context.equipment.service.block(context.sessions.size + context.quirkState.csimChannels.size > 0);
    }
    if (reply === LAST) return { info, final: 'OK' };
    if (!isInfo(reply)) return { info, final: reply };
    info.push(...reply.map((line) => spelled(command.name, line, context.quirks)));
    octets += reply.reduce((sum, line) => sum + line.length, 0);
    if (octets > MAX_ANSWER_OCTETS) return { info, final: 'ERROR' };
  }
  return { info, final: 'OK' };
}

/** Asks the terminal for the text that a command wants; given up, the command has done nothing. */
async function entered(reply: Reply, context: CommandContext): Promise<Exclude<Reply, { ask: unknown }>> {
  let result = reply;
  while (typeof result === 'object' && 'ask' in result) {
    const text = await context.ask();
    result = text === undefined ? DONE : result.ask(text);
  }
  return result;
}

function isInfo(reply: Reply): reply is readonly string[] {
  return Array.isArray(reply);
}

/** What the modem says before it looks at the command. */
function guard({ name, form }: ParsedCommand, { quirks, quirkState }: CommandContext): Reply | undefined {
  if (!CARD_NAMES.has(name)) return undefined;
  if (quirks.simPort === 'hangs') return 'SILENT';
  if (form === 'test' && APDU_NAMES.has(name)) {
    if (quirks.testForm === 'error') return 'ERROR';
    if (quirks.testForm === 'silent') return 'SILENT';
    if (quirks.testForm === 'info') return [TEST_LINES[name] ?? name];
    return undefined;
  }
  if (quirks.slotCommand !== '' && !quirkState.slotSelected) return { cme: CME.simNotInserted };
  if (quirks.simSleep && !quirkState.cardAwake && APDU_NAMES.has(name)) return { cme: CME.notAllowed };
  return undefined;
}

function spelled(name: string, line: string, { answerForm }: SimQuirks): string {
  if (!APDU_NAMES.has(name) || answerForm === 'spaced') return line;
  const tight = line.replace(': ', ':');
  if (answerForm === 'tight') return tight;
  if (answerForm === 'unquoted') return line.replaceAll('"', '');
  return tight.replace('"', '');
}

function executeCommand(
  command: ParsedCommand,
  row: CommandRow | undefined,
  context: CommandContext,
): Reply | Promise<Reply> {
  const unknown: Failure = 'ERROR';
  if (row === undefined) return unknown;
  switch (command.form) {
    case 'test':
      return row.test?.(context) ?? unknown;
    case 'read':
      return row.read?.(context) ?? unknown;
    case 'action':
      return row.action?.(context, command.value) ?? unknown;
    case 'set': {
      const parameters = parseParameters(command.value);
      return parameters === undefined ? unknown : (row.set?.(context, parameters) ?? unknown);
    }
  }
}
