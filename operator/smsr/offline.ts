// What an SM-SR prepares for an eUICC without a network (seed 56, 72): a verdict on its record, and the second layer for several counters.
import { AgentError } from '../../base/errors.ts';
import { toHex } from '../../base/bytes.ts';
import { EuiccInfo2 } from '../../codec/rsp/euicc-info.ts';
import { verifyEcasdCertificate, verifyEuicc as verifyChain } from '../../crypto/chain.ts';
import { sha256 } from '../../crypto/hash.ts';
import type { Verdict, VerdictCheck } from '../../crypto/verdict.ts';
import type { Scp03Level } from '../../crypto/scp03.ts';
import type { OfflineSmSr } from '../roles.ts';
import type { EisTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { eisModules, managementKeys, needEis, needServedEis, setSequenceCounter } from './eis.ts';
import { isOverTheAir } from './ota-scripts.ts';
import { checkTransaction, orderProfile } from './secure-profile.ts';
import { consumeRights } from './rights.ts';
import { lastScript, prepareScript } from './scripts.ts';
import { LOAD_LEVEL, loadCommands, protectScript, sessionSecrets, storeCommands } from './second-layer.ts';
import { findVerdict, needAcceptedVerdict, putVerdict, statusText } from './verify.ts';

type VerifyRequest = Parameters<OfflineSmSr['verifyRegistered']>[0];
type SecureRequest = Parameters<OfflineSmSr['secureOffline']>[0];

const MAX_ATTEMPTS = 8;

/** A new verdict each time; a transaction is judged once. */
export function verifyRegistered(
  context: SmSrContext,
  request: VerifyRequest,
): ReturnType<OfflineSmSr['verifyRegistered']> {
  const { name: owner, store } = context;
  const { mno, eid, transactionId } = request;
  return store.transaction(async (tx) => {
    if ((await findVerdict(tx, owner, transactionId)) !== undefined) {
      throw new AgentError('REFUSED', { why: 'the transaction was judged before' });
    }
    const eis = await needEis(tx, owner, eid);
    const { euiccCertificate, eumCertificate } = eis;
    const modules = await eisModules(tx, owner, eid);
    const { verdict, ecasdCertificates } = judge(
      context,
      eis,
      modules.map(({ certificate }) => certificate),
    );
    const certificates = { euiccCertificate, eumCertificate, ecasdCertificates };
    const evidenceHash = sha256(euiccCertificate, eumCertificate, ...ecasdCertificates);
    await putVerdict(context, tx, { ...request, imei: eis.imei ?? '', evidenceHash, verdict });
    const details = { transactionId: toHex(transactionId), accepted: verdict.accepted };
    await note(context, tx, { actor: mno, action: 'verifyRegistered', eid, details });
    return { verdict, certificates };
  });
}

/** Of several static keys those that hold, as where the eUICC has a chain on each curve; one must. */
function judge(
  context: SmSrContext,
  eis: EisTable,
  registered: readonly Uint8Array[],
): { readonly verdict: Verdict; readonly ecasdCertificates: readonly Uint8Array[] } {
  const { ec, trustedCis, clock, deniedFirmware } = context;
  const { eid, euiccCertificate, eumCertificate, euiccInfo2 } = eis;
  const trust = { crls: context.crls(), at: clock.wall() };
  const firmware = euiccInfo2 === null ? {} : { firmware: EuiccInfo2.decode(euiccInfo2).euiccFirmwareVer };
  const chain = verifyChain(
    ec,
    { euiccCertificate, eumCertificate, eid, proof: 'offline' },
    { ...trust, trustedCis, eisStatus: statusText(eis), deniedFirmware, ...firmware },
  );
  const judged = registered.map((ecasdCertificate) => ({
    ecasdCertificate,
    ...verifyEcasdCertificate(ec, { ecasdCertificate, eumCertificate, eid }, trust),
  }));
  const good = judged.filter(({ accepted }) => accepted);
  const shown = good.length > 0 ? good : judged;
  const checks: VerdictCheck[] = [
    ...chain.checks,
    good.length > 0
      ? { name: 'static key', ok: true }
      : { name: 'static key', ok: false, detail: 'the EIS has none that holds' },
    ...shown.flatMap((each) => each.checks),
  ];
  return {
    verdict: { accepted: checks.every(({ ok }) => ok), checks },
    ecasdCertificates: good.map(({ ecasdCertificate }) => ecasdCertificate),
  };
}

/**
 * All scripts share their host challenge and differ by the counter that they are for: whichever the card takes, its answer proves the
 * counter.
 */
export function secureOffline(
  context: SmSrContext,
  request: SecureRequest,
): ReturnType<OfflineSmSr['secureOffline']> {
  const { name: owner, store } = context;
  const { mno, eid, iccid, transactionId, boundProfilePackage, maxCommandData = 255, attempts } = request;
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > MAX_ATTEMPTS) {
    throw new AgentError('NUMBER_RANGE', { what: 'attempts', value: attempts });
  }
  return store.transaction(async (tx) => {
    await needServedEis(tx, owner, eid);
    await needAcceptedVerdict(tx, owner, request);
    checkTransaction(boundProfilePackage, transactionId);
    const { keys, row } = await managementKeys(context, tx, eid);
    if (isOverTheAir(row.kvn)) {
      throw new AgentError('REFUSED', { why: 'a bundle needs management keys for SCP03', kvn: row.kvn });
    }
    await consumeRights(context, tx, request);
    await orderProfile(context, tx, request);
    const commands = [
      ...storeCommands(request.prepareDownload, maxCommandData),
      ...loadCommands(boundProfilePackage, maxCommandData),
    ];
    const first = await prepareScript(context, tx, {
      mno,
      eid,
      purpose: 'load',
      iccid,
      transactionId,
      inputHash: sha256(boundProfilePackage),
      level: LOAD_LEVEL,
      commands,
    });
    const made = await lastScript(tx, owner, eid);
    if (made === undefined) throw new AgentError('INTERNAL', { why: 'the script is not there' });
    const { kvn, hostChallenge, sequenceCounter } = made;
    // Nobody knows whether a file is ever loaded: until an answer proves it, the card is where it was.
    const { row: counted } = await managementKeys(context, tx, eid);
    await setSequenceCounter(context, tx, counted, sequenceCounter);
    const more = Array.from({ length: attempts - 1 }, (_, i) => {
      const level = made.level as Scp03Level;
      const session = { kvn, level, hostChallenge, sequenceCounter: sequenceCounter + 1 + i };
      for (const [name, secret] of sessionSecrets(keys, session)) context.witness(name, secret);
      return protectScript(keys, session, commands);
    });
    return { scripts: [first.script, ...more], sequenceCounter };
  });
}
