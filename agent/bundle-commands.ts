// `euicc-agent bundle show|load`: an offline bundle looked at, and loaded without any network (seed 56, 72).
import { access, constants, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { realClock } from '../base/clock.ts';
import { toHex } from '../base/bytes.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import { createLog, silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type BundleAnswer, bundleAnswer, MAX_BUNDLE } from '../codec/offline-bundle.ts';
import { decodeCommandScript } from '../codec/script.ts';
import type { AgentConfig } from '../config/agent.ts';
import { createNobleEc } from '../crypto/ec-noble.ts';
import type { OperatorKey } from '../transport/envelope.ts';
import { readBundle, signerOf } from '../transport/offline-bundle.ts';
import { acquireCardLock, isPhysicalPort } from './card-lock.ts';
import { checkBundle, loadBundle } from './load-bundle.ts';
import { openModemAt } from './modem-port.ts';
import { modemAddressOf } from './modem-settings.ts';
import { loadOperators } from './operator-keys.ts';
import { readBounded } from './read-bounded.ts';
import {
  readBundleAnswer,
  readBundleAttempts,
  writeBundleAnswer,
  writeBundleAttempts,
} from './state-folder.ts';
import { acquireStateLock } from './state-lock.ts';

export type BundleShown = {
  readonly mno: string;
  readonly eid: string;
  readonly iccid: string;
  readonly transaction: string;
  readonly issued: string;
  readonly expires: string;
  readonly expired: boolean;
  readonly sequenceCounter: number;
  readonly scripts: number;
  /** Of the first script. */
  readonly commands: number;
  readonly octets: number;
  /** `valid`, or why it is not believed; `not checked` without a configuration. */
  readonly signature: string;
};

/** What is in the file; with a configuration, whether its operators signed it. Throws `FILE_FAILED` and `BUNDLE_INVALID`. */
export async function showBundle(path: string, config: AgentConfig | undefined): Promise<BundleShown> {
  const file = await readBounded(path, MAX_BUNDLE);
  const read = readBundle(file);
  const { bundle } = read;
  const operators = config === undefined ? undefined : await loadOperators(config);
  return {
    mno: bundle.mno,
    eid: bundle.eid,
    iccid: bundle.iccid,
    transaction: toHex(bundle.transactionId),
    issued: timeText(bundle.issued),
    expires: timeText(bundle.expires),
    expired: bundle.expires * 1000 < realClock.wall(),
    sequenceCounter: bundle.sequenceCounter,
    scripts: bundle.scripts.length,
    commands: decodeCommandScript(bundle.scripts[0] ?? new Uint8Array()).length,
    octets: file.length,
    signature: operators === undefined ? 'not checked' : signatureText(read, operators),
  };
}

function signatureText(read: ReturnType<typeof readBundle>, operators: readonly OperatorKey[]): string {
  const signer = signerOf(createNobleEc(systemRandom), read, operators);
  return 'refused' in signer ? signer.refused : 'valid';
}

function timeText(seconds: number): string {
  const milliseconds = Math.min(seconds * 1000, 8.64e15);
  return new Date(milliseconds).toISOString();
}

export function shownText(shown: BundleShown): string {
  const lines = [
    ['operator', shown.mno],
    ['EID', shown.eid],
    ['ICCID', shown.iccid],
    ['transaction', shown.transaction],
    ['issued', shown.issued],
    ['expires', `${shown.expires}${shown.expired ? ', which is past' : ''}`],
    ['counter', `${shown.sequenceCounter}, ${shown.scripts} attempts`],
    ['size', `${shown.octets} octets, ${shown.commands} commands an attempt`],
    ['signature', shown.signature],
  ];
  return lines.map(([name = '', value = '']) => `${name.padEnd(12)}${value}`).join('\n');
}

/**
 * Loads a bundle through the configured modem. The answer is kept in the state folder, and in `answerFile` where one is given, also when the
 * card did not install the profile; then `BUNDLE_FAILED` follows.
 */
export async function loadBundleFile(
  config: AgentConfig,
  path: string,
  options: { readonly answerFile?: string; readonly onProgress?: (done: number, total: number) => void } = {},
): Promise<BundleAnswer> {
  const clock = realClock;
  const log = createLog({ clock, level: 'warn', out: (line) => void process.stderr.write(`${line}\n`) });
  const ec = createNobleEc(systemRandom);
  const operators = await loadOperators(config);
  const content = await readBounded(path, MAX_BUNDLE);
  const bundle = checkBundle({ ec, operators, clock, log }, content);
  if (options.answerFile !== undefined) await requireFolder(options.answerFile);
  const folder = config.state.dir;
  const closers: (() => Promise<void>)[] = [];
  try {
    const lock = await acquireStateLock(folder);
    closers.push(() => lock.release());
    if (await isPhysicalPort(config.modem.port)) {
      const cardLock = await acquireCardLock(bundle.eid);
      closers.push(() => cardLock.release());
    }
    const modem = await openModemAt(modemAddressOf(config), { clock, log: silentLog });
    closers.push(() => modem.close());
    const answer = await modem.hurry(content.length, () =>
      loadBundle(
        {
          addressOf: (mno) => config.operators.find(({ name }) => name === mno)?.address,
          card: () => modem.openCard(),
          attempts: {
            begun: (transactionId) => readBundleAttempts(folder, transactionId),
            begin: (transactionId, count) => writeBundleAttempts(folder, transactionId, count),
          },
          clock,
          log,
          ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
        },
        bundle,
      ),
    );
    const encoded = await keepAnswer(folder, answer);
    if (options.answerFile !== undefined) await writeAnswer(options.answerFile, encoded);
    if (answer.outcome === 'failed') throw new AgentError('BUNDLE_FAILED', { why: answer.reason });
    return answer;
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

/**
 * Keeps an answer, and tells the one to give: what the card said when it installed the profile proves more than that the profile is there
 * when the bundle is loaded again.
 */
export async function keepAnswer(folder: string, answer: BundleAnswer): Promise<Uint8Array> {
  const { outcome, transactionId } = answer;
  const earlier = outcome === 'present' ? await readBundleAnswer(folder, transactionId) : undefined;
  if (earlier !== undefined) return earlier;
  const encoded = bundleAnswer.encode(answer);
  await writeBundleAnswer(folder, transactionId, encoded);
  return encoded;
}

/** Before the card is touched: who cannot write down what it says is told so while nothing has happened. */
async function requireFolder(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
  } catch (cause) {
    throw new AgentError('FILE_FAILED', { path, why: errorOf(cause).message }, { cause });
  }
}

async function writeAnswer(path: string, octets: Uint8Array): Promise<void> {
  try {
    await writeFile(path, octets, { mode: 0o600 });
  } catch (cause) {
    throw new AgentError('FILE_FAILED', { path, why: errorOf(cause).message }, { cause });
  }
}
