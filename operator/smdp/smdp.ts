// The SM-DP: authenticates with eUICCs, and builds, binds and signs profiles for those that an SM-SR accepted (SGP.22 3.1, 5.6).
import { equalBytes, toHex } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import { ServerSigned1 } from '../../codec/rsp/authenticate-server.ts';
import { EuiccInfo1 } from '../../codec/rsp/euicc-info.ts';
import { SmdpSigned2 } from '../../codec/rsp/prepare-download.ts';
import { TAG_SIGNATURE, withSignature } from '../../codec/rsp/types.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import type {
  AuthenticateClientAnswer,
  BoundProfile,
  InitiateAuthenticationAnswer,
  OfflineSmDp,
  SmDp,
} from '../roles.ts';
import type { Reader } from '../store/store.ts';
import { findSubscription, setSubscriptionState, subscriptionSecrets } from '../store/subscriptions.ts';
import { rebindProfile } from './bound-profile.ts';
import { build, deliverable, metadataOf, type SmDpContext, type SmDpOptions } from './build.ts';
import {
  checkAuthenticateResponse,
  checkCancelSession,
  checkDownloadResponse,
  euiccOtpkOf,
  refused,
  requireAccepted,
  staticKeyOf,
} from './evidence.ts';
import { handlePendingNotification } from './notifications.ts';
import { offlineProfile } from './offline-profile.ts';
import {
  addSession,
  boundBefore,
  builtProfiles,
  changeSession,
  dropStaleSessions,
  type SessionRow,
  sessionOf,
  supersede,
} from './sessions.ts';
import { orderSubscription } from './subscriptions.ts';

/** An SM-DP that can say how many unprotected profile packages it ever built. */
export type CountingSmDp = SmDp & OfflineSmDp & { profilesBuilt(): Promise<number> };

/** As long as a device may be without a network in the middle of a download. */
const STALE_AFTER_MS = 7 * 86_400_000;
const SWEEP_EVERY_MS = 3_600_000;

/** Every step may be repeated with the same request and answers the same. Throws `KEY_INVALID` for a CI without key identifier. */
export function createSmDp(options: SmDpOptions): CountingSmDp {
  const ciPkId = parseCertificate(options.pki.ciCertificate).subjectKeyIdentifier;
  if (ciPkId === undefined) throw new AgentError('KEY_INVALID', { why: 'the CI has no key identifier' });
  const { store, owner, ec, pki, clock, sealKeys, random } = options;
  const witness = options.witness ?? (() => {});
  const ports = { owner, sealKeys, random, clock, defaults: options.subscriptions, witness };
  const context: SmDpContext = { ...options, ports, ciPkId };
  let nextSweep = 0;
  /** New sessions push the stale ones out. */
  const sweep = async (): Promise<void> => {
    const at = clock.wall();
    if (at < nextSweep) return;
    nextSweep = at + SWEEP_EVERY_MS;
    const dropped = await store.transaction((tx) => dropStaleSessions(tx, owner, at - STALE_AFTER_MS, at));
    if (dropped.forgotten + dropped.givenUp > 0) options.log.write('info', 'smdp', 'stale sessions', dropped);
  };
  // Each step is one transaction, so that a repetition that comes while the first is at work finds the first one's answer.
  return {
    async downloadOrder(order) {
      const { iccid, imsi } = await store.transaction((tx) => orderSubscription(tx, ports, order));
      return { iccid, imsi };
    },
    async initiateAuthentication(request) {
      await sweep();
      return initiate(context, request);
    },
    authenticateClient: (request) => authenticateClient(context, request),
    getBoundProfilePackage: (request) => getBoundProfilePackage(context, request),
    offlineProfile: (request) => offlineProfile(context, request),
    cancelSession: (request) => cancelSession(context, request),
    handleNotification(pendingNotification) {
      const { ciCertificate, registeredId } = pki;
      const at = clock.wall();
      return handlePendingNotification(
        { store, owner, ec, ciCertificate, registeredId, at },
        pendingNotification,
      );
    },
    profilesBuilt: () => store.read((reader) => builtProfiles(reader, owner)),
  };
}

type Request<M extends keyof SmDp> = Parameters<SmDp[M]>[0];

async function initiate(
  { store, owner, ec, random, clock, address, pki, ciPkId }: SmDpContext,
  { euiccChallenge, euiccInfo1 }: Request<'initiateAuthentication'>,
): Promise<InitiateAuthenticationAnswer> {
  const info = EuiccInfo1.decode(euiccInfo1);
  const lists = [info.euiccCiPKIdListForVerification, info.euiccCiPKIdListForSigning];
  if (!lists.every((list) => list.some((id) => equalBytes(id, ciPkId)))) {
    throw refused('no common certificate issuer', { ciPkId: toHex(ciPkId) });
  }
  const transactionId = random.bytes(16);
  const serverChallenge = random.bytes(16);
  const serverSigned1 = ServerSigned1.encode({
    transactionId,
    euiccChallenge,
    serverAddress: address,
    serverChallenge,
  });
  const { certificate, key } = pki.dpAuth;
  const session = {
    owner,
    transactionId: toHex(transactionId),
    euiccChallenge,
    serverChallenge,
    serverSigned1,
    ciPkId,
  };
  await store.transaction((tx) => addSession(tx, session, clock.wall()));
  return {
    transactionId,
    serverSigned1,
    serverSignature1: encodeTlv(TAG_SIGNATURE, ec.sign(key.curve, key.privateKey, serverSigned1)),
    euiccCiPKIdToBeUsed: encodeTlv(0x04, ciPkId),
    serverCertificate: certificate,
  };
}

