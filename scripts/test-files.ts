// Which test files the tree holds, and whether each has a compiled file to run.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

const SKIPPED = new Set(['node_modules', 'dist', 'coverage']);

/** Lists the files below `folder` whose name ends in `ending`, as paths relative to `root`, in order. */
function filesBelow(root: string, folder: string, ending: string, skipped: ReadonlySet<string>): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        const hidden = entry.name.startsWith('.') || skipped.has(entry.name);
        return hidden ? [] : filesBelow(root, path, ending, skipped);
      }
      return entry.isFile() && entry.name.endsWith(ending) ? [relative(root, path)] : [];
    })
    .toSorted();
}

/** Every `*.test.ts` of the tree at `root`, relative to it. Build output, packages and hidden folders are left out. */
export function testSources(root: string): string[] {
  return filesBelow(root, root, '.test.ts', SKIPPED);
}

/** Where the compiler writes a source file. */
export function compiledPath(root: string, source: string): string {
  return join(root, 'dist', source.replace(/\.ts$/, '.js'));
}

/** Says why the compiled file of `source` cannot stand for it: it is missing, or older than the source. */
export function compiledFault(root: string, source: string): string | undefined {
  const compiled = statSync(compiledPath(root, source), { throwIfNoEntry: false });
  if (compiled === undefined) return `${source}: has no compiled file`;
  return compiled.mtimeMs < statSync(join(root, source)).mtimeMs
    ? `${source}: is newer than its compiled file`
    : undefined;
}

/** Removes compiled tests whose source is gone, so that no other runner picks them up. Answers their paths. */
export function removeOrphans(root: string, sources: readonly string[]): string[] {
  const dist = join(root, 'dist');
  if (statSync(dist, { throwIfNoEntry: false }) === undefined) return [];
  const known = new Set(sources.map((source) => source.replace(/\.ts$/, '.js')));
  const orphans = filesBelow(dist, dist, '.test.js', new Set()).filter((file) => !known.has(file));
  for (const file of orphans) for (const end of ['', '.map']) rmSync(join(dist, file + end), { force: true });
  return orphans;
}
