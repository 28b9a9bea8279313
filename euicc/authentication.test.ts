// AuthenticateServer, PrepareDownload and CancelSession: success on both curves, and every error code for its fault.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, equalBytes, fromHex, toHex } from '../base/bytes.ts';
import { AuthenticateServerResponse, EuiccSigned1 } from '../codec/rsp/authenticate-server.ts';
import { GetEuiccChallengeRequest, GetEuiccChallengeResponse } from '../codec/rsp/euicc-info.ts';
import {
  CancelSessionRequest,
  CancelSessionResponse,
  EuiccCancelSessionSigned,
  EuiccSigned2,
  PrepareDownloadResponse,
} from '../codec/rsp/prepare-download.ts';
import { withSignature } from '../codec/rsp/types.ts';
import { verifyEuicc } from '../crypto/chain.ts';
import { sha256 } from '../crypto/hash.ts';
import { KEY_USAGE, RSP_ROLE } from '../crypto/x509.ts';
import { createTestPki, type Held, TEST_EID, type TestPki } from './testing/pki.ts';
import { authenticated, authenticateServerRequest, prepareDownloadRequest } from './testing/sm-dp.ts';
import { type IsdRChannel, openIsdR } from './testing/terminal.ts';
import { createWorld, ec, type World } from './testing/world.ts';

const AT = Date.UTC(2026, 5, 1);
const broken = (signature: Uint8Array): Uint8Array =>
  signature.map((octet, i) => (i === 40 ? octet ^ 1 : octet));

/** The object identifier of P-256, and one that differs in its last arc. */
const P256_OID = '06082A8648CE3D030107';
const OTHER_CURVE = { [P256_OID]: '06082A8648CE3D030106' };

/** A server whose certificate is these octets, or its own with some replaced. */
function withCertificate(pki: TestPki, octets: string | Readonly<Record<string, string>>): Held {
  const held = pki.dpAuth();
  if (typeof octets === 'string') return { ...held, certificate: fromHex(octets) };
  const changed = Object.entries(octets).reduce(
    (hex, [from, to]) => hex.replace(from, to),
    toHex(held.certificate),
  );
  return { ...held, certificate: fromHex(changed) };
}

async function challenge(isdR: IsdRChannel): Promise<Uint8Array> {
  const response = await isdR.es10(GetEuiccChallengeRequest.encode({}));
  return GetEuiccChallengeResponse.decode(response).euiccChallenge;
}

type AuthenticateChange = NonNullable<Parameters<typeof authenticateServerRequest>[2]>;

/** The error code that AuthenticateServer answers, or `ok`. */
async function authenticate(
  isdR: IsdRChannel,
  pki: TestPki,
  change: AuthenticateChange = {},
  euiccChallenge?: Uint8Array,
): Promise<string> {
  const { request, transactionId } = authenticateServerRequest(
    pki,
    euiccChallenge ?? (await challenge(isdR)),
    change,
  );
  const answer = AuthenticateServerResponse.decode(await isdR.es10(request));
  if (answer.is !== 'authenticateResponseError') return 'ok';
  assert.deepEqual(answer.value.transactionId, transactionId);
  return answer.value.authenticateErrorCode;
}

for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
  test(`the answer to a good server convinces a verifier, on ${curve}`, async () => {
    const pki = createTestPki(ec, curve);
    const { card } = await createWorld({ pki });
    const isdR = await openIsdR(card);
    const { request, transactionId } = authenticateServerRequest(pki, await challenge(isdR));
    const ok = authenticated(await isdR.es10(request));
    const verdict = verifyEuicc(
      ec,
      {
        eid: TEST_EID,
        euiccCertificate: ok.euiccCertificate,
        eumCertificate: ok.eumCertificate,
        proof: { signed: ok.euiccSigned1, signature: ok.euiccSignature1, challengeMatches: true },
      },
      { trustedCis: [pki.ci], crls: [], at: AT, eisStatus: 'ok', deniedFirmware: [] },
    );
    assert.deepEqual(
      verdict.checks.filter((check) => !check.ok),
      [],
    );
    const signed = EuiccSigned1.decode(ok.euiccSigned1);
    assert.deepEqual(signed.transactionId, transactionId);
    assert.equal(toHex(signed.serverChallenge), '5C'.repeat(16));
    assert.deepEqual(signed.euiccInfo2.euiccCiPKIdListForVerification, [pki.ciPKId]);
  });
}

