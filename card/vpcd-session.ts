// One connection to a virtual reader: its control messages move the card's power, its commands go to the card.
import type { Socket } from 'node:net';
import { toHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { CardSlot } from '../codec/card.ts';
import { ATR } from '../euicc/card-os.ts';
import { createVpcdReader, VPCD_CONTROL, vpcdFrame } from './vpcd-frames.ts';

/** A message that began is whole after this long, or the connection is closed. */
const MESSAGE_MS = 10_000;

/**
 * Serves the card to the reader until the connection ends; the card is off afterwards. Never rejects: what is wrong on the
 * connection is logged and ends it.
 */
export async function serveVpcd(options: {
  readonly socket: Socket;
  readonly card: CardSlot;
  readonly clock: Clock;
  readonly log: Log;
  /** The caller closes the socket when it fires. */
  readonly signal: AbortSignal;
}): Promise<void> {
  const { socket, card, clock, log, signal } = options;
  const reader = createVpcdReader();
  let cancelDeadline = (): void => {};
  const watch = (): void => {
    cancelDeadline();
    cancelDeadline =
      reader.pending === 0
        ? () => {}
        : clock.schedule(MESSAGE_MS, () =>
            socket.destroy(new AgentError('DEADLINE', { what: 'a whole message', timeoutMs: MESSAGE_MS })),
          );
  };
  socket.setNoDelay(true);
  try {
    for await (const octets of socket as AsyncIterable<Uint8Array>) {
      const messages = reader.push(octets);
      watch();
      for (const message of messages) {
        const answer = await answerTo(card, message, log);
        if (answer !== undefined) socket.write(vpcdFrame(answer));
      }
    }
  } catch (thrown) {
    if (!signal.aborted) {
      log.write('warn', 'card.vpcd', 'the connection broke', { why: errorOf(thrown).message });
    }
  } finally {
    cancelDeadline();
    socket.destroy();
    await card.powerOff();
  }
}

async function answerTo(card: CardSlot, message: Uint8Array, log: Log): Promise<Uint8Array | undefined> {
  if (message.length > 1)
    return card.transmit(message).catch((thrown: unknown) => unpowered(card, message, thrown));
  switch (message[0]) {
    case VPCD_CONTROL.off:
      await card.powerOff();
      return undefined;
    case VPCD_CONTROL.on:
    case VPCD_CONTROL.reset:
      await card.reset();
      return undefined;
    case VPCD_CONTROL.atr:
      // The reader asks for it also to see whether a card is there; that must not reset the card.
      return ATR;
    default:
      log.write('warn', 'card.vpcd', 'a control message that is not known', { message: toHex(message) });
      return undefined;
  }
}

/** A reader that sends a command to a card without power has lost track: the card is powered, as a real reader would. */
async function unpowered(card: CardSlot, message: Uint8Array, thrown: unknown): Promise<Uint8Array> {
  if (!(thrown instanceof AgentError) || thrown.code !== 'CARD_LOST') throw thrown;
  await card.reset();
  return card.transmit(message);
}
