// The certificates of the roles and who issues them: CI, EUM, eUICC, SM-DP, MNO, and revocation lists (SGP.22 4.5.2).
import type { Random } from '../../base/random.ts';
import { issueCrl } from '../../crypto/crl.ts';
import type { CurveName, Ec, EcKeyPair } from '../../crypto/ec.ts';
import {
  type CertificateIssuer,
  type CertificateRequest,
  issueCertificate,
  KEY_USAGE,
  parseCertificate,
  RSP_ROLE,
} from '../../crypto/x509.ts';
import type { Eid } from '../../codec/ids.ts';

/** What issuing needs. `at` is the time of the issue in Unix milliseconds. */
export type Issuing = { readonly ec: Ec; readonly random: Random; readonly at: number };

/** One that issues certificates: a CI or an EUM. `certificate` is its own, DER. */
export type Authority = CertificateIssuer & { readonly certificate: Uint8Array };

/** An EUM and what all of its EIDs begin with (SGP.29: 8 digits, 89 first). */
export type Eum = Authority & { readonly eidPrefix: string };

/** A certificate (DER) and its key. */
export type Identity = { readonly certificate: Uint8Array; readonly key: EcKeyPair };

/** What an SM-DP is to eUICCs. `registeredId` is its object identifier, which both certificates bear. */
export type SmDpPki = {
  readonly ciCertificate: Uint8Array;
  readonly dpAuth: Identity;
  readonly dpPb: Identity;
  readonly registeredId: string;
};

const DAY = 86_400_000;
const YEAR = 365 * DAY;
const CI_YEARS = 35;
const EUM_YEARS = 30;
const SERVER_YEARS = 3;

/** A certificate is good from a day before its issue: the clocks of others may be behind. */
function validFor(at: number, years: number): Pick<CertificateRequest, 'notBefore' | 'notAfter'> {
  const start = Math.floor(at / 1000) * 1000;
  return { notBefore: start - DAY, notAfter: start + years * YEAR };
}

/** 8 octets, positive without a leading zero. */
function serialNumber(random: Random): Uint8Array {
  const octets = random.bytes(8);
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets;
}

/** Makes a certificate issuer: a root of trust with its own signature. */
export function createCi(
  issuing: Issuing,
  ci: { readonly organization: string; readonly curve?: CurveName; readonly registeredId?: string },
): Authority {
  const { ec, random, at } = issuing;
  const pair = ec.generate(ci.curve ?? 'P-256');
  const name = { organization: ci.organization, commonName: `${ci.organization} CI` };
  const issuer = { name, ...pair };
  const certificate = issueCertificate(ec, issuer, {
    serialNumber: serialNumber(random),
    subject: name,
    curve: pair.curve,
    publicKey: pair.publicKey,
    ...validFor(at, CI_YEARS),
    keyUsage: [KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign],
    policies: [RSP_ROLE.ci],
    ca: {},
    registeredId: ci.registeredId ?? '2.999.1',
  });
  return { ...issuer, certificate };
}

/** Makes an eUICC manufacturer whose certificate permits EIDs of one prefix only (SGP.22 4.5.2.1.0.2). */
export function createEum(
  issuing: Issuing,
  ci: Authority,
  eum: { readonly organization: string; readonly eidPrefix: string; readonly registeredId?: string },
): Eum {
  const { ec, random, at } = issuing;
  const pair = ec.generate(ci.curve);
  const name = { organization: eum.organization, commonName: `${eum.organization} EUM` };
  const certificate = issueCertificate(ec, ci, {
    serialNumber: serialNumber(random),
    subject: name,
    curve: pair.curve,
    publicKey: pair.publicKey,
    ...validFor(at, EUM_YEARS),
    keyUsage: [KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign],
    policies: [RSP_ROLE.eum],
    ca: { pathLength: 0 },
    registeredId: eum.registeredId ?? '2.999.2',
    permittedNames: [{ organization: eum.organization, serialNumber: eum.eidPrefix }],
  });
  return { name, ...pair, certificate, eidPrefix: eum.eidPrefix };
}

/** CERT.EUICC.ECDSA for an EID. `notAfter` (Unix milliseconds) is the EUM certificate's own end unless given. */
export function issueEuiccCertificate(
  issuing: Issuing,
  eum: Eum,
  euicc: { readonly eid: Eid; readonly publicKey: Uint8Array; readonly notAfter?: number },
): Uint8Array {
  return issueToEuicc(issuing, eum, euicc, {
    title: 'eUICC',
    keyUsage: [KEY_USAGE.digitalSignature],
    policies: [RSP_ROLE.euicc],
  });
}

