// What `npm start` can be told, and what its exit codes mean.
import { Command, InvalidArgumentError, Option } from 'commander';

export type LabOptions = {
  readonly json: boolean;
  /** Bits per second, or undefined for a line without pacing. */
  readonly baud: number | undefined;
  /** Octets that each unprotected profile package is to have. */
  readonly profileBytes: number;
  readonly reject: 'untrusted' | 'expired' | 'revoked' | 'wrong-eid' | undefined;
  /** How the SM-SR protects what it sends to the eUICC. */
  readonly secondLayer: 'scp03' | 'scp80';
  /** Which key of the eUICC the SM-DP binds profiles to. */
  readonly euiccKey: 'static' | 'dynamic';
  /** One key agreement pair in the ECASD for all SM-DPs, or one for each. */
  readonly securityModules: 'single' | 'per-mno';
  /** Between the two procedures the SM-SR gives the eUICC new management keys. */
  readonly rotateKeys: boolean;
  /** Provision by a file that is loaded without a network, instead of the main job. */
  readonly offline: boolean;
  /** Where state, databases and logs stay; undefined for a folder that is removed at the end. */
  readonly keep: string | undefined;
};

/** Documented in docs/exit-codes.md. */
export const LAB_EXIT = { ok: 0, failed: 1, usage: 2, refused: 3, stopped: 130 } as const;

const DEFAULT_BAUD = 115_200;
export const DEFAULT_PROFILE_BYTES = 12_000;
const MIN_PROFILE_BYTES = 3_000;
const MAX_PROFILE_BYTES = 1_000_000;

function parseBaud(text: string): number | 'none' {
  if (text === 'none') return text;
  const baud = Number(text);
  if (!Number.isInteger(baud) || baud < 300 || baud > 4_000_000) {
    throw new InvalidArgumentError('expected 300 to 4000000 bits per second, or none.');
  }
  return baud;
}

function parseProfileBytes(text: string): number {
  const bytes = Number(text);
  if (!Number.isInteger(bytes) || bytes < MIN_PROFILE_BYTES || bytes > MAX_PROFILE_BYTES) {
    throw new InvalidArgumentError(`expected ${MIN_PROFILE_BYTES} to ${MAX_PROFILE_BYTES} octets.`);
  }
  return bytes;
}

/** Reads the command line; the command throws CommanderError for help, version and faults. */
export function parseLabOptions(args: readonly string[], version: string): LabOptions {
  const command = new Command('euicc-lab')
    .description(
      'Runs the main job on this machine: manufactures an eUICC, provisions it with MNO A over the air through a simulated modem, changes to MNO B, and reports what card and operators say.',
    )
    .version(version)
    .option('--json', 'print one report as JSON on standard output; progress goes to standard error', false)
    .option('--baud <rate>', 'rate of the serial line in bits per second, or none', parseBaud, DEFAULT_BAUD)
    .option('--profile-bytes <n>', 'octets of each profile package', parseProfileBytes, DEFAULT_PROFILE_BYTES)
    .addOption(
      new Option('--reject <fault>', 'manufacture a bad eUICC and show its refusal').choices([
        'untrusted',
        'expired',
        'revoked',
        'wrong-eid',
      ]),
    )
    .addOption(
      new Option('--second-layer <protocol>', 'what the SM-SR protects its commands with')
        .choices(['scp03', 'scp80'])
        .default('scp03'),
    )
    .addOption(
      new Option(
        '--euicc-key <kind>',
        'what profiles are bound to: the key in the ECASD, or one that the eUICC makes for each download',
      )
        .choices(['static', 'dynamic'])
        .default('dynamic'),
    )
    .addOption(
      new Option(
        '--security-modules <mode>',
        'one security module in the eUICC for all MNOs, or one for each',
      )
        .choices(['single', 'per-mno'])
        .default('single'),
    )
    .option(
      '--rotate-keys',
      'between provisioning and change, the SM-SR gives the eUICC new management keys',
      false,
    )
    .option('--offline', 'provision by a bundle, a file that the agent loads without a network', false)
    .option('--keep <dir>', 'keep state, databases, logs and recordings in this folder')
    .addHelpText(
      'after',
      '\nExit codes: 0 card and operators agree; 1 they do not, or the run failed; 2 wrong usage; 3 the eUICC was refused; 130 stopped by a signal.',
    )
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text) });
  command.parse([...args], { from: 'user' });
  const values = command.opts<{
    json: boolean;
    baud: number | 'none';
    profileBytes: number;
    reject?: NonNullable<LabOptions['reject']>;
    secondLayer: LabOptions['secondLayer'];
    rotateKeys: boolean;
    securityModules: LabOptions['securityModules'];
    euiccKey: LabOptions['euiccKey'];
    offline: boolean;
    keep?: string;
  }>();
  return {
    json: values.json,
    baud: values.baud === 'none' ? undefined : values.baud,
    profileBytes: values.profileBytes,
    reject: values.reject,
    secondLayer: values.secondLayer,
    rotateKeys: values.rotateKeys,
    securityModules: values.securityModules,
    euiccKey: values.euiccKey,
    offline: values.offline,
    keep: values.keep,
  };
}
