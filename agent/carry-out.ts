// Carries out what an operator commands, with the card: each command leads to one message, or to a new beginning.
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Lock } from '../base/lock.ts';
import type { Random } from '../base/random.ts';
import { isSuccess, swText } from '../codec/apdu.ts';
import type { Eid, Iccid } from '../codec/ids.ts';
import { AuthenticateServerResponse } from '../codec/rsp/authenticate-server.ts';
import { notificationMetadataOf } from '../codec/rsp/notifications.ts';
import { PrepareDownloadResponse } from '../codec/rsp/prepare-download.ts';
import { encodeResponseScript } from '../codec/script.ts';
import type { DownOf, UpMessage, UpOf } from '../codec/wire.ts';
import {
  authenticateServer,
  listProfiles,
  playScript,
  prepareDownload,
  retrieveNotifications,
  type ScriptRun,
  withIsdR,
} from './card-operations.ts';
import type { Device } from './device.ts';
import type { Effect, Event, Order, WorkCommand } from './machine.ts';
import {
  awaitConnectivity,
  type Connectivity,
  connectivityText,
  type ConnectivityProbe,
  deadlineFrom,
  remainingMs,
} from './switch-profile.ts';

export type CarryOutContext = {
  readonly eid: Eid;
  readonly device: Device;
  /** One user of the card at a time. */
  readonly cardLock: Lock;
  readonly probe: ConnectivityProbe;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
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
};

export type StepOptions = { readonly signal?: AbortSignal };
type CarryOut = Extract<Effect, { is: 'carryOut' }>;
const TAG_AUTHENTICATE_SERVER = 0xbf38;
/** Conditions of use not satisfied: the answer to a package when the RSP session is over (SGP.22, 5.7.6). */
const SESSION_GONE = 0x6985;
type Report = Omit<UpOf<'scriptReport'>, 'id' | 'eid' | 'transaction' | 'is' | 'command'>;

/** The event that ends the work on a command. Faults that only a later attempt can mend are thrown. */
export async function carryOut(
  context: CarryOutContext,
  effect: CarryOut,
  options: StepOptions,
): Promise<Event> {
  const { command, order } = effect;
  try {
    switch (command.is) {
      case 'authenticateRequest': {
        const { imei } = context.device;
        const response = await onIsdR(context, options, (channel) =>
          authenticateServer(channel, command, imei, options),
        );
        if (isSessionLost(response)) return beginAgain(context, order, command);
        return answer(context, order, {
          is: 'authenticateResponse',
          authenticateServerResponse: response,
          imei,
        });
      }
      case 'downloadRequest': {
        const response = await onIsdR(context, options, (channel) =>
          prepareDownload(channel, command, options),
        );
        if (isSessionLost(response)) return beginAgain(context, order, command);
        return answer(context, order, { is: 'downloadResponse', prepareDownloadResponse: response });
      }
      case 'manifest':
        return await install(context, effect, command, options);
      case 'script':
        if (command.purpose === 'enable') return await enable(context, effect, command, options);
        return await playPlain(context, effect, command, options);
    }
  } catch (error) {
    // Cancelled work is no failure: the step stands in the journal and is taken up at the next start.
    if (!isAgentError(error) || error.code === 'ABORTED' || error.retry !== 'never') throw error;
    return failureOf(context, order, command, error);
  }
}

function failureOf(context: CarryOutContext, order: Order, command: WorkCommand, error: AgentError): Event {
  const { code, message } = error;
  return answer(context, order, { is: 'failure', command: command.id, code, detail: message.slice(0, 512) });
}

/** How often a procedure may begin again before the operator is told that it cannot be done. */
const MAX_RESTARTS = 5;

/** A new transaction for the same purpose: what the card held of the old one is gone. */
function beginAgain(context: CarryOutContext, order: Order, command: WorkCommand): Event {
  const { restarts = 0 } = order;
  if (restarts < MAX_RESTARTS) return { is: 'interrupted', transaction: context.random.bytes(16) };
  return failureOf(
    context,
    order,
    command,
    new AgentError('CARD_LOST', { why: 'again and again', restarts }),
  );
}

/**
 * Whether the card knows the RSP session no more, as after a power cut between its steps. Any other error of the card is its word on
 * what the operator sent, and the operator's to judge.
 */
