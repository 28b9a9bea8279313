// The ES10 functions as a table by tag, and what they work on (SGP.22 5.7, SGP.32 5.9).
import { isAgentError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Ec } from '../../crypto/ec.ts';
import type { IotSession } from '../iot/session.ts';
import type { Cat } from '../os/cat.ts';
import type { Notifications } from '../notifications.ts';
import type { Profiles } from '../profiles.ts';
import type { IdentityRecord } from '../records.ts';
import type { EuiccIdentity } from '../rsp/identity.ts';
import type { RspSession } from '../rsp/session.ts';
import type { State } from '../state.ts';

/** The ISD-R's surroundings in one power-on session. */
export type Es10 = {
  readonly state: State;
  readonly ec: Ec;
  readonly log: Log;
  readonly record: IdentityRecord;
  readonly identity: EuiccIdentity;
  readonly profiles: Profiles;
  readonly notifications: Notifications;
  readonly session: RspSession;
  readonly cat: Cat;
  readonly iot: IotSession;
  freeMemory(): number;
};

/**
 * One function: the whole request object to the whole response object. Throws a TLV code where the request is not the
 * structure that the function asks for.
 */
export type Es10Function = {
  /** Tag of request and response. */
  readonly tag: number;
  /** Changes profiles or settings: on a managed card only inside a secure channel, where it says `always` on every card. */
  readonly manages?: true | 'always';
  /** `managed` says that the request came under the ISD-R's keys. */
  readonly run: (es10: Es10, request: Uint8Array, how: { readonly managed: boolean }) => Uint8Array;
};

/** What a request names; undefined where it is no identifier that a profile could have: nothing is found by it. */
export function named<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (isAgentError(error, 'ID_INVALID')) return undefined;
    throw error;
  }
}
