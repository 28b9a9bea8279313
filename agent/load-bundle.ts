// Loads an offline bundle (seed 56, 72): everything is checked before the card is touched, and a load that was cut off can be begun again.
import type { Clock } from '../base/clock.ts';
import { toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isSuccess, swText } from '../codec/apdu.ts';
import type { Card, CardChannel } from '../codec/card.ts';
import { ProfileInstallationResult, ProfileInstallationResultData } from '../codec/rsp/notifications.ts';
import { type BundleAnswer, type OfflineBundle } from '../codec/offline-bundle.ts';
import { PrepareDownloadResponse } from '../codec/rsp/prepare-download.ts';
import { decodeCommandScript, encodeResponseScript } from '../codec/script.ts';
import type { Ec } from '../crypto/ec.ts';
import { parseInitializeUpdate } from '../crypto/scp03-host.ts';
import type { OperatorKey } from '../transport/envelope.ts';
import { openBundle } from '../transport/offline-bundle.ts';
import {
  getEid,
  listProfiles,
  playScript,
  retrieveNotifications,
  type ScriptRun,
  withIsdR,
} from './card-operations.ts';
import { metadataIn } from './pending-notifications.ts';

export type BundleContext = {
  /** Where an operator's notifications are addressed to. */
  readonly addressOf: (mno: string) => string | undefined;
  readonly card: () => Promise<Card>;
  /** How often a bundle was begun from this state folder. */
  readonly attempts: {
    begun(transactionId: Uint8Array): Promise<number>;
    begin(transactionId: Uint8Array, attempts: number): Promise<void>;
  };
  readonly clock: Clock;
  readonly log: Log;
  readonly onProgress?: (done: number, total: number) => void;
};

const DAY = 86_400_000;
/** INITIALIZE UPDATE and EXTERNAL AUTHENTICATE: nothing on the card has changed before they are through. */
const OPENING = 2;
const INITIALIZE_UPDATE_MS = 30_000;

/** All that can be said without the card. Throws `BUNDLE_INVALID`, `COMMAND_REFUSED` and `BUNDLE_EXPIRED`. */
export function checkBundle(
  context: Pick<BundleContext, 'clock' | 'log'> & {
    readonly ec: Ec;
    readonly operators: readonly OperatorKey[];
  },
  file: Uint8Array,
): OfflineBundle {
  const bundle = openBundle(context.ec, file, context.operators);
  checkDates(context, bundle);
  return bundle;
}

/**
 * Loads a bundle that was checked, and answers what the card said. Throws `BUNDLE_EID` and `BUNDLE_STALE`, where the card is left as it was, and what
 * the way to the card throws; the same bundle may be loaded again then.
 */
export async function loadBundle(
  context: BundleContext,
  bundle: OfflineBundle,
  options: { readonly signal?: AbortSignal } = {},
): Promise<BundleAnswer> {
  const card = await context.card();
  const { version, eid, mno, transactionId, iccid } = bundle;
  const head = { version, eid, mno, transactionId, iccid } as const;
  const run = await withIsdR(card, options, async (channel) => {
    const found = await getEid(channel, options);
    if (found !== eid) throw new AgentError('BUNDLE_EID', { bundle: eid, card: found });
    if ((await listProfiles(channel, options)).some((profile) => profile.iccid === iccid)) return undefined;
    const script = await scriptFor(context, channel, bundle, options);
    const { onProgress } = context;
    return playScript(channel, script, { ...options, ...(onProgress === undefined ? {} : { onProgress }) });
  });
  const reason = run === undefined ? undefined : whyNot(run);
  // On a channel of its own: the other one takes nothing in the clear any more.
  const notifications = await withIsdR(card, options, (channel) => signedWords(context, channel, bundle));
  if (run === undefined) return { ...head, outcome: 'present', notifications };
  const { responses } = run;
  return {
    ...head,
    outcome: reason === undefined ? 'installed' : 'failed',
    ...(reason === undefined ? {} : { reason }),
    responseScript: encodeResponseScript({ executed: responses.length, responses }),
    notifications,
  };
}

/** A clock that is before the bundle's making is wrong, and says nothing of its end. */
function checkDates(
  { clock, log }: Pick<BundleContext, 'clock' | 'log'>,
  { issued, expires }: OfflineBundle,
): void {
  const now = clock.wall();
  if (now < issued * 1000 - DAY) {
    log.write('warn', 'agent.bundle', 'the clock is behind the bundle: its expiry is not looked at');
    return;
  }
  if (now > expires * 1000) {
    throw new AgentError('BUNDLE_EXPIRED', { expired: new Date(expires * 1000).toISOString() });
  }
}

/**
 * The script for the counter that the card is at. Each one but the first is for a load that was begun here and did not end: a counter that
 * something else has moved on is the operator's doing, and its bundle of before is worth nothing any more.
 */
