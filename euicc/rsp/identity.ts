// What an eUICC is to the servers: its EID, its key pair and certificates, and the CIs it trusts (SGP.22 2.6.6, 4.5.2).
import type { Eid } from '../../codec/ids.ts';
import type { CurveName } from '../../crypto/ec.ts';
import type { Secret } from '../../base/log.ts';
import type { Certificate } from '../../crypto/x509.ts';

/** One chain of the eUICC: it signs with the key whose chain ends at the CI that the server names. */
export type EuiccCredential = {
  /** Key identifier of the CI at the chain's end. */
  readonly ciPKId: Uint8Array;
  readonly curve: CurveName;
  readonly privateKey: Secret<Uint8Array>;
  /** CERT.EUICC.ECDSA and CERT.EUM.ECDSA as DER. */
  readonly euiccCertificate: Uint8Array;
  readonly eumCertificate: Uint8Array;
};

export type EuiccIdentity = {
  readonly eid: Eid;
  readonly credentials: readonly EuiccCredential[];
  /** The CIs whose servers the eUICC believes. */
  readonly trustedCis: readonly Certificate[];
};
