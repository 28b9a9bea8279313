// The one step that can cost a device its connectivity: enable a profile, wait for the verdict, go back when it does not come.
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Iccid } from '../codec/ids.ts';
import { type Device, isRegistered, type Registration } from './device.ts';
import type { Climb } from './ladder.ts';

/** The layers of connectivity, from the card outwards; each is asked only when the one before is there. */
export type ConnectivityLayer = 'card' | 'registration' | 'broker';

export type Connectivity = {
  readonly ok: boolean;
  /** The layer that is missing. */
  readonly missing?: ConnectivityLayer;
  readonly iccid?: Iccid;
  readonly registration?: Registration;
};

export type ConnectivityProbe = {
  readonly device: Device;
  /** A round trip to the broker; rejects when there is none. */
  readonly brokerRoundTrip: (options: { readonly signal?: AbortSignal }) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * Asks the layers once. Never throws but for INTERNAL faults: what cannot be asked is missing. `onRegistered` is called when
 * the network has the device and its broker has not been asked yet.
 */
export async function probeConnectivity(
  probe: ConnectivityProbe,
  expected: Iccid | undefined,
  options: { readonly signal?: AbortSignal } = {},
  onRegistered: () => Promise<void> = () => Promise.resolve(),
): Promise<Connectivity> {
  const { device } = probe;
  const iccid = await attempt(probe, 'card', () => device.readIccid(options));
  if (iccid === undefined || (expected !== undefined && iccid !== expected)) {
    return { ok: false, missing: 'card', ...(iccid === undefined ? {} : { iccid }) };
  }
  const registration = await attempt(probe, 'registration', () => device.registration(options));
  if (registration === undefined || !isRegistered(registration)) {
    return {
      ok: false,
      missing: 'registration',
      iccid,
      ...(registration === undefined ? {} : { registration }),
    };
  }
  await onRegistered();
  const answered = await attempt(probe, 'broker', async () => {
    await probe.brokerRoundTrip(options);
    return true;
  });
  if (answered !== true) return { ok: false, missing: 'broker', iccid, registration };
  return { ok: true, iccid, registration };
}

async function attempt<T>(
  probe: ConnectivityProbe,
  layer: ConnectivityLayer,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
    probe.log.write('debug', 'agent.connectivity', 'layer not reached', {
      layer,
      error: errorOf(error).message,
    });
    return undefined;
  }
}

const PROBE_EVERY_MS = 1000;
/** How often the data context is looked after while there is no answer through it. */
const CONNECT_EVERY_MS = 15_000;
/** How long a card may take to show its new profile, by itself and after each step of the ladder. */
const CARD_PATIENCE_MS = 30_000;
/**
 * How long the network may take before the modem is made to begin anew: some hold on to what belonged to the old profile
 * until they are restarted. Where there is no coverage no step helps.
 */
const REGISTRATION_PATIENCE_MS = 75_000;

/**
 * Waits until every layer is there, at most `withinMs` by the monotonic clock. Time is what counts, not attempts: an
 * attach may take minutes. Where the card does not show the profile, or no network takes it, the ladder is climbed a step.
 */
export async function awaitConnectivity(
  probe: ConnectivityProbe & { readonly climb: Climb },
  expected: Iccid | undefined,
  withinMs: number,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Connectivity> {
  const { clock, climb, device } = probe;
  const endsAt = clock.now() + withinMs;
  // Where little time is allowed every step of the ladder gets its share of it.
  const cardPatienceMs = Math.min(CARD_PATIENCE_MS, withinMs / (device.modem.steps.length + 2));
  await climb.resume();
  let connectedAt = Number.NEGATIVE_INFINITY;
  const connect = async (): Promise<void> => {
    if (clock.now() - connectedAt < CONNECT_EVERY_MS) return;
    await attempt(probe, 'broker', () => device.connect(options));
    connectedAt = clock.now();
  };
  let [cardSince, networkSince] = [clock.now(), clock.now()];
  for (;;) {
    const found = await probeConnectivity(probe, expected, options, connect);
    const now = clock.now();
    if (found.ok || now >= endsAt) return found;
    const missing = found.missing === 'broker' ? undefined : found.missing;
    if (missing === 'card') networkSince = now;
    else cardSince = now;
    const waited =
      missing === 'card' ? now - cardSince >= cardPatienceMs : now - networkSince >= REGISTRATION_PATIENCE_MS;
    if (missing !== undefined && waited) {
      await climb.next(missing);
      [cardSince, networkSince] = [clock.now(), clock.now()];
    }
    await sleep(clock, PROBE_EVERY_MS, options);
  }
}

/** Raised when a verdict is asked for and the time is up already. */
export function connectivityText(found: Connectivity): string {
  return found.ok ? 'connected' : `no ${found.missing ?? 'connectivity'} before the deadline`;
}

/** The deadline of a verdict from now: at least what the operator asks for, at most a day. */
export function deadlineFrom(clock: Clock, deadlineMs: number): number {
  if (!Number.isFinite(deadlineMs)) throw new AgentError('NUMBER_RANGE', { value: deadlineMs });
  return Math.round(clock.wall() + Math.min(Math.max(deadlineMs, 1000), 86_400_000));
}

/** The least time that a verdict gets after a restart: the attach begins anew, and the time away was not its time. */
const GRACE_MS = 60_000;

/**
 * What is left of a verdict's time after a restart. The wall clock is all that survives a power cut, and it may be wrong: never more than
 * was allowed, never less than a grace.
 */
export function remainingMs(clock: Clock, deadline: number, allowedMs: number): number {
  return Math.min(allowedMs, Math.max(deadline - clock.wall(), GRACE_MS));
}
