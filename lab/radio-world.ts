// The radio world of the lab: which networks are on the air, who may attach (AKA against the home network), and whose bearer carries IP.
import { type Clock, sleep } from '../base/clock.ts';
import { equalBytes } from '../base/bytes.ts';
import type { Imsi } from '../codec/ids.ts';
import type { AttachOutcome, AttachRequest, RadioNetwork } from '../modem/sim/radio.ts';
import type { Hlr } from '../operator/mno/hlr.ts';

/** A network on the air, with the authentication centre of its own subscribers. */
export type Network = {
  /** MCC and MNC, 5 or 6 digits; the subscribers' IMSIs begin with it. */
  readonly plmn: string;
  readonly name: string;
  /** Without one the network takes every subscriber of its own at his word: nothing is authenticated. */
  readonly hlr?: Hlr;
  /** Whether it is on the air at first; `setCoverage` changes it. */
  readonly covered?: boolean;
  /** Answers every attach with "illegal ME": the device is barred here. */
  readonly barred?: boolean;
  /** What subscribers of other networks get. */
  readonly roaming?: 'accepted' | 'refused';
  /** How long an attach takes. */
  readonly attachMs?: number;
};

export type RadioWorld = RadioNetwork & {
  /** Switches a network's coverage; modems look for service again. */
  setCoverage(plmn: string, covered: boolean): void;
};

/** EMM causes (3GPP TS 24.301, 9.9.3.9). */
const CAUSE_IMSI_UNKNOWN = 2;
const CAUSE_ILLEGAL_UE = 3;
const CAUSE_ILLEGAL_ME = 6;
const CAUSE_ROAMING_NOT_ALLOWED = 13;
const CAUSE_MAC_FAILURE = 20;
const E_UTRAN = 7;
const SIGNAL = 21;
const NO_SIGNAL = 99;

/** `onBearer` hears whether any device has a bearer that carries IP. */
export function createRadioWorld(options: {
  readonly networks: readonly Network[];
  readonly onBearer: (up: boolean) => void;
  /** Times slow networks. */
  readonly clock: Clock;
}): RadioWorld {
  const { networks, clock } = options;
  const covered = new Set(networks.filter((each) => each.covered !== false).map(({ plmn }) => plmn));
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
  /** The network asked for; else the home network where it covers; else the first that covers. */
  const networkFor = ({
    imsi,
    plmn: asked,
  }: AttachRequest): { readonly serving: Network; readonly home?: Network } | undefined => {
    const home = networks.find(({ plmn }) => imsi.startsWith(plmn));
    const onAir = networks.filter(({ plmn }) => covered.has(plmn) && (asked ?? plmn) === plmn);
    const serving = onAir.find((network) => network === home) ?? onAir[0];
    if (serving === undefined) return undefined;
    return home === undefined ? { serving } : { serving, home };
  };
  const denied = (cause: number): AttachOutcome => ({ registered: false, why: 'denied', cause });

  const setBearer = (imsi: Imsi, up: boolean): void => {
    if (up) bearers.add(imsi);
    else bearers.delete(imsi);
    options.onBearer(bearers.size > 0);
  };

  return {
    async attach(request, { signal }): Promise<AttachOutcome> {
      const found = networkFor(request);
      if (found === undefined) return { registered: false, why: 'no-service' };
      const { serving, home } = found;
      if (serving.attachMs !== undefined) await sleep(clock, serving.attachMs, { signal });
      if (!covered.has(serving.plmn)) return { registered: false, why: 'no-service' };
      if (serving.barred === true) return denied(CAUSE_ILLEGAL_ME);
      const roaming = serving !== home;
      if (roaming && serving.roaming !== 'accepted') {
        return serving.roaming === 'refused'
          ? denied(CAUSE_ROAMING_NOT_ALLOWED)
          : { registered: false, why: 'no-service' };
      }
      const outcome = home?.hlr === undefined ? 'accepted' : await authenticate(home.hlr, request);
      if (outcome !== 'accepted') return denied(outcome);
      return {
        registered: true,
        roaming,
        plmn: serving.plmn,
        operatorName: serving.name,
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
    signalStrength: () => (covered.size > 0 ? SIGNAL : NO_SIGNAL),
    scan: () =>
      networks
        .filter(({ plmn }) => covered.has(plmn))
        .map(({ plmn, name, barred }) => ({
          plmn,
          operatorName: name,
          accessTechnology: E_UTRAN,
          forbidden: barred === true,
        })),
    setCoverage(plmn, on) {
      if (on) covered.add(plmn);
      else covered.delete(plmn);
      for (const listener of listeners) listener();
    },
  };
}
