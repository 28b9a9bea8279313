// Identities: certificates that this project issues, the published SGP.26 ones, and every way in which one can be wrong.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { completeEid } from '../codec/ids.ts';
import { type EuiccEvidence, type EuiccTrust, verifyDpCertificate, verifyEuicc } from './chain.ts';
import { issueCrl, parseCrl } from './crl.ts';
import { createNodeEc } from './ec-node.ts';
import {
  type Certificate,
  type CertificateIssuer,
  type CertificateRequest,
  isSignedBy,
  issueCertificate,
  KEY_USAGE,
  parseCertificate,
  RSP_ROLE,
} from './x509.ts';

const ec = createNodeEc();
const NOW = Date.UTC(2026, 10, 1);
const YEAR = 365 * 86_400_000;
const EID = completeEid('890490321234512345123456789012');
const EUM_NAME = { country: 'XX', organization: 'Test EUM', commonName: 'EUM' };

function makeCi(curve: 'P-256' | 'brainpoolP256r1' = 'P-256') {
  const pair = ec.generate(curve);
  const name = { organization: 'Test CI', commonName: 'CI' };
  const issuer: CertificateIssuer = { name, ...pair };
  const der = issueCertificate(ec, issuer, {
    serialNumber: fromHex('01'),
    subject: name,
    curve,
    publicKey: pair.publicKey,
    notBefore: NOW - YEAR,
    notAfter: NOW + 30 * YEAR,
    keyUsage: [KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign],
    policies: [RSP_ROLE.ci],
    ca: {},
  });
  return { issuer, der, certificate: parseCertificate(der), curve };
}

function makeEuicc(
  ci: ReturnType<typeof makeCi>,
  change: { eum?: Partial<CertificateRequest>; euicc?: Partial<CertificateRequest> } = {},
) {
  const eumPair = ec.generate(ci.curve);
  const eum = issueCertificate(ec, ci.issuer, {
    serialNumber: fromHex('8002'),
    subject: EUM_NAME,
    curve: ci.curve,
    publicKey: eumPair.publicKey,
    notBefore: NOW - YEAR,
    notAfter: NOW + 20 * YEAR,
    keyUsage: [KEY_USAGE.keyCertSign],
    policies: [RSP_ROLE.eum],
    ca: { pathLength: 0 },
    permittedNames: [{ organization: 'Test EUM', serialNumber: '89049032' }],
    ...change.eum,
  });
  const pair = ec.generate(ci.curve);
  const euicc = issueCertificate(
    ec,
    { name: EUM_NAME, ...eumPair },
    {
      serialNumber: fromHex('03'),
      subject: { country: 'XX', organization: 'Test EUM', serialNumber: EID, commonName: 'eUICC' },
      curve: ci.curve,
      publicKey: pair.publicKey,
      notBefore: NOW - YEAR,
      notAfter: Date.UTC(7496, 0, 1),
      keyUsage: [KEY_USAGE.digitalSignature],
      policies: [RSP_ROLE.euicc],
      ...change.euicc,
    },
  );
  const signed = utf8Bytes('euiccSigned1');
  const evidence: EuiccEvidence = {
    euiccCertificate: euicc,
    eumCertificate: eum,
    eid: EID,
    proof: { signed, signature: ec.sign(ci.curve, pair.privateKey, signed), challengeMatches: true },
  };
  return { evidence, pair, eumIssuer: { name: EUM_NAME, ...eumPair } };
}

function trustIn(...cis: ReturnType<typeof makeCi>[]): EuiccTrust {
  return {
    trustedCis: cis.map(({ certificate }) => certificate),
    crls: [],
    at: NOW,
    eisStatus: 'ok',
    deniedFirmware: [],
  };
}

function failedChecks(evidence: EuiccEvidence, trust: EuiccTrust): string[] {
  return verifyEuicc(ec, evidence, trust)
    .checks.filter(({ ok }) => !ok)
    .map(({ name }) => name);
}

