// Security modules: one for all SM-DPs or one for each, and how one comes into a card that is in the field.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { type CommandApdu, withChannel } from '../codec/apdu.ts';
import { readTlvs } from '../codec/ber-tlv.ts';
import { AID_ECASD, encodeAid } from '../codec/ids.ts';
import { GetEuiccChallengeRequest, GetEuiccChallengeResponse } from '../codec/rsp/euicc-info.ts';
import { EuiccSigned2, PrepareDownloadResponse } from '../codec/rsp/prepare-download.ts';
import { InstallSecurityModuleRequest, InstallSecurityModuleResponse } from '../codec/security-module.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import type { EcKeyPair } from '../crypto/ec.ts';
import { createScp03Host } from '../crypto/scp03-host.ts';
import { issueCertificate, KEY_USAGE } from '../crypto/x509.ts';
import type { PersonalisedModule } from './security-modules.ts';
import { createTestPki, TEST_EID, type TestPki } from './testing/pki.ts';
import { authenticated, authenticateServerRequest, prepareDownloadRequest } from './testing/sm-dp.ts';
import { tearAtEveryWrite } from './testing/tear.ts';
import { exchange, type IsdRChannel, isdRChannel, openIsdR, selectAid } from './testing/terminal.ts';
import { createWorld, ec, ISD_R_KEYS, type World } from './testing/world.ts';

const A = '2.999.10';
const B = '2.999.11';
const AT = Date.UTC(2026, 5, 1);
const EUM = { country: 'XX', organization: 'Test EUM', commonName: 'EUM' };

function certify(
  pki: TestPki,
  { curve, publicKey }: Pick<EcKeyPair, 'curve' | 'publicKey'>,
  change: { readonly registeredId?: string; readonly eid?: string; readonly keyUsage?: readonly number[] },
): Uint8Array {
  const { registeredId, eid = TEST_EID, keyUsage = [KEY_USAGE.keyAgreement] } = change;
  return issueCertificate(
    ec,
    { name: EUM, ...pki.eum.pair },
    {
      serialNumber: fromHex('4601'),
      subject: { ...EUM, serialNumber: eid, commonName: 'ECASD' },
      curve,
      publicKey,
      notBefore: AT,
      notAfter: AT + 1000,
      keyUsage,
      ...(registeredId === undefined ? {} : { registeredId }),
    },
  );
}

function moduleFor(pki: TestPki, registeredId?: string): PersonalisedModule {
  const key = ec.generate(pki.curve);
  return { key, certificate: certify(pki, key, registeredId === undefined ? {} : { registeredId }) };
}

/** What the card answers an SM-DP: the key that it takes, or its error. `names` is the static key in smdpSigned2. */
async function prepare(world: World, oid: string, names?: Uint8Array): Promise<string> {
  const { pki, card } = world;
  const isdR = await openIsdR(card);
  const asked = await isdR.es10(GetEuiccChallengeRequest.encode({}));
  const { euiccChallenge } = GetEuiccChallengeResponse.decode(asked);
  const auth = pki.dpAuth({ registeredId: oid });
  const { transactionId, request } = authenticateServerRequest(pki, euiccChallenge, { auth });
  const { euiccSignature1 } = authenticated(await isdR.es10(request));
  const pb = pki.dpPb({ registeredId: oid });
  const named = names === undefined ? {} : { bppEuiccOtpk: names };
  const prepared = prepareDownloadRequest(pki, { transactionId, euiccSignature1, pb, ...named });
  const answer = PrepareDownloadResponse.decode(await isdR.es10(prepared.request));
  await card.reset();
  if (answer.is === 'downloadResponseError') return answer.value.downloadErrorCode;
  assert.ok(answer.is === 'downloadResponseOk');
  return toHex(EuiccSigned2.decode(answer.value.euiccSigned2).euiccOtpk);
}

describe('one security module for all', () => {
  test('every SM-DP gets the one static key that it names, and a key of its own where it names none', async () => {
    const pki = createTestPki(ec);
    const common = moduleFor(pki);
    const world = await createWorld({ pki, securityModules: [common] });
    const { publicKey } = common.key;
    for (const oid of [A, B]) {
      assert.equal(await prepare(world, oid, publicKey), toHex(publicKey));
      assert.notEqual(await prepare(world, oid), toHex(publicKey));
    }
  });

  test('no card is made with a module that is for one SM-DP, nor per MNO with one that is for all', async () => {
    const pki = createTestPki(ec);
    for (const [securityMode, module] of [
      ['single', moduleFor(pki, A)],
      ['per MNO', moduleFor(pki)],
    ] as const) {
      await assert.rejects(createWorld({ pki, securityMode, securityModules: [module] }), (thrown) =>
        isAgentError(thrown, 'CERTIFICATE_INVALID'),
      );
    }
  });
});

