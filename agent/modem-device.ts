// The agent's Device on a modem: one card, its registration as 27.007 numbers, and the ways to make the modem look again.
import { isAgentError } from '../base/errors.ts';
import type { Card, CardChannel } from '../codec/card.ts';
import type { Iccid } from '../codec/ids.ts';
import type { OperatorFound } from '../modem/at-commands.ts';
import type { DataSettings } from '../modem/data-context.ts';
import type { Modem } from '../modem/modem.ts';
import { registrationNumber } from '../modem/registration.ts';
import type { Device } from './device.ts';

/** +CFUN (3GPP TS 27.007, 8.2): the card is off. */
const MINIMUM_FUNCTIONALITY = 0;

/** `onApdu` is told of every command that goes to the card. `data` is the context that the agent is to bring up. */
export async function openModemDevice(
  modem: Modem,
  onApdu: () => void,
  data?: DataSettings,
): Promise<Device> {
  // Cut short between the halves of a radio cycle, or left so by others, a modem shows no card: nothing could begin.
  if ((await modem.functionality()) === MINIMUM_FUNCTIONALITY) await modem.setRadio(true);
  return {
    imei: await modem.imei(),
    card: async () => countedCard(await modem.openCard(), onApdu),
    readIccid: (): Promise<Iccid | undefined> => modem.readIccid(),
    async registration() {
      const { status } = await modem.registration();
      const plmn: OperatorFound = await modem.operator().catch((error: unknown) => {
        // Which network it is matters less than that there is one.
        if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
        return {};
      });
      const name = plmn.plmn ?? plmn.name;
      return { stat: registrationNumber(status), ...(name === undefined ? {} : { plmn: name.slice(0, 32) }) };
    },
    connect: async (options) => (data === undefined ? undefined : modem.connectData(data, options)),
    modem: {
      steps: modem.switchSteps,
      take: (step) => modem.takeSwitchStep(step),
      hurry: (octets, work) => modem.hurry(octets, work),
      onRestart: (listener) => modem.onRestart(listener),
    },
  };
}

/** Data of a short command (ISO/IEC 7816-4). */
const MAX_SHORT_DATA = 255;

function countedCard(card: Card, onApdu: () => void): Card {
  const counted = <C extends Pick<CardChannel, 'transmit'>>(channel: C): C['transmit'] => {
    return (command, options) => {
      onApdu();
      return channel.transmit(command, options);
    };
  };
  return {
    async openChannel(aid, options) {
      const channel = await card.openChannel(aid, options);
      return {
        selectResponse: channel.selectResponse,
        get maxCommandData() {
          return channel.maxCommandData ?? MAX_SHORT_DATA;
        },
        transmit: counted(channel),
        close: () => channel.close(),
      };
    },
    basic: { transmit: counted(card.basic) },
    close: () => card.close(),
  };
}