async function authenticateClient(
  context: SmDpContext,
  request: Request<'authenticateClient'>,
): Promise<AuthenticateClientAnswer> {
  const { store, owner, ec, pki, clock } = context;
  const { transactionId, authenticateServerResponse: response, eid, iccid, verdict } = request;
  requireAccepted(verdict);
  return store.transaction(async (tx) => {
    const session = await sessionOf(tx, owner, transactionId);
    const found = await findSubscription(tx, owner, { iccid });
    const repeated = repeatedAuthentication(context, session, request);
    if (repeated !== undefined && found !== undefined) {
      return { ...repeated, profileMetadata: metadataOf(context, found) };
    }
    const at = clock.wall();
    const { serverSigned1 } = session;
    const { ciCertificate } = pki;
    const evidence = checkAuthenticateResponse(ec, { response, eid, serverSigned1, ciCertificate, at });
    const subscription = deliverable(found, eid, iccid);
    const { certificate, key } = pki.dpPb;
    const staticKey = staticKeyFor(context, request, evidence.eumCertificate);
    const bppEuiccOtpk = staticKey ?? (await packageBefore(tx, session, { eid, iccid }))?.euiccOtpk;
    const smdpSigned2 = SmdpSigned2.encode({
      transactionId,
      ccRequiredFlag: false,
      ...(bppEuiccOtpk === undefined ? {} : { bppEuiccOtpk }),
    });
    const covered = withSignature(smdpSigned2, evidence.euiccSignature1);
    const smdpSignature2 = ec.sign(key.curve, key.privateKey, covered);
    const { euiccCertificate, eumCertificate } = evidence;
    await changeSession(
      tx,
      session,
      {
        state: 'authenticated',
        eid,
        iccid,
        euiccCertificate,
        eumCertificate,
        authenticateServerResponse: response,
        smdpSigned2,
        smdpSignature2,
        staticKey: staticKey ?? null,
      },
      at,
    );
    return {
      smdpSigned2,
      smdpSignature2: encodeTlv(TAG_SIGNATURE, smdpSignature2),
      smdpCertificate: certificate,
      profileMetadata: metadataOf(context, subscription),
    };
  });
}

/** The static key that the request wants the profile bound to. */
function staticKeyFor(
  { ec, pki, clock }: SmDpContext,
  { ecasdCertificates, eid }: Request<'authenticateClient'>,
  eumCertificate: Uint8Array,
): Uint8Array | undefined {
  if (ecasdCertificates === undefined) return undefined;
  const { registeredId } = pki;
  const { curve } = pki.dpPb.key;
  return staticKeyOf(ec, { ecasdCertificates, eumCertificate, eid, registeredId, curve, at: clock.wall() });
}

/** A package of this profile that this eUICC was given and did not install, and the one-time key that it is bound to. */
async function packageBefore(
  reader: Reader,
  session: SessionRow,
  of: { readonly eid: Eid; readonly iccid: Iccid },
): Promise<
  | {
      readonly euiccOtpk: Uint8Array;
      readonly boundProfilePackage: Uint8Array;
      readonly profileBytes: number;
    }
  | undefined
> {
  const before = await boundBefore(reader, session, of);
  if (before === undefined) return undefined;
  const { boundProfilePackage, prepareDownloadResponse, profileBytes, staticKey } = before;
  if (boundProfilePackage === null || profileBytes === null) return undefined;
  const euiccOtpk =
    staticKey ?? (prepareDownloadResponse === null ? undefined : euiccOtpkOf(prepareDownloadResponse));
  return euiccOtpk === undefined ? undefined : { euiccOtpk, boundProfilePackage, profileBytes };
}

/** The first answer again for the same request; `REFUSED` for another one in a session that has its eUICC. */
function repeatedAuthentication(
  { pki }: SmDpContext,
  session: SessionRow,
  { authenticateServerResponse, eid, iccid }: Request<'authenticateClient'>,
): Omit<AuthenticateClientAnswer, 'profileMetadata'> | undefined {
  if (session.state === 'initiated') return undefined;
  if (session.state === 'cancelled') throw refused('the session was cancelled');
  const { smdpSigned2, smdpSignature2 } = session;
  const same =
    session.eid === eid &&
    session.iccid === iccid &&
    session.authenticateServerResponse !== null &&
    equalBytes(session.authenticateServerResponse, authenticateServerResponse);
  if (!same || smdpSigned2 === null || smdpSignature2 === null) {
    throw refused('the session is authenticated already');
  }
  return {
    smdpSigned2,
    smdpSignature2: encodeTlv(TAG_SIGNATURE, smdpSignature2),
    smdpCertificate: pki.dpPb.certificate,
  };
}

