// How a modem spells its answers, seen on the line itself: echo, line ends, spacing and quoting, errors in words.
import { createAtLineSplitter } from './at-lines.ts';
import type { ByteLink } from './byte-link.ts';

export type SpellingWatch = {
  /** The link to use in place of the one that is watched. */
  around(link: ByteLink): ByteLink;
  /** What was seen so far that the standards write otherwise. */
  seen(): readonly string[];
};

/** What is seen of a modem that gives back what it hears. */
export const ECHO = 'echo is on';

const CR = 0x0d;
const LF = 0x0a;

/** What a line from the modem tells, given the command line before it. */
const SIGNS: readonly (readonly [string, (line: string, command: string) => boolean])[] = [
  [ECHO, (line, command) => command !== '' && line === command],
  [
    '+CCHO answers the number alone',
    (line, command) => command.startsWith('AT+CCHO="') && /^\d+$/.test(line),
  ],
  ['+CCHO answers a handle', (line) => /^\+CCHO\s*:\s*"?[0-9A-Fa-f]{8,}"?\s*$/.test(line)],
  ['no space after the colon', (line) => /^\+C(?:GLA|SIM|CHO|RSM):[\d"]/.test(line)],
  ['answers without quotes', (line) => /^\+C(?:GLA|SIM)\s*:\s*\d+\s*,\s*[0-9A-Fa-f]+\s*$/.test(line)],
  [
    'answers with a trailing quote only',
    (line) => /^\+C(?:GLA|SIM)\s*:\s*\d+\s*,\s*[0-9A-Fa-f]+"\s*$/.test(line),
  ],
  ['errors in words whatever +CMEE says', (line) => /^\+CME ERROR\s*:\s*[^\d\s]/.test(line)],
  ['+CCHC answers a line', (line, command) => command.startsWith('AT+CCHC=') && line.startsWith('+CCHC')],
];

export function createSpellingWatch(): SpellingWatch {
  const found = new Set<string>();
  const splitter = createAtLineSplitter();
  let command = '';
  let crs = 0;
  let lfs = 0;
  const look = (chunk: Uint8Array): void => {
    for (const octet of chunk) {
      if (octet === CR) crs++;
      else if (octet === LF) lfs++;
    }
    for (const event of splitter.push(chunk)) {
      if (event.is === 'garbage') found.add('octets that are no text');
      if (event.is !== 'line') continue;
      for (const [sign, shows] of SIGNS) if (shows(event.text, command)) found.add(sign);
    }
  };
  return {
    around: (link) => ({
      ...link,
      async write(bytes) {
        command = String.fromCharCode(...bytes).trim();
        await link.write(bytes);
      },
      read: (async function* () {
        for await (const chunk of link.read) {
          look(chunk);
          yield chunk;
        }
      })(),
    }),
    seen: () => [
      ...found,
      ...(lfs === 0 && crs > 0 ? ['lines end with CR alone'] : []),
      ...(crs === 0 && lfs > 0 ? ['lines end with LF alone'] : []),
    ],
  };
}
