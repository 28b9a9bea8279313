// The two ways to a card that modems offer, seen alike: open an application, send to it, close it.
import type { ResponseApdu } from '../codec/apdu.ts';

/** `cgla`: the modem manages logical channels (+CCHO). `csim`: this driver does (MANAGE CHANNEL over +CSIM). */
export type CardWayKind = 'cgla' | 'csim';

export type SendOptions = { readonly signal?: AbortSignal | undefined; readonly timeoutMs: number };

/** An application selected on a channel of its own. */
export type CardSession = {
  /** Opaque: closes the session, also in a later life of this program. */
  readonly id: string;
  readonly selectResponse: Uint8Array;
  /** One APDU in the class of channel 0, answered as the modem gives it. Throws the AT session's errors. */
  readonly send: (apdu: Uint8Array, options: SendOptions) => Promise<ResponseApdu>;
};

/** Deviations of a modem on this path; what is absent is as in the standard. */
export type CardQuirks = {
  /** The way to try first where nothing is remembered. */
  readonly way?: CardWayKind;
  /** Sends Le with commands that have data. */
  readonly keepLe?: boolean;
  /** Puts the session's number into the class of what goes over +CGLA. */
  readonly cglaClassHasChannel?: boolean;
  /** +CSIM works only between `AT+CSIM=1` and `AT+CSIM=0`. */
  readonly lockCsim?: boolean;
  /** How many sessions are closed on suspicion at start and after a failed open. */
  readonly sweepSessions?: number;
  /** The most octets of data a command may carry. */
  readonly maxCommandData?: number;
};

export type CardWay = {
  readonly kind: CardWayKind;
  /** Throws `CARD_STATUS` when the card refuses, else the AT session's errors. Leaves nothing open on failure. */
  open(aid: Uint8Array, options: SendOptions): Promise<CardSession>;
  close(id: string): Promise<void>;
  /** Ids under which sessions of unknown owners may be open. */
  readonly sweepIds: readonly string[];
};
