// Certificates and keys for tests of TLS to a broker: made anew for each run, P-256, as PEM. Nothing else trusts them.
import { uintBytes } from '../base/bytes.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { encodePrivateKeyInfo } from '../crypto/ec-keys.ts';
import {
  type CertificateIssuer,
  type CertificateRequest,
  issueCertificate,
  KEY_USAGE,
} from '../crypto/x509.ts';

const ec = createNodeEc();
const START = Date.UTC(2020, 0, 1);
const END = Date.UTC(2126, 0, 1);
let serial = 0;

function pem(label: string, der: Uint8Array): string {
  const lines = btoa(String.fromCodePoint(...der)).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function certificate(
  issuer: CertificateIssuer,
  request: Pick<CertificateRequest, 'subject' | 'publicKey' | 'keyUsage'> & Partial<CertificateRequest>,
): string {
  serial += 1;
  const fields = { curve: 'P-256', notBefore: START, notAfter: END, ...request } as const;
  const der = issueCertificate(ec, issuer, { serialNumber: uintBytes(serial, 4), ...fields });
  return pem('CERTIFICATE', der);
}

function authority(commonName: string): { readonly issuer: CertificateIssuer; readonly pem: string } {
  const issuer = { ...ec.generate('P-256'), name: { commonName } };
  const { publicKey } = issuer;
  const subject = issuer.name;
  return {
    issuer,
    pem: certificate(issuer, { subject, publicKey, keyUsage: [KEY_USAGE.keyCertSign], ca: {} }),
  };
}

const ca = authority('Test broker CA');
const server = ec.generate('P-256');
const client = ec.generate('P-256');
const keyUsage = [KEY_USAGE.digitalSignature];
const local = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };
const asServer = { subject: { commonName: 'localhost' }, publicKey: server.publicKey, keyUsage };

/** A CA that issued every certificate below but `OTHER_CA`. */
export const TEST_CA = ca.pem;
/** A CA that issued nothing here. */
export const OTHER_CA = authority('Another CA').pem;
export const SERVER_KEY = pem('PRIVATE KEY', encodePrivateKeyInfo(server).reveal());
/** For localhost and 127.0.0.1. */
export const SERVER_CERTIFICATE = certificate(ca.issuer, { ...asServer, ...local });
/** As the one before, ended in 2021. */
export const EXPIRED_CERTIFICATE = certificate(ca.issuer, {
  ...asServer,
  ...local,
  notAfter: Date.UTC(2021, 0, 1),
});
/** For another host. */
export const WRONG_NAME_CERTIFICATE = certificate(ca.issuer, {
  ...asServer,
  dnsNames: ['elsewhere.example'],
});
export const CLIENT_CERTIFICATE = certificate(ca.issuer, {
  subject: { commonName: 'device' },
  publicKey: client.publicKey,
  keyUsage,
  dnsNames: ['device'],
});
export const CLIENT_KEY = pem('PRIVATE KEY', encodePrivateKeyInfo(client).reveal());
