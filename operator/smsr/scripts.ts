// The life of a command script at the SM-SR: made with the sequence counter in one transaction, kept until the card's answer.
import { toHex } from '../../base/bytes.ts';
import type { CommandApdu } from '../../codec/apdu.ts';
import { encodeCommandApdu } from '../../codec/apdu.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import { encodeCommandScript } from '../../codec/script.ts';
import type { Scp03Level } from '../../crypto/scp03.ts';
import type { ScriptJob } from '../roles.ts';
import type { Reader, Tx } from '../store/store.ts';
import type { ScriptTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { managementKeys, setSequenceCounter } from './eis.ts';
import { protectScript, type ScriptSession, sessionSecrets } from './second-layer.ts';

export type ScriptOrder = {
  readonly mno: string;
  readonly eid: Eid;
  readonly purpose: ScriptTable['purpose'];
  readonly iccid: Iccid;
  readonly transactionId?: Uint8Array;
  readonly level: Scp03Level;
  readonly commands: readonly CommandApdu[];
  /** What the script brings, hashed, where the commands themselves are not kept. */
  readonly inputHash?: Uint8Array;
  /** Restores the state before, by enabling this profile. */
  readonly rollback?: { readonly iccid: Iccid; readonly commands: readonly CommandApdu[] };
};

const HOST_CHALLENGE_OCTETS = 8;

/**
 * Makes and stores a script. Scripts of this eUICC that nobody answered become void: the card takes one of a counter only. The
 * counter moves on in the same transaction; a rollback is made for the one after it, which stays the next in case it is not played.
 */
export async function prepareScript(context: SmSrContext, tx: Tx, order: ScriptOrder): Promise<ScriptJob> {
  const { name: owner, random, clock } = context;
  const { mno, eid, purpose, iccid, level, commands, rollback } = order;
  const { keys, row } = await managementKeys(context, tx, eid);
  const at = clock.wall();
  await tx
    .updateTable('scripts')
    .set({ state: 'void', script: null, rollback: null, updatedAt: at })
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('state', '=', 'prepared')
    .execute();
  const sessionAt = (sequenceCounter: number): ScriptSession => {
    const hostChallenge = random.bytes(HOST_CHALLENGE_OCTETS);
    const session = { kvn: row.kvn, level, sequenceCounter, hostChallenge };
    for (const [name, secret] of sessionSecrets(keys, session)) context.witness(name, secret);
    return session;
  };
  const session = sessionAt(row.sequenceCounter);
  const script = protectScript(keys, session, commands);
  const back =
    rollback === undefined ? undefined : { ...rollback, session: sessionAt(row.sequenceCounter + 1) };
  const backScript = back === undefined ? undefined : protectScript(keys, back.session, back.commands);
  const keepsCommands = (level & 0x10) !== 0;
  const kept = (list: readonly CommandApdu[]): Uint8Array => encodeCommandScript(list.map(encodeCommandApdu));
  const number = ((await lastScript(tx, owner, eid))?.number ?? 0) + 1;
  await tx
    .insertInto('scripts')
    .values({
      owner,
      eid,
      number,
      mno,
      purpose,
      iccid,
      transactionId: order.transactionId === undefined ? null : toHex(order.transactionId),
      kvn: row.kvn,
      level,
      sequenceCounter: session.sequenceCounter,
      hostChallenge: session.hostChallenge,
      state: 'prepared',
      inputHash: order.inputHash ?? null,
      commands: keepsCommands ? kept(commands) : null,
      commandCount: commands.length,
      script,
      rollback: backScript ?? null,
      rollbackHostChallenge: back?.session.hostChallenge ?? null,
      rollbackCommands: back === undefined ? null : kept(back.commands),
      rollbackIccid: back?.iccid ?? null,
      answerHash: null,
      result: null,
      createdAt: at,
      updatedAt: at,
    })
    .execute();
  await setSequenceCounter(context, tx, row, row.sequenceCounter + 1);
  const details = {
    script: number,
    purpose,
    iccid,
    sequenceCounter: session.sequenceCounter,
    octets: script.length,
    rollback: backScript !== undefined,
  };
  await note(context, tx, { actor: mno, action: 'prepareScript', eid, details });
  return backScript === undefined ? { script } : { script, rollback: backScript };
}

/** The script that a repeated request asks for again: not answered yet, and for the same thing. */
export async function preparedScript(
  reader: Reader,
  owner: string,
  wanted: {
    readonly mno: string;
    readonly eid: Eid;
    readonly purpose: ScriptTable['purpose'];
    readonly iccid: Iccid;
    readonly transactionId?: Uint8Array;
    readonly inputHash?: Uint8Array;
  },
): Promise<ScriptJob | undefined> {
  const row = await lastScript(reader, owner, wanted.eid);
  if (row?.state !== 'prepared' || row.script === null) return undefined;
  const { transactionId, inputHash } = wanted;
  const same =
    row.mno === wanted.mno &&
    row.purpose === wanted.purpose &&
    row.iccid === wanted.iccid &&
    row.transactionId === (transactionId === undefined ? null : toHex(transactionId)) &&
    toHex(row.inputHash ?? new Uint8Array()) === toHex(inputHash ?? new Uint8Array());
  if (!same) return undefined;
  return row.rollback === null ? { script: row.script } : { script: row.script, rollback: row.rollback };
}

/** The newest script of an eUICC, whatever became of it. */
export function lastScript(reader: Reader, owner: string, eid: Eid): Promise<ScriptTable | undefined> {
  return reader
    .selectFrom('scripts')
    .selectAll()
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
}
