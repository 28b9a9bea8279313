// The shape of the database, step by step. A step that was ever released is never edited: the next one changes it.
import { type Kysely, type Migration, sql } from 'kysely';

/** A column: text, whole number or octets; a question mark lets it be null. */
type Column = 'text' | 'int' | 'bytes' | 'text?' | 'int?' | 'bytes?' | 'counter';
type Table = {
  readonly columns: Readonly<Record<string, Column>>;
  /** Not needed where a `counter` column is the key. */
  readonly key?: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  readonly index?: readonly (readonly string[])[];
};

const SQL_TYPES = { text: 'text', int: 'integer', bytes: 'blob' } as const;

async function createTables(db: Kysely<unknown>, tables: Readonly<Record<string, Table>>): Promise<void> {
  for (const [name, table] of Object.entries(tables)) {
    let create = db.schema.createTable(name);
    for (const [column, kind] of Object.entries(table.columns)) {
      if (kind === 'counter') {
        create = create.addColumn(column, 'integer', (c) => c.primaryKey().autoIncrement());
        continue;
      }
      const type = SQL_TYPES[kind.replace('?', '') as keyof typeof SQL_TYPES];
      create = create.addColumn(column, type, (c) => (kind.endsWith('?') ? c : c.notNull()));
    }
    if (table.key !== undefined)
      create = create.addPrimaryKeyConstraint(`${name}_key`, [...table.key] as never[]);
    for (const [i, columns] of (table.unique ?? []).entries()) {
      create = create.addUniqueConstraint(`${name}_unique_${i}`, [...columns] as never[]);
    }
    await create.modifyEnd(sql`strict`).execute();
    for (const [i, columns] of (table.index ?? []).entries()) {
      await db.schema
        .createIndex(`${name}_index_${i}`)
        .on(name)
        .columns([...columns])
        .execute();
    }
  }
}

const EIS: Readonly<Record<string, Table>> = {
  eis: {
    columns: {
      owner: 'text',
      eid: 'text',
      imei: 'text?',
      status: 'text',
      statusReason: 'text?',
      secondLayer: 'text',
      euiccCertificate: 'bytes',
      eumCertificate: 'bytes',
      ecasdPublicKey: 'bytes?',
      euiccInfo2: 'bytes?',
      ver: 'int',
      createdAt: 'int',
      updatedAt: 'int',
    },
    key: ['owner', 'eid'],
  },
  eisKeys: {
    columns: {
      owner: 'text',
      eid: 'text',
      kvn: 'int',
      sealed: 'bytes',
      sequenceCounter: 'int',
      ver: 'int',
      updatedAt: 'int',
    },
    key: ['owner', 'eid', 'kvn'],
  },
  eisProfiles: {
    columns: {
      owner: 'text',
      eid: 'text',
      iccid: 'text',
      isdPAid: 'text?',
      mno: 'text',
      profileClass: 'text',
      state: 'text',
      pol2DisableAllowed: 'int',
      pol2DeleteAllowed: 'int',
      pol2DeleteWhenDisabled: 'int',
      updatedAt: 'int',
    },
    key: ['owner', 'eid', 'iccid'],
  },
  eisProvenance: {
    columns: { owner: 'text', eid: 'text', field: 'text', source: 'text', at: 'int' },
    key: ['owner', 'eid', 'field'],
  },
  verdicts: {
    columns: {
      owner: 'text',
      transactionId: 'text',
      eid: 'text',
      imei: 'text',
      mno: 'text',
      evidenceHash: 'bytes',
      accepted: 'int',
      checks: 'text',
      at: 'int',
    },
    key: ['owner', 'transactionId'],
    index: [['owner', 'eid']],
  },
  scripts: {
    columns: {
      owner: 'text',
      eid: 'text',
      number: 'int',
      mno: 'text',
      purpose: 'text',
      iccid: 'text',
      transactionId: 'text?',
      kvn: 'int',
      level: 'int',
      sequenceCounter: 'int',
      hostChallenge: 'bytes',
      state: 'text',
      inputHash: 'bytes?',
      commands: 'bytes?',
      commandCount: 'int',
      script: 'bytes?',
      rollback: 'bytes?',
      rollbackHostChallenge: 'bytes?',
      rollbackCommands: 'bytes?',
      rollbackIccid: 'text?',
      answerHash: 'bytes?',
      result: 'bytes?',
      createdAt: 'int',
      updatedAt: 'int',
    },
    key: ['owner', 'eid', 'number'],
  },
  grants: {
    columns: {
      owner: 'text',
      id: 'text',
      eid: 'text',
      donor: 'text',
      receiving: 'text',
      iccid: 'text',
      transactionId: 'text',
      deleteAllowed: 'int',
      expires: 'int',
      consumedAt: 'int',
    },
    key: ['owner', 'id'],
    index: [['owner', 'eid']],
  },
  allowList: {
    columns: { owner: 'text', peer: 'text', eid: 'text', functionName: 'text' },
    key: ['owner', 'peer', 'eid', 'functionName'],
  },
};

