// The security modules in the ECASD: the key agreement pairs that the eUICC was made with (SGP.02 2.2.1.2; seed 46, 57).
import { equalBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { Eid } from '../codec/ids.ts';
import type { Ec, EcKeyPair } from '../crypto/ec.ts';
import { KEY_USAGE, parseCertificate } from '../crypto/x509.ts';
import { type SecurityModuleRecord, securityModulesCell } from './records.ts';
import type { State } from './state.ts';

/** SK.ECASD.ECKA and PK.ECASD.ECKA with CERT.ECASD.ECKA, DER. */
export type PersonalisedModule = { readonly key: EcKeyPair; readonly certificate: Uint8Array };

/** What is kept of a module. Throws `KEY_INVALID` and `CERTIFICATE_INVALID` where key, certificate and card do not fit each other. */
export function moduleRecord(
  ec: Ec,
  eid: Eid,
  { key, certificate }: PersonalisedModule,
): SecurityModuleRecord {
  const { curve, privateKey } = key;
  const parsed = parseCertificate(certificate);
  const publicKey = ec.publicKeyOf(curve, privateKey);
  if (parsed.curve !== curve || !equalBytes(parsed.publicKey, publicKey)) {
    throw new AgentError('KEY_INVALID', { why: 'the private key is not the one of the ECASD certificate' });
  }
  if (parsed.subject.serialNumber !== eid || parsed.keyUsage?.includes(KEY_USAGE.keyAgreement) !== true) {
    throw new AgentError('CERTIFICATE_INVALID', { why: 'no certificate for key agreement of this EID' });
  }
  return { curve, privateKey: privateKey.reveal(), publicKey, certificate };
}

/** The static key with this public key, where one of the modules holds it. */
export function findStaticKey(state: State, publicKey: Uint8Array): EcKeyPair | undefined {
  const found = state.read(securityModulesCell).find((held) => equalBytes(held.publicKey, publicKey));
  if (found === undefined) return undefined;
  const { curve, privateKey } = found;
  return { curve, privateKey: new Secret(privateKey), publicKey: found.publicKey };
}
