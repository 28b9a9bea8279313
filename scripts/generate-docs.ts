// Writes the generated pages and descriptions; with --check it only compares and fails where one is out of date.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT_CODES } from '../agent/exit-codes.ts';
import { ERRORS } from '../base/errors.ts';
import { CARD_EXITS } from '../card/exit-codes.ts';
import { agentTable } from '../config/agent.ts';
import { recordedTraces } from '../hil-tests/hil-traces.ts';
import { HIL_EXITS } from '../lab/hil-exits.ts';
import { SIM_EXITS } from '../lab/modem-sim/exit-codes.ts';
import { LAB_EXIT } from '../lab/options.ts';
import { configurationPage, errorsPage, exitCodesPage, exampleFile, exampleName } from './docs-pages.ts';
import { modemsPage } from './modems-page.ts';
import { wireCddl } from './wire-cddl.ts';

const OTHER_EXITS = [
  {
    command: 'euicc-card',
    exits: CARD_EXITS.map(({ exit, text, advice }) => [exit, `${text}; ${advice}`] as const),
  },
  { command: 'euicc-modem-sim', exits: SIM_EXITS },
  { command: 'npm run hil', exits: HIL_EXITS },
  {
    command: 'npm start',
    exits: [
      [LAB_EXIT.ok, 'card and operators agree that both procedures are complete'],
      [LAB_EXIT.failed, 'they do not agree, or the run failed'],
      [LAB_EXIT.usage, 'the command line is wrong'],
      [LAB_EXIT.refused, 'the eUICC was refused and no profile was built, as `--reject` is there to show'],
      [
        LAB_EXIT.stopped,
        'stopped by SIGINT or SIGTERM; everything is closed and the temporary folder is gone',
      ],
    ],
  },
  {
    command: 'npm run bench, soak, fuzz',
    exits: [
      [0, 'every figure reaches its bar'],
      [1, 'a figure falls short, or the run failed'],
      [2, 'the command line is wrong'],
    ],
  },
] as const;

const ROOT = join(import.meta.dirname, '..', '..');
const PAGES: Readonly<Record<string, string>> = {
  'docs/errors.md': errorsPage(ERRORS),
  'docs/exit-codes.md': exitCodesPage(EXIT_CODES, OTHER_EXITS),
  'docs/configuration.md': configurationPage([agentTable]),
  [`docs/${exampleName(agentTable)}`]: exampleFile(agentTable),
  'docs/modems.md': modemsPage(),
  'transport/wire.cddl': wireCddl(),
  ...Object.fromEntries(
    Object.entries(await recordedTraces()).map(([name, text]) => [`hil-tests/traces/${name}`, text]),
  ),
};

function stored(name: string): string | undefined {
  try {
    return readFileSync(join(ROOT, name), 'utf8');
  } catch {
    return undefined;
  }
}

const check = process.argv.includes('--check');
for (const [name, text] of Object.entries(PAGES)) {
  if (stored(name) === text) continue;
  if (check) {
    process.stderr.write(`${name} is out of date: npm run docs\n`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(join(ROOT, name)), { recursive: true });
    writeFileSync(join(ROOT, name), text);
    process.stdout.write(`${name} written\n`);
  }
}
