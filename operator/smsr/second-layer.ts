// The second layer by SCP03 (seed 66): command scripts made offline from the sequence counter in the EIS, and their answers opened.
import { concat, equalBytes, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import {
  type CommandApdu,
  decodeCommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  encodeResponseApdu,
  isSuccess,
  type ResponseApdu,
  SW,
  swText,
} from '../../codec/apdu.ts';
import { AID_ISD_R, encodeAid } from '../../codec/ids.ts';
import { bppSegments } from '../../codec/rsp/bpp.ts';
import { decodeCommandScript, encodeCommandScript, type ScriptResponse } from '../../codec/script.ts';
import { storeDataCommands } from '../../codec/store-data.ts';
import {
  deriveScp03Session,
  pseudoRandomCardChallenge,
  type Scp03Keys,
  type Scp03Level,
  scp03MaxData,
} from '../../crypto/scp03.ts';
import { createScp03Host, parseInitializeUpdate } from '../../crypto/scp03-host.ts';

/**
 * Level of a load: commands authenticated and ciphered. Protected responses would cost a GET RESPONSE for every block, and the
 * result of a load is signed by the eUICC itself.
 */
export const LOAD_LEVEL: Scp03Level = 0x03;
/** Level of profile commands: their short results are protected too. */
export const COMMAND_LEVEL: Scp03Level = 0x33;

const AID = encodeAid(AID_ISD_R);

/** The SCP03 session that a script opens: with the keys, all that is needed to make it again. */
export type ScriptSession = {
  readonly kvn: number;
  readonly level: Scp03Level;
  readonly sequenceCounter: number;
  /** 8 octets. */
  readonly hostChallenge: Uint8Array;
};

/**
 * STORE DATA commands that load a bound profile package, in blocks that are at most `maxCommandData` octets when the second
 * layer is around them.
 */
export function loadCommands(boundProfilePackage: Uint8Array, maxCommandData: number): CommandApdu[] {
  const block = scp03MaxData(LOAD_LEVEL, 8, maxCommandData);
  return bppSegments(boundProfilePackage).flatMap((segment) => storeDataCommands(segment, block));
}

/** STORE DATA commands for one ES10 request, cut as those of a load. */
export function storeCommands(request: Uint8Array, maxCommandData: number): CommandApdu[] {
  return storeDataCommands(request, scp03MaxData(LOAD_LEVEL, 8, maxCommandData));
}

/** STORE DATA commands for one ES10 request. */
export function requestCommands(request: Uint8Array): CommandApdu[] {
  return storeDataCommands(request, scp03MaxData(COMMAND_LEVEL));
}

/** A Command Scripting template: INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, and the commands wrapped. */
export function protectScript(
  keys: Scp03Keys,
  session: ScriptSession,
  commands: readonly CommandApdu[],
): Uint8Array {
  const host = hostOf(keys, session);
  const opening = [host.initializeUpdate, host.externalAuthenticate()];
  const wrapped = commands.map((command) => host.wrap(command));
  return encodeCommandScript([...opening, ...wrapped].map(encodeCommandApdu));
}

function hostOf(keys: Scp03Keys, session: ScriptSession) {
  const host = createScp03Host({
    keys,
    keyVersion: session.kvn,
    level: session.level,
    hostChallenge: session.hostChallenge,
  });
  host.assume(session.sequenceCounter, AID);
  return host;
}

/** The secrets of a session, for a laboratory that searches for them. */
export function sessionSecrets(
  keys: Scp03Keys,
  session: ScriptSession,
): readonly (readonly [string, Uint8Array])[] {
  const { sequenceCounter, hostChallenge } = session;
  const cardChallenge = pseudoRandomCardChallenge(keys.enc, sequenceCounter, AID);
  const derived = deriveScp03Session({ ...keys, hostChallenge, cardChallenge });
  const name = `SCP03 session ${toHex(hostChallenge)}`;
  return [
    [`${name} S-ENC`, derived.sEnc.reveal()],
    [`${name} S-MAC`, derived.sMac.reveal()],
    [`${name} S-RMAC`, derived.sRmac.reveal()],
  ];
}

/** What INITIALIZE UPDATE was answered, as far as the card proves it. */
export type CounterEvidence =
  /** `sequenceCounter` is the one of the session that was opened. */
  | { readonly proved: true; readonly sequenceCounter: number }
  | { readonly proved: false; readonly why: string };

/**
 * Reads the card's sequence counter out of its answer to our host challenge. The challenge is made from the counter under the
 * card's key and the cryptogram covers both challenges, so a counter that fits them is the card's own.
 */
export function provedCounter(
  keys: Scp03Keys,
  hostChallenge: Uint8Array,
  response: ResponseApdu,
): CounterEvidence {
  if (normal(response.sw) !== SW.ok)
    return { proved: false, why: `INITIALIZE UPDATE answered ${swText(response.sw)}` };
  try {
    const { sequenceCounter, cardChallenge, cardCryptogram } = parseInitializeUpdate(response.data);
    if (sequenceCounter === undefined) return { proved: false, why: 'the card does not tell its counter' };
    const expected = pseudoRandomCardChallenge(keys.enc, sequenceCounter, AID);
    const session = deriveScp03Session({ ...keys, hostChallenge, cardChallenge });
    if (!equalBytes(expected, cardChallenge) || !equalBytes(session.cardCryptogram, cardCryptogram)) {
      return { proved: false, why: 'the card cryptogram is wrong' };
    }
    return { proved: true, sequenceCounter };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return { proved: false, why: error.message };
  }
}

export type OpenedScript = {
  readonly ok: boolean;
  readonly responses: readonly Uint8Array[];
  readonly lastSw: number;
  readonly reason?: string;
};

/**
 * Takes the responses of a script out of the second layer. `commands` are the unprotected ones, needed where the level protects
 * responses; `count` is how many there were. Never throws on what a card or a device answered.
 */
export function openResponses(
  keys: Scp03Keys,
  session: ScriptSession,
  script: { readonly commands: Uint8Array | null; readonly count: number },
  answer: ScriptResponse,
): OpenedScript {
  const host = hostOf(keys, session);
  host.externalAuthenticate();
  for (const apdu of script.commands === null ? [] : decodeCommandScript(script.commands)) {
    host.wrap(decodeCommandApdu(apdu));
  }
  const opened: Uint8Array[] = [];
  let lastSw = 0;
  for (const [index, raw] of answer.responses.entries()) {
    const response = decodeResponseApdu(raw);
    lastSw = response.sw;
    const plain = index < OPENING || script.commands === null ? response : unwrapped(host, response);
    if (typeof plain === 'string') return { ok: false, responses: opened, lastSw, reason: plain };
    opened.push(encodeResponseApdu({ data: plain.data, sw: response.sw }));
    if (!isSuccess(response.sw)) {
      const reason = `command ${index + 1} answered ${swText(response.sw)}`;
      return { ok: false, responses: opened, lastSw, reason };
    }
  }
  if (answer.badFormat !== undefined) {
    return { ok: false, responses: opened, lastSw, reason: 'the script could not be read' };
  }
  const missing = OPENING + script.count - opened.length;
  if (missing > 0)
    return { ok: false, responses: opened, lastSw, reason: `${missing} commands were not executed` };
  return { ok: true, responses: opened, lastSw };
}

/** INITIALIZE UPDATE and EXTERNAL AUTHENTICATE, whose answers are not protected. */
export const OPENING = 2;

/** A proactive command that waits (91xx) takes the place of 9000, under which the response was protected. */
function normal(sw: number): number {
  return sw >> 8 === 0x91 ? SW.ok : sw;
}

function unwrapped(host: ReturnType<typeof hostOf>, response: ResponseApdu): ResponseApdu | string {
  try {
    return host.unwrap({ data: response.data, sw: normal(response.sw) });
  } catch (error) {
    if (isAgentError(error, 'SCP03_SECURITY')) return error.message;
    throw error;
  }
}

/** The data of the last response that has any. */
export function lastData(responses: readonly Uint8Array[]): Uint8Array {
  const data = responses.map((raw) => decodeResponseApdu(raw).data);
  return data.findLast((each) => each.length > 0) ?? concat();
}
