// Fallback, emergency profile, immediate enabling, connectivity parameters, memory reset, and what the card tells of itself.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { EuiccInfo2, GetCertsRequest, GetCertsResponse } from '../../codec/rsp/euicc-info.ts';
import { GetEimConfigurationDataResponse } from '../../codec/rsp/sgp32-eim.ts';
import { decodeProfilePackage, encodeProfilePackage } from '../../codec/saip/package.ts';
import { AID_ISD_R, encodeAid } from '../../codec/ids.ts';
import {
  A,
  B,
  deleteOf,
  disableOf,
  enableOf,
  type IotRig,
  iccidObject,
  iotRig,
  P,
  packageRequest,
  readAnswer,
  withRefresh,
} from '../testing/eim.ts';
import { createTestPki, TEST_DP_OID } from '../testing/pki.ts';
import { profileStates, signedNotifications } from '../testing/results.ts';
import { SERVER_ADDRESS } from '../testing/sm-dp.ts';
import { openIsdR, raw, selectAid, TERMINAL_PROFILE } from '../testing/terminal.ts';
import { createWorld, ec, install, sampleMetadata, samplePackage } from '../testing/world.ts';

const EXECUTE = withRefresh(0xbf5d, false);
const RETURN = withRefresh(0xbf5e, false);
const EMERGENCY_ON = withRefresh(0xbf5b, false);
const EMERGENCY_OFF = withRefresh(0xbf5c, false);
const IMMEDIATE = withRefresh(0xbf5a, false);
const result = (tag: string, code: string): string => `${tag}038001${code}`;

async function enabled(rig: IotRig): Promise<string | undefined> {
  return Object.entries(await profileStates(rig.isdR)).find(([, state]) => state === 'enabled')?.[0];
}

const fallbackToA = { is: 'setFallbackAttribute', value: { iccid: A } } as const;

describe('the fallback mechanism', () => {
  test('enables the fallback profile and goes back, over restarts, with the notifications of both', async () => {
    const rig = await iotRig({ a: { fallbackAllowed: true } });
    assert.equal(await rig.ask(EXECUTE), result('BF5D', '06'));
    assert.equal(await rig.ask(RETURN), result('BF5E', '06'));
    await rig.psmo(fallbackToA);
    await rig.restart();
    assert.equal(await rig.ask(EXECUTE), result('BF5D', '00'));
    assert.equal(await rig.ask(EXECUTE), result('BF5D', '02'));
    await rig.restart();
    assert.equal(await enabled(rig), A);
    assert.equal(await rig.ask(RETURN), result('BF5E', '00'));
    assert.equal(await rig.ask(RETURN), result('BF5E', '06'));
    assert.equal(await enabled(rig), P);
    assert.deepEqual(
      (await signedNotifications(rig.world, rig.isdR)).map((line) => line.slice(2)),
      [
        `notificationDisable ${P}`,
        `notificationEnable ${A}`,
        `notificationDisable ${A}`,
        `notificationEnable ${P}`,
      ],
    );
  });

  test('has no way back after another change', async () => {
    const rig = await iotRig({ a: { fallbackAllowed: true } });
    await rig.psmo(fallbackToA);
    await rig.ask(EXECUTE);
    await rig.psmo(enableOf(B));
    await rig.psmo(enableOf(A));
    assert.equal(await rig.ask(RETURN), result('BF5E', '06'));
  });

  test('names that nothing is enabled, that an emergency call is on, and that the terminal is busy', async () => {
    const rig = await iotRig({ a: { fallbackAllowed: true }, b: { ecallIndication: true } });
    await rig.psmo(fallbackToA);
    await rig.ask(EMERGENCY_ON);
    assert.equal(await rig.ask(EXECUTE), result('BF5D', '68'));
    await rig.ask(EMERGENCY_OFF);
    await rig.ask(`BF3111A00C${iccidObject(B)}8101FF`);
    assert.equal(await rig.ask(EXECUTE), result('BF5D', '05'));
    const none = await iotRig({ a: { fallbackAllowed: true } });
    await none.psmo(fallbackToA, disableOf(P));
    assert.equal(await none.ask(EXECUTE), result('BF5D', '07'));
  });

  test('asks for a REFRESH when it shall', async () => {
    const rig = await iotRig({ a: { fallbackAllowed: true } });
    await raw(rig.world.card, TERMINAL_PROFILE);
    await rig.psmo(fallbackToA);
    await rig.isdR.es10(fromHex(EXECUTE));
    assert.equal((await rig.isdR.send(fromHex('BF5F00'))).sw, 0x9000);
    assert.equal((await rig.isdR.send(fromHex(withRefresh(0xbf5e, true)))).sw, 0x910b);
  });
});

