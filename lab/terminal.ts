// The sealed device of the lab: a virtual eUICC in a simulated modem behind a pseudo terminal, on the air of the lab's radio world.
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { type Log, Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { completeImei, type Imei } from '../codec/ids.ts';
import type { Ec } from '../crypto/ec.ts';
import { openEuicc } from '../euicc/euicc.ts';
import { manufactureEuicc } from '../euicc/manufacture.ts';
import { openCardStore } from '../euicc/store.ts';
import type { ByteLink } from '../modem/byte-link.ts';
import { openModem, type Modem } from '../modem/modem.ts';
import { openSerialLink } from '../modem/serial-link.ts';
import type { RadioNetwork } from '../modem/sim/radio.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import type { ManufacturedEuicc } from '../operator/issuer/factory.ts';
import type { Bootstrap } from './bootstrap.ts';
import { openPty } from './pty.ts';
import type { Recorder } from './recorder.ts';

export type Terminal = {
  readonly imei: Imei;
  /** What a serial port is opened by. */
  readonly port: string;
  /** A driver on the port of one's own: nobody else may have it open. */
  openModem(): Promise<Modem>;
  close(): Promise<void>;
};

const IMEI_START = '35824005000001';
const DEFAULT_OPEN_BAUD = 115_200;

/** Manufactures the card, with the bootstrap profile installed and enabled, and powers the device up. */
export async function openTerminal(options: {
  readonly folder: string;
  readonly euicc: ManufacturedEuicc;
  readonly bootstrap: Bootstrap;
  readonly radio: RadioNetwork;
  readonly baud: number | undefined;
  readonly recorder: Recorder;
  readonly ec: Ec;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): Promise<Terminal> {
  const { folder, euicc, bootstrap, recorder, ec, clock, random, log } = options;
  const store = await openCardStore({
    path: join(folder, 'card'),
    key: new Secret(random.bytes(32)),
    random,
  });
  await manufactureEuicc({
    store,
    ec,
    personalisation: {
      eid: euicc.eid,
      euiccCertificate: euicc.euiccCertificate,
      eumCertificate: euicc.eumCertificate,
      euiccPrivateKey: euicc.euiccKey.privateKey,
      ciCertificates: euicc.ciCertificates,
      isdRKeys: euicc.isdRKeys,
      securityModules: euicc.securityModules,
      securityMode: euicc.securityMode,
      certificateProfile: {},
      ciPKId: euicc.ciPKId,
      managed: true,
      profiles: [
        {
          upp: bootstrap.upp,
          metadata: {
            iccid: bootstrap.iccid,
            serviceProviderName: bootstrap.name,
            profileName: 'Provisioning',
            profileClass: 'provisioning',
          },
          enabled: true,
        },
      ],
    },
  });
  const card = await openEuicc({ store, ec, random, log });
  const imei = completeImei(IMEI_START);
  const modem = createSimModem({
    card,
    radio: options.radio,
    clock,
    log,
    imei,
    timing: options.baud === undefined ? { mode: 'none' } : { mode: 'timed', baudRate: options.baud },
  });
  const pty = openPty({ clock });
  modem.connect(recorded(pty.link, recorder));
  return {
    imei,
    port: pty.path,
    openModem: () =>
      openModem({
        openLink: () =>
          openSerialLink({ path: pty.path, baudRate: options.baud ?? DEFAULT_OPEN_BAUD, clock }),
        clock,
        log,
      }),
    async close() {
      await modem.close();
      await pty.link.close();
      await store.close();
    },
  };
}

/** The same line, with a copy of every octet: `serial-out` is what the terminal equipment sends to the modem. */
function recorded(link: ByteLink, recorder: Recorder): ByteLink {
  return {
    ...link,
    write(bytes) {
      recorder.record('serial-in', bytes);
      return link.write(bytes);
    },
    read: (async function* () {
      for await (const bytes of link.read) {
        recorder.record('serial-out', bytes);
        yield bytes;
      }
    })(),
    close: () => link.close(),
  };
}
