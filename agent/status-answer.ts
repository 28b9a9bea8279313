// What the device adds to the status step where the operator asks for it: the certificate profile, signed for its challenge (seed 60, 73).
import { type AgentError, isAgentError } from '../base/errors.ts';
import type { Card } from '../codec/card.ts';
import type { UpOf } from '../codec/wire.ts';
import type { CarryOutContext, StepOptions } from './carry-out-context.ts';
import {
  type CertificateProfileAnswer,
  certificateProfileFile,
  readCertificateProfile,
} from './certificate-profile.ts';

type StatusAnswer = Pick<UpOf<'authenticateResponse'>, 'certificateProfile' | 'certificateProfileError'>;

const MAX_REASON = 128;
const SW_SECURITY_STATUS = '6982';

/** Nothing where nothing is asked. What the card refuses is told; what breaks on the way to it is thrown. */
export async function statusAnswer(
  context: Pick<CarryOutContext, 'cardLock' | 'device' | 'certificatePin' | 'log'>,
  challenge: Uint8Array | undefined,
  options: StepOptions,
): Promise<StatusAnswer> {
  if (challenge === undefined) return {};
  try {
    const answer = await context.cardLock.run(async () =>
      read(context, await context.device.card(options), challenge, options),
    );
    return { certificateProfile: certificateProfileFile(answer) };
  } catch (error) {
    if (!isAgentError(error, 'CARD_STATUS', 'CARD_ACCESS', 'PIN_REFUSED', 'ID_INVALID')) throw error;
    context.log.write('warn', 'agent.status', 'no certificate profile', { why: error.message });
    return { certificateProfileError: error.message.slice(0, MAX_REASON) };
  }
}

/** Without a PIN first: a card that wants none is never told one. */
async function read(
  { certificatePin }: Pick<CarryOutContext, 'certificatePin'>,
  card: Card,
  challenge: Uint8Array,
  options: StepOptions,
): Promise<CertificateProfileAnswer> {
  try {
    return await readCertificateProfile(card, { challenge, ...options });
  } catch (error) {
    if (certificatePin === undefined || !isGated(error)) throw error;
    const pin = await certificatePin.take();
    if (pin === undefined) throw error;
    const answer = await readCertificateProfile(card, { challenge, pin, ...options });
    await certificatePin.accepted();
    return answer;
  }
}

function isGated(error: unknown): error is AgentError {
  return isAgentError(error, 'CARD_STATUS') && error.data['sw'] === SW_SECURITY_STATUS;
}
