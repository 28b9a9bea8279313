// PK.ECASD.ECKA on the card: handed out with its certificate, and taken for a download that names it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { readOnly } from '../codec/ber-tlv.ts';
import { type CommandApdu, withChannel } from '../codec/apdu.ts';
import { AID_ECASD, encodeAid } from '../codec/ids.ts';
import { NotificationMetadata } from '../codec/rsp/notifications.ts';
import {
  PrepareDownloadRequest,
  PrepareDownloadResponse,
  SmdpSigned2,
} from '../codec/rsp/prepare-download.ts';
import { createScp03Host } from '../crypto/scp03-host.ts';
import { verifyEcasdCertificate } from '../crypto/chain.ts';
import { issueCertificate, KEY_USAGE } from '../crypto/x509.ts';
import type { PersonalisedModule } from './security-modules.ts';
import { createTestPki, type Held, TEST_EID, type TestPki } from './testing/pki.ts';
import { bindProfile, euiccOtpkOf, SERVER_ADDRESS } from './testing/sm-dp.ts';
import { resultOf } from './testing/results.ts';
import { exchange, type IsdRChannel, isdRChannel, openIsdR, selectAid } from './testing/terminal.ts';
import {
  createWorld,
  ec,
  ICCID_A,
  ICCID_B,
  install,
  ISD_R_KEYS,
  prepare,
  sampleMetadata,
  samplePackage,
  type World,
} from './testing/world.ts';

const AT = Date.UTC(2026, 5, 1);
const EUM = { country: 'XX', organization: 'Test EUM', commonName: 'EUM' };

function staticKey(
  pki: TestPki,
  change: { readonly serialNumber?: string; readonly keyUsage?: readonly number[] } = {},
): PersonalisedModule {
  const key = ec.generate(pki.curve);
  const certificate = issueCertificate(
    ec,
    { name: EUM, ...pki.eum.pair },
    {
      serialNumber: fromHex('4501'),
      subject: { ...EUM, serialNumber: change.serialNumber ?? TEST_EID, commonName: 'ECASD' },
      curve: key.curve,
      publicKey: key.publicKey,
      notBefore: AT - 1000,
      notAfter: AT + 1000,
      keyUsage: change.keyUsage ?? [KEY_USAGE.keyAgreement],
    },
  );
  return { key, certificate };
}

async function ecasdData({ card }: World, p1p2: number): Promise<{ sw: number; data: Uint8Array }> {
  await selectAid(card, encodeAid(AID_ECASD));
  return exchange(card, {
    cla: 0x80,
    ins: 0xca,
    p1: p1p2 >> 8,
    p2: p1p2 & 0xff,
    data: new Uint8Array(0),
    le: 256,
  });
}

const finalOf = (world: World, result: Uint8Array): string => resultOf(world, result).finalResult.is;

test('the ECASD hands out CERT.ECASD.ECKA, which verifies below the EUM for this EID', async () => {
  const pki = createTestPki(ec);
  const made = staticKey(pki);
  const world = await createWorld({ pki, securityModules: [made] });
  const { data, sw } = await ecasdData(world, 0x7f21);
  assert.equal(sw, 0x9000);
  const { checks } = verifyEcasdCertificate(
    ec,
    { ecasdCertificate: readOnly(data, 0x7f21).value, eumCertificate: pki.eum.certificate, eid: TEST_EID },
    { crls: [], at: AT },
  );
  assert.deepEqual(
    checks.filter(({ ok }) => !ok),
    [],
  );
  assert.equal(checks.length, 6);
});

test('an ECASD without a static key has no certificate', async () => {
  assert.equal((await ecasdData(await createWorld(), 0x7f21)).sw, 0x6a88);
});

