// Certificates and revocation lists against what others read and publish, and against hostile octets.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { concat, equalBytes, fromHex, toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { encodeTlv, readTlv } from '../codec/ber-tlv.ts';
import { isRevoked, issueCrl, parseCrl } from './crl.ts';
import { decodeTime, encodeTime } from './der.ts';
import { createNodeEc } from './ec-node.ts';
import { type CurveName, type EcKeyPair, signatureToDer } from './ec.ts';
import { decodePrivateKeyInfo, encodePrivateKeyInfo } from './ec-keys.ts';
import {
  type Certificate,
  type CertificateIssuer,
  type CertificateRequest,
  EXTENDED_KEY_USAGE,
  isSignedBy,
  issueCertificate,
  KEY_USAGE,
  keyIdentifier,
  parseCertificate,
  RSP_ROLE,
} from './x509.ts';

const ec = createNodeEc();
const NOW = Date.UTC(2026, 10, 1);
const YEAR = 365 * 86_400_000;
const EID = '89049032123451234512345678901235';
const CI_NAME = { organization: 'Test CI', commonName: 'CI' };
const EUM_NAME = { country: 'XX', organization: 'Test EUM', commonName: 'EUM' };
const invalid = (thrown: unknown): boolean => isAgentError(thrown, 'CERTIFICATE_INVALID');

type Issued = { readonly der: Uint8Array; readonly pair: EcKeyPair; readonly issuer: CertificateIssuer };

function issue(
  curve: CurveName,
  by: CertificateIssuer | undefined,
  what: Pick<CertificateRequest, 'subject' | 'keyUsage'> & Partial<CertificateRequest>,
): Issued {
  const pair = ec.generate(curve);
  const issuer = { name: what.subject, ...pair };
  const request = {
    serialNumber: fromHex('0102030405'),
    curve,
    publicKey: pair.publicKey,
    notBefore: NOW - YEAR,
    notAfter: NOW + 30 * YEAR,
    ...what,
  };
  return { der: issueCertificate(ec, by ?? issuer, request), pair, issuer };
}

/** One certificate of each kind, all below one CI. */
function issueAll(curve: CurveName) {
  const ci = issue(curve, undefined, {
    subject: CI_NAME,
    keyUsage: [KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign],
    policies: [RSP_ROLE.ci],
    ca: {},
    registeredId: '2.999.1',
  });
  const eum = issue(curve, ci.issuer, {
    subject: EUM_NAME,
    keyUsage: [KEY_USAGE.keyCertSign],
    policies: [RSP_ROLE.eum],
    ca: { pathLength: 0 },
    registeredId: '2.999.5',
    permittedNames: [{ organization: 'Test EUM', serialNumber: '89049032' }],
    crlDistributionPoints: ['http://ci.example.com/crl-a.crl'],
  });
  const euicc = issue(curve, eum.issuer, {
    subject: { country: 'XX', organization: 'Test EUM', serialNumber: EID, commonName: 'eUICC' },
    keyUsage: [KEY_USAGE.digitalSignature],
    policies: [RSP_ROLE.euicc],
    notAfter: Date.UTC(7496, 0, 1),
  });
  const dp = (policy: string): Issued =>
    issue(curve, ci.issuer, {
      subject: { organization: 'SM-DP', commonName: 'dp.example.com' },
      keyUsage: [KEY_USAGE.digitalSignature],
      policies: [policy],
      registeredId: '2.999.10',
    });
  const tls = issue(curve, ci.issuer, {
    subject: { organization: 'SM-DP', commonName: 'dp.example.com' },
    keyUsage: [KEY_USAGE.digitalSignature],
    policies: [RSP_ROLE.dpTls],
    registeredId: '2.999.10',
    dnsNames: ['dp.example.com', 'localhost'],
    ipAddresses: ['127.0.0.1'],
    extendedKeyUsage: [EXTENDED_KEY_USAGE.serverAuth, EXTENDED_KEY_USAGE.clientAuth],
  });
  return { ci, eum, euicc, dpAuth: dp(RSP_ROLE.dpAuth), dpPb: dp(RSP_ROLE.dpPb), tls };
}

