// An offline bundle as a file: COSE_Sign1 of its MNO (RFC 9052), checked as commands are, in a domain of its own.
import { equalBytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { encodeCbor } from '../codec/cbor.ts';
import { idText } from '../codec/cbor-table.ts';
import { MAX_BUNDLE, offlineBundle, type OfflineBundle } from '../codec/offline-bundle.ts';
import { decodeCommandScript } from '../codec/script.ts';
import { type CoseSign1, type CoseSigner, openCose, signCose } from '../crypto/cose.ts';
import type { Ec } from '../crypto/ec.ts';
import type { OperatorKey } from './envelope.ts';

/** So that no command can pass for a bundle, and no bundle for a command. */
const EXTERNAL_AAD = encodeCbor(['euicc-agent/1', 'offline bundle']);

/** `signer.kid` must be the key identifier of the certificate that the devices hold. */
export function sealBundle(ec: Ec, signer: CoseSigner, bundle: OfflineBundle): Uint8Array {
  return signCose(ec, signer, offlineBundle.encode(bundle), EXTERNAL_AAD);
}

/** Reads a bundle without believing it. Throws `BUNDLE_INVALID` where the file is none, or not whole. */
export function readBundle(file: Uint8Array): {
  readonly bundle: OfflineBundle;
  readonly envelope: CoseSign1;
} {
  if (file.length > MAX_BUNDLE) throw new AgentError('BUNDLE_INVALID', { octets: file.length });
  try {
    const envelope = openCose(file);
    const bundle = offlineBundle.decode(envelope.payload);
    if (
      bundle.scripts.length === 0 ||
      bundle.scripts.some((script) => decodeCommandScript(script).length === 0)
    ) {
      throw new AgentError('MESSAGE_INVALID', { field: 'scripts', why: 'no command' });
    }
    return { envelope, bundle };
  } catch (cause) {
    if (!isAgentError(cause)) throw cause;
    throw new AgentError('BUNDLE_INVALID', { octets: file.length, why: cause.message }, { cause });
  }
}

/** What its signature says: its operator, or why it is not believed. */
export function signerOf(
  ec: Ec,
  { bundle, envelope }: ReturnType<typeof readBundle>,
  operators: readonly OperatorKey[],
): { readonly mno: string } | { readonly refused: string } {
  const key = operators.find(({ kid }) => equalBytes(kid, envelope.kid));
  if (key === undefined)
    return { refused: `the key ${idText(envelope.kid)} is of no operator this device knows` };
  if (!envelope.verify(ec, key, EXTERNAL_AAD)) return { refused: `the signature is not that of ${key.mno}` };
  if (key.mno !== bundle.mno)
    return { refused: `the key is that of ${key.mno}, the bundle that of ${bundle.mno}` };
  return { mno: key.mno };
}

/** The bundle of an operator that this device knows. Throws `BUNDLE_INVALID` and `COMMAND_REFUSED`. */
export function openBundle(ec: Ec, file: Uint8Array, operators: readonly OperatorKey[]): OfflineBundle {
  const read = readBundle(file);
  const signer = signerOf(ec, read, operators);
  if ('refused' in signer)
    throw new AgentError('COMMAND_REFUSED', { what: 'offline bundle', why: signer.refused });
  return read.bundle;
}