for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
  test(`profiles bound to the static key install, one after the other, on ${curve}`, async () => {
    const pki = createTestPki(ec, curve);
    const made = staticKey(pki);
    const world = await createWorld({ pki, securityModules: [made] });
    const isdR = await openIsdR(world.card);
    for (const iccid of [ICCID_A, ICCID_B]) {
      const bppEuiccOtpk = made.key.publicKey;
      const { boundProfilePackage, euiccOtpk } = await prepare(world, isdR, { iccid }, { bppEuiccOtpk });
      assert.equal(toHex(euiccOtpk), toHex(bppEuiccOtpk));
      assert.equal(finalOf(world, await isdR.load(boundProfilePackage)), 'successResult');
    }
  });
}

test('a static key that is not this card’s gets a one-time key for an answer', async () => {
  const pki = createTestPki(ec);
  const [mine, other] = [staticKey(pki), staticKey(pki)];
  const world = await createWorld({ pki, securityModules: [mine] });
  const isdR = await openIsdR(world.card);
  const { euiccOtpk } = await prepare(world, isdR, {}, { bppEuiccOtpk: other.key.publicKey });
  assert.notEqual(toHex(euiccOtpk), toHex(other.key.publicKey));
  assert.notEqual(toHex(euiccOtpk), toHex(mine.key.publicKey));
});

test('a package for the static key does not install in a session that agreed on a one-time key', async () => {
  const pki = createTestPki(ec);
  const made = staticKey(pki);
  const world = await createWorld({ pki, securityModules: [made] });
  const isdR = await openIsdR(world.card);
  const wanted = await prepare(world, isdR, {}, { bppEuiccOtpk: made.key.publicKey });
  await prepare(world, isdR);
  assert.equal(finalOf(world, await isdR.load(wanted.boundProfilePackage)), 'errorResult');
  assert.equal(finalOf(world, await install(world, isdR)), 'successResult');
});

test('no card is made with a key, an EID or a usage that its certificate does not have', async () => {
  const pki = createTestPki(ec);
  const wrong: readonly PersonalisedModule[] = [
    { ...staticKey(pki), key: ec.generate('P-256') },
    staticKey(pki, { serialNumber: '89049032000000000000000000000163' }),
    staticKey(pki, { keyUsage: [KEY_USAGE.digitalSignature] }),
  ];
  for (const each of wrong) {
    await assert.rejects(createWorld({ pki, securityModules: [each] }), (thrown) =>
      isAgentError(thrown, 'KEY_INVALID', 'CERTIFICATE_INVALID'),
    );
  }
});

test('a certificate of another EUM, EID, usage or time is told by its own check', async () => {
  const [pki, strange] = [createTestPki(ec), createTestPki(ec)];
  const failed = (made: PersonalisedModule, at = AT): string[] =>
    verifyEcasdCertificate(
      ec,
      { ecasdCertificate: made.certificate, eumCertificate: pki.eum.certificate, eid: TEST_EID },
      { crls: [], at },
    )
      .checks.filter(({ ok }) => !ok)
      .map(({ name }) => name);
  assert.deepEqual(failed(staticKey(pki)), []);
  assert.deepEqual(failed(staticKey(strange)), ['ECASD certificate signature']);
  assert.deepEqual(failed(staticKey(pki), AT + 5000), ['ECASD validity dates']);
  assert.deepEqual(failed(staticKey(pki, { serialNumber: '89049032000000000000000000000163' })), [
    'ECASD EID',
  ]);
  assert.deepEqual(failed(staticKey(pki, { serialNumber: '89000000000000000000000000000000' })), [
    'ECASD EID range of the EUM',
    'ECASD EID',
  ]);
  for (const keyUsage of [
    [KEY_USAGE.digitalSignature],
    [KEY_USAGE.digitalSignature, KEY_USAGE.keyAgreement],
  ]) {
    assert.deepEqual(failed(staticKey(pki, { keyUsage })), ['ECASD key usage']);
  }
});

