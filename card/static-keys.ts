// The static keys of a new card: a key agreement pair in the ECASD for each EUM of the folder that can certify it (seed 57).
import { equalBytes } from '../base/bytes.ts';
import type { Random } from '../base/random.ts';
import type { Eid } from '../codec/ids.ts';
import type { Ec } from '../crypto/ec.ts';
import { parseCertificate } from '../crypto/x509.ts';
import type { PersonalisedModule } from '../euicc/security-modules.ts';
import { issueEcasdCertificate } from '../operator/issuer/pki.ts';
import type { IssuerFiles } from './issuer-files.ts';

/** One for each chain of the card whose EUM has its private key in the folder; a folder of finished cards yields none. */
export function newStaticKeys(
  context: { readonly ec: Ec; readonly random: Random; readonly at: number },
  { eums }: Pick<IssuerFiles, 'eums'>,
  eid: Eid,
  credentials: readonly { readonly eumCertificate: Uint8Array }[],
  /** Object identifiers of the SM-DPs that get one of their own; one for all unless there is any. */
  modulesFor: readonly string[] = [],
): readonly PersonalisedModule[] {
  const chains = credentials.map(({ eumCertificate }) => parseCertificate(eumCertificate).publicKey);
  return eums.flatMap(({ certificate, key: signer }) => {
    const isOurs = chains.some((publicKey) => equalBytes(publicKey, certificate.publicKey));
    if (signer === undefined || !isOurs) return [];
    const eum = { name: certificate.subject, ...signer, certificate: certificate.raw, eidPrefix: '' };
    const { notAfter } = certificate;
    const made = (registeredId?: string): PersonalisedModule => {
      const key = context.ec.generate(certificate.curve);
      const named = registeredId === undefined ? {} : { registeredId };
      const { publicKey } = key;
      return {
        key,
        certificate: issueEcasdCertificate(context, eum, { eid, publicKey, notAfter, ...named }),
      };
    };
    return modulesFor.length === 0 ? [made()] : modulesFor.map(made);
  });
}
