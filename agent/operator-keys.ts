// The keys of the operators that a device obeys, from the files that its configuration names.
import { readFile } from 'node:fs/promises';
import { AgentError, errorOf } from '../base/errors.ts';
import type { AgentConfig } from '../config/agent.ts';
import { operatorKey, type OperatorKey } from '../transport/envelope.ts';
import { certificateDer } from './certificate-file.ts';

/** Throws `CONFIG_INVALID` and `CERTIFICATE_INVALID`. */
export async function loadOperators(config: AgentConfig): Promise<OperatorKey[]> {
  const keys: OperatorKey[] = [];
  for (const { name, certificateFile } of config.operators) {
    keys.push(operatorKey(name, certificateDer(certificateFile, await readConfigured(certificateFile))));
  }
  return keys;
}

/** A file of the configuration. Throws `CONFIG_INVALID` with its name. */
export async function readConfigured(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (thrown) {
    const error = errorOf(thrown);
    throw new AgentError('CONFIG_INVALID', { faults: `\n  ${path}: ${error.message}` }, { cause: thrown });
  }
}
