// Runs every test file of the tree on the compiled output and fails when one of them did not really run.
// usage: node dist/scripts/run-tests.js [part of a path …]
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { compiledFault, compiledPath, removeOrphans, testSources } from './test-files.ts';

/** A file that hangs is ended after this long and counts as failed. */
const FILE_TIMEOUT_MS = 300_000;
const CONCURRENCY = 2;

type TestEvent = {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string | undefined;
    readonly details?: { readonly type?: string | undefined };
  };
};

const root = process.cwd();
const everything = testSources(root);
removeOrphans(root, everything);
const wanted = process.argv.slice(2);
const sources = everything.filter(
  (source) => wanted.length === 0 || wanted.some((part) => source.includes(part)),
);
const faults = sources.flatMap((source) => compiledFault(root, source) ?? []);
if (sources.length === 0) faults.push('no test file was found');

if (faults.length === 0) {
  const files = sources.map((source) => compiledPath(root, source));
  const counts = new Map(files.map((file) => [file, 0]));
  // Newer Node maps the place of a test back to its source.
  const fileOf = new Map(sources.map((source, i) => [join(root, source), files[i] ?? source]));
  let failed = false;
  const events = run({ files, concurrency: CONCURRENCY, timeout: FILE_TIMEOUT_MS });
  const seen = async function* (): AsyncGenerator<TestEvent> {
    for await (const event of events as AsyncIterable<TestEvent>) {
      if (event.type === 'test:fail') failed = true;
      if (event.type === 'test:pass' || event.type === 'test:fail') {
        const file = resolve(event.data.file ?? '');
        const compiled = fileOf.get(file) ?? file;
        // A file without any test is reported as a test named after itself.
        const isFile = event.data.name !== undefined && resolve(event.data.name) === compiled;
        const isSuite = event.data.details?.type === 'suite';
        if (!isFile && !isSuite) counts.set(compiled, (counts.get(compiled) ?? 0) + 1);
      }
      yield event;
    }
  };
  const report = Readable.from(seen()).compose(new spec());
  // Where no person reads, the closing lines keep the form that TAP readers know (`# tests 12`).
  report.on('data', (text: unknown) => {
    const lines = String(text);
    process.stdout.write(process.stdout.isTTY ? lines : lines.replace(/^ℹ /gmu, '# '));
  });
  await finished(report);
  for (const [i, file] of files.entries()) {
    if (counts.get(file) === 0) faults.push(`${sources[i]}: no test in it ran`);
  }
  if (failed) process.exitCode = 1;
}

for (const fault of faults) process.stderr.write(`${fault}\n`);
if (faults.length > 0) process.exitCode = 1;
