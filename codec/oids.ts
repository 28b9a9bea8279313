// Object identifiers that certificates and RSP objects use, with their names (RFC 5280, RFC 5480, SGP.22 annex H).

/** Extensions of certificates and revocation lists. */
export const EXTENSION_OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  cRLNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  issuingDistributionPoint: '2.5.29.28',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** The RSP's own extensions of revocation lists: dates after which a certificate is void anyway, and parts (SGP.22 annex H). */
export const RSP_CRL_OID = {
  expirationDate: '2.23.146.1.2.0.1',
  totalPartialCrlNumber: '2.23.146.1.2.0.2',
  partialCrlNumber: '2.23.146.1.2.0.3',
} as const;

/** Attributes of a distinguished name. */
export const ATTRIBUTE_OID = {
  commonName: '2.5.4.3',
  serialNumber: '2.5.4.5',
  country: '2.5.4.6',
  locality: '2.5.4.7',
  stateOrProvince: '2.5.4.8',
  organization: '2.5.4.10',
  organizationalUnit: '2.5.4.11',
} as const;

/** Public keys and signatures. */
export const KEY_OID = {
  ecPublicKey: '1.2.840.10045.2.1',
  'P-256': '1.2.840.10045.3.1.7',
  brainpoolP256r1: '1.3.36.3.3.2.8.1.1.7',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;

/** Purposes of the extendedKeyUsage extension (RFC 5280 4.2.1.12). */
export const KEY_PURPOSE_OID = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** id-rspRole: certificate policies of the RSP roles. */
export const RSP_ROLE_OID = {
  ci: '2.23.146.1.2.1.0',
  euicc: '2.23.146.1.2.1.1',
  eum: '2.23.146.1.2.1.2',
  dpTls: '2.23.146.1.2.1.3',
  dpAuth: '2.23.146.1.2.1.4',
  dpPb: '2.23.146.1.2.1.5',
  dsTls: '2.23.146.1.2.1.6',
  dsAuth: '2.23.146.1.2.1.7',
} as const;

const NAMES = new Map<string, string>([
  ...[EXTENSION_OID, RSP_CRL_OID, ATTRIBUTE_OID, KEY_OID, KEY_PURPOSE_OID].flatMap((group) =>
    Object.entries(group).map(([name, dotted]): [string, string] => [dotted, name]),
  ),
  ...Object.entries(RSP_ROLE_OID).map(([role, dotted]): [string, string] => [dotted, `id-rspRole-${role}`]),
]);

/** The name of a dotted object identifier, or undefined. */
export function oidName(dotted: string): string | undefined {
  return NAMES.get(dotted);
}
