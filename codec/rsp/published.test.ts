// Published octets: answers of real cards and the expected messages of other implementations' tests.
import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { encodeTlv } from '../ber-tlv.ts';
import { parseIccid } from '../ids.ts';
import type { AnyType } from '../tlv-table.ts';
import { AuthenticateServerRequest, AuthenticateServerResponse, CtxParams1 } from './authenticate-server.ts';
import {
  EuiccConfiguredAddressesResponse,
  GetRatResponse,
  LoadCRLRequest,
  LoadCRLResponse,
  SetDefaultDpAddressRequest,
} from './configuration.ts';
import { EuiccInfo1, EuiccInfo2, GetEuiccChallengeResponse, GetEuiccDataResponse } from './euicc-info.ts';
import {
  eventOf,
  ListNotificationRequest,
  ListNotificationResponse,
  NotificationMetadata,
  notificationMetadataOf,
  NotificationSentRequest,
  PendingNotification,
  ProfileInstallationResult,
  ProfileInstallationResultData,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from './notifications.ts';
import { CancelSessionResponse, PrepareDownloadResponse, SmdpSigned2 } from './prepare-download.ts';
import { DeleteProfileRequest, EnableProfileRequest, EnableProfileResponse } from './profile-management.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from './profiles.ts';
import { withSignature } from './types.ts';

const CI = '81370F5125D0B1D408D4C3B232E6D25E795BEBFB';

/** Reads published octets and writes them again unchanged. */
function exact<T>(type: { decode(bytes: Uint8Array): T; encode(value: T): Uint8Array }, hex: string): T {
  const value = type.decode(fromHex(hex));
  equal(toHex(type.encode(value)), hex);
  return value;
}

/** A data object written by hand: tag and members in hex. */
function tlv(tag: number, ...members: readonly string[]): string {
  return toHex(encodeTlv(tag, fromHex(members.join(''))));
}

function refused(type: AnyType, hex: string): void {
  throws(
    () => type.decode(fromHex(hex)) as unknown,
    (error) => isAgentError(error),
  );
}

// A consumer eUICC (Eastcompeace) read with AT+CGLA; published in the tests of a QMI client written in Rust.
test('the answers of a consumer eUICC are read and written octet by octet', () => {
  equal(
    exact(GetEuiccDataResponse, 'BF3E125A1089086030202200000026000178339240').eidValue,
    '89086030202200000026000178339240',
  );
  const challenge = exact(GetEuiccChallengeResponse, 'BF2E1280108BCF1BE4ADA9C98AF062987330056103');
  equal(toHex(challenge.euiccChallenge), '8BCF1BE4ADA9C98AF062987330056103');
  const info1 = exact(EuiccInfo1, `BF20358203020202A9160414${CI}AA160414${CI}`);
  equal(info1.svn, '2.2.2');
  deepEqual(info1.euiccCiPKIdListForSigning.map(toHex), [CI]);
  equal(
    exact(EuiccConfiguredAddressesResponse, 'BF3C17811574657374726F6F74736D64732E67736D612E636F6D')
      .rootDsAddress,
    'testrootsmds.gsma.com',
  );
  const info2 = exact(
    EuiccInfo2,
    `BF227E810302030182030202028303040200840D8101008204000279D083020B898505077F3E1F808603090200870302030088020490A9160414${CI}AA160414${CI}8B01009902064004030100000C0D45442D5A492D55502D30383236`,
  );
  equal(info2.profileVersion, '2.3.1');
  deepEqual(info2.rspCapability, ['additionalProfile', 'testProfileSupport']);
  deepEqual(info2.forbiddenProfilePolicyRules, ['ppr1']);
  equal(info2.euiccCategory, 'other');
  equal(info2.uiccCapability.includes('akaTuak256'), true);
  equal(info2.uiccCapability.includes('contactlessSupport'), false);
  equal(info2.sasAcreditationNumber, 'ED-ZI-UP-0826');
});

const ADDRESS = '7762672E70726F642E6F6E64656D616E64636F6E6E65637469766974792E636F6D';
const ICCID = '98583215220524122410';
const metadataHex = (seq: string, event: string) => `BF2F368001${seq}8102${event}0C21${ADDRESS}5A0A${ICCID}`;

test('the notifications of the same card are named and keep their octets', () => {
  const list = exact(
    ListNotificationResponse,
    `BF2881E7A081E4${metadataHex('00', '0780')}${metadataHex('01', '0410')}${metadataHex('02', '0780')}${metadataHex('03', '0640')}`,
  );
  equal(list.is, 'notificationMetadataList');
  if (list.is !== 'notificationMetadataList') return;
  deepEqual(list.value.map(eventOf), [
    'notificationInstall',
    'notificationDelete',
    'notificationInstall',
    'notificationEnable',
  ]);
  equal(list.value[3]?.seqNumber, 3);
  equal(list.value[0]?.iccid, '89852351225042214201');
  const data = `BF277C8010F2E53202F2314318B9D0EBD1D11EF87E${metadataHex('00', '0780')}060E2B0601040181F80201815C646502A21FA01D4F10A0000005591010FFFFFFFF890000120004093007A0053003800100`;
  const signature =
    '2F1D7FC2943917ECBD4C49E10161AB3E9490E53A6D247231BE974AF2E12068F25A9EDDEE897A744635BD27D1E195932C9210669BB4E179706A0E3F0B4636DA94';
  const pir = `BF3781C2${data}5F3740${signature}`;
  const pending = exact(RetrieveNotificationsListResponse, tlv(0xbf2b, tlv(0xa0, pir)));
  equal(pending.is, 'notificationList');
  if (pending.is !== 'notificationList') return;
  equal(toHex(pending.value[0] ?? new Uint8Array(0)), pir);
  equal(toHex(ProfileInstallationResult.decode(fromHex(pir)).profileInstallationResultData), data);
  const result = ProfileInstallationResultData.decode(fromHex(data));
  equal(result.smdpOid, '1.3.6.1.4.1.31746.1.220.100.101.2');
  deepEqual(
    [result.finalResult.is, result.finalResult.is === 'successResult' && result.finalResult.value.aid],
    ['successResult', 'A0000005591010FFFFFFFF8900001200'],
  );
  equal(notificationMetadataOf(fromHex(pir)).notificationAddress, 'wbg.prod.ondemandconnectivity.com');
});

test('a profile list with members of the maker is read, the unknown ones skipped', () => {
  const response = ProfileInfoListResponse.decode(
    fromHex(
      `BF2D81B0A081ADE381AA5A0A${ICCID}4F10A0000005591010FFFFFFFF89000012009F70010191055361696C79920757454242494E47950102` +
        'BF7672E224E116C1149880246500BFD50F1415AF56C705A94E2BB2015AE30ADB080000000000000001' +
        'E224E116C114A8F000988F2C44FA897427E1A740FDE2FF545C19E30ADB080000000000000001' +
        'E224E116C1148204F3D96D0061D88FBD97FC8CE041E9494D6B9BE30ADB080000000000000001',
    ),
  );
  deepEqual(response, {
    is: 'profileInfoListOk',
    value: [
      {
        iccid: '89852351225042214201',
        isdpAid: 'A0000005591010FFFFFFFF8900001200',
        profileState: 'enabled',
        serviceProviderName: 'Saily',
        profileName: 'WEBBING',
        profileClass: 'operational',
      },
    ],
  });
});

// OpenHarmony telephony_core_service, esim_file_test.cpp: an installation result with a sequence number of two octets.
test('an installation result with the OID 2.999.10 is read and written unchanged', () => {
  const hex =
    'BF3781ADBF27678008D14FE1DE62C340D7BF2F3480024C66810207800C1E31302E31302E31322E3136342F64702D706C75732D696E74657266616365' +
    '5A0A98680010203040506080060388370AA21FA01D4F10A0000005591010FFFFFFFF890000120004093007A0053003800100' +
    '5F3740B354AE39D08ACD7EDD7D2D01C73378621F623B832DFA3243489C5B42C90F22014E6C928130D78EE561982EF412AC3D94C04B56F37657DA84FD7BB24DD5634E89';
  const pending = exact(PendingNotification, hex);
  equal(pending.is, 'profileInstallationResult');
  if (pending.is !== 'profileInstallationResult') return;
  const data = exact(ProfileInstallationResultData, toHex(pending.value.profileInstallationResultData));
  equal(data.smdpOid, '2.999.10');
  equal(NotificationMetadata.decode(data.notificationMetadata).seqNumber, 0x4c66);
});

// damonto/euicc-go, v2/es10b_test.go and v2/es10c_test.go.
test('requests are written as other LPAs write them', () => {
  equal(toHex(ListNotificationRequest.encode({})), 'BF2800');
  equal(
    toHex(
      ListNotificationRequest.encode({
        profileManagementOperation: ['notificationInstall', 'notificationDelete'],
      }),
    ),
    'BF280481020490',
  );
  equal(
    toHex(RetrieveNotificationsListRequest.encode({ searchCriteria: { is: 'seqNumber', value: 1 } })),
    'BF2B05A003800101',
  );
  equal(toHex(RetrieveNotificationsListRequest.encode({})), 'BF2B00');
  equal(toHex(NotificationSentRequest.encode({ seqNumber: 128 })), 'BF300480020080');
  equal(toHex(ProfileInfoListRequest.encode({})), 'BF2D00');
  equal(toHex(ProfileInfoListRequest.encode({ tagList: [0x5a, 0x9f70, 0xbf76] })), 'BF2D075C055A9F70BF76');
});

// onomondo/onomondo-ipa, tests/es10b_v12: an empty address removes the configured one.
test('the default address may be empty', () => {
  equal(exact(SetDefaultDpAddressRequest, 'BF3F028000').defaultDpAddress, '');
  equal(exact(SetDefaultDpAddressRequest, 'BF3F03800178').defaultDpAddress, 'x');
});

test('an error code without a name stays visible and can be sent on', () => {
  deepEqual(exact(EnableProfileResponse, 'BF3103800105'), { enableResult: 'catBusy' });
  deepEqual(exact(EnableProfileResponse, 'BF310380012A'), { enableResult: 'code 42' });
});

test('a profile is named by its ICCID or by its ISD-P', () => {
  const iccid = parseIccid('89852351225042214201');
  const byIccid = EnableProfileRequest.encode({
    profileIdentifier: { is: 'iccid', value: iccid },
    refreshFlag: true,
  });
  equal(toHex(byIccid), `BF3111A00C5A0A${ICCID}8101FF`);
  equal(toHex(DeleteProfileRequest.encode({ is: 'iccid', value: iccid })), `BF330C5A0A${ICCID}`);
});

test('BOOLEAN is read as 01 and under its universal tag, and written as FF under its own', () => {
  for (const flag of ['810101', '0101FF', '01017F', '8101FF']) {
    const request = EnableProfileRequest.decode(fromHex(`BF3111A00C5A0A${ICCID}${flag}`));
    equal(request.refreshFlag, true);
    equal(toHex(EnableProfileRequest.encode(request)), `BF3111A00C5A0A${ICCID}8101FF`);
  }
  refused(EnableProfileRequest, `BF3112A00C5A0A${ICCID}8102FFFF`);
});

test('a BIT STRING without its unused-bits octet is refused', () => {
  refused(ListNotificationRequest, 'BF28028100');
  refused(ListNotificationRequest, 'BF2803810180');
  refused(ListNotificationRequest, 'BF28028101');
});

test('a choice is read with and without the tag of its alternative and written with it', () => {
  const profile = tlv(0xe3, tlv(0x5a, ICCID));
  const tagged = tlv(0xbf2d, tlv(0xa0, profile));
  const bare = tlv(0xbf2d, profile);
  deepEqual(ProfileInfoListResponse.decode(fromHex(bare)), ProfileInfoListResponse.decode(fromHex(tagged)));
  equal(toHex(ProfileInfoListResponse.encode(ProfileInfoListResponse.decode(fromHex(bare)))), tagged);
  deepEqual(ProfileInfoListResponse.decode(fromHex('BF2D00')), { is: 'profileInfoListOk', value: [] });
  refused(ProfileInfoListResponse, 'BF2D038C0101');
});

test('server values keep their octets, even with lengths that DER would not use', () => {
  const challenge = '00112233445566778899AABBCCDDEEFF';
  const serverSigned1 = `30812B8001018110${challenge}838101618410${challenge}`;
  const certificate = '30810C300A06082A8648CE3D040302';
  const ctxParams1 = toHex(
    CtxParams1.encode({
      matchingId: 'X',
      deviceInfo: { tac: fromHex('94104502'), deviceCapabilities: { eutranEpcSupportedRelease: '15.0.0' } },
    }),
  );
  equal(ctxParams1, 'A012800158A10D800494104502A10585030F0000');
  const request = exact(
    AuthenticateServerRequest,
    tlv(0xbf38, serverSigned1, tlv(0x5f37, '11'.repeat(64)), tlv(0x04, CI), certificate, ctxParams1),
  );
  equal(toHex(request.serverSigned1), serverSigned1);
  equal(toHex(request.serverCertificate), certificate);
});

test('an object that travels unchanged must be one object with the tag of its place', () => {
  const rest = { euiccSignature2: new Uint8Array(64) };
  for (const euiccSigned2 of ['3100', '30003000', '3001']) {
    throws(
      () =>
        PrepareDownloadResponse.encode({
          is: 'downloadResponseOk',
          value: { euiccSigned2: fromHex(euiccSigned2), ...rest },
        }),
      (error) => isAgentError(error),
      euiccSigned2,
    );
  }
});

test('two certificates with one tag are told apart by their order', () => {
  const [first, second] = ['3003020101', '3003020102'];
  const members = ['3003020100', tlv(0x5f37, '22'.repeat(64)), first];
  const hex = tlv(0xbf38, tlv(0xa0, ...members, second));
  const response = exact(AuthenticateServerResponse, hex);
  equal(response.is, 'authenticateResponseOk');
  if (response.is !== 'authenticateResponseOk') return;
  equal(toHex(response.value.euiccSigned1), '3003020100');
  equal(toHex(response.value.euiccCertificate), first);
  equal(toHex(response.value.eumCertificate), second);
  refused(AuthenticateServerResponse, tlv(0xbf38, tlv(0xa0, ...members)));
});

test('error answers name the code', () => {
  deepEqual(exact(AuthenticateServerResponse, 'BF3808A106800101810107'), {
    is: 'authenticateResponseError',
    value: { transactionId: fromHex('01'), authenticateErrorCode: 'ciPKUnknown' },
  });
  deepEqual(exact(PrepareDownloadResponse, 'BF2108A106800101810105'), {
    is: 'downloadResponseError',
    value: { transactionId: fromHex('01'), downloadErrorCode: 'invalidTransactionId' },
  });
  deepEqual(exact(CancelSessionResponse, 'BF4103810105'), {
    is: 'cancelSessionResponseError',
    value: 'invalidTransactionId',
  });
});

test('smdpSigned2 says whether a confirmation code is needed by a universal BOOLEAN', () => {
  deepEqual(exact(SmdpSigned2, '3006800101010100'), { transactionId: fromHex('01'), ccRequiredFlag: false });
});

test('a signature is covered as a data object of its own', () => {
  equal(toHex(withSignature(fromHex('3000'), fromHex('AABB'))), '30005F3702AABB');
});

test('the rules authorisation table names rules, operators and consent', () => {
  const rule = tlv(0x30, '80020640', tlv(0xa1, tlv(0x30, '800300F110', '810112')), '82020780');
  deepEqual(exact(GetRatResponse, tlv(0xbf43, tlv(0xa0, rule))), {
    rat: [
      {
        pprIds: ['ppr1'],
        allowedOperators: [{ mccMnc: fromHex('00F110'), gid1: fromHex('12') }],
        pprFlags: ['consentRequired'],
      },
    ],
  });
});

test('a CRL is sent under the implicit tag and read with either', () => {
  const crl = fromHex('300B3003020101300003020001');
  equal(toHex(LoadCRLRequest.encode({ crl })), 'BF350DA00B3003020101300003020001');
  deepEqual(LoadCRLRequest.decode(fromHex('BF350D300B3003020101300003020001')), { crl });
});

test('the missing parts of a CRL are read in the form of each version, and written in that of 2.2', () => {
  const missingParts = [{ number: 1 }, { number: 130 }];
  const answer = { is: 'loadCRLResponseOk', value: { missingParts } } as const;
  const written = 'BF350FA00DA00B3003800101300480020082';
  equal(toHex(LoadCRLResponse.encode(answer)), written);
  deepEqual(LoadCRLResponse.decode(fromHex(written)), answer);
  deepEqual(LoadCRLResponse.decode(fromHex('BF350BA009A00702010102020082')), answer);
});
