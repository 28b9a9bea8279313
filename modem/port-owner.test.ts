// Who holds a port, as far as it can be seen.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findPortOwner, suspectPortOwner, type OwnerPlaces } from './port-owner.ts';

type Process = { readonly name: string; readonly files?: readonly string[] };

/** The folders of a machine with these processes; those without `files` hide them, as other users' do. */
async function machine(
  t: TestContext,
  all: Readonly<Record<number, Process>>,
  locks: Readonly<Record<string, string>> = {},
): Promise<OwnerPlaces> {
  const folder = await mkdtemp(join(tmpdir(), 'owner-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [number, { name, files }] of Object.entries(all)) {
    const process = join(folder, 'proc', number);
    await mkdir(process, { recursive: true });
    await writeFile(join(process, 'comm'), `${name}\n`);
    if (files === undefined) continue;
    await mkdir(join(process, 'fd'));
    for (const [descriptor, file] of files.entries())
      await symlink(file, join(process, 'fd', `${descriptor}`));
  }
  await mkdir(join(folder, 'lock'));
  for (const [name, text] of Object.entries(locks)) await writeFile(join(folder, 'lock', name), text);
  return { processes: join(folder, 'proc'), locks: join(folder, 'lock') };
}

const PORT = '/dev/ttyUSB97';

test('the process that has a port open is named, by whichever name the port was asked for', async (t) => {
  const places = await machine(t, {
    7: { name: 'bash', files: ['/dev/null'] },
    812: { name: 'ModemManager', files: ['/dev/null', PORT] },
  });
  assert.equal(await findPortOwner(PORT, places), 'ModemManager (process 812)');
  assert.equal(await findPortOwner('/dev/ttyUSB96', places), undefined);
  const byId = join(places.locks, 'usb-modem-if02');
  await symlink('/dev/null', byId);
  assert.equal(await findPortOwner(byId, places), 'bash (process 7)');
});

test('who locked a port is named where his files cannot be seen, as long as he lives', async (t) => {
  const places = await machine(
    t,
    { 31: { name: 'minicom' } },
    { 'LCK..ttyUSB97': '        31\n', 'LCK..ttyUSB98': '        32\n', 'LCK..ttyUSB99': 'minicom\n' },
  );
  assert.equal(await findPortOwner(PORT, places), 'minicom (process 31)');
  assert.equal(await findPortOwner('/dev/ttyUSB98', places), undefined);
  assert.equal(await findPortOwner('/dev/ttyUSB99', places), undefined);
});

test('of those that hide what they do, the one that mostly holds modems is suspected, and nobody else', async (t) => {
  const hidden = await machine(t, {
    1: { name: 'systemd' },
    640: { name: 'pppd' },
    812: { name: 'ModemManager' },
  });
  assert.equal(await suspectPortOwner(hidden), 'ModemManager (process 812), most likely');
  const open = await machine(t, { 1: { name: 'systemd' }, 812: { name: 'ModemManager', files: [] } });
  assert.equal(await suspectPortOwner(open), undefined);
});
