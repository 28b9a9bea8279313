// The enabling of a profile as the operator commands it: the script, the verdict, the way back, each taken up after a power cut.
import { AgentError, isAgentError } from '../base/errors.ts';
import { decodeCommandApdu, isSuccess } from '../codec/apdu.ts';
import type { Iccid } from '../codec/ids.ts';
import { decodeCommandScript } from '../codec/script.ts';
import type { DownOf, LadderRecord } from '../codec/wire.ts';
import { listProfiles, playScript, type ScriptRun } from './card-operations.ts';
import {
  type CarryOut,
  type CarryOutContext,
  onIsdR,
  type Report,
  refusal,
  refusedOutcome,
  report,
  responseScript,
  type StepOptions,
} from './carry-out-context.ts';
import { type Climb, createClimb } from './ladder.ts';
import type { Event } from './machine.ts';
import {
  awaitConnectivity,
  type Connectivity,
  connectivityText,
  deadlineFrom,
  remainingMs,
} from './switch-profile.ts';
import { announcesCommand, restartCard, settleWaitingRefresh } from './waiting-refresh.ts';

type Enable = DownOf<'script'>;

/** The ladder as far as it was climbed, the way back included. */
type Ladder = { records: readonly LadderRecord[] };

/** Enables a profile and waits for the verdict; without one, the rollback script brings back what worked. */
export async function enable(
  context: CarryOutContext,
  effect: CarryOut,
  command: Enable,
  options: StepOptions,
): Promise<Event> {
  const started = context.clock.now();
  const allowedMs = Math.min(command.deadlineMs, context.deadlineMs);
  const deadline = effect.deadline ?? deadlineFrom(context.clock, allowedMs);
  const ladder: Ladder = { records: effect.ladder ?? [] };
  const facts = (run: ScriptRun | undefined): Pick<Report, 'apdus' | 'elapsedMs' | 'ladder'> => ({
    apdus: run?.responses.length ?? 0,
    elapsedMs: Math.round(context.clock.now() - started),
    ...(ladder.records.length === 0 ? {} : { ladder: ladder.records }),
  });
  // A switch that waits for its reset would make the card refuse this one, or look as if it had not happened.
  if (ladder.records.length === 0 && effect.goingBack !== true)
    await settleWaitingRefresh(context, () => restartCard(context, options), options);
  if (!effect.begun) {
    // A way back that cannot be read is found out about here, where the device still has its network.
    if (command.rollback !== undefined) decodeCommandScript(command.rollback).forEach(decodeCommandApdu);
    await context.begin(deadline);
  }
  let run: ScriptRun | undefined;
  let reason = 'no connectivity before the deadline, and a restart on the way back';
  let last: Connectivity | undefined;
  if (effect.goingBack !== true) {
    if (!effect.begun || (await mustPlay(context, ladder, { command, deadline }, options))) {
      run = await play(context, command.script, options);
      if (!isSuccess(run.lastSw)) {
        return report(context, effect, { outcome: refusedOutcome(effect), ...refusal(run) });
      }
    }
    context.progress('switch', 0, 1);
    const withinMs = effect.begun ? remainingMs(context.clock, deadline, allowedMs) : allowedMs;
    const found = await verdict(context, ladder, { expected: command.iccid, withinMs, back: false }, options);
    if (found.ok) {
      context.progress('switch', 1, 1);
      const response = { responseScript: responseScript(run), ...seen(found), ...facts(run) };
      return report(context, effect, { outcome: 'done', ...response });
    }
    reason = connectivityText(found);
    last = found;
    if (command.rollback === undefined) {
      const response = { responseScript: responseScript(run), ...seen(found), ...facts(run) };
      return report(context, effect, { outcome: 'failed', reason, ...response });
    }
  }
  const again = effect.goingBack === true;
  const back = await goBack(context, ladder, { command, reason, withinMs: allowedMs, again }, options);
  return report(context, effect, {
    outcome: back === undefined ? 'failed' : 'rolled-back',
    responseScript: responseScript(back?.run ?? run),
    reason,
    ...seen(back?.found ?? last ?? { ok: false }),
    ...facts(run),
  });
}

/**
 * Whether a script that was begun did nothing. What the card refuses to tell, as before the reset that some wait for, is no
 * reason to play it a second time; nor is a card that cannot be reached once the ladder was begun or its time is up.
 */
