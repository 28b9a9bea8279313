// Command and Response Scripting templates: the expanded remote command format (ETSI TS 102 226, 5.2.1).
import { concatAll } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { encodeTlv, readTlv, readTlvs, tagText, type Tlv } from './ber-tlv.ts';
import { octets, unsigned } from './tlv-table.ts';

/** The tags of the format; with definite lengths AA and AB, with an indefinite length AE and AF. */
export const SCRIPT_TAG = {
  command: 0xaa,
  commandIndefinite: 0xae,
  response: 0xab,
  responseIndefinite: 0xaf,
  commandApdu: 0x22,
  responseApdu: 0x23,
  numberExecuted: 0x80,
  immediateAction: 0x81,
  errorAction: 0x82,
  chaining: 0x83,
  badFormat: 0x90,
} as const;

/** Why a card could not read a script (table 5.12). */
export const BAD_FORMAT = { unknownTag: 1, wrongLength: 2, lengthNotFound: 3 } as const;

const COMMAND_APDU = octets({ min: 4, max: 65544 });
const RESPONSE_APDU = octets({ min: 2, max: 65538 });

/** How a script went: how many command objects were executed, and the response to each, data and status word together. */
export type ScriptResponse = {
  readonly executed: number;
  readonly responses: readonly Uint8Array[];
  /** Set when the card could not read the script, as in `BAD_FORMAT`. */
  readonly badFormat?: number;
  /** Set when an immediate action was not taken: 1, the execution could not be suspended. */
  readonly immediateAction?: number;
  /** Set when scripts are not chained: 1 there is no script before this one, 2 not supported, 3 not possible now. */
  readonly chaining?: number;
};

/** A Command Scripting template with one C-APDU object for each command. */
export function encodeCommandScript(commandApdus: readonly Uint8Array[]): Uint8Array {
  return encodeTlv(
    SCRIPT_TAG.command,
    concatAll(commandApdus.map((apdu) => encodeTlv(SCRIPT_TAG.commandApdu, COMMAND_APDU.encode(apdu)))),
  );
}

/**
 * The commands of a script, definite (AA) or indefinite (AE) form. Objects other than C-APDU (immediate action, error
 * action, chaining) are refused with `TLV_VALUE`: to leave them out would change what the script does.
 */
export function decodeCommandScript(script: Uint8Array): Uint8Array[] {
  return members(script, SCRIPT_TAG.command, SCRIPT_TAG.commandIndefinite).map((tlv) => {
    if (tlv.tag !== SCRIPT_TAG.commandApdu) {
      throw new AgentError('TLV_VALUE', { field: 'commandScript', found: tagText(tlv.tag) });
    }
    return COMMAND_APDU.decode(tlv.value);
  });
}

/** The definite form AB, or AF for a command in the indefinite form: that one does not say how many were executed. */
export function encodeResponseScript(
  response: ScriptResponse,
  form: 'definite' | 'indefinite' = 'definite',
): Uint8Array {
  const { badFormat, chaining, executed, immediateAction, responses } = response;
  const code = (tag: number, value: number | undefined): readonly Uint8Array[] =>
    value === undefined ? [] : [encodeTlv(tag, Uint8Array.of(value))];
  const objects = [
    ...responses.map((apdu) => encodeTlv(SCRIPT_TAG.responseApdu, RESPONSE_APDU.encode(apdu))),
    ...code(SCRIPT_TAG.immediateAction, immediateAction),
    ...code(SCRIPT_TAG.chaining, chaining),
    ...code(SCRIPT_TAG.badFormat, badFormat),
  ];
  if (form === 'indefinite') {
    return concatAll([INDEFINITE_HEAD, ...objects, END_OF_CONTENTS]);
  }
  return encodeTlv(
    SCRIPT_TAG.response,
    encodeTlv(SCRIPT_TAG.numberExecuted, unsigned.encode(executed)),
    concatAll(objects),
  );
}

const INDEFINITE_HEAD = Uint8Array.of(SCRIPT_TAG.responseIndefinite, 0x80);
const END_OF_CONTENTS = Uint8Array.of(0, 0);

/** Reads the definite (AB) and the indefinite (AF) form; unknown objects are skipped. */
export function decodeResponseScript(script: Uint8Array): ScriptResponse {
  const responses: Uint8Array[] = [];
  let executed: number | undefined;
  let badFormat: number | undefined;
  let immediateAction: number | undefined;
  let chaining: number | undefined;
  for (const tlv of members(script, SCRIPT_TAG.response, SCRIPT_TAG.responseIndefinite)) {
    if (tlv.tag === SCRIPT_TAG.numberExecuted) executed = unsigned.decode(tlv.value);
    else if (tlv.tag === SCRIPT_TAG.responseApdu) responses.push(RESPONSE_APDU.decode(tlv.value));
    else if (tlv.tag === SCRIPT_TAG.badFormat) badFormat = tlv.value[0] ?? 0;
    else if (tlv.tag === SCRIPT_TAG.immediateAction) immediateAction = tlv.value[0] ?? 0;
    else if (tlv.tag === SCRIPT_TAG.chaining) chaining = tlv.value[0] ?? 0;
  }
  if (script[0] === SCRIPT_TAG.responseIndefinite) executed ??= responses.length;
  if (executed === undefined) {
    throw new AgentError('TLV_MISSING', { field: 'executed', tag: tagText(SCRIPT_TAG.numberExecuted) });
  }
  return {
    executed,
    responses,
    ...(badFormat === undefined ? {} : { badFormat }),
    ...(immediateAction === undefined ? {} : { immediateAction }),
    ...(chaining === undefined ? {} : { chaining }),
  };
}

function members(script: Uint8Array, definite: number, indefinite: number): Tlv[] {
  if (script[0] === indefinite && script[1] === 0x80) {
    const found: Tlv[] = [];
    for (let at = 2; ; ) {
      if (script[at] === 0 && script[at + 1] === 0) {
        if (at + 2 !== script.length)
          throw new AgentError('TLV_INVALID', { offset: at + 2, why: 'octets follow' });
        return found;
      }
      const tlv = readTlv(script, at);
      found.push(tlv);
      at += tlv.raw.length;
    }
  }
  const tlv = readTlv(script);
  if (tlv.raw.length !== script.length) {
    throw new AgentError('TLV_INVALID', { offset: tlv.raw.length, why: 'octets follow the template' });
  }
  if (tlv.tag !== definite && tlv.tag !== indefinite) {
    throw new AgentError('TLV_MISSING', { tag: tagText(definite), found: tagText(tlv.tag) });
  }
  return readTlvs(tlv.value);
}
