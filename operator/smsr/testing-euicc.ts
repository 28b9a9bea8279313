// A small eUICC for the tests of the roles: signs as a card would, and answers scripts under SCP03. It installs nothing.
import { concat, EMPTY } from '../../base/bytes.ts';
import {
  type CommandApdu,
  decodeCommandApdu,
  encodeResponseApdu,
  type ResponseApdu,
  SW,
} from '../../codec/apdu.ts';
import { encodeTlv, readTlv, readTlvHeader } from '../../codec/ber-tlv.ts';
import {
  AID_ISD_R,
  encodeAid,
  encodeImei,
  encodeTac,
  type Iccid,
  type Imei,
  isdPAid,
} from '../../codec/ids.ts';
import {
  AuthenticateServerResponse,
  CtxParams1,
  EuiccSigned1,
  ServerSigned1,
} from '../../codec/rsp/authenticate-server.ts';
import { BoundProfilePackage, InitialiseSecureChannelRequest } from '../../codec/rsp/bpp.ts';
import {
  NotificationMetadata,
  OtherSignedNotification,
  ProfileInstallationResult,
  ProfileInstallationResultData,
} from '../../codec/rsp/notifications.ts';
import {
  DeleteProfileRequest,
  DeleteProfileResponse,
  EnableProfileRequest,
  EnableProfileResponse,
} from '../../codec/rsp/profile-management.ts';
import { decodeCommandScript, encodeResponseScript } from '../../codec/script.ts';
import { createStoreDataReassembler } from '../../codec/store-data.ts';
import type { Ec } from '../../crypto/ec.ts';
import { createScp03Card, type Scp03Card } from '../../crypto/scp03-card.ts';
import type { ManufacturedEuicc } from '../issuer/factory.ts';
import type { NotificationEvent } from '../roles.ts';

const INFO2 = {
  profileVersion: '2.3.1',
  svn: '2.2.2',
  euiccFirmwareVer: '1.0.0',
  extCardResource: encodeTlv(0x81, Uint8Array.of(0)),
  uiccCapability: ['usimSupport'],
  rspCapability: ['additionalProfile'],
  ppVersion: '1.0.0',
  sasAcreditationNumber: 'SAS',
} as const;
const CI_LISTS = {
  euiccCiPKIdListForVerification: [new Uint8Array(20)],
  euiccCiPKIdListForSigning: [new Uint8Array(20)],
};

const EVENT_BITS = {
  install: 'notificationInstall',
  enable: 'notificationEnable',
  disable: 'notificationDisable',
  delete: 'notificationDelete',
} as const;

const SIMA_OK = Uint8Array.of(0x30, 0x07, 0xa0, 0x05, 0x30, 0x03, 0x80, 0x01, 0x00);
const ADDRESS = 'mno';

/** What a test looks at and changes. */
export type TestEuiccState = {
  sequenceCounter: number;
  seqNumber: number;
  enabled: Iccid | undefined;
  deleted: Iccid[];
  /** Taken as the profile inside of whatever package is loaded. */
  arriving: Iccid | undefined;
  loaded: Uint8Array;
  transactionId: Uint8Array;
  /** Status word that success is answered with: a proactive command may wait. */
  success: number;
  enableResult: 'ok' | 'disallowedByPolicy';
};

