// A card that has fallen silent, or whose channels others hold, stays so until somebody starts it anew: the agent does.
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Device, DeviceOptions } from './device.ts';

/**
 * Makes the modem start the card again, one step further each time. One that shows its ICCID is left alone, since a restart costs the device
 * its connection, unless `anyway` says that it has been waited for long enough. What cannot be done now is left for the next time. Answers
 * whether anything was done.
 */
export async function wakeMuteCard(
  { device, log }: { readonly device: Device; readonly log: Log },
  attempt: number,
  options: DeviceOptions & { readonly anyway?: boolean } = {},
): Promise<boolean> {
  try {
    if ((await device.readIccid(options)) !== undefined && options.anyway !== true) return false;
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
  }
  log.write('warn', 'agent.card', 'the card is started anew', { attempt });
  try {
    const { steps } = device.modem;
    // Not every modem has what its family's last step asks of it: after that one the first comes again.
    const step = steps[(attempt - 1) % Math.max(1, steps.length)];
    if (step !== undefined) await device.modem.take(step, options);
  } catch (error) {
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
    log.write('warn', 'agent.card', 'it could not be started anew', { error: errorOf(error).message });
  }
  return true;
}
