// An SM-SR, two MNOs' SM-DPs and one managed card of the factory, with the agent's own card operations between them.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { Secret, silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import {
  authenticateServer,
  listProfiles,
  playScript,
  prepareDownload,
  removeNotification,
  retrieveNotifications,
  startSession,
} from '../agent/card-operations.ts';
import { decodeCommandApdu, withChannel } from '../codec/apdu.ts';
import type { CardChannel } from '../codec/card.ts';
import { completeImei, type Iccid } from '../codec/ids.ts';
import { notificationMetadataOf } from '../codec/rsp/notifications.ts';
import { encodeResponseScript } from '../codec/script.ts';
import type { Ec } from '../crypto/ec.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { keyIdentifier } from '../crypto/x509.ts';
import { exchange, openIsdR } from '../euicc/testing/terminal.ts';
import type { Personalisation } from '../euicc/manufacture.ts';
import { createWorld, PROVISIONING_ICCID } from '../euicc/testing/world.ts';
import { manufactureOrder } from '../operator/issuer/factory.ts';
import { createCi, createEum, createMnoIdentity, createSmDpPki } from '../operator/issuer/pki.ts';
import { rightsGrant, signRightsGrant } from '../operator/rights-grant.ts';
import { createSmDp } from '../operator/smdp/smdp.ts';
import { createSmSr } from '../operator/smsr/smsr.ts';
import { openStore } from '../operator/store/store.ts';

const nodeEc = createNodeEc();
const AT = Date.UTC(2026, 10, 1);
const IMEI = completeImei('35432109876543');
const MNOS = [
  { name: 'mno-a', mccMnc: '00101', iccidPrefix: '8988211', registeredId: '2.999.10' },
  { name: 'mno-b', mccMnc: '00102', iccidPrefix: '8988212', registeredId: '2.999.11' },
] as const;
export type MnoName = (typeof MNOS)[number]['name'];

export { PROVISIONING_ICCID };

export type ManagedWorld = Awaited<ReturnType<typeof managedWorld>>;

