// A card made from GSMA's SGP.26 test chain answers the SGP.26 SM-DP+, and its signatures verify with those certificates.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { Secret } from '../base/log.ts';
import { parseEid } from '../codec/ids.ts';
import { GetEuiccChallengeRequest, GetEuiccChallengeResponse } from '../codec/rsp/euicc-info.ts';
import { verifyEuicc } from '../crypto/chain.ts';
import { decodePrivateKeyInfo } from '../crypto/ec-keys.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { createTestPki, type Held } from './testing/pki.ts';
import { authenticated, authenticateServerRequest } from './testing/sm-dp.ts';
import { openIsdR } from './testing/terminal.ts';
import { createWorld, ec } from './testing/world.ts';

const FOLDER = '../shared/testdata/sgp26';
const EID = parseEid('89049032123451234512345678901235');
const AT = Date.UTC(2026, 10, 1);

async function der(name: string): Promise<Uint8Array> {
  return Uint8Array.from(await readFile(`${FOLDER}/${name}.der`));
}

async function held(certificate: string, key: string): Promise<Held> {
  const pair = decodePrivateKeyInfo(ec, new Secret(await der(key)));
  return { certificate: await der(certificate), pair };
}

test('a card with the SGP.26 chain authenticates to the SGP.26 server', async (t) => {
  const ciDer = await der('CI/CERT_CI_SIG_NIST').catch(() => undefined);
  if (ciDer === undefined) {
    t.skip('no shared test data');
    return;
  }
  const ci = parseCertificate(ciDer);
  const euicc = await held('eUICC/CERT_EUICC_SIG_NIST', 'eUICC/SK_EUICC_SIG_NIST');
  const { card } = await createWorld({
    eid: EID,
    euiccCertificate: euicc.certificate,
    eumCertificate: await der('EUM/CERT_EUM_SIG_NIST'),
    euiccPrivateKey: euicc.pair.privateKey,
    ciCertificates: [ciDer],
  });
  const isdR = await openIsdR(card);
  const { euiccChallenge } = GetEuiccChallengeResponse.decode(
    await isdR.es10(GetEuiccChallengeRequest.encode({})),
  );
  const { request } = authenticateServerRequest(createTestPki(ec), euiccChallenge, {
    auth: await held('DPauth/CERT_S_SM_DPauth_ECDSA_NIST', 'DPauth/SK_S_SM_DPauth_ECDSA_NIST'),
    ciPKId: ci.subjectKeyIdentifier ?? assert.fail(),
  });
  const ok = authenticated(await isdR.es10(request));
  const verdict = verifyEuicc(
    ec,
    {
      eid: EID,
      euiccCertificate: ok.euiccCertificate,
      eumCertificate: ok.eumCertificate,
      proof: { signed: ok.euiccSigned1, signature: ok.euiccSignature1, challengeMatches: true },
    },
    { trustedCis: [ci], crls: [], at: AT, eisStatus: 'ok', deniedFirmware: [] },
  );
  assert.deepEqual(
    verdict.checks.filter((check) => !check.ok),
    [],
  );
});
