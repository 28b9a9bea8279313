// What an MNO does with each message of a device: asks the roles, and answers the next state and the messages it leads to.
import { toHex } from '../../base/bytes.ts';
import type { UpMessage, UpOf } from '../../codec/wire.ts';
import { DEFAULT_BLOCK_SIZE } from '../../transport/manifest.ts';
import type { EisProfile } from '../roles.ts';
import { afterConfirmation, ENDED, type Procedure } from './procedure.ts';
import { bothVerdicts, judgeStatus, profileChallenge } from './profile-check.ts';
import {
  complete,
  ended,
  fail,
  refuse,
  scriptBody,
  stale,
  type StepContext,
  type StepOutcome,
} from './step-outcome.ts';

/** The first step: an activation request, new or taken up again after an interruption (seed 38, 61). */
export async function activationRequest(
  context: StepContext,
  message: UpOf<'activationRequest'>,
  resumed: Procedure | undefined,
): Promise<StepOutcome> {
  const { smdp, clock } = context;
  const answer = await smdp.initiateAuthentication({
    euiccChallenge: message.euiccChallenge,
    euiccInfo1: message.euiccInfo1,
  });
  const asked = profileChallenge(context.profilePolicy, context.random);
  return {
    procedure: {
      ...asked,
      transaction: message.transaction,
      eid: message.eid,
      imei: message.imei,
      kind: message.kind,
      family: 'C',
      keyMode:
        context.euiccKeys === undefined && context.profilePolicy?.useStaticKey !== true
          ? 'dynamic'
          : 'static',
      secondLayer: 'scp03',
      step: 'authenticating',
      rspTransaction: answer.transactionId,
      serverSigned1: answer.serverSigned1,
      orderId: resumed?.orderId ?? toHex(message.transaction),
      startedAt: clock.wall(),
      ...(message.maxBlockSize === undefined ? {} : { maxBlockSize: message.maxBlockSize }),
      ...(message.maxCommandData === undefined ? {} : { maxCommandData: message.maxCommandData }),
    },
    send: [
      {
        is: 'authenticateRequest',
        serverSigned1: answer.serverSigned1,
        serverSignature1: answer.serverSignature1,
        euiccCiPKIdToBeUsed: answer.euiccCiPKIdToBeUsed,
        serverCertificate: answer.serverCertificate,
        ...(asked.profileChallenge === undefined
          ? {}
          : { certificateProfileChallenge: asked.profileChallenge }),
      },
    ],
  };
}

/** Identity, the donor's rights grant, and only then the reservation of a profile (seed 79 to 81, 86, 108). */
async function authenticateResponse(
  context: StepContext,
  message: UpOf<'authenticateResponse'>,
  procedure: Procedure,
): Promise<StepOutcome> {
  if (procedure.step !== 'authenticating') return stale(procedure);
  const { mno, smsr, smdp } = context;
  const { eid } = procedure;
  const bySmSr = await smsr.verifyEuicc({
    mno,
    eid,
    imei: message.imei,
    transactionId: procedure.rspTransaction,
    serverSigned1: procedure.serverSigned1,
    authenticateServerResponse: message.authenticateServerResponse,
  });
  const status = judgeStatus(context.profilePolicy, context.clock, message, procedure);
  const verdict = bothVerdicts(bySmSr, status?.verdict);
  const judged = { ...procedure, verdict };
  if (!verdict.accepted) {
    const failed = verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);
    return refuse(
      context,
      judged,
      `the eUICC has not proved its identity: ${failed.join(', ')}`,
      verdict.checks,
    );
  }
  const donor = await donorOf(context, judged);
  if (donor !== undefined && 'refusal' in donor) return refuse(context, judged, donor.refusal);
  const transactionId = procedure.rspTransaction;
  const fromSmSr = procedure.keyMode === 'static' && status?.ecasdCertificates === undefined;
  const keys = fromSmSr ? await context.euiccKeys?.euiccKeys({ mno, eid, transactionId }) : undefined;
  const ecasdCertificates = status?.ecasdCertificates ?? keys?.certificates;
  const { iccid } = await smdp.downloadOrder({ eid, orderId: procedure.orderId });
  const answer = await smdp.authenticateClient({
    transactionId,
    authenticateServerResponse: message.authenticateServerResponse,
    eid,
    iccid,
    verdict,
    ...(ecasdCertificates === undefined ? {} : { ecasdCertificates }),
  });
  return {
    procedure: { ...judged, step: 'preparing', iccid, ...(donor === undefined ? {} : { donor }) },
    send: [{ is: 'downloadRequest', ...answer }],
  };
}