/** `sequenceCounter` is the card's; the SM-SR believes that it is new. */
export async function managedWorld(
  t: Pick<TestContext, 'after'>,
  options: {
    readonly sequenceCounter?: number;
    /** False makes a card of the standard plane, on which the device itself may load and switch. */
    readonly managed?: boolean;
    readonly profileBytes?: number;
    readonly certificateProfile?: Personalisation['certificateProfile'];
    /** The MNOs whose SM-DPs get a security module of their own; one for all unless given. */
    readonly modulesFor?: readonly MnoName[];
    /** Version of the ISD-R's keyset: 1 to 15 for SCP80. */
    readonly kvn?: number;
    readonly ec?: Ec;
    readonly seed?: number;
  } = {},
) {
  const { sequenceCounter = 0, managed = true, profileBytes = 4000, ec = nodeEc, seed = 21 } = options;
  const random = createSeededRandom(seed);
  const clock = createVirtualClock(AT);
  const issuing = { ec, random, at: AT };
  const ci = createCi(issuing, { organization: 'Test' });
  const eum = createEum(issuing, ci, { organization: 'Maker', eidPrefix: '89049032' });
  const modulesFor = options.modulesFor?.map(
    (name) => MNOS.find((mno) => mno.name === name)?.registeredId ?? name,
  );
  const euicc = manufactureOrder(issuing, {
    ci,
    eum,
    serial: 1,
    ...(modulesFor === undefined ? {} : { modulesFor }),
  });
  const identities = new Map<string, ReturnType<typeof createMnoIdentity>>(
    MNOS.map(({ name }) => [name, createMnoIdentity(issuing, ci, { name })]),
  );
  const store = await openStore({ url: 'sqlite::memory:' });
  t.after(() => store.close());
  const common = { store, ec, random, clock, log: silentLog };
  const sealKeys = [{ id: 'k', key: new Secret(random.bytes(32)) }] as const;
  const service = createSmSr({
    ...common,
    name: 'smsr',
    sealKeys,
    ciCertificates: [ci.certificate],
    mnoCertificate: (name) => identities.get(name)?.certificate,
  });
  const smdps = new Map(
    MNOS.map(({ name, mccMnc, iccidPrefix, registeredId }) => [
      name,
      createSmDp({
        ...common,
        owner: name,
        address: name,
        pki: createSmDpPki(issuing, ci, { name: `SM-DP of ${name}`, registeredId }),
        subscriptions: { mccMnc, iccidPrefix, spn: name, profileName: name, profileBytes },
        sealKeys,
      }),
    ]),
  );
  const { eid, euiccCertificate, eumCertificate } = euicc;
  const isdRKeys = { ...euicc.isdRKeys, kvn: options.kvn ?? euicc.isdRKeys.kvn };
  await service.registerEis({
    eid,
    euiccCertificate,
    eumCertificate,
    isdRKeys,
    ecasdCertificates: euicc.securityModules.map(({ certificate }) => certificate),
    source: 'Maker',
    profiles: [{ iccid: PROVISIONING_ICCID, mno: '', profileClass: 'provisioning', state: 'enabled' }],
  });
  for (const { name } of MNOS) await service.administration.allow({ peer: name, eid });
  const { card } = await createWorld({
    eid,
    euiccCertificate,
    eumCertificate,
    ciCertificates: euicc.ciCertificates,
    ciPKId: euicc.ciPKId,
    euiccPrivateKey: euicc.euiccKey.privateKey,
    isdRKeys: { ...isdRKeys, sequenceCounter },
    securityModules: euicc.securityModules,
    securityMode: euicc.securityMode,
    ...(options.certificateProfile === undefined ? {} : { certificateProfile: options.certificateProfile }),
    managed,
    seed,
    cardEc: ec,
  });
  t.after(() => card.close());

  /** A logical channel of the card as the agent sees it. */
  const isdR = async (): Promise<CardChannel> => {
    const { channel } = await openIsdR(card);
    return {
      transmit(apdu) {
        const command = decodeCommandApdu(apdu);
        return exchange(card, { ...command, cla: withChannel(command.cla, channel) });
      },
      selectResponse: new Uint8Array(0),
      close: () => Promise.resolve(),
    };
  };
  /** The basic channel of the card. */
  const basic: Pick<CardChannel, 'transmit'> = {
    transmit: (apdu) => exchange(card, decodeCommandApdu(apdu)),
  };
  const smdpOf = (mno: MnoName) => {
    const smdp = smdps.get(mno);
    if (smdp === undefined) throw new Error(`no SM-DP of ${mno}`);
    return smdp;
  };
  return {
    ci,
    eum,
    issuing,
    euicc,
    basic,
    clock,
    eid,
    service,
    card,
    isdR,
    isdRKeys,
    smdpOf,
    identities,
    store,
  };
}

/** A new channel, the script, and what the agent would report; the card is reset after it, as a REFRESH asks. */
export async function play(world: ManagedWorld, script: Uint8Array): Promise<Uint8Array> {
  const { responses } = await playScript(await world.isdR(), script, { basic: world.basic });
  await world.card.reset();
  return encodeResponseScript({ executed: responses.length, responses });
}

/** The SM-SR's script for a command of this MNO, and the one that takes it back. */
export const ask = (
  world: ManagedWorld,
  mno: MnoName,
  command: 'enable' | 'disable' | 'delete',
  iccid: Iccid,
) => world.service.as(mno).profileCommand({ mno, eid: world.eid, iccid, command });

/** What the SM-SR makes of the card's answer to a script. */
export const report = (world: ManagedWorld, mno: MnoName, responseScript: Uint8Array, rolledBack = false) =>
  world.service.as(mno).scriptResult({ eid: world.eid, responseScript, rolledBack });

/** Plays a script that succeeds, at the card and by the SM-SR's word. */
export async function done(world: ManagedWorld, mno: MnoName, script: Uint8Array): Promise<void> {
  const { ok, reason } = await report(world, mno, await play(world, script));
  assert.deepEqual([ok, reason], [true, undefined]);
}

/**
 * Everything up to the package for this card, over one channel to its ISD-R; bound to its static key where that is wanted. The same
 * `orderId` names the same profile.
 */
