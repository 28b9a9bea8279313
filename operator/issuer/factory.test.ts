// What the factory makes, judged by the verdict that operators pass and by OpenSSL.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { utf8Bytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { createSeededRandom } from '../../base/random.ts';
import { parseEid } from '../../codec/ids.ts';
import { verifyDpCertificate, verifyEuicc } from '../../crypto/chain.ts';
import { parseCrl } from '../../crypto/crl.ts';
import type { CurveName } from '../../crypto/ec.ts';
import { createNodeEc } from '../../crypto/ec-node.ts';
import { isSignedBy, parseCertificate } from '../../crypto/x509.ts';
import { type ManufacturedEuicc, manufactureOrder } from './factory.ts';
import {
  createCi,
  createEum,
  createMnoIdentity,
  createSmDpPki,
  issueRevocationList,
  type Issuing,
} from './pki.ts';

const ec = createNodeEc();
const AT = Date.UTC(2026, 10, 1, 12, 0, 0, 123);
const issuing: Issuing = { ec, random: createSeededRandom(5), at: AT };

function factory(curve: CurveName = 'P-256') {
  const ci = createCi(issuing, { organization: 'Test', curve });
  const eum = createEum(issuing, ci, { organization: 'Maker', eidPrefix: '89049032' });
  return { ci, eum };
}

const { ci, eum } = factory();

function failedChecks(euicc: ManufacturedEuicc, ciCertificate = ci.certificate): string[] {
  const signed = utf8Bytes('euiccSigned1');
  const { curve, privateKey } = euicc.euiccKey;
  const { checks } = verifyEuicc(
    ec,
    {
      euiccCertificate: euicc.euiccCertificate,
      eumCertificate: euicc.eumCertificate,
      eid: euicc.eid,
      proof: { signed, signature: ec.sign(curve, privateKey, signed), challengeMatches: true },
    },
    {
      trustedCis: [parseCertificate(ciCertificate)],
      crls: euicc.revocationList === undefined ? [] : [parseCrl(euicc.revocationList)],
      at: AT,
      eisStatus: 'ok',
      deniedFirmware: [],
    },
  );
  return checks.filter(({ ok }) => !ok).map(({ name }) => name);
}

test('an eUICC from the factory passes every check of a verdict, on both curves', () => {
  const euicc = manufactureOrder(issuing, { ci, eum, serial: 7 });
  assert.deepEqual(failedChecks(euicc), []);
  assert.equal(parseEid(euicc.eid).slice(0, 30), `89049032${'7'.padStart(22, '0')}`);
  const other = factory('brainpoolP256r1');
  const brainpool = manufactureOrder(issuing, { ...other, serial: 1 });
  assert.equal(brainpool.euiccKey.curve, 'brainpoolP256r1');
  assert.deepEqual(failedChecks(brainpool, other.ci.certificate), []);
});

test('each fault fails its own checks and no others, while the eUICC still trusts the good CI', () => {
  const expected = {
    untrusted: ['issuer trusted', 'EUM certificate signature'],
    expired: ['validity dates'],
    revoked: ['not revoked'],
    'wrong-eid': ['EID of the certificate'],
  } as const;
  for (const [fault, checks] of Object.entries(expected)) {
    const euicc = manufactureOrder(issuing, {
      ci,
      eum,
      serial: 7,
      fault: fault as keyof typeof expected,
    });
    assert.deepEqual(failedChecks(euicc), checks, fault);
    assert.deepEqual(euicc.ciCertificates, [ci.certificate], fault);
    const { curve, privateKey, publicKey } = euicc.euiccKey;
    assert.deepEqual(ec.publicKeyOf(curve, privateKey), publicKey, fault);
  }
});

