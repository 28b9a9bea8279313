// Verdicts on identities: an eUICC before the operators (design: who trusts whom), an SM-DP before the eUICC (SGP.22 4.5.2.2, 5.7.13).
import { equalBytes, toHex } from '../base/bytes.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import { parseEid } from '../codec/ids.ts';
import { type Crl, isRevoked } from './crl.ts';
import type { CurveName, Ec } from './ec.ts';
import type { Verdict, VerdictCheck } from './verdict.ts';
import { type Certificate, isSignedBy, KEY_USAGE, parseCertificate, RSP_ROLE } from './x509.ts';

export type EuiccEvidence = {
  /** CERT.EUICC.ECDSA and CERT.EUM.ECDSA as DER, as the eUICC sent them. */
  readonly euiccCertificate: Uint8Array;
  readonly eumCertificate: Uint8Array;
  /** What the device claims to be. */
  readonly eid: string;
  /**
   * Signed by the eUICC over a challenge of ours; `challengeMatches` says that it is the one we sent. `offline` says that the eUICC cannot
   * be asked: what follows must be of use to the holder of its certified static key alone.
   */
  readonly proof:
    | {
        readonly signed: Uint8Array;
        /** r and s, 64 octets. */
        readonly signature: Uint8Array;
        readonly challengeMatches: boolean;
      }
    | 'offline';
};

export type EuiccTrust = {
  /** The certificate issuers of the circle of trust. */
  readonly trustedCis: readonly Certificate[];
  readonly crls: readonly Crl[];
  /** Unix milliseconds; undefined when there is no clock to trust. */
  readonly at: number | undefined;
  /** The EIS's word: `ok`, or why it is not. */
  readonly eisStatus: string;
  /** euiccFirmwareVer as dotted text, and those that are not to be served. */
  readonly firmware?: string;
  readonly deniedFirmware: readonly string[];
};

/** Checks everything, even after a failure, so that the verdict says all that is wrong. Never throws. */
export function verifyEuicc(ec: Ec, evidence: EuiccEvidence, trust: EuiccTrust): Verdict {
  const checks: VerdictCheck[] = [];
  const check = (name: string, ok: boolean, detail?: string): void => {
    checks.push(ok || detail === undefined ? { name, ok } : { name, ok, detail });
  };
  const euicc = readCertificate(evidence.euiccCertificate);
  const eum = readCertificate(evidence.eumCertificate);
  if (typeof euicc === 'string' || typeof eum === 'string') {
    check('certificates readable', false, [euicc, eum].filter((part) => typeof part === 'string').join('; '));
    return { accepted: false, checks };
  }
  check('certificates readable', true);
  const ci = issuerOf(eum, trust.trustedCis);
  const aki = eum.authorityKeyIdentifier === undefined ? 'none' : toHex(eum.authorityKeyIdentifier);
  check('issuer trusted', ci !== undefined, `CI key ${aki} is not in the circle of trust`);
  check(
    'EUM certificate signature',
    ci !== undefined && isSignedBy(ec, eum, ci),
    'not signed by a trusted CI',
  );
  check('eUICC certificate signature', isSignedBy(ec, euicc, eum), 'not signed by the EUM');
  const dated = [euicc, eum, ...(ci === undefined ? [] : [ci])];
  check(
    'validity dates',
    trust.at !== undefined && dated.every((each) => isValidAt(each, trust.at)),
    datesText(dated, trust.at),
  );
  const revoked =
    isRevoked(ec, euicc, eum, trust.crls) || (ci !== undefined && isRevoked(ec, eum, ci, trust.crls));
  check('not revoked', !revoked, 'a revocation list names the certificate');
  check('basic constraints', eum.isCa && !euicc.isCa, 'the EUM must be an authority, the eUICC must not');
  const usage = hasUsage(eum, KEY_USAGE.keyCertSign) && hasUsage(euicc, KEY_USAGE.digitalSignature);
  check('key usage', usage, 'keyCertSign for the EUM, digitalSignature for the eUICC');
  const policies = eum.policies.includes(RSP_ROLE.eum) && euicc.policies.includes(RSP_ROLE.euicc);
  check('certificate policies', policies, 'not the policies of an EUM and an eUICC');
  const certified = euicc.subject.serialNumber ?? '';
  check('EID range of the EUM', isWithinEumRange(euicc, eum), `${certified} is outside the permitted names`);
  check(
    'EID of the certificate',
    certified === evidence.eid,
    `certificate ${certified}, claimed ${evidence.eid}`,
  );
  check('EID check digits', isEid(evidence.eid), evidence.eid);
  const { proof } = evidence;
  if (proof !== 'offline') {
    check('fresh challenge', proof.challengeMatches, 'the signed challenge is not the one that was sent');
    check(
      'proof of possession',
      ec.verify(euicc.curve, euicc.publicKey, proof.signed, proof.signature),
      'signature is wrong',
    );
  }
  check('EIS status', trust.eisStatus === 'ok', trust.eisStatus);
  const denied = trust.firmware !== undefined && trust.deniedFirmware.includes(trust.firmware);
  check('firmware', !denied, `${trust.firmware ?? ''} is on the deny-list`);
  return { accepted: checks.every(({ ok }) => ok), checks };
}