export async function boundPackage(
  world: ManagedWorld,
  mno: MnoName,
  channel: CardChannel,
  keyMode: 'static' | 'dynamic' = 'dynamic',
  orderId?: string,
) {
  const { eid, service } = world;
  const smdp = world.smdpOf(mno);
  const opened = await smdp.initiateAuthentication(await startSession(channel));
  const { transactionId, serverSigned1 } = opened;
  const authenticateServerResponse = await authenticateServer(channel, opened, IMEI);
  const verdict = await service.as(mno).verifyEuicc({
    mno,
    eid,
    imei: IMEI,
    transactionId,
    serverSigned1,
    authenticateServerResponse,
  });
  const { iccid } = await smdp.downloadOrder({
    eid,
    orderId: orderId ?? `${mno} ${transactionId.join()}`,
  });
  const keys =
    keyMode === 'static' ? await service.as(mno).euiccKeys({ mno, eid, transactionId }) : undefined;
  const answer = await smdp.authenticateClient({
    transactionId,
    authenticateServerResponse,
    eid,
    iccid,
    verdict,
    ...(keys === undefined ? {} : { ecasdCertificates: keys.certificates }),
  });
  const prepareDownloadResponse = await prepareDownload(channel, answer);
  const { boundProfilePackage } = await smdp.getBoundProfilePackage({
    transactionId,
    prepareDownloadResponse,
  });
  return { iccid, transactionId, boundProfilePackage, prepareDownloadResponse };
}

/** Everything up to the script that loads a profile of this MNO. */
export async function loadScript(
  world: ManagedWorld,
  mno: MnoName,
  rightsGrantOfDonor?: Uint8Array,
  keyMode?: 'static' | 'dynamic',
) {
  const { eid, service } = world;
  const bound = await boundPackage(world, mno, await world.isdR(), keyMode);
  const again = () =>
    service.as(mno).secureProfile({
      mno,
      eid,
      ...bound,
      ...(rightsGrantOfDonor === undefined ? {} : { rightsGrant: rightsGrantOfDonor }),
    });
  return { iccid: bound.iccid, again, ...(await again()) };
}

/** Retrieves what the card has signed, hands it to the SM-SR and removes it. Answers `event iccid`, in order. */
export async function deliverNotifications(world: ManagedWorld): Promise<string[]> {
  const channel = await world.isdR();
  const delivered: string[] = [];
  for (const pendingNotification of await retrieveNotifications(channel)) {
    const { verified, event, iccid } = await world.service
      .as('mno-a')
      .handleNotification({ eid: world.eid, pendingNotification });
    if (!verified) throw new Error('a notification of the card is not verified');
    delivered.push(`${event ?? 'failed'} ${iccid ?? ''}`);
    await removeNotification(channel, notificationMetadataOf(pendingNotification).seqNumber);
  }
  return delivered;
}

/** The donor's word for a change to mno-b. */
export function grantBy(world: ManagedWorld, donor: MnoName, iccid: Iccid): Uint8Array {
  const key = world.identities.get(donor)?.key;
  if (key === undefined) throw new Error(`no key of ${donor}`);
  const payload = rightsGrant.encode({
    eid: world.eid,
    donor,
    receiving: 'mno-b',
    transactionId: new Uint8Array(16).fill(6),
    iccid,
    nonce: new Uint8Array(16).fill(5),
    expires: world.clock.wall() / 1000 + 3600,
    deleteAllowed: true,
  });
  return signRightsGrant(nodeEc, { ...key, kid: keyIdentifier(key.publicKey) }, payload);
}

/** The profiles as the card lists them: state by ICCID. */
export async function onCard(world: ManagedWorld): Promise<Record<string, string>> {
  const profiles = await listProfiles(await world.isdR());
  return Object.fromEntries(profiles.map(({ iccid, enabled }) => [iccid, enabled ? 'enabled' : 'disabled']));
}

/** The same as the SM-SR knows them, without those that are gone. */
export async function inEis(world: ManagedWorld): Promise<Record<string, string>> {
  const { profiles } = await world.service.as('mno-a').getEis(world.eid);
  return Object.fromEntries(
    profiles.filter(({ state }) => state !== 'deleted').map(({ iccid, state }) => [iccid, state]),
  );
}
