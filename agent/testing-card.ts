// A card for tests of the agent: answers ES10 as an eUICC does, plays each script once, and tells every effect it had.
import { concat, EMPTY, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { decodeCommandApdu, encodeCommandApdu, SW } from '../codec/apdu.ts';
import type { Card, CardChannel } from '../codec/card.ts';
import type { Eid, Iccid } from '../codec/ids.ts';
import { AuthenticateServerResponse } from '../codec/rsp/authenticate-server.ts';
import { EuiccInfo1, GetEuiccChallengeResponse, GetEuiccDataResponse } from '../codec/rsp/euicc-info.ts';
import {
  NotificationMetadata,
  NotificationSentRequest,
  NotificationSentResponse,
  OtherSignedNotification,
  ProfileInstallationResult,
  ProfileInstallationResultData,
  RetrieveNotificationsListResponse,
} from '../codec/rsp/notifications.ts';
import {
  CancelSessionRequest,
  CancelSessionResponse,
  EuiccCancelSessionSigned,
  PrepareDownloadResponse,
} from '../codec/rsp/prepare-download.ts';
import { ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import { encodeCommandScript } from '../codec/script.ts';

export type TestProfile = {
  readonly iccid: Iccid;
  readonly profileClass: 'provisioning' | 'operational';
  readonly address: string;
  enabled: boolean;
};

type Action = 'install' | 'enable' | 'rollback' | 'delete';

export type TestCard = {
  readonly card: Card;
  readonly profiles: TestProfile[];
  /** Every effect in order: `authenticateServer`, `install 8999…`, `removeNotification 3`. */
  readonly effects: string[];
  /** Called before and after each effect; what it throws breaks the exchange there. */
  onEffect: (effect: string, when: 'before' | 'after') => void;
  /** Volatile state is gone: the RSP session, and a package half loaded. */
  cutPower(): void;
  /** A script that does `action` when it is played the first time, and is refused by the secure channel afterwards. */
  script(action: Action, iccid: Iccid, address?: string): Uint8Array;
};

const SIGNATURE = new Uint8Array(64).fill(7);
const OBJECT = Uint8Array.of(0x30, 0x00);
const PIECES = 3;

export function createTestCard(eid: Eid, profiles: TestProfile[]): TestCard {
  const effects: string[] = [];
  const scripts: { action: Action; iccid: Iccid; address: string; spent: boolean }[] = [];
  const notifications: { seqNumber: number; raw: Uint8Array }[] = [];
  let session: 'none' | 'challenged' | 'authenticated' = 'none';
  let loading: { script: number; pieces: number } | undefined;
  let seqNumber = 0;

  const effect = <T>(name: string, work: () => T): T => {
    test.onEffect(name, 'before');
    effects.push(name);
    const result = work();
    test.onEffect(name, 'after');
    return result;
  };

  const metadata = (
    event: 'notificationInstall' | 'notificationEnable' | 'notificationDisable' | 'notificationDelete',
    profile: Pick<TestProfile, 'iccid' | 'address'>,
  ): Uint8Array =>
    NotificationMetadata.encode({
      seqNumber: ++seqNumber,
      profileManagementOperation: [event],
      notificationAddress: profile.address,
      iccid: profile.iccid,
    });
  const notify = (
    event: 'notificationEnable' | 'notificationDisable' | 'notificationDelete',
    profile: TestProfile,
  ): void => {
    const raw = OtherSignedNotification.encode({
      tbsOtherNotification: metadata(event, profile),
      euiccNotificationSignature: SIGNATURE,
      euiccCertificate: OBJECT,
      eumCertificate: OBJECT,
    });
    notifications.push({ seqNumber, raw });
  };

  const install = (iccid: Iccid, address: string): Uint8Array => {
    if (profiles.some((profile) => profile.iccid === iccid))
      throw new Error(`${iccid} is installed a second time`);
    const profile = { iccid, address, profileClass: 'operational', enabled: false } as const;
    profiles.push({ ...profile });
    const raw = ProfileInstallationResult.encode({
      profileInstallationResultData: ProfileInstallationResultData.encode({
        transactionId: new Uint8Array(16),
        notificationMetadata: metadata('notificationInstall', profile),
        finalResult: {
          is: 'successResult',
          value: { aid: 'A0000005591010FFFFFFFF8900001000' as never, simaResponse: OBJECT },
        },
      }),
      euiccSignPIR: SIGNATURE,
    });
    notifications.push({ seqNumber, raw });
    session = 'none';
    return raw;
  };

  const switchTo = (iccid: Iccid): void => {
    for (const profile of profiles) {
      if (profile.enabled && profile.iccid !== iccid) {
        profile.enabled = false;
        notify('notificationDisable', profile);
      }
    }
    const target = profiles.find((profile) => profile.iccid === iccid);
    if (target === undefined) throw new Error(`${iccid} is enabled and not there`);
    target.enabled = true;
    notify('notificationEnable', target);
  };

  const remove = (iccid: Iccid): void => {
    const at = profiles.findIndex((profile) => profile.iccid === iccid);
    const [gone] = profiles.splice(at, 1);
    if (at < 0 || gone?.enabled !== false) throw new Error(`${iccid} cannot be deleted`);
    notify('notificationDelete', gone);
  };

  /** One piece of a script: P1 is the script's number, P2 the piece's. The first opens the channel, which works once. */
  const playPiece = (number: number, piece: number): { data: Uint8Array; sw: number } => {
    const script = scripts[number];
    if (script === undefined) return { data: EMPTY, sw: SW.wrongP1P2 };
    if (piece === 0) {
      if (script.spent) return { data: EMPTY, sw: SW.securityStatus };
      script.spent = true;
      loading = { script: number, pieces: 0 };
    }
    if (loading?.script !== number || loading.pieces !== piece)
      return { data: EMPTY, sw: SW.conditionsOfUse };
    loading = { script: number, pieces: piece + 1 };
    if (piece + 1 < PIECES) return { data: EMPTY, sw: SW.ok };
    loading = undefined;
    return effect(`${script.action} ${script.iccid}`, () => {
      switch (script.action) {
        case 'install':
          return { data: install(script.iccid, script.address), sw: SW.ok };
        case 'enable':
        case 'rollback':
          switchTo(script.iccid);
          return { data: EMPTY, sw: 0x910b };
        case 'delete':
          remove(script.iccid);
          return { data: EMPTY, sw: SW.ok };
      }
    });
  };

  const authenticateServer = (): Uint8Array => {
    if (session === 'none') {
      const value = { transactionId: new Uint8Array(16), authenticateErrorCode: 'noSessionContext' } as const;
      return AuthenticateServerResponse.encode({ is: 'authenticateResponseError', value });
    }
    session = 'authenticated';
    const value = {
      euiccSigned1: OBJECT,
      euiccSignature1: SIGNATURE,
      euiccCertificate: OBJECT,
      eumCertificate: OBJECT,
    };
    return AuthenticateServerResponse.encode({ is: 'authenticateResponseOk', value });
  };

  const prepareDownload = (): Uint8Array => {
    if (session !== 'authenticated') {
      const value = { transactionId: new Uint8Array(16), downloadErrorCode: 'noSessionContext' } as const;
      return PrepareDownloadResponse.encode({ is: 'downloadResponseError', value });
    }
    const value = { euiccSigned2: OBJECT, euiccSignature2: SIGNATURE };
    return PrepareDownloadResponse.encode({ is: 'downloadResponseOk', value });
  };

  const cancelSession = (request: Uint8Array): Uint8Array => {
    const { transactionId, reason } = CancelSessionRequest.decode(request);
    if (session !== 'authenticated') {
      return CancelSessionResponse.encode({
        is: 'cancelSessionResponseError',
        value: 'invalidTransactionId',
      });
    }
    session = 'none';
    const signed = { transactionId, smdpOid: '2.999.10', reason };
    const value = {
      euiccCancelSessionSigned: EuiccCancelSessionSigned.encode(signed),
      euiccCancelSessionSignature: SIGNATURE,
    };
    return CancelSessionResponse.encode({ is: 'cancelSessionResponseOk', value });
  };

  const answer = (request: Uint8Array): Uint8Array => {
    switch ((request[0] ?? 0) * 256 + (request[1] ?? 0)) {
      case 0xbf3e:
        return GetEuiccDataResponse.encode({ eidValue: eid });
      case 0xbf20:
        return EuiccInfo1.encode({
          svn: '2.2.0',
          euiccCiPKIdListForVerification: [],
          euiccCiPKIdListForSigning: [],
        });
      case 0xbf2e:
        session = 'challenged';
        return GetEuiccChallengeResponse.encode({ euiccChallenge: new Uint8Array(16).fill(9) });
      case 0xbf38:
        return effect('authenticateServer', authenticateServer);
      case 0xbf21:
        return effect('prepareDownload', prepareDownload);
      case 0xbf41:
        return effect('cancelSession', () => cancelSession(request));
      case 0xbf2d:
        return ProfileInfoListResponse.encode({
          is: 'profileInfoListOk',
          value: profiles.map(({ iccid, enabled, profileClass }) => ({
            iccid,
            profileClass,
            profileState: enabled ? ('enabled' as const) : ('disabled' as const),
          })),
        });
      case 0xbf2b:
        return RetrieveNotificationsListResponse.encode({
          is: 'notificationList',
          value: notifications.map(({ raw }) => raw),
        });
      case 0xbf30: {
        const sent = NotificationSentRequest.decode(request).seqNumber;
        return effect(`removeNotification ${sent}`, () => {
          const at = notifications.findIndex((held) => held.seqNumber === sent);
          if (at >= 0) notifications.splice(at, 1);
          return NotificationSentResponse.encode({
            deleteNotificationStatus: at >= 0 ? 'ok' : 'nothingToDelete',
          });
        });
      }
      default:
        throw new AgentError('CARD_STATUS', { sw: '6A88' });
    }
  };

  const openChannel = async (): Promise<CardChannel> => {
    let request: Uint8Array = EMPTY;
    return {
      selectResponse: EMPTY,
      async transmit(command) {
        await Promise.resolve();
        const { ins, p1, p2, data } = decodeCommandApdu(command);
        if (ins === 0xf0) return playPiece(p1, p2);
        request = concat(request, data);
        if ((p1 & 0x80) === 0) return { data: EMPTY, sw: SW.ok };
        const whole = request;
        request = EMPTY;
        return { data: answer(whole), sw: SW.ok };
      },
      close: async () => {},
    };
  };

  const test: TestCard = {
    card: {
      openChannel,
      basic: { transmit: async () => ({ data: EMPTY, sw: SW.ok }) },
      close: async () => {},
    },
    profiles,
    effects,
    onEffect: () => {},
    cutPower() {
      session = 'none';
      loading = undefined;
    },
    script(action, iccid, address = '') {
      const number = scripts.push({ action, iccid, address, spent: false }) - 1;
      const pieces = Array.from({ length: PIECES }, (_, piece) =>
        encodeCommandApdu({ cla: 0x84, ins: 0xf0, p1: number, p2: piece, data: uintBytes(piece, 4) }),
      );
      return encodeCommandScript(pieces);
    },
  };
  return test;
}
