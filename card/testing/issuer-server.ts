// The SM-DP+ of an issuer's folder, for tests.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EMPTY } from '../../base/bytes.ts';
import { AgentError, isAgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import type { CurveName } from '../../crypto/ec.ts';
import { decodePrivateKeyInfo } from '../../crypto/ec-keys.ts';
import { createNodeEc } from '../../crypto/ec-node.ts';
import { isSignedBy, parseCertificate, RSP_ROLE } from '../../crypto/x509.ts';
import type { Held } from '../../euicc/testing/pki.ts';
import { readBytes } from '../files.ts';
import type { IssuerFiles } from '../issuer-files.ts';
import type { Server } from './es10-walk.ts';

const ec = createNodeEc();

/**
 * A server with certificates below a CI on this curve that eUICCs of the folder are below too. Throws `NOT_FOUND` where the
 * folder has none with its keys.
 */
export async function serverFrom(files: IssuerFiles, folder: string, curve: CurveName): Promise<Server> {
  const held = (await allHeld(folder)).map((each) => ({
    ...each,
    parsed: parseCertificate(each.certificate),
  }));
  for (const { ci } of files.eums) {
    const issuer = ci.certificate;
    if (issuer.curve !== curve) continue;
    const below = held.filter(({ parsed }) => parsed.curve === curve && isSignedBy(ec, parsed, issuer));
    for (const auth of below.filter(({ parsed }) => parsed.policies.includes(RSP_ROLE.dpAuth))) {
      const [oid] = auth.parsed.registeredIds;
      const pb = below.find(
        ({ parsed }) => parsed.policies.includes(RSP_ROLE.dpPb) && parsed.registeredIds[0] === oid,
      );
      if (pb === undefined || oid === undefined) continue;
      return { auth, pb, ciPKId: issuer.subjectKeyIdentifier ?? EMPTY, oid };
    }
  }
  throw new AgentError('NOT_FOUND', { folder, curve });
}

/** Every certificate of the folder whose private key is there. */
async function allHeld(folder: string): Promise<Held[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const contents = await Promise.all(
    entries
      .filter((entry) => entry.name.endsWith('.der'))
      .map((entry) => readBytes(join(entry.parentPath, entry.name))),
  );
  const pairs = contents.flatMap((der) => attempt(() => decodePrivateKeyInfo(ec, new Secret(der))) ?? []);
  return contents.flatMap((der) => {
    const certificate = attempt(() => parseCertificate(der));
    const pair = pairs.find(({ publicKey }) => certificate?.publicKey.join() === publicKey.join());
    return certificate === undefined || pair === undefined ? [] : [{ certificate: der, pair }];
  });
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
}
