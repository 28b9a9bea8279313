// The simulated mobile equipment: power, card session, proactive commands, attach. What AT commands show is its state.
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { CardSlot } from '../../codec/card.ts';
import type { Imei } from '../../codec/ids.ts';
import { createCardReader, type CardReader, type CardReaderOptions } from './card-reader.ts';
import { serveProactiveCommand, type RefreshMode } from './proactive.ts';
import type { RadioNetwork } from './radio.ts';
import { createService, type Service, type ServiceState } from './service.ts';
import {
  authenticate,
  readSubscriber,
  startCardSession,
  type PinState,
  unblockPin,
  verifyPin,
  type SimInformation,
} from './usim.ts';

/** +CFUN: 0 minimum, 1 full, 4 radio off with the card on. */
export type Functionality = 0 | 1 | 4;

export type SimStatus = 'off' | 'starting' | 'ready' | 'pin' | 'puk' | 'absent' | 'failed';

export type EquipmentEvent =
  | { readonly is: 'service'; readonly state: ServiceState }
  | { readonly is: 'sim'; readonly status: SimStatus }
  /** The card was reset or lost: sessions are gone. */
  | { readonly is: 'card-session-ended' }
  /** The card asked for its own reset. */
  | { readonly is: 'refresh' };

export type Equipment = {
  readonly reader: CardReader;
  readonly service: Service;
  readonly imei: Imei;
  readonly functionality: Functionality;
  readonly simStatus: SimStatus;
  readonly sim: SimInformation | undefined;
  setFunctionality(fun: Functionality): Promise<void>;
  /** Attaches where everything for it is there, to `plmn` alone when it is given, or detaches until told otherwise. */
  seekService(seek: boolean, plmn?: string): void;
  enterPin(pin: string): Promise<boolean>;
  unblock(puk: string, pin: string): Promise<boolean>;
  /** Takes notice of a try of the PIN that failed elsewhere: a blocked card asks for its PUK. */
  pinFailed(state: PinState): void;
  /** Serves proactive commands that the card announced. Called when the terminal has its answer. */
  serveCard(): Promise<void>;
  /** Power on after a cut or restart, or off. */
  powerOn(): Promise<void>;
  powerOff(): Promise<void>;
  /** Another card, or none. */
  insertCard(slot: CardSlot | undefined): Promise<void>;
};

export type EquipmentOptions = {
  readonly slot: CardSlot | undefined;
  readonly radio: RadioNetwork;
  readonly imei: Imei;
  readonly clock: Clock;
  readonly log: Log;
  readonly onEvent: (event: EquipmentEvent) => void;
  readonly intercept?: CardReaderOptions['intercept'];
  /** Called at every start of the card, when the modem has read what it needs. */
  readonly onCardStarted?: (reader: CardReader) => Promise<void>;
  /** Does not see that a card was taken out or changed before it is powered anew. */
  readonly ignoreCardChange?: boolean;
  /** Whether the modem fetches proactive commands; some never do. */
  readonly ignoreProactive?: () => boolean;
  /** Serves the network only with the profile that was there when the modem started. */
  readonly attachNeedsRestart?: boolean;
  /** How long between two tries of an attach that failed for no lasting reason. */
  readonly attachRetryMs?: number;
};

const MAX_PROACTIVE_IN_A_ROW = 20;
/** EMM cause 15. */
const NO_SUITABLE_CELLS = 15;