describe('the emergency profile', () => {
  test('is enabled without a word to anybody, stays over a restart, and goes again', async () => {
    const rig = await iotRig({ a: { ecallIndication: true } });
    assert.equal(await rig.ask(EMERGENCY_OFF), result('BF5C', '02'));
    assert.equal(await rig.ask(EMERGENCY_ON), result('BF5B', '00'));
    assert.equal(await rig.ask(EMERGENCY_ON), result('BF5B', '02'));
    await rig.restart();
    assert.equal(await enabled(rig), A);
    assert.equal(await rig.ask('BF6404820206C0'), 'BF6403800168');
    assert.equal(await rig.ask(EMERGENCY_OFF), result('BF5C', '00'));
    assert.equal(await enabled(rig), P);
    assert.deepEqual(await signedNotifications(rig.world, rig.isdR), []);
  });

  test('is not there, or the terminal is busy', async () => {
    assert.equal(await (await iotRig()).ask(EMERGENCY_ON), result('BF5B', '08'));
    const rig = await iotRig({ a: { ecallIndication: true } });
    await rig.ask(`BF3111A00C${iccidObject(B)}8101FF`);
    assert.equal(await rig.ask(EMERGENCY_ON), result('BF5B', '05'));
    const called = await iotRig({ a: { ecallIndication: true } });
    await called.ask(EMERGENCY_ON);
    await called.ask(`BF3111A00C${iccidObject(B)}8101FF`);
    assert.equal(await called.ask(EMERGENCY_OFF), result('BF5C', '05'));
  });
});

describe('immediate enabling', () => {
  const configured = (oid?: string) =>
    ({
      is: 'configureImmediateEnable',
      value: {
        immediateEnableFlag: true,
        defaultSmdpAddress: SERVER_ADDRESS,
        ...(oid === undefined ? {} : { defaultSmdpOid: oid }),
      },
    }) as const;
  const rigWithoutA = () =>
    iotRig({
      profiles: [
        {
          upp: samplePackage(P),
          metadata: sampleMetadata(P, { profileClass: 'provisioning' }),
          enabled: true,
        },
      ],
    });

  test('enables what the default SM-DP+ has just installed, once', async () => {
    const rig = await rigWithoutA();
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '01'));
    assert.deepEqual((await rig.psmo(configured(TEST_DP_OID))).results, ['870100']);
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '04'));
    await install(rig.world, rig.isdR);
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '00'));
    assert.equal(await enabled(rig), A);
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '04'));
  });

  test('is not for another SM-DP+, nor after a restart or a new session, nor when it was switched off', async () => {
    const rig = await rigWithoutA();
    await rig.psmo(configured('2.999.11'));
    await install(rig.world, rig.isdR);
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '01'));
    await rig.psmo(configured(TEST_DP_OID));
    await rig.ask('BF65068004656C7365');
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '01'));
    await rig.psmo(configured());
    await rig.ask('BF2E00');
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '04'));
    await rig.psmo(deleteOf(A));
    await install(rig.world, rig.isdR, { transactionId: fromHex('0B') });
    await rig.restart();
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '04'));
    await rig.psmo({ is: 'configureImmediateEnable', value: {} });
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '01'));
  });

  test('names a terminal that is busy and a profile that may not be left', async () => {
    const rig = await rigWithoutA();
    await rig.psmo(configured());
    await install(rig.world, rig.isdR);
    await rig.ask(`BF3111A00C${iccidObject(A)}8101FF`);
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '05'));
    const bound = await iotRig({
      profiles: [
        {
          upp: samplePackage(P),
          metadata: sampleMetadata(P, { profileClass: 'provisioning', profilePolicyRules: ['ppr1'] }),
          enabled: true,
        },
      ],
    });
    await bound.psmo(configured());
    await install(bound.world, bound.isdR);
    assert.equal(await bound.ask(IMMEDIATE), result('BF5A', '7F'));
    assert.equal(await enabled(bound), P);
  });

  test('is configured by the owner of a card without an eIM, and by no one else', async () => {
    const { card } = await createWorld();
    const isdR = await openIsdR(card);
    const configure = fromHex('BF5909800081028837820178');
    assert.equal(toHex(await isdR.es10(configure)), result('BF59', '00'));
    assert.match(toHex(await isdR.es10(fromHex('BF3C00'))), /^BF3C..800178/);
    const rig = await iotRig();
    assert.equal(await rig.ask('BF59028000'), result('BF59', '02'));
  });
});

