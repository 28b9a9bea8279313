// The PIN of a card's certificate profile, from a file or made into it: it is on no command line and in no output.
import { utf8Bytes } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { encodeCertificateProfilePin } from '../codec/certificate-profile.ts';
import { pastedText } from '../codec/pasted.ts';
import { isMissing, readBytes, reading, writeNewFile } from './files.ts';

const NEW_DIGITS = 6;

/** The digits in the file; six that are drawn now where there is none. Throws `KEY_INVALID` naming the file, never the PIN. */
export async function certificateProfilePin(
  random: Random,
  file: string,
): Promise<{ readonly pin: Secret<string>; readonly made?: string }> {
  const held = await readBytes(file).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
    return undefined;
  });
  if (held !== undefined) {
    const digits = (pastedText(held) ?? '').trim();
    reading(file, () => encodeCertificateProfilePin(digits), 'KEY_INVALID');
    return { pin: new Secret(digits) };
  }
  const digits = Array.from({ length: NEW_DIGITS }, () => digit(random)).join('');
  await writeNewFile(file, new Secret(utf8Bytes(`${digits}\n`)));
  return { pin: new Secret(digits), made: file };
}

/** Each as likely as the others. */
function digit(random: Random): string {
  for (;;) {
    const [octet = 0] = random.bytes(1);
    if (octet < 250) return String(octet % 10);
  }
}
