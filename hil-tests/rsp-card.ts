// The RSP part of a virtual eUICC without the card around it: for tests of an SM-DP against the eUICC's own checks.
import type { Random } from '../base/random.ts';
import { isdPAid } from '../codec/ids.ts';
import { AuthenticateServerRequest, CtxParams1 } from '../codec/rsp/authenticate-server.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { EuiccInfo1, EuiccInfo2 } from '../codec/rsp/euicc-info.ts';
import {
  NotificationMetadata,
  OtherSignedNotification,
  ProfileInstallationResult,
  ProfileInstallationResultData,
} from '../codec/rsp/notifications.ts';
import { CancelSessionRequest, PrepareDownloadRequest } from '../codec/rsp/prepare-download.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import { readTlv } from '../codec/ber-tlv.ts';
import type { Ec, EcKeyPair } from '../crypto/ec.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { createBppLoader, type InstalledProfile } from '../euicc/rsp/bound-profile-package.ts';
import { createRspSession } from '../euicc/rsp/session.ts';
import type { ManufacturedEuicc } from '../operator/issuer/factory.ts';
import type { AuthenticateClientAnswer, InitiateAuthenticationAnswer } from '../operator/roles.ts';
import { concat, EMPTY, equalBytes } from '../base/bytes.ts';

type CancelSessionReason = Parameters<typeof CancelSessionRequest.encode>[0]['reason'];

export type RspCard = ReturnType<typeof createRspCard>;

/** A card of the factory, as far as ES10b goes. */
export function createRspCard(options: {
  readonly ec: Ec;
  readonly random: Random;
  readonly euicc: ManufacturedEuicc;
}) {
  const { ec, random, euicc } = options;
  const trustedCis = euicc.ciCertificates.map(parseCertificate);
  const ciPkIds = trustedCis.map(({ subjectKeyIdentifier }) => subjectKeyIdentifier ?? EMPTY);
  const lists = { euiccCiPKIdListForVerification: ciPkIds, euiccCiPKIdListForSigning: ciPkIds };
  const { curve, privateKey } = euicc.euiccKey;
  const { euiccCertificate, eumCertificate } = euicc;
  const identity = {
    eid: euicc.eid,
    credentials: ciPkIds.map((ciPKId) => ({ ciPKId, curve, privateKey, euiccCertificate, eumCertificate })),
    trustedCis,
  };
  const euiccInfo2 = EuiccInfo2.encode({
    profileVersion: '2.3.1',
    svn: '2.2.2',
    euiccFirmwareVer: '1.0.0',
    extCardResource: EMPTY,
    uiccCapability: ['usimSupport', 'akaMilenage'],
    rspCapability: ['additionalProfile'],
    ...lists,
    ppVersion: '1.0.0',
    sasAcreditationNumber: 'none',
  });
  const otKeys: { readonly smdpOid: string; readonly pair: EcKeyPair }[] = [];
  const session = createRspSession({
    ec,
    identity,
    random,
    host: {
      euiccInfo2: () => euiccInfo2,
      crls: () => [],
      findOtKey: (smdpOid, publicKey) =>
        otKeys.find((kept) => kept.smdpOid === smdpOid && equalBytes(kept.pair.publicKey, publicKey))?.pair,
      keepOtKey: (smdpOid, pair) => void otKeys.push({ smdpOid, pair }),
      findStaticKey: () => undefined,
      isServed: () => true,
      isUsed: () => false,
      unforeseen: (error) => {
        throw error;
      },
    },
  });
  const installed: InstalledProfile[] = [];
  let seqNumber = 0;
  return {
    euiccInfo1: EuiccInfo1.encode({ svn: '2.2.2', ...lists }),
    installed,
    getEuiccChallenge: () => session.getEuiccChallenge(),
    /** One-time keys of downloads that did not end: a card that has no room for them forgets them. */
    otKeys,
    /** BF41. */
    cancelSession: (transactionId: Uint8Array, reason: CancelSessionReason): Uint8Array =>
      session.cancelSession(CancelSessionRequest.encode({ transactionId, reason })),
    /** BF38. */
    authenticateServer(answer: InitiateAuthenticationAnswer): Uint8Array {
      return session.authenticateServer(
        AuthenticateServerRequest.encode({
          serverSigned1: answer.serverSigned1,
          serverSignature1: readTlv(answer.serverSignature1).value,
          euiccCiPKIdToBeUsed: readTlv(answer.euiccCiPKIdToBeUsed).value,
          serverCertificate: answer.serverCertificate,
          ctxParams1: CtxParams1.encode({
            deviceInfo: { tac: Uint8Array.of(1, 2, 3, 4), deviceCapabilities: {} },
          }),
        }),
      );
    },
    /** BF21. */
    prepareDownload(answer: AuthenticateClientAnswer): Uint8Array {
      return session.prepareDownload(
        PrepareDownloadRequest.encode({
          smdpSigned2: answer.smdpSigned2,
          smdpSignature2: readTlv(answer.smdpSignature2).value,
          smdpCertificate: answer.smdpCertificate,
        }),
      );
    },
    /** Loads `pieces` of a package, its ES10b segments unless given otherwise; answers BF37. */
    async load(bpp: Uint8Array, pieces: readonly Uint8Array[] = bppSegments(bpp)): Promise<Uint8Array> {
      const { prepared } = session;
      if (prepared === undefined) throw new Error('the session is not prepared');
      const loader = createBppLoader({
        ec,
        identity,
        session: prepared,
        host: {
          iccidExists: (iccid) => installed.some(({ metadata }) => metadata.iccid === iccid),
          refuses: () => undefined,
          freeMemory: () => 1_000_000,
          unforeseen: (error) => {
            throw error;
          },
          next: () => ({ seqNumber: ++seqNumber, isdPAid: isdPAid(0x10 + installed.length) }),
          commit: (outcome) => {
            if (outcome.installed !== undefined) installed.push(outcome.installed);
            return Promise.resolve();
          },
        },
      });
      let answer: Uint8Array = concat();
      for (const piece of pieces) {
        answer = await loader.load(piece);
        if (loader.ended) break;
      }
      return answer;
    },
    /** A notification of something that was done with the profile; `seqNumber` is the next unless given. */
    notification(
      event: 'notificationEnable' | 'notificationDisable' | 'notificationDelete',
      profile: InstalledProfile,
      number?: number,
    ): Uint8Array {
      const { iccid } = profile.metadata;
      const tbsOtherNotification = NotificationMetadata.encode({
        seqNumber: number ?? ++seqNumber,
        profileManagementOperation: [event],
        notificationAddress: 'mno-a',
        iccid,
      });
      return OtherSignedNotification.encode({
        tbsOtherNotification,
        euiccNotificationSignature: ec.sign(curve, privateKey, tbsOtherNotification),
        euiccCertificate,
        eumCertificate,
      });
    },
  };
}

/** How an installation ended: the parts of BF37 that say it. */
export function finalResultOf(bf37: Uint8Array): TypeOf<typeof ProfileInstallationResultData>['finalResult'] {
  const { profileInstallationResultData } = ProfileInstallationResult.decode(bf37);
  return ProfileInstallationResultData.decode(profileInstallationResultData).finalResult;
}
