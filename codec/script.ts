// Command and Response Scripting templates: the expanded remote command format (ETSI TS 102 226, 5.2.1).
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
  badFormat: 0x90,
} as const;

const COMMAND_APDU = octets({ min: 4, max: 65544 });
const RESPONSE_APDU = octets({ min: 2, max: 65538 });

/** How a script went: how many command objects were executed, and the response to each, data and status word together. */
export type ScriptResponse = {
  readonly executed: number;
  readonly responses: readonly Uint8Array[];
  /** Set when the card could not read the script: 1 unknown tag, 2 wrong length, 3 length not found. */
  readonly badFormat?: number;
};

/** A Command Scripting template with one C-APDU object for each command. */
export function encodeCommandScript(commandApdus: readonly Uint8Array[]): Uint8Array {
  return encodeTlv(
    SCRIPT_TAG.command,
    ...commandApdus.map((apdu) => encodeTlv(SCRIPT_TAG.commandApdu, COMMAND_APDU.encode(apdu))),
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

export function encodeResponseScript(response: ScriptResponse): Uint8Array {
  return encodeTlv(
    SCRIPT_TAG.response,
    encodeTlv(SCRIPT_TAG.numberExecuted, unsigned.encode(response.executed)),
    ...response.responses.map((apdu) => encodeTlv(SCRIPT_TAG.responseApdu, RESPONSE_APDU.encode(apdu))),
    ...(response.badFormat === undefined
      ? []
      : [encodeTlv(SCRIPT_TAG.badFormat, Uint8Array.of(response.badFormat))]),
  );
}

/** Reads the definite (AB) and the indefinite (AF) form; unknown objects are skipped. */
export function decodeResponseScript(script: Uint8Array): ScriptResponse {
  const responses: Uint8Array[] = [];
  let executed: number | undefined;
  let badFormat: number | undefined;
  for (const tlv of members(script, SCRIPT_TAG.response, SCRIPT_TAG.responseIndefinite)) {
    if (tlv.tag === SCRIPT_TAG.numberExecuted) executed = unsigned.decode(tlv.value);
    else if (tlv.tag === SCRIPT_TAG.responseApdu) responses.push(RESPONSE_APDU.decode(tlv.value));
    else if (tlv.tag === SCRIPT_TAG.badFormat) badFormat = tlv.value[0] ?? 0;
  }
  if (executed === undefined) {
    throw new AgentError('TLV_MISSING', { field: 'executed', tag: tagText(SCRIPT_TAG.numberExecuted) });
  }
  return { executed, responses, ...(badFormat === undefined ? {} : { badFormat }) };
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
