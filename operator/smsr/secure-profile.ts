// The second layer for a bound profile package (seed 66, 78): needs the verdict, other MNOs' rights and a served eUICC.
import { equalBytes, uintBytes } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { BoundProfilePackage, InitialiseSecureChannelRequest } from '../../codec/rsp/bpp.ts';
import { sha256 } from '../../crypto/hash.ts';
import type { ScriptJob, SmSr } from '../roles.ts';
import type { Tx } from '../store/store.ts';
import type { SmSrContext } from './context.ts';
import { eisProfiles, needServedEis, putProfile, updateProfile } from './eis.ts';
import { consumeRights } from './rights.ts';
import { prepareScript, preparedScript } from './scripts.ts';
import { LOAD_LEVEL, loadCommands } from './second-layer.ts';
import { needAcceptedVerdict } from './verify.ts';

type Request = Parameters<SmSr['secureProfile']>[0];

export function secureProfile(context: SmSrContext, request: Request): Promise<ScriptJob> {
  const { name: owner, store } = context;
  const { mno, eid, transactionId, boundProfilePackage, iccid, maxCommandData = 255 } = request;
  return store.transaction(async (tx) => {
    await needServedEis(tx, owner, eid);
    await needAcceptedVerdict(tx, owner, request);
    checkTransaction(boundProfilePackage, transactionId);
    const inputHash = sha256(boundProfilePackage, uintBytes(maxCommandData, 1));
    const wanted = { mno, eid, purpose: 'load', iccid, transactionId, inputHash } as const;
    const prepared = await preparedScript(tx, owner, wanted);
    if (prepared !== undefined) return prepared;
    await consumeRights(context, tx, request);
    await orderProfile(context, tx, request);
    return prepareScript(context, tx, {
      ...wanted,
      level: LOAD_LEVEL,
      commands: loadCommands(boundProfilePackage, maxCommandData),
    });
  });
}

/** The package is that of the session which the verdict is on. */
export function checkTransaction(boundProfilePackage: Uint8Array, transactionId: Uint8Array): void {
  const { initialiseSecureChannelRequest } = BoundProfilePackage.decode(boundProfilePackage);
  const inside = InitialiseSecureChannelRequest.decode(initialiseSecureChannelRequest).transactionId;
  if (!equalBytes(inside, transactionId)) {
    throw new AgentError('REFUSED', { why: 'the package is of another transaction than the verdict' });
  }
}

/** The profile stands in the EIS before it is on its way. */
export async function orderProfile(
  context: SmSrContext,
  tx: Tx,
  request: Pick<Request, 'mno' | 'eid' | 'iccid'>,
): Promise<void> {
  const { mno, eid, iccid } = request;
  const known = (await eisProfiles(tx, context.name, eid)).find((profile) => profile.iccid === iccid);
  if (known === undefined) {
    const profile = { iccid, mno, profileClass: 'operational', state: 'ordered' } as const;
    await putProfile(context, tx, eid, profile, mno);
  } else if (known.mno !== mno || known.state === 'enabled' || known.state === 'disabled') {
    throw new AgentError('REFUSED', { why: 'the profile is on the eUICC already', iccid });
  } else {
    await updateProfile(context, tx, eid, iccid, { state: 'ordered' }, mno);
  }
}
