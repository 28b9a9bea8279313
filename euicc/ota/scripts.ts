// Runs the secured data of a packet: a compact command string or an expanded script, to the response data (ETSI TS 102 226, 5).
import { EMPTY, concat } from '../../base/bytes.ts';
import {
  encodeCompactResponse,
  isExpanded,
  readRemoteScript,
  type ScriptObject,
  splitCompactCommands,
} from '../../codec/remote-commands.ts';
import { encodeResponseScript, type ScriptResponse } from '../../codec/script.ts';
import { encodeResponseApdu } from '../../codec/apdu.ts';
import type { Action } from '../os/cat.ts';
import { actionOf, IMMEDIATE, isDone, ON_ERROR, readAction } from './actions.ts';
import type { Pause } from './paused-run.ts';
import { goesOn, type RemoteSession, SW_TRUNCATED } from './remote-session.ts';

/** The session for a script: a new one, or that of the script before it where both say that they are chained. */
export type Sessions = {
  begin(): RemoteSession;
  /** The session that a chained script left for this one; it is not there again. */
  resume(): RemoteSession | undefined;
  /** The script that comes is not chained to one before it. */
  end(): void;
  keep(session: RemoteSession): void;
};

/** The terminal, as far as a script may use it. */
export type Toolkit = {
  /** Nothing waits for the terminal, and nothing is with it. */
  readonly isFree: boolean;
  canPerform(type: number): boolean;
  /** Whether a script that pauses can be answered all the same. */
  readonly canAnswerLater: boolean;
  /** Settles with whether the terminal has carried it out. */
  readonly pause: Pause;
  /** Wants it carried out some time. */
  perform(action: Action): void;
};

/** Octets of a response beside its data: template, number, status word and their headers. */
const COMPACT_OCTETS = 3;
const SCRIPT_OCTETS = 16;
const RESPONSE_OBJECT_OCTETS = 6;

/** Executes what is there and answers at most `room` octets. Throws only what the store throws when its medium is gone. */
export function runRemoteCommands(
  data: Uint8Array,
  sessions: Sessions,
  toolkit: Toolkit,
  room: number,
): Promise<Uint8Array> {
  return isExpanded(data) ? runScript(data, sessions, toolkit, room) : runCompact(data, sessions, room);
}

async function runCompact(data: Uint8Array, sessions: Sessions, room: number): Promise<Uint8Array> {
  sessions.end();
  const session = sessions.begin();
  let last = { executed: 0, sw: 0x9000, data: EMPTY };
  for (const [index, apdu] of splitCompactCommands(data).entries()) {
    const response = await session.execute(apdu, room - COMPACT_OCTETS);
    last = { executed: index + 1, sw: response.sw, data: response.data };
    if (!goesOn(response.sw)) break;
  }
  return encodeCompactResponse(last);
}

/** How scripts are chained (5.2.1.4). */
const CHAIN = { first: 0x01, more: 0x02, last: 0x03, firstAcrossResets: 0x11 } as const;
/** What refuses a chain: there is no script before this one; not possible (this card forgets its sessions with a reset). */
const CHAIN_REFUSED = { noPrevious: 1, unable: 3 } as const;
/** The execution cannot be suspended, or what the script asked for in between was not done. */
const NOT_SUSPENDED = 1;

type Chaining =
  | { readonly ok: true; readonly session: RemoteSession; readonly keep: boolean }
  | { readonly ok: false; readonly chaining: number };

function chain(object: ScriptObject | undefined, sessions: Sessions): Chaining {
  const previous = sessions.resume();
  if (object?.is !== 'chaining') return { ok: true, session: sessions.begin(), keep: false };
  const [how] = object.value;
  if (object.value.length !== 1) return { ok: false, chaining: CHAIN_REFUSED.unable };
  if (how === CHAIN.first) return { ok: true, session: sessions.begin(), keep: true };
  if (how !== CHAIN.more && how !== CHAIN.last) return { ok: false, chaining: CHAIN_REFUSED.unable };
  if (previous === undefined) return { ok: false, chaining: CHAIN_REFUSED.noPrevious };
  return { ok: true, session: previous, keep: how === CHAIN.more };
}

async function runScript(
  data: Uint8Array,
  sessions: Sessions,
  toolkit: Toolkit,
  room: number,
): Promise<Uint8Array> {
  const { form, objects, badFormat } = readRemoteScript(data);
  const chained = chain(objects[0], sessions);
  if (!chained.ok) {
    return encodeResponseScript({ executed: 1, responses: [], chaining: chained.chaining }, form);
  }
  const { session, keep } = chained;
  let left = room - SCRIPT_OCTETS;
  let executed = 0;
  const responses: Uint8Array[] = [];
  let early: Uint8Array | undefined;
  const answer = (more: Partial<ScriptResponse> = {}): Uint8Array =>
    early ?? encodeResponseScript({ executed, responses, ...more }, form);
  let onError: Action | undefined;
  for (const object of objects) {
    executed++;
    if (object.is === 'immediateAction') {
      const immediate = readAction(object.value, IMMEDIATE);
      if (immediate === 'early response') early ??= answer();
      else if (!(await isDone(immediate, toolkit))) return answer({ immediateAction: NOT_SUSPENDED });
    }
    if (object.is === 'chaining' && executed > 1) return answer({ chaining: CHAIN_REFUSED.unable });
    if (object.is === 'errorAction') onError = actionOf(readAction(object.value, ON_ERROR));
    if (object.is !== 'command') continue;
    left -= RESPONSE_OBJECT_OCTETS;
    if (left < 0) {
      responses.push(encodeResponseApdu({ data: concat(), sw: SW_TRUNCATED }));
      executed--;
      return answer();
    }
    const response = await session.execute(object.apdu, left);
    left -= response.data.length;
    responses.push(encodeResponseApdu(response));
    if (!goesOn(response.sw)) {
      if (onError !== undefined && toolkit.canPerform(onError.type)) toolkit.perform(onError);
      return answer();
    }
  }
  if (badFormat !== undefined) return answer({ badFormat });
  if (keep) sessions.keep(session);
  return answer();
}