describe('issued certificates', () => {
  for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
    test(`say what was asked for and are signed by their issuer on ${curve}`, () => {
      const all = issueAll(curve);
      const ci = parseCertificate(all.ci.der);
      const eum = parseCertificate(all.eum.der);
      const euicc = parseCertificate(all.euicc.der);
      assert.equal(isSignedBy(ec, ci, ci) && isSignedBy(ec, eum, ci) && isSignedBy(ec, euicc, eum), true);
      assert.equal(isSignedBy(ec, euicc, ci), false);
      assert.deepEqual(eum.permittedNames, [{ organization: 'Test EUM', serialNumber: '89049032' }]);
      assert.deepEqual([eum.isCa, eum.pathLength, euicc.isCa], [true, 0, false]);
      assert.deepEqual(eum.authorityKeyIdentifier, ci.subjectKeyIdentifier);
      assert.deepEqual(eum.subjectKeyIdentifier, keyIdentifier(all.eum.pair.publicKey));
      assert.equal(euicc.subject.serialNumber, EID);
      assert.equal(euicc.notAfter, Date.UTC(7496, 0, 1));
      for (const role of ['dpAuth', 'dpPb', 'dpTls'] as const) {
        const certificate = parseCertificate((role === 'dpTls' ? all.tls : all[role]).der);
        assert.equal(isSignedBy(ec, certificate, ci), true, role);
        assert.deepEqual([certificate.policies, certificate.registeredIds], [[RSP_ROLE[role]], ['2.999.10']]);
      }
    });
  }

  test('keep times on both sides of 2050 and refuse days that do not exist', () => {
    for (const time of [
      Date.UTC(2049, 11, 31, 23, 59, 59),
      Date.UTC(2050, 0, 1),
      Date.UTC(9999, 11, 31, 23, 59, 59),
    ]) {
      assert.equal(decodeTime(readTlv(encodeTime(time))), time);
    }
    const text = (tag: number, digits: string): Uint8Array =>
      encodeTlv(
        tag,
        Uint8Array.from(digits, (digit) => digit.charCodeAt(0)),
      );
    assert.equal(decodeTime(readTlv(text(0x17, '991231235959Z'))), Date.UTC(1999, 11, 31, 23, 59, 59));
    for (const [tag, digits] of [
      [0x17, '250230000000Z'],
      [0x17, '251301000000Z'],
      [0x17, '250101240000Z'],
      [0x17, '2501010000Z'],
      [0x17, '250101000000+0100'],
      [0x18, '250101000000Z'],
      [0x18, '20250101000000'],
      [0x13, '20250101000000Z'],
    ] as const) {
      assert.throws(() => decodeTime(readTlv(text(tag, digits))), invalid, digits);
    }
  });
});

describe('revocation lists', () => {
  const { ci, eum, euicc } = issueAll('P-256');
  const [ciCertificate, eumCertificate, euiccCertificate] = [ci, eum, euicc].map(({ der }) =>
    parseCertificate(der),
  ) as [Certificate, Certificate, Certificate];
  const list = (issuer: CertificateIssuer, ...serials: string[]): Uint8Array =>
    issueCrl(ec, issuer, {
      number: 7,
      thisUpdate: NOW,
      nextUpdate: NOW + YEAR,
      revoked: serials.map((serialNumber) => ({ serialNumber, at: NOW - 1000 })),
    });

  test('name serial numbers of their own issuer only', () => {
    const ofCi = parseCrl(list(ci.issuer, '0102030405', '00FF'));
    assert.deepEqual([...ofCi.revoked], ['0102030405', '00FF']);
    assert.deepEqual([ofCi.thisUpdate, ofCi.nextUpdate], [NOW, NOW + YEAR]);
    assert.equal(isRevoked(ec, eumCertificate, ciCertificate, [ofCi]), true);
    // The eUICC's certificate has the same serial number, but another issuer.
    assert.equal(euiccCertificate.serialNumber, eumCertificate.serialNumber);
    assert.equal(isRevoked(ec, euiccCertificate, eumCertificate, [ofCi]), false);
    const ofEum = parseCrl(list(eum.issuer, '0102030405'));
    assert.equal(isRevoked(ec, euiccCertificate, eumCertificate, [ofCi, ofEum]), true);
    assert.equal(isRevoked(ec, eumCertificate, ciCertificate, [parseCrl(list(ci.issuer))]), false);
  });

  test('count for nothing once a bit of them is changed', () => {
    const good = list(ci.issuer, '0102030405');
    for (let at = 0; at < good.length; at++) {
      const bad = Uint8Array.from(good, (octet, i) => (i === at ? octet ^ 0x01 : octet));
      let parsed: ReturnType<typeof parseCrl>;
      try {
        parsed = parseCrl(bad);
      } catch (thrown) {
        assert.ok(thrown instanceof AgentError, `octet ${at}`);
        continue;
      }
      assert.equal(isRevoked(ec, eumCertificate, ciCertificate, [parsed]), false, `octet ${at}`);
    }
  });

  test('truncated and random octets are refused', () => {
    const good = list(ci.issuer, '01');
    for (let end = 0; end < good.length; end++) assert.throws(() => parseCrl(good.subarray(0, end)), invalid);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => assert.throws(() => parseCrl(bytes), invalid)),
    );
  });
});

