// Gives the PIN of an eUICC's certificate profile its tries back, under the management keys (seed 35).
import type { Eid } from '../../codec/ids.ts';
import { CERTIFICATE_PROFILE_PIN } from '../../codec/certificate-profile.ts';
import type { ScriptJob } from '../roles.ts';
import type { SmSrContext } from './context.ts';
import { needServedEis } from './eis.ts';
import { prepareScript, preparedScript } from './scripts.ts';
import { COMMAND_LEVEL } from './second-layer.ts';

/** PIN CHANGE/UNBLOCK to the ISD-R: it carries no PIN. */
const UNBLOCK = {
  cla: 0x80,
  ins: 0x24,
  p1: 0,
  p2: CERTIFICATE_PROFILE_PIN,
  data: new Uint8Array(0),
} as const;

export function unblockCertificateProfile(context: SmSrContext, eid: Eid): Promise<ScriptJob> {
  const { name: owner, store } = context;
  return store.transaction(async (tx) => {
    await needServedEis(tx, owner, eid);
    const order = { mno: owner, eid, purpose: 'unblockPin', iccid: '' } as const;
    const prepared = await preparedScript(tx, owner, order);
    return prepared ?? prepareScript(context, tx, { ...order, level: COMMAND_LEVEL, commands: [UNBLOCK] });
  });
}