describe('without a server, under the management keys', () => {
  const TRANSACTION = new Uint8Array(16).fill(0x77);

  async function secured({ card }: World): Promise<IsdRChannel> {
    const plain = await openIsdR(card);
    const host = createScp03Host({
      keys: ISD_R_KEYS,
      keyVersion: ISD_R_KEYS.kvn,
      level: 0x03,
      hostChallenge: new Uint8Array(8).fill(7),
    });
    const send = (command: CommandApdu) =>
      exchange(card, { ...command, cla: withChannel(command.cla, plain.channel) });
    host.accept((await send(host.initializeUpdate)).data);
    assert.equal((await send(host.externalAuthenticate())).sw, 0x9000);
    return isdRChannel(card, plain.channel, host);
  }

  /** PrepareDownload whose signature covers smdpSigned2 alone. */
  function preparation(
    pki: TestPki,
    bppEuiccOtpk: Uint8Array,
    change: { readonly pb?: Held; readonly spoilt?: true } = {},
  ): { readonly request: Uint8Array; readonly pb: Held } {
    const pb = change.pb ?? pki.dpPb();
    const transactionId = TRANSACTION;
    const smdpSigned2 = SmdpSigned2.encode({ transactionId, ccRequiredFlag: false, bppEuiccOtpk });
    const { curve, privateKey } = pb.pair;
    const smdpSignature2 = ec.sign(curve, privateKey, smdpSigned2);
    if (change.spoilt) smdpSignature2[0] = (smdpSignature2[0] ?? 0) ^ 1;
    const smdpCertificate = pb.certificate;
    return { request: PrepareDownloadRequest.encode({ smdpSigned2, smdpSignature2, smdpCertificate }), pb };
  }

  const errorOf = (response: Uint8Array): string => {
    const answer = PrepareDownloadResponse.decode(response);
    return answer.is === 'downloadResponseError' ? answer.value.downloadErrorCode : answer.is;
  };

  async function managed() {
    const pki = createTestPki(ec);
    const made = staticKey(pki);
    return { pki, made, world: await createWorld({ pki, securityModules: [made], managed: true }) };
  }

  test('a package for the static key installs once; its result goes where the metadata says', async () => {
    const { pki, made, world } = await managed();
    const { request, pb } = preparation(pki, made.key.publicKey);
    const boundProfilePackage = bindProfile(pki, {
      eid: TEST_EID,
      transactionId: TRANSACTION,
      euiccOtpk: made.key.publicKey,
      pb,
      metadata: sampleMetadata(ICCID_A),
      upp: samplePackage(ICCID_A),
    });
    const isdR = await secured(world);
    assert.equal(toHex(euiccOtpkOf(await isdR.es10(request))), toHex(made.key.publicKey));
    const { finalResult, notificationMetadata } = resultOf(world, await isdR.load(boundProfilePackage));
    assert.equal(finalResult.is, 'successResult');
    assert.equal(NotificationMetadata.decode(notificationMetadata).notificationAddress, SERVER_ADDRESS);
    assert.equal(errorOf(await isdR.es10(request)), 'invalidTransactionId');
    await world.reopen();
    assert.equal(errorOf(await (await secured(world)).es10(request)), 'invalidTransactionId');
  });

  test('in the clear the card wants a session with a server first', async () => {
    const { pki, made, world } = await managed();
    const isdR = await openIsdR(world.card);
    assert.equal(errorOf(await isdR.es10(preparation(pki, made.key.publicKey).request)), 'noSessionContext');
  });

  test('another key, a wrong signature and an SM-DP below no CI are refused by their names', async () => {
    const { pki, made, world } = await managed();
    const isdR = await secured(world);
    const { publicKey } = made.key;
    const wrong = [
      ['noSessionContext', preparation(pki, staticKey(pki).key.publicKey)],
      ['invalidSignature', preparation(pki, publicKey, { spoilt: true })],
      ['invalidCertificate', preparation(pki, publicKey, { pb: createTestPki(ec).dpPb() })],
      ['invalidCertificate', preparation(pki, publicKey, { pb: pki.dpAuth() })],
    ] as const;
    for (const [error, { request }] of wrong) assert.equal(errorOf(await isdR.es10(request)), error);
    assert.equal(errorOf(await isdR.es10(preparation(pki, publicKey).request)), 'downloadResponseOk');
  });
});
