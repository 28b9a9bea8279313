// The radio world of the lab: which networks are on the air, who may attach (AKA against the home network), and whose bearer carries IP.
import type { Imsi } from '../codec/ids.ts';
import { equalBytes } from '../base/bytes.ts';
import type { AttachOutcome, AttachRequest, RadioNetwork } from '../modem/sim/radio.ts';
import type { Hlr } from '../operator/mno/hlr.ts';

/** A network on the air, with the authentication centre of its own subscribers. */
export type Network = {
  /** MCC and MNC, 5 or 6 digits; the subscribers' IMSIs begin with it. */
  readonly plmn: string;
  readonly name: string;
  readonly hlr: Hlr;
};

export type RadioWorld = RadioNetwork & {
  /** Switches a network's coverage; modems look for service again. */
  setCoverage(plmn: string, covered: boolean): void;
};

/** EMM causes (3GPP TS 24.301, 9.9.3.9). */
const CAUSE_IMSI_UNKNOWN = 2;
const CAUSE_MAC_FAILURE = 20;
const CAUSE_ILLEGAL_UE = 3;
const E_UTRAN = 7;
const SIGNAL = 21;

/** `onBearer` hears whether any device has a bearer that carries IP. */
export function createRadioWorld(options: {
  readonly networks: readonly Network[];
  readonly onBearer: (up: boolean) => void;
}): RadioWorld {
  const covered = new Set(options.networks.map(({ plmn }) => plmn));
  const bearers = new Set<Imsi>();
  const listeners = new Set<() => void>();

  const authenticate = async (hlr: Hlr, request: AttachRequest): Promise<'accepted' | number> => {
    for (let attempt = 0; attempt < 2; attempt++) {
      const vector = await hlr.vectorFor(request.imsi);
      if (vector === undefined) return CAUSE_IMSI_UNKNOWN;
      const answer = await request.authenticate(vector.rand, vector.autn);
      switch (answer.is) {
        case 'success':
          return equalBytes(answer.res, vector.xres) ? 'accepted' : CAUSE_ILLEGAL_UE;
        case 'synchronisation-failure':
          if (!(await hlr.resynchronise(request.imsi, vector.rand, answer.auts))) return CAUSE_MAC_FAILURE;
          break;
        case 'mac-failure':
          return CAUSE_MAC_FAILURE;
        case 'refused':
          return CAUSE_ILLEGAL_UE;
      }
    }
    return CAUSE_MAC_FAILURE;
  };

  const setBearer = (imsi: Imsi, up: boolean): void => {
    if (up) bearers.add(imsi);
    else bearers.delete(imsi);
    options.onBearer(bearers.size > 0);
  };

  return {
    async attach(request): Promise<AttachOutcome> {
      const network = options.networks.find(({ plmn }) => request.imsi.startsWith(plmn));
      if (
        network === undefined ||
        !covered.has(network.plmn) ||
        (request.plmn ?? network.plmn) !== network.plmn
      )
        return { registered: false, why: 'no-service' };
      const outcome = await authenticate(network.hlr, request);
      if (outcome !== 'accepted') return { registered: false, why: 'denied', cause: outcome };
      return {
        registered: true,
        roaming: false,
        plmn: network.plmn,
        operatorName: network.name,
        accessTechnology: E_UTRAN,
        trackingAreaCode: 1,
        cellId: 0x1a2b3c,
        address: '10.64.0.2',
      };
    },
    detach: (imsi) => setBearer(imsi, false),
    setBearer,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    signalStrength: () => SIGNAL,
    scan: () =>
      options.networks
        .filter(({ plmn }) => covered.has(plmn))
        .map(({ plmn, name }) => ({
          plmn,
          operatorName: name,
          accessTechnology: E_UTRAN,
          forbidden: false,
        })),
    setCoverage(plmn, on) {
      if (on) covered.add(plmn);
      else covered.delete(plmn);
      for (const listener of listeners) listener();
    },
  };
}
