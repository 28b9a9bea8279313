// The network as the modem tells it, kept in the state folder for `euicc-agent status`; and the data context, brought up again when it went down.
import { type Clock } from '../base/clock.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { DataContext, DataSettings } from '../modem/data-context.ts';
import type { Modem } from '../modem/modem.ts';
import type { Signal } from '../modem/signal.ts';
import { untilWoken } from './until.ts';

export type NetworkRecord = {
  /** ISO 8601, by the device's clock. */
  readonly at: string;
  readonly registration: string;
  readonly operator?: string;
  /** `<AcT>` of 3GPP TS 27.007. */
  readonly accessTechnology?: number;
  readonly signal: Signal;
  readonly contexts: readonly DataContext[];
};

type NetworkModem = Pick<
  Modem,
  'registration' | 'onRegistration' | 'operator' | 'signal' | 'dataState' | 'connectData'
>;

export type NetworkWatchOptions = {
  readonly modem: NetworkModem;
  readonly data: DataSettings | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly write: (record: NetworkRecord) => Promise<void>;
};

/** Changes come in flocks: one look for all of them. */
const SETTLE_MS = 3_000;
const LOOK_EVERY_MS = 600_000;
/** How long a network that refuses the context is left alone. */
const RETRY_MS = 60_000;

/** Runs until the signal fires. What cannot be asked now is asked later. */
export async function watchNetwork(
  options: NetworkWatchOptions,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const { modem, data, clock, log } = options;
  let wake = (): void => {};
  let changed = true;
  let last = '';
  const unwatch = modem.onRegistration(() => {
    changed = true;
    wake();
  });
  /** Answers whether all is as it should be. */
  const look = async (): Promise<boolean> => {
    const registration = await modem.registration();
    let connected = true;
    if (data !== undefined && registration.registered) {
      connected = await modem.connectData(data, { signal }).then(
        () => true,
        (error: unknown) => {
          if (!isAgentError(error, 'AT_ERROR')) throw error;
          log.write('warn', 'agent.network', 'the data context is refused', { why: error.message });
          return false;
        },
      );
    }
    const { name, plmn, accessTechnology } = await modem.operator().catch(nothing);
    const operator = plmn ?? name;
    const { contexts } = await modem.dataState();
    const record = {
      registration: registration.status,
      ...(operator === undefined ? {} : { operator }),
      ...(accessTechnology === undefined ? {} : { accessTechnology }),
      contexts,
    };
    const text = JSON.stringify(record);
    // The signal changes all the time, and the disk of a device has only so many writes in it.
    if (text !== last)
      await options.write({
        at: new Date(clock.wall()).toISOString(),
        ...record,
        signal: await modem.signal(),
      });
    last = text;
    return connected;
  };
  try {
    while (!signal.aborted) {
      if (changed) await untilWoken(clock, SETTLE_MS, signal, () => {});
      changed = false;
      let fine = false;
      try {
        if (!signal.aborted) fine = await look();
      } catch (error) {
        if (!isAgentError(error)) throw error;
        log.write('debug', 'agent.network', 'the modem does not tell', { why: errorOf(error).message });
      }
      if (!changed) await untilWoken(clock, fine ? LOOK_EVERY_MS : RETRY_MS, signal, (done) => (wake = done));
    }
  } finally {
    unwatch();
  }
}

function nothing(error: unknown): {
  readonly name?: string;
  readonly plmn?: string;
  readonly accessTechnology?: number;
} {
  if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
  return {};
}
