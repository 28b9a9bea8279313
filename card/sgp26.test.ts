// Cards that the program makes from GSMA's SGP.26 test chains: they believe the SGP.26 SM-DP+, and OpenSSL and @noble/curves
// accept what they sign with the certificates that GSMA published.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { brainpoolP256r1 } from '@noble/curves/misc.js';
import { p256 } from '@noble/curves/nist.js';
import { parseIccid } from '../codec/ids.ts';
import { ProfileInstallationResult, ProfileInstallationResultData } from '../codec/rsp/notifications.ts';
import type { CurveName } from '../crypto/ec.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { signatureToDer } from '../crypto/ec.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { openIsdR } from '../euicc/testing/terminal.ts';
import { readIssuerFiles } from './issuer-files.ts';
import { authenticate, download, walkEs10 } from './testing/es10-walk.ts';
import { serverFrom } from './testing/issuer-server.ts';
import { jsonLines, jsonSlot, runWell, start, temporaryFolder } from './testing/program.ts';

const FOLDER = '../shared/testdata/sgp26';
const EID = '89049032123451234512345678901235';
const NOBLE = { 'P-256': p256, brainpoolP256r1 } as const;

function verifiedByNoble(
  curve: CurveName,
  publicKey: Uint8Array,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  return NOBLE[curve].verify(signature, signed, publicKey, { lowS: false });
}

/** Whether OpenSSL finds the signature to be that of the certificate's key; undefined where there is no OpenSSL. */
function verifiedByOpenssl(
  t: TestContext,
  certificate: Uint8Array,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean | undefined {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('cert.der'), certificate);
  writeFileSync(at('signed'), signed);
  writeFileSync(at('signature'), signatureToDer(signature));
  try {
    const key = execFileSync('openssl', [
      'x509',
      '-inform',
      'DER',
      '-in',
      at('cert.der'),
      '-pubkey',
      '-noout',
    ]);
    writeFileSync(at('key.pem'), key);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const verify = ['dgst', '-sha256', '-verify', at('key.pem'), '-signature', at('signature'), at('signed')];
  return /Verified OK/.test(execFileSync('openssl', verify).toString());
}

async function served(t: TestContext, args: readonly string[]) {
  const card = join(temporaryFolder(t), 'sgp26.card');
  const made = await runWell(['create', card, '--issuer', FOLDER, '--json', ...args]);
  const { stdin, stdout } = start(t, ['serve', card, '--stdio']);
  return {
    made: JSON.parse(made) as { eid: string; curves: string[]; issued: boolean },
    slot: jsonSlot(jsonLines(stdout, stdin)),
  };
}

for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
  test(`a card of the SGP.26 chain on ${curve} authenticates the SGP.26 server and takes its profile`, async (t) => {
    if (!existsSync(FOLDER)) return t.skip('no shared test data');
    const { made, slot } = await served(t, []);
    assert.deepEqual(made, { ...made, eid: EID, curves: ['P-256', 'brainpoolP256r1'], issued: false });
    await slot.reset();
    const isdR = await openIsdR(slot);
    const server = await serverFrom(await readIssuerFiles(createNodeEc(), FOLDER), FOLDER, curve);
    const { ok } = await authenticate(isdR, server);
    const certificate = parseCertificate(ok.euiccCertificate);
    assert.deepEqual([certificate.curve, certificate.subject.serialNumber], [curve, EID]);
    assert.ok(verifiedByNoble(curve, certificate.publicKey, ok.euiccSigned1, ok.euiccSignature1));
    assert.notEqual(verifiedByOpenssl(t, ok.euiccCertificate, ok.euiccSigned1, ok.euiccSignature1), false);
    const broken = Uint8Array.from(ok.euiccSigned1);
    broken[10] = (broken[10] ?? 0) ^ 1;
    assert.ok(!verifiedByNoble(curve, certificate.publicKey, broken, ok.euiccSignature1));
    const eum = parseCertificate(ok.eumCertificate);
    assert.ok(verifiedByNoble(curve, eum.publicKey, certificate.tbs, certificate.signature));
    const result = await download(isdR, server, EID, parseIccid('8988211000000000029'));
    const { profileInstallationResultData, euiccSignPIR } = ProfileInstallationResult.decode(result);
    const { finalResult } = ProfileInstallationResultData.decode(profileInstallationResultData);
    assert.equal(finalResult.is, 'successResult');
    assert.ok(verifiedByNoble(curve, certificate.publicKey, profileInstallationResultData, euiccSignPIR));
    return undefined;
  });
}

test('a further card is issued by the SGP.26 EUM, and goes through all of ES10', async (t) => {
  if (!existsSync(FOLDER)) return t.skip('no shared test data');
  const { made, slot } = await served(t, ['--serial', '42', '--profile', 'minimal']);
  assert.match(made.eid, /^890490320{20}42\d\d$/);
  assert.ok(made.issued);
  const files = await readIssuerFiles(createNodeEc(), FOLDER);
  const server = await serverFrom(files, FOLDER, 'P-256');
  await walkEs10(
    slot,
    server,
    made.eid,
    parseIccid('8988211000000000011'),
    parseIccid('8988211000000000029'),
  );
  return undefined;
});