export function createTestEuicc(options: {
  readonly ec: Ec;
  readonly euicc: ManufacturedEuicc;
  readonly sequenceCounter?: number;
  readonly firmware?: string;
}) {
  const { ec, euicc } = options;
  const { curve, privateKey } = euicc.euiccKey;
  const sign = (bytes: Uint8Array): Uint8Array => ec.sign(curve, privateKey, bytes);
  const state: TestEuiccState = {
    sequenceCounter: options.sequenceCounter ?? 0,
    seqNumber: 0,
    enabled: undefined,
    deleted: [],
    arriving: undefined,
    loaded: EMPTY,
    transactionId: new Uint8Array(16),
    success: SW.ok,
    enableResult: 'ok',
  };

  const metadata = (event: NotificationEvent, iccid: Iccid, seqNumber: number): Uint8Array =>
    NotificationMetadata.encode({
      seqNumber,
      profileManagementOperation: [EVENT_BITS[event]],
      notificationAddress: ADDRESS,
      iccid,
    });

  const installationResult = (iccid: Iccid, ok = true): Uint8Array => {
    const data = ProfileInstallationResultData.encode({
      transactionId: state.transactionId,
      notificationMetadata: metadata('install', iccid, ++state.seqNumber),
      smdpOid: '2.999.10',
      finalResult: ok
        ? { is: 'successResult', value: { aid: isdPAid(16), simaResponse: SIMA_OK } }
        : {
            is: 'errorResult',
            value: {
              bppCommandId: 'loadProfileElements',
              errorReason: 'installFailedDueToPEProcessingError',
            },
          },
    });
    return ProfileInstallationResult.encode({
      profileInstallationResultData: data,
      euiccSignPIR: sign(data),
    });
  };

  const perform = (request: Uint8Array): Uint8Array => {
    switch (readTlvHeader(request).tag) {
      case 0xbf31: {
        const { profileIdentifier } = EnableProfileRequest.decode(request);
        if (state.enableResult === 'ok' && profileIdentifier.is === 'iccid')
          state.enabled = profileIdentifier.value;
        return EnableProfileResponse.encode({ enableResult: state.enableResult });
      }
      case 0xbf33: {
        const request33 = DeleteProfileRequest.decode(request);
        if (request33.is === 'iccid') state.deleted.push(request33.value);
        return DeleteProfileResponse.encode({ deleteResult: 'ok' });
      }
      default: {
        state.loaded = concat(state.loaded, request);
        const { length, valueAt } = readTlvHeader(state.loaded);
        if (state.loaded.length < valueAt + length) return EMPTY;
        readTlv(state.loaded);
        return state.arriving === undefined ? EMPTY : installationResult(state.arriving);
      }
    }
  };

  const blocks = createStoreDataReassembler();
  const storeData = (command: CommandApdu): ResponseApdu => {
    const joined = blocks.add(command);
    if (joined.is === 'refused') return { data: EMPTY, sw: joined.sw };
    if (joined.is === 'more') return { data: EMPTY, sw: SW.ok };
    return { data: perform(joined.request), sw: SW.ok };
  };

  /** Plays a script as the agent does: up to the first failure, or all of it. */
  const play = (script: Uint8Array): Uint8Array => {
    const responses: Uint8Array[] = [];
    let session: Scp03Card | undefined;
    const { kvn } = euicc.isdRKeys;
    const answer = (command: CommandApdu): ResponseApdu => {
      if (command.ins === 0x50) {
        session = createScp03Card({
          keys: euicc.isdRKeys,
          keyVersion: kvn,
          hostChallenge: command.data,
          challenge: { sequenceCounter: state.sequenceCounter, aid: encodeAid(AID_ISD_R) },
        });
        return { data: session.initializeUpdateData, sw: SW.ok };
      }
      if (session === undefined) return { data: EMPTY, sw: SW.conditionsOfUse };
      if (command.ins === 0x82) {
        const result = session.externalAuthenticate(command);
        if (result.ok) state.sequenceCounter++;
        return { data: EMPTY, sw: result.ok ? SW.ok : result.sw };
      }
      const response = session.wrap(storeData(session.unwrap(command)));
      return response.sw === SW.ok ? { ...response, sw: state.success } : response;
    };
    for (const apdu of decodeCommandScript(script)) {
      const response = answer(decodeCommandApdu(apdu));
      responses.push(encodeResponseApdu(response));
      if (response.sw !== SW.ok && response.sw >> 8 !== 0x91) break;
    }
    return encodeResponseScript({ executed: responses.length, responses });
  };

  return {
    state,
    play,
    installationResult,
    /** BF38 over what the server signed, for a device with this IMEI. */
    authenticateServer(serverSigned1: Uint8Array, imei: Imei): Uint8Array {
      const server = ServerSigned1.decode(serverSigned1);
      state.transactionId = server.transactionId;
      const deviceInfo = { tac: encodeTac(imei), deviceCapabilities: {}, imei: encodeImei(imei) };
      const euiccSigned1 = EuiccSigned1.encode({
        transactionId: server.transactionId,
        serverAddress: server.serverAddress,
        serverChallenge: server.serverChallenge,
        euiccInfo2: { ...INFO2, ...CI_LISTS, euiccFirmwareVer: options.firmware ?? INFO2.euiccFirmwareVer },
        ctxParams1: CtxParams1.encode({ deviceInfo }),
      });
      const { euiccCertificate, eumCertificate } = euicc;
      return AuthenticateServerResponse.encode({
        is: 'authenticateResponseOk',
        value: { euiccSigned1, euiccSignature1: sign(euiccSigned1), euiccCertificate, eumCertificate },
      });
    },
    /** An OtherSignedNotification with the next number, or the given one. */
    notification(event: NotificationEvent, iccid: Iccid, seqNumber = ++state.seqNumber): Uint8Array {
      const tbsOtherNotification = metadata(event, iccid, seqNumber);
      const { euiccCertificate, eumCertificate } = euicc;
      return OtherSignedNotification.encode({
        tbsOtherNotification,
        euiccNotificationSignature: sign(tbsOtherNotification),
        euiccCertificate,
        eumCertificate,
      });
    },
  };
}

/** serverSigned1 as an SM-DP makes it. */
export function testServerSigned1(transactionId: Uint8Array, challenge = 7): Uint8Array {
  return ServerSigned1.encode({
    transactionId,
    euiccChallenge: new Uint8Array(16).fill(1),
    serverAddress: ADDRESS,
    serverChallenge: new Uint8Array(16).fill(challenge),
  });
}

/** A package of the right shape for a session; its segments hold noise. */
export function testBoundProfilePackage(transactionId: Uint8Array, segments = 3, fill = 0x5a): Uint8Array {
  const noise = (tag: number, octets: number): Uint8Array =>
    encodeTlv(tag, new Uint8Array(octets).fill(fill));
  const initialiseSecureChannelRequest = InitialiseSecureChannelRequest.encode({
    remoteOpId: 'installBoundProfilePackage',
    transactionId,
    controlRefTemplate: { keyType: 0x88, keyLen: 0x10, hostId: Uint8Array.of(1) },
    smdpOtpk: new Uint8Array(65).fill(4),
    smdpSign: new Uint8Array(64).fill(9),
  });
  return BoundProfilePackage.encode({
    initialiseSecureChannelRequest,
    firstSequenceOf87: [noise(0x87, 24)],
    sequenceOf88: [noise(0x88, 100)],
    secondSequenceOf87: [noise(0x87, 72)],
    sequenceOf86: Array.from({ length: segments }, () => noise(0x86, 1016)),
  });
}