/** The MNO whose operational profile is enabled now, with its grant; undefined when there is none but our own. */
async function donorOf(
  context: StepContext,
  procedure: Procedure,
): Promise<NonNullable<Procedure['donor']> | { readonly refusal: string } | undefined> {
  const { mno, smsr, partner } = context;
  const eis = await smsr.getEis(procedure.eid);
  const held = eis.profiles.find((profile) => isDonorProfile(profile, mno));
  if (held === undefined) return undefined;
  if (procedure.kind !== 'mno-change') {
    return { refusal: `${held.mno} serves this eUICC: only an MNO change can replace its profile` };
  }
  const donor = partner(held.mno);
  if (donor === undefined) return { refusal: `${held.mno} serves this eUICC and is no partner` };
  const decision = await donor.requestRightsGrant({
    eid: procedure.eid,
    receiving: mno,
    transactionId: procedure.transaction,
  });
  if (!decision.granted) return { refusal: `${held.mno} does not grant the change: ${decision.reason}` };
  return { mno: held.mno, iccid: decision.iccid, rightsGrant: decision.rightsGrant };
}

function isDonorProfile(profile: EisProfile, mno: string): boolean {
  return profile.profileClass === 'operational' && profile.state === 'enabled' && profile.mno !== mno;
}

/** Key in hand: the profile is built and bound, the second layer put on, the transfer made ready (seed 64 to 67). */
async function downloadResponse(
  context: StepContext,
  message: UpOf<'downloadResponse'>,
  procedure: Procedure,
): Promise<StepOutcome> {
  if (procedure.step !== 'preparing') return stale(procedure);
  const { prepareDownloadResponse } = message;
  return protectedTransfer(context, { ...procedure, prepareDownloadResponse });
}

/** The bound profile package, which the SM-DP gives again for the same answer of the eUICC, under a fresh second layer. */
async function protectedTransfer(context: StepContext, procedure: Procedure): Promise<StepOutcome> {
  const { mno, smdp, smsr } = context;
  const { rspTransaction: transactionId, prepareDownloadResponse, eid, donor } = procedure;
  if (prepareDownloadResponse === undefined) return fail(context, procedure, 'there is no one-time key');
  const bound = await smdp.getBoundProfilePackage({ transactionId, prepareDownloadResponse });
  const { script, secondLayer } = await smsr.secureProfile({
    mno,
    eid,
    transactionId,
    boundProfilePackage: bound.boundProfilePackage,
    iccid: bound.iccid,
    ...(donor === undefined ? {} : { rightsGrant: donor.rightsGrant }),
    ...(procedure.maxCommandData === undefined ? {} : { maxCommandData: procedure.maxCommandData }),
  });
  const blockSize = Math.min(DEFAULT_BLOCK_SIZE, procedure.maxBlockSize ?? DEFAULT_BLOCK_SIZE);
  return {
    procedure: {
      ...procedure,
      step: 'installing',
      secondLayer,
      profileBytes: bound.profileBytes,
      packageBytes: script.length,
      blocks: Math.ceil(script.length / blockSize),
    },
    transfer: { content: script, blockSize },
  };
}

/** The card has answered a script: the installation, the switch or the deletion. */
async function scriptReport(
  context: StepContext,
  message: UpOf<'scriptReport'>,
  procedure: Procedure,
): Promise<StepOutcome> {
  const { step } = procedure;
  if (step !== 'installing' && step !== 'enabling' && step !== 'deleting') return stale(procedure);
  const result = await context.smsr.scriptResult({
    eid: procedure.eid,
    responseScript: message.responseScript,
    rolledBack: message.outcome === 'rolled-back',
  });
  if (result.resynchronised === true) return remade(context, procedure);
  if (step === 'installing') return installed(context, message, procedure);
  const answered = result.executed > 0;
  // An earlier copy of the command has done it, and the card refuses the next one: the switch is proved by its signed notification.
  const stands = step === 'enabling' && message.enabledIccid === procedure.iccid;
  if (message.outcome !== 'done' || (answered && !result.ok && !stands)) {
    const what = `${step === 'enabling' ? 'enable' : 'delete'} ended ${message.outcome}, last status word ${result.lastSw.toString(16)}`;
    return fail(context, procedure, message.reason === undefined ? what : `${what}: ${message.reason}`);
  }
  if (step === 'deleting') return complete(context, procedure);
  return confirmation(context, { ...procedure, step: 'confirming' });
}

const MOST_SCRIPTS_REMADE = 3;

/** The card was at another sequence counter, which the SM-SR knows now: the same command once more, in a script that fits. */
async function remade(context: StepContext, procedure: Procedure): Promise<StepOutcome> {
  const { mno, smsr } = context;
  const { step, eid, iccid, donor, scriptsRemade = 0 } = procedure;
  if (scriptsRemade >= MOST_SCRIPTS_REMADE)
    return fail(context, procedure, 'the sequence counters do not meet');
  const again = { ...procedure, scriptsRemade: scriptsRemade + 1 };
  if (step === 'installing') return protectedTransfer(context, again);
  const command = step === 'enabling' ? 'enable' : 'delete';
  const target = step === 'enabling' ? iccid : donor?.iccid;
  if (target === undefined) return fail(context, procedure, `there is no profile to ${command}`);
  const job = await smsr.profileCommand({ mno, eid, iccid: target, command });
  return { procedure: again, send: [scriptBody(context, command, target, job)] };
}

