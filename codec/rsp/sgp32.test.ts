// SGP.32 objects against the expected octets of other implementations' tests.
import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { encodeTlv } from '../ber-tlv.ts';
import type { Eid } from '../ids.ts';
import { GetCertsResponse } from './euicc-info.ts';
import { EimAcknowledgements, IpaEuiccDataResponse, ProfileDownloadTriggerResult } from './sgp32-data.ts';
import { AddInitialEimRequest, AddInitialEimResponse, GetEimConfigurationDataRequest } from './sgp32-eim.ts';
import { RetrieveNotificationsListRequest } from './notifications.ts';
import {
  GetEimPackageRequest,
  HandleNotificationEsipa,
  ProvideEimPackageResult,
  ProvideEimPackageResultResponse,
  TransferEimPackageResponse,
} from './sgp32-esipa.ts';
import {
  EuiccPackageRequest,
  EuiccPackageResult,
  EuiccPackageResultDataSigned,
  EuiccPackageSigned,
  packageSignatureInput,
} from './sgp32-package.ts';
import {
  ConfigureImmediateProfileEnablingRequest,
  ConfigureImmediateProfileEnablingResponse,
  DisableEmergencyProfileRequest,
  EnableEmergencyProfileResponse,
  ExecuteFallbackMechanismRequest,
  ExecuteFallbackMechanismResponse,
  GetConnectivityParametersResponse,
  IpaeActivationRequest,
  IpaeActivationResponse,
  ProfileRollbackResponse,
  ReturnFromFallbackResponse,
} from './sgp32-profile.ts';

type Codec<T> = { decode(bytes: Uint8Array): T; encode(value: T): Uint8Array };

function exact<T>(type: Codec<T>, hex: string): T {
  const value = type.decode(fromHex(hex));
  equal(toHex(type.encode(value)), hex);
  return value;
}

function tlv(tag: number, ...members: readonly string[]): string {
  return toHex(encodeTlv(tag, fromHex(members.join(''))));
}

// The source has hex digits in it, which an EID cannot have.
const EID = '00010203040506070809101112131415';

// onomondo/onomondo-ipa, tests/es10b_v12/es10b_v12_test.c.
test('the functions that an IPA calls by itself have the octets of onomondo-ipa', () => {
  deepEqual(exact(ExecuteFallbackMechanismRequest, 'BF5D038001FF'), { refreshFlag: true });
  deepEqual(exact(ExecuteFallbackMechanismRequest, 'BF5D03800100'), { refreshFlag: false });
  deepEqual(exact(ExecuteFallbackMechanismResponse, 'BF5D03800168'), {
    executeFallbackMechanismResult: 'ecallActive',
  });
  deepEqual(exact(ReturnFromFallbackResponse, 'BF5E03800106'), {
    returnFromFallbackResult: 'fallbackNotAvailable',
  });
  deepEqual(exact(DisableEmergencyProfileRequest, 'BF5C03800100'), { refreshFlag: false });
  deepEqual(exact(EnableEmergencyProfileResponse, 'BF5B03800108'), {
    enableEmergencyProfileResult: 'ecallNotAvailable',
  });
  deepEqual(exact(GetConnectivityParametersResponse, 'BF5F07A0058103AABBCC'), {
    is: 'connectivityParameters',
    value: { httpParams: fromHex('AABBCC') },
  });
  deepEqual(exact(GetConnectivityParametersResponse, 'BF5F03810101'), {
    is: 'connectivityParametersError',
    value: 'parametersNotAvailable',
  });
  deepEqual(exact(ConfigureImmediateProfileEnablingRequest, 'BF5909800081028837820178'), {
    immediateEnableFlag: true,
    defaultSmdpOid: '2.999',
    defaultSmdpAddress: 'x',
  });
  deepEqual(exact(ConfigureImmediateProfileEnablingResponse, 'BF5903800102'), {
    configImmediateEnableResult: 'associatedEimAlreadyExists',
  });
  deepEqual(exact(IpaeActivationRequest, 'BF420480020780'), { ipaeOption: ['activateIpae'] });
  deepEqual(exact(IpaeActivationResponse, 'BF4203800101'), { ipaeActivationResult: 'notSupported' });
});

