// The MNO's own look at an eUICC in the status step (seed 60, 73 to 75): its certificate profile, signed for a challenge of this procedure.
import type { UpOf } from '../../codec/wire.ts';
import { CertificateProfile } from '../../codec/certificate-profile.ts';
import { readTlvs } from '../../codec/ber-tlv.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Crl } from '../../crypto/crl.ts';
import type { Certificate } from '../../crypto/x509.ts';
import type { Ec } from '../../crypto/ec.ts';
import type { Verdict } from '../../crypto/verdict.ts';
import { judgeCertificateProfile, type ServiceNeeds } from '../certificate-profile.ts';
import type { Procedure } from './procedure.ts';

/** How an MNO judges certificate profiles; it asks no eUICC for one without. */
export type ProfilePolicy = {
  readonly ec: Ec;
  /** The MNO's own circle of trust. */
  readonly trustedCis: readonly Certificate[];
  readonly crls?: () => readonly Crl[];
  readonly deniedFirmware?: readonly string[];
  readonly needs?: ServiceNeeds;
  /** Binds profiles to the static key that the eUICC itself hands over, not to one of the SM-SR's. */
  readonly useStaticKey?: boolean;
};

const CHALLENGE_OCTETS = 16;

/** The challenge of a new procedure. */
export function profileChallenge(
  policy: ProfilePolicy | undefined,
  random: Random,
): Pick<Procedure, 'profileChallenge'> {
  return policy === undefined ? {} : { profileChallenge: random.bytes(CHALLENGE_OCTETS) };
}

export type ProfileOutcome = {
  readonly verdict: Verdict;
  /** CERT.ECASD.ECKA out of an accepted profile, where its key is to be used. */
  readonly ecasdCertificates?: readonly Uint8Array[];
};

/** Undefined where this procedure asked for none. */
export function judgeStatus(
  policy: ProfilePolicy | undefined,
  clock: Clock,
  { certificateProfile, certificateProfileError }: UpOf<'authenticateResponse'>,
  { eid, profileChallenge: challenge }: Procedure,
): ProfileOutcome | undefined {
  if (policy === undefined || challenge === undefined) return undefined;
  if (certificateProfile === undefined) {
    const detail = certificateProfileError ?? 'the device sent none';
    return { verdict: { accepted: false, checks: [{ name: 'certificate profile', ok: false, detail }] } };
  }
  const { ec, trustedCis, crls, deniedFirmware = [], needs, useStaticKey } = policy;
  const verdict = judgeCertificateProfile(
    ec,
    { file: certificateProfile, eid, challenge },
    { trustedCis, crls: crls?.() ?? [], at: clock.wall(), eisStatus: 'ok', deniedFirmware },
    needs,
  );
  if (!verdict.accepted || useStaticKey !== true) return { verdict };
  const [profile] = readTlvs(certificateProfile);
  const { ecasdCertificate } = CertificateProfile.decode(profile?.raw ?? new Uint8Array(0));
  return { verdict, ecasdCertificates: ecasdCertificate };
}

/** The SM-SR's verdict and the MNO's own: both must accept. */
export function bothVerdicts(bySmSr: Verdict, own: Verdict | undefined): Verdict {
  if (own === undefined) return bySmSr;
  const named = own.checks.map((check) => ({ ...check, name: `certificate profile: ${check.name}` }));
  return { accepted: bySmSr.accepted && own.accepted, checks: [...bySmSr.checks, ...named] };
}
