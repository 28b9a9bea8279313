// A security module of its own for one SM-DP, put into an eUICC that is in the field (seed 48, 49): the pair is made on the card, certified by
// the EUM, and installed; both steps under the management keys.
import { AgentError } from '../../base/errors.ts';
import type { Eid } from '../../codec/ids.ts';
import { InstallSecurityModuleRequest, InstallSecurityModuleResponse } from '../../codec/security-module.ts';
import { verifyEcasdCertificate } from '../../crypto/chain.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import type { ScriptJob, ScriptResult } from '../roles.ts';
import type { Tx } from '../store/store.ts';
import { note, type SmSrContext } from './context.ts';
import { needServedEis, putModule, stateFact } from './eis.ts';
import { prepareScript, preparedScript } from './scripts.ts';
import { COMMAND_LEVEL, lastData, requestCommands } from './second-layer.ts';
import { sha256 } from '../../crypto/hash.ts';

/** The script that makes the pair for an SM-DP; the same pair again until it is certified. */
export function generateModuleKey(context: SmSrContext, eid: Eid, registeredId: string): Promise<ScriptJob> {
  const { name: owner, store } = context;
  return store.transaction(async (tx) => {
    const { euiccCertificate } = await needServedEis(tx, owner, eid);
    const { curve } = parseCertificate(euiccCertificate);
    const request = InstallSecurityModuleRequest.encode({
      is: 'generateKey',
      value: { registeredId, curve },
    });
    return scriptFor(context, tx, eid, 'generateKey', request);
  });
}

/** PK.ECASD.ECKA as the card answered it, out of its second layer, for the EUM to certify. Throws `REFUSED`. */
export function modulePublicKey({ ok, reason, responses }: ScriptResult): Uint8Array {
  if (!ok) throw new AgentError('REFUSED', { why: reason ?? 'the script was not executed' });
  const answer = InstallSecurityModuleResponse.decode(lastData(responses));
  if (answer.is !== 'publicKey') throw new AgentError('REFUSED', { why: 'the card made no key' });
  return answer.value.ecasdPublicKey;
}

/** The script that brings the certificate. It counts in the EIS once the card has said so. Throws `REFUSED` where it does not hold. */
export function installModule(
  context: SmSrContext,
  eid: Eid,
  ecasdCertificate: Uint8Array,
): Promise<ScriptJob> {
  const { name: owner, store, ec, crls, clock } = context;
  return store.transaction(async (tx) => {
    const { eumCertificate } = await needServedEis(tx, owner, eid);
    const evidence = { ecasdCertificate, eumCertificate, eid };
    const { checks } = verifyEcasdCertificate(ec, evidence, { crls: crls(), at: clock.wall() });
    const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
    if (failed.length > 0) {
      throw new AgentError('REFUSED', { why: 'the certificate does not hold', failed: failed.join(', ') });
    }
    await putModule(context, tx, eid, ecasdCertificate, 'pending');
    const request = InstallSecurityModuleRequest.encode({
      is: 'installCertificate',
      value: { certificate: ecasdCertificate },
    });
    return scriptFor(context, tx, eid, 'installModule', request);
  });
}

async function scriptFor(
  context: SmSrContext,
  tx: Tx,
  eid: Eid,
  purpose: 'generateKey' | 'installModule',
  request: Uint8Array,
): Promise<ScriptJob> {
  const { name: owner } = context;
  const inputHash = sha256(request);
  const order = { mno: owner, eid, purpose, iccid: '', inputHash } as const;
  const prepared = await preparedScript(tx, owner, order);
  if (prepared !== undefined) return prepared;
  return prepareScript(context, tx, { ...order, level: COMMAND_LEVEL, commands: requestCommands(request) });
}

/** What an answer to one of these scripts says of itself: `ok`, or the card's reason. */
export function moduleAnswer(data: Uint8Array): string {
  const answer = InstallSecurityModuleResponse.decode(data);
  return answer.is === 'error' ? answer.value : 'ok';
}

/** The card has the module: its key may be handed out. */
export async function believeModule(context: SmSrContext, tx: Tx, eid: Eid): Promise<void> {
  const { name: owner } = context;
  await tx
    .updateTable('eisModules')
    .set({ state: 'active' })
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('state', '=', 'pending')
    .execute();
  await stateFact(context, tx, eid, 'securityModules', 'ISD-R, protected response');
  await note(context, tx, { actor: owner, action: 'securityModule', eid });
}