describe('one security module for each', () => {
  test('the key of MNO A is used for A and never for B; B has its own', async () => {
    const pki = createTestPki(ec);
    const [a, b] = [moduleFor(pki, A), moduleFor(pki, B)];
    const world = await createWorld({ pki, securityMode: 'per MNO', securityModules: [a, b] });
    const [keyA, keyB] = [a.key.publicKey, b.key.publicKey];
    assert.equal(await prepare(world, A, keyA), toHex(keyA));
    assert.equal(await prepare(world, B, keyB), toHex(keyB));
    for (const [oid, foreign] of [
      [A, keyB],
      [B, keyA],
    ] as const) {
      const taken = await prepare(world, oid, foreign);
      assert.equal([toHex(keyA), toHex(keyB)].includes(taken), false);
      assert.equal(taken.length, 130);
    }
  });

  test('a one-time key of A is of no use to B either', async () => {
    const pki = createTestPki(ec);
    const securityModules = [moduleFor(pki, A), moduleFor(pki, B)];
    const world = await createWorld({ pki, securityMode: 'per MNO', securityModules });
    const oneTime = await prepare(world, A);
    assert.equal(await prepare(world, A, fromHex(oneTime)), oneTime);
    assert.notEqual(await prepare(world, B, fromHex(oneTime)), oneTime);
  });

  test('an SM-DP without a module is not served', async () => {
    const pki = createTestPki(ec);
    const a = moduleFor(pki, A);
    const world = await createWorld({ pki, securityMode: 'per MNO', securityModules: [a] });
    assert.equal(await prepare(world, B), 'undefinedError');
    assert.equal(await prepare(world, B, a.key.publicKey), 'undefinedError');
    assert.equal((await prepare(world, A)).length, 130);
  });

  test('the ECASD hands out the certificates of all modules', async () => {
    const pki = createTestPki(ec);
    const modules = [moduleFor(pki, A), moduleFor(pki, B)];
    const { card } = await createWorld({ pki, securityMode: 'per MNO', securityModules: modules });
    await selectAid(card, encodeAid(AID_ECASD));
    const { data } = await exchange(card, {
      cla: 0x80,
      ins: 0xca,
      p1: 0xbf,
      p2: 0x21,
      data: new Uint8Array(0),
      le: 256,
    });
    const [store] = readTlvs(data);
    assert.deepEqual(
      readTlvs(store?.value ?? new Uint8Array()).map(({ tag, value }) => [tag, toHex(value)]),
      modules.map(({ certificate }) => [0x7f21, toHex(certificate)]),
    );
  });
});

type Answer = TypeOf<typeof InstallSecurityModuleResponse>;