function issueToEuicc(
  issuing: Issuing,
  eum: Eum,
  euicc: { readonly eid: Eid; readonly publicKey: Uint8Array; readonly notAfter?: number },
  {
    title,
    ...use
  }: { readonly title: string } & Pick<CertificateRequest, 'keyUsage' | 'policies' | 'registeredId'>,
): Uint8Array {
  const { ec, random, at } = issuing;
  const { organization } = eum.name;
  const validity = validFor(at, EUM_YEARS);
  const notAfter = euicc.notAfter ?? validity.notAfter;
  return issueCertificate(ec, eum, {
    serialNumber: serialNumber(random),
    subject: {
      ...(organization === undefined ? {} : { organization }),
      serialNumber: euicc.eid,
      commonName: `${organization ?? ''} ${title}`.trim(),
    },
    curve: eum.curve,
    publicKey: euicc.publicKey,
    notBefore: Math.min(validity.notBefore, notAfter - YEAR),
    notAfter,
    ...use,
  });
}

/**
 * CERT.ECASD.ECKA: the key with which an SM agrees on keys with this eUICC, made at its manufacture (SGP.02 2.3.2, seed 57). It is an
 * X.509 certificate as all others here. It names no role and serves for key agreement alone, so that it never passes for
 * CERT.EUICC.ECDSA. `notAfter` as there.
 */
export function issueEcasdCertificate(
  issuing: Issuing,
  eum: Eum,
  euicc: {
    readonly eid: Eid;
    readonly publicKey: Uint8Array;
    readonly notAfter?: number;
    /** The SM-DP that the key is for; for all unless given (seed 47, 48). */
    readonly registeredId?: string;
  },
): Uint8Array {
  const { registeredId } = euicc;
  return issueToEuicc(issuing, eum, euicc, {
    title: 'ECASD',
    keyUsage: [KEY_USAGE.keyAgreement],
    ...(registeredId === undefined ? {} : { registeredId }),
  });
}

/** CERT.DPauth.ECDSA and CERT.DPpb.ECDSA of one SM-DP, each with a key of its own on the CI's curve. */
export function createSmDpPki(
  issuing: Issuing,
  ci: Authority,
  smdp: { readonly name: string; readonly registeredId: string },
): SmDpPki {
  const identity = (role: 'dpAuth' | 'dpPb'): Identity =>
    issueIdentity(issuing, ci, {
      subject: { organization: smdp.name, commonName: `${smdp.name} ${role}` },
      policies: [RSP_ROLE[role]],
      registeredId: smdp.registeredId,
    });
  return {
    ciCertificate: ci.certificate,
    dpAuth: identity('dpAuth'),
    dpPb: identity('dpPb'),
    registeredId: smdp.registeredId,
  };
}

/** The certificate and key with which an MNO signs its messages; commonName is the operator's name. */
export function createMnoIdentity(
  issuing: Issuing,
  ci: Authority,
  mno: { readonly name: string; readonly registeredId?: string },
): Identity {
  return issueIdentity(issuing, ci, {
    subject: { organization: mno.name, commonName: mno.name },
    ...(mno.registeredId === undefined ? {} : { registeredId: mno.registeredId }),
  });
}

function issueIdentity(
  { ec, random, at }: Issuing,
  ci: Authority,
  request: Pick<CertificateRequest, 'subject' | 'policies' | 'registeredId'>,
): Identity {
  const key = ec.generate(ci.curve);
  const certificate = issueCertificate(ec, ci, {
    ...request,
    serialNumber: serialNumber(random),
    curve: key.curve,
    publicKey: key.publicKey,
    ...validFor(at, SERVER_YEARS),
    keyUsage: [KEY_USAGE.digitalSignature],
  });
  return { certificate, key };
}

/** The authority's list of revoked certificates (DER), good for a month. `number` grows from list to list. */
export function issueRevocationList(
  issuing: Issuing,
  authority: Authority,
  list: { readonly number: number; readonly revoked: readonly Uint8Array[] },
): Uint8Array {
  const { ec, at } = issuing;
  const { notBefore: thisUpdate } = validFor(at, 0);
  return issueCrl(ec, authority, {
    number: list.number,
    thisUpdate,
    nextUpdate: thisUpdate + 31 * DAY,
    revoked: list.revoked.map((der) => ({
      serialNumber: parseCertificate(der).serialNumber,
      at: thisUpdate,
    })),
  });
}
