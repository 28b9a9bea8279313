// Cards as the factory makes them, asked over APDUs: a good one takes a profile, a bad one takes part up to its answer.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { readTlv } from '../codec/ber-tlv.ts';
import {
  AuthenticateServerRequest,
  AuthenticateServerResponse,
  CtxParams1,
} from '../codec/rsp/authenticate-server.ts';
import {
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  GetEuiccInfo1Request,
} from '../codec/rsp/euicc-info.ts';
import { PrepareDownloadRequest } from '../codec/rsp/prepare-download.ts';
import { verifyEuicc } from '../crypto/chain.ts';
import { parseCrl } from '../crypto/crl.ts';
import { openIsdR } from '../euicc/testing/terminal.ts';
import { createWorld } from '../euicc/testing/world.ts';
import type { IdentityFault } from '../operator/issuer/factory.ts';
import { finalResultOf } from './rsp-card.ts';
import { ACCEPTED, AT, ec, type World, world } from './smdp-world.ts';

/** A card of the factory with its ISD-R open, and its answer to the SM-DP. */
async function authenticatedCard(t: TestContext, w: World, fault?: IdentityFault) {
  const { euicc } = w.newCard(fault);
  const { eid, euiccCertificate, eumCertificate, ciCertificates, ciPKId, euiccKey } = euicc;
  const { card } = await createWorld({
    eid,
    euiccCertificate,
    eumCertificate,
    ciCertificates,
    ciPKId,
    euiccPrivateKey: euiccKey.privateKey,
  });
  t.after(() => card.close());
  const isdR = await openIsdR(card);
  const asked = await isdR.es10(GetEuiccChallengeRequest.encode({}));
  const { euiccChallenge } = GetEuiccChallengeResponse.decode(asked);
  const euiccInfo1 = await isdR.es10(GetEuiccInfo1Request.encode({}));
  const answer = await w.smdp.initiateAuthentication({ euiccChallenge, euiccInfo1 });
  const response = await isdR.es10(
    AuthenticateServerRequest.encode({
      serverSigned1: answer.serverSigned1,
      serverSignature1: readTlv(answer.serverSignature1).value,
      euiccCiPKIdToBeUsed: readTlv(answer.euiccCiPKIdToBeUsed).value,
      serverCertificate: answer.serverCertificate,
      ctxParams1: CtxParams1.encode({
        deviceInfo: { tac: Uint8Array.of(1, 2, 3, 4), deviceCapabilities: {} },
      }),
    }),
  );
  return { euicc, isdR, response, transactionId: answer.transactionId };
}

test('a card from the factory loads the profile that the SM-DP bound for it', async (t) => {
  const w = await world(t);
  const { euicc, isdR, response, transactionId } = await authenticatedCard(t, w);
  const { eid } = euicc;
  const { iccid } = await w.smdp.downloadOrder({ eid, orderId: 'order 1' });
  const answer = await w.smdp.authenticateClient({
    transactionId,
    authenticateServerResponse: response,
    eid,
    iccid,
    verdict: ACCEPTED,
  });
  const prepareDownloadResponse = await isdR.es10(
    PrepareDownloadRequest.encode({
      smdpSigned2: answer.smdpSigned2,
      smdpSignature2: readTlv(answer.smdpSignature2).value,
      smdpCertificate: answer.smdpCertificate,
    }),
  );
  const { boundProfilePackage } = await w.smdp.getBoundProfilePackage({
    transactionId,
    prepareDownloadResponse,
  });
  const result = await isdR.load(boundProfilePackage);
  assert.equal(finalResultOf(result).is, 'successResult');
  assert.deepEqual(await w.smdp.handleNotification(result), { verified: true });
});

const FAILED_CHECKS = {
  untrusted: ['issuer trusted', 'EUM certificate signature'],
  expired: ['validity dates'],
  revoked: ['not revoked'],
  'wrong-eid': ['EID of the certificate'],
} as const;

for (const [fault, expected] of Object.entries(FAILED_CHECKS)) {
  test(`a card with the fault ${fault} answers the server, and the verdict names the failed check`, async (t) => {
    const w = await world(t);
    const { euicc, response } = await authenticatedCard(t, w, fault as IdentityFault);
    const decoded = AuthenticateServerResponse.decode(response);
    assert.ok(decoded.is === 'authenticateResponseOk', decoded.is);
    const { euiccSigned1, euiccSignature1, euiccCertificate, eumCertificate } = decoded.value;
    const { checks } = verifyEuicc(
      ec,
      {
        euiccCertificate,
        eumCertificate,
        eid: euicc.eid,
        proof: { signed: euiccSigned1, signature: euiccSignature1, challengeMatches: true },
      },
      {
        trustedCis: [w.trustedCi],
        crls: euicc.revocationList === undefined ? [] : [parseCrl(euicc.revocationList)],
        at: AT,
        eisStatus: 'ok',
        deniedFirmware: [],
      },
    );
    assert.deepEqual(
      checks.filter(({ ok }) => !ok).map(({ name }) => name),
      expected,
    );
  });
}
