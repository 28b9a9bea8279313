// The port from a simulated modem to its radio network: attach with AKA (3GPP TS 33.102), bearers and coverage.
import type { Imei, Imsi } from '../../codec/ids.ts';

/** What the USIM makes of a challenge (3GPP TS 31.102, 7.1.2.1). */
export type AuthenticateAnswer =
  | {
      readonly is: 'success';
      readonly res: Uint8Array;
      readonly ck: Uint8Array;
      readonly ik: Uint8Array;
    }
  /** The sequence number is out of range; AUTS carries the card's own. */
  | { readonly is: 'synchronisation-failure'; readonly auts: Uint8Array }
  /** The card does not believe the network (98 62). */
  | { readonly is: 'mac-failure' }
  | { readonly is: 'refused'; readonly sw: number };

export type AttachRequest = {
  readonly imsi: Imsi;
  readonly imei: Imei;
  /** Selected by hand: no other network will do. */
  readonly plmn?: string;
  /** Puts RAND and AUTN (16 octets each) to the USIM. */
  readonly authenticate: (rand: Uint8Array, autn: Uint8Array) => Promise<AuthenticateAnswer>;
};

export type Camped = {
  readonly roaming: boolean;
  /** Mobile country and network code, 5 or 6 digits. */
  readonly plmn: string;
  readonly operatorName: string;
  /** `<AcT>` of 3GPP TS 27.007: 7 is E-UTRAN, 9 is NB-IoT. */
  readonly accessTechnology: number;
  readonly trackingAreaCode: number;
  readonly cellId: number;
  /** The address of the default bearer. */
  readonly address: string;
};

export type AttachOutcome =
  | ({ readonly registered: true } & Camped)
  /** `no-service`: nothing to camp on. `denied`: an EMM cause (3GPP TS 24.301, 9.9.3.9) came back. */
  | { readonly registered: false; readonly why: 'no-service' }
  | { readonly registered: false; readonly why: 'denied'; readonly cause: number };

export type RadioNetwork = {
  /** May take as long as the network does; the modem gives up by the signal. */
  attach(request: AttachRequest, options: { readonly signal: AbortSignal }): Promise<AttachOutcome>;
  detach(imsi: Imsi): void;
  /** The default bearer carries IP from here on, or no longer does. */
  setBearer(imsi: Imsi, up: boolean): void;
  /** Calls `listener` when coverage or a subscription changed: the modem then looks for service again. */
  onChange(listener: () => void): () => void;
  /** As in +CSQ: 0 to 31, or 99 when not known. */
  signalStrength(): number;
  /** What is on the air, for +COPS=?. */
  scan(): readonly VisibleNetwork[];
};

/** What commands ask of the air without any card. */
export type Air = Pick<RadioNetwork, 'signalStrength' | 'scan'>;

export type VisibleNetwork = Pick<Camped, 'plmn' | 'operatorName' | 'accessTechnology'> & {
  /** Every device is refused there. */
  readonly forbidden: boolean;
};
