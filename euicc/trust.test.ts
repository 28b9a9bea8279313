// Whom the card believes and with which chain it answers: several CIs, two curves, revocation lists (SGP.22 4.5.2, 5.7.12, 5.7.13).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { AuthenticateServerResponse } from '../codec/rsp/authenticate-server.ts';
import { LoadCRLRequest, LoadCRLResponse } from '../codec/rsp/configuration.ts';
import {
  EuiccInfo1,
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  GetEuiccInfo1Request,
} from '../codec/rsp/euicc-info.ts';
import { issueCrl } from '../crypto/crl.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { createTestPki, type Held, type TestPki } from './testing/pki.ts';
import {
  authenticated,
  authenticateServerRequest,
  euiccOtpkOf,
  prepareDownloadRequest,
} from './testing/sm-dp.ts';
import { type IsdRChannel, openIsdR } from './testing/terminal.ts';
import { createWorld, ec } from './testing/world.ts';

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

test("a revoked server is refused once the list is loaded; lists that are not the CI's are not taken", async () => {
  const { card, pki } = await createWorld();
  const isdR = await openIsdR(card);
  const auth = pki.dpAuth();
  assert.equal(await authenticate(isdR, pki, { auth }), 'ok');
  const { serialNumber } = parseCertificate(auth.certificate);
  const list = (by: TestPki, thisUpdate: number): Uint8Array =>
    issueCrl(ec, by.issuer, {
      number: 1,
      thisUpdate,
      nextUpdate: AT + 86_400_000,
      revoked: [{ serialNumber, at: AT - 1000 }],
    });
  const load = async (crl: Uint8Array): Promise<string> => {
    const answer = LoadCRLResponse.decode(await isdR.es10(LoadCRLRequest.encode({ crl })));
    return answer.is === 'loadCRLResponseOk' ? 'ok' : answer.value;
  };
  assert.equal(await load(list(createTestPki(ec, 'P-256', 'Nobody'), AT)), 'verificationKeyNotFound');
  assert.equal(await load(list(createTestPki(ec), AT)), 'invalidSignature');
  assert.equal(await load(fromHex('3003020100')), 'invalidCRLFormat');
  assert.equal(await load(list(pki, AT)), 'ok');
  assert.equal(await load(list(pki, AT)), 'freshCrlAlreadyLoaded');
  assert.equal(await load(list(pki, AT + 60_000)), 'ok');
  assert.equal(await authenticate(isdR, pki, { auth }), 'invalidCertificate');
  assert.equal(await authenticate(isdR, pki), 'ok');
});