describe('AuthenticateServer answers', () => {
  const faults: readonly (readonly [
    what: string,
    code: string,
    change: (pki: TestPki) => AuthenticateChange,
  ])[] = [
    ['a signature of another message', 'invalidSignature', () => ({ signature: broken })],
    ['a CI that the card does not know', 'ciPKUnknown', () => ({ ciPKId: new Uint8Array(20) })],
    ['a certificate of the wrong role', 'invalidOid', (pki) => ({ auth: pki.dpPb() })],
    [
      'a certificate without an object identifier of the server',
      'invalidOid',
      (pki) => ({
        auth: pki.issue({ policies: [RSP_ROLE.dpAuth] }),
      }),
    ],
    [
      'a certificate that may not sign',
      'invalidCertificate',
      (pki) => ({
        auth: pki.dpAuth({ keyUsage: [KEY_USAGE.keyAgreement] }),
      }),
    ],
    ['a certificate of a stranger', 'invalidCertificate', () => ({ auth: createTestPki(ec).dpAuth() })],
    [
      'an authority in the place of a server',
      'invalidCertificate',
      (pki) => ({ auth: pki.dpAuth({ ca: {} }) }),
    ],
    [
      'octets that are no certificate',
      'invalidCertificate',
      (pki) => ({ auth: withCertificate(pki, '3000') }),
    ],
    [
      'a key on a curve that the card does not compute on',
      'unsupportedCurve',
      (pki) => ({ auth: withCertificate(pki, OTHER_CURVE) }),
    ],
  ];
  for (const [what, code, change] of faults) {
    test(`${what}: ${code}`, async () => {
      const { card, pki } = await createWorld();
      assert.equal(await authenticate(await openIsdR(card), pki, change(pki)), code);
    });
  }

  test('an SM-DS as it answers an SM-DP+; only that one may have a download prepared', async () => {
    const { card, pki } = await createWorld();
    const isdR = await openIsdR(card);
    const auth = pki.dpAuth({ policies: [RSP_ROLE.dsAuth] });
    const { request, transactionId } = authenticateServerRequest(pki, await challenge(isdR), { auth });
    const { euiccSignature1 } = authenticated(await isdR.es10(request));
    const prepare = prepareDownloadRequest(pki, { transactionId, euiccSignature1 });
    const answer = PrepareDownloadResponse.decode(await isdR.es10(prepare.request));
    assert.ok(answer.is === 'downloadResponseError');
    assert.equal(answer.value.downloadErrorCode, 'invalidCertificate');
  });

  test('undefinedError where something breaks that nobody foresaw, and the next server as ever', async () => {
    let isBroken = true;
    const cardEc = {
      ...ec,
      sign: (...input: Parameters<typeof ec.sign>) => {
        if (isBroken) throw new Error('the engine is broken');
        return ec.sign(...input);
      },
    };
    const { card, pki } = await createWorld({ cardEc });
    const isdR = await openIsdR(card);
    assert.equal(await authenticate(isdR, pki), 'undefinedError');
    isBroken = false;
    assert.equal(await authenticate(isdR, pki), 'ok');
  });

  test('no challenge, another challenge, and the same one twice', async () => {
    const { card, pki } = await createWorld();
    const isdR = await openIsdR(card);
    assert.equal(await authenticate(isdR, pki, {}, new Uint8Array(16)), 'noSessionContext');
    await challenge(isdR);
    assert.equal(await authenticate(isdR, pki, {}, new Uint8Array(16)), 'euiccChallengeMismatch');
    assert.equal(await authenticate(isdR, pki, {}, new Uint8Array(16)), 'noSessionContext', 'one try');
    const first = await challenge(isdR);
    await challenge(isdR);
    assert.equal(await authenticate(isdR, pki, {}, first), 'euiccChallengeMismatch');
  });
});

