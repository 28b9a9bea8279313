// The MNO's store in the operator's database: each step is one transaction, outbox and audit row included.
import { bytesUtf8, fromHex, toHex, utf8Bytes } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { AgentError } from '../../base/errors.ts';
import { formatTopic, shardOf } from '../../transport/topics.ts';
import { appendAudit } from '../store/audit.ts';
import { markReceipted, putOutbox, takeInbox } from '../store/boxes.ts';
import { compareAndSet, type Reader, type Store, type Tx } from '../store/store.ts';
import type { ChangeGrantTable } from '../store/tables.ts';
import type { GrantRecord, MnoStore, StepCommit } from './mno-store.ts';
import type { Procedure } from './procedure.ts';

/** The store of the MNO `owner`; several owners may share one database. */
export function createMnoStore(options: {
  readonly store: Store;
  readonly owner: string;
  readonly clock: Clock;
}): MnoStore {
  const { store, owner, clock } = options;
  return {
    procedure: (transaction) =>
      store.read(async (reader) => {
        const row = await reader
          .selectFrom('procedures')
          .selectAll()
          .where('owner', '=', owner)
          .where('id', '=', toHex(transaction))
          .executeTakeFirst();
        return row === undefined ? undefined : { value: decodeProcedure(row.data), version: row.ver };
      }),
    procedures: (eid) =>
      store.read(async (reader) => {
        let select = reader.selectFrom('procedures').selectAll().where('owner', '=', owner);
        if (eid !== undefined) select = select.where('eid', '=', eid);
        const rows = await select.orderBy('createdAt').execute();
        return rows.map((row) => decodeProcedure(row.data));
      }),
    seen: (_eid, id) => store.read((reader) => inInbox(reader, owner, toHex(id))),
    commit: (step) => store.transaction((tx) => commitStep(tx, owner, step, clock.wall())),
    outgoing: ({ includeSent, eid }) =>
      store.read(async (reader) => {
        let select = reader
          .selectFrom('outbox')
          .selectAll()
          .where('owner', '=', owner)
          .where('receiptedAt', 'is', null);
        if (!includeSent) select = select.where('sentAt', 'is', null);
        if (eid !== undefined) select = select.where('eid', '=', eid);
        const rows = await select.orderBy('id').execute();
        return rows.map((row) => ({
          id: fromHex(row.messageId),
          eid: row.eid,
          topic: formatTopic({ mno: owner, eid: row.eid, channel: 'down' }),
          payload: row.payload,
          repeat: row.kind === REPEATED,
        }));
      }),
    markSent: (id) =>
      store.transaction(async (tx) => {
        const at = clock.wall();
        await tx
          .updateTable('outbox')
          .set((row) => ({ sentAt: at, attempts: row('attempts', '+', 1) }))
          .where('owner', '=', owner)
          .where('messageId', '=', toHex(id))
          .execute();
        await tx
          .updateTable('outbox')
          .set({ receiptedAt: at })
          .where('owner', '=', owner)
          .where('messageId', '=', toHex(id))
          .where('kind', '=', ONCE)
          .execute();
      }),
    markAnswered: (id) =>
      store.transaction(async (tx) => {
        await markReceipted(tx, owner, toHex(id), clock.wall());
      }),
    transfer: (transferId) =>
      store.read(async (reader) => {
        const row = await reader
          .selectFrom('transfers')
          .selectAll()
          .where('owner', '=', owner)
          .where('transferId', '=', toHex(transferId))
          .executeTakeFirst();
        if (row === undefined || row.content === null || row.state !== 'open') return undefined;
        const { eid, content, blockSize, expires } = row;
        return { transferId, eid, content, blockSize, expires: Math.floor(expires / 1000) };
      }),
    notifications: (eid) =>
      store.read(async (reader) => {
        let select = reader.selectFrom('notifications').selectAll().where('owner', '=', owner);
        if (eid !== undefined) select = select.where('eid', '=', eid);
        const rows = await select.orderBy('at').orderBy('seqNumber').execute();
        return rows.map(({ raw, verified, at, eid: held, seqNumber, event, iccid }) => ({
          eid: held,
          seqNumber,
          event,
          iccid,
          verified: verified === 1,
          pendingNotification: raw,
          receivedAt: at,
        }));
      }),
    grant: (eid, transaction) =>
      store.read(async (reader) => {
        let select = reader
          .selectFrom('changeGrants')
          .selectAll()
          .where('owner', '=', owner)
          .where('eid', '=', eid);
        if (transaction !== undefined) select = select.where('transactionId', '=', toHex(transaction));
        const row = await select.orderBy('expires', 'desc').executeTakeFirst();
        return row === undefined ? undefined : grantOf(row);
      }),
  };
}

const REPEATED = 'repeated';
const ONCE = 'once';

async function inInbox(reader: Reader, owner: string, eventId: string): Promise<boolean> {
  const row = await reader
    .selectFrom('inbox')
    .select('eventId')
    .where('owner', '=', owner)
    .where('eventId', '=', eventId)
    .executeTakeFirst();
  return row !== undefined;
}

