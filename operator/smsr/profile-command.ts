// ES3/ES5 EnableProfile, DisableProfile and DeleteProfile (SGP.02 5.4): who may, by POL2 and grants, and the script for it.
import { AgentError } from '../../base/errors.ts';
import type { Iccid } from '../../codec/ids.ts';
import { DeleteProfileRequest, EnableProfileRequest } from '../../codec/rsp/profile-management.ts';
import type { ScriptJob, SmSr } from '../roles.ts';
import type { Reader } from '../store/store.ts';
import type { EisProfileTable } from '../store/tables.ts';
import type { SmSrContext } from './context.ts';
import { eisProfiles, needServedEis } from './eis.ts';
import { grantFor } from './rights.ts';
import { prepareScript, preparedScript, type ScriptOrder } from './scripts.ts';
import { COMMAND_LEVEL, requestCommands } from './second-layer.ts';

type Request = Parameters<SmSr['profileCommand']>[0];
/** What the card is to do, once nothing speaks against it. */
type Plan = Pick<ScriptOrder, 'commands' | 'rollback'>;

export function profileCommand(context: SmSrContext, request: Request): Promise<ScriptJob> {
  const { name: owner, store } = context;
  const { mno, eid, iccid, command } = request;
  return store.transaction(async (tx) => {
    await needServedEis(tx, owner, eid);
    const wanted = { mno, eid, purpose: command, iccid } as const;
    const prepared = await preparedScript(tx, owner, wanted);
    if (prepared !== undefined) return prepared;
    const profiles = await eisProfiles(tx, owner, eid);
    const profile = profiles.find((each) => each.iccid === iccid);
    if (profile === undefined) throw new AgentError('NOT_FOUND', { what: 'profile', iccid });
    const plan = await PLANS[command](context, tx, mno, profile, profiles);
    return prepareScript(context, tx, { ...wanted, level: COMMAND_LEVEL, ...plan });
  });
}

type Planner = (
  context: SmSrContext,
  reader: Reader,
  mno: string,
  profile: EisProfileTable,
  profiles: readonly EisProfileTable[],
) => Promise<Plan> | Plan;

const PLANS: Readonly<Record<Request['command'], Planner>> = {
  enable: planEnable,
  disable: planDisable,
  delete: planDelete,
};

function refuse(why: string, iccid: Iccid): never {
  throw new AgentError('REFUSED', { why, iccid });
}

function enableCommands(iccid: Iccid) {
  const profileIdentifier = { is: 'iccid', value: iccid } as const;
  return requestCommands(EnableProfileRequest.encode({ profileIdentifier, refreshFlag: true }));
}

/** Its own profile, in the place of one that may go; the rollback brings that one back. */
async function planEnable(
  context: SmSrContext,
  reader: Reader,
  mno: string,
  profile: EisProfileTable,
  profiles: readonly EisProfileTable[],
): Promise<Plan> {
  const { iccid } = profile;
  if (profile.mno !== mno) refuse("the profile is another MNO's", iccid);
  if (profile.state !== 'disabled') refuse(`the profile is ${profile.state}`, iccid);
  const current = profiles.find(({ state }) => state === 'enabled');
  if (current === undefined) return { commands: enableCommands(iccid) };
  if (current.pol2DisableAllowed === 0)
    refuse('POL2 of the enabled profile forbids to disable it', current.iccid);
  if (current.profileClass === 'operational' && current.mno !== mno) {
    const grant = await grantFor(reader, context.name, current, mno);
    if (grant === undefined || grant.expires <= context.clock.wall()) {
      refuse(`${current.mno} has not granted the change, or no longer`, current.iccid);
    }
  }
  return {
    commands: enableCommands(iccid),
    rollback: { iccid: current.iccid, commands: enableCommands(current.iccid) },
  };
}

/** Never zero enabled profiles: the provisioning profile takes the place of the one that is disabled. */
function planDisable(
  _context: SmSrContext,
  _reader: Reader,
  mno: string,
  profile: EisProfileTable,
  profiles: readonly EisProfileTable[],
): Plan {
  const { iccid } = profile;
  if (profile.mno !== mno) refuse("the profile is another MNO's", iccid);
  if (profile.state !== 'enabled') refuse(`the profile is ${profile.state}`, iccid);
  if (profile.pol2DisableAllowed === 0) refuse('POL2 forbids to disable it', iccid);
  const fallBack = profiles.find(
    ({ profileClass, state }) => profileClass === 'provisioning' && state === 'disabled',
  );
  if (fallBack === undefined) refuse('there is no provisioning profile to take its place', iccid);
  return {
    commands: enableCommands(fallBack.iccid),
    rollback: { iccid, commands: enableCommands(iccid) },
  };
}

/** Its own profile, or a donor's that has granted it, once the eUICC itself has confirmed the new one. */
async function planDelete(
  context: SmSrContext,
  reader: Reader,
  mno: string,
  profile: EisProfileTable,
  profiles: readonly EisProfileTable[],
): Promise<Plan> {
  const { iccid } = profile;
  if (profile.state !== 'disabled') refuse(`the profile is ${profile.state}`, iccid);
  if (profile.pol2DeleteAllowed === 0) refuse('POL2 forbids to delete it', iccid);
  if (profile.mno !== mno) {
    if (profile.profileClass !== 'operational') refuse("the profile is another's", iccid);
    const grant = await grantFor(reader, context.name, profile, mno);
    if (grant?.deleteAllowed !== 1) refuse(`${profile.mno} has not granted its deletion`, iccid);
    const own = profiles.find((each) => each.mno === mno && each.state === 'enabled');
    if (own === undefined || !(await enableConfirmed(reader, context.name, own))) {
      refuse('the eUICC has not confirmed the profile that replaces it', iccid);
    }
  }
  return { commands: requestCommands(DeleteProfileRequest.encode({ is: 'iccid', value: iccid })) };
}

/** Whether the eUICC's signed word on the enabling is here. */
async function enableConfirmed(reader: Reader, owner: string, profile: EisProfileTable): Promise<boolean> {
  const found = await reader
    .selectFrom('notifications')
    .select('seqNumber')
    .where('owner', '=', owner)
    .where('eid', '=', profile.eid)
    .where('iccid', '=', profile.iccid)
    .where('event', '=', 'enable')
    .executeTakeFirst();
  return found !== undefined;
}
