#!/usr/bin/env node
// The program behind `npm start`: the main job on one machine.
import { constants, createWriteStream, readFileSync } from 'node:fs';
import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CommanderError } from 'commander';
import { realClock } from '../base/clock.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { outliveReaders, visible } from '../base/terminal.ts';
import { runMainJob } from './main-job.ts';
import { offlineReportText, runOfflineJob } from './offline-job.ts';
import { LAB_EXIT, type LabOptions, parseLabOptions } from './options.ts';
import { createProgress } from './progress.ts';
import { type Report, reportText } from './report.ts';

function version(): string {
  const path = join(import.meta.dirname, '..', '..', 'package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

function exitCodeOf(report: Pick<Report, 'ok' | 'problems'>, options: LabOptions): number {
  if (options.reject !== undefined && report.problems.length === 0) return LAB_EXIT.refused;
  return report.ok ? LAB_EXIT.ok : LAB_EXIT.failed;
}

/** A folder for everything that is written: a temporary one unless one was named. */
async function openFolder(keep: string | undefined): Promise<string> {
  if (keep === undefined) return mkdtemp(join(tmpdir(), 'euicc-lab-'));
  const folder = resolve(keep);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new AgentError('STATE_FAILED', { path: folder, why: errorOf(cause).message }, { cause });
  }
  return folder;
}

async function run(options: LabOptions): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const folder = await openFolder(options.keep);
  const logFile = createWriteStream(join(folder, 'lab.log'), { mode: 0o600 });
  const log = createLog({ clock: realClock, level: 'debug', out: (line) => void logFile.write(`${line}\n`) });
  try {
    const tools = { clock: realClock, random: systemRandom, log };
    const stage = {
      ...options,
      ...tools,
      folder,
      progress: createProgress(process.stderr),
      signal: stop.signal,
    };
    if (options.offline) {
      const report = await runOfflineJob(stage);
      process.stdout.write(`${options.json ? JSON.stringify(report) : `\n${offlineReportText(report)}`}\n`);
      return exitCodeOf(report, options);
    }
    const report = await runMainJob(stage);
    process.stdout.write(`${options.json ? JSON.stringify(report) : `\n${reportText(report)}`}\n`);
    return exitCodeOf(report, options);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write('euicc-lab: stopped before the end\n');
    return LAB_EXIT.stopped;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    await new Promise<void>((done) => logFile.end(done));
    if (options.keep === undefined) await rm(folder, { recursive: true, force: true });
    else process.stderr.write(`kept in ${folder}\n`);
  }
}

async function main(): Promise<number> {
  let options: LabOptions;
  try {
    options = parseLabOptions(process.argv.slice(2), version());
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? LAB_EXIT.ok : LAB_EXIT.usage;
  }
  try {
    return await run(options);
  } catch (error) {
    process.stderr.write(`euicc-lab: ${visible(errorOf(error).message)}\n`);
    return LAB_EXIT.failed;
  }
}

outliveReaders();
process.exitCode = await main();
