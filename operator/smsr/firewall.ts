// The firewall of an SM-SR (seed 7): who may call which function for which eUICC. What is not allowed is refused.
import { AgentError } from '../../base/errors.ts';
import type { Eid } from '../../codec/ids.ts';
import type { Reader, Tx } from '../store/store.ts';

/** The functions that MNOs call (ES3, ES5). */
export const FUNCTIONS = [
  'getEis',
  'verifyEuicc',
  'euiccKeys',
  'verifyRegistered',
  'secureOffline',
  'secureProfile',
  'profileCommand',
  'scriptResult',
  'handleNotification',
  'updatePolicyRules',
] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** Stands for every EID, or for every function. */
const ANY = '*';

export type AllowRule = {
  readonly peer: string;
  /** Every eUICC unless given. */
  readonly eid?: Eid;
  /** Every function unless given. */
  readonly functions?: readonly FunctionName[];
};

function rowsOf(owner: string, rule: AllowRule) {
  const eid = rule.eid ?? ANY;
  return (rule.functions ?? [ANY]).map((functionName) => ({ owner, peer: rule.peer, eid, functionName }));
}

export async function allow(tx: Tx, owner: string, rule: AllowRule): Promise<void> {
  await tx
    .insertInto('allowList')
    .values(rowsOf(owner, rule))
    .onConflict((conflict) => conflict.columns(['owner', 'peer', 'eid', 'functionName']).doNothing())
    .execute();
}

/** Takes back a rule that was allowed in the same words. */
export async function disallow(tx: Tx, owner: string, rule: AllowRule): Promise<void> {
  for (const { peer, eid, functionName } of rowsOf(owner, rule)) {
    await tx
      .deleteFrom('allowList')
      .where('owner', '=', owner)
      .where('peer', '=', peer)
      .where('eid', '=', eid)
      .where('functionName', '=', functionName)
      .execute();
  }
}

/** Throws `REFUSED` unless a rule lets `peer` call this function for this eUICC. */
export async function checkAllowed(
  reader: Reader,
  owner: string,
  peer: string,
  eid: Eid,
  functionName: FunctionName,
): Promise<void> {
  const rule = await reader
    .selectFrom('allowList')
    .select('peer')
    .where('owner', '=', owner)
    .where('peer', '=', peer)
    .where('eid', 'in', [eid, ANY])
    .where('functionName', 'in', [functionName, ANY])
    .executeTakeFirst();
  if (rule === undefined)
    throw new AgentError('REFUSED', { why: 'not on the allow-list', peer, functionName });
}