describe('verdict on an eUICC', () => {
  const ci = makeCi();
  const good = makeEuicc(ci);

  test('accepts a chain to a trusted CI with a fresh proof of possession, on both curves', () => {
    assert.deepEqual(failedChecks(good.evidence, trustIn(ci)), []);
    const brainpool = makeCi('brainpoolP256r1');
    assert.equal(verifyEuicc(ec, makeEuicc(brainpool).evidence, trustIn(ci, brainpool)).accepted, true);
  });

  test('names the CI that is not in the circle of trust', () => {
    assert.deepEqual(failedChecks(good.evidence, trustIn(makeCi())), [
      'issuer trusted',
      'EUM certificate signature',
    ]);
  });

  test('names an expired certificate, one not yet valid, and a missing clock', () => {
    const expired = makeEuicc(ci, { euicc: { notAfter: NOW - 1000 } });
    assert.deepEqual(failedChecks(expired.evidence, trustIn(ci)), ['validity dates']);
    const future = makeEuicc(ci, { eum: { notBefore: NOW + 1000 } });
    assert.deepEqual(failedChecks(future.evidence, trustIn(ci)), ['validity dates']);
    assert.deepEqual(failedChecks(good.evidence, { ...trustIn(ci), at: undefined }), ['validity dates']);
  });

  test('names a revoked EUM or eUICC, and believes no list of a stranger', () => {
    const list = (issuer: CertificateIssuer, serialNumber: string) =>
      parseCrl(
        issueCrl(ec, issuer, {
          number: 1,
          thisUpdate: NOW,
          nextUpdate: NOW + YEAR,
          revoked: [{ serialNumber, at: NOW - 1000 }],
        }),
      );
    const eumSerial = parseCertificate(good.evidence.eumCertificate).serialNumber;
    assert.deepEqual(failedChecks(good.evidence, { ...trustIn(ci), crls: [list(ci.issuer, eumSerial)] }), [
      'not revoked',
    ]);
    assert.deepEqual(failedChecks(good.evidence, { ...trustIn(ci), crls: [list(good.eumIssuer, '03')] }), [
      'not revoked',
    ]);
    const stranger = { ...ci.issuer, ...ec.generate('P-256') };
    assert.deepEqual(failedChecks(good.evidence, { ...trustIn(ci), crls: [list(stranger, eumSerial)] }), []);
  });

  test('names an EID that is not the claimed one, outside the range of its EUM, or with wrong check digits', () => {
    const other = completeEid('890490329999999999999999999999');
    assert.deepEqual(failedChecks({ ...good.evidence, eid: other }, trustIn(ci)), ['EID of the certificate']);
    const foreign = completeEid('890860329999999999999999999999');
    const outside = makeEuicc(ci, {
      euicc: { subject: { organization: 'Test EUM', serialNumber: foreign } },
    });
    assert.deepEqual(failedChecks({ ...outside.evidence, eid: foreign }, trustIn(ci)), [
      'EID range of the EUM',
    ]);
    const crooked = `${EID.slice(0, 31)}${EID.endsWith('0') ? '1' : '0'}`;
    const digits = makeEuicc(ci, { euicc: { subject: { organization: 'Test EUM', serialNumber: crooked } } });
    assert.deepEqual(failedChecks({ ...digits.evidence, eid: crooked }, trustIn(ci)), ['EID check digits']);
  });

  test('names wrong rights: an eUICC that is an authority, missing key usage, missing policies', () => {
    const authority = makeEuicc(ci, { euicc: { ca: {} } });
    assert.deepEqual(failedChecks(authority.evidence, trustIn(ci)), ['basic constraints']);
    const usage = makeEuicc(ci, { euicc: { keyUsage: [KEY_USAGE.keyAgreement] } });
    assert.deepEqual(failedChecks(usage.evidence, trustIn(ci)), ['key usage']);
    const policy = makeEuicc(ci, { euicc: { policies: [RSP_ROLE.dpAuth] } });
    assert.deepEqual(failedChecks(policy.evidence, trustIn(ci)), ['certificate policies']);
  });

  test('an eUICC that cannot be asked is judged by all but its signature over our challenge', () => {
    const offline = { ...good.evidence, proof: 'offline' } as const;
    const names = (evidence: typeof offline | typeof good.evidence): string[] =>
      verifyEuicc(ec, evidence, trustIn(ci)).checks.map(({ name }) => name);
    const asked = new Set(['fresh challenge', 'proof of possession']);
    assert.deepEqual(
      names(offline),
      names(good.evidence).filter((name) => !asked.has(name)),
    );
    assert.deepEqual(failedChecks(offline, { ...trustIn(ci), trustedCis: [] }), [
      'issuer trusted',
      'EUM certificate signature',
    ]);
  });

  test('names a stale challenge, a foreign signature, a locked EIS and a denied firmware', () => {
    const { proof } = good.evidence;
    assert.ok(proof !== 'offline');
    const stale = { ...good.evidence, proof: { ...proof, challengeMatches: false } };
    assert.deepEqual(failedChecks(stale, trustIn(ci)), ['fresh challenge']);
    const foreign = { ...good.evidence, proof: { ...proof, signed: utf8Bytes('something else') } };
    assert.deepEqual(failedChecks(foreign, trustIn(ci)), ['proof of possession']);
    assert.deepEqual(failedChecks(good.evidence, { ...trustIn(ci), eisStatus: 'locked' }), ['EIS status']);
    const denied = { ...trustIn(ci), firmware: '1.2.3', deniedFirmware: ['1.2.3'] };
    assert.deepEqual(failedChecks(good.evidence, denied), ['firmware']);
  });

  test('a certificate signed by another EUM key fails, whatever its names say', () => {
    const evidence = { ...good.evidence, eumCertificate: makeEuicc(ci).evidence.eumCertificate };
    assert.deepEqual(failedChecks(evidence, trustIn(ci)), ['eUICC certificate signature']);
  });

  test('never throws and never accepts, whatever octets stand for a certificate', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        assert.equal(
          verifyEuicc(ec, { ...good.evidence, euiccCertificate: bytes }, trustIn(ci)).accepted,
          false,
        );
      }),
    );
    const whole = good.evidence.euiccCertificate;
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const tampered = Uint8Array.from(whole, (octet, i) => (i === at ? octet ^ flip : octet));
        assert.equal(
          verifyEuicc(ec, { ...good.evidence, euiccCertificate: tampered }, trustIn(ci)).accepted,
          false,
        );
      }),
    );
    for (let end = 0; end < whole.length; end += 7) {
      assert.throws(
        () => parseCertificate(whole.subarray(0, end)),
        (error) => isAgentError(error),
      );
    }
  });
});