const SMDP: Readonly<Record<string, Table>> = {
  subscriptions: {
    columns: {
      owner: 'text',
      iccid: 'text',
      imsi: 'text',
      spn: 'text',
      sealed: 'bytes',
      sqn: 'int',
      state: 'text',
      eid: 'text?',
      orderId: 'text?',
      updatedAt: 'int',
    },
    key: ['owner', 'iccid'],
    unique: [
      ['owner', 'imsi'],
      ['owner', 'orderId'],
    ],
    index: [['owner', 'state']],
  },
  smdpSessions: {
    columns: {
      owner: 'text',
      transactionId: 'text',
      state: 'text',
      euiccChallenge: 'bytes',
      serverChallenge: 'bytes',
      serverSigned1: 'bytes',
      ciPkId: 'bytes',
      eid: 'text?',
      iccid: 'text?',
      euiccCertificate: 'bytes?',
      eumCertificate: 'bytes?',
      authenticateServerResponse: 'bytes?',
      smdpSigned2: 'bytes?',
      smdpSignature2: 'bytes?',
      prepareDownloadResponse: 'bytes?',
      boundProfilePackage: 'bytes?',
      profileBytes: 'int?',
      built: 'int',
      ver: 'int',
      createdAt: 'int',
      updatedAt: 'int',
    },
    key: ['owner', 'transactionId'],
    index: [['owner', 'eid']],
  },
};

const MNO: Readonly<Record<string, Table>> = {
  procedures: {
    columns: {
      owner: 'text',
      id: 'text',
      eid: 'text',
      kind: 'text',
      family: 'text',
      state: 'text',
      data: 'bytes',
      ver: 'int',
      createdAt: 'int',
      updatedAt: 'int',
    },
    key: ['owner', 'id'],
    index: [['owner', 'eid']],
  },
  outbox: {
    columns: {
      id: 'counter',
      owner: 'text',
      eid: 'text',
      shard: 'int',
      messageId: 'text',
      kind: 'text',
      payload: 'bytes',
      createdAt: 'int',
      sentAt: 'int?',
      attempts: 'int',
      receiptedAt: 'int?',
    },
    unique: [['owner', 'messageId']],
    index: [['owner', 'receiptedAt', 'id']],
  },
  inbox: {
    columns: { owner: 'text', eventId: 'text', eid: 'text', answer: 'bytes?', at: 'int' },
    key: ['owner', 'eventId'],
  },
  transfers: {
    columns: {
      owner: 'text',
      transferId: 'text',
      eid: 'text',
      transactionId: 'text',
      manifest: 'bytes',
      content: 'bytes?',
      totalBytes: 'int',
      blockSize: 'int',
      state: 'text',
      expires: 'int',
      createdAt: 'int',
    },
    key: ['owner', 'transferId'],
    index: [['owner', 'transactionId']],
  },
  notifications: {
    columns: {
      owner: 'text',
      eid: 'text',
      seqNumber: 'int',
      event: 'text',
      iccid: 'text',
      verified: 'int',
      raw: 'bytes',
      at: 'int',
    },
    key: ['owner', 'eid', 'seqNumber'],
  },
  changeGrants: {
    columns: {
      owner: 'text',
      transactionId: 'text',
      eid: 'text',
      receiving: 'text',
      iccid: 'text',
      rightsGrant: 'bytes',
      confirmed: 'int',
      released: 'int',
      expires: 'int',
    },
    key: ['owner', 'transactionId'],
    index: [['owner', 'eid']],
  },
};

const AUDIT: Readonly<Record<string, Table>> = {
  audit: {
    columns: {
      owner: 'text',
      seq: 'int',
      at: 'int',
      actor: 'text',
      action: 'text',
      subject: 'text',
      details: 'text',
      prevHash: 'bytes',
      hash: 'bytes',
    },
    key: ['owner', 'seq'],
    index: [['owner', 'subject']],
  },
};

const STATIC_KEYS: Readonly<Record<string, Table>> = {
  eisModules: {
    columns: {
      owner: 'text',
      eid: 'text',
      registeredId: 'text',
      curve: 'text',
      publicKey: 'bytes',
      certificate: 'bytes',
      state: 'text',
    },
    key: ['owner', 'eid', 'registeredId', 'curve'],
  },
};

/** In the order of their names; the database remembers which it has seen. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-roles': {
    async up(db: Kysely<unknown>) {
      await createTables(db, { ...EIS, ...SMDP, ...MNO, ...AUDIT });
      for (const change of ['update', 'delete']) {
        await sql`create trigger ${sql.raw(`audit_no_${change}`)} before ${sql.raw(change)} on audit
          begin select raise(abort, 'the audit log is append-only'); end`.execute(db);
      }
    },
  },
  '0002-stale-sessions': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createIndex('smdpSessions_index_1')
        .on('smdpSessions')
        .columns(['owner', 'state', 'updatedAt'])
        .execute();
    },
  },
  '0003-key-rotation': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .alterTable('eisKeys')
        .addColumn('state', 'text', (column) => column.notNull().defaultTo('active'))
        .execute();
    },
  },
  '0004-static-keys': {
    async up(db: Kysely<unknown>) {
      // Nothing ever wrote it: a key counts with its certificate only.
      await db.schema.alterTable('eis').dropColumn('ecasdPublicKey').execute();
      await createTables(db, STATIC_KEYS);
      await db.schema.alterTable('smdpSessions').addColumn('staticKey', 'blob').execute();
    },
  },
};
