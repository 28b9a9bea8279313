// Who else has a serial port open, as far as /proc and the lock files of terminal programs tell this user.
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';

export type OwnerPlaces = {
  readonly processes: string;
  /** Lock files of the Filesystem Hierarchy Standard (5.9): `LCK..ttyUSB2` holds the number of a process. */
  readonly locks: string;
};

const PLACES: OwnerPlaces = { processes: '/proc', locks: '/var/lock' };
/** Services that hold modems' ports and mostly belong to another user. */
const HOLDERS = ['ModemManager', 'ofonod', 'gammu-smsd', 'smsd', 'pppd'];

/** Names the first other process with `path` open, like `ModemManager (process 812)`; undefined when none is seen. */
export async function findPortOwner(path: string, places = PLACES): Promise<string | undefined> {
  const device = await realpath(path).catch(() => path);
  for (const process of await otherProcesses(places)) {
    for (const descriptor of (await entries(`${places.processes}/${process}/fd`)) ?? []) {
      const target = await readlink(`${places.processes}/${process}/fd/${descriptor}`).catch(() => '');
      if (target === device) return ownerOf(process, places);
    }
  }
  // What belongs to other users hides its files, but not that it locked one.
  const lock = await readFile(`${places.locks}/LCK..${device.split('/').at(-1)}`, 'utf8').catch(() => '');
  const locker = /^\s*(\d+)\s*$/.exec(lock.split('\n')[0] ?? '')?.[1];
  return locker !== undefined && (await otherProcesses(places)).includes(locker)
    ? ownerOf(locker, places)
    : undefined;
}

/** Of a port that is busy and shows no owner: the service that most likely holds it, among those that hide what they do. */
export async function suspectPortOwner(places = PLACES): Promise<string | undefined> {
  const suspects: string[] = [];
  for (const process of await otherProcesses(places)) {
    if ((await entries(`${places.processes}/${process}/fd`)) === undefined) suspects.push(process);
  }
  const names = await Promise.all(suspects.map((process) => nameOf(process, places)));
  for (const holder of HOLDERS) {
    const process = suspects[names.indexOf(holder)];
    if (process !== undefined) return `${holder} (process ${process}), most likely`;
  }
  return undefined;
}

async function ownerOf(process: string, places: OwnerPlaces): Promise<string> {
  return `${await nameOf(process, places)} (process ${process})`;
}

async function nameOf(process: string, { processes }: OwnerPlaces): Promise<string> {
  return (await readFile(`${processes}/${process}/comm`, 'utf8').catch(() => 'a program')).trim();
}

async function otherProcesses({ processes }: OwnerPlaces): Promise<readonly string[]> {
  const all = (await entries(processes)) ?? [];
  return all.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
}

/** Undefined for a folder that this user may not read. */
async function entries(folder: string): Promise<readonly string[] | undefined> {
  return readdir(folder).catch(() => undefined);
}