// onomondo/onomondo-ipa, tests/esipa_v12/esipa_v12_test.c.
test('ESipa messages have the octets of onomondo-ipa', () => {
  const provided = exact(ProvideEimPackageResult, `BF501C5A10${EID}A0088003AABBCC020102`);
  equal(provided.eimPackageResultResponseError?.eimPackageResultErrorCode, 'unknownPackage');
  equal(
    exact(ProfileDownloadTriggerResult, 'BF540A8203AABBCC300380017F').profileDownloadError
      ?.profileDownloadErrorReason,
    'undefinedError',
  );
  deepEqual(exact(IpaEuiccDataResponse, 'BF520AA0088101788703AABBCC'), {
    is: 'ipaEuiccData',
    value: { defaultSmdpAddress: 'x', eimTransactionId: fromHex('AABBCC') },
  });
  const handled = exact(HandleNotificationEsipa, 'BF3D15A013A111BF2F0A800107810206400C01615F3701EE');
  equal(handled.is === 'pendingNotification' && handled.value.is, 'compactOtherSignedNotification');
  deepEqual(exact(GetEimPackageRequest, `BF4F175A10${EID}8000810101`), {
    eidValue: EID,
    notifyStateChange: true,
    stateChangeCause: 'fallback',
  });
  deepEqual(exact(ProvideEimPackageResultResponse, 'BF5006BF5303800105'), {
    is: 'eimAcknowledgements',
    value: fromHex('BF5303800105'),
  });
  deepEqual(EimAcknowledgements.decode(fromHex('BF5303800105')), [{ is: 'sequenceNumber', value: 5 }]);
  deepEqual(exact(ProvideEimPackageResultResponse, 'BF50023000'), { is: 'emptyResponse', value: {} });
  deepEqual(exact(ProvideEimPackageResultResponse, 'BF500302017F'), {
    is: 'provideEimPackageResultError',
    value: 'undefinedError',
  });
});

test('a notification of an IPA of version 1.0 follows without a tag of its own', () => {
  const notification = tlv(0x30, 'BF2F0A800107810206400C0161', tlv(0x5f37, 'EE'), '3003020101', '3003020102');
  const tagged = tlv(0xbf3d, tlv(0xa0, notification));
  deepEqual(
    HandleNotificationEsipa.decode(fromHex(tlv(0xbf3d, notification))),
    exact(HandleNotificationEsipa, tagged),
  );
});

/** The package that the signature of onomondo-eim was checked with, signature aside. */
const packageSigned = (package_: string) =>
  tlv(0x30, '800365494D', tlv(0x5a, EID), '810105', tlv(0x82, '11'.repeat(16)), package_);

test('a package is a list of profile state management operations, its signature covers the token too', () => {
  const signed = packageSigned('A003BF2D00');
  equal(signed.slice(0, 4), '3031');
  deepEqual(exact(EuiccPackageSigned, signed), {
    eimId: 'eIM',
    eidValue: EID as Eid,
    counterValue: 5,
    eimTransactionId: fromHex('11'.repeat(16)),
    psmoList: [{ is: 'listProfileInfo', value: {} }],
  });
  equal(toHex(packageSignatureInput(fromHex(signed), 1)), `${signed}840101`);
  equal(toHex(packageSignatureInput(fromHex(signed), 128)), `${signed}84020080`);
  const request = exact(EuiccPackageRequest, tlv(0xbf51, signed, tlv(0x5f37, '11'.repeat(64))));
  equal(toHex(request.euiccPackageSigned), signed);
});

test('operations carry their flags', () => {
  const iccid = '5A0A98583215220524122410';
  const list = tlv(
    0xa0,
    tlv(0xa3, iccid, '0500'),
    tlv(0xa4, iccid),
    tlv(0xa5, iccid),
    'A600',
    'A700',
    'A900',
  );
  const value = exact(EuiccPackageSigned, packageSigned(list));
  deepEqual(
    value.psmoList?.map((psmo) => psmo.is),
    ['enable', 'disable', 'delete', 'getRAT', 'configureImmediateEnable', 'unsetFallbackAttribute'],
  );
  deepEqual(value.psmoList?.[0], {
    is: 'enable',
    value: { iccid: '89852351225042214201', rollbackFlag: true },
  });
  deepEqual(
    exact(EuiccPackageSigned, packageSigned(tlv(0xa1, tlv(0xa9, '800178'), 'AB00'))).ecoList?.map(
      (eco) => eco.is,
    ),
    ['deleteEim', 'listEim'],
  );
});

