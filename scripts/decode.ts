// Describes octets given as hex, base64, PEM or a file: `npm run decode -- BF2000`, `-- FILE`, or `-- -` for standard input.
import { existsSync, readFileSync } from 'node:fs';
import { utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { DESCRIBED_KINDS, describeInput } from '../codec/describe.ts';

const USAGE = `usage: npm run decode -- [--as ${DESCRIBED_KINDS.join('|')}] HEX|BASE64|FILE|-`;

function run(args: readonly string[]): number {
  const asked = args.indexOf('--as');
  const kind = asked < 0 ? undefined : DESCRIBED_KINDS.find((known) => known === args[asked + 1]);
  const words = asked < 0 ? args : [...args.slice(0, asked), ...args.slice(asked + 2)];
  if (words.length === 0 || (asked >= 0 && kind === undefined)) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  try {
    process.stdout.write(`${describeInput(contentOf(words), kind)}\n`);
    return 0;
  } catch (error) {
    if (!isAgentError(error)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

function contentOf(words: readonly string[]): Uint8Array {
  const [only] = words;
  if (only === '-' && words.length === 1) return readFileSync(0);
  if (only !== undefined && words.length === 1 && existsSync(only)) return readFileSync(only);
  return utf8Bytes(words.join(' '));
}

process.exitCode = run(process.argv.slice(2));
