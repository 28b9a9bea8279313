// The two ports to a card: the contacts of a chip, and one logical channel of it as a program uses it.
import type { ResponseApdu } from './apdu.ts';

/**
 * A chip in its socket, as a modem or reader sees it: one APDU at a time, status words as the chip gives them
 * (61xx, 6Cxx and 91xx included, GET RESPONSE not done for the caller).
 */
export type CardSlot = {
  /** Power-on or warm reset; answers the ATR. */
  reset(): Promise<Uint8Array>;
  /** One command APDU to its response APDU (data and status word). */
  transmit(command: Uint8Array): Promise<Uint8Array>;
  /** Cuts the power: volatile state is gone, the next call must be `reset`. */
  powerOff(): Promise<void>;
};

export type TransmitOptions = {
  readonly signal?: AbortSignal;
  /** How long the whole exchange may take, GET RESPONSE included. Left out, what the way to the card is set to. */
  readonly timeoutMs?: number;
  /** A command of an installation or of a script: the card may compute and write for long. */
  readonly long?: true;
};

/**
 * A selected application on a logical channel. Implementations insert the channel into the class, follow 61xx and
 * 6Cxx, and give the response whole. One command at a time, in order of call; after `close` every call throws
 * `LINK_CLOSED`.
 */
export type CardChannel = {
  /** Sends a command APDU built for channel 0 and answers data and status word. */
  transmit(command: Uint8Array, options?: TransmitOptions): Promise<ResponseApdu>;
  /** What SELECT answered: the FCI or FCP, empty when the way to the card does not show it. */
  readonly selectResponse: Uint8Array;
  /** The most octets of data that commands on this way to the card should carry; 255 when absent. */
  readonly maxCommandData?: number;
  close(): Promise<void>;
};

/** A physical card reached through something: opens applications on logical channels of their own. */
export type Card = {
  /** Opens the application with this AID. Throws `CARD_ACCESS`, or `CARD_STATUS` with the status word. */
  openChannel(aid: Uint8Array, options?: TransmitOptions): Promise<CardChannel>;
  /** The basic channel, for the USIM's and the master file's own commands. */
  readonly basic: Pick<CardChannel, 'transmit'>;
  close(): Promise<void>;
};
