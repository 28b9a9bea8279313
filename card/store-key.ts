// The key that a card file is encrypted under: from a file or the environment, never from the command line, where others see it.
import { stat } from 'node:fs/promises';
import { fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { pastedText } from '../codec/pasted.ts';
import { failed, isMissing, readBytes, writeNewFile } from './files.ts';

const KEY_OCTETS = 32;
/** 64 hex digits. */
export const KEY_VARIABLE = 'EUICC_CARD_KEY';

export type KeyOptions = { readonly keyFile?: string; readonly environment: NodeJS.ProcessEnv };

/** The file that holds the key of a card where nothing else is said. */
export function defaultKeyFile(card: string): string {
  return `${card}.key`;
}

/** The key of a card: `keyFile`, else the environment, else the file beside the card. Throws `KEY_INVALID` or `FILE_FAILED`. */
export async function readStoreKey(card: string, options: KeyOptions): Promise<Secret<Uint8Array>> {
  const { keyFile, environment } = options;
  const variable = environment[KEY_VARIABLE];
  if (keyFile === undefined && variable !== undefined) {
    return keyOf(variable, { variable: KEY_VARIABLE });
  }
  const file = keyFile ?? defaultKeyFile(card);
  const content = await readBytes(file).catch((error: unknown) => {
    if (keyFile !== undefined || !isMissing(error)) throw error;
    throw failed(
      file,
      `the key of the card is neither here nor in ${KEY_VARIABLE}; name its file with --key-file`,
    );
  });
  if (content.length === KEY_OCTETS) return new Secret(content);
  return keyOf(pastedText(content) ?? '', { file });
}

/** The same for a card that is to be made: a key file that is missing is made, and named in the answer. */
export async function makeStoreKey(
  card: string,
  options: KeyOptions & { readonly random: Random },
): Promise<{ readonly key: Secret<Uint8Array>; readonly made?: string }> {
  const file = options.keyFile ?? defaultKeyFile(card);
  const given = options.keyFile === undefined && options.environment[KEY_VARIABLE] !== undefined;
  if (given || (await exists(file))) return { key: await readStoreKey(card, options) };
  const key = new Secret(options.random.bytes(KEY_OCTETS));
  await writeNewFile(file, new Secret(utf8Bytes(`${toHex(key.reveal())}\n`)));
  return { key, made: file };
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

function keyOf(text: string, where: Readonly<Record<string, string>>): Secret<Uint8Array> {
  try {
    const key = fromHex(text.trim());
    if (key.length === KEY_OCTETS) return new Secret(key);
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
  // The text is a secret, wrong as it is: it is not shown, and no part of an error.
  throw new AgentError('KEY_INVALID', { ...where, why: 'expected 32 octets as 64 hex digits' });
}