async function installed(
  context: StepContext,
  message: UpOf<'scriptReport'>,
  procedure: Procedure,
): Promise<StepOutcome> {
  const { mno, smdp, smsr } = context;
  const pending = message.profileInstallationResult;
  if (message.outcome !== 'done' || pending === undefined || procedure.iccid === undefined) {
    return fail(context, procedure, message.reason ?? `the installation ended ${message.outcome}`);
  }
  const [atSmDp, atSmSr] = [
    await smdp.handleNotification(pending),
    await smsr.handleNotification({ eid: procedure.eid, pendingNotification: pending }),
  ];
  if (!atSmDp.verified || !atSmSr.verified) {
    return fail(context, procedure, 'the ProfileInstallationResult is not signed by this eUICC');
  }
  if (atSmSr.event !== 'install' || atSmSr.iccid !== procedure.iccid) {
    return fail(context, procedure, 'the eUICC reports that it did not install the profile');
  }
  const job = await smsr.profileCommand({
    mno,
    eid: procedure.eid,
    iccid: procedure.iccid,
    command: 'enable',
  });
  return {
    procedure: { ...procedure, step: 'enabling', installed: true },
    send: [scriptBody(context, 'enable', procedure.iccid, job)],
  };
}

/** Looks again at a procedure that waits for words of the eUICC and of the donor; tells the donor our own. */
export async function confirmation(context: StepContext, procedure: Procedure): Promise<StepOutcome> {
  if (procedure.step !== 'confirming') return { procedure };
  const { mno, smsr, partner } = context;
  const { donor, eid } = procedure;
  let known = procedure;
  if (procedure.enableVerified === true && donor !== undefined && procedure.released === undefined) {
    const word = await partner(donor.mno)?.changeConfirmed({
      eid,
      receiving: mno,
      transactionId: procedure.transaction,
    });
    if (word?.released === true) known = { ...procedure, released: { deleteAllowed: word.deleteAllowed } };
  }
  switch (afterConfirmation(known)) {
    case 'wait':
      return { procedure: known };
    case 'complete':
      return complete(context, known);
    case 'delete-donor': {
      if (donor === undefined) return complete(context, known);
      const job = await smsr.profileCommand({ mno, eid, iccid: donor.iccid, command: 'delete' });
      return {
        procedure: { ...known, step: 'deleting' },
        send: [scriptBody(context, 'delete', donor.iccid, job)],
      };
    }
  }
}

/** The device could not do what it was asked for: the procedure ends with its reason. */
function failure(context: StepContext, message: UpOf<'failure'>, procedure: Procedure): StepOutcome {
  if (ENDED.has(procedure.step)) return stale(procedure);
  return fail(
    context,
    procedure,
    message.detail === undefined ? message.code : `${message.code}: ${message.detail}`,
  );
}

/**
 * The eUICC has ended its session, and signed it: the SM-DP hears it where it knows the eUICC already. The device does so for an
 * order that is over, or because it cannot go on with this one.
 */
async function sessionCancelled(
  context: StepContext,
  message: UpOf<'sessionCancelled'>,
  procedure: Procedure,
): Promise<StepOutcome> {
  const { cancelSessionResponse, code, detail } = message;
  const { rspTransaction: transactionId, iccid } = procedure;
  const reason =
    iccid === undefined
      ? 'before a profile was offered'
      : (await context.smdp.cancelSession({ transactionId, cancelSessionResponse })).reason;
  const word = { detail: `session cancelled: ${reason}` };
  if (ENDED.has(procedure.step)) return { procedure, ...word };
  const why = [code ?? word.detail, detail ?? []].flat().join(': ');
  return { ...word, procedure: ended(context, procedure, 'failed', why) };
}

/** The step for a message that belongs to a procedure; notifications and receipts have their own way. */
export function stepFor(
  context: StepContext,
  message: UpMessage,
  procedure: Procedure,
): Promise<StepOutcome> | StepOutcome | undefined {
  switch (message.is) {
    case 'authenticateResponse':
      return authenticateResponse(context, message, procedure);
    case 'downloadResponse':
      return downloadResponse(context, message, procedure);
    case 'scriptReport':
      return scriptReport(context, message, procedure);
    case 'failure':
      return failure(context, message, procedure);
    case 'sessionCancelled':
      return sessionCancelled(context, message, procedure);
    default:
      return undefined;
  }
}
