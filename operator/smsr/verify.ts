// The SM-SR's verdict on an eUICC (seed 63, 75, 80): certificate chain, proof of possession, EIS; stored with its reasons.
import { concat, equalBytes, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { findTlv, readOnly, readTlvs } from '../../codec/ber-tlv.ts';
import { AgentError } from '../../base/errors.ts';
import { encodeImei, encodeTac, type Eid, type Imei } from '../../codec/ids.ts';
import {
  AuthenticateServerResponse,
  CtxParams1,
  EuiccSigned1,
  ServerSigned1,
} from '../../codec/rsp/authenticate-server.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import { verifyEuicc as verifyChain } from '../../crypto/chain.ts';
import { sha256 } from '../../crypto/hash.ts';
import type { Verdict, VerdictCheck } from '../../crypto/verdict.ts';
import type { SmSr } from '../roles.ts';
import type { Reader, Tx } from '../store/store.ts';
import type { EisTable, VerdictTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { findEis, updateEis } from './eis.ts';

type Request = Parameters<SmSr['verifyEuicc']>[0];
type Signed = TypeOf<typeof EuiccSigned1>;

/** What the eUICC answered, taken apart, or why that is not possible. */
type Answer =
  | {
      readonly ok: true;
      readonly signed: Signed;
      readonly euiccSigned1: Uint8Array;
      readonly euiccSignature1: Uint8Array;
      readonly euiccCertificate: Uint8Array;
      readonly eumCertificate: Uint8Array;
    }
  | { readonly ok: false; readonly failed: VerdictCheck };

/** One verdict for one transaction: the same evidence again gets the stored one, other evidence is `REFUSED`. */
export async function verifyEuicc(context: SmSrContext, request: Request): Promise<Verdict> {
  const { name: owner, store } = context;
  const { eid, mno } = request;
  const transactionId = toHex(request.transactionId);
  const evidenceHash = sha256(request.serverSigned1, request.authenticateServerResponse);
  return store.transaction(async (tx) => {
    const stored = await findVerdict(tx, owner, request.transactionId);
    if (stored !== undefined) {
      if (!equalBytes(stored.evidenceHash, evidenceHash) || stored.eid !== eid || stored.mno !== mno) {
        throw new AgentError('REFUSED', {
          why: 'the transaction was judged on other evidence',
          transactionId,
        });
      }
      return verdictOf(stored);
    }
    const eis = await findEis(tx, owner, eid);
    const answer = takeApart(request.authenticateServerResponse);
    const verdict = answer.ok
      ? judge(context, request, answer, eis)
      : { accepted: false, checks: [answer.failed] };
    if (answer.ok && eis !== undefined) await keepFacts(context, tx, request, answer, eis, verdict);
    await putVerdict(context, tx, { ...request, evidenceHash, verdict });
    const failed = verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);
    await note(context, tx, {
      actor: mno,
      action: 'verifyEuicc',
      eid,
      details: { transactionId, accepted: verdict.accepted, failed: failed.join(', ') },
    });
    return verdict;
  });
}

/** Stores the verdict of a transaction. */
export async function putVerdict(
  { name: owner, clock }: SmSrContext,
  tx: Tx,
  judged: {
    readonly mno: string;
    readonly eid: Eid;
    readonly imei: VerdictTable['imei'];
    readonly transactionId: Uint8Array;
    readonly evidenceHash: Uint8Array;
    readonly verdict: Verdict;
  },
): Promise<void> {
  const { mno, eid, imei, evidenceHash, verdict } = judged;
  await tx
    .insertInto('verdicts')
    .values({
      owner,
      transactionId: toHex(judged.transactionId),
      eid,
      imei,
      mno,
      evidenceHash,
      accepted: verdict.accepted ? 1 : 0,
      checks: JSON.stringify(verdict.checks),
      at: clock.wall(),
    })
    .execute();
}

/** The verdict that a transaction got. */
export function findVerdict(
  reader: Reader,
  owner: string,
  transactionId: Uint8Array,
): Promise<VerdictTable | undefined> {
  return reader
    .selectFrom('verdicts')
    .selectAll()
    .where('owner', '=', owner)
    .where('transactionId', '=', toHex(transactionId))
    .executeTakeFirst();
}

function verdictOf(row: VerdictTable): Verdict {
  return { accepted: row.accepted === 1, checks: JSON.parse(row.checks) as VerdictCheck[] };
}

/** Throws `REFUSED` unless this MNO got an accepted verdict on this eUICC in this transaction. */
export async function needAcceptedVerdict(
  reader: Reader,
  owner: string,
  request: { readonly mno: string; readonly eid: Eid; readonly transactionId: Uint8Array },
): Promise<void> {
  const verdict = await findVerdict(reader, owner, request.transactionId);
  const why =
    verdict === undefined || verdict.mno !== request.mno || verdict.eid !== request.eid
      ? 'there is no verdict on this eUICC in this transaction'
      : 'the verdict on this eUICC was not to accept it';
  if (verdict?.accepted !== 1 || verdict.mno !== request.mno || verdict.eid !== request.eid) {
    throw new AgentError('REFUSED', { why });
  }
}

function takeApart(response: Uint8Array): Answer {
  try {
    const decoded = AuthenticateServerResponse.decode(response);
    if (decoded.is !== 'authenticateResponseOk') {
      const error =
        decoded.is === 'authenticateResponseError' ? decoded.value.authenticateErrorCode : decoded.is;
      return { ok: false, failed: { name: 'eUICC answered', ok: false, detail: error } };
    }
    return { ok: true, ...decoded.value, signed: EuiccSigned1.decode(decoded.value.euiccSigned1) };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return { ok: false, failed: { name: 'response readable', ok: false, detail: error.message } };
  }
}

function judge(
  context: SmSrContext,
  request: Request,
  answer: Extract<Answer, { ok: true }>,
  eis: EisTable | undefined,
): Verdict {
  const { ec, trustedCis, crls, clock, deniedFirmware } = context;
  const { eid, imei } = request;
  const { signed, euiccCertificate, eumCertificate } = answer;
  const chain = verifyChain(
    ec,
    {
      euiccCertificate,
      eumCertificate,
      eid,
      proof: {
        signed: answer.euiccSigned1,
        signature: answer.euiccSignature1,
        challengeMatches: isOurChallenge(request, signed),
      },
    },
    {
      trustedCis,
      crls: crls(),
      at: clock.wall(),
      eisStatus: statusText(eis),
      firmware: signed.euiccInfo2.euiccFirmwareVer,
      deniedFirmware,
    },
  );
  const checks: VerdictCheck[] = [...chain.checks];
  const check = (name: string, ok: boolean, detail: string): void => {
    checks.push(ok ? { name, ok } : { name, ok, detail });
  };
  const registered =
    eis !== undefined &&
    equalBytes(eis.euiccCertificate, euiccCertificate) &&
    equalBytes(eis.eumCertificate, eumCertificate);
  check('certificates as registered', registered, 'the EIS holds others');
  check('device identity', isDevice(signed.ctxParams1, imei), `the signed device is not ${imei}`);
  const known = eis?.imei ?? imei;
  check('one device for the EID', known === imei, `known in ${known}, claimed by ${imei}`);
  return { accepted: checks.every(({ ok }) => ok), checks };
}

export function statusText(eis: EisTable | undefined): string {
  if (eis === undefined) return 'unknown to this SM-SR';
  return eis.statusReason === null ? eis.status : `${eis.status}: ${eis.statusReason}`;
}

/** The eUICC's words are bound to the SM-DP's session: transaction, challenge and address are those that were sent. */
function isOurChallenge(request: Request, signed: Signed): boolean {
  try {
    const sent = ServerSigned1.decode(request.serverSigned1);
    return (
      equalBytes(sent.transactionId, request.transactionId) &&
      equalBytes(signed.transactionId, sent.transactionId) &&
      equalBytes(signed.serverChallenge, sent.serverChallenge) &&
      signed.serverAddress === sent.serverAddress
    );
  } catch (error) {
    if (isAgentError(error)) return false;
    throw error;
  }
}

/** The eUICC signs what the device says of itself: type allocation code, and the IMEI where it is there. */
function isDevice(ctxParams1: Uint8Array, imei: Imei): boolean {
  try {
    const { deviceInfo } = CtxParams1.decode(ctxParams1);
    return (
      equalBytes(deviceInfo.tac, encodeTac(imei)) &&
      equalBytes(deviceInfo.imei ?? encodeImei(imei), encodeImei(imei))
    );
  } catch (error) {
    if (isAgentError(error)) return false;
    throw error;
  }
}

/** The check that only another holder of the eUICC's key can fail alone. */
const CLONE_CHECK = 'one device for the EID';

/**
 * What the eUICC proved goes into the EIS. An eUICC that proves everything and sits in another device than before has a double:
 * both are quarantined. A claim without proof changes nothing.
 */
async function keepFacts(
  context: SmSrContext,
  tx: Tx,
  request: Request,
  answer: Extract<Answer, { ok: true }>,
  eis: EisTable,
  verdict: Verdict,
): Promise<void> {
  const { eid, imei, mno } = request;
  const failed = verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);
  if (verdict.accepted) {
    const euiccInfo2 = rawEuiccInfo2(answer.euiccSigned1);
    const imeiChange = eis.imei === null ? { imei } : {};
    await updateEis(context, tx, eis, { euiccInfo2, ...imeiChange }, `eUICC, to ${mno}`);
  } else if (failed.length === 1 && failed[0] === CLONE_CHECK) {
    const statusReason = `the EID was proved in ${eis.imei ?? ''} and in ${imei}`;
    await updateEis(context, tx, eis, { status: 'quarantined', statusReason }, context.name);
    await note(context, tx, { actor: mno, action: 'quarantine', eid, details: { imei } });
  }
}

function rawEuiccInfo2(euiccSigned1: Uint8Array): Uint8Array {
  return findTlv(readTlvs(readOnly(euiccSigned1, 0x30).value), 0xbf22)?.raw ?? concat();
}
