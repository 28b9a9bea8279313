// The card as lines of JSON: one request a line, one answer a line, in order. docs/virtual-card.md describes it for other programs.
import { fromHex, toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { CardSlot } from '../codec/card.ts';
import { createLpacDriver } from './lpac-driver.ts';

type Json = Readonly<Record<string, unknown>>;

/** Longest line that is read, in octets: an extended APDU in hex and room around it. */
export const MAX_LINE = 262_144;

/** What a request may ask, exactly one of them. */
const ACTIONS = ['apdu', 'reset', 'powerOff', 'atr'] as const;
type Action = (typeof ACTIONS)[number];

/** Answers lines for one client. `answer` never rejects but where the card's store fails. */
export type JsonSession = { answer(line: string): Promise<string> };

/** A client's session; the card is reset before the first line. */
export function createJsonSession(card: CardSlot): JsonSession {
  const lpac = createLpacDriver(card);
  let atr: Uint8Array | undefined;
  const carryOut = async (action: Action, value: unknown): Promise<Json> => {
    switch (action) {
      case 'apdu': {
        if (typeof value !== 'string') throw refused('apdu: expected a text of hex digits');
        const command = fromHex(value);
        if (command.length < 4)
          throw new AgentError('APDU_INVALID', { octets: command.length, why: 'shorter than a header' });
        const response = await card.transmit(command);
        return { data: toHex(response.subarray(0, -2)), sw: toHex(response.subarray(-2)) };
      }
      case 'reset':
        atr = await card.reset();
        return { atr: toHex(atr) };
      case 'powerOff':
        atr = undefined;
        await card.powerOff();
        return { ok: true };
      case 'atr':
        if (atr === undefined) throw new AgentError('CARD_LOST', { why: 'the card is not powered' });
        return { atr: toHex(atr) };
    }
  };
  const respond = async (request: Json): Promise<Json> => {
    const actions = ACTIONS.filter((action) => request[action] !== undefined && request[action] !== false);
    const [action, ...others] = actions;
    if (action === undefined || others.length > 0) {
      throw refused(`expected exactly one of ${ACTIONS.join(', ')}`);
    }
    if (action !== 'apdu' && request[action] !== true) throw refused(`${action}: expected true`);
    return carryOut(action, request[action]);
  };
  let powered = false;
  return {
    async answer(line) {
      let id: unknown;
      try {
        if (!powered) {
          atr = await card.reset();
          powered = true;
        }
        const request = parseRequest(line);
        id = request['id'];
        if (id !== undefined && typeof id !== 'string' && typeof id !== 'number' && id !== null) {
          id = undefined;
          throw refused('id: expected a number or a text');
        }
        if (request['type'] === 'apdu') return JSON.stringify(await lpac.answer(request['payload']));
        return JSON.stringify({ ...(id === undefined ? {} : { id }), ...(await respond(request)) });
      } catch (error) {
        if (!isAgentError(error)) throw error;
        const { code, message } = error;
        return JSON.stringify({ ...(id === undefined ? {} : { id }), error: { code, message } });
      }
    },
  };
}

/** The answer to a line that is longer than `MAX_LINE`. */
export function tooLong(): string {
  const { code, message } = refused(`a line of more than ${MAX_LINE} octets`);
  return JSON.stringify({ error: { code, message } });
}

function parseRequest(line: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw refused('the line is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refused('expected an object');
  return value as Json;
}

function refused(why: string): AgentError {
  return new AgentError('MESSAGE_INVALID', { why });
}
