// TERMINAL CAPABILITY, TERMINAL PROFILE, FETCH, TERMINAL RESPONSE, ENVELOPE (ETSI TS 102 221, 11.1.19 and 11.2).
import { EMPTY } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { readTlvs } from '../../codec/ber-tlv.ts';
import { readComprehensionTlvs } from '../../codec/comprehension-tlv.ts';
import { type Card, type Instruction, presentEnabled, PROPRIETARY } from './card.ts';
import { ok, refuse, type Reply } from './reply.ts';

const TAG_TERMINAL_CAPABILITY = 0xa9;

function readAll<T>(read: (data: Uint8Array) => readonly T[], data: Uint8Array): readonly T[] {
  try {
    return read(data);
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}

/** The header that all of them have, with data. */
function requireData({ p1, p2, data }: CommandApdu): void {
  if (p1 !== 0 || p2 !== 0) refuse(SW.incorrectP1P2);
  if (data.length === 0) refuse(SW.wrongLength);
}

function terminalCapability(_card: Card, _channel: unknown, command: CommandApdu): Reply {
  requireData(command);
  const [template, ...more] = readAll(readTlvs, command.data);
  if (template?.tag !== TAG_TERMINAL_CAPABILITY || more.length > 0) refuse(SW.wrongData);
  readAll(readTlvs, template.value);
  return ok();
}

function terminalProfile(card: Card, _channel: unknown, command: CommandApdu): Reply {
  requireData(command);
  card.cat.downloadProfile(command.data);
  return ok();
}

function fetch(card: Card, _channel: unknown, { p1, p2, data }: CommandApdu): Reply {
  if (p1 !== 0 || p2 !== 0) refuse(SW.incorrectP1P2);
  if (data.length > 0) refuse(SW.wrongLength);
  const { waiting } = card.cat;
  if (waiting === undefined) refuse(SW.conditionsOfUse);
  return ok(waiting, () => card.cat.fetched());
}

async function terminalResponse(card: Card, _channel: unknown, command: CommandApdu): Promise<Reply> {
  requireData(command);
  const objects = readAll(readComprehensionTlvs, command.data);
  if (!card.cat.busy || card.cat.waiting !== undefined) refuse(SW.conditionsOfUse);
  const answer = card.cat.respond(objects);
  if (answer === undefined) refuse(SW.wrongData);
  await answer.follow?.();
  // A reset shows the new profile by itself; the other mode does without one.
  const shows = answer.result === 'done' && answer.mode === 'profileStateChange';
  return shows ? ok(EMPTY, () => presentEnabled(card)) : ok();
}

/** One data object; who takes its tag answers it, and what nobody takes is acknowledged. */
function envelope(card: Card, _channel: unknown, command: CommandApdu): Reply | Promise<Reply> {
  requireData(command);
  const [object, ...more] = readAll(readTlvs, command.data);
  if (object === undefined || more.length > 0) refuse(SW.wrongData);
  readAll(readComprehensionTlvs, object.value);
  return card.envelopes.get(object.tag)?.(card, object) ?? ok();
}

export const CAT_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0xaa, classes: PROPRIETARY, always: true, run: terminalCapability },
  { ins: 0x10, classes: PROPRIETARY, always: true, basicOnly: true, run: terminalProfile },
  { ins: 0x12, classes: PROPRIETARY, always: true, basicOnly: true, run: fetch },
  { ins: 0x14, classes: PROPRIETARY, always: true, basicOnly: true, run: terminalResponse },
  { ins: 0xc2, classes: PROPRIETARY, always: true, basicOnly: true, run: envelope },
];
