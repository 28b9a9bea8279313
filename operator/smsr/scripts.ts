// The life of a command script at the SM-SR: made with the sequence counter in one transaction, kept until the card's answer.
import { EMPTY, toHex } from '../../base/bytes.ts';
import type { CommandApdu } from '../../codec/apdu.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import type { Scp03Level } from '../../crypto/scp03.ts';
import type { ScriptJob } from '../roles.ts';
import type { Reader, Tx } from '../store/store.ts';
import type { ScriptTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { managementKeys, setSequenceCounter } from './eis.ts';
import {
  askingCommands,
  isOverTheAir,
  keptCommands,
  type OtaKeyset,
  protectOtaScript,
} from './ota-scripts.ts';
import { protectScript, type ScriptSession, sessionSecrets } from './second-layer.ts';

export type ScriptOrder = {
  readonly mno: string;
  readonly eid: Eid;
  readonly purpose: ScriptTable['purpose'];
  /** Version of the keyset; the one in use unless given. */
  readonly kvn?: number;
  readonly iccid: ScriptTable['iccid'];
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
  const { name: owner, clock } = context;
  const { mno, eid, purpose, iccid, commands, rollback } = order;
  const { keys, row } = await managementKeys(context, tx, eid, order.kvn);
  const at = clock.wall();
  await tx
    .updateTable('scripts')
    .set({ state: 'void', script: null, rollback: null, updatedAt: at })
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('state', '=', 'prepared')
    .execute();
  const made = isOverTheAir(row.kvn)
    ? protectedOverTheAir({ kvn: row.kvn, keys }, row.sequenceCounter, order)
    : protectedByScp03(context, { kvn: row.kvn, keys }, row.sequenceCounter, order);
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
      level: made.level,
      sequenceCounter: row.sequenceCounter,
      hostChallenge: made.hostChallenge,
      state: 'prepared',
      inputHash: order.inputHash ?? null,
      commands: made.commands,
      commandCount: commands.length,
      script: made.script,
      rollback: made.rollback ?? null,
      rollbackHostChallenge: made.rollbackHostChallenge,
      rollbackCommands: made.rollbackCommands,
      rollbackIccid: rollback?.iccid ?? null,
      answerHash: null,
      result: null,
      createdAt: at,
      updatedAt: at,
    })
    .execute();
  await setSequenceCounter(context, tx, row, row.sequenceCounter + made.counters);
  const details = {
    script: number,
    purpose,
    iccid,
    sequenceCounter: row.sequenceCounter,
    octets: made.script.length,
    rollback: made.rollback !== undefined,
  };
  await note(context, tx, { actor: mno, action: 'prepareScript', eid, details });
  const secondLayer = isOverTheAir(row.kvn) ? 'scp80' : 'scp03';
  return {
    script: made.script,
    secondLayer,
    ...(made.rollback === undefined ? {} : { rollback: made.rollback }),
  };
}

/** A script and its rollback under the second layer, with what is kept to open the answer. */
type ProtectedScripts = Pick<
  ScriptTable,
  'level' | 'hostChallenge' | 'commands' | 'rollbackHostChallenge' | 'rollbackCommands'
> & {
  readonly script: Uint8Array;
  readonly rollback?: Uint8Array;
  /** How far the script, without its rollback, moves the counter. */
  readonly counters: number;
};

type Protectable = Pick<ScriptOrder, 'level' | 'commands' | 'rollback' | 'purpose'>;

function protectedByScp03(
  context: SmSrContext,
  { keys, kvn }: OtaKeyset,
  counter: number,
  { level, commands, rollback }: Protectable,
): ProtectedScripts {
  const sessionAt = (sequenceCounter: number): ScriptSession => {
    const hostChallenge = context.random.bytes(HOST_CHALLENGE_OCTETS);
    const session = { kvn, level, sequenceCounter, hostChallenge };
    for (const [name, secret] of sessionSecrets(keys, session)) context.witness(name, secret);
    return session;
  };
  const session = sessionAt(counter);
  const script = protectScript(keys, session, commands);
  const keepsCommands = (level & 0x10) !== 0;
  const made = {
    level,
    hostChallenge: session.hostChallenge,
    commands: keepsCommands ? keptCommands(commands) : null,
    script,
    counters: 1,
  };
  if (rollback === undefined) return { ...made, rollbackHostChallenge: null, rollbackCommands: null };
  const back = sessionAt(counter + 1);
  return {
    ...made,
    rollback: protectScript(keys, back, rollback.commands),
    rollbackHostChallenge: back.hostChallenge,
    rollbackCommands: keptCommands(rollback.commands),
  };
}

/** The counter is the last one that was used; packets have no session of their own. */
function protectedOverTheAir(
  keyset: OtaKeyset,
  counter: number,
  { commands, purpose, rollback }: Protectable,
): ProtectedScripts {
  const asked = purpose === 'load' ? commands : askingCommands(commands);
  const { counters, script } = protectOtaScript(keyset, asked, counter);
  const none = { level: 0, hostChallenge: EMPTY, rollbackHostChallenge: null };
  const made = { ...none, commands: keptCommands(asked), script, counters };
  if (rollback === undefined) return { ...made, rollbackCommands: null };
  const back = askingCommands(rollback.commands);
  return {
    ...made,
    rollback: protectOtaScript(keyset, back, counter + counters).script,
    rollbackCommands: keptCommands(back),
  };
}

/** The script that a repeated request asks for again: not answered yet, and for the same thing. */
export async function preparedScript(
  reader: Reader,
  owner: string,
  wanted: {
    readonly mno: string;
    readonly eid: Eid;
    readonly purpose: ScriptTable['purpose'];
    readonly iccid: ScriptTable['iccid'];
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
  const secondLayer = isOverTheAir(row.kvn) ? 'scp80' : 'scp03';
  return { script: row.script, secondLayer, ...(row.rollback === null ? {} : { rollback: row.rollback }) };
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
