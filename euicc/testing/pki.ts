// A small world of certificates for tests: CI, EUM, eUICC and SM-DP+, below one root of either curve.
import { EMPTY, fromHex } from '../../base/bytes.ts';
import { completeEid, type Eid } from '../../codec/ids.ts';
import type { CurveName, Ec, EcKeyPair } from '../../crypto/ec.ts';
import {
  type Certificate,
  type CertificateIssuer,
  type CertificateRequest,
  issueCertificate,
  KEY_USAGE,
  parseCertificate,
  RSP_ROLE,
} from '../../crypto/x509.ts';

const NOW = Date.UTC(2026, 0, 1);
const YEAR = 365 * 86_400_000;
export const TEST_EID: Eid = completeEid('890490321234512345123456789012');
export const TEST_DP_OID = '2.999.10';
const EUM_NAME = { country: 'XX', organization: 'Test EUM', commonName: 'EUM' };

export type Held = { readonly pair: EcKeyPair; readonly certificate: Uint8Array };

export type TestPki = {
  readonly ec: Ec;
  readonly curve: CurveName;
  readonly issuer: CertificateIssuer;
  readonly ci: Certificate;
  readonly ciPKId: Uint8Array;
  readonly eum: Held;
  readonly euicc: Held;
  /** A certificate below the CI; `change` makes it a wrong one. */
  issue(change: Partial<CertificateRequest>): Held;
  dpAuth(change?: Partial<CertificateRequest>): Held;
  dpPb(change?: Partial<CertificateRequest>): Held;
};

export function createTestPki(ec: Ec, curve: CurveName = 'P-256', name = 'Test CI'): TestPki {
  const root = ec.generate(curve);
  const issuer: CertificateIssuer = { name: { organization: name, commonName: 'CI' }, ...root };
  let serial = 0x10;
  const request = (pair: EcKeyPair, change: Partial<CertificateRequest>): CertificateRequest => ({
    serialNumber: Uint8Array.of(0x40, serial++),
    subject: { organization: 'Test', commonName: 'x' },
    curve,
    publicKey: pair.publicKey,
    notBefore: NOW - YEAR,
    notAfter: NOW + 30 * YEAR,
    keyUsage: [KEY_USAGE.digitalSignature],
    ...change,
  });
  const issue = (change: Partial<CertificateRequest>, by = issuer): Held => {
    const pair = ec.generate(curve);
    return { pair, certificate: issueCertificate(ec, by, request(pair, change)) };
  };
  const ciRequest = request(root, {
    serialNumber: fromHex('01'),
    subject: issuer.name,
    keyUsage: [KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign],
    policies: [RSP_ROLE.ci],
    ca: {},
  });
  const ci = parseCertificate(issueCertificate(ec, issuer, ciRequest));
  const eum = issue({
    subject: EUM_NAME,
    keyUsage: [KEY_USAGE.keyCertSign],
    policies: [RSP_ROLE.eum],
    ca: { pathLength: 0 },
    permittedNames: [{ organization: 'Test EUM', serialNumber: '89049032' }],
  });
  const euicc = issue(
    {
      subject: { ...EUM_NAME, serialNumber: TEST_EID, commonName: 'eUICC' },
      policies: [RSP_ROLE.euicc],
    },
    { name: EUM_NAME, ...eum.pair },
  );
  return {
    ec,
    curve,
    issuer,
    ci,
    ciPKId: ci.subjectKeyIdentifier ?? EMPTY,
    eum,
    euicc,
    issue,
    dpAuth: (change = {}) => issue({ policies: [RSP_ROLE.dpAuth], registeredId: TEST_DP_OID, ...change }),
    dpPb: (change = {}) => issue({ policies: [RSP_ROLE.dpPb], registeredId: TEST_DP_OID, ...change }),
  };
}