test('a result is read with and without the tag of its alternative', () => {
  const data = tlv(
    0x30,
    '800365494D',
    '810105',
    '830107',
    tlv(0x30, '830100', tlv(0xa8, '020100'), tlv(0xa8, '840102'), '020103'),
  );
  const members = `${data}${tlv(0x5f37, '33'.repeat(64))}`;
  const tagged = tlv(0xbf51, tlv(0xa0, members));
  const result = exact(EuiccPackageResult, tagged);
  deepEqual(EuiccPackageResult.decode(fromHex(tlv(0xbf51, members))), result);
  deepEqual(exact(EuiccPackageResultDataSigned, data).euiccResult, [
    { is: 'enableResult', value: 'ok' },
    { is: 'addEimResult', value: { is: 'addEimResultCode', value: 'ok' } },
    { is: 'addEimResult', value: { is: 'associationToken', value: 2 } },
    { is: 'processingTerminated', value: 'interruption' },
  ]);
  deepEqual(exact(EuiccPackageResult, tlv(0xbf51, tlv(0xa2, '800365494D', '840101'))), {
    is: 'euiccPackageErrorUnsigned',
    value: { eimId: 'eIM', associationToken: 1 },
  });
});

test('certificates are read under the implicit tag and with their own inside', () => {
  const [eum, euicc] = ['300B3003020101300003020001', '300B3003020102300003020001'];
  const implicit = tlv(0xbf56, tlv(0xa0, tlv(0xa5, eum.slice(4)), tlv(0xa6, euicc.slice(4))));
  const expected = {
    is: 'certs' as const,
    value: { eumCertificate: fromHex(eum), euiccCertificate: fromHex(euicc) },
  };
  deepEqual(exact(GetCertsResponse, implicit), expected);
  deepEqual(
    GetCertsResponse.decode(fromHex(tlv(0xbf56, tlv(0xa0, tlv(0xa5, eum), tlv(0xa6, euicc))))),
    expected,
  );
  deepEqual(GetCertsResponse.decode(fromHex(tlv(0xbf56, tlv(0xa5, eum), tlv(0xa6, euicc)))), expected);
  throws(
    () =>
      GetCertsResponse.encode({
        is: 'certs',
        value: { eumCertificate: fromHex('0401'), euiccCertificate: fromHex(euicc) },
      }),
    (error) => isAgentError(error),
  );
});

test('an association token of -1 asks for a new one', () => {
  const request = exact(AddInitialEimRequest, tlv(0xbf57, tlv(0xa0, tlv(0x30, '800365494D', '8401FF'))));
  equal(request.eimConfigurationDataList[0]?.associationToken, -1);
  deepEqual(exact(AddInitialEimResponse, 'BF5707A0058401020500'), {
    is: 'addInitialEimOk',
    value: [
      { is: 'associationToken', value: 2 },
      { is: 'addOk', value: true },
    ],
  });
});

test('a rollback answers with a result of its own', () => {
  const result = tlv(0xbf51, tlv(0xa2, '800365494D'));
  const response = exact(ProfileRollbackResponse, tlv(0xbf58, '020100', result));
  equal(response.cmdResult, 'ok');
  equal(toHex(response.eUICCPackageResult ?? new Uint8Array(0)), result);
});

test('requests are read without the object around their criteria or list too', () => {
  const criteria = exact(GetEimConfigurationDataRequest, 'BF5505A003800161');
  deepEqual(GetEimConfigurationDataRequest.decode(fromHex('BF5503800161')), criteria);
  const one = exact(RetrieveNotificationsListRequest, 'BF2B05A003800107');
  deepEqual(RetrieveNotificationsListRequest.decode(fromHex('BF2B03800107')), one);
  const results = exact(RetrieveNotificationsListRequest, 'BF2B04A0028200');
  deepEqual(RetrieveNotificationsListRequest.decode(fromHex('BF2B028200')), results);
  const list = exact(AddInitialEimRequest, 'BF5709A0073005800365494D');
  deepEqual(AddInitialEimRequest.decode(fromHex('BF57073005800365494D')), list);
});

test('a device says which package it means', () => {
  deepEqual(exact(TransferEimPackageResponse, 'BF4E0BBF6108A00380010181017F'), {
    is: 'eimPackageErrorWithCid',
    value: {
      correlationId: { is: 'eimTransactionId', value: fromHex('01') },
      eimPackageError: 'undefinedError',
    },
  });
  deepEqual(exact(TransferEimPackageResponse, 'BF4E03BF6000'), {
    is: 'eimPackageReceivedWithCid',
    value: {},
  });
});

test('an unsigned error of version 1.3 says why', () => {
  const error = exact(EuiccPackageResult, 'BF5108A2068001658F010F');
  deepEqual(error, {
    is: 'euiccPackageErrorUnsigned',
    value: { eimId: 'e', euiccPackageUnsignedErrorCode: 'sizeOverflow' },
  });
});
