// Carries out what an operator commands, with the card: each command leads to one message, or to a new beginning.
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { isSuccess, swText } from '../codec/apdu.ts';
import type { Iccid } from '../codec/ids.ts';
import { AuthenticateServerResponse } from '../codec/rsp/authenticate-server.ts';
import { PrepareDownloadResponse } from '../codec/rsp/prepare-download.ts';
import type { DownOf, UpOf } from '../codec/wire.ts';
import {
  authenticateServer,
  listProfiles,
  playScript,
  prepareDownload,
  retrieveNotifications,
  type ScriptRun,
} from './card-operations.ts';
import {
  addressOf,
  answer,
  type CarryOut,
  type CarryOutContext,
  onIsdR,
  refusal,
  refusedOutcome,
  report,
  responseScript,
  type StepOptions,
} from './carry-out-context.ts';
import { enable } from './enable-profile.ts';
import type { Event, Order, WorkCommand } from './machine.ts';
import { metadataIn } from './pending-notifications.ts';
import { statusAnswer } from './status-answer.ts';
import { cancelReasonOf, requireAllowedRules, sessionOf } from './rsp-session.ts';

const TAG_AUTHENTICATE_SERVER = 0xbf38;
const LOST: readonly string[] = ['noSessionContext', 'euiccChallengeMismatch', 'invalidTransactionId'];
/** Conditions of use not satisfied: the answer to a package when the RSP session is over (SGP.22, 5.7.6). */
const SESSION_GONE = 0x6985;

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
        const body = {
          is: 'authenticateResponse',
          authenticateServerResponse: response,
          imei,
          ...(await statusAnswer(context, command.certificateProfileChallenge, options)),
        } as const;
        return answer(context, order, body, isRefusedByCard(response) ? 'ended' : sessionOf(command));
      }
      case 'downloadRequest': {
        const { profileMetadata } = command;
        const response = await onIsdR(context, options, async (channel) => {
          if (profileMetadata !== undefined) await requireAllowedRules(channel, profileMetadata, options);
          return prepareDownload(channel, command, options);
        });
        if (isSessionLost(response)) return beginAgain(context, order, command);
        const body = { is: 'downloadResponse', prepareDownloadResponse: response } as const;
        return answer(context, order, body, isRefusedByCard(response) ? 'ended' : undefined);
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
    context.log.write('warn', 'agent.order', 'given up', { mno: order.mno, error: error.message });
    return {
      is: 'givenUp',
      reason: cancelReasonOf(error),
      failure: failureOf(context, order, command, error),
    };
  }
}

function failureOf(
  context: CarryOutContext,
  order: Order,
  command: WorkCommand,
  { code, message: text }: AgentError,
): UpOf<'failure'> {
  const body = { is: 'failure', command: command.id, code, detail: text.slice(0, 512) } as const;
  return { ...body, ...addressOf(context, order) };
}

/** How often a procedure may begin again before the operator is told that it cannot be done. */
const MAX_RESTARTS = 5;

/** A new transaction for the same purpose: what the card held of the old one is gone. */
function beginAgain(context: CarryOutContext, order: Order, command: WorkCommand): Event {
  const { restarts = 0 } = order;
  if (restarts < MAX_RESTARTS) return { is: 'interrupted', transaction: context.random.bytes(16) };
  const error = new AgentError('CARD_LOST', { why: 'again and again', restarts });
  return { is: 'answered', message: failureOf(context, order, command, error), session: 'ended' };
}

/** What the card answered instead of its signature, if it did. */
function cardErrorIn(response: Uint8Array): string | undefined {
  const tag = (response[0] ?? 0) * 256 + (response[1] ?? 0);
  if (tag === TAG_AUTHENTICATE_SERVER) {
    const decoded = AuthenticateServerResponse.decode(response);
    return decoded.is === 'authenticateResponseError' ? decoded.value.authenticateErrorCode : undefined;
  }
  const decoded = PrepareDownloadResponse.decode(response);
  return decoded.is === 'downloadResponseError' ? decoded.value.downloadErrorCode : undefined;
}

/**
 * Whether the card knows the RSP session no more, as after a power cut between its steps. Any other error of the card is its word on
 * what the operator sent, and the operator's to judge.
 */
function isSessionLost(response: Uint8Array): boolean {
  const error = cardErrorIn(response);
  return error !== undefined && LOST.includes(error);
}

/** Whether the card has ended the session with an error. */
function isRefusedByCard(response: Uint8Array): boolean {
  return cardErrorIn(response) !== undefined;
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
    run = await context.device.modem.hurry(content.length, () =>
      onIsdR(context, options, (channel, basic) =>
        playScript(channel, content, {
          ...options,
          basic,
          onProgress: (done, total) => context.progress('install', done, total),
        }),
      ),
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

/**
 * The card is asked what became of it: installed with a result, or to be begun again. Never a second ISD-P. Attempts that failed have
 * results of their own in the list, older than the one that installed it.
 */
async function afterBrokenInstallation(
  context: CarryOutContext,
  effect: CarryOut,
  manifest: DownOf<'manifest'>,
  options: StepOptions,
): Promise<Event> {
  const result = await onIsdR(context, options, async (channel) => {
    const installed = (await listProfiles(channel, options)).some(({ iccid }) => iccid === manifest.iccid);
    const pending = await retrieveNotifications(channel, options);
    return installed ? pending.findLast((each) => isInstallOf(each, manifest.iccid)) : undefined;
  });
  if (result === undefined) return beginAgain(context, effect.order, manifest);
  return report(context, effect, {
    outcome: 'done',
    responseScript: responseScript(undefined),
    profileInstallationResult: result,
  });
}

function isInstallOf(pending: Uint8Array, iccid: Iccid): boolean {
  const metadata = metadataIn(pending);
  return metadata?.iccid === iccid && metadata.profileManagementOperation.includes('notificationInstall');
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

/** What an unexpected failure of a step is called in the log. */
export function stepFailure(error: unknown): { readonly error: string; readonly retry: string } {
  const { message } = errorOf(error);
  return { error: message, retry: error instanceof AgentError ? error.retry : 'later' };
}
