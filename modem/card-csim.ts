// The card over +CSIM (3GPP TS 27.007, 8.17): logical channels by MANAGE CHANNEL (ISO/IEC 7816-4, ETSI TS 102 221 11.1.17).
import { concat } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { encodeCommandApdu, isSuccess, type ResponseApdu, swText, withChannel } from '../codec/apdu.ts';
import { exchangeApdu, type ExchangeRules } from './apdu-exchange.ts';
import { csim, rawLine } from './at-commands.ts';
import { type AtSession, cmeErrorOf } from './at-session.ts';
import { CME } from './cme-errors.ts';
import type { CardLessons } from './card-lessons.ts';
import type { CardWay, SendOptions } from './card-way.ts';

/** Where the quirks are looked up: they may be learned while the way is in use. */
type Known = Pick<CardLessons, 'quirks' | 'needs'>;

/** Channels 1 to 3 are those that every card with channels has. */
const SWEPT_CHANNELS = ['1', '2', '3'];

/** A send to one logical channel of the card. */
export function csimSender(
  session: AtSession,
  known: Known,
): (channel: number, apdu: Uint8Array, options: SendOptions) => Promise<ResponseApdu> {
  return async (channel, apdu, options) => {
    const bytes = concat(Uint8Array.of(withChannel(apdu[0] ?? 0, channel)), apdu.subarray(1));
    if (known.quirks.lockCsim !== true) return session.run(csim, [bytes], options);
    try {
      await session.run(rawLine, ['AT+CSIM=1'], options);
    } catch (error) {
      if (!knowsNoLock(error)) throw error;
      // It was taken for a modem that wants the lock, and is none.
      known.needs('lockCsim', false);
      return session.run(csim, [bytes], options);
    }
    try {
      return await session.run(csim, [bytes], options);
    } finally {
      await session.run(rawLine, ['AT+CSIM=0'], options).catch(() => {});
    }
  };
}

const UNKNOWN: readonly (number | undefined)[] = [
  undefined,
  CME.notAllowed,
  CME.notSupported,
  CME.incorrectParameters,
];

/** A modem that refuses the lock as such, not one whose card is busy. */
function knowsNoLock(error: unknown): boolean {
  return isAgentError(error, 'AT_ERROR') && UNKNOWN.includes(cmeErrorOf(error));
}

export function createCsimWay(session: AtSession, known: Known): CardWay {
  const send = csimSender(session, known);
  const rules = (): ExchangeRules => ({ keepLe: known.quirks.keepLe ?? false });
  const manageChannel = (p1: number, p2: number, le: number, options: SendOptions): Promise<ResponseApdu> =>
    exchangeApdu(
      // Closing has no response, but a T=0 header always has its fifth octet.
      le === 0
        ? Uint8Array.of(0x00, 0x70, p1, p2, 0x00)
        : encodeCommandApdu({ cla: 0, ins: 0x70, p1, p2, data: new Uint8Array(0), le }),
      (apdu) => send(0, apdu, options),
      rules(),
    );
  const close = async (id: string): Promise<void> => {
    const channel = Number(id);
    if (!Number.isInteger(channel) || channel < 1 || channel > 19) return;
    await manageChannel(0x80, channel, 0, { timeoutMs: session.deadlinesMs.channel });
  };
  return {
    kind: 'csim',
    sweepIds: SWEPT_CHANNELS,
    close,
    async open(aid, options) {
      const opened = await manageChannel(0x00, 0x00, 1, options);
      const channel = opened.data[0];
      if (!isSuccess(opened.sw) || channel === undefined || channel < 1 || channel > 19) {
        throw new AgentError('CARD_STATUS', { command: 'MANAGE CHANNEL', sw: swText(opened.sw) });
      }
      const sendHere = (apdu: Uint8Array, o: SendOptions): Promise<ResponseApdu> => send(channel, apdu, o);
      try {
        const select = encodeCommandApdu({ cla: 0, ins: 0xa4, p1: 0x04, p2: 0x00, data: aid, le: 256 });
        const selected = await exchangeApdu(select, (apdu) => sendHere(apdu, options), rules());
        if (!isSuccess(selected.sw)) {
          throw new AgentError('CARD_STATUS', { command: 'SELECT', sw: swText(selected.sw) });
        }
        return { id: String(channel), selectResponse: selected.data, send: sendHere };
      } catch (error) {
        await close(String(channel)).catch(() => {});
        throw error;
      }
    },
  };
}