function isSessionLost(response: Uint8Array): boolean {
  const lost: readonly string[] = ['noSessionContext', 'euiccChallengeMismatch', 'invalidTransactionId'];
  const tag = (response[0] ?? 0) * 256 + (response[1] ?? 0);
  if (tag === TAG_AUTHENTICATE_SERVER) {
    const decoded = AuthenticateServerResponse.decode(response);
    return decoded.is === 'authenticateResponseError' && lost.includes(decoded.value.authenticateErrorCode);
  }
  const decoded = PrepareDownloadResponse.decode(response);
  return decoded.is === 'downloadResponseError' && lost.includes(decoded.value.downloadErrorCode);
}

type Unaddressed<M> = M extends UpMessage ? Omit<M, 'id' | 'eid' | 'transaction'> : never;

/** A message of this order, with an id of its own: made once, then repeated as it is. */
export function answer(
  context: Pick<CarryOutContext, 'random' | 'eid'>,
  order: Order,
  body: Unaddressed<UpMessage>,
): Event {
  const address = { id: context.random.bytes(8), eid: context.eid, transaction: order.transaction };
  return { is: 'answered', message: { ...body, ...address } as UpMessage };
}

function onIsdR<T>(
  context: CarryOutContext,
  options: StepOptions,
  work: Parameters<typeof withIsdR<T>>[2],
): Promise<T> {
  return context.cardLock.run(async () => withIsdR(await context.device.card(options), options, work));
}

function report(context: CarryOutContext, effect: CarryOut, body: Report): Event {
  return answer(context, effect.order, { is: 'scriptReport', command: effect.command.id, ...body });
}

function responseScript(run: ScriptRun | undefined): Uint8Array {
  return encodeResponseScript({ executed: run?.responses.length ?? 0, responses: run?.responses ?? [] });
}

/** Download all, verify all, and only then open the card's channel. */
async function install(
  context: CarryOutContext,
  effect: CarryOut,
  manifest: DownOf<'manifest'>,
  options: StepOptions,
): Promise<Event> {
  if (effect.begun) return afterBrokenInstallation(context, effect, manifest, options);
  const content = await context.download(effect.order, manifest, options);
  await context.begin();
  const started = context.clock.now();
  let run: ScriptRun;
  try {
    run = await onIsdR(context, options, (channel, basic) =>
      playScript(channel, content, {
        ...options,
        basic,
        onProgress: (done, total) => context.progress('install', done, total),
      }),
    );
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
    context.log.write('warn', 'agent.install', 'the installation was cut short', { error: error.message });
    return afterBrokenInstallation(context, effect, manifest, options);
  }
  if (run.profileInstallationResult === undefined && (isSuccess(run.lastSw) || run.lastSw === SESSION_GONE)) {
    // Some ways to a card drop a result that is not asked for; and a card that was reset has forgotten the session.
    return afterBrokenInstallation(context, effect, manifest, options);
  }
  return report(context, effect, {
    outcome: run.profileInstallationResult === undefined ? 'failed' : 'done',
    responseScript: responseScript(run),
    apdus: run.responses.length,
    elapsedMs: Math.round(context.clock.now() - started),
    ...(run.profileInstallationResult === undefined
      ? {
          reason: `the card ended with ${swText(run.lastSw)} at command ${run.responses.length} of ${run.total}`,
        }
      : { profileInstallationResult: run.profileInstallationResult }),
  });
}

/** The card is asked what became of it: installed with a result, or to be begun again. Never a second ISD-P. */
async function afterBrokenInstallation(
  context: CarryOutContext,
  effect: CarryOut,
  manifest: DownOf<'manifest'>,
  options: StepOptions,
): Promise<Event> {
  const result = await onIsdR(context, options, async (channel) => {
    const installed = (await listProfiles(channel, options)).some(({ iccid }) => iccid === manifest.iccid);
    const pending = await retrieveNotifications(channel, options);
    return installed ? pending.find((each) => isInstallOf(each, manifest.iccid)) : undefined;
  });
  if (result === undefined) return beginAgain(context, effect.order, manifest);
  return report(context, effect, {
    outcome: 'done',
    responseScript: responseScript(undefined),
    profileInstallationResult: result,
  });
}

function isInstallOf(pending: Uint8Array, iccid: Iccid): boolean {
  const metadata = notificationMetadataOf(pending);
  return metadata.profileManagementOperation.includes('notificationInstall') && metadata.iccid === iccid;
}