async function commitStep(tx: Tx, owner: string, step: StepCommit, at: number): Promise<void> {
  const { inbox, procedure, supersedes, transfer, notification, grant, audit } = step;
  if (
    inbox !== undefined &&
    !(await takeInbox(tx, { owner, eventId: toHex(inbox.id), eid: inbox.eid, at }))
  ) {
    throw new AgentError('CONFLICT', { what: 'message seen before', id: toHex(inbox.id) });
  }
  if (procedure !== undefined) await putProcedure(tx, owner, procedure.value, procedure.version, at);
  if (supersedes !== undefined) await supersede(tx, owner, toHex(supersedes), at);
  for (const message of step.outgoing ?? []) {
    await putOutbox(tx, {
      owner,
      eid: message.eid,
      shard: shardOf(message.eid),
      messageId: toHex(message.id),
      kind: message.repeat ? REPEATED : ONCE,
      payload: message.payload,
      createdAt: at,
    });
  }
  if (transfer !== undefined) {
    await tx
      .insertInto('transfers')
      .values({
        owner,
        transferId: toHex(transfer.transferId),
        eid: transfer.eid,
        transactionId: procedure === undefined ? '' : toHex(procedure.value.transaction),
        manifest: new Uint8Array(0),
        content: transfer.content,
        totalBytes: transfer.content.length,
        blockSize: transfer.blockSize,
        state: 'open',
        expires: transfer.expires * 1000,
        createdAt: at,
      })
      .execute();
  }
  if (notification !== undefined) {
    const { eid, seqNumber, event, iccid, verified, pendingNotification: raw } = notification;
    await tx
      .insertInto('notifications')
      .values({ owner, eid, seqNumber, event, iccid, verified: verified ? 1 : 0, raw, at })
      .onConflict((conflict) => conflict.columns(['owner', 'eid', 'seqNumber']).doNothing())
      .execute();
  }
  if (grant !== undefined) {
    const row = grantRow(owner, grant);
    const { confirmed, released } = row;
    await tx
      .insertInto('changeGrants')
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(['owner', 'transactionId']).doUpdateSet({ confirmed, released }),
      )
      .execute();
  }
  const details = audit.detail === undefined ? {} : { detail: audit.detail };
  await appendAudit(tx, { owner, actor: owner, action: audit.action, subject: audit.eid, details }, at);
}

async function putProcedure(
  tx: Tx,
  owner: string,
  value: Procedure,
  version: number | undefined,
  at: number,
): Promise<void> {
  const id = toHex(value.transaction);
  const changes = { state: value.step, data: encodeProcedure(value), updatedAt: at };
  if (version !== undefined) return compareAndSet(tx, 'procedures', { owner, id }, version, changes);
  const { eid, kind, family } = value;
  await tx
    .insertInto('procedures')
    .values({ owner, id, eid, kind, family, ...changes, ver: 1, createdAt: at })
    .execute();
  return undefined;
}

/** Ends an open procedure whose place another took; messages of it that wait are not sent any more. */
async function supersede(tx: Tx, owner: string, id: string, at: number): Promise<void> {
  const row = await tx
    .selectFrom('procedures')
    .selectAll()
    .where('owner', '=', owner)
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return;
  const value: Procedure = { ...decodeProcedure(row.data), step: 'superseded', endedAt: at };
  await putProcedure(tx, owner, value, row.ver, at);
  await tx
    .updateTable('outbox')
    .set({ receiptedAt: at })
    .where('owner', '=', owner)
    .where('eid', '=', row.eid)
    .where('kind', '=', REPEATED)
    .where('receiptedAt', 'is', null)
    .where('createdAt', '<', at)
    .execute();
}

function grantRow(owner: string, grant: GrantRecord): ChangeGrantTable {
  const { transaction, confirmed, released, ...rest } = grant;
  return {
    owner,
    transactionId: toHex(transaction),
    ...rest,
    confirmed: confirmed ? 1 : 0,
    released: released ? 1 : 0,
  };
}

function grantOf(row: ChangeGrantTable): GrantRecord {
  const { eid, receiving, iccid, rightsGrant, expires } = row;
  return {
    transaction: fromHex(row.transactionId),
    eid,
    receiving,
    iccid,
    rightsGrant,
    confirmed: row.confirmed === 1,
    released: row.released === 1,
    expires,
  };
}

/** JSON with octets as `{ "hex": … }`: readable in the database, and the same for every kind of it. */
function encodeProcedure(procedure: Procedure): Uint8Array {
  const text = JSON.stringify(procedure, (_key, value: unknown) =>
    value instanceof Uint8Array ? { hex: toHex(value) } : value,
  );
  return utf8Bytes(text);
}

function decodeProcedure(bytes: Uint8Array): Procedure {
  return JSON.parse(bytesUtf8(bytes), (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('hex' in value)) return value;
    return typeof value.hex === 'string' ? fromHex(value.hex) : value;
  }) as Procedure;
}