describe('connectivity parameters', () => {
  const withParameters = (hex?: string): Uint8Array => {
    const elements = decodeProfilePackage(samplePackage(A));
    const [header, ...rest] = elements;
    assert.ok(header?.type === 'header');
    const value =
      hex === undefined ? header.value : { ...header.value, connectivityParameters: fromHex(hex) };
    return encodeProfilePackage([{ ...header, value }, ...rest]);
  };
  const answer = async (hex?: string): Promise<string> => {
    const { card } = await createWorld({
      profiles: [{ upp: withParameters(hex), metadata: sampleMetadata(A), enabled: true }],
    });
    return toHex(await (await openIsdR(card)).es10(fromHex('BF5F00')));
  };

  test('are those of the enabled profile', async () => {
    assert.equal(await answer('A0028100A10447020361'), 'BF5F08A006810447020361');
    assert.equal(await answer('47020361'), 'BF5F08A006810447020361');
    assert.equal(await answer('8'.repeat(2)), 'BF5F05A003810188');
    assert.equal(await answer(), 'BF5F03810101');
  });

  test('are none where no profile is enabled', async () => {
    const { card } = await createWorld({ profiles: [] });
    assert.equal(toHex(await (await openIsdR(card)).es10(fromHex('BF5F00'))), 'BF5F03810101');
  });
});

describe('a memory reset of an IoT eUICC', () => {
  const reset = (bits: string): string => `BF64048202${bits}`;

  test('deletes the profiles of each class that is named', async () => {
    const rig = await iotRig({ b: { profileClass: 'test' } });
    assert.equal(await rig.ask(reset('0640')), 'BF6403800101');
    assert.equal(await rig.ask(reset('0410')), 'BF6403800100');
    assert.deepEqual(Object.keys(await profileStates(rig.isdR)), [P, A]);
    assert.equal(await rig.ask(reset('0780')), 'BF6403800100');
    assert.deepEqual(Object.keys(await profileStates(rig.isdR)), [P]);
    assert.equal(await rig.ask(reset('0308')), 'BF6403800100');
    assert.deepEqual(await profileStates(rig.isdR), {});
    await rig.restart();
    assert.deepEqual(await profileStates(rig.isdR), {});
  });

  test('forgets eIMs, default address and immediate enabling, each with its result', async () => {
    const rig = await iotRig();
    await rig.ask('BF65068004656C7365');
    assert.equal(await rig.ask(reset('0520')), 'BF6403800100');
    assert.equal(await rig.ask(reset('0520')), 'BF6403800101');
    assert.equal(await rig.ask(reset('0204')), 'BF6406800100810100');
    assert.deepEqual(
      GetEimConfigurationDataResponse.decode(await rig.isdR.es10(fromHex('BF5500'))).eimConfigurationDataList,
      [],
    );
    assert.equal(await rig.ask(reset('0204')), 'BF6406800101810101');
    assert.equal(await rig.ask('BF59028000'), result('BF59', '00'));
    assert.equal(await rig.ask(reset('0102')), 'BF6406800100820100');
    assert.equal(await rig.ask(IMMEDIATE), result('BF5A', '01'));
  });

  test('asks for a REFRESH when the enabled profile goes, and only then', async () => {
    const rig = await iotRig();
    await raw(rig.world.card, TERMINAL_PROFILE);
    assert.equal((await rig.isdR.send(fromHex(reset('0780')))).sw, 0x9000);
    assert.equal((await rig.isdR.send(fromHex(reset('0308')))).sw, 0x910b);
  });

  test('waits while the terminal is busy', async () => {
    const rig = await iotRig();
    await rig.ask(`BF3111A00C${iccidObject(B)}8101FF`);
    assert.equal(await rig.ask(reset('0780')), 'BF6403800105');
  });
});