/**
 * Checks CERT.ECASD.ECKA, whose key an SM agrees on keys with: from the EUM of this eUICC, for its EID and for key agreement alone.
 * The EUM certificate and the eUICC itself are judged by `verifyEuicc`. Never throws.
 */
export function verifyEcasdCertificate(
  ec: Ec,
  evidence: {
    readonly ecasdCertificate: Uint8Array;
    readonly eumCertificate: Uint8Array;
    readonly eid: string;
  },
  trust: Pick<EuiccTrust, 'crls' | 'at'>,
): Verdict {
  const checks: VerdictCheck[] = [];
  const check = (name: string, ok: boolean, detail: string): void => {
    checks.push(ok ? { name, ok } : { name, ok, detail });
  };
  const ecasd = readCertificate(evidence.ecasdCertificate);
  const eum = readCertificate(evidence.eumCertificate);
  if (typeof ecasd === 'string' || typeof eum === 'string') {
    const detail = [ecasd, eum].filter((part) => typeof part === 'string').join('; ');
    return { accepted: false, checks: [{ name: 'ECASD certificate readable', ok: false, detail }] };
  }
  check('ECASD certificate signature', isSignedBy(ec, ecasd, eum), 'not signed by the EUM');
  check('ECASD validity dates', isValidAt(ecasd, trust.at), datesText([ecasd], trust.at));
  check('ECASD not revoked', !isRevoked(ec, ecasd, eum, trust.crls), 'a revocation list names it');
  const usage = ecasd.keyUsage ?? [];
  check(
    'ECASD key usage',
    !ecasd.isCa && usage.length === 1 && hasUsage(ecasd, KEY_USAGE.keyAgreement),
    'keyAgreement alone',
  );
  check('ECASD EID range of the EUM', isWithinEumRange(ecasd, eum), 'outside the permitted names');
  const certified = ecasd.subject.serialNumber ?? '';
  check('ECASD EID', certified === evidence.eid, `certificate ${certified}, eUICC ${evidence.eid}`);
  return { accepted: checks.every(({ ok }) => ok), checks };
}

function readCertificate(der: Uint8Array): Certificate | string {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (isAgentError(error)) return errorOf(error).message;
    throw error;
  }
}

/** The issuer among `candidates` by key identifier, or by name where the certificate has none. */
function issuerOf(certificate: Certificate, candidates: readonly Certificate[]): Certificate | undefined {
  const { authorityKeyIdentifier: aki } = certificate;
  if (aki === undefined) return candidates.find((each) => equalBytes(each.subjectRaw, certificate.issuerRaw));
  return candidates.find(
    (each) => each.subjectKeyIdentifier !== undefined && equalBytes(each.subjectKeyIdentifier, aki),
  );
}

function isValidAt(certificate: Certificate, at: number | undefined): boolean {
  return at !== undefined && certificate.notBefore <= at && at <= certificate.notAfter;
}