describe('PrepareDownload', () => {
  async function open(world: World): Promise<{
    readonly isdR: IsdRChannel;
    readonly session: { readonly transactionId: Uint8Array; readonly euiccSignature1: Uint8Array };
  }> {
    const isdR = await openIsdR(world.card);
    const { request, transactionId } = authenticateServerRequest(world.pki, await challenge(isdR));
    const { euiccSignature1 } = authenticated(await isdR.es10(request));
    return { isdR, session: { transactionId, euiccSignature1 } };
  }
  type Change = Partial<Parameters<typeof prepareDownloadRequest>[1]>;

  async function prepare(
    world: World,
    change: Change = {},
    at?: Awaited<ReturnType<typeof open>>,
  ): Promise<{ readonly code: string; readonly euiccSigned2?: ReturnType<typeof EuiccSigned2.decode> }> {
    const { isdR, session } = at ?? (await open(world));
    const { request } = prepareDownloadRequest(world.pki, { ...session, ...change });
    const answer = PrepareDownloadResponse.decode(await isdR.es10(request));
    if (answer.is === 'downloadResponseError') return { code: answer.value.downloadErrorCode };
    assert.equal(answer.is, 'downloadResponseOk');
    if (answer.is !== 'downloadResponseOk') return { code: 'compact' };
    const { euiccSigned2, euiccSignature2 } = answer.value;
    const smdpSignature2 = request.subarray(
      request.findIndex((_, i) => request[i] === 0x5f && request[i + 1] === 0x37) + 3,
    );
    const covered = withSignature(euiccSigned2, smdpSignature2.subarray(0, 64));
    const { curve, publicKey } = world.pki.euicc.pair;
    assert.ok(ec.verify(curve, publicKey, covered, euiccSignature2));
    return { code: 'ok', euiccSigned2: EuiccSigned2.decode(euiccSigned2) };
  }

  const faults: readonly (readonly [string, string, (pki: TestPki) => Change])[] = [
    ['a wrong signature', 'invalidSignature', () => ({ signature: broken })],
    [
      'a signature that leaves out euiccSignature1',
      'invalidSignature',
      () => ({ euiccSignature1: new Uint8Array(64) }),
    ],
    ['the certificate of another role', 'invalidCertificate', (pki) => ({ pb: pki.dpAuth() })],
    [
      'the certificate of another server',
      'invalidCertificate',
      (pki) => ({ pb: pki.dpPb({ registeredId: '2.999.11' }) }),
    ],
    ['the certificate of a stranger', 'invalidCertificate', () => ({ pb: createTestPki(ec).dpPb() })],
    ['octets that are no certificate', 'invalidCertificate', (pki) => ({ pb: withCertificate(pki, '3000') })],
    [
      'a key on a curve that the card does not compute on',
      'unsupportedCurve',
      (pki) => ({ pb: withCertificate(pki, OTHER_CURVE) }),
    ],
    ['another transaction', 'invalidTransactionId', () => ({ transactionId: new Uint8Array(16) })],
    ['a confirmation code that is required and missing', 'undefinedError', () => ({ ccRequiredFlag: true })],
  ];
  for (const [what, code, change] of faults) {
    test(`${what}: ${code}`, async () => {
      const world = await createWorld();
      assert.equal((await prepare(world, change(world.pki))).code, code);
    });
  }

  test('without a session: noSessionContext', async () => {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    const session = { transactionId: new Uint8Array(16), euiccSignature1: new Uint8Array(64) };
    assert.equal((await prepare(world, {}, { isdR, session })).code, 'noSessionContext');
  });

  test('echoes the hash of the confirmation code', async () => {
    const world = await createWorld();
    const hashCc = sha256(concat(sha256(fromHex('31323334')), new Uint8Array(16).fill(0xa1)));
    const { euiccSigned2 } = await prepare(world, { ccRequiredFlag: true, hashCc });
    assert.deepEqual(euiccSigned2?.hashCc, hashCc);
  });

  test('takes the one-time key of an unfinished download again, also after a power cut, and a new one otherwise', async () => {
    const world = await createWorld();
    const first = (await prepare(world)).euiccSigned2?.euiccOtpk ?? assert.fail();
    const second = (await prepare(world)).euiccSigned2?.euiccOtpk ?? assert.fail();
    assert.notDeepEqual(first, second);
    await world.reopen();
    assert.deepEqual((await prepare(world, { bppEuiccOtpk: first })).euiccSigned2?.euiccOtpk, first);
    const unknown = ec.generate('P-256').publicKey;
    const other = (await prepare(world, { bppEuiccOtpk: unknown })).euiccSigned2?.euiccOtpk;
    assert.notDeepEqual(other, unknown);
    assert.notDeepEqual(other, first);
  });

  test('keeps the one-time keys of four downloads, each for its own server', async () => {
    const world = await createWorld();
    const keys: Uint8Array[] = [];
    for (let i = 0; i < 5; i++) keys.push((await prepare(world)).euiccSigned2?.euiccOtpk ?? assert.fail());
    const again = async (bppEuiccOtpk: Uint8Array = assert.fail()): Promise<boolean> => {
      const { euiccSigned2 } = await prepare(world, { bppEuiccOtpk });
      return equalBytes(euiccSigned2?.euiccOtpk ?? concat(), bppEuiccOtpk);
    };
    assert.equal(await again(keys[4]), true);
    assert.equal(await again(keys[1]), true);
    assert.equal(await again(keys[0]), false, 'the oldest one is gone');
    const { pki } = world;
    const registeredId = '2.999.11';
    const isdR = await openIsdR(world.card);
    const auth = pki.dpAuth({ registeredId });
    const { request, transactionId } = authenticateServerRequest(pki, await challenge(isdR), { auth });
    const { euiccSignature1 } = authenticated(await isdR.es10(request));
    const stranger = { isdR, session: { transactionId, euiccSignature1 } };
    const asked = { bppEuiccOtpk: keys[4] ?? assert.fail(), pb: pki.dpPb({ registeredId }) };
    const other = await prepare(world, asked, stranger);
    assert.equal(other.code, 'ok');
    assert.notDeepEqual(other.euiccSigned2?.euiccOtpk, keys[4], 'a key of another server');
  });

  test('the session belongs to the card: it outlives its channel, and not the power', async () => {
    const world = await createWorld();
    const { isdR, session } = await open(world);
    await world.card.transmit(fromHex(`007080${toHex(Uint8Array.of(isdR.channel))}`));
    const elsewhere = { isdR: await openIsdR(world.card), session };
    assert.equal((await prepare(world, {}, elsewhere)).code, 'ok');
    const again = await open(world);
    await world.card.powerOff();
    await world.card.reset();
    assert.equal(
      (await prepare(world, {}, { ...again, isdR: await openIsdR(world.card) })).code,
      'noSessionContext',
    );
  });
});

