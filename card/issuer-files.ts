// An issuer's folder: which of its files are CIs, EUMs and eUICCs with their keys, told by what is in them, whatever they are called.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes, toHex } from '../base/bytes.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { pastedOctets, pastedText, pemBlocks } from '../codec/pasted.ts';
import type { Ec, EcKeyPair } from '../crypto/ec.ts';
import { decodePrivateKeyInfo } from '../crypto/ec-keys.ts';
import { type Certificate, isSignedBy, parseCertificate, RSP_ROLE } from '../crypto/x509.ts';
import { failed, readBytes } from './files.ts';

/** A certificate, the file it is in, and its private key where the folder has that too. */
export type Found = { readonly file: string; readonly certificate: Certificate; readonly key?: EcKeyPair };

/** An eUICC certificate that chains to a CI of the folder. */
export type Chain = {
  readonly ci: Found;
  readonly eum: Found;
  readonly euicc: Found & { readonly key: EcKeyPair };
};

export type IssuerFiles = {
  /** One a key: of several issues of one CI the latest. */
  readonly cis: readonly Found[];
  /** EUMs below one of the CIs, one a key. */
  readonly eums: readonly (Found & { readonly ci: Found })[];
  /** eUICCs with their private keys below one of the EUMs. */
  readonly chains: readonly Chain[];
  /** Files that hold neither a certificate nor a private key that can be used, and why. */
  readonly ignored: readonly { readonly file: string; readonly why: string }[];
};

const MAX_FILES = 2000;
const MAX_OCTETS = 65_536;
const NAMES = /\.(?:der|pem|crt|cer|key)$/i;

/** Reads a folder and those in it. Throws `FILE_FAILED` where it cannot be read. */
export async function readIssuerFiles(ec: Ec, folder: string): Promise<IssuerFiles> {
  const certificates: Found[] = [];
  const keys: EcKeyPair[] = [];
  const ignored: { file: string; why: string }[] = [];
  for (const file of await filesIn(folder)) {
    for (const octets of objectsIn(await readBytes(file))) {
      try {
        certificates.push({ file, certificate: parseCertificate(octets) });
        continue;
      } catch (thrown) {
        if (!isAgentError(thrown)) throw thrown;
        try {
          keys.push(decodePrivateKeyInfo(ec, new Secret(octets)));
        } catch {
          ignored.push({ file, why: errorOf(thrown).message });
        }
      }
    }
  }
  return { ...arrange(ec, certificates, keys), ignored };
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && NAMES.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
      .slice(0, MAX_FILES);
  } catch (cause) {
    throw failed(folder, cause);
  }
}

/** The objects in a file: DER, or the blocks of a PEM text. */
function objectsIn(content: Uint8Array): Uint8Array[] {
  if (content.length > MAX_OCTETS) return [];
  const blocks = pemBlocks(pastedText(content) ?? '');
  if (blocks.length > 0) {
    return blocks.filter(({ label }) => !/PARAMETERS/.test(label)).map(({ octets }) => octets);
  }
  try {
    return [pastedOctets(content)];
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return [content];
  }
}

function arrange(
  ec: Ec,
  certificates: readonly Found[],
  keys: readonly EcKeyPair[],
): Omit<IssuerFiles, 'ignored'> {
  const held = certificates.map((found): Found => {
    const key = keys.find(
      ({ curve, publicKey }) =>
        curve === found.certificate.curve && equalBytes(publicKey, found.certificate.publicKey),
    );
    return key === undefined ? found : { ...found, key };
  });
  const signedBy = (of: Found, by: Found): boolean =>
    equal(of.certificate.authorityKeyIdentifier, by.certificate.subjectKeyIdentifier) &&
    isSignedBy(ec, of.certificate, by.certificate);
  const cis = latestOfKey(held.filter(({ certificate }) => isCi(ec, certificate)));
  const eums = latestOfKey(held.filter(({ certificate }) => hasRole(certificate, 'eum'))).flatMap((eum) => {
    const ci = cis.find((each) => signedBy(eum, each));
    return ci === undefined ? [] : [{ ...eum, ci }];
  });
  const euiccs = latestOfKey(held.filter(({ certificate }) => hasRole(certificate, 'euicc')));
  const chains = euiccs.flatMap((euicc): Chain[] => {
    const eum = eums.find((each) => signedBy(euicc, each));
    if (eum === undefined || euicc.key === undefined) return [];
    return [{ ci: eum.ci, eum, euicc: { ...euicc, key: euicc.key } }];
  });
  return { cis, eums, chains };
}

function isCi(ec: Ec, certificate: Certificate): boolean {
  return (
    certificate.isCa &&
    equalBytes(certificate.issuerRaw, certificate.subjectRaw) &&
    isSignedBy(ec, certificate, certificate)
  );
}

function hasRole({ policies }: Certificate, role: 'eum' | 'euicc'): boolean {
  return policies.includes(RSP_ROLE[role]);
}

function equal(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && equalBytes(a, b);
}

function latestOfKey(found: readonly Found[]): Found[] {
  const byKey = new Map<string, Found>();
  for (const each of found) {
    const key = toHex(each.certificate.publicKey);
    const other = byKey.get(key);
    if (other === undefined || other.certificate.notAfter < each.certificate.notAfter) byKey.set(key, each);
  }
  // Many programs take the first CI that both sides have, and expect P-256 there.
  return [...byKey.values()].toSorted((a, b) => rank(a) - rank(b));
}

function rank({ certificate }: Found): number {
  return certificate.curve === 'P-256' ? 0 : 1;
}
