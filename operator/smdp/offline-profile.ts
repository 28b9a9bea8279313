// A profile for an eUICC that cannot be asked (seed 56, 72): bound to its static key, with PrepareDownload already signed.
import { EMPTY, toHex } from '../../base/bytes.ts';
import { PrepareDownloadRequest, SmdpSigned2 } from '../../codec/rsp/prepare-download.ts';
import { verifyEuicc } from '../../crypto/chain.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import type { OfflineSmDp } from '../roles.ts';
import { findSubscription, setSubscriptionState, subscriptionSecrets } from '../store/subscriptions.ts';
import { build, deliverable, type SmDpContext } from './build.ts';
import { refused, requireAccepted, staticKeyOf } from './evidence.ts';
import { addSession, changeSession, findSession, sessionOf, supersede } from './sessions.ts';

type Request = Parameters<OfflineSmDp['offlineProfile']>[0];

export async function offlineProfile(
  context: SmDpContext,
  request: Request,
): ReturnType<OfflineSmDp['offlineProfile']> {
  const { store, owner, ec, pki, clock, log, ciPkId } = context;
  const { transactionId, eid, iccid, verdict, certificates } = request;
  requireAccepted(verdict);
  const euiccOtpk = checkRegistered(context, request);
  const { certificate, key } = pki.dpPb;
  return store.transaction(async (tx) => {
    if ((await findSession(tx, owner, transactionId)) !== undefined) {
      throw refused('the transaction was used before', { transactionId: toHex(transactionId) });
    }
    const subscription = deliverable(await findSubscription(tx, owner, { iccid }), eid, iccid);
    const secrets = await subscriptionSecrets(tx, context.sealKeys, owner, iccid);
    const target = { eid, transactionId, euiccOtpk };
    const { boundProfilePackage, profileBytes } = build(context, subscription, secrets, target);
    const smdpSigned2 = SmdpSigned2.encode({
      transactionId,
      ccRequiredFlag: false,
      bppEuiccOtpk: euiccOtpk,
    });
    // There is no euiccSignature1 to cover: the static key and the management keys around it say whose this is.
    const smdpSignature2 = ec.sign(key.curve, key.privateKey, smdpSigned2);
    const prepareDownload = PrepareDownloadRequest.encode({
      smdpSigned2,
      smdpSignature2,
      smdpCertificate: certificate,
    });
    const at = clock.wall();
    const nothing = { euiccChallenge: EMPTY, serverChallenge: EMPTY, serverSigned1: EMPTY };
    await addSession(tx, { owner, transactionId: toHex(transactionId), ...nothing, ciPkId }, at);
    const { euiccCertificate, eumCertificate } = certificates;
    await changeSession(
      tx,
      await sessionOf(tx, owner, transactionId),
      {
        state: 'bound',
        eid,
        iccid,
        euiccCertificate,
        eumCertificate,
        smdpSigned2,
        smdpSignature2,
        staticKey: euiccOtpk,
        boundProfilePackage,
        profileBytes,
        built: 1,
      },
      at,
    );
    await supersede(tx, { owner, transactionId: toHex(transactionId) }, { eid, iccid }, at);
    await setSubscriptionState(tx, owner, iccid, 'downloaded', at);
    const facts = { eid, iccid, profileBytes, transaction: toHex(transactionId) };
    log.write('info', 'smdp', 'profile bound to the static key, for offline use', facts);
    return { boundProfilePackage, profileBytes, iccid, prepareDownload };
  });
}

/** The SM-DP's own look at the chains; answers the static key. */
function checkRegistered({ ec, pki, clock }: SmDpContext, { eid, certificates }: Request): Uint8Array {
  const at = clock.wall();
  const { euiccCertificate, eumCertificate, ecasdCertificates } = certificates;
  const { checks } = verifyEuicc(
    ec,
    { euiccCertificate, eumCertificate, eid, proof: 'offline' },
    {
      trustedCis: [parseCertificate(pki.ciCertificate)],
      crls: [],
      at,
      eisStatus: 'ok',
      deniedFirmware: [],
    },
  );
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  if (failed.length > 0) throw refused('the identity does not hold', { failed: failed.join(', ') });
  const { registeredId } = pki;
  const { curve } = pki.dpPb.key;
  return staticKeyOf(ec, { ecasdCertificates, eumCertificate, eid, registeredId, curve, at });
}