describe('a module that comes later', () => {
  async function managed({ card }: World): Promise<IsdRChannel> {
    const plain = await openIsdR(card);
    const host = createScp03Host({
      keys: ISD_R_KEYS,
      keyVersion: ISD_R_KEYS.kvn,
      level: 0x33,
      hostChallenge: new Uint8Array(8).fill(9),
    });
    const send = (command: CommandApdu) =>
      exchange(card, { ...command, cla: withChannel(command.cla, plain.channel) });
    host.accept((await send(host.initializeUpdate)).data);
    assert.equal((await send(host.externalAuthenticate())).sw, 0x9000);
    return isdRChannel(card, plain.channel, host);
  }

  const generation = (registeredId: string, curve: 'P-256' | 'brainpoolP256r1' = 'P-256'): Uint8Array =>
    InstallSecurityModuleRequest.encode({ is: 'generateKey', value: { registeredId, curve } });
  const installation = (certificate: Uint8Array): Uint8Array =>
    InstallSecurityModuleRequest.encode({ is: 'installCertificate', value: { certificate } });
  const ask = async (isdR: IsdRChannel, request: Uint8Array): Promise<Answer> =>
    InstallSecurityModuleResponse.decode(await isdR.es10(request));
  const keyOf = (answer: Answer): Uint8Array => {
    assert.ok(answer.is === 'publicKey', JSON.stringify(answer));
    return answer.value.ecasdPublicKey;
  };
  const errorOf = (answer: Answer): string => (answer.is === 'error' ? answer.value : answer.is);

  async function perMno(): Promise<{ readonly world: World; readonly pki: TestPki }> {
    const pki = createTestPki(ec);
    const securityModules = [moduleFor(pki, A)];
    return { pki, world: await createWorld({ pki, securityMode: 'per MNO', securityModules }) };
  }

  test('is made on the card, certified by the EUM, and serves its SM-DP from then on', async () => {
    const { pki, world } = await perMno();
    const isdR = await managed(world);
    const publicKey = keyOf(await ask(isdR, generation(B)));
    assert.equal(toHex(keyOf(await ask(isdR, generation(B)))), toHex(publicKey));
    const certificate = certify(pki, { curve: 'P-256', publicKey }, { registeredId: B });
    await world.card.reset();
    assert.equal(await prepare(world, B, publicKey), 'undefinedError');
    const again = await managed(world);
    assert.equal((await ask(again, installation(certificate))).is, 'installed');
    assert.equal((await ask(again, installation(certificate))).is, 'installed');
    assert.equal(errorOf(await ask(again, generation(B))), 'alreadyInstalled');
    await world.reopen();
    assert.equal(await prepare(world, B, publicKey), toHex(publicKey));
    assert.notEqual(await prepare(world, A, publicKey), toHex(publicKey));
  });

  test('needs the management keys on every card, also on one that is not managed', async () => {
    const { world } = await perMno();
    const isdR = await openIsdR(world.card);
    assert.equal((await isdR.send(generation(B))).sw, 0x6982);
    assert.equal((await isdR.send(installation(Uint8Array.of(0x30, 0)))).sw, 0x6982);
  });

  test('is refused with its reason: one module for all, another key, EUM, EID, usage or SM-DP', async () => {
    const single = await managed(await createWorld());
    assert.equal(errorOf(await ask(single, generation(B))), 'singleModule');
    const { pki, world } = await perMno();
    const isdR = await managed(world);
    const publicKey = keyOf(await ask(isdR, generation(B)));
    const pair = { curve: 'P-256', publicKey } as const;
    const wrong: readonly (readonly [string, Uint8Array])[] = [
      ['unknownKey', certify(pki, ec.generate('P-256'), { registeredId: B })],
      ['invalidCertificate', certify(createTestPki(ec), pair, { registeredId: B })],
      ['invalidCertificate', certify(pki, pair, { registeredId: A })],
      ['invalidCertificate', certify(pki, pair, {})],
      [
        'invalidCertificate',
        certify(pki, pair, { registeredId: B, eid: '89049032000000000000000000000163' }),
      ],
      ['invalidCertificate', certify(pki, pair, { registeredId: B, keyUsage: [KEY_USAGE.digitalSignature] })],
      ['invalidCertificate', Uint8Array.of(0x30, 0)],
    ];
    for (const [error, certificate] of wrong) {
      assert.equal(errorOf(await ask(isdR, installation(certificate))), error);
    }
    assert.equal((await ask(isdR, installation(certify(pki, pair, { registeredId: B })))).is, 'installed');
  });

  test('has room for sixteen', async () => {
    const { world } = await perMno();
    const isdR = await managed(world);
    for (let n = 0; n < 15; n++) keyOf(await ask(isdR, generation(`2.999.100.${n}`)));
    assert.equal(errorOf(await ask(isdR, generation('2.999.200'))), 'insufficientMemory');
  });

  test('is there or not, wherever the power is cut', async () => {
    const pki = createTestPki(ec);
    await tearAtEveryWrite<string>({
      name: 'installCertificate',
      before: 'undefinedError',
      after: 'served',
      world: async () => createWorld({ pki, securityMode: 'per MNO', securityModules: [moduleFor(pki, A)] }),
      arrange: async (world) => {
        const isdR = await managed(world);
        const publicKey = keyOf(await ask(isdR, generation(B)));
        const certificate = certify(pki, { curve: 'P-256', publicKey }, { registeredId: B });
        return () => ask(isdR, installation(certificate));
      },
      observe: async (world) => {
        const taken = await prepare(world, B);
        return taken === 'undefinedError' ? taken : 'served';
      },
    });
  });
});
