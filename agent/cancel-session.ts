// The effect of giving up an order whose RSP session the card holds: the card's signed word, for the operator (SGP.22 5.7.14).
import { isAgentError } from '../base/errors.ts';
import { CancelSessionResponse } from '../codec/rsp/prepare-download.ts';
import { cancelSession as cancelOnCard } from './card-operations.ts';
import { answer, type CarryOutContext, onIsdR, type StepOptions } from './carry-out-context.ts';
import type { Effect, Event } from './machine.ts';

/**
 * The card ends the session and signs it. It does so once: asked again after a restart, or after a power cut, it knows the session no
 * more. Then nothing is left to be told but what made the device give up.
 */
export async function cancelSession(
  context: CarryOutContext,
  { order, reason, failure }: Extract<Effect, { is: 'cancelSession' }>,
  options: StepOptions,
): Promise<Event> {
  let response: Uint8Array;
  try {
    response = await onIsdR(context, options, (channel) =>
      cancelOnCard(channel, { transactionId: order.session, reason }, options),
    );
    if (CancelSessionResponse.decode(response).is === 'cancelSessionResponseError')
      return { is: 'cancelled' };
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED' || error.retry !== 'never') throw error;
    context.log.write('warn', 'agent.session', 'not cancelled on the card', { error: error.message });
    return { is: 'cancelled' };
  }
  context.log.write('info', 'agent.session', 'cancelled on the card', { mno: order.mno, reason });
  const { message } = answer(context, order, {
    is: 'sessionCancelled',
    cancelSessionResponse: response,
    ...(failure === undefined ? {} : { code: failure.code }),
    ...(failure?.detail === undefined ? {} : { detail: failure.detail }),
  });
  return { is: 'cancelled', message };
}