describe('an IoT eUICC says of itself', () => {
  test('which version of SGP.32 it has, and what it can do', async () => {
    const isdR = await openIsdR((await createWorld()).card);
    const { iotSpecificInfo, ipaMode } = EuiccInfo2.decode(await isdR.es10(fromHex('BF2200')));
    assert.deepEqual(iotSpecificInfo, {
      iotVersion: ['1.2.0'],
      ecallSupported: true,
      fallbackSupported: true,
    });
    assert.equal(ipaMode, 'ipad');
  });

  test('that no IPA in the eUICC can be activated', async () => {
    const isdR = await openIsdR((await createWorld()).card);
    assert.equal(toHex(await isdR.es10(fromHex('BF420480020780'))), 'BF4203800101');
  });

  test('whether a profile is enabled, when its ISD-R is selected', async () => {
    const fci = async (profiles?: []): Promise<string> => {
      const { card } = await createWorld(profiles === undefined ? {} : { profiles });
      return toHex((await selectAid(card, encodeAid(AID_ISD_R))).data).slice(-12);
    };
    assert.equal(await fci(), 'E10480020640');
    assert.equal(await fci([]), '02E103800100');
  });
});

describe('with two chains', () => {
  const first = createTestPki(ec);
  const second = createTestPki(ec, 'brainpoolP256r1', 'Other CI');
  const cardOfBoth = {
    pki: first,
    ciCertificates: [first.ci.raw, second.ci.raw],
    furtherCredentials: [
      {
        euiccCertificate: second.euicc.certificate,
        eumCertificate: second.eum.certificate,
        euiccPrivateKey: second.euicc.pair.privateKey,
      },
    ],
  };

  test('GetCerts answers the chain below the CI that is named, the first one without a name', async () => {
    const isdR = await openIsdR((await createWorld(cardOfBoth)).card);
    const certs = async (euiccCiPKId?: Uint8Array) => {
      const request = GetCertsRequest.encode(euiccCiPKId === undefined ? {} : { euiccCiPKId });
      return GetCertsResponse.decode(await isdR.es10(request));
    };
    const chain = ({ eum, euicc }: typeof first) => ({
      is: 'certs',
      value: { eumCertificate: eum.certificate, euiccCertificate: euicc.certificate },
    });
    assert.deepEqual(await certs(), chain(first));
    assert.deepEqual(await certs(second.ciPKId), chain(second));
    assert.deepEqual(await certs(fromHex('0102')), { is: 'getCertsError', value: 'invalidCiPKId' });
  });

  test('results are signed under the CI that the eIM has named', async () => {
    const rig = await iotRig(cardOfBoth, { euiccCiPKId: second.ciPKId });
    await assert.rejects(rig.psmo(), /signature/);
    const request = packageRequest(rig.eim, { psmoList: [] });
    const other = { ...rig.world, pki: second };
    assert.equal(readAnswer(other, await rig.isdR.es10(request), 0).is, 'signed');
    assert.equal(readAnswer(other, await rig.isdR.es10(request), 0).code, 4);
  });
});