describe("an eUICC's verdict on an SM-DP+", () => {
  const ci = makeCi();
  const issue = (change: Partial<CertificateRequest> = {}, by = ci.issuer): Uint8Array =>
    issueCertificate(ec, by, {
      serialNumber: fromHex('05'),
      subject: { organization: 'SM-DP', commonName: 'DP' },
      curve: 'P-256',
      publicKey: ec.generate('P-256').publicKey,
      notBefore: NOW,
      notAfter: NOW + YEAR,
      keyUsage: [KEY_USAGE.digitalSignature],
      policies: [RSP_ROLE.dpAuth],
      registeredId: '2.999.10',
      ...change,
    });
  const verify = (
    certificate: Uint8Array,
    change: { registeredId?: string; trustedCis?: readonly Certificate[] } = {},
  ) => {
    const result = verifyDpCertificate(ec, {
      certificate,
      roles: ['dpAuth'],
      trustedCis: [makeCi().certificate, ci.certificate],
      curves: ['P-256'],
      crls: [],
      ...change,
    });
    return result.ok ? 'ok' : result.error;
  };

  test('gives the error that the standard names for each fault', () => {
    assert.equal(verify(issue()), 'ok');
    assert.equal(verify(issue(), { registeredId: '2.999.10' }), 'ok');
    assert.equal(verify(issue(), { registeredId: '2.999.12' }), 'invalidOid');
    assert.equal(verify(issue({ policies: [RSP_ROLE.dpPb] })), 'invalidOid');
    assert.equal(verify(issue(), { trustedCis: [makeCi().certificate] }), 'invalidCertificate');
    assert.equal(verify(issue({ ca: {} })), 'invalidCertificate');
    assert.equal(
      verify(issue({}, { ...ci.issuer, ...ec.generate('P-256'), publicKey: ci.issuer.publicKey })),
      'invalidCertificate',
    );
    const brainpool = ec.generate('brainpoolP256r1');
    assert.equal(
      verify(issue({ curve: 'brainpoolP256r1', publicKey: brainpool.publicKey })),
      'unsupportedCurve',
    );
    const unknownCurve = toHex(issue()).replace('06082A8648CE3D030107', '06082A8648CE3D030106');
    assert.equal(verify(fromHex(unknownCurve)), 'unsupportedCurve');
    assert.equal(verify(fromHex('3000')), 'invalidCertificate');
  });
});

