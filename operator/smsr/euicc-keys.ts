// The static keys of an eUICC at the SM-SR (seed 57, 58): registered with their certificates, handed to an MNO that has a verdict.
import { AgentError } from '../../base/errors.ts';
import { verifyEcasdCertificate } from '../../crypto/chain.ts';
import type { EuiccKeys } from '../roles.ts';
import { note, type SmSrContext } from './context.ts';
import { eisModules, needServedEis } from './eis.ts';
import { needAcceptedVerdict } from './verify.ts';

/** The certificates that hold; `REFUSED` without an accepted verdict, and where none does. */
export function euiccKeys(
  context: SmSrContext,
  request: Parameters<EuiccKeys['euiccKeys']>[0],
): ReturnType<EuiccKeys['euiccKeys']> {
  const { name: owner, store, ec, crls, clock } = context;
  const { mno, eid } = request;
  return store.transaction(async (tx) => {
    const { eumCertificate } = await needServedEis(tx, owner, eid);
    await needAcceptedVerdict(tx, owner, request);
    const trust = { crls: crls(), at: clock.wall() };
    const judged = (await eisModules(tx, owner, eid)).map(({ certificate }) => ({
      certificate,
      ...verifyEcasdCertificate(ec, { ecasdCertificate: certificate, eumCertificate, eid }, trust),
    }));
    const certificates = judged.filter(({ accepted }) => accepted).map(({ certificate }) => certificate);
    if (certificates.length === 0) {
      const failed = judged.flatMap(({ checks }) => checks.filter(({ ok }) => !ok).map(({ name }) => name));
      throw new AgentError('REFUSED', {
        why: 'the eUICC has no static key to agree on keys with',
        ...(failed.length === 0 ? {} : { failed: [...new Set(failed)].join(', ') }),
      });
    }
    const details = { keys: certificates.length };
    await note(context, tx, { actor: mno, action: 'euiccKeys', eid, details });
    return { certificates };
  });
}