export function createEquipment(options: EquipmentOptions): Equipment {
  const { log } = options;
  let announced: number | undefined;
  let functionality: Functionality = 1;
  let seeking = true;
  let onlyPlmn: string | undefined;
  let simStatus: SimStatus = 'off';
  let sim: SimInformation | undefined;
  let startedWith: string | undefined;
  let serving = false;
  /** Counts starts of the card, so that one that was overtaken changes nothing. */
  let start = 0;

  const reader = createCardReader({
    slot: options.slot,
    onProactive: (octets) => (announced = octets),
    ...(options.intercept === undefined ? {} : { intercept: options.intercept }),
  });
  const service = createService({
    radio:
      options.attachNeedsRestart === true
        ? onlyFor(options.radio, () => sim?.iccid === startedWith)
        : options.radio,
    clock: options.clock,
    log,
    onChange: (state) => options.onEvent({ is: 'service', state }),
    ...(options.attachRetryMs === undefined ? {} : { retryMs: options.attachRetryMs }),
  });
  const setStatus = (status: SimStatus): void => {
    if (status === simStatus) return;
    simStatus = status;
    options.onEvent({ is: 'sim', status });
  };

  const attach = (): void => {
    const usim = sim?.usim;
    if (!seeking || functionality !== 1 || simStatus !== 'ready') return;
    if (usim === undefined || sim?.imsi === undefined) return;
    service.start({
      imsi: sim.imsi,
      imei: options.imei,
      ...(onlyPlmn === undefined ? {} : { plmn: onlyPlmn }),
      async authenticate(rand, autn) {
        const answer = await authenticate(reader, usim, rand, autn);
        void serveCard();
        return answer;
      },
    });
  };

  const startCard = async (): Promise<void> => {
    const mine = ++start;
    setStatus('starting');
    sim = undefined;
    announced = undefined;
    options.onEvent({ is: 'card-session-ended' });
    const answered = await reader.powerOn();
    const found = answered ? await startCardSession(reader) : undefined;
    if (mine !== start) return;
    sim = found;
    startedWith ??= found?.iccid;
    if (!answered) setStatus('absent');
    else if (found?.usim === undefined) setStatus('failed');
    else setStatus(found.pin.is === 'open' ? 'ready' : found.pin.is);
    log.write('debug', 'sim.equipment', 'card started', { status: simStatus, iccid: found?.iccid ?? '' });
    await options.onCardStarted?.(reader);
    attach();
    await serveCard();
  };

  const resetCard = async (): Promise<void> => {
    service.stop();
    await reader.powerOff();
    await startCard();
  };

  const refresh = async (mode: RefreshMode): Promise<void> => {
    log.write('debug', 'sim.equipment', 'REFRESH', { mode });
    if (mode === 'file-change' || mode.startsWith('steering')) return;
    if (mode === 'uicc-reset' || mode === 'application-reset' || mode === 'profile-state-change') {
      options.onEvent({ is: 'refresh' });
      await resetCard();
      return;
    }
    // The card stays powered; the modem reads it anew.
    service.stop();
    setStatus('starting');
    sim = await startCardSession(reader);
    setStatus(sim.usim === undefined ? 'failed' : sim.pin.is === 'open' ? 'ready' : sim.pin.is);
    attach();
  };

  const serveCard = async (): Promise<void> => {
    if (serving || options.ignoreProactive?.() === true) return;
    serving = true;
    try {
      for (let n = 0; announced !== undefined && n < MAX_PROACTIVE_IN_A_ROW; n++) {
        const octets = announced;
        announced = undefined;
        await serveProactiveCommand(octets, { reader, refresh });
      }
    } finally {
      serving = false;
    }
  };

  const readySim = async (): Promise<void> => {
    if (sim?.usim === undefined) return;
    sim = { ...sim, pin: { is: 'open' }, ...(await readSubscriber(reader, sim.usim)) };
    setStatus('ready');
    attach();
  };

  return {
    reader,
    service,
    imei: options.imei,
    get functionality() {
      return functionality;
    },
    get simStatus() {
      return simStatus;
    },
    get sim() {
      return sim;
    },
    async setFunctionality(fun) {
      const before = functionality;
      functionality = fun;
      if (fun !== 1) service.stop();
      if (fun === 0) {
        start++;
        options.onEvent({ is: 'card-session-ended' });
        await reader.powerOff();
        sim = undefined;
        setStatus('off');
      } else if (before === 0) {
        // The card starts while the command is already answered, as on real modems.
        startCard().catch(() => {});
      } else {
        attach();
      }
    },
    seekService(seek, plmn) {
      const changed = onlyPlmn !== plmn;
      seeking = seek;
      onlyPlmn = plmn;
      if (!seek || changed) service.stop();
      if (seek && service.state.is === 'off') attach();
    },
    async enterPin(pin) {
      const state = await verifyPin(reader, pin);
      if (state.is === 'open') await readySim();
      else setStatus(state.is);
      return state.is === 'open';
    },
    async unblock(puk, pin) {
      const done = await unblockPin(reader, puk, pin);
      if (done) await readySim();
      return done;
    },
    pinFailed(state) {
      if (state.is === 'puk') setStatus('puk');
    },
    serveCard,
    async powerOn() {
      functionality = 1;
      seeking = true;
      onlyPlmn = undefined;
      startedWith = undefined;
      await startCard();
    },
    async powerOff() {
      start++;
      service.stop();
      options.onEvent({ is: 'card-session-ended' });
      await reader.powerOff();
      sim = undefined;
      announced = undefined;
      simStatus = 'off';
    },
    async insertCard(slot) {
      if (options.ignoreCardChange === true) {
        reader.insert(slot);
        return;
      }
      start++;
      service.stop();
      reader.insert(slot);
      options.onEvent({ is: 'card-session-ended' });
      if (functionality !== 0) await startCard();
    },
  };
}

/** The radio as a modem sees it that holds on to the wrong carrier's settings. */
function onlyFor(radio: RadioNetwork, fits: () => boolean): RadioNetwork {
  return {
    attach: async (request, o) =>
      fits() ? radio.attach(request, o) : { registered: false, why: 'denied', cause: NO_SUITABLE_CELLS },
    detach: (imsi) => radio.detach(imsi),
    setBearer: (imsi, up) => radio.setBearer(imsi, up),
    onChange: (listener) => radio.onChange(listener),
    signalStrength: () => radio.signalStrength(),
    scan: () => radio.scan(),
  };
}
