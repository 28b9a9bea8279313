// The audit log: append-only, each row bound to the one before by its hash, so that a changed, missing or inserted row shows.
import { equalBytes, utf8Bytes } from '../../base/bytes.ts';
import { sha256 } from '../../crypto/hash.ts';
import type { Reader, Tx } from './store.ts';
import type { AuditTable } from './tables.ts';

export type AuditDetails = Readonly<Record<string, string | number | boolean | null>>;

export type AuditEntry = {
  /** Whose log it is: a role by name. */
  readonly owner: string;
  /** Who caused it: a role, a device or a person. */
  readonly actor: string;
  /** What was done, like `enableProfile`. */
  readonly action: string;
  /** What it was done to: mostly an EID. */
  readonly subject: string;
  /** Facts for a reader; never a secret. */
  readonly details?: AuditDetails;
};

export type AuditVerdict =
  | { readonly ok: true; readonly rows: number; readonly head: Uint8Array }
  /** `seq` names the first row that does not fit. */
  | { readonly ok: false; readonly seq: number; readonly why: string };

const GENESIS = new Uint8Array(32);
const PAGE = 500;

/** Adds a row in the caller's step: the log says only what really was committed. `at` is Unix milliseconds. */
export async function appendAudit(tx: Tx, entry: AuditEntry, at: number): Promise<void> {
  const last = await tx
    .selectFrom('audit')
    .select(['seq', 'hash'])
    .where('owner', '=', entry.owner)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  const row = {
    owner: entry.owner,
    seq: (last?.seq ?? 0) + 1,
    at,
    actor: entry.actor,
    action: entry.action,
    subject: entry.subject,
    details: JSON.stringify(entry.details ?? {}),
    prevHash: last?.hash ?? GENESIS,
  };
  await tx
    .insertInto('audit')
    .values({ ...row, hash: hashOf(row) })
    .execute();
}

/**
 * Walks the whole chain of one owner. With `expectedHead` (the head of an earlier verdict, kept elsewhere) a log that was cut at
 * its end is found too.
 */
export async function verifyAudit(
  reader: Reader,
  owner: string,
  options: { readonly expectedHead?: Uint8Array } = {},
): Promise<AuditVerdict> {
  let head: Uint8Array = GENESIS;
  let seq = 0;
  let headSeen = options.expectedHead === undefined;
  for (;;) {
    const page = await reader
      .selectFrom('audit')
      .selectAll()
      .where('owner', '=', owner)
      .where('seq', '>', seq)
      .orderBy('seq')
      .limit(PAGE)
      .execute();
    for (const row of page) {
      if (row.seq !== seq + 1) return { ok: false, seq: seq + 1, why: 'the row is missing' };
      if (!equalBytes(row.prevHash, head))
        return { ok: false, seq: row.seq, why: 'it does not follow the row before' };
      if (!equalBytes(row.hash, hashOf(row)))
        return { ok: false, seq: row.seq, why: 'its content was changed' };
      head = row.hash;
      seq = row.seq;
      headSeen ||= equalBytes(head, options.expectedHead ?? head);
    }
    if (page.length < PAGE) break;
  }
  if (!headSeen) return { ok: false, seq: seq + 1, why: 'rows at the end are missing' };
  return { ok: true, rows: seq, head };
}

function hashOf(row: Omit<AuditTable, 'hash'>): Uint8Array {
  const { owner, seq, at, actor, action, subject, details } = row;
  return sha256(row.prevHash, utf8Bytes(JSON.stringify([owner, seq, at, actor, action, subject, details])));
}
