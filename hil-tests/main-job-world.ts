// The main job in one process and in virtual time: real operators, the agent's runtime and driver, a simulated modem, a virtual eUICC.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock, sleep, type VirtualClock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { type Log, Secret, silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { CertificatePin } from '../agent/certificate-pin.ts';
import { createDownloads } from '../agent/downloads.ts';
import type { Device } from '../agent/device.ts';
import type { Journal } from '../agent/journal.ts';
import { openModemDevice } from '../agent/modem-device.ts';
import { runAgent } from '../agent/runtime.ts';
import type { CardSlot } from '../codec/card.ts';
import { completeImei, type Eid } from '../codec/ids.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import type { Ec } from '../crypto/ec.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { openEuicc } from '../euicc/euicc.ts';
import { manufactureEuicc, type Personalisation } from '../euicc/manufacture.ts';
import { openCardStore } from '../euicc/store.ts';
import { createMemoryFiles } from '../euicc/store-files.ts';
import { openIsdR } from '../euicc/testing/terminal.ts';
import { type BackEnd, openBackEnd } from '../lab/back-end.ts';
import { type Bootstrap, createBootstrap } from '../lab/bootstrap.ts';
import { createRadioWorld, type RadioWorld } from '../lab/radio-world.ts';
import { type ByteLink, createLinkPair } from '../modem/byte-link.ts';
import { type Modem, type ModemMemory, openModem } from '../modem/modem.ts';
import type { ModemQuirks } from '../modem/quirks.ts';
import { createSimModem, type SimModem, type SimModemOptions } from '../modem/sim/sim-modem.ts';
import { createHlr } from '../operator/mno/hlr.ts';
import { ENDED, type Procedure } from '../operator/mno/procedure.ts';
import { createMessageOpener, operatorKey } from '../transport/envelope.ts';
import { createMemoryBroker, type MemoryBroker } from '../transport/memory-link.ts';
import type { LinkMessage, MessageLink } from '../transport/message-link.ts';

const IMEI = completeImei('35824005000001');
const BOOTSTRAP_PLMN = '99970';
const SWITCH_DEADLINE_MS = 300_000;
const PROCEDURE_MS = 4 * 3_600_000;
const POLL_MS = 1_000;

export type MainJobWorldOptions = {
  /** The modem's personality, switches and faults. */
  readonly sim?: Partial<SimModemOptions>;
  /** What the device's owner has configured for this modem. */
  readonly quirks?: ModemQuirks;
  readonly seed?: number;
  readonly profileBytes?: number;
  readonly secondLayer?: 'scp03' | 'scp80';
  readonly euiccKey?: 'static' | 'dynamic';
  readonly securityModules?: 'single' | 'per-mno';
  /** What the MNOs make of certificate profiles; they ask for none unless given. */
  readonly certificateProfile?: Parameters<typeof openBackEnd>[0]['certificateProfile'];
  /** What the card's maker made of it, and the device's owner knows of its PIN. */
  readonly cardProfile?: Personalisation['certificateProfile'];
  readonly certificatePin?: CertificatePin;
  readonly log?: Log;
  /** The curves of operators and card. */
  readonly ec?: Ec;
  /** Put around the card in the modem, and around what the agent has of the modem. */
  readonly around?: {
    readonly card: (card: CardSlot) => CardSlot;
    readonly device: (device: Device) => Device;
  };
  /** How the agent's driver reaches the modem; else by a line in memory. */
  readonly openLink?: (modem: SimModem) => Promise<ByteLink>;
  /** Starts the agent anew where it ended with a fault, as a service manager does, this long after it. */
  readonly restartMs?: number;
};

/** A hand on the wire. */
type Hand = (message: LinkMessage) => LinkMessage;

export type MainJobWorld = {
  readonly clock: VirtualClock;
  readonly eid: Eid;
  readonly device: SimModem;
  readonly radio: RadioWorld;
  readonly backEnd: BackEnd;
  /** Sees every message on its way to the device and back; answers what arrives instead. */
  tamper(hand: Hand): void;
  /** Follows the procedure of this kind until it ends; the MNO change is asked for first. Answers how it ended. */
  run(kind: Procedure['kind']): Promise<Procedure>;
  /**
   * Stops the agent and asks the eUICC itself, not through the modem: its profiles, and the first logical channel that is
   * free, which is 1 when none was leaked.
   */
  stopAndAsk(): Promise<{
    readonly profiles: Readonly<Record<string, string>>;
    readonly freeChannel: number;
  }>;
  /** What ended the agent for good; undefined while it lives. */
  readonly failure: unknown;
  /** Notifications in the stores of both operators, `operator event`, those that are verified. */
  notifications(): Promise<readonly string[]>;
  close(): Promise<void>;
};

