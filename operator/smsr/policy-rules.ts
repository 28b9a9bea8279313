// ES3.UpdatePolicyRules: POL2 of a profile in the EIS, set by the profile's owner (SGP.02 3.6, 5.4.6).
import { AgentError } from '../../base/errors.ts';
import type { PolicyRules } from '../roles.ts';
import { note, type SmSrContext } from './context.ts';
import { eisProfiles, updateProfile } from './eis.ts';

export async function updatePolicyRules(
  context: SmSrContext,
  request: Parameters<PolicyRules['updatePolicyRules']>[0],
): Promise<void> {
  const { mno, eid, iccid, pol2 } = request;
  await context.store.transaction(async (tx) => {
    const profiles = await eisProfiles(tx, context.name, eid);
    const profile = profiles.find((each) => each.iccid === iccid && each.state !== 'deleted');
    if (profile === undefined) throw new AgentError('NOT_FOUND', { what: 'profile', iccid });
    if (profile.mno !== mno) throw new AgentError('REFUSED', { why: "the profile is another MNO's", iccid });
    const changes = {
      pol2DisableAllowed: pol2.disableAllowed ? 1 : 0,
      pol2DeleteAllowed: pol2.deleteAllowed ? 1 : 0,
      pol2DeleteWhenDisabled: pol2.deleteWhenDisabled ? 1 : 0,
    } as const;
    await updateProfile(context, tx, eid, iccid, changes, mno);
    await note(context, tx, { actor: mno, action: 'updatePolicyRules', eid, details: { iccid, ...pol2 } });
  });
}
