// The RSP session of an order as the device sees it: which one the card holds, whether its profile may come, why it is given up
// (SGP.22 3.1.3, 5.7.14).
import { AgentError, isAgentError } from '../base/errors.ts';
import type { CardChannel, TransmitOptions } from '../codec/card.ts';
import { ServerSigned1 } from '../codec/rsp/authenticate-server.ts';
import { areRulesAuthorised, policyRulesOf } from '../codec/rsp/policy-rules.ts';
import { StoreMetadataRequest } from '../codec/rsp/profiles.ts';
import type { DownOf } from '../codec/wire.ts';
import { getRat, listProfiles } from './card-operations.ts';
import type { CancelReason } from './machine.ts';

/** The transactionId of the session that a command opens; undefined where it cannot be read. */
export function sessionOf({ serverSigned1 }: DownOf<'authenticateRequest'>): Uint8Array | undefined {
  try {
    return ServerSigned1.decode(serverSigned1).transactionId;
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

/** What the card signs as the reason. After `postponed` and `timeout` the SM-DP keeps the package. */
export function cancelReasonOf({ code, data }: AgentError): CancelReason {
  switch (code) {
    case 'TRANSFER_STOPPED':
      return data['why'] === 'superseded' ? 'postponed' : 'timeout';
    case 'PROFILE_FORBIDDEN':
      return 'pprNotAllowed';
    default:
      return 'undefinedReason';
  }
}

/**
 * Throws `PROFILE_FORBIDDEN` where the card would not take the policy rules of the profile that is offered (2.9.2.4): better now than
 * after the download. Nobody is there to be asked for consent: the owner gave it with the order.
 */
export async function requireAllowedRules(
  channel: CardChannel,
  profileMetadata: Uint8Array,
  options: TransmitOptions,
): Promise<void> {
  const metadata = StoreMetadataRequest.decode(profileMetadata);
  const rules = policyRulesOf(metadata);
  if (rules.length === 0) return;
  const forbidden = (why: string): AgentError =>
    new AgentError('PROFILE_FORBIDDEN', { rules: rules.join(' '), why });
  if (rules.includes('ppr1')) {
    const held = await listProfiles(channel, options);
    if (held.some(({ profileClass }) => profileClass === 'operational')) {
      throw forbidden('ppr1 shuts out the operational profile that is there');
    }
  }
  const rat = await getRat(channel, options);
  if (!areRulesAuthorised(rat, rules, metadata.profileOwner)) throw forbidden('the RAT does not allow them');
}
