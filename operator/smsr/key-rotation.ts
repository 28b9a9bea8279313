// New management keys for an eUICC: put into its ISD-R under the old ones, believed by its receipt, the old ones deleted under the new
// (GlobalPlatform Card Specification 11.8 and 11.2; seed 25). Until the receipt is here the old keys stay in use.
import { concat } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import type { Eid } from '../../codec/ids.ts';
import { deleteKeyCommand, encodeKeyReceipt, KEY_TYPE_AES, putKeyCommand } from '../../codec/put-key.ts';
import { aesKeyCheckValue } from '../../crypto/aes.ts';
import { sha256 } from '../../crypto/hash.ts';
import { encryptWithDek, type Scp03Keys } from '../../crypto/scp03.ts';
import type { ScriptJob } from '../roles.ts';
import type { Reader, Tx } from '../store/store.ts';
import type { EisKeyTable, ScriptTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { eisKeysets, insertKeys, managementKeys, needEis, stateFact } from './eis.ts';
import { isOverTheAir } from './ota-scripts.ts';
import { prepareScript, preparedScript, type ScriptOrder } from './scripts.ts';
import { COMMAND_LEVEL } from './second-layer.ts';
import { restored } from './stored-result.ts';

const SCP03_VERSIONS = { first: 0x30, count: 16 } as const;
const SCP80_VERSIONS = { first: 0x01, count: 15 } as const;

/** Whether a script changes keys. */
export function isKeyScript(purpose: ScriptTable['purpose']): purpose is 'putKey' | 'deleteKey' {
  return purpose === 'putKey' || purpose === 'deleteKey';
}

/**
 * The next script of a rotation; begins one where none is under way. Where nobody knows whether the new keys have arrived, the old
 * ones are deleted under the new ones: that works if they have, and changes nothing if they have not; the call after it puts the same
 * keys again.
 */
export function rotateKeys(context: SmSrContext, eid: Eid): Promise<ScriptJob> {
  const { name: owner, store } = context;
  return store.transaction(async (tx) => {
    await needEis(tx, owner, eid);
    const active = await managementKeys(context, tx, eid);
    const order = await nextOrder(context, tx, active);
    return (await preparedScript(tx, owner, order)) ?? prepareScript(context, tx, order);
  });
}

type Held = { readonly keys: Scp03Keys; readonly row: EisKeyTable };

async function nextOrder(context: SmSrContext, tx: Tx, active: Held): Promise<ScriptOrder> {
  const { name: owner } = context;
  const { eid } = active.row;
  const keysets = await eisKeysets(tx, owner, eid);
  const retired = keysets.find(({ state }) => state === 'retired');
  if (retired !== undefined) return deleteOrder(active.row, retired.kvn);
  const pending = keysets.find(({ state }) => state === 'pending');
  if (pending === undefined) return putOrder(active, await newKeyset(context, tx, active));
  const last = await lastKeyScript(tx, owner, eid);
  const triesToFinish =
    last?.state === 'prepared'
      ? last.purpose === 'deleteKey'
      : last?.purpose === 'putKey' && !wasAtAnotherCounter(last);
  return triesToFinish
    ? deleteOrder(pending, active.row.kvn)
    : putOrder(active, await managementKeys(context, tx, eid, pending.kvn));
}

/** Keys that nobody has had before, of the length of the old ones, stored before they go anywhere. */
async function newKeyset(context: SmSrContext, tx: Tx, { keys, row }: Held): Promise<Held> {
  const { random } = context;
  const { eid } = row;
  const { length } = keys.enc.reveal();
  const key = (): Secret<Uint8Array> => new Secret(random.bytes(length));
  const { first, count } = isOverTheAir(row.kvn) ? SCP80_VERSIONS : SCP03_VERSIONS;
  const kvn = first + ((row.kvn - first + 1) % count);
  const next = { kvn, enc: key(), mac: key(), dek: key() };
  for (const name of ['enc', 'mac', 'dek'] as const) {
    context.witness(`ISD-R ${eid} ${kvn} ${name}`, next[name].reveal());
  }
  await insertKeys(context, tx, eid, next, { sequenceCounter: 0, state: 'pending' });
  await note(context, tx, {
    actor: context.name,
    action: 'rotateKeys',
    eid,
    details: { from: row.kvn, to: kvn },
  });
  return managementKeys(context, tx, eid, kvn);
}

/** Scripts of the SM-SR itself, not of an MNO. */
function ownOrder(row: EisKeyTable, purpose: 'putKey' | 'deleteKey') {
  const { eid, kvn, owner } = row;
  return { mno: owner, eid, kvn, purpose, iccid: '', level: COMMAND_LEVEL } as const;
}

function putOrder(active: Held, next: Held): ScriptOrder {
  const keys = [next.keys.enc, next.keys.mac, next.keys.dek].map((key) => ({
    type: KEY_TYPE_AES,
    length: key.reveal().length,
    encrypted: encryptWithDek(active.keys.dek, key),
    checkValue: aesKeyCheckValue(key),
  }));
  const { kvn } = next.row;
  const receipt = encodeKeyReceipt(
    kvn,
    keys.map(({ checkValue }) => checkValue),
  );
  return {
    ...ownOrder(active.row, 'putKey'),
    commands: [putKeyCommand({ replaces: 0, version: kvn, identifier: 1, keys })],
    inputHash: sha256(receipt),
  };
}

function deleteOrder(under: EisKeyTable, kvn: number): ScriptOrder {
  return {
    ...ownOrder(under, 'deleteKey'),
    commands: [deleteKeyCommand(kvn)],
    inputHash: sha256(concat(Uint8Array.of(kvn))),
  };
}

/** Then the card has proved that it did nothing. */
function wasAtAnotherCounter({ result }: ScriptTable): boolean {
  return result !== null && restored(result).resynchronised === true;
}

function lastKeyScript(reader: Reader, owner: string, eid: Eid): Promise<ScriptTable | undefined> {
  return reader
    .selectFrom('scripts')
    .selectAll()
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('purpose', 'in', ['putKey', 'deleteKey'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** What a proved answer to a key script says of the keysets. */
export async function believeKeys(context: SmSrContext, tx: Tx, script: ScriptTable): Promise<void> {
  const { eid, kvn, owner, purpose } = script;
  const update = (state: EisKeyTable['state']) =>
    tx
      .updateTable('eisKeys')
      .set({ state, updatedAt: context.clock.wall() })
      .where('owner', '=', owner)
      .where('eid', '=', eid);
  if (purpose === 'putKey') {
    await update('retired').where('kvn', '=', kvn).execute();
    await update('active').where('state', '=', 'pending').execute();
  } else {
    await update('active').where('kvn', '=', kvn).execute();
    await tx
      .deleteFrom('eisKeys')
      .where('owner', '=', owner)
      .where('eid', '=', eid)
      .where('kvn', '!=', kvn)
      .execute();
  }
  await stateFact(context, tx, eid, 'isdRKeys', 'ISD-R, protected response');
}

/** Whether the eUICC has one keyset again. */
export async function rotationEnded(reader: Reader, owner: string, eid: Eid): Promise<boolean> {
  return (await eisKeysets(reader, owner, eid)).length === 1;
}
