// Whom the card believes and with which chain it answers: several CIs, two curves, revocation lists (SGP.22 4.5.2, 5.7.12, 5.7.13).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { AuthenticateServerResponse } from '../codec/rsp/authenticate-server.ts';
import { LoadCRLRequest, LoadCRLResponse } from '../codec/rsp/configuration.ts';
import {
  EuiccInfo1,
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  GetEuiccInfo1Request,
} from '../codec/rsp/euicc-info.ts';
import {
  OtherSignedNotification,
  ProfileInstallationResult,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from '../codec/rsp/notifications.ts';
import { EnableProfileRequest } from '../codec/rsp/profile-management.ts';
import { PrepareDownloadResponse } from '../codec/rsp/prepare-download.ts';
import { issueCrl } from '../crypto/crl.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { createTestPki, type Held, TEST_EID, type TestPki } from './testing/pki.ts';
import {
  authenticated,
  authenticateServerRequest,
  bindProfile,
  euiccOtpkOf,
  prepareDownloadRequest,
} from './testing/sm-dp.ts';
import { type IsdRChannel, openIsdR } from './testing/terminal.ts';
import { createWorld, ec, ICCID_A, sampleMetadata, samplePackage } from './testing/world.ts';

const AT = Date.UTC(2026, 5, 1);

async function challenge(isdR: IsdRChannel): Promise<Uint8Array> {
  const response = await isdR.es10(GetEuiccChallengeRequest.encode({}));
  return GetEuiccChallengeResponse.decode(response).euiccChallenge;
}

/** What AuthenticateServer answers: an error code, or `ok`. */
async function authenticate(
  isdR: IsdRChannel,
  pki: TestPki,
  change: { readonly auth?: Held; readonly ciPKId?: Uint8Array } = {},
): Promise<string> {
  const { request } = authenticateServerRequest(pki, await challenge(isdR), change);
  const answer = AuthenticateServerResponse.decode(await isdR.es10(request));
  return answer.is === 'authenticateResponseError' ? answer.value.authenticateErrorCode : 'ok';
}

function isOnCurve({ curve }: TestPki, publicKey: Uint8Array): boolean {
  try {
    ec.sharedSecret(curve, ec.generate(curve).privateKey, publicKey);
    return true;
  } catch (error) {
    if (isAgentError(error, 'KEY_INVALID')) return false;
    throw error;
  }
}

/** A card with chains below two CIs on two curves, and a third CI that it believes without a chain of its own. */
async function twoChains() {
  const nist = createTestPki(ec, 'P-256', 'CI 1');
  const brainpool = createTestPki(ec, 'brainpoolP256r1', 'CI 2');
  const verifying = createTestPki(ec, 'P-256', 'CI 3');
  const world = await createWorld({
    pki: nist,
    ciCertificates: [nist, brainpool, verifying].map(({ ci }) => ci.raw),
    furtherCredentials: [
      {
        euiccCertificate: brainpool.euicc.certificate,
        eumCertificate: brainpool.eum.certificate,
        euiccPrivateKey: brainpool.euicc.pair.privateKey,
      },
    ],
  });
  return { world, nist, brainpool, verifying };
}

test('two chains below two CIs answer side by side, each to its own server', async () => {
  const { world, nist, brainpool, verifying } = await twoChains();
  const { card } = world;
  const isdR = await openIsdR(card);
  const info = EuiccInfo1.decode(await isdR.es10(GetEuiccInfo1Request.encode({})));
  assert.deepEqual(info.euiccCiPKIdListForSigning, [nist.ciPKId, brainpool.ciPKId]);
  assert.deepEqual(
    info.euiccCiPKIdListForVerification,
    [nist, brainpool, verifying].map(({ ciPKId }) => ciPKId),
  );
  for (const pki of [brainpool, nist]) {
    const { request } = authenticateServerRequest(pki, await challenge(isdR));
    assert.deepEqual(authenticated(await isdR.es10(request)).euiccCertificate, pki.euicc.certificate);
  }
});

test('the card signs with the chain that the server asks for, below whichever CI the server stands', async () => {
  const { world, nist, brainpool, verifying } = await twoChains();
  for (const [server, chain] of [
    [brainpool, nist],
    [nist, brainpool],
    [verifying, brainpool],
  ] as const) {
    const isdR = await openIsdR(world.card);
    const { request, transactionId } = authenticateServerRequest(server, await challenge(isdR), {
      ciPKId: chain.ciPKId,
    });
    const { euiccCertificate, euiccSigned1, euiccSignature1 } = authenticated(await isdR.es10(request));
    assert.deepEqual(euiccCertificate, chain.euicc.certificate);
    const { curve, publicKey } = chain.euicc.pair;
    assert.ok(ec.verify(curve, publicKey, euiccSigned1, euiccSignature1));
    const prepared = prepareDownloadRequest(server, { transactionId, euiccSignature1 });
    const euiccOtpk = euiccOtpkOf(await isdR.es10(prepared.request));
    assert.ok(isOnCurve(server, euiccOtpk), 'the one-time key is on the curve of the server');
    // The key of this download is of no use for a server that now binds on another curve.
    const other = server.curve === 'P-256' ? brainpool : nist;
    const next = authenticateServerRequest(server, await challenge(isdR), { ciPKId: chain.ciPKId });
    const again = authenticated(await isdR.es10(next.request));
    const moved = prepareDownloadRequest(other, { ...next, ...again, bppEuiccOtpk: euiccOtpk });
    assert.ok(isOnCurve(other, euiccOtpkOf(await isdR.es10(moved.request))));
  }
  const isdR = await openIsdR(world.card);
  const change = { ciPKId: verifying.ciPKId };
  assert.equal(await authenticate(isdR, nist, change), 'ciPKUnknown', 'no chain of the card ends there');
});

test('what happens to a profile is signed with the chain under which it came', async () => {
  const { world, nist, brainpool } = await twoChains();
  const isdR = await openIsdR(world.card);
  const { request, transactionId } = authenticateServerRequest(nist, await challenge(isdR), {
    ciPKId: brainpool.ciPKId,
  });
  const { euiccSignature1 } = authenticated(await isdR.es10(request));
  const prepared = prepareDownloadRequest(nist, { transactionId, euiccSignature1 });
  const euiccOtpk = euiccOtpkOf(await isdR.es10(prepared.request));
  const download = {
    eid: TEST_EID,
    transactionId,
    euiccOtpk,
    pb: prepared.pb,
    metadata: sampleMetadata(ICCID_A),
    upp: samplePackage(ICCID_A),
  };
  const pir = ProfileInstallationResult.decode(await isdR.load(bindProfile(nist, download)));
  const { curve, publicKey } = brainpool.euicc.pair;
  assert.ok(ec.verify(curve, publicKey, pir.profileInstallationResultData, pir.euiccSignPIR));
  const enable = { profileIdentifier: { is: 'iccid', value: ICCID_A }, refreshFlag: false } as const;
  await isdR.es10(EnableProfileRequest.encode(enable));
  const answer = RetrieveNotificationsListResponse.decode(
    await isdR.es10(
      RetrieveNotificationsListRequest.encode({
        searchCriteria: { is: 'profileManagementOperation', value: ['notificationEnable'] },
      }),
    ),
  );
  assert.equal(answer.is, 'notificationList');
  const [whole = assert.fail()] = answer.is === 'notificationList' ? answer.value : [];
  const notification = OtherSignedNotification.decode(whole);
  const { euiccNotificationSignature, tbsOtherNotification } = notification;
  assert.deepEqual(notification.euiccCertificate, brainpool.euicc.certificate);
  assert.deepEqual(notification.eumCertificate, brainpool.eum.certificate);
  assert.ok(ec.verify(curve, publicKey, tbsOtherNotification, euiccNotificationSignature));
});

type List = Omit<Parameters<typeof issueCrl>[2], 'revoked' | 'number' | 'nextUpdate'>;

/** A list of the CI that names the certificates of these servers. It is out of date on the day it is made: the card has no clock. */
function crlOf(by: TestPki, revoked: readonly Held[], list: Partial<List> = {}): Uint8Array {
  return issueCrl(ec, by.issuer, {
    number: 1,
    thisUpdate: AT,
    nextUpdate: AT,
    revoked: revoked.map(({ certificate }) => ({
      serialNumber: parseCertificate(certificate).serialNumber,
      at: AT - 1000,
    })),
    ...list,
  });
}

/** What LoadCRL answers: an error code, or `ok` with the numbers of the parts that are missing. */
async function load(isdR: IsdRChannel, crl: Uint8Array): Promise<string> {
  const answer = LoadCRLResponse.decode(await isdR.es10(LoadCRLRequest.encode({ crl })));
  if (answer.is === 'loadCRLResponseError') return answer.value;
  return ['ok', ...(answer.value.missingParts ?? []).map(({ number }) => number)].join(' ');
}

const broken = (crl: Uint8Array): Uint8Array =>
  crl.map((octet, i) => (i === crl.length - 1 ? octet ^ 1 : octet));
/** The list with its number, which is no critical extension, made a critical one that nobody knows. */
const unknownCritical = (crl: Uint8Array): Uint8Array =>
  fromHex(toHex(crl).replace('300A0603551D140403020101', '300A0603551D150101FF0400'));

describe('LoadCRL answers', () => {
  const faults: readonly (readonly [what: string, code: string, crl: (pki: TestPki) => Uint8Array])[] = [
    [
      'a list of a stranger',
      'verificationKeyNotFound',
      () => crlOf(createTestPki(ec, 'P-256', 'Nobody'), []),
    ],
    ['a list under another key of the CI', 'verificationKeyNotFound', () => crlOf(createTestPki(ec), [])],
    ['a signature of another list', 'invalidSignature', (pki) => broken(crlOf(pki, []))],
    ['what is no list', 'invalidCRLFormat', () => fromHex('3003020100')],
    ['an extension that it must understand', 'invalidCRLFormat', (pki) => unknownCritical(crlOf(pki, []))],
    ['part 3 of 2', 'invalidCRLFormat', (pki) => crlOf(pki, [], { part: { number: 3, of: 2 } })],
    ['part 1 of 65', 'invalidCRLFormat', (pki) => crlOf(pki, [], { part: { number: 1, of: 65 } })],
  ];
  for (const [what, code, crl] of faults) {
    test(`${what}: ${code}`, async () => {
      const { card, pki } = await createWorld();
      assert.equal(await load(await openIsdR(card), crl(pki)), code);
    });
  }

  test('a list for which there is no room: notEnoughMemorySpace', async () => {
    const { card, pki } = await createWorld({ memory: 5000 });
    const servers = Array.from({ length: 20 }, () => pki.dpAuth());
    const many = Array.from({ length: 10 }, () => servers).flat();
    assert.equal(await load(await openIsdR(card), crlOf(pki, many)), 'notEnoughMemorySpace');
  });

  test('a list that is not newer than the one there: freshCrlAlreadyLoaded, after a power cut too', async () => {
    const world = await createWorld();
    const { pki } = world;
    assert.equal(await load(await openIsdR(world.card), crlOf(pki, [])), 'ok');
    await world.reopen();
    const isdR = await openIsdR(world.card);
    for (const thisUpdate of [AT, AT - 60_000]) {
      assert.equal(await load(isdR, crlOf(pki, [], { thisUpdate })), 'freshCrlAlreadyLoaded');
    }
    assert.equal(await load(isdR, crlOf(pki, [], { thisUpdate: AT + 60_000 })), 'ok');
  });
});

test('a revoked certificate is refused, and accepted again when a newer list does not name it', async () => {
  const { card, pki } = await createWorld();
  const isdR = await openIsdR(card);
  const [auth, pb] = [pki.dpAuth(), pki.dpPb()];
  assert.equal(await load(isdR, crlOf(pki, [auth, pb])), 'ok');
  assert.equal(await authenticate(isdR, pki, { auth }), 'invalidCertificate');
  assert.equal(await authenticate(isdR, pki), 'ok', 'another certificate of the server');
  const { request, transactionId } = authenticateServerRequest(pki, await challenge(isdR));
  const { euiccSignature1 } = authenticated(await isdR.es10(request));
  const refused = prepareDownloadRequest(pki, { transactionId, euiccSignature1, pb });
  const answer = PrepareDownloadResponse.decode(await isdR.es10(refused.request));
  assert.deepEqual(answer, {
    is: 'downloadResponseError',
    value: { transactionId, downloadErrorCode: 'invalidCertificate' },
  });
  assert.equal(await load(isdR, crlOf(pki, [pb], { thisUpdate: AT + 60_000 })), 'ok');
  assert.equal(await authenticate(isdR, pki, { auth }), 'ok');
});

test('a list in parts says what is missing; the older list counts until the newer one is whole', async () => {
  const { card, pki } = await createWorld();
  const isdR = await openIsdR(card);
  const servers = [pki.dpAuth(), pki.dpAuth(), pki.dpAuth()] as const;
  const states = async (): Promise<string[]> => {
    const answers: string[] = [];
    for (const auth of servers) answers.push(await authenticate(isdR, pki, { auth }));
    return answers;
  };
  const part = (number: number, revoked: readonly Held[], later = 60_000): Uint8Array =>
    crlOf(pki, revoked, { thisUpdate: AT + later, part: { number, of: 3 } });
  const NO = 'invalidCertificate';
  assert.equal(await load(isdR, crlOf(pki, [servers[0]])), 'ok');
  assert.equal(await load(isdR, part(2, [servers[1]])), 'ok 1 3');
  assert.equal(await load(isdR, part(2, [servers[1]])), 'freshCrlAlreadyLoaded');
  assert.deepEqual(await states(), [NO, NO, 'ok']);
  assert.equal(await load(isdR, part(3, [servers[2]])), 'ok 1');
  assert.equal(await load(isdR, part(1, [], 0)), 'freshCrlAlreadyLoaded', 'a part of an older list');
  assert.deepEqual(await states(), [NO, NO, NO]);
  assert.equal(await load(isdR, part(1, [])), 'ok');
  assert.deepEqual(await states(), ['ok', NO, NO]);
  assert.equal(await load(isdR, crlOf(pki, [], { thisUpdate: AT + 120_000 })), 'ok');
  assert.deepEqual(await states(), ['ok', 'ok', 'ok']);
});

test('the lists of two CIs of one name are told apart by their keys', async () => {
  const nist = createTestPki(ec, 'P-256');
  const brainpool = createTestPki(ec, 'brainpoolP256r1');
  const { card } = await createWorld({ pki: nist, ciCertificates: [nist.ci.raw, brainpool.ci.raw] });
  const isdR = await openIsdR(card);
  const [revoked, other] = [brainpool.dpAuth(), nist.dpAuth()];
  assert.equal(await load(isdR, crlOf(brainpool, [revoked, other])), 'ok');
  assert.equal(await load(isdR, crlOf(nist, [])), 'ok');
  const change = { ciPKId: nist.ciPKId };
  assert.equal(await authenticate(isdR, brainpool, { ...change, auth: revoked }), 'invalidCertificate');
  assert.equal(
    await authenticate(isdR, nist, { ...change, auth: other }),
    'ok',
    "another CI's serial number",
  );
});