test('CancelSession is signed once for the open transaction and refused for any other', async () => {
  const { card, pki } = await createWorld();
  const isdR = await openIsdR(card);
  const { request, transactionId } = authenticateServerRequest(pki, await challenge(isdR));
  await isdR.es10(request);
  const cancel = async (id: Uint8Array) =>
    CancelSessionResponse.decode(
      await isdR.es10(CancelSessionRequest.encode({ transactionId: id, reason: 'postponed' })),
    );
  assert.deepEqual(await cancel(new Uint8Array(16)), {
    is: 'cancelSessionResponseError',
    value: 'invalidTransactionId',
  });
  const answer = await cancel(transactionId);
  assert.equal(answer.is, 'cancelSessionResponseOk');
  if (answer.is !== 'cancelSessionResponseOk') return;
  const { euiccCancelSessionSigned, euiccCancelSessionSignature } = answer.value;
  const { curve, publicKey } = pki.euicc.pair;
  assert.ok(ec.verify(curve, publicKey, euiccCancelSessionSigned, euiccCancelSessionSignature));
  assert.deepEqual(EuiccCancelSessionSigned.decode(euiccCancelSessionSigned), {
    transactionId,
    smdpOid: '2.999.10',
    reason: 'postponed',
  });
  assert.equal((await cancel(transactionId)).is, 'cancelSessionResponseError');
});
