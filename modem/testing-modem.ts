// A small modem for tests: one answer a command line, of text that is said as it stands; what it hears is kept.
import { bytesUtf8, utf8Bytes } from '../base/bytes.ts';
import { type ByteLink, createLinkPair } from './byte-link.ts';

export type TestingModem = {
  /** The driver's end. */
  readonly link: ByteLink;
  /** Every command line in order. */
  readonly heard: string[];
  /** Says something at any time. */
  readonly say: (text: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** An information line and OK, as most modems spell it. */
export function ok(...lines: readonly string[]): string {
  return `${lines.map((line) => `\r\n${line}\r\n`).join('')}\r\nOK\r\n`;
}

/** What a working modem says to the commands by which the driver finds its way back. */
export const SYNC_ANSWERS: Readonly<Record<string, string>> = {
  'AT+CMEE?': ok('+CMEE: 1'),
  'ATQ0V1E0+CFUN?': ok('+CFUN: 1'),
  'AT+CREG?': ok('+CREG: 0,1'),
  'ATQ0V1E0+CSQ': ok('+CSQ: 20,99'),
};

/** `answer` gets the line without its CR; undefined is silence. */
export function createTestingModem(answer: (line: string) => string | undefined): TestingModem {
  const [link, peer] = createLinkPair();
  const heard: string[] = [];
  const say = (text: string): Promise<void> => peer.write(utf8Bytes(text)).catch(() => {});
  void (async () => {
    let typed = '';
    for await (const chunk of peer.read) {
      typed += bytesUtf8(chunk);
      for (let end = typed.indexOf('\r'); end >= 0; end = typed.indexOf('\r')) {
        const line = typed.slice(0, end);
        typed = typed.slice(end + 1);
        heard.push(line);
        const text = answer(line);
        if (text !== undefined) await say(text);
      }
    }
  })();
  return { link, heard, say, close: () => peer.close() };
}
