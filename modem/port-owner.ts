// Who else has a serial port open, as far as /proc tells this user.
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';

/** Names the first other process with `path` open, like `ModemManager (process 812)`; undefined when none is seen. */
export async function findPortOwner(path: string): Promise<string | undefined> {
  const device = await realpath(path).catch(() => path);
  for (const process of await entries('/proc')) {
    if (!/^\d+$/.test(process) || Number(process) === ownPid()) continue;
    for (const descriptor of await entries(`/proc/${process}/fd`)) {
      const target = await readlink(`/proc/${process}/fd/${descriptor}`).catch(() => '');
      if (target !== device) continue;
      const name = await readFile(`/proc/${process}/comm`, 'utf8').catch(() => 'a program');
      return `${name.trim()} (process ${process})`;
    }
  }
  return undefined;
}

function ownPid(): number {
  return process.pid;
}

/** Processes of other users cannot be read without privileges; they are left out. */
async function entries(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
