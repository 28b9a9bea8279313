// One command to a card and its whole response (ISO/IEC 7816-3 12.1, ETSI TS 102 221 7.3.1): 61xx, 6Cxx and warnings.
import { concat } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { decodeCommandApdu, encodeCommandApdu, isSuccess, type ResponseApdu, swText } from '../codec/apdu.ts';

export type ExchangeRules = {
  /** Whether a command with data keeps its Le. Modems that speak T=0 to the card take none. */
  readonly keepLe: boolean;
};

/** Sends one APDU as it is, in the class of channel 0, and answers what the modem gives back. */
export type SendApdu = (apdu: Uint8Array) => Promise<ResponseApdu>;

const GET_RESPONSE = { cla: 0x00, ins: 0xc0, p1: 0, p2: 0 };
/** Modems exist that answer 6100 for ever: rounds without data before the exchange is given up. */
const MAX_SILENT_ROUNDS = 3;
const MAX_RESPONSE_OCTETS = 65_536;

/**
 * Sends `command` and fetches what 61xx promises. 6Cxx repeats a command without data with the length the card names: the
 * card has not executed it then. 91xx and all other status words are the caller's. Throws `CARD_LOST` when the fetching
 * does not end.
 */
export async function exchangeApdu(
  command: Uint8Array,
  send: SendApdu,
  rules: ExchangeRules,
): Promise<ResponseApdu> {
  const parsed = decodeCommandApdu(command);
  const case4 = parsed.data.length > 0 && parsed.le !== undefined;
  const plain = { cla: parsed.cla, ins: parsed.ins, p1: parsed.p1, p2: parsed.p2, data: parsed.data };
  const short = parsed.data.length <= 255 && (parsed.le ?? 0) <= 256;
  let response = await send(case4 && short && !rules.keepLe ? encodeCommandApdu(plain) : command);
  if (response.sw >> 8 === 0x6c && parsed.data.length === 0) {
    response = await send(encodeCommandApdu({ ...plain, le: lengthOf(response.sw) }));
  }
  if (response.sw >> 8 === 0x61) return fetchResponse(response, send, { promised: true });
  const warning = response.sw >> 8 === 0x62 || response.sw >> 8 === 0x63;
  if (warning && case4 && response.data.length === 0) {
    // A T=0 card tells the warning first and keeps the data (TS 102 221, 7.3.1.1.5).
    const fetched = await fetchResponse({ data: response.data, sw: 0x6100 }, send, {
      promised: false,
    });
    if (fetched.data.length > 0) return { data: fetched.data, sw: response.sw };
  }
  return response;
}

async function fetchResponse(
  first: ResponseApdu,
  send: SendApdu,
  { promised }: { readonly promised: boolean },
): Promise<ResponseApdu> {
  const parts = [first.data];
  let octets = first.data.length;
  let sw = first.sw;
  let silent = 0;
  while (sw >> 8 === 0x61) {
    let next = await send(encodeCommandApdu({ ...GET_RESPONSE, data: new Uint8Array(0), le: lengthOf(sw) }));
    if (next.sw >> 8 === 0x6c) {
      next = await send(
        encodeCommandApdu({ ...GET_RESPONSE, data: new Uint8Array(0), le: lengthOf(next.sw) }),
      );
    }
    if (promised && next.data.length === 0 && next.sw >> 8 !== 0x61 && !isSuccess(next.sw)) {
      // Whoever else uses the card may come between: it then has forgotten what it had to say.
      throw new AgentError('CARD_LOST', { why: 'the response is gone', sw: swText(next.sw) });
    }
    silent = next.data.length === 0 ? silent + 1 : 0;
    octets += next.data.length;
    if (silent === MAX_SILENT_ROUNDS || octets > MAX_RESPONSE_OCTETS) {
      throw new AgentError('CARD_LOST', { why: 'GET RESPONSE does not end', sw: swText(next.sw), octets });
    }
    parts.push(next.data);
    sw = next.sw;
  }
  return { data: concat(...parts), sw };
}

/** Le in SW2: 0 stands for 256. */
function lengthOf(sw: number): number {
  return (sw & 0xff) === 0 ? 256 : sw & 0xff;
}
