// A certificate from a file, PEM or DER.
import { AgentError } from '../base/errors.ts';

const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/;

/** The DER octets of the first certificate in the file. Throws `CERTIFICATE_INVALID` naming `path`. */
export function certificateDer(path: string, content: Uint8Array): Uint8Array {
  // DER begins with a SEQUENCE; no PEM file does.
  if (content[0] === 0x30) return content;
  const body = PEM.exec(new TextDecoder().decode(content))?.[1]?.replaceAll(/\s/g, '');
  try {
    if (body === undefined) throw new AgentError('CERTIFICATE_INVALID', { path, why: 'neither PEM nor DER' });
    return Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw new AgentError('CERTIFICATE_INVALID', { path, why: 'not base64' }, { cause });
  }
}