describe('hostile certificates', () => {
  const { euicc } = issueAll('P-256');

  test('truncated, oversized and random ones end in an AgentError', () => {
    for (let end = 0; end < euicc.der.length; end++) {
      assert.throws(() => parseCertificate(euicc.der.subarray(0, end)), AgentError, `cut at ${end}`);
    }
    assert.throws(() => parseCertificate(concat(euicc.der, Uint8Array.of(0))), AgentError);
    assert.throws(() => parseCertificate(encodeTlv(0x30, new Uint8Array(20_000))), invalid);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) =>
        assert.throws(() => parseCertificate(encodeTlv(0x30, bytes)), AgentError),
      ),
    );
  });

  test('any changed octet is refused, or no longer verifies', () => {
    const { eum, euicc: good } = issueAll('P-256');
    const issuer = parseCertificate(eum.der);
    for (let at = 0; at < good.der.length; at++) {
      const bad = Uint8Array.from(good.der, (octet, i) => (i === at ? octet ^ 0x04 : octet));
      let certificate: Certificate;
      try {
        certificate = parseCertificate(bad);
      } catch (thrown) {
        assert.ok(thrown instanceof AgentError, `octet ${at}`);
        continue;
      }
      assert.equal(isSignedBy(ec, certificate, issuer), false, `octet ${at}`);
    }
  });

  test('an unknown critical extension, an extension twice and another signature algorithm are refused', () => {
    // CertificatePolicies is named once more, as an extension that nobody knows.
    const policies = '0603551D20';
    const change = (from: string, to: string): Uint8Array => fromHex(toHex(euicc.der).replace(from, to));
    assert.throws(() => parseCertificate(change(policies, '0603551D7E')), invalid);
    assert.throws(() => parseCertificate(change(policies, '0603551D0F')), invalid);
    assert.throws(() => parseCertificate(change('06082A8648CE3D040302', '06082A8648CE3D040303')), invalid);
  });
});

