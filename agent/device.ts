// The port to the device around the card: what the agent asks of a modem, whatever modem it is.
import type { Card } from '../codec/card.ts';
import type { Iccid, Imei } from '../codec/ids.ts';

/** +CEREG's <stat> and the PLMN of +COPS (3GPP TS 27.007). */
export type Registration = { readonly stat: number; readonly plmn?: string };

/** Registered at home (1) or roaming (5). */
export function isRegistered({ stat }: Registration): boolean {
  return stat === 1 || stat === 5;
}

export type DeviceOptions = { readonly signal?: AbortSignal };

export type Device = {
  readonly imei: Imei;
  /** The card, opened again after the modem or the card was reset. Throws CARD_ACCESS or CARD_LOST. */
  card(options?: DeviceOptions): Promise<Card>;
  /** EF.ICCID as the modem reads it now; undefined when the card has no enabled profile. */
  readIccid(options?: DeviceOptions): Promise<Iccid | undefined>;
  registration(options?: DeviceOptions): Promise<Registration>;
  /** Makes the modem take notice of the card again; each call goes one step further (refresh, radio off and on, restart). */
  refreshCard(attempt: number, options?: DeviceOptions): Promise<void>;
};
