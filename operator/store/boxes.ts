// Outbox and inbox: a message is stored in the step that causes it, and every event is dealt with once.
import type { Eid } from '../../codec/ids.ts';
import type { Reader, Tx } from './store.ts';
import type { InboxTable, OutboxTable } from './tables.ts';

export type OutboxMessage = Omit<OutboxTable, 'id' | 'sentAt' | 'attempts' | 'receiptedAt'>;
export type StoredMessage = Omit<OutboxTable, 'id'> & { readonly id: number };

/** Stores a message to be sent after the commit. The same `messageId` twice is `CONFLICT`. */
export async function putOutbox(tx: Tx, message: OutboxMessage): Promise<void> {
  await tx
    .insertInto('outbox')
    .values({ ...message, sentAt: null, attempts: 0, receiptedAt: null })
    .execute();
}

/**
 * Messages that no receipt has answered, oldest first. `sentBefore` leaves out those that the broker took at or after that time.
 */
export function unansweredOutbox(
  reader: Reader,
  query: {
    readonly owner: string;
    readonly eid?: Eid;
    readonly sentBefore?: number;
    readonly limit?: number;
  },
): Promise<StoredMessage[]> {
  let select = reader
    .selectFrom('outbox')
    .selectAll()
    .where('owner', '=', query.owner)
    .where('receiptedAt', 'is', null);
  if (query.eid !== undefined) select = select.where('eid', '=', query.eid);
  const { sentBefore } = query;
  if (sentBefore !== undefined)
    select = select.where((row) => row.or([row('sentAt', 'is', null), row('sentAt', '<', sentBefore)]));
  return select
    .orderBy('id')
    .limit(query.limit ?? 100)
    .execute();
}

export async function markSent(tx: Tx, id: number, at: number): Promise<void> {
  await tx
    .updateTable('outbox')
    .set((row) => ({ sentAt: at, attempts: row('attempts', '+', 1) }))
    .where('id', '=', id)
    .execute();
}

/** Notes the device's own receipt. Answers whether the message was known and still open. */
export async function markReceipted(tx: Tx, owner: string, messageId: string, at: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('outbox')
    .set({ receiptedAt: at })
    .where('owner', '=', owner)
    .where('messageId', '=', messageId)
    .where('receiptedAt', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Takes an event for the first time (`true`), or finds that it was dealt with before (`false`). */
export async function takeInbox(
  tx: Tx,
  event: Pick<InboxTable, 'owner' | 'eventId' | 'eid' | 'at'>,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('inbox')
    .values({ ...event, answer: null })
    .onConflict((conflict) => conflict.columns(['owner', 'eventId']).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** Keeps what a repetition of the event is answered with. */
export async function answerInbox(tx: Tx, owner: string, eventId: string, answer: Uint8Array): Promise<void> {
  await tx
    .updateTable('inbox')
    .set({ answer })
    .where('owner', '=', owner)
    .where('eventId', '=', eventId)
    .execute();
}

export async function inboxAnswer(
  reader: Reader,
  owner: string,
  eventId: string,
): Promise<Uint8Array | undefined> {
  const row = await reader
    .selectFrom('inbox')
    .select('answer')
    .where('owner', '=', owner)
    .where('eventId', '=', eventId)
    .executeTakeFirst();
  return row?.answer ?? undefined;
}
