// The state of the card as the modem tells it (3GPP TS 27.007, 8.3), the PIN, and the ICCID read in every way there is.
import { errorOf, isAgentError, AgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';
import { AID_USIM, decodeIccid, encodeAid, parseIccid, type Iccid } from '../codec/ids.ts';
import type { Card, CardChannel } from '../codec/card.ts';
import { fromHex } from '../base/bytes.ts';
import { swText } from '../codec/apdu.ts';
import { enterPin, pinState, pinTries, readBinary, VENDOR_ICCID } from './at-commands.ts';
import { cmeErrorOf, type AtSession, type RunOptions } from './at-session.ts';
import { CME } from './cme-errors.ts';

export type SimState =
  | { readonly is: 'ready' }
  | { readonly is: 'pin-required' }
  | { readonly is: 'puk-required' }
  | { readonly is: 'absent' }
  /** The card is being started or reset: ask again. */
  | { readonly is: 'busy' }
  | { readonly is: 'failed'; readonly cme?: number }
  /** Another lock, as the modem names it (`PH-NET PIN`, ...). */
  | { readonly is: 'locked'; readonly lock: string };

const BY_CODE: Readonly<Record<string, SimState>> = {
  READY: { is: 'ready' },
  'SIM PIN': { is: 'pin-required' },
  'SIM PUK': { is: 'puk-required' },
  // The second PIN guards nothing that is needed here.
  'SIM PIN2': { is: 'ready' },
  'SIM PUK2': { is: 'ready' },
  // What modems say in place of an error (Quectel, SIMCom, Fibocom).
  'NOT INSERTED': { is: 'absent' },
  'SIM REMOVED': { is: 'absent' },
  'NOT READY': { is: 'busy' },
  'SIM BUSY': { is: 'busy' },
  'SIM FAILURE': { is: 'failed' },
};

/** Errors of a card that is absent, locked or still starting: no other way of reading will do better. */
const NOT_READY: readonly number[] = [
  CME.simNotInserted,
  CME.simPinRequired,
  CME.simPukRequired,
  CME.simFailure,
  CME.simBusy,
  CME.simWrong,
];

export async function readSimState(session: AtSession, options: RunOptions = {}): Promise<SimState> {
  try {
    const code = (await session.run(pinState, [], options)).toUpperCase();
    return BY_CODE[code] ?? { is: 'locked', lock: code };
  } catch (error) {
    const cme = cmeErrorOf(error);
    if (cme === CME.simNotInserted) return { is: 'absent' };
    if (cme === CME.simBusy) return { is: 'busy' };
    if (cme === CME.simPinRequired) return { is: 'pin-required' };
    if (cme === CME.simPukRequired) return { is: 'puk-required' };
    if (isAgentError(error, 'AT_ERROR')) return { is: 'failed', ...(cme === undefined ? {} : { cme }) };
    throw error;
  }
}

/**
 * A function that enters the PIN when the card asks for it, and never again once one was refused: three wrong tries block a
 * card. Throws `PIN_REFUSED`.
 */
export function createPinEntry(): (session: AtSession, pin: Secret<string>) => Promise<void> {
  let tried = false;
  return async (session, pin) => {
    const state = await readSimState(session);
    if (state.is === 'ready') return;
    if (state.is !== 'pin-required' || tried) throw new AgentError('PIN_REFUSED', { state: state.is, tried });
    if (!/^\d{4,8}$/.test(pin.reveal())) throw new AgentError('PIN_REFUSED', { why: 'not 4 to 8 digits' });
    tried = true;
    try {
      await session.run(enterPin, [pin.reveal()]);
    } catch (error) {
      throw new AgentError('PIN_REFUSED', { state: state.is, tried }, { cause: errorOf(error) });
    }
    // A right one gives the card all its tries again, and it asks anew after each reset.
    tried = false;
  };
}

/** VERIFY without data asks how many tries are left (ETSI TS 102 221, 11.1.9). */
const VERIFY_EMPTY = Uint8Array.of(0x00, 0x20, 0x00, 0x01, 0x00);

/** Tries that are left of the PIN, of the modem or of the card itself; undefined where neither tells. Costs none. */
export async function readPinTries(
  session: AtSession,
  card: Pick<Card, 'basic'>,
  options: RunOptions = {},
): Promise<number | undefined> {
  try {
    return await session.run(pinTries, [], options);
  } catch (error) {
    if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
  }
  try {
    const how = options.signal === undefined ? {} : { signal: options.signal };
    const { sw } = await card.basic.transmit(VERIFY_EMPTY, how);
    return (sw & 0xfff0) === 0x63c0 ? sw & 0xf : undefined;
  } catch (error) {
    if (!isAgentError(error, 'CARD_ACCESS', 'CARD_LOST')) throw error;
    return undefined;
  }
}

/** EF.ICCID under the MF (ETSI TS 102 221, 13.2). */
const EF_ICCID = 0x2fe2;
const ICCID_OCTETS = 10;
const FILE_READS = ['00A40004023F00', '00A40004022FE2', '00B000000A'];

/**
 * Reads EF.ICCID from the card, by +CRSM; where the modem has no +CRSM, by what its vendor has, then over the basic channel,
 * and last over a channel to the USIM. Throws while the card is not ready.
 */
export async function readIccid(
  session: AtSession,
  card: Pick<Card, 'basic' | 'openChannel'>,
  options: RunOptions = {},
): Promise<Iccid> {
  try {
    const { sw, data } = await session.run(readBinary, [EF_ICCID, ICCID_OCTETS], options);
    if (sw === 0x9000 || sw >> 8 === 0x91) return decodeIccid(data);
  } catch (error) {
    const cme = cmeErrorOf(error);
    if (!isAgentError(error, 'AT_ERROR') || (cme !== undefined && NOT_READY.includes(cme))) throw error;
  }
  for (const command of VENDOR_ICCID) {
    try {
      return parseIccid(await session.run(command, [], options));
    } catch (error) {
      if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER', 'ID_INVALID')) throw error;
    }
  }
  const how = options.signal === undefined ? {} : { signal: options.signal };
  try {
    return await readOver(card.basic, how);
  } catch (error) {
    if (!isAgentError(error, 'CARD_ACCESS')) throw error;
  }
  const channel = await card.openChannel(encodeAid(AID_USIM), how);
  try {
    return await readOver(channel, how);
  } finally {
    await channel.close();
  }
}

async function readOver(
  channel: Pick<CardChannel, 'transmit'>,
  how: { readonly signal?: AbortSignal },
): Promise<Iccid> {
  let data = new Uint8Array(0);
  for (const command of FILE_READS) {
    const response = await channel.transmit(fromHex(command), how);
    if (response.sw !== 0x9000 && response.sw >> 8 !== 0x91) {
      throw new AgentError('CARD_STATUS', { command, sw: swText(response.sw) });
    }
    data = Uint8Array.from(response.data);
  }
  return decodeIccid(data);
}