async function scriptFor(
  { attempts }: BundleContext,
  channel: CardChannel,
  bundle: OfflineBundle,
  options: { readonly signal?: AbortSignal },
): Promise<Uint8Array> {
  const { scripts, sequenceCounter, transactionId } = bundle;
  const begun = await attempts.begun(transactionId);
  const counter = await counterOf(channel, bundle, options);
  const attempt = counter - sequenceCounter;
  const script = scripts[attempt];
  if (script === undefined || attempt > begun) {
    const data = { card: counter, bundle: sequenceCounter, attempts: scripts.length, begun };
    throw new AgentError('BUNDLE_STALE', { why: 'another sequence counter', ...data });
  }
  checkLengths(channel, script);
  await attempts.begin(transactionId, attempt + 1);
  return script;
}

/** What INITIALIZE UPDATE tells, which changes nothing on the card. That it is the card's word, EXTERNAL AUTHENTICATE finds out. */
async function counterOf(
  channel: CardChannel,
  { scripts }: OfflineBundle,
  options: { readonly signal?: AbortSignal },
): Promise<number> {
  const stale = (why: string): AgentError => new AgentError('BUNDLE_STALE', { why });
  const [initializeUpdate] = decodeCommandScript(scripts[0] ?? new Uint8Array());
  if (initializeUpdate === undefined) throw stale('an empty script');
  const { data, sw } = await channel.transmit(initializeUpdate, {
    timeoutMs: INITIALIZE_UPDATE_MS,
    ...options,
  });
  if (!isSuccess(sw)) throw stale(`INITIALIZE UPDATE answered ${swText(sw)}: the keys are others`);
  try {
    const { sequenceCounter } = parseInitializeUpdate(data);
    if (sequenceCounter !== undefined) return sequenceCounter;
  } catch (error) {
    if (!isAgentError(error, 'SCP03_SECURITY')) throw error;
  }
  throw stale('the card does not tell its sequence counter');
}

/** A command that the way to the card does not carry would break off in the middle. */
function checkLengths({ maxCommandData }: CardChannel, script: Uint8Array): void {
  const longest = decodeCommandScript(script).reduce((most, apdu) => Math.max(most, apdu[4] ?? 0), 0);
  if (maxCommandData === undefined || longest <= maxCommandData) return;
  throw new AgentError('BUNDLE_FAILED', {
    why: `commands of ${longest} octets, of which this modem carries ${maxCommandData}`,
    do: `ask the operator for a bundle with commands of at most ${maxCommandData} octets`,
  });
}

/** Why the profile is not on the card. Throws `BUNDLE_STALE` where nothing on the card has changed. */
function whyNot({ lastSw, profileInstallationResult, responses }: ScriptRun): string | undefined {
  if (profileInstallationResult !== undefined) {
    const { profileInstallationResultData } = ProfileInstallationResult.decode(profileInstallationResult);
    const { finalResult } = ProfileInstallationResultData.decode(profileInstallationResultData);
    if (finalResult.is === 'successResult') return undefined;
    return `${finalResult.value.bppCommandId}: ${finalResult.value.errorReason}`;
  }
  if (responses.length <= OPENING && !isSuccess(lastSw)) {
    throw new AgentError('BUNDLE_STALE', { why: `the secure channel was refused with ${swText(lastSw)}` });
  }
  const error = responses.map(preparationError).find((found) => found !== undefined);
  if (error === 'invalidTransactionId') {
    throw new AgentError('BUNDLE_STALE', { why: 'its profile was installed once already' });
  }
  if (error !== undefined) return `PrepareDownload: ${error}`;
  return `the card refused with ${swText(lastSw)}`;
}

function preparationError(response: Uint8Array): string | undefined {
  if (response[0] !== 0xbf || response[1] !== 0x21) return undefined;
  try {
    const answer = PrepareDownloadResponse.decode(response.subarray(0, -2));
    return answer.is === 'downloadResponseError' ? answer.value.downloadErrorCode : undefined;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
}

/** The operator's notifications, and the result of this bundle wherever it is addressed to. They stay on the card: `run` delivers them. */
async function signedWords(
  { addressOf }: BundleContext,
  channel: CardChannel,
  { mno, transactionId }: OfflineBundle,
): Promise<readonly Uint8Array[]> {
  const address = addressOf(mno);
  const wanted = toHex(transactionId);
  return (await retrieveNotifications(channel)).filter(
    (raw) =>
      (address !== undefined && metadataIn(raw)?.notificationAddress === address) ||
      transactionOf(raw) === wanted,
  );
}

function transactionOf(raw: Uint8Array): string | undefined {
  if (raw[0] !== 0xbf) return undefined;
  try {
    const { profileInstallationResultData } = ProfileInstallationResult.decode(raw);
    return toHex(ProfileInstallationResultData.decode(profileInstallationResultData).transactionId);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
}
