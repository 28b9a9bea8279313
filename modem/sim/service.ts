// The simulated modem's registration (3GPP TS 24.301 as the terminal sees it): searches, attaches, retries, detaches.
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Imsi } from '../../codec/ids.ts';
import type { AttachOutcome, AttachRequest, Camped, RadioNetwork } from './radio.ts';

export type ServiceState =
  | { readonly is: 'off' }
  | { readonly is: 'searching' }
  | ({ readonly is: 'registered' } & Camped)
  | { readonly is: 'denied'; readonly cause: number };

export type Service = {
  readonly state: ServiceState;
  /** Whether the default bearer carries IP. */
  readonly bearer: boolean;
  /** Looks for service, at once and after every change of the network until `stop`. */
  start(request: AttachRequest): void;
  /** Detaches. */
  stop(): void;
  /** Takes the default bearer down or up again while registered. */
  setBearer(up: boolean): void;
  /** While blocked, a bearer that is up carries nothing. */
  block(blocked: boolean): void;
};

export type ServiceOptions = {
  readonly radio: RadioNetwork;
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange: (state: ServiceState) => void;
  readonly retryMs?: number;
};

/** EMM causes after which a terminal does not try again until the card or the power changes (TS 24.301, 5.5.1.2.5). */
const LASTING_CAUSES: ReadonlySet<number> = new Set([3, 6, 7, 8]);
const RETRY_MS = 30_000;
const ATTACH_MS = 120_000;

export function createService(options: ServiceOptions): Service {
  const { radio, clock, log } = options;
  let state: ServiceState = { is: 'off' };
  let bearer = false;
  let wanted: AttachRequest | undefined;
  let attempt = 0;
  let abort: AbortController | undefined;
  let attached: Imsi | undefined;
  let cancelRetry: (() => void) | undefined;

  const setState = (next: ServiceState): void => {
    if (JSON.stringify(next) === JSON.stringify(state)) return;
    state = next;
    options.onChange(next);
  };
  let blocked = false;
  let carrying = false;
  const tellRadio = (): void => {
    const carries = bearer && !blocked;
    if (attached === undefined || carries === carrying) return;
    carrying = carries;
    radio.setBearer(attached, carries);
  };
  const setBearer = (up: boolean): void => {
    if (attached === undefined) return;
    bearer = up;
    tellRadio();
  };
  const leave = (): void => {
    attempt++;
    abort?.abort();
    abort = undefined;
    cancelRetry?.();
    cancelRetry = undefined;
  };
  const detach = (): void => {
    setBearer(false);
    if (attached !== undefined) radio.detach(attached);
    attached = undefined;
  };

  const look = async (request: AttachRequest): Promise<void> => {
    leave();
    const mine = attempt;
    abort = new AbortController();
    const giveUp = abort;
    const cancelLimit = clock.schedule(ATTACH_MS, () => giveUp.abort());
    if (state.is !== 'registered') setState({ is: 'searching' });
    const outcome = await radio
      .attach(request, { signal: giveUp.signal })
      .catch((): AttachOutcome => ({ registered: false, why: 'no-service' }));
    cancelLimit();
    if (mine !== attempt) return;
    log.write('debug', 'sim.service', 'attach', { registered: outcome.registered });
    if (outcome.registered) {
      const { registered: _, ...camped } = outcome;
      attached = request.imsi;
      setBearer(true);
      setState({ is: 'registered', ...camped });
      return;
    }
    detach();
    setState(outcome.why === 'denied' ? { is: 'denied', cause: outcome.cause } : { is: 'searching' });
    if (outcome.why === 'denied' && LASTING_CAUSES.has(outcome.cause)) return;
    cancelRetry = clock.schedule(options.retryMs ?? RETRY_MS, () => void look(request));
  };

  radio.onChange(() => {
    if (wanted !== undefined) void look(wanted);
  });
  return {
    get state() {
      return state;
    },
    get bearer() {
      return bearer;
    },
    start(request) {
      wanted = request;
      void look(request);
    },
    stop() {
      wanted = undefined;
      leave();
      detach();
      setState({ is: 'off' });
    },
    setBearer,
    block(on) {
      blocked = on;
      tellRadio();
    },
  };
}
