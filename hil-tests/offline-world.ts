// A device without a network: operators, card, simulated modem and the agent's loader of bundles, in virtual time.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { listProfiles, playScript, retrieveNotifications, withIsdR } from '../agent/card-operations.ts';
import { checkBundle, loadBundle } from '../agent/load-bundle.ts';
import { readBundleAttempts, writeBundleAttempts } from '../agent/state-folder.ts';
import type { BundleAnswer } from '../codec/offline-bundle.ts';
import { eventOf, notificationMetadataOf } from '../codec/rsp/notifications.ts';
import { completeImei } from '../codec/ids.ts';
import { encodeResponseScript } from '../codec/script.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import type { IdentityFault } from '../operator/issuer/factory.ts';
import { openBackEnd } from '../lab/back-end.ts';
import { createBootstrap } from '../lab/bootstrap.ts';
import { createRadioWorld } from '../lab/radio-world.ts';
import { createLinkPair } from '../modem/byte-link.ts';
import { openModem } from '../modem/modem.ts';
import { type Fault, parseFault } from '../modem/sim/faults.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { operatorKey } from '../transport/envelope.ts';
import { createMemoryBroker } from '../transport/memory-link.ts';
import { makeCard, registerCard } from './main-job-world.ts';

const PLMN = '99970';
export const START = Date.UTC(2026, 10, 1);

type Cleanup = { after(work: () => Promise<void>): void };

export async function offlineWorld(
  t: Cleanup,
  options: { readonly secondLayer?: 'scp03' | 'scp80'; readonly fault?: IdentityFault } = {},
) {
  const clock = createVirtualClock(START);
  const random = createSeededRandom(3);
  const log = silentLog;
  const ec = createNodeEc();
  const broker = createMemoryBroker(clock);
  const folder = await mkdtemp(join(tmpdir(), 'euicc-offline-'));
  const backEnd = await openBackEnd({
    storeUrl: () => 'sqlite::memory:',
    openLink: (clientId) => broker.link(clientId),
    ec,
    clock,
    random,
    log,
    profileBytes: 3_000,
    switchDeadlineMs: 300_000,
    witness: () => {},
    secondLayer: options.secondLayer ?? 'scp03',
    ...(options.fault === undefined ? {} : { fault: options.fault }),
  });
  const bootstrap = createBootstrap({ plmn: PLMN, random });
  await registerCard(backEnd, bootstrap);
  const { card, closeCard } = await makeCard(backEnd, bootstrap, { ec, random, log });
  const radio = createRadioWorld({ networks: [], clock, onBearer: () => {} });
  t.after(async () => {
    await backEnd.close();
    await closeCard();
    await rm(folder, { recursive: true, force: true });
  });
  const operators = backEnd.mnos.map(({ name, certificate }) => operatorKey(name, certificate));

  /** A modem with the card in it, as long as the work takes. */
  const withModem = async <T>(
    faults: readonly Fault[],
    work: (modem: Awaited<ReturnType<typeof openModem>>) => Promise<T>,
  ): Promise<T> => {
    const device = createSimModem({ card, radio, clock, log, imei: completeImei('35824005000001'), faults });
    const openLink = async () => {
      const [link, peer] = createLinkPair();
      device.connect(peer);
      return link;
    };
    const whole = (async () => {
      const modem = await openModem({ openLink, clock, log });
      try {
        return await work(modem);
      } finally {
        await modem.close();
        await device.close();
      }
    })();
    return clock.settle(whole, 3_600_000);
  };

  const [mnoA, mnoB] = backEnd.mnos;
  if (mnoA === undefined || mnoB === undefined) throw new Error('two MNOs are needed');
  return {
    clock,
    ec,
    backEnd,
    eid: backEnd.euicc.eid,
    mnoA,
    mnoB,
    folder,
    /** What `euicc-agent bundle load` does, with a fault of the modem where one is given: `reset@at=30`. */
    load: (file: Uint8Array, fault?: string, known = operators): Promise<BundleAnswer> => {
      const context = {
        ec,
        operators: known,
        addressOf: (mno: string) => mno,
        attempts: {
          begun: (id: Uint8Array) => readBundleAttempts(folder, id),
          begin: (id: Uint8Array, count: number) => writeBundleAttempts(folder, id, count),
        },
        clock,
        log,
      };
      return withModem(fault === undefined ? [] : [parseFault(fault)], async (modem) =>
        loadBundle({ ...context, card: () => modem.openCard() }, checkBundle(context, file)),
      );
    },
    /** Plays a script of the SM-SR, as the agent does online. */
    play: (script: Uint8Array): Promise<Uint8Array> =>
      withModem([], async (modem) =>
        withIsdR(await modem.openCard(), {}, async (channel) => {
          const { responses } = await playScript(channel, script);
          return encodeResponseScript({ executed: responses.length, responses });
        }),
      ),
    pretendBegun: (transactionId: Uint8Array, count: number) =>
      writeBundleAttempts(folder, transactionId, count),
    /** The state of each profile on the card by the first digits of its ICCID, and the signed words that wait there. */
    onCard: () =>
      withModem([], async (modem) =>
        withIsdR(await modem.openCard(), {}, async (channel) => ({
          profiles: (await listProfiles(channel))
            .map(({ iccid, enabled }) => `${enabled ? 'enabled' : 'disabled'} ${iccid.slice(0, 7)}`)
            .toSorted(),
          notifications: (await retrieveNotifications(channel)).map((raw) => {
            const metadata = notificationMetadataOf(raw);
            return `${eventOf(metadata)} ${metadata.notificationAddress}`;
          }),
        })),
      ),
  };
}

export type OfflineWorld = Awaited<ReturnType<typeof offlineWorld>>;
