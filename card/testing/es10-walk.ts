// Every function of ES10 once, in an order in which each has something to do: for tests of what stands between a card and its tools.
import assert from 'node:assert/strict';
import { toHex } from '../../base/bytes.ts';
import type { CardSlot } from '../../codec/card.ts';
import { type Iccid, parseEid } from '../../codec/ids.ts';
import {
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  GetRatRequest,
  GetRatResponse,
  LoadCRLRequest,
  LoadCRLResponse,
  SetDefaultDpAddressRequest,
  SetDefaultDpAddressResponse,
} from '../../codec/rsp/configuration.ts';
import {
  EuiccInfo1,
  EuiccInfo2,
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  GetEuiccDataRequest,
  GetEuiccDataResponse,
  GetEuiccInfo1Request,
  GetEuiccInfo2Request,
} from '../../codec/rsp/euicc-info.ts';
import {
  ListNotificationRequest,
  ListNotificationResponse,
  NotificationSentRequest,
  NotificationSentResponse,
  ProfileInstallationResult,
  ProfileInstallationResultData,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from '../../codec/rsp/notifications.ts';
import { CancelSessionRequest, CancelSessionResponse } from '../../codec/rsp/prepare-download.ts';
import {
  DeleteProfileRequest,
  DeleteProfileResponse,
  DisableProfileRequest,
  DisableProfileResponse,
  EnableProfileRequest,
  EnableProfileResponse,
  EuiccMemoryResetRequest,
  EuiccMemoryResetResponse,
  SetNicknameRequest,
  SetNicknameResponse,
} from '../../codec/rsp/profile-management.ts';
import { createNodeEc } from '../../crypto/ec-node.ts';
import { createTestPki, type Held } from '../../euicc/testing/pki.ts';
import { profileStates } from '../../euicc/testing/results.ts';
import {
  authenticated,
  authenticateServerRequest,
  bindProfile,
  euiccOtpkOf,
  prepareDownloadRequest,
} from '../../euicc/testing/sm-dp.ts';
import { type IsdRChannel, openIsdR } from '../../euicc/testing/terminal.ts';
import { sampleMetadata, samplePackage } from '../../euicc/testing/world.ts';

/** An SM-DP+ that the card believes. */
export type Server = {
  readonly auth: Held;
  readonly pb: Held;
  readonly ciPKId: Uint8Array;
  readonly oid: string;
};

const ec = createNodeEc();
/** Makes messages only: the certificates are the server's. */
const maker = createTestPki(ec);

/** Challenge and AuthenticateServer with a server's certificate. */
export async function authenticate(isdR: IsdRChannel, { auth, ciPKId }: Server) {
  const { euiccChallenge } = GetEuiccChallengeResponse.decode(
    await isdR.es10(GetEuiccChallengeRequest.encode({})),
  );
  const { request, transactionId } = authenticateServerRequest(maker, euiccChallenge, { auth, ciPKId });
  return { transactionId, ok: authenticated(await isdR.es10(request)) };
}

/** Installs a profile; answers BF37. */
export async function download(
  isdR: IsdRChannel,
  server: Server,
  eid: string,
  iccid: Iccid,
): Promise<Uint8Array> {
  const { transactionId, ok } = await authenticate(isdR, server);
  const { request, pb } = prepareDownloadRequest(maker, {
    transactionId,
    euiccSignature1: ok.euiccSignature1,
    pb: server.pb,
  });
  const boundProfilePackage = bindProfile(
    maker,
    {
      eid: parseEid(eid),
      transactionId,
      euiccOtpk: euiccOtpkOf(await isdR.es10(request)),
      pb,
      metadata: sampleMetadata(iccid),
      upp: samplePackage(iccid),
    },
    { dpOid: server.oid },
  );
  return isdR.load(boundProfilePackage);
}

/** Does all of it on a card that was made with one enabled profile `first`, and leaves the card without profiles. */
export async function walkEs10(
  slot: CardSlot,
  server: Server,
  eid: string,
  first: Iccid,
  second: Iccid,
): Promise<void> {
  await slot.reset();
  let isdR = await openIsdR(slot);
  const ask = (request: Uint8Array): Promise<Uint8Array> => isdR.es10(request);
  assert.equal(
    GetEuiccDataResponse.decode(await ask(GetEuiccDataRequest.encode({ tagList: [0x5a] }))).eidValue,
    eid,
  );
  const ciPKIds = EuiccInfo1.decode(await ask(GetEuiccInfo1Request.encode({}))).euiccCiPKIdListForSigning.map(
    toHex,
  );
  assert.ok(ciPKIds.includes(toHex(server.ciPKId)));
  assert.equal(EuiccInfo2.decode(await ask(GetEuiccInfo2Request.encode({}))).svn, '2.2.2');
  assert.deepEqual(await profileStates(isdR), { [first]: 'enabled' });

  const set = SetDefaultDpAddressRequest.encode({ defaultDpAddress: 'dp.example.com' });
  assert.equal(SetDefaultDpAddressResponse.decode(await ask(set)).setDefaultDpAddressResult, 'ok');
  const addresses = EuiccConfiguredAddressesResponse.decode(
    await ask(EuiccConfiguredAddressesRequest.encode({})),
  );
  assert.equal(addresses.defaultDpAddress, 'dp.example.com');
  assert.equal(GetRatResponse.decode(await ask(GetRatRequest.encode({}))).rat.length, 1);
  const crl = await ask(LoadCRLRequest.encode({ crl: Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x00) }));
  assert.equal(LoadCRLResponse.decode(crl).is, 'loadCRLResponseError');

  const cancelled = await authenticate(isdR, server);
  const cancel = await ask(
    CancelSessionRequest.encode({ transactionId: cancelled.transactionId, reason: 'endUserRejection' }),
  );
  assert.equal(CancelSessionResponse.decode(cancel).is, 'cancelSessionResponseOk');

  const installed = ProfileInstallationResult.decode(await download(isdR, server, eid, second));
  const data = ProfileInstallationResultData.decode(installed.profileInstallationResultData);
  assert.equal(data.finalResult.is, 'successResult');
  assert.deepEqual(await profileStates(isdR), { [first]: 'enabled', [second]: 'disabled' });
  const nickname = await ask(SetNicknameRequest.encode({ iccid: second, profileNickname: 'second' }));
  assert.equal(SetNicknameResponse.decode(nickname).setNicknameResult, 'ok');

  const profile = { profileIdentifier: { is: 'iccid', value: second }, refreshFlag: false } as const;
  assert.equal(
    EnableProfileResponse.decode(await ask(EnableProfileRequest.encode(profile))).enableResult,
    'ok',
  );
  // A selection ends where the enabled profile changes.
  await slot.reset();
  isdR = await openIsdR(slot);
  assert.deepEqual(await profileStates(isdR), { [first]: 'disabled', [second]: 'enabled' });
  assert.equal(
    DisableProfileResponse.decode(await ask(DisableProfileRequest.encode(profile))).disableResult,
    'ok',
  );
  await slot.reset();
  isdR = await openIsdR(slot);
  const remove = DeleteProfileRequest.encode({ is: 'iccid', value: second });
  assert.equal(DeleteProfileResponse.decode(await ask(remove)).deleteResult, 'ok');

  const list = ListNotificationResponse.decode(await ask(ListNotificationRequest.encode({})));
  assert.ok(list.is === 'notificationMetadataList');
  assert.deepEqual(
    list.value.map(({ profileManagementOperation }) => profileManagementOperation),
    [['notificationInstall'], ['notificationEnable'], ['notificationDisable'], ['notificationDelete']],
  );
  const whole = RetrieveNotificationsListResponse.decode(
    await ask(RetrieveNotificationsListRequest.encode({})),
  );
  assert.ok(whole.is === 'notificationList' && whole.value.length === list.value.length);
  for (const { seqNumber } of list.value) {
    const sent = NotificationSentResponse.decode(await ask(NotificationSentRequest.encode({ seqNumber })));
    assert.equal(sent.deleteNotificationStatus, 'ok');
  }
  const reset = await ask(
    EuiccMemoryResetRequest.encode({
      resetOptions: ['deleteOperationalProfiles', 'resetDefaultSmdpAddress'],
    }),
  );
  assert.equal(EuiccMemoryResetResponse.decode(reset).resetResult, 'ok');
}