describe('published and foreign readers', () => {
  const SGP26 = join(import.meta.dirname, '..', '..', '..', 'shared', 'testdata', 'sgp26');
  const der = (...path: string[]): Uint8Array => new Uint8Array(readFileSync(join(SGP26, ...path)));

  test('the SGP.26 chain reads and verifies', (t) => {
    if (!existsSync(SGP26)) return t.skip('no SGP.26 test certificates beside the project');
    const ci = parseCertificate(der('CI', 'CERT_CI_SIG_NIST.der'));
    const evidence: EuiccEvidence = {
      euiccCertificate: der('eUICC', 'CERT_EUICC_SIG_NIST.der'),
      eumCertificate: der('EUM', 'CERT_EUM_SIG_NIST.der'),
      eid: '89049032123451234512345678901235',
      proof: { signed: new Uint8Array(1), signature: new Uint8Array(64), challengeMatches: true },
    };
    const trust: EuiccTrust = { trustedCis: [ci], crls: [], at: NOW, eisStatus: 'ok', deniedFirmware: [] };
    assert.deepEqual(failedChecks(evidence, trust), ['proof of possession']);
    assert.equal(
      toHex(ci.subjectKeyIdentifier ?? new Uint8Array(0)),
      'F54172BDF98A95D65CBEB88A38A1C11D800A85C3',
    );
    for (const [role, file] of [
      ['dpAuth', 'DPauth/CERT_S_SM_DPauth_ECDSA_NIST.der'],
      ['dpPb', 'DPpb/CERT_S_SM_DPpb_ECDSA_NIST.der'],
    ] as const) {
      const result = verifyDpCertificate(ec, {
        certificate: der(...file.split('/')),
        roles: [role],
        trustedCis: [ci],
        curves: ['P-256'],
        crls: [],
        registeredId: '2.999.10',
      });
      assert.equal(result.ok, true, file);
    }
  });

  test('OpenSSL reads and verifies what this project issues', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'x509-'));
    try {
      try {
        execFileSync('openssl', ['version']);
      } catch {
        return t.skip('no openssl on this machine');
      }
      const ci = makeCi();
      const eum = parseCertificate(makeEuicc(ci).evidence.eumCertificate);
      assert.equal(isSignedBy(ec, eum, ci.certificate), true);
      const pem = (name: string, bytes: Uint8Array): string => {
        const file = join(folder, name);
        writeFileSync(`${file}.der`, bytes);
        execFileSync('openssl', ['x509', '-inform', 'DER', '-in', `${file}.der`, '-out', file]);
        return file;
      };
      const caFile = pem('ci', ci.der);
      const text = execFileSync('openssl', [
        'x509',
        '-noout',
        '-text',
        '-in',
        pem('eum', eum.raw),
      ]).toString();
      assert.match(text, /Certificate Sign/);
      assert.match(text, /2\.23\.146\.1\.2\.1\.2/);
      const at = String(Math.floor(NOW / 1000));
      const args = ['verify', '-attime', at, '-CAfile', caFile, join(folder, 'eum')];
      assert.match(execFileSync('openssl', args).toString(), /: OK/);
      return undefined;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
