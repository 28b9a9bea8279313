// What carrying out a command needs, whichever command it is: the device's parts, and how its messages are made.
import type { Clock } from '../base/clock.ts';
import type { Lock } from '../base/lock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { swText } from '../codec/apdu.ts';
import type { Eid } from '../codec/ids.ts';
import { encodeResponseScript } from '../codec/script.ts';
import { type DownOf, type LadderRecord, type UpMessage, upMessages, type UpOf } from '../codec/wire.ts';
import { type ScriptRun, withIsdR } from './card-operations.ts';
import type { CertificatePin } from './certificate-pin.ts';
import type { Device } from './device.ts';
import type { Effect, Event, Order } from './machine.ts';
import type { ConnectivityProbe } from './switch-profile.ts';

export type CarryOutContext = {
  readonly eid: Eid;
  readonly device: Device;
  /** One user of the card at a time. */
  readonly cardLock: Lock;
  readonly probe: ConnectivityProbe;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The PIN of the certificate profile, where the device's owner has given one. */
  readonly certificatePin?: CertificatePin;
  /** Fetches the content of a manifest and verifies all of it. Throws TRANSFER_STOPPED, TRANSFER_MISMATCH, MANIFEST_INVALID. */
  readonly download: (
    order: Order,
    manifest: DownOf<'manifest'>,
    options: StepOptions,
  ) => Promise<Uint8Array>;
  readonly progress: (phase: 'transfer' | 'install' | 'switch', done: number, total: number) => void;
  /** The device's own bound on the wait for a connectivity verdict. */
  readonly deadlineMs: number;
  /** Puts the mark into the journal before a script goes to the card. */
  readonly begin: (deadline?: number) => Promise<void>;
  /** Puts the steps taken after a switch into the journal, each before it is taken and when it is done. */
  readonly climbed: (ladder: readonly LadderRecord[]) => Promise<void>;
  /** Puts into the journal that the way back begins. */
  readonly goBack: () => Promise<void>;
};

export type StepOptions = { readonly signal?: AbortSignal };
export type CarryOut = Extract<Effect, { is: 'carryOut' }>;

export type Report = Omit<UpOf<'scriptReport'>, 'id' | 'eid' | 'transaction' | 'is' | 'command'>;

type Unaddressed<M> = M extends UpMessage ? Omit<M, 'id' | 'eid' | 'transaction'> : never;

export function addressOf(
  { random, eid }: Pick<CarryOutContext, 'random' | 'eid'>,
  { transaction }: Order,
): Pick<UpMessage, 'id' | 'eid' | 'transaction'> {
  return { id: random.bytes(8), eid, transaction };
}

/**
 * A message of this order, with an id of its own: made once, then repeated as it is. `session` says what became of the card's RSP
 * session. Throws `MESSAGE_INVALID` for what the card gave and no message holds.
 */
export function answer(
  context: Pick<CarryOutContext, 'random' | 'eid'>,
  order: Order,
  body: Unaddressed<UpMessage>,
  session?: Uint8Array | 'ended',
): Extract<Event, { is: 'answered' }> {
  const message = { ...body, ...addressOf(context, order) } as UpMessage;
  // A card that answers absurd lengths must not put into the journal what no reader takes: neither the operator nor the next start.
  upMessages.decode(upMessages.encode(message));
  return { is: 'answered', message, ...(session === undefined ? {} : { session }) };
}

export function onIsdR<T>(
  context: Pick<CarryOutContext, 'cardLock' | 'device'>,
  options: StepOptions,
  work: Parameters<typeof withIsdR<T>>[2],
): Promise<T> {
  return context.cardLock.run(async () => withIsdR(await context.device.card(options), options, work));
}

/** The card's result of a package ends its session. */
export function report(context: CarryOutContext, effect: CarryOut, body: Report): Event {
  const message = { is: 'scriptReport', command: effect.command.id, ...body } as const;
  const ended = body.profileInstallationResult === undefined ? undefined : 'ended';
  return answer(context, effect.order, message, ended);
}

export function responseScript(run: ScriptRun | undefined): Uint8Array {
  return encodeResponseScript({ executed: run?.responses.length ?? 0, responses: run?.responses ?? [] });
}

export function refusal(run: ScriptRun): Pick<Report, 'responseScript' | 'apdus' | 'reason'> {
  return {
    responseScript: responseScript(run),
    apdus: run.responses.length,
    reason: `the card refused with ${swText(run.lastSw)}`,
  };
}

/**
 * A script that was cut off opens its secure channel only once: when the card refuses it after a restart, nothing is wrong with the order,
 * and the operator makes a new script.
 */
export function refusedOutcome(effect: CarryOut): 'interrupted' | 'failed' {
  return effect.begun ? 'interrupted' : 'failed';
}
