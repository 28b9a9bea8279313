// The verdict on an eUICC's certificate profile (seed 73, 75): its certificates, its signature, and what it says of itself.
import { equalBytes } from '../base/bytes.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import { readTlvs } from '../codec/ber-tlv.ts';
import {
  CertificateProfile,
  CertificateProfileProof,
  CertificateProfileSigned,
  TAG_CERTIFICATE_PROFILE,
} from '../codec/certificate-profile.ts';
import type { Eid } from '../codec/ids.ts';
import { EuiccInfo2, type uiccCapability } from '../codec/rsp/euicc-info.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import { type EuiccEvidence, type EuiccTrust, verifyEcasdCertificate, verifyEuicc } from '../crypto/chain.ts';
import type { Ec } from '../crypto/ec.ts';
import { sha256 } from '../crypto/hash.ts';
import type { Verdict, VerdictCheck } from '../crypto/verdict.ts';
import { parseCertificate } from '../crypto/x509.ts';

export type CertificateProfileEvidence = {
  /** The object EC, and the object EE behind it where the eUICC was given a challenge. */
  readonly file: Uint8Array;
  /** What the device claims to be. */
  readonly eid: Eid;
  /** The challenge that was sent; without one nothing shows that the eUICC itself answered. */
  readonly challenge?: Uint8Array;
};

/** What an MNO wants of an eUICC for its service (seed 62, 75). */
export type ServiceNeeds = { readonly capabilities?: TypeOf<typeof uiccCapability> };

type Read = {
  readonly profile: Uint8Array;
  readonly content: CertificateProfile;
  readonly info: TypeOf<typeof EuiccInfo2>;
  readonly proof?: TypeOf<typeof CertificateProfileProof>;
};

/** Checks everything, even after a failure. Never throws. */
export function judgeCertificateProfile(
  ec: Ec,
  evidence: CertificateProfileEvidence,
  trust: Omit<EuiccTrust, 'firmware'>,
  needs: ServiceNeeds = {},
): Verdict {
  const checks: VerdictCheck[] = [];
  const check = (name: string, ok: boolean, detail: string): void => {
    checks.push(ok ? { name, ok } : { name, ok, detail });
  };
  const read = readProfile(evidence.file);
  if (typeof read === 'string') {
    return { accepted: false, checks: [{ name: 'certificate profile readable', ok: false, detail: read }] };
  }
  check('certificate profile readable', true, '');
  const { content, info } = read;
  check('EID of the profile', content.eidValue === evidence.eid, `profile ${content.eidValue}`);
  const chain = chainOf(content, trust);
  if (chain === undefined) {
    check('certificate chain', false, 'the profile has none');
    return { accepted: false, checks };
  }
  const { eumCertificate, euiccCertificate } = chain;
  const { eid } = evidence;
  const proof = proofOf(read, evidence.challenge);
  const firmware = info.euiccFirmwareVer;
  checks.push(
    ...verifyEuicc(ec, { euiccCertificate, eumCertificate, eid, proof }, { ...trust, firmware }).checks,
    ...content.ecasdCertificate.flatMap(
      (ecasdCertificate) =>
        verifyEcasdCertificate(
          ec,
          { ecasdCertificate, eumCertificate: eumOf(content, ecasdCertificate) ?? eumCertificate, eid },
          trust,
        ).checks,
    ),
  );
  const { cardOs, platform, hardware } = content.commonInformation;
  const empty = [cardOs, platform, hardware].some((text) => text.trim() === '');
  check('common information', !empty, 'card OS, platform or hardware is not named');
  const aki = parseCertificate(eumCertificate).authorityKeyIdentifier;
  check(
    'CI of EUICCInfo2',
    aki !== undefined && info.euiccCiPKIdListForSigning.some((id) => equalBytes(id, aki)),
    'EUICCInfo2 does not name the CI of the chain',
  );
  const missing = (needs.capabilities ?? []).filter((each) => !info.uiccCapability.includes(each));
  check('capabilities', missing.length === 0, `the service needs ${missing.join(', ')}`);
  return { accepted: checks.every(({ ok }) => ok), checks };
}

function readProfile(file: Uint8Array): Read | string {
  try {
    const [profile, proof, ...more] = readTlvs(file);
    if (profile?.tag !== TAG_CERTIFICATE_PROFILE || more.length > 0)
      return 'not an object EC, with an object EE or none';
    const content = CertificateProfile.decode(profile.raw);
    const info = EuiccInfo2.decode(content.euiccInfo2);
    for (const { eumCertificate } of content.chain) parseCertificate(eumCertificate);
    const read = { profile: profile.raw, content, info };
    return proof === undefined ? read : { ...read, proof: CertificateProfileProof.decode(proof.raw) };
  } catch (error) {
    if (isAgentError(error)) return errorOf(error).message;
    throw error;
  }
}

/** The chain below a CI that is trusted, else the first one, whose verdict says what is wrong. */
function chainOf({ chain }: CertificateProfile, { trustedCis }: Pick<EuiccTrust, 'trustedCis'>) {
  return (
    chain.find(({ eumCertificate }) => {
      const { authorityKeyIdentifier: aki } = parseCertificate(eumCertificate);
      return trustedCis.some(
        ({ subjectKeyIdentifier: ski }) => aki !== undefined && ski !== undefined && equalBytes(aki, ski),
      );
    }) ?? chain[0]
  );
}

/** The EUM that issued a static key's certificate: a card has one for each of its chains. */
function eumOf({ chain }: CertificateProfile, ecasdCertificate: Uint8Array): Uint8Array | undefined {
  try {
    const { authorityKeyIdentifier: aki } = parseCertificate(ecasdCertificate);
    return chain.find(({ eumCertificate }) => {
      const { subjectKeyIdentifier: ski } = parseCertificate(eumCertificate);
      return aki !== undefined && ski !== undefined && equalBytes(aki, ski);
    })?.eumCertificate;
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

function proofOf({ profile, proof }: Read, challenge: Uint8Array | undefined): EuiccEvidence['proof'] {
  if (challenge === undefined) return 'offline';
  const nothing = { signed: new Uint8Array(0), signature: new Uint8Array(64), challengeMatches: false };
  if (proof === undefined) return nothing;
  const { certificateProfileSigned: signed, euiccSignature: signature } = proof;
  try {
    const said = CertificateProfileSigned.decode(signed);
    const challengeMatches =
      equalBytes(said.challenge, challenge) && equalBytes(said.profileHash, sha256(profile));
    return { signed, signature, challengeMatches };
  } catch (error) {
    if (isAgentError(error)) return nothing;
    throw error;
  }
}