describe('foreign readers', () => {
  const SGP26 = join('..', 'shared', 'testdata', 'sgp26');
  const files = (): string[] =>
    readdirSync(SGP26, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.der'));
  const read = (name: string): Uint8Array => new Uint8Array(readFileSync(join(SGP26, name)));

  test('every SGP.26 certificate is read and signed by the CI or EUM that it names', (t) => {
    if (!existsSync(SGP26)) return t.skip('no shared test data');
    const all = files()
      .filter((name) => basename(name).startsWith('CERT_'))
      .map((name) => [name, parseCertificate(read(name))] as const);
    assert.ok(all.length > 20);
    for (const [name, certificate] of all) {
      const { authorityKeyIdentifier: aki } = certificate;
      if (aki === undefined) {
        assert.equal(isSignedBy(ec, certificate, certificate), true, name);
        continue;
      }
      const issuers = all.filter(
        ([, { subjectKeyIdentifier: ski }]) => ski !== undefined && equalBytes(ski, aki),
      );
      assert.ok(issuers.length > 0, name);
      for (const [, issuer] of issuers) assert.equal(isSignedBy(ec, certificate, issuer), true, name);
    }
  });

  test('every SGP.26 private key belongs to the certificate of its name', (t) => {
    if (!existsSync(SGP26)) return t.skip('no shared test data');
    const names = files();
    for (const name of names.filter((each) => basename(each).startsWith('SK_'))) {
      const pair = decodePrivateKeyInfo(ec, new Secret(read(name)));
      const certificate = name.replace('SK_', 'CERT_');
      if (names.includes(certificate)) {
        assert.deepEqual(parseCertificate(read(certificate)).publicKey, pair.publicKey, name);
      }
    }
  });

  test('OpenSSL shows and verifies CI -> EUM -> eUICC, CI -> DPauth, the TLS server and the revocation list', (t) => {
    if (!hasOpenssl()) return t.skip('no openssl on this machine');
    const folder = mkdtempSync(join(tmpdir(), 'x509-'));
    try {
      for (const curve of ['P-256', 'brainpoolP256r1'] as const) checkWithOpenssl(folder, curve);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function hasOpenssl(): boolean {
  try {
    return openssl('version').length > 0;
  } catch {
    return false;
  }
}

function checkWithOpenssl(folder: string, curve: CurveName): void {
  const all = issueAll(curve);
  const pem = (name: string, der: Uint8Array, kind = 'x509'): string => {
    const file = join(folder, `${name}.pem`);
    writeFileSync(join(folder, 'in.der'), der);
    openssl(kind, '-inform', 'DER', '-in', join(folder, 'in.der'), '-out', file);
    return file;
  };
  const [ci, eum, euicc] = [pem('ci', all.ci.der), pem('eum', all.eum.der), pem('euicc', all.euicc.der)];
  const at = ['-attime', String(NOW / 1000)];
  const show = (file: string): string => openssl('x509', '-noout', '-text', '-in', file);

  assert.match(show(eum), /Permitted:\s+DirName:\s?O ?= ?Test EUM, ?serialNumber ?= ?89049032/);
  assert.match(show(eum), /CA:TRUE, pathlen:0[\s\S]*crl-a\.crl/);
  assert.match(show(euicc), /Not After : Jan {2}1 00:00:00 7496 GMT/);
  assert.match(show(euicc), new RegExp(`serialNumber ?= ?${EID}`));
  for (const file of [eum, pem('dpauth', all.dpAuth.der)]) {
    assert.match(openssl('verify', '-x509_strict', ...at, '-CAfile', ci, file), /: OK/);
  }
  // Generic validators take the EUM's nameConstraints for a leading part of the subject, and object to nothing else.
  const chain = spawnVerify([...at, '-CAfile', ci, '-untrusted', eum, euicc]);
  assert.match(chain, /error 47 at 0 depth lookup: permitted subtree violation/);
  const { tbs, signature } = parseCertificate(all.euicc.der);
  writeFileSync(join(folder, 'tbs'), tbs);
  writeFileSync(join(folder, 'sig'), signatureToDer(signature));
  writeFileSync(join(folder, 'eum.pub'), openssl('x509', '-pubkey', '-noout', '-in', eum));
  const key = ['-verify', join(folder, 'eum.pub'), '-signature', join(folder, 'sig')];
  assert.match(openssl('dgst', '-sha256', ...key, join(folder, 'tbs')), /Verified OK/);
  const tls = pem('tls', all.tls.der);
  const server = ['-purpose', 'sslserver', '-verify_hostname', 'dp.example.com'];
  assert.match(openssl('verify', ...server, ...at, '-CAfile', ci, tls), /: OK/);
  assert.match(openssl('verify', '-verify_ip', '127.0.0.1', ...at, '-CAfile', ci, tls), /: OK/);
  const list = { number: 7, thisUpdate: NOW - 1000, nextUpdate: NOW + YEAR };
  for (const [serialNumber, answer] of [
    ['0102030405', /certificate revoked/],
    ['05', /: OK/],
  ] as const) {
    const crl = issueCrl(ec, all.ci.issuer, { ...list, revoked: [{ serialNumber, at: NOW - 2000 }] });
    const crlFile = pem(`crl-${serialNumber}`, crl, 'crl');
    assert.match(spawnVerify([...at, '-crl_check', '-CRLfile', crlFile, '-CAfile', ci, tls]), answer);
  }
  writeFileSync(join(folder, 'key.der'), encodePrivateKeyInfo(all.tls.pair).reveal(), { mode: 0o600 });
  assert.match(
    openssl('pkey', '-inform', 'DER', '-in', join(folder, 'key.der'), '-noout', '-text'),
    /256 bit/,
  );
}

function spawnVerify(args: string[]): string {
  try {
    return openssl('verify', ...args);
  } catch (thrown) {
    const { stdout, stderr } = thrown as { stdout: string; stderr: string };
    return `${stdout}${stderr}`;
  }
}