function datesText(certificates: readonly Certificate[], at: number | undefined): string {
  if (at === undefined) return 'clock unknown';
  return certificates
    .filter((each) => !isValidAt(each, at))
    .map(({ subject, notBefore, notAfter }) => {
      const [from, to] = [notBefore, notAfter].map((time) => new Date(time).toISOString().slice(0, 10));
      return `${subject.commonName ?? 'certificate'} is valid from ${from} to ${to}`;
    })
    .join('; ');
}

function hasUsage(certificate: Certificate, bit: number): boolean {
  return certificate.keyUsage?.includes(bit) === true;
}

/** Whether the certificate's EID lies in a range that its EUM may issue (SGP.22 4.5.2.1.0.2). */
export function isWithinEumRange(euicc: Certificate, eum: Certificate): boolean {
  const { organization, serialNumber } = euicc.subject;
  return eum.permittedNames.some(
    (permitted) =>
      (permitted.organization === undefined || permitted.organization === organization) &&
      permitted.serialNumber !== undefined &&
      serialNumber?.startsWith(permitted.serialNumber) === true,
  );
}

function isEid(text: string): boolean {
  try {
    return parseEid(text) === text;
  } catch (error) {
    if (isAgentError(error)) return false;
    throw error;
  }
}

/** Why an eUICC refuses an SM-DP+'s certificate (SGP.22 5.7.13, AuthenticateErrorCode and DownloadErrorCode). */
export type DpCertificateError =
  | 'invalidCertificate'
  | 'invalidSignature'
  | 'unsupportedCurve'
  | 'invalidOid';

export type DpCertificateResult =
  | { readonly ok: true; readonly certificate: Certificate }
  | { readonly ok: false; readonly error: DpCertificateError };

function readDpCertificate(der: Uint8Array): Certificate | DpCertificateError {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (isAgentError(error, 'CURVE_UNSUPPORTED')) return 'unsupportedCurve';
    if (isAgentError(error)) return 'invalidCertificate';
    throw error;
  }
}

/**
 * Checks CERT.DPauth, CERT.DSauth or CERT.DPpb as the eUICC does: no clock, below the CI that the certificate names. That CI need not be the
 * one whose chain the eUICC signs with: the lists for verification and for signing are apart (SGP.22 5.6.1). Never throws.
 */
export function verifyDpCertificate(
  ec: Ec,
  request: {
    readonly certificate: Uint8Array;
    /** One of these is the certificate's: an SM-DP+, or an SM-DS, which is asked for events in the same way (SGP.22 3.6.2). */
    readonly roles: readonly ('dpAuth' | 'dsAuth' | 'dpPb')[];
    readonly trustedCis: readonly Certificate[];
    readonly curves: readonly CurveName[];
    readonly crls: readonly Crl[];
    /** The SM-DP+'s object identifier where it is known already: both its certificates bear one. */
    readonly registeredId?: string;
  },
): DpCertificateResult {
  const certificate = readDpCertificate(request.certificate);
  if (typeof certificate === 'string') return { ok: false, error: certificate };
  if (!request.curves.includes(certificate.curve)) return { ok: false, error: 'unsupportedCurve' };
  const { authorityKeyIdentifier: aki } = certificate;
  const ci = request.trustedCis.find(
    ({ subjectKeyIdentifier: ski }) => aki !== undefined && ski !== undefined && equalBytes(ski, aki),
  );
  if (ci === undefined || !isSignedBy(ec, certificate, ci)) return { ok: false, error: 'invalidCertificate' };
  if (isRevoked(ec, certificate, ci, request.crls)) return { ok: false, error: 'invalidCertificate' };
  if (certificate.isCa || !hasUsage(certificate, KEY_USAGE.digitalSignature))
    return { ok: false, error: 'invalidCertificate' };
  if (!request.roles.some((role) => certificate.policies.includes(RSP_ROLE[role])))
    return { ok: false, error: 'invalidOid' };
  const [registeredId] = certificate.registeredIds;
  if (registeredId === undefined) return { ok: false, error: 'invalidOid' };
  if (request.registeredId !== undefined && request.registeredId !== registeredId)
    return { ok: false, error: 'invalidOid' };
  return { ok: true, certificate };
}
