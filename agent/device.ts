// The port to the device around the card: what the agent asks of a modem, whatever modem it is.
import type { Card } from '../codec/card.ts';
import type { Iccid, Imei } from '../codec/ids.ts';
import type { LadderRecord } from '../codec/wire.ts';

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
  /** Brings the data context up where that is the agent's to do. Answers its address where the modem tells one. */
  connect(options?: DeviceOptions): Promise<string | undefined>;
  readonly modem: DeviceModem;
};

/** Every step but the first, which is to wait for the card's own REFRESH. */
export type LadderStep = Exclude<LadderRecord['step'], 'refresh'>;

/** What is to be done with the modem itself. */
export type DeviceModem = {
  /** What makes this modem take notice of its card again, the gentlest first. */
  readonly steps: readonly LadderStep[];
  /** Safe to take again where it was cut short. */
  take(step: LadderStep, options?: DeviceOptions): Promise<void>;
  /** Does work that brings so many octets to the card as fast as the line allows. */
  hurry<T>(octets: number, work: () => Promise<T>): Promise<T>;
  /** Calls after every start of the modem, whoever caused it; the answer cancels. */
  onRestart(listener: () => void): () => void;
};
