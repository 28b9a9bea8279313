// RSP sessions of an SM-DP in its database: one row from ES9+.InitiateAuthentication to the eUICC's signed result.
import { toHex } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import { compareAndSet, type Reader, type Tx } from '../store/store.ts';
import type { SmdpSessionTable } from '../store/tables.ts';

export type SessionRow = SmdpSessionTable;

export function findSession(
  reader: Reader,
  owner: string,
  transactionId: Uint8Array,
): Promise<SessionRow | undefined> {
  return reader
    .selectFrom('smdpSessions')
    .selectAll()
    .where('owner', '=', owner)
    .where('transactionId', '=', toHex(transactionId))
    .executeTakeFirst();
}

/** The session with this id. Throws `NOT_FOUND`. */
export async function sessionOf(
  reader: Reader,
  owner: string,
  transactionId: Uint8Array,
): Promise<SessionRow> {
  const row = await findSession(reader, owner, transactionId);
  if (row === undefined) {
    throw new AgentError('NOT_FOUND', { what: 'RSP session', transactionId: toHex(transactionId) });
  }
  return row;
}

/** Changes a session that is as it was read; otherwise `CONFLICT`. */
export async function changeSession(
  tx: Tx,
  row: SessionRow,
  changes: Partial<SessionRow>,
  at: number,
): Promise<void> {
  const { owner, transactionId } = row;
  await compareAndSet(tx, 'smdpSessions', { owner, transactionId }, row.ver, { ...changes, updatedAt: at });
}

/** A new session, before the eUICC has answered. */
export async function addSession(
  tx: Tx,
  session: Pick<
    SessionRow,
    'owner' | 'transactionId' | 'euiccChallenge' | 'serverChallenge' | 'serverSigned1' | 'ciPkId'
  >,
  at: number,
): Promise<void> {
  await tx
    .insertInto('smdpSessions')
    .values({
      ...session,
      state: 'initiated',
      eid: null,
      iccid: null,
      euiccCertificate: null,
      eumCertificate: null,
      authenticateServerResponse: null,
      smdpSigned2: null,
      smdpSignature2: null,
      prepareDownloadResponse: null,
      boundProfilePackage: null,
      profileBytes: null,
      staticKey: null,
      built: 0,
      ver: 1,
      createdAt: at,
      updatedAt: at,
    })
    .execute();
}

/** The newest other session of this eUICC that has a package of this profile for it. */
export async function boundBefore(
  reader: Reader,
  { owner, transactionId }: SessionRow,
  { eid, iccid }: { readonly eid: Eid; readonly iccid: Iccid },
): Promise<SessionRow | undefined> {
  return reader
    .selectFrom('smdpSessions')
    .selectAll()
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('iccid', '=', iccid)
    .where('transactionId', '!=', transactionId)
    .where('boundProfilePackage', 'is not', null)
    .orderBy('createdAt', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Takes the packages of this profile from all other sessions of this eUICC: one of them counts. */
export async function supersede(
  tx: Tx,
  { owner, transactionId }: Pick<SessionRow, 'owner' | 'transactionId'>,
  { eid, iccid }: { readonly eid: Eid; readonly iccid: Iccid },
  at: number,
): Promise<void> {
  await tx
    .updateTable('smdpSessions')
    .set((row) => ({
      state: 'cancelled',
      boundProfilePackage: null,
      ver: row('ver', '+', 1),
      updatedAt: at,
    }))
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('iccid', '=', iccid)
    .where('transactionId', '!=', transactionId)
    .where('boundProfilePackage', 'is not', null)
    .execute();
}

/**
 * Forgets the sessions that no eUICC answered since `before`, and takes the packages from those that it left in the middle.
 * Answers how many there were of both.
 */
export async function dropStaleSessions(
  tx: Tx,
  owner: string,
  before: number,
  at: number,
): Promise<{ readonly forgotten: number; readonly givenUp: number }> {
  const unanswered = await tx
    .deleteFrom('smdpSessions')
    .where('owner', '=', owner)
    .where('state', '=', 'initiated')
    .where('updatedAt', '<', before)
    .executeTakeFirst();
  const left = await tx
    .updateTable('smdpSessions')
    .set((row) => ({
      state: 'cancelled',
      boundProfilePackage: null,
      ver: row('ver', '+', 1),
      updatedAt: at,
    }))
    .where('owner', '=', owner)
    .where('state', 'in', ['authenticated', 'bound', 'cancelled'])
    .where('updatedAt', '<', before)
    .where((row) => row.or([row('state', '!=', 'cancelled'), row('boundProfilePackage', 'is not', null)]))
    .executeTakeFirst();
  return { forgotten: Number(unanswered.numDeletedRows), givenUp: Number(left.numUpdatedRows) };
}

/** Unprotected profile packages that were ever built. */
export async function builtProfiles(reader: Reader, owner: string): Promise<number> {
  const { built } = await reader
    .selectFrom('smdpSessions')
    .select(({ fn }) => fn.sum<number | null>('built').as('built'))
    .where('owner', '=', owner)
    .executeTakeFirstOrThrow();
  return built ?? 0;
}