async function getBoundProfilePackage(
  context: SmDpContext,
  { transactionId, prepareDownloadResponse: response }: Request<'getBoundProfilePackage'>,
): Promise<BoundProfile> {
  const { store, owner, ec, clock, log } = context;
  return store.transaction(async (tx) => {
    const session = await sessionOf(tx, owner, transactionId);
    const repeated = repeatedBinding(session, response);
    if (repeated !== undefined) return repeated;
    const { eid, iccid, smdpSignature2, euiccCertificate } = session;
    if (
      session.state !== 'authenticated' ||
      eid === null ||
      iccid === null ||
      smdpSignature2 === null ||
      euiccCertificate === null
    ) {
      throw refused('the session is not ready for a profile', { state: session.state });
    }
    const euiccOtpk = checkDownloadResponse(ec, {
      response,
      transactionId,
      smdpSignature2,
      euiccCertificate,
    });
    if (session.staticKey !== null && !equalBytes(session.staticKey, euiccOtpk)) {
      throw refused('the eUICC did not take its static key');
    }
    const subscription = deliverable(await findSubscription(tx, owner, { iccid }), eid, iccid);
    const target = { eid, transactionId, euiccOtpk };
    const before = await packageBefore(tx, session, { eid, iccid });
    const again = before !== undefined && equalBytes(before.euiccOtpk, euiccOtpk) ? before : undefined;
    const { boundProfilePackage, profileBytes } =
      again === undefined
        ? build(context, subscription, await subscriptionSecrets(tx, context.sealKeys, owner, iccid), target)
        : { ...again, boundProfilePackage: rebind(context, target, again.boundProfilePackage) };
    const at = clock.wall();
    await changeSession(
      tx,
      session,
      {
        state: 'bound',
        prepareDownloadResponse: response,
        boundProfilePackage,
        profileBytes,
        built: session.built + (again === undefined ? 1 : 0),
      },
      at,
    );
    await supersede(tx, session, { eid, iccid }, at);
    await setSubscriptionState(tx, owner, iccid, 'downloaded', at);
    log.write('info', 'smdp', again === undefined ? 'profile bound' : 'profile bound again', {
      eid,
      iccid,
      profileBytes,
      transaction: toHex(transactionId),
    });
    return { boundProfilePackage, profileBytes, iccid };
  });
}

/** Reasons after which the eUICC means to come back (SGP.22 5.6.5). */
const COMES_BACK: ReadonlySet<string> = new Set(['postponed', 'timeout']);

async function cancelSession(
  { store, owner, ec, clock, log, pki }: SmDpContext,
  { transactionId, cancelSessionResponse: response }: Request<'cancelSession'>,
): Promise<{ readonly reason: string }> {
  return store.transaction(async (tx) => {
    const session = await sessionOf(tx, owner, transactionId);
    const { eid, iccid, euiccCertificate, state } = session;
    if (eid === null || iccid === null || euiccCertificate === null) {
      throw refused('the session has no eUICC yet', { state });
    }
    const { registeredId } = pki;
    const reason = checkCancelSession(ec, { response, transactionId, registeredId, euiccCertificate });
    if (state === 'cancelled') return { reason };
    if (state !== 'authenticated' && state !== 'bound') throw refused('the download has ended', { state });
    const at = clock.wall();
    const kept = COMES_BACK.has(reason) ? session.boundProfilePackage : null;
    await changeSession(tx, session, { state: 'cancelled', boundProfilePackage: kept }, at);
    const subscription = await findSubscription(tx, owner, { iccid });
    if (state === 'bound' && subscription?.state === 'downloaded') {
      await setSubscriptionState(tx, owner, iccid, 'reserved', at);
    }
    log.write('info', 'smdp', 'session cancelled', { eid, iccid, reason, transaction: toHex(transactionId) });
    return { reason };
  });
}

function repeatedBinding(session: SessionRow, response: Uint8Array): BoundProfile | undefined {
  if (session.state === 'cancelled') throw refused('the session was cancelled');
  const { boundProfilePackage, profileBytes, iccid, prepareDownloadResponse } = session;
  if (prepareDownloadResponse === null) return undefined;
  if (!equalBytes(prepareDownloadResponse, response)) throw refused('the session has another one-time key');
  if (boundProfilePackage === null || profileBytes === null || iccid === null) {
    throw refused('the download has ended', { state: session.state });
  }
  return { boundProfilePackage, profileBytes, iccid };
}

function rebind(
  { ec, pki }: SmDpContext,
  target: { readonly transactionId: Uint8Array; readonly euiccOtpk: Uint8Array },
  boundProfilePackage: Uint8Array,
): Uint8Array {
  return rebindProfile({ ec, dpPbKey: pki.dpPb.key, ...target }, boundProfilePackage);
}
