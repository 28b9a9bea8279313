// What became of a script: the card's answer out of its second layer, its sequence counter believed only with proof, the EIS updated.
import { equalBytes } from '../../base/bytes.ts';
import { AgentError, isAgentError } from '../../base/errors.ts';
import { decodeResponseApdu, SW } from '../../codec/apdu.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import { ProfileInstallationResult, ProfileInstallationResultData } from '../../codec/rsp/notifications.ts';
import { DeleteProfileResponse, EnableProfileResponse } from '../../codec/rsp/profile-management.ts';
import { decodeResponseScript, type ScriptResponse } from '../../codec/script.ts';
import { POR_STATUS } from '../../codec/secured-packet.ts';
import { sha256 } from '../../crypto/hash.ts';
import type { Scp03Keys, Scp03Level } from '../../crypto/scp03.ts';
import type { ScriptResult, SmSr } from '../roles.ts';
import type { Tx } from '../store/store.ts';
import type { EisKeyTable, ScriptTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { eisProfiles, managementKeys, setSequenceCounter, updateProfile } from './eis.ts';
import { believeKeys, isKeyScript } from './key-rotation.ts';
import { believeModule, moduleAnswer } from './security-modules.ts';
import { isOverTheAir, openOtaAnswer, type OtaKeyset } from './ota-scripts.ts';
import { lastScript } from './scripts.ts';
import { restored, storedResult } from './stored-result.ts';
import {
  type CounterEvidence,
  lastData,
  openResponses,
  provedCounter,
  type ScriptSession,
} from './second-layer.ts';

type Request = Parameters<SmSr['scriptResult']>[0];

/** Which of a job's two scripts the card answered: its cryptogram covers the host challenge of one of them. */
type Answered = {
  readonly which: 'script' | 'rollback';
  readonly session: ScriptSession;
  readonly evidence: CounterEvidence;
};

export function scriptResult(context: SmSrContext, request: Request, peer: string): Promise<ScriptResult> {
  const { name: owner, store } = context;
  const { eid, responseScript } = request;
  return store.transaction(async (tx) => {
    const script = await lastScript(tx, owner, eid);
    const answerHash = sha256(responseScript);
    if (script?.result != null && equalBytes(script.answerHash ?? new Uint8Array(), answerHash)) {
      return restored(script.result);
    }
    const answer = readAnswer(responseScript);
    if ('reason' in answer) return nothing(answer.reason);
    if (script?.state !== 'prepared' || script.mno !== peer)
      return nothing('no script awaits an answer', answer);
    const result =
      answer.responses.length === 0
        ? nothing('nothing is known of its execution', answer)
        : await evaluate(context, tx, request, script, answer);
    await tx
      .updateTable('scripts')
      .set({
        state: answer.responses.length === 0 ? 'void' : result.ok ? 'done' : 'failed',
        script: null,
        rollback: null,
        answerHash,
        result: storedResult.encode(result),
        updatedAt: context.clock.wall(),
      })
      .where('owner', '=', owner)
      .where('eid', '=', eid)
      .where('number', '=', script.number)
      .execute();
    const { ok, executed, reason } = result;
    const details = { script: script.number, purpose: script.purpose, ok, executed, reason: reason ?? '' };
    await note(context, tx, { actor: script.mno, action: 'scriptResult', eid, details });
    return result;
  });
}

function nothing(reason: string, answer?: ScriptResponse): ScriptResult {
  return { ok: false, executed: answer?.executed ?? 0, lastSw: 0, responses: [], reason };
}

function readAnswer(responseScript: Uint8Array): ScriptResponse | { readonly reason: string } {
  if (responseScript.length === 0) return { executed: 0, responses: [] };
  try {
    return decodeResponseScript(responseScript);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return { reason: error.message };
  }
}

async function evaluate(
  context: SmSrContext,
  tx: Tx,
  request: Request,
  script: ScriptTable,
  answer: ScriptResponse,
): Promise<ScriptResult> {
  const { keys, row } = await managementKeys(context, tx, request.eid, script.kvn);
  if (isOverTheAir(script.kvn)) {
    return evaluateOverTheAir(context, tx, request, script, answer, {
      keyset: { kvn: script.kvn, keys },
      row,
    });
  }
  const answered = whichAnswered(keys, script, answer, request.rolledBack === true);
  const { session, evidence, which } = answered;
  const failed = (reason: string): ScriptResult => ({ ...nothing(reason, answer), lastSw: lastSwOf(answer) });
  if (!evidence.proved) return failed(evidence.why);
  await countSession(context, tx, request, row, answered, answer);
  if (evidence.sequenceCounter !== session.sequenceCounter) {
    const reason = `the card is at sequence counter ${evidence.sequenceCounter}, expected ${session.sequenceCounter}`;
    return { ...failed(reason), resynchronised: true };
  }
  const commands = which === 'script' ? script.commands : script.rollbackCommands;
  const count = which === 'script' ? script.commandCount : 1;
  const opened = openResponses(keys, session, { commands, count }, answer);
  const said = functionAnswer(script, which === 'script' ? script.purpose : 'enable', opened.responses);
  const reason =
    said.refusal ??
    opened.reason ??
    (said.is === 'nothing' ? 'the card did not answer the function' : undefined);
  const { executed } = answer;
  const { responses, lastSw } = opened;
  if (reason !== undefined) return { ok: false, executed, lastSw, responses, reason };
  if (which === 'rollback' || request.rolledBack !== true) await believeCard(context, tx, script, which);
  return { ok: true, executed, lastSw, responses };
}

/** Proofs of receipt tell of each packet whether it was executed; one that says that its counter is too low tells where the card is not. */
async function evaluateOverTheAir(
  context: SmSrContext,
  tx: Tx,
  request: Request,
  script: ScriptTable,
  answer: ScriptResponse,
  { keyset, row }: { readonly keyset: OtaKeyset; readonly row: EisKeyTable },
): Promise<ScriptResult> {
  const { commands, purpose, rollbackCommands, sequenceCounter } = script;
  const open = (kept: Uint8Array, counter: number) =>
    openOtaAnswer(keyset, { commands: kept, counter }, answer.responses);
  const main = open(commands ?? new Uint8Array(), sequenceCounter);
  const afterMain = sequenceCounter + main.counters;
  const back = rollbackCommands === null ? undefined : open(rollbackCommands, afterMain);
  const isBack = back !== undefined && !main.ok && (back.ok || request.rolledBack === true);
  const opened = isBack ? back : main;
  const next =
    request.rolledBack === true && back !== undefined ? afterMain + back.counters : row.sequenceCounter;
  const { executed } = answer;
  const { lastSw, reason, responses } = opened;
  if (opened.refused === POR_STATUS.counterLow) {
    await setSequenceCounter(context, tx, row, next + COUNTER_JUMP);
    const details = { expected: sequenceCounter, jump: COUNTER_JUMP };
    await note(context, tx, { actor: context.name, action: 'resynchronise', eid: request.eid, details });
    return { ok: false, executed, lastSw, responses, reason: reason ?? 'counter', resynchronised: true };
  }
  if (next !== row.sequenceCounter) await setSequenceCounter(context, tx, row, next);
  const said = functionAnswer(script, isBack ? 'enable' : purpose, responses);
  const silent = said.is === 'nothing' && (purpose !== 'load' || isBack);
  const why = said.refusal ?? reason ?? (silent ? 'the card did not answer the function' : undefined);
  if (why !== undefined) return { ok: false, executed, lastSw, responses, reason: why };
  if (isBack || request.rolledBack !== true) {
    await believeCard(context, tx, script, isBack ? 'rollback' : 'script');
  }
  return { ok: true, executed, lastSw, responses };
}

/** How far to go past a counter that the card says is too low; it has room for 2^40. */
const COUNTER_JUMP = 0x1_0000;

function lastSwOf(answer: ScriptResponse): number {
  const last = answer.responses.at(-1);
  return last === undefined ? 0 : decodeResponseApdu(last).sw;
}

function whichAnswered(
  keys: Scp03Keys,
  script: ScriptTable,
  answer: ScriptResponse,
  rolledBack: boolean,
): Answered {
  const first = decodeResponseApdu(answer.responses[0] ?? new Uint8Array(2));
  const { kvn, sequenceCounter } = script;
  const level = script.level as Scp03Level;
  const at = (counter: number, hostChallenge: Uint8Array): Omit<Answered, 'which'> => ({
    session: { kvn, level, sequenceCounter: counter, hostChallenge },
    evidence: provedCounter(keys, hostChallenge, first),
  });
  const main = { which: 'script', ...at(sequenceCounter, script.hostChallenge) } as const;
  if (main.evidence.proved || script.rollbackHostChallenge === null) return main;
  const back = { which: 'rollback', ...at(sequenceCounter + 1, script.rollbackHostChallenge) } as const;
  return back.evidence.proved || rolledBack ? back : main;
}

/** The counter of the next session: past this one when the card opened it. */
async function countSession(
  context: SmSrContext,
  tx: Tx,
  request: Request,
  row: EisKeyTable,
  answered: Answered,
  answer: ScriptResponse,
): Promise<void> {
  const { evidence, session, which } = answered;
  if (!evidence.proved) return;
  const authenticated = answer.responses[1];
  const opened = authenticated !== undefined && decodeResponseApdu(authenticated).sw === SW.ok;
  const rollbackAfter = which === 'script' && request.rolledBack === true && opened;
  const next = evidence.sequenceCounter + (opened ? 1 : 0) + (rollbackAfter ? 1 : 0);
  if (next !== row.sequenceCounter) await setSequenceCounter(context, tx, row, next);
  if (evidence.sequenceCounter === session.sequenceCounter) return;
  const details = { expected: session.sequenceCounter, found: evidence.sequenceCounter };
  await note(context, tx, { actor: context.name, action: 'resynchronise', eid: request.eid, details });
}

/** What the function itself answered, if it did. */
type FunctionAnswer = { readonly is: 'something' | 'nothing'; readonly refusal?: string };

function functionAnswer(
  script: ScriptTable,
  purpose: ScriptTable['purpose'],
  responses: readonly Uint8Array[],
): FunctionAnswer {
  const last = decodeResponseApdu(responses.at(-1) ?? new Uint8Array(2)).data;
  const data = isKeyScript(purpose) ? last : lastData(responses);
  try {
    const result = FUNCTION_RESULT[purpose](data, script);
    return result === 'ok' ? { is: 'something' } : { is: 'something', refusal: result };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return { is: 'nothing' };
  }
}

const enableResultOf = (data: Uint8Array): string => EnableProfileResponse.decode(data).enableResult;

const FUNCTION_RESULT: Readonly<
  Record<ScriptTable['purpose'], (data: Uint8Array, script: ScriptTable) => string>
> = {
  load(data) {
    const result = ProfileInstallationResult.decode(data);
    const { finalResult } = ProfileInstallationResultData.decode(result.profileInstallationResultData);
    if (finalResult.is === 'successResult') return 'ok';
    return `${finalResult.value.bppCommandId}: ${finalResult.value.errorReason}`;
  },
  enable: enableResultOf,
  disable: enableResultOf,
  delete: (data) => DeleteProfileResponse.decode(data).deleteResult,
  putKey(data, { inputHash }) {
    if (data.length === 0) throw new AgentError('TLV_VALUE', { field: 'receipt', why: 'empty' });
    return equalBytes(sha256(data), inputHash ?? new Uint8Array()) ? 'ok' : 'the receipt is of other keys';
  },
  unblockPin: () => 'ok',
  generateKey: moduleAnswer,
  installModule: moduleAnswer,
  deleteKey(data) {
    if (data.length === 0) throw new AgentError('TLV_VALUE', { field: 'confirmation', why: 'empty' });
    return 'ok';
  },
};

/** A protected response is the card's own word; the signed notification that follows says the same to the MNOs. */
async function believeCard(
  context: SmSrContext,
  tx: Tx,
  script: ScriptTable,
  which: Answered['which'],
): Promise<void> {
  const { eid, iccid, purpose, rollbackIccid } = script;
  const source = 'ISD-R, protected response';
  if (isKeyScript(purpose)) await believeKeys(context, tx, script);
  if (purpose === 'installModule') await believeModule(context, tx, eid);
  if (purpose === 'load' || iccid === '') return;
  if (purpose === 'delete') {
    await updateProfile(context, tx, eid, iccid, { state: 'deleted' }, source);
    return;
  }
  if (which === 'rollback' && rollbackIccid !== null) {
    await setEnabled(context, tx, eid, rollbackIccid, source);
  } else if (which === 'script' && purpose === 'enable') {
    await setEnabled(context, tx, eid, iccid, source);
  } else if (which === 'script') {
    const profiles = await eisProfiles(tx, context.name, eid);
    const fallBack = profiles.find(({ profileClass }) => profileClass === 'provisioning');
    if (fallBack !== undefined) await setEnabled(context, tx, eid, fallBack.iccid, source);
  }
}

/** One profile is enabled at a time: what was enabled before is disabled. */
export async function setEnabled(
  context: SmSrContext,
  tx: Tx,
  eid: Eid,
  iccid: Iccid,
  source: string,
): Promise<void> {
  for (const profile of await eisProfiles(tx, context.name, eid)) {
    if (profile.iccid === iccid) {
      if (profile.state !== 'enabled')
        await updateProfile(context, tx, eid, iccid, { state: 'enabled' }, source);
    } else if (profile.state === 'enabled') {
      await updateProfile(context, tx, eid, profile.iccid, { state: 'disabled' }, source);
    }
  }
}