async function mustPlay(
  context: CarryOutContext,
  ladder: Ladder,
  { command, deadline }: { readonly command: Enable; readonly deadline: number },
  options: StepOptions,
): Promise<boolean> {
  if (ladder.records.length > 0) return false;
  try {
    const enabled = await enabledNow(context, options);
    return enabled !== 'unknown' && enabled !== command.iccid;
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED' || context.clock.wall() < deadline) throw error;
    return false;
  }
}

function play(context: CarryOutContext, script: Uint8Array, options: StepOptions): Promise<ScriptRun> {
  return onIsdR(context, options, (channel, basic) => playScript(channel, script, { ...options, basic }));
}

function verdict(
  context: CarryOutContext,
  ladder: Ladder,
  what: { readonly expected: Iccid | undefined; readonly withinMs: number; readonly back: boolean },
  options: StepOptions,
): Promise<Connectivity> {
  const climb = climbOf(context, ladder, what.back, options);
  return awaitConnectivity({ ...context.probe, climb }, what.expected, what.withinMs, options);
}

function climbOf(context: CarryOutContext, ladder: Ladder, back: boolean, options: StepOptions): Climb {
  return createClimb(
    {
      ladder: context.device.modem,
      clock: context.clock,
      log: context.log,
      earlier: ladder.records,
      back,
      keep(records) {
        ladder.records = records;
        return context.climbed(records);
      },
    },
    options,
  );
}

function seen(found: Connectivity): Pick<Report, 'enabledIccid' | 'registration'> {
  return {
    ...(found.iccid === undefined ? {} : { enabledIccid: found.iccid }),
    ...(found.registration === undefined ? {} : { registration: found.registration }),
  };
}

/** Plays the way back unless it has been, and waits for what it leads to. Undefined when the card refuses it. */
async function goBack(
  context: CarryOutContext,
  ladder: Ladder,
  what: {
    readonly command: Enable;
    readonly reason: string;
    readonly withinMs: number;
    /** The way back had begun before a restart. */
    readonly again: boolean;
  },
  options: StepOptions,
): Promise<{ readonly run: ScriptRun | undefined; readonly found: Connectivity } | undefined> {
  const { command, reason, withinMs, again } = what;
  const { rollback, iccid } = command;
  context.log.write('warn', 'agent.switch', 'going back to the profile that worked', { reason });
  await context.goBack();
  const settle = (): Promise<void> =>
    settleWaitingRefresh(context, () => climbOf(context, ladder, true, options).next('card'), options);
  if (again) await settle();
  const isBack = again && ![iccid, 'none', 'unknown'].includes(await enabledNow(context, options));
  let run: ScriptRun | undefined;
  if (!isBack && rollback !== undefined) {
    run = await playBack(context, rollback, options);
    if (!isSuccess(run.lastSw)) return undefined;
    // Which profile the card went back to can be asked when it has.
    if (announcesCommand(run.lastSw)) await settle();
  }
  const expected = await profileToSee(context, options);
  return { run, found: await verdict(context, ladder, { expected, withinMs, back: true }, options) };
}

/** A card that refuses its ISD-R, as some do until they are reset, is tried again: without the way back the device has no network. */
async function playBack(
  context: CarryOutContext,
  rollback: Uint8Array,
  options: StepOptions,
): Promise<ScriptRun> {
  try {
    return await play(context, rollback, options);
  } catch (cause) {
    if (!isAgentError(cause, 'CARD_STATUS')) throw cause;
    throw new AgentError('CARD_ACCESS', { why: cause.message }, { cause });
  }
}

/**
 * What the card itself calls enabled now; unknown where it refuses to say, as some do until their reset. Throws where the
 * way to it is broken: then nothing can be decided yet.
 */
async function enabledNow(
  context: CarryOutContext,
  options: StepOptions,
): Promise<Iccid | 'none' | 'unknown'> {
  try {
    const profiles = await onIsdR(context, options, (channel) => listProfiles(channel, options));
    return profiles.find(({ enabled }) => enabled)?.iccid ?? 'none';
  } catch (error) {
    if (!isAgentError(error, 'CARD_STATUS')) throw error;
    return 'unknown';
  }
}

/** The profile to wait for after the way back: any, while the card is not there to be asked. */
async function profileToSee(context: CarryOutContext, options: StepOptions): Promise<Iccid | undefined> {
  try {
    const enabled = await enabledNow(context, options);
    return enabled === 'none' || enabled === 'unknown' ? undefined : enabled;
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
    return undefined;
  }
}
