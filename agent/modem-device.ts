// The device port over a real or simulated modem.
import type { Modem } from '../modem/modem.ts';
import type { Device } from './device.ts';

/** +CEREG's <stat> (3GPP TS 27.007, 10.1.22) for what the modem module says in words. */
const STAT = { registeredHome: 1, registeredRoaming: 5, notRegistered: 0 } as const;

/** Reads the IMEI once; everything else is asked of the modem each time. */
export async function createModemDevice(modem: Modem): Promise<Device> {
  const imei = await modem.imei();
  return {
    imei,
    card: () => modem.openCard(),
    readIccid: () => modem.readIccid(),
    async registration() {
      const { registered, roaming } = await modem.registration();
      if (!registered) return { stat: STAT.notRegistered };
      const { name } = await modem.operator();
      const stat = roaming ? STAT.registeredRoaming : STAT.registeredHome;
      return name === undefined ? { stat } : { stat, plmn: name };
    },
    /** Radio off and on first, then a restart of the modem: each makes it read the card anew. */
    async refreshCard(attempt) {
      if (attempt > 1) return modem.restart();
      await modem.setRadio(false);
      await modem.setRadio(true);
      return undefined;
    },
  };
}
