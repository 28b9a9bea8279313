// Another MNO's rights in an eUICC (seed 86 to 89, 98): no change without the donor's signed grant, and each grant once.
import { toHex } from '../../base/bytes.ts';
import { AgentError, isAgentError } from '../../base/errors.ts';
import type { Eid } from '../../codec/ids.ts';
import { isRevoked } from '../../crypto/crl.ts';
import { isSignedBy, parseCertificate } from '../../crypto/x509.ts';
import { openRightsGrant, type RightsGrant } from '../rights-grant.ts';
import type { Reader, Tx } from '../store/store.ts';
import type { EisProfileTable, GrantTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { eisProfiles } from './eis.ts';

/**
 * Checks and consumes what a load needs of other MNOs' rights. Throws `REFUSED` without the grant of every MNO whose operational
 * profile is enabled, or is on the card and was never given up.
 */
export async function consumeRights(
  context: SmSrContext,
  tx: Tx,
  request: {
    readonly mno: string;
    readonly eid: Eid;
    readonly transactionId: Uint8Array;
    readonly rightsGrant?: Uint8Array;
  },
): Promise<void> {
  const needed = await profilesToGrant(context, tx, request.mno, request.eid);
  const [first] = needed;
  if (first === undefined) return;
  if (request.rightsGrant === undefined) {
    throw refused(`${first.mno} has a profile on the eUICC and has not granted the change`);
  }
  const grant = openGrant(context, request.rightsGrant);
  const why = refusal(context, request, grant, needed);
  if (why !== undefined) throw refused(why);
  const { name: owner, clock } = context;
  const { eid, donor, receiving, iccid, expires } = grant;
  const id = toHex(grant.nonce);
  const transactionId = toHex(request.transactionId);
  const spent = await findGrant(tx, owner, id);
  if (spent !== undefined) {
    if (spent.transactionId === transactionId) return;
    throw refused('the grant is spent');
  }
  await tx
    .insertInto('grants')
    .values({
      owner,
      id,
      eid,
      donor,
      receiving,
      iccid,
      transactionId,
      deleteAllowed: grant.deleteAllowed === false ? 0 : 1,
      expires: expires * 1000,
      consumedAt: clock.wall(),
    })
    .execute();
  await note(context, tx, {
    actor: receiving,
    action: 'consumeGrant',
    eid,
    details: { donor, iccid, grant: id },
  });
}

function refused(why: string): AgentError {
  return new AgentError('REFUSED', { why });
}

/** Operational profiles of other MNOs whose owners have to agree. */
async function profilesToGrant(
  context: SmSrContext,
  reader: Reader,
  mno: string,
  eid: Eid,
): Promise<EisProfileTable[]> {
  const { name: owner } = context;
  const needed: EisProfileTable[] = [];
  for (const profile of await eisProfiles(reader, owner, eid)) {
    const present = profile.state === 'enabled' || profile.state === 'disabled';
    if (!present || profile.profileClass !== 'operational' || profile.mno === mno) continue;
    const given = profile.state === 'disabled' && (await givenUp(reader, owner, profile));
    if (!given) needed.push(profile);
  }
  return needed;
}

async function givenUp(reader: Reader, owner: string, profile: EisProfileTable): Promise<boolean> {
  const grant = await reader
    .selectFrom('grants')
    .select('id')
    .where('owner', '=', owner)
    .where('eid', '=', profile.eid)
    .where('donor', '=', profile.mno)
    .where('iccid', '=', profile.iccid)
    .executeTakeFirst();
  return grant !== undefined;
}

function findGrant(reader: Reader, owner: string, id: string): Promise<GrantTable | undefined> {
  return reader
    .selectFrom('grants')
    .selectAll()
    .where('owner', '=', owner)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** Opens a grant whose signature is the donor's. Throws `REFUSED`. */
function openGrant(context: SmSrContext, bytes: Uint8Array): RightsGrant {
  try {
    const { grant, isSignedBy: signedBy } = openRightsGrant(bytes);
    const key = mnoKey(context, grant.donor);
    if (typeof key === 'string') throw refused(key);
    if (!signedBy(context.ec, key)) throw refused(`the grant is not signed by ${grant.donor}`);
    return grant;
  } catch (error) {
    if (isAgentError(error, 'REFUSED') || !isAgentError(error)) throw error;
    throw new AgentError('REFUSED', { why: 'the grant cannot be read' }, { cause: error });
  }
}

/** The signing key of an MNO out of its certificate, or why that is not to be believed. */
function mnoKey(context: SmSrContext, mno: string): ReturnType<typeof parseCertificate> | string {
  const { ec, trustedCis, clock } = context;
  const der = context.mnoCertificate(mno);
  if (der === undefined) return `${mno} is not known here`;
  const certificate = parseCertificate(der);
  const issuer = trustedCis.find((ci) => isSignedBy(ec, certificate, ci));
  const at = clock.wall();
  if (issuer === undefined) return `the certificate of ${mno} is not of this circle of trust`;
  if (at < certificate.notBefore || at > certificate.notAfter)
    return `the certificate of ${mno} is not valid now`;
  if (isRevoked(ec, certificate, issuer, context.crls())) return `the certificate of ${mno} is revoked`;
  if (certificate.subject.commonName !== mno) return `the certificate is not that of ${mno}`;
  return certificate;
}

function refusal(
  context: SmSrContext,
  request: { readonly mno: string; readonly eid: Eid },
  grant: RightsGrant,
  needed: readonly EisProfileTable[],
): string | undefined {
  if (grant.eid !== request.eid) return 'the grant is for another eUICC';
  if (grant.receiving !== request.mno) return 'the grant is for another MNO';
  if (grant.expires * 1000 <= context.clock.wall()) return 'the grant has expired';
  const uncovered = needed.find(({ mno }) => mno !== grant.donor);
  if (uncovered !== undefined)
    return `${uncovered.mno} has a profile on the eUICC and has not granted the change`;
  if (!needed.some(({ iccid }) => iccid === grant.iccid)) return 'the grant is for another profile';
  return undefined;
}

/** The newest grant by which `receiving` may replace this profile; undefined when there is none. */
export function grantFor(
  reader: Reader,
  owner: string,
  profile: Pick<EisProfileTable, 'eid' | 'mno' | 'iccid'>,
  receiving: string,
): Promise<GrantTable | undefined> {
  return reader
    .selectFrom('grants')
    .selectAll()
    .where('owner', '=', owner)
    .where('eid', '=', profile.eid)
    .where('donor', '=', profile.mno)
    .where('iccid', '=', profile.iccid)
    .where('receiving', '=', receiving)
    .orderBy('consumedAt', 'desc')
    .executeTakeFirst();
}
