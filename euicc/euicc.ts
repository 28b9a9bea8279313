// The virtual eUICC: a chip in its socket. Power on makes a session of the card OS over the stored state; power off ends it.
import { AgentError, errorOf } from '../base/errors.ts';
import { createLock } from '../base/lock.ts';
import { type Log, Secret, silentLog } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { SW } from '../codec/apdu.ts';
import type { CardSlot } from '../codec/card.ts';
import type { Ec } from '../crypto/ec.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { BARE_PROFILE, type ProfileFiles } from './bare-profile.ts';
import { ATR, type CardOs, createCardOs, type TransmissionOptions } from './card-os.ts';
import { cardObject } from './domain/card-data.ts';
import { createCertificateProfile } from './certificate-profile.ts';
import { createIsdPs } from './domain/isd-p.ts';
import { createProfileDomains } from './domain/profile-domains.ts';
import { scp03Size } from './domain/scp03-mode.ts';
import { createEcasd, ecasdObject } from './ecasd.ts';
import { storedCrls } from './es10/configuration.ts';
import { findOtKey, isUsedTransaction, keepOtKey } from './es10/download.ts';
import { currentEuiccInfo2 } from './es10/euicc-info.ts';
import type { Es10 } from './es10/functions.ts';
import { createFileSystem } from './file-system.ts';
import { createIsdR } from './isd-r.ts';
import { createNotifications } from './notifications.ts';
import { createAka } from './os/aka.ts';
import { type Card, createChannel, type PresentedProfile } from './os/card.ts';
import { createCat } from './os/cat.ts';
import { createSmsPpDownload } from './ota/download.ts';
import { createPins, type Pins } from './os/pins.ts';
import { refuse } from './os/reply.ts';
import { loadProfilePackage } from './profile-loader.ts';
import { createProfiles } from './profiles.ts';
import { identityCell, type IdentityRecord, packageCell, profileCells } from './records.ts';
import type { EuiccIdentity } from './rsp/identity.ts';
import { createRspSession } from './rsp/session.ts';
import { findStaticKey, isServed } from './security-modules.ts';
import { createState, need, type State } from './state.ts';
import type { CardStore } from './store.ts';

export type EuiccOptions = {
  readonly store: CardStore;
  readonly ec: Ec;
  readonly random: Random;
  readonly log?: Log;
  readonly transmission?: TransmissionOptions;
};

const TAG_SMS_PP_DOWNLOAD = 0xd1;

/** A card in its socket. `close` releases the store; the card is off then. */
export type Euicc = CardSlot & { close(): Promise<void> };

/** Opens a manufactured card. Throws `STORE_CORRUPT` where the store holds none. */
export async function openEuicc(options: EuiccOptions): Promise<Euicc> {
  const { store } = options;
  need(createState(store), identityCell);
  const lock = createLock();
  let os: CardOs | undefined;
  return {
    reset: () =>
      lock.run(async () => {
        os = undefined;
        os = await powerOn(options);
        return Uint8Array.from(ATR);
      }),
    transmit: (command) =>
      lock.run(async () => {
        if (os === undefined) throw new AgentError('CARD_LOST', { why: 'the card is not powered' });
        return os.process(command);
      }),
    powerOff: () =>
      lock.run(async () => {
        os = undefined;
      }),
    close: () =>
      lock.run(async () => {
        os = undefined;
        await store.close();
      }),
  };
}

function identityOf(record: IdentityRecord): EuiccIdentity {
  return {
    eid: record.eid,
    credentials: record.credentials.map((held) => ({ ...held, privateKey: new Secret(held.privateKey) })),
    trustedCis: record.ciCertificates.map(parseCertificate),
  };
}

