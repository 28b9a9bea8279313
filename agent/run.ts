// `euicc-agent run`: puts the parts together, holds the state folder, and ends cleanly.
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { createLock } from '../base/lock.ts';
import { type Log, Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { AgentConfig } from '../config/agent.ts';
import type { Eid } from '../codec/ids.ts';
import { createNobleEc } from '../crypto/ec-noble.ts';
import type { ByteLink } from '../modem/byte-link.ts';
import { type LineTrace, openLineTrace } from '../modem/line-trace.ts';
import type { Modem, ModemKey, ModemMemory } from '../modem/modem.ts';
import type { BrokerTls } from '../transport/broker-socket.ts';
import { createMessageOpener } from '../transport/envelope.ts';
import { openMqttLink } from '../transport/mqtt-link.ts';
import { getEid, withIsdR } from './card-operations.ts';
import { askedPatiently } from './asked-patiently.ts';
import { acquireCardLock, isPhysicalPort } from './card-lock.ts';
import { type Device, isRegistered } from './device.ts';
import { type CertificatePin, createCertificatePin } from './certificate-pin.ts';
import { createDownloads } from './downloads.ts';
import { createFigures } from './figures.ts';
import { firstConnection } from './first-connection.ts';
import { type Journal, openJournal } from './journal.ts';
import { openModemDevice } from './modem-device.ts';
import { openModemAt } from './modem-port.ts';
import { loadOperators, readConfigured } from './operator-keys.ts';
import { dataSettingsOf, modemAddressOf } from './modem-settings.ts';
import { watchNetwork } from './network-watch.ts';
import { enterConfiguredPin } from './pin.ts';
import { runAgent } from './runtime.ts';
import { decodeDurable, encodeDurable } from './state-codec.ts';
import {
  journalPath,
  readDeviceRecord,
  memoryOf,
  readModemRecords,
  readPinRecord,
  transfersPath,
  withModem,
  writeDeviceRecord,
  writeModemRecords,
  writeNetworkRecord,
  writePinRecord,
} from './state-folder.ts';
import { acquireStateLock } from './state-lock.ts';

export type RunOptions = {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
};

const PROGRESS_EVERY_MS = 100;

/** Runs until the signal fires. Rejects for what a person must mend; the state stays good in either case. */
export async function run(options: RunOptions): Promise<void> {
  const { config, clock, random, log, signal } = options;
  const operators = await loadOperators(config);
  const tls = await loadTls(config);
  const closers: (() => Promise<void>)[] = [];
  try {
    const lock = await acquireStateLock(config.state.dir);
    closers.push(() => lock.release());
    const journal = await openStateJournal(config.state.dir);
    closers.push(() => journal.close());
    if (journal.droppedBytes > 0) {
      log.write('warn', 'agent.journal', 'torn record dropped', { octets: journal.droppedBytes });
    }
    const figures = createFigures(clock, log);
    const trace = openConfiguredTrace(options);
    closers.push(async () => trace?.close());
    const modem = await openConfiguredModem(options, (link) =>
      figures.countLink(trace?.around(link) ?? link),
    );
    closers.push(() => modem.close());
    const data = dataSettingsOf(config);
    await enterPin(modem, options);
    modem.onRestart(() => {
      enterPin(modem, options).catch((error: unknown) => {
        log.write('warn', 'agent.pin', 'not entered', { why: errorOf(error).message });
      });
    });
    const device = await openModemDevice(modem, () => figures.countApdu(), data);
    const eid = await eidOf(device, journal, options);
    if (await isPhysicalPort(config.modem.port)) {
      const cardLock = await acquireCardLock(eid);
      closers.push(() => cardLock.release());
    }
    await keepToOneCard(config.state.dir, journal, { eid, imei: device.imei }, log);
    const link = openMqttLink({
      url: config.broker.url,
      clientId: config.broker.clientId ?? `euicc-agent-${eid}`,
      keepaliveSeconds: config.broker.keepaliveSeconds,
      clock,
      random,
      log,
      tls,
    });
    closers.push(() => link.close());
    const progress = throttledProgress(clock, log);
    const downloads = createDownloads({
      folder: transfersPath(config.state.dir),
      eid,
      link,
      clock,
      random,
      log,
      windowBytes: config.transfer.windowBytes,
      blockTimeoutMs: config.transfer.blockTimeoutMs,
      onProgress: (done, total) => progress('transfer', done, total),
      onDone: (done) => figures.transferred(done),
    });
    const opener = createMessageOpener({ ec: createNobleEc(random), eid, operators });
    const { mno } = config.activation;
    const busy = journal.last !== undefined && decodeDurable(journal.last).state.at !== 'idle';
    log.write('info', 'agent', 'ready', { eid, imei: device.imei, busy });
    const running = runAgent(
      {
        ...certificatePinOf(config),
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
        transferStop: (stop) => downloads.transferStop(stop),
        progress,
        operatorAt: (address) => config.operators.find((operator) => operator.address === address)?.name,
        deadlineMs: config.connectivity.deadlineSeconds * 1000,
        onState(state) {
          figures.entered(state);
          if (state.at === 'idle') void downloads.clear();
        },
        ...(mno === undefined ? {} : { activationMno: mno }),
      },
      { signal },
    );
    closers.push(async () => downloads.close());
    const watching = watchNetwork(
      { modem, data, clock, log, write: (record) => writeNetworkRecord(config.state.dir, record) },
      { signal },
    ).catch((error: unknown) => {
      // Nothing but the status and a context that went down depends on it.
      log.write('error', 'agent.network', 'the watch ended', { why: errorOf(error).message });
    });
    closers.push(() => watching);
    // A device with work in hand must go on without a broker; only an idle one may say that its settings are wrong.
    const hasNetwork = async (): Promise<boolean> => isRegistered(await device.registration());
    const connected = busy ? Promise.resolve() : firstConnection(link, clock, hasNetwork, { signal });
    await Promise.race([running, connected.then(() => running)]);
  } finally {
    for (const close of closers.toReversed()) {
      await close().catch((error: unknown) => {
        log.write('debug', 'agent', 'closing failed', { why: errorOf(error).message });
      });
    }
  }
}

/** Lines that a program can draw a bar from: at most ten a second, the last one always. */
function throttledProgress(clock: Clock, log: Log): (phase: string, done: number, total: number) => void {
  let last = { phase: '', at: Number.NEGATIVE_INFINITY };
  return (phase, done, total) => {
    if (phase === last.phase && done < total && clock.now() - last.at < PROGRESS_EVERY_MS) return;
    last = { phase, at: clock.now() };
    log.write('info', 'agent.progress', 'progress', { phase, done, total });
  };
}

/** A trace that cannot be written is no reason to leave the device without its agent. */
function openConfiguredTrace({ config, clock, log }: RunOptions): LineTrace | undefined {
  const { file, ...how } = config.trace;
  if (file === undefined) return undefined;
  const onFailure = (error: AgentError): void =>
    log.write('warn', 'agent', 'there is no trace of the modem’s line', { why: error.message });
  try {
    return openLineTrace(
      { file, ...how },
      { clock, program: 'euicc-agent run', port: config.modem.port, onFailure },
    );
  } catch (error) {
    if (!isAgentError(error)) throw error;
    onFailure(error);
    return undefined;
  }
}

async function openConfiguredModem(
  options: RunOptions,
  around: (link: ByteLink) => ByteLink,
): Promise<Modem> {
  const { config, clock, log } = options;
  const folder = config.state.dir;
  let records = await readModemRecords(folder);
  const writing = createLock();
  const keep = (who: ModemKey, memory: ModemMemory): Promise<void> => {
    records = withModem(records, who, memory);
    const next = records;
    return writing
      .run(() => writeModemRecords(folder, next))
      .catch((error: unknown) => {
        log.write('warn', 'agent', 'what was learned of the modem is not kept', {
          why: errorOf(error).message,
        });
      });
  };
  return openModemAt(modemAddressOf(config), {
    clock,
    log,
    around,
    memory: { remembered: (who) => memoryOf(records, who), onLearned: keep },
  });
}

/** Tried once for each version of its file. */
function certificatePinOf({ certificateProfile, state }: AgentConfig): {
  readonly certificatePin?: CertificatePin;
} {
  const { pinFile } = certificateProfile;
  if (pinFile === undefined) return {};
  const name = 'certificate-pin';
  return {
    certificatePin: createCertificatePin({
      pinFile,
      read: () => readPinRecord(state.dir, name),
      write: (record) => writePinRecord(state.dir, record, name),
    }),
  };
}

async function enterPin(modem: Modem, { config, clock, log }: RunOptions): Promise<void> {
  const { pinFile } = config.modem;
  if (pinFile === undefined) return;
  const folder = config.state.dir;
  await enterConfiguredPin({
    modem,
    pinFile,
    clock,
    log,
    read: () => readPinRecord(folder),
    write: (record) => writePinRecord(folder, record),
  });
}

/**
 * The EID that the card tells. In the middle of a switch a card may be silent until the modem takes the next step of the
 * ladder, which an agent that waited for the card would never take: then the EID is the one of the last start.
 */
async function eidOf(device: Device, journal: Journal, options: RunOptions): Promise<Eid> {
  const { config, clock, log, signal } = options;
  try {
    return await askedPatiently({ clock, log, signal, device }, async () =>
      withIsdR(await device.card(), { signal }, (channel) => getEid(channel, { signal })),
    );
  } catch (error) {
    const state = journal.last === undefined ? undefined : decodeDurable(journal.last).state;
    const switching = state?.at === 'working' && state.command.is === 'script' && state.begun;
    const known = switching ? await readDeviceRecord(config.state.dir) : undefined;
    if (known === undefined || known.imei !== device.imei) throw error;
    if (!isAgentError(error) || error.code === 'ABORTED') throw error;
    log.write('warn', 'agent', 'the card does not answer in the middle of a switch', { why: error.message });
    return known.eid;
  }
}

/** Another card in the device ends the procedure that was meant for the first: it must never receive it. */
async function keepToOneCard(
  folder: string,
  journal: Journal,
  found: {
    readonly eid: Parameters<typeof writeDeviceRecord>[1]['eid'];
    readonly imei: Parameters<typeof writeDeviceRecord>[1]['imei'];
  },
  log: Log,
): Promise<void> {
  const before = await readDeviceRecord(folder);
  if (before !== undefined && before.eid !== found.eid && journal.last !== undefined) {
    // What became of the other card's profiles is no news of this one.
    const { handled } = decodeDurable(journal.last);
    await journal.append(encodeDurable({ state: { at: 'idle' }, handled }));
    log.write('warn', 'agent', 'another card: the procedure of the last one is dropped', {
      eid: found.eid,
      before: before.eid,
    });
  }
  await writeDeviceRecord(folder, found);
}

async function openStateJournal(folder: string): Promise<Journal> {
  try {
    return await openJournal(journalPath(folder));
  } catch (thrown) {
    if (isAgentError(thrown)) throw thrown;
    const error = errorOf(thrown);
    throw new AgentError('STATE_FAILED', { path: folder, why: error.message }, { cause: thrown });
  }
}

async function loadTls(config: AgentConfig): Promise<BrokerTls> {
  const { caFile, certFile, keyFile } = config.broker;
  const text = async (path: string): Promise<string> => new TextDecoder().decode(await readConfigured(path));
  return {
    ...(caFile === undefined ? {} : { ca: await text(caFile) }),
    ...(certFile === undefined ? {} : { certificate: await text(certFile) }),
    ...(keyFile === undefined ? {} : { privateKey: new Secret(await text(keyFile)) }),
  };
}
