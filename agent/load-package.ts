// ES10b.LoadBoundProfilePackage (SGP.22 5.7.6): a package cut into its segments, each a STORE DATA chain of its own.
import { AgentError } from '../base/errors.ts';
import { encodeCommandApdu, isSuccess, swText } from '../codec/apdu.ts';
import type { CardChannel, TransmitOptions } from '../codec/card.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { storeDataCommands } from '../codec/store-data.ts';

export type LoadOptions = TransmitOptions & {
  /** Most octets of data in one command (1 to 255): what the way to the card carries. */
  readonly maxData: number;
  /** STORE DATA commands done and in all. */
  readonly onProgress?: (done: number, total: number) => void;
};

const TAG_PROFILE_INSTALLATION_RESULT = 0xbf37;

/**
 * Loads a Bound Profile Package (BF36) on a channel to the ISD-R and answers the ProfileInstallationResult (BF37) as it came,
 * also where it comes before the end because the installation failed. Throws CARD_STATUS with the status word and the
 * command's number when the card refuses a command without one; nothing is sent twice.
 */
export async function loadBoundProfilePackage(
  channel: CardChannel,
  boundProfilePackage: Uint8Array,
  { maxData, onProgress, ...how }: LoadOptions,
): Promise<Uint8Array> {
  const commands = bppSegments(boundProfilePackage).flatMap((segment) => storeDataCommands(segment, maxData));
  let done = 0;
  for (const command of commands) {
    const { data, sw } = await channel.transmit(encodeCommandApdu(command), {
      long: true,
      ...how,
    });
    done++;
    onProgress?.(done, commands.length);
    if ((data[0] ?? 0) * 256 + (data[1] ?? 0) === TAG_PROFILE_INSTALLATION_RESULT) return data;
    if (!isSuccess(sw)) {
      throw new AgentError('CARD_STATUS', { sw: swText(sw), command: 'STORE DATA', number: done });
    }
  }
  throw new AgentError('CARD_STATUS', { command: 'STORE DATA', why: 'no ProfileInstallationResult came' });
}