async function powerOn({ store, ec, random, log = silentLog, transmission }: EuiccOptions): Promise<CardOs> {
  const state = createState(store);
  const record = need(state, identityCell);
  const identity = identityOf(record);
  const notifications = createNotifications({ state, ec, identity });
  const profiles = createProfiles(state, notifications);
  // A switch that was accepted takes place with the reset that it asked for.
  profiles.applyPendingSwitch();
  await state.commit();

  const cat = createCat();
  const freeMemory = (): number => Math.max(0, record.memory - usedMemory(store));
  const session = createRspSession({
    ec,
    identity,
    random,
    host: {
      euiccInfo2: () => currentEuiccInfo2(es10),
      crls: () => storedCrls(state),
      findOtKey: (smdpOid, publicKey) => findOtKey(state, smdpOid, publicKey),
      keepOtKey: (smdpOid, pair) => keepOtKey(state, smdpOid, pair),
      findStaticKey: (smdpOid, publicKey) => findStaticKey(state, smdpOid, publicKey),
      isServed: (smdpOid) => isServed(state, smdpOid),
      isUsed: (transactionId) => isUsedTransaction(state, transactionId),
      unforeseen: (error) =>
        log.write('error', 'euicc.es10', 'an authentication failed', { error: errorOf(error).stack ?? '' }),
    },
  });
  const es10: Es10 = {
    state,
    ec,
    log,
    record,
    identity,
    profiles,
    notifications,
    session,
    cat,
    iot: {},
    freeMemory,
  };
  const objects: CardObjects = {
    cardObject: (name) => cardObject(record, scp03Size(state), name),
    ecasdObject: (name) => ecasdObject(state, record, name),
  };
  const present = (): PresentedProfile => presented(state, log, objects, profiles.enabled?.number);
  const profile = present();
  const isdR = createIsdR(es10, random);
  const ecasd = createEcasd({ state, record });
  const found = createCertificateProfile({ state, record, identity, ec });
  const certificateProfile = found === undefined ? [] : [found];
  const isdPs = createIsdPs({ state, profiles, ...objects });
  const card: Card = {
    state,
    profile,
    present,
    get applets() {
      return [isdR, ecasd, ...certificateProfile, ...isdPs()];
    },
    channels: new Map([[0, createChannel(0, profile.files)]]),
    cat,
    envelopes: new Map([[TAG_SMS_PP_DOWNLOAD, createSmsPpDownload(isdR, log)]]),
    random,
    object: objects.cardObject,
    freeMemory,
  };
  return createCardOs({ card, log, ...(transmission === undefined ? {} : { transmission }) });
}

function usedMemory(store: CardStore): number {
  return store.names().reduce((octets, name) => octets + (store.get(name)?.length ?? 0), 0);
}

/** What the card and its ECASD tell to GET DATA, by the name of the object. */
type CardObjects = Record<'cardObject' | 'ecasdObject', (name: number) => Uint8Array | undefined>;

/** The files, PINs and keys of the enabled profile, or those of a card that has none. */
function presented(whole: State, log: Log, objects: CardObjects, number = 0): PresentedProfile {
  const content = contentOf(whole, log, number);
  const state = number === 0 ? whole : whileThere(whole, number);
  const unverifiedPins = (): Pins => createPins(state, number, content, new Set());
  return {
    number,
    content,
    files: createFileSystem(state, number, content),
    pins: unverifiedPins(),
    unverifiedPins,
    aka: createAka(state, number, content),
    domains: createProfileDomains({ state, number, profile: content, ...objects }),
  };
}

/** A profile that is deleted while it is presented stays readable until the reset; nothing of it is written any more. */
function whileThere(state: State, number: number): State {
  return {
    ...state,
    write(to, value) {
      if (!state.has(profileCells(number))) refuse(SW.conditionsOfUse);
      state.write(to, value);
    },
  };
}

function contentOf(state: State, log: Log, number: number): ProfileFiles {
  const upp = number === 0 ? undefined : state.read(packageCell(number));
  if (upp === undefined) return BARE_PROFILE;
  // There was room for it when it was installed.
  const outcome = loadProfilePackage(upp, { memory: Number.MAX_SAFE_INTEGER });
  if (outcome.ok) return outcome.profile;
  log.write('error', 'euicc.profile', 'the enabled profile does not load', { why: outcome.failed.why });
  return BARE_PROFILE;
}
