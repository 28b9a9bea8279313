// Octets as people hold them: hex with spaces, base64, PEM, or the octets themselves.
import { bytesUtf8, fromHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';

/** Printable text, or undefined where the octets are none. */
export function pastedText(content: Uint8Array): string | undefined {
  try {
    const text = bytesUtf8(content);
    return /^[\t\n\r\x20-\x7e]*$/.test(text) ? text : undefined;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
}

/** Whether the text is hex, with spaces, colons, commas and 0x as people paste it. */
export function isPastedHex(text: string): boolean {
  return /^(?:[0-9a-f]{2})+$/i.test(hexDigits(text));
}

function hexDigits(text: string): string {
  return text.replaceAll(/0x|[\s:,]/gi, '');
}

/** The octets that a text is: hex, base64, or the first block of a PEM text. Throws `HEX_INVALID`, naming where it stops being any. */
export function parsePasted(text: string): Uint8Array {
  if (isPastedHex(text)) return fromHex(hexDigits(text));
  const [block] = pemBlocks(text);
  if (block !== undefined) return block.octets;
  const octets = fromBase64(text.replaceAll(/\s/g, ''));
  if (octets !== undefined) return octets;
  const digits = hexDigits(text);
  if (/^[0-9a-f]+$/i.test(digits)) {
    throw new AgentError('HEX_INVALID', { why: `${digits.length} hex digits, an odd number` });
  }
  const at = text.search(/[^0-9a-fx\s:,]/i);
  throw new AgentError('HEX_INVALID', {
    why: 'neither hex nor base64 nor PEM',
    at: Math.max(0, at),
    found: JSON.stringify(text.slice(Math.max(0, at), Math.max(0, at) + 10)),
  });
}

/** The octets of a file that holds them as they are or as text. Throws `HEX_INVALID` for text that is neither hex, base64 nor PEM. */
export function pastedOctets(content: Uint8Array): Uint8Array {
  const text = pastedText(content);
  return text === undefined || text.trim() === '' ? content : parsePasted(text);
}

/** The blocks of a PEM text (RFC 7468); what stands between them, and blocks that hold no base64, are left out. */
export function pemBlocks(text: string): { readonly label: string; readonly octets: Uint8Array }[] {
  const blocks: { label: string; octets: Uint8Array }[] = [];
  for (const [, label = '', body = ''] of text.matchAll(
    /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g,
  )) {
    const octets = fromBase64(body.replaceAll(/\s/g, ''));
    if (octets !== undefined) blocks.push({ label, octets });
  }
  return blocks;
}

function fromBase64(text: string): Uint8Array | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})+$|^(?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/]{2,3}={1,2}$/.test(text)) return undefined;
  if (text.length % 4 !== 0) return undefined;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
