// A whole test PKI in a folder: CI, EUM and SM-DP+ on one or both curves, with their private keys, named as in GSMA SGP.26.
import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AgentError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { CurveName, Ec, EcKeyPair } from '../crypto/ec.ts';
import { encodePrivateKeyInfo } from '../crypto/ec-keys.ts';
import { createCi, createEum, createSmDpPki } from '../operator/issuer/pki.ts';
import { failed, writeNewFile } from './files.ts';

const EID_PREFIX = /^89\d{6}$/;
/** Object identifier below 2.999, which is for examples (ITU-T X.660). */
const SMDP_OID = '2.999.10';

export const CURVES = ['P-256', 'brainpoolP256r1'] as const satisfies readonly CurveName[];
const SUFFIX: Readonly<Record<CurveName, string>> = { 'P-256': 'NIST', brainpoolP256r1: 'BRP' };

export type NewIssuer = {
  readonly folder: string;
  readonly curves: readonly CurveName[];
  /** What all EIDs of the EUM begin with: 8 digits, 89 first. */
  readonly eidPrefix: string;
  readonly organization: string;
};

/** Makes the folder and its files; answers their names. Throws `FILE_EXISTS` where the folder holds something, `ID_INVALID`, `FILE_FAILED`. */
export async function writeNewIssuer(
  context: { readonly ec: Ec; readonly random: Random; readonly at: number },
  { folder, curves, eidPrefix, organization }: NewIssuer,
): Promise<readonly string[]> {
  if (!EID_PREFIX.test(eidPrefix)) {
    throw new AgentError('ID_INVALID', { what: 'EID prefix', why: 'expected 8 digits, 89 first' });
  }
  await makeEmptyFolder(folder);
  const written: string[] = [];
  const write = async (name: string, certificate: Uint8Array, key: EcKeyPair): Promise<void> => {
    const [role = '', rest = ''] = name.split('/');
    const files = [join(folder, role, `CERT_${rest}.der`), join(folder, role, `SK_${rest}.der`)] as const;
    await mkdir(dirname(files[0]), { recursive: true, mode: 0o700 });
    await writeNewFile(files[0], certificate);
    await writeNewFile(files[1], encodePrivateKeyInfo(key));
    written.push(...files);
  };
  for (const curve of CURVES.filter((each) => curves.includes(each))) {
    const suffix = SUFFIX[curve];
    const ci = createCi(context, { organization, curve });
    const eum = createEum(context, ci, { organization, eidPrefix });
    const smdp = createSmDpPki(context, ci, { name: `${organization} SM-DP+`, registeredId: SMDP_OID });
    await write(`CI/CI_ECDSA_${suffix}`, ci.certificate, ci);
    await write(`EUM/EUM_ECDSA_${suffix}`, eum.certificate, eum);
    await write(`DPauth/S_SM_DPauth_ECDSA_${suffix}`, smdp.dpAuth.certificate, smdp.dpAuth.key);
    await write(`DPpb/S_SM_DPpb_ECDSA_${suffix}`, smdp.dpPb.certificate, smdp.dpPb.key);
  }
  return written;
}

async function makeEmptyFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if ((await readdir(folder)).length > 0) {
      throw new AgentError('FILE_EXISTS', { folder, why: 'it is not empty' });
    }
  } catch (cause) {
    throw failed(folder, cause);
  }
}