test('management keys are AES-128 under key version 30 and differ from card to card', () => {
  const cards = [1, 2].map((serial) => manufactureOrder(issuing, { ci, eum, serial }).isdRKeys);
  const values = cards.flatMap(({ enc, mac, dek }) => [enc, mac, dek].map((key) => key.reveal().join()));
  assert.equal(new Set(values).size, 6);
  assert.deepEqual(
    cards.map(({ kvn, enc }) => [kvn, enc.reveal().length]),
    [
      [0x30, 16],
      [0x30, 16],
    ],
  );
});

test('a serial number that the EID has no room for is refused', () => {
  for (const serial of [-1, 1.5, 1e21]) {
    assert.throws(
      () => manufactureOrder(issuing, { ci, eum, serial }),
      (thrown) => isAgentError(thrown, 'NUMBER_RANGE'),
    );
  }
});

test('an eUICC accepts the certificates of an SM-DP, each for its own role and by one object identifier', () => {
  const pki = createSmDpPki(issuing, ci, { name: 'SM-DP A', registeredId: '2.999.10' });
  const trusted = parseCertificate(ci.certificate);
  const check = (certificate: Uint8Array, role: 'dpAuth' | 'dpPb', registeredId = '2.999.10') => {
    const result = verifyDpCertificate(ec, {
      certificate,
      roles: [role],
      trustedCis: [trusted],
      curves: ['P-256'],
      crls: [],
      registeredId,
    });
    return result.ok ? 'ok' : result.error;
  };
  assert.equal(check(pki.dpAuth.certificate, 'dpAuth'), 'ok');
  assert.equal(check(pki.dpPb.certificate, 'dpPb'), 'ok');
  assert.equal(check(pki.dpPb.certificate, 'dpAuth'), 'invalidOid');
  assert.equal(check(pki.dpAuth.certificate, 'dpAuth', '2.999.11'), 'invalidOid');
});

test('the certificate of an MNO bears its name and is signed by the CI', () => {
  const { certificate, key } = createMnoIdentity(issuing, ci, { name: 'mno-a' });
  const parsed = parseCertificate(certificate);
  assert.equal(parsed.subject.commonName, 'mno-a');
  assert.equal(isSignedBy(ec, parsed, ci), true);
  assert.deepEqual(parsed.publicKey, key.publicKey);
  assert.equal(parsed.isCa, false);
});

test('OpenSSL accepts the SM-DP and MNO certificates, and refuses the one that the CI revoked', (t) => {
  try {
    execFileSync('openssl', ['version']);
  } catch {
    return t.skip('no openssl on this machine');
  }
  const folder = mkdtempSync(join(tmpdir(), 'pki-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const pem = (name: string, kind: 'x509' | 'crl', der: Uint8Array): string => {
    const file = join(folder, name);
    writeFileSync(`${file}.der`, der);
    execFileSync('openssl', [kind, '-inform', 'DER', '-in', `${file}.der`, '-out', file]);
    return file;
  };
  const pki = createSmDpPki(issuing, ci, { name: 'SM-DP A', registeredId: '2.999.10' });
  const mno = createMnoIdentity(issuing, ci, { name: 'mno-a' });
  const revoked = [pki.dpPb.certificate];
  const crl = pem('crl', 'crl', issueRevocationList(issuing, ci, { number: 1, revoked }));
  const caFile = pem('ci', 'x509', ci.certificate);
  const verify = (name: string, der: Uint8Array): string => {
    const at = String(Math.floor(AT / 1000));
    const args = ['verify', '-attime', at, '-crl_check', '-CRLfile', crl, '-CAfile', caFile];
    try {
      return execFileSync('openssl', [...args, pem(name, 'x509', der)], { stdio: 'pipe' }).toString();
    } catch (error) {
      return String((error as { stderr?: unknown }).stderr);
    }
  };
  assert.match(verify('dpauth', pki.dpAuth.certificate), /: OK/);
  assert.match(verify('mno', mno.certificate), /: OK/);
  assert.match(verify('eum', eum.certificate), /: OK/);
  assert.match(verify('dppb', pki.dpPb.certificate), /revoked/);
  return undefined;
});