/** Manufactures the card, opens the operators and starts the agent on a modem as `sim` says. Time stands still until `run`. */
export async function openMainJobWorld(options: MainJobWorldOptions = {}): Promise<MainJobWorld> {
  const clock = createVirtualClock(Date.UTC(2026, 10, 1));
  const random = createSeededRandom(options.seed ?? 1);
  const log = options.log ?? silentLog;
  const ec = options.ec ?? createNodeEc();
  const broker = createMemoryBroker(clock);
  const folder = await mkdtemp(join(tmpdir(), 'euicc-main-job-'));
  const stop = new AbortController();
  const backEnd = await openBackEnd({
    storeUrl: () => 'sqlite::memory:',
    openLink: (clientId) => broker.link(clientId),
    ec,
    clock,
    random,
    log,
    profileBytes: options.profileBytes ?? 4_000,
    switchDeadlineMs: SWITCH_DEADLINE_MS,
    witness: () => {},
    secondLayer: options.secondLayer ?? 'scp03',
    euiccKey: options.euiccKey ?? 'dynamic',
    securityModules: options.securityModules ?? 'single',
    ...(options.certificateProfile === undefined ? {} : { certificateProfile: options.certificateProfile }),
  });
  const { euicc, mnos } = backEnd;
  const { eid } = euicc;
  const bootstrap = createBootstrap({ plmn: BOOTSTRAP_PLMN, random });
  await registerCard(backEnd, bootstrap);
  const { around } = options;
  const { cardProfile } = options;
  const made = await makeCard(backEnd, bootstrap, { ec, random, log }, cardProfile);
  const card = around?.card(made.card) ?? made.card;
  const gate = createGate(broker);
  const radio = createRadioWorld({
    networks: [
      {
        plmn: BOOTSTRAP_PLMN,
        name: bootstrap.name,
        hlr: createHlr({ store: bootstrap.subscribers, random }),
      },
      ...mnos.map(({ mccMnc, spn, hlr }) => ({ plmn: mccMnc, name: spn, hlr })),
    ],
    clock,
    onBearer: gate.setOpen,
  });
  const device = createSimModem({ card, radio, clock, log, imei: IMEI, ...options.sim });
  const openLink = async (): Promise<ByteLink> => {
    if (options.openLink !== undefined) return options.openLink(device);
    const [link, peer] = createLinkPair();
    device.connect(peer);
    return link;
  };
  let modem: Modem | undefined;
  let failed: unknown;
  const journal = memoryJournal();
  let memory: ModemMemory = {};
  const live = async (life: AbortController): Promise<void> => {
    modem = await openModem({
      openLink,
      clock,
      log,
      quirks: options.quirks ?? {},
      remembered: () => memory,
      onLearned: (_who, learned) => void (memory = learned),
    });
    const found = await openModemDevice(modem, () => {});
    const link = gate.openLink();
    try {
      await runDevice({
        backEnd,
        ...(options.certificatePin === undefined ? {} : { certificatePin: options.certificatePin }),
        clock,
        random,
        log,
        ec,
        folder,
        journal,
        link,
        device: around?.device(found) ?? found,
        signal: AbortSignal.any([stop.signal, life.signal]),
      });
    } finally {
      life.abort();
      await link.close();
    }
  };
  const running = (async () => {
    for (;;) {
      try {
        await live(new AbortController());
        return;
      } catch (error) {
        if (options.restartMs === undefined || !isAgentError(error) || stop.signal.aborted) throw error;
        await modem?.close();
        await sleep(clock, options.restartMs, { signal: stop.signal });
      }
    }
  })().catch((error: unknown) => (failed = error));

  const procedureEnd = async (kind: Procedure['kind']): Promise<Procedure> => {
    const mno = mnos[kind === 'provisioning' ? 0 : 1];
    if (mno === undefined) throw new AgentError('INTERNAL', { why: 'two MNOs are needed' });
    if (kind === 'mno-change') await mno.mno.trigger(eid, 'mno-change');
    const until = clock.now() + PROCEDURE_MS;
    for (;;) {
      if (failed !== undefined) throw errorOf(failed);
      const all = await mno.store.procedures(eid);
      const found = all.findLast((each) => each.kind === kind && each.step !== 'superseded');
      if (found !== undefined && ENDED.has(found.step)) return found;
      if (clock.now() > until)
        throw new AgentError('DEADLINE', { what: `${kind} at ${found?.step ?? 'no step'}` });
      await sleep(clock, POLL_MS);
    }
  };
  const stopAgent = async (): Promise<void> => {
    stop.abort();
    await clock.settle(running);
    await clock.settle(modem?.close() ?? Promise.resolve());
  };
  return {
    clock,
    eid,
    device,
    radio,
    backEnd,
    tamper: gate.tamper,
    get failure() {
      return failed;
    },
    run: (kind) => clock.settle(procedureEnd(kind), 2 * PROCEDURE_MS),
    async stopAndAsk() {
      await stopAgent();
      return askCard(card);
    },
    async notifications() {
      const rows = await Promise.all(
        mnos.map(async ({ name, store }) =>
          (await store.notifications(eid))
            .filter(({ verified }) => verified)
            .map(({ event }) => `${name} ${event}`),
        ),
      );
      return rows.flat();
    },
    async close() {
      await stopAgent();
      await clock.settle(device.close());
      await backEnd.close();
      await made.closeCard();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The card as its manufacturer states it to the SM-SR. */
export function registerCard({ smsr, euicc }: BackEnd, { iccid }: Bootstrap): Promise<void> {
  const { eid, euiccCertificate, eumCertificate, isdRKeys, securityModules } = euicc;
  return smsr.registerEis({
    eid,
    euiccCertificate,
    eumCertificate,
    isdRKeys,
    ecasdCertificates: securityModules.map(({ certificate }) => certificate),
    source: 'issuer',
    profiles: [{ iccid, mno: '', profileClass: 'provisioning', state: 'enabled' }],
  });
}

export type Tools = {
  readonly ec: Ec;
  readonly random: ReturnType<typeof createSeededRandom>;
  readonly log: Log;
};

/** The card of the back-end's eUICC, with the bootstrap profile enabled. */
export async function makeCard(
  { euicc }: BackEnd,
  { upp, iccid, name }: Bootstrap,
  { ec, random, log }: Tools,
  certificateProfile?: Personalisation['certificateProfile'],
): Promise<{ readonly card: CardSlot; readonly closeCard: () => Promise<void> }> {
  const store = await openCardStore({
    path: 'card',
    key: new Secret(random.bytes(32)),
    random,
    files: createMemoryFiles(),
  });
  await manufactureEuicc({
    store,
    ec,
    personalisation: {
      ...euicc,
      ...(certificateProfile === undefined ? {} : { certificateProfile }),
      euiccPrivateKey: euicc.euiccKey.privateKey,
      managed: true,
      profiles: [
        {
          upp,
          metadata: {
            iccid,
            serviceProviderName: name,
            profileName: 'Provisioning',
            profileClass: 'provisioning',
          },
          enabled: true,
        },
      ],
    },
  });
  return { card: await openEuicc({ store, ec, random, log }), closeCard: () => store.close() };
}

async function askCard(card: CardSlot): ReturnType<MainJobWorld['stopAndAsk']> {
  const isdR = await openIsdR(card);
  const list = ProfileInfoListResponse.decode(await isdR.es10(ProfileInfoListRequest.encode({})));
  if (list.is !== 'profileInfoListOk') throw new AgentError('CARD_STATUS', { command: 'GetProfilesInfo' });
  const profiles = list.value.map(
    ({ iccid, profileState }) => [iccid ?? '', profileState ?? 'disabled'] as const,
  );
  return { profiles: Object.fromEntries(profiles), freeChannel: isdR.channel };
}

/** The device's way to the broker: without a bearer nothing goes out and what comes is lost. */
function createGate(broker: MemoryBroker): {
  readonly openLink: () => MessageLink;
  readonly setOpen: (open: boolean) => void;
  readonly tamper: (hand: Hand) => void;
} {
  let open = false;
  let hand: Hand = (message) => message;
  broker.fault = (message, clientId) => (clientId === 'device' && !open ? [] : [hand(message)]);
  const assertOpen = (): void => {
    if (!open) throw new AgentError('BROKER_UNREACHABLE', { broker: 'memory' });
  };
  return {
    setOpen: (now) => void (open = now),
    tamper: (next) => void (hand = next),
    openLink() {
      const link = broker.link('device');
      return {
        ...link,
        async publish(topic, payload, how) {
          assertOpen();
          await link.publish(topic, payload, how);
        },
        async subscribe(filter, how) {
          const granted = link.subscribe(filter, how);
          assertOpen();
          await granted;
        },
      };
    },
  };
}

async function runDevice(
  parts: Tools & {
    readonly backEnd: BackEnd;
    readonly certificatePin?: CertificatePin;
    readonly device: Device;
    readonly link: MessageLink;
    readonly journal: Journal;
    readonly clock: VirtualClock;
    readonly folder: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { backEnd, device, link, journal, clock, random, log, ec, folder, signal } = parts;
  const { eid } = backEnd.euicc;
  const downloads = createDownloads({
    folder: join(folder, 'transfers'),
    eid,
    link,
    clock,
    random,
    log,
    windowBytes: 65_536,
    blockTimeoutMs: 10_000,
    onProgress: () => {},
    onDone: () => {},
  });
  const operators = backEnd.mnos.map(({ name, certificate }) => operatorKey(name, certificate));
  const opener = createMessageOpener({ ec, eid, operators });
  await runAgent(
    {
      eid,
      device,
      link,
      journal,
      clock,
      random,
      log,
      openCommand: (topic, payload) => opener.open(topic, payload),
      takeBlock: (topic, payload) => downloads.takeBlock(topic, payload),
      download: (order, manifest, how) => downloads.download(order, manifest, how),
      transferStop: (told) => downloads.transferStop(told),
      progress: () => {},
      operatorAt: (address) => backEnd.mnos.find(({ name }) => name === address)?.name,
      activationMno: 'mno-a',
      ...(parts.certificatePin === undefined ? {} : { certificatePin: parts.certificatePin }),
    },
    { signal },
  );
  downloads.close();
}

function memoryJournal(): Journal {
  let last: Uint8Array | undefined;
  return {
    get last() {
      return last;
    },
    droppedBytes: 0,
    async append(record) {
      await Promise.resolve();
      last = record;
    },
    close: () => Promise.resolve(),
  };
}