/** Enables a profile and waits for the verdict; without one, the rollback script brings back what worked. */
async function enable(
  context: CarryOutContext,
  effect: CarryOut,
  command: DownOf<'script'>,
  options: StepOptions,
): Promise<Event> {
  const started = context.clock.now();
  const allowedMs = Math.min(command.deadlineMs, context.deadlineMs);
  const deadline = effect.deadline ?? deadlineFrom(context.clock, allowedMs);
  if (!effect.begun) await context.begin(deadline);
  let run: ScriptRun | undefined;
  if (!effect.begun || (await enabledIccid(context, options)) !== command.iccid) {
    run = await onIsdR(context, options, (channel, basic) =>
      playScript(channel, command.script, { ...options, basic }),
    );
    if (!isSuccess(run.lastSw)) {
      return report(context, effect, { outcome: refusedOutcome(effect), ...refusal(run) });
    }
  }
  context.progress('switch', 0, 1);
  const withinMs = effect.begun ? remainingMs(context.clock, deadline, allowedMs) : allowedMs;
  const found = await awaitConnectivity(context.probe, command.iccid, withinMs, options);
  const facts = (): Pick<Report, 'apdus' | 'elapsedMs'> => ({
    apdus: run?.responses.length ?? 0,
    elapsedMs: Math.round(context.clock.now() - started),
  });
  if (found.ok) {
    context.progress('switch', 1, 1);
    return report(context, effect, {
      outcome: 'done',
      responseScript: responseScript(run),
      ...seen(found),
      ...facts(),
    });
  }
  const reason = connectivityText(found);
  context.log.write('warn', 'agent.switch', 'going back to the profile that worked', { reason });
  const back = await goBack(context, command, options);
  return report(context, effect, {
    outcome: back === undefined ? 'failed' : 'rolled-back',
    responseScript: responseScript(back?.run ?? run),
    reason,
    ...(back === undefined ? seen(found) : seen(back.found)),
    ...facts(),
  });
}

function seen(found: Connectivity): Pick<Report, 'enabledIccid' | 'registration'> {
  return {
    ...(found.iccid === undefined ? {} : { enabledIccid: found.iccid }),
    ...(found.registration === undefined ? {} : { registration: found.registration }),
  };
}

async function goBack(
  context: CarryOutContext,
  command: DownOf<'script'>,
  options: StepOptions,
): Promise<{ readonly run: ScriptRun; readonly found: Connectivity } | undefined> {
  const { rollback } = command;
  if (rollback === undefined) return undefined;
  const run = await onIsdR(context, options, (channel, basic) =>
    playScript(channel, rollback, { ...options, basic }),
  );
  if (!isSuccess(run.lastSw)) return undefined;
  const found = await awaitConnectivity(
    context.probe,
    await profileToSee(context, options),
    Math.min(command.deadlineMs, context.deadlineMs),
    options,
  );
  return { run, found };
}

/** What the card itself calls enabled now; undefined while it says nothing, as some do until their reset. */
async function profileToSee(context: CarryOutContext, options: StepOptions): Promise<Iccid | undefined> {
  try {
    return await enabledIccid(context, options);
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
    return undefined;
  }
}

async function enabledIccid(context: CarryOutContext, options: StepOptions): Promise<Iccid | undefined> {
  const profiles = await onIsdR(context, options, (channel) => listProfiles(channel, options));
  return profiles.find(({ enabled }) => enabled)?.iccid;
}

/** Disable and delete: no verdict to wait for. After a restart a profile that is gone counts as done. */
async function playPlain(
  context: CarryOutContext,
  effect: CarryOut,
  command: DownOf<'script'>,
  options: StepOptions,
): Promise<Event> {
  if (effect.begun) {
    const profiles = await onIsdR(context, options, (channel) => listProfiles(channel, options));
    const held = profiles.find(({ iccid }) => iccid === command.iccid);
    if (command.purpose === 'delete' ? held === undefined : held?.enabled !== true) {
      return report(context, effect, { outcome: 'done', responseScript: responseScript(undefined) });
    }
  } else await context.begin();
  const run = await onIsdR(context, options, (channel, basic) =>
    playScript(channel, command.script, { ...options, basic }),
  );
  const ok = isSuccess(run.lastSw) && run.responses.length === run.total;
  return report(
    context,
    effect,
    ok
      ? { outcome: 'done', responseScript: responseScript(run), apdus: run.responses.length }
      : { outcome: refusedOutcome(effect), ...refusal(run) },
  );
}

function refusal(run: ScriptRun): Pick<Report, 'responseScript' | 'apdus' | 'reason'> {
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
function refusedOutcome(effect: CarryOut): 'interrupted' | 'failed' {
  return effect.begun ? 'interrupted' : 'failed';
}

/** What an unexpected failure of a step is called in the log. */
export function stepFailure(error: unknown): { readonly error: string; readonly retry: string } {
  const { message } = errorOf(error);
  return { error: message, retry: error instanceof AgentError ? error.retry : 'later' };
}
