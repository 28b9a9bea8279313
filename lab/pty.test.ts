import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { mkdtemp, open, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bytesUtf8, utf8Bytes } from '../base/bytes.ts';
import { realClock, withDeadline } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import type { ByteLink } from '../modem/byte-link.ts';
import { openSerialLink } from '../modem/serial-link.ts';
import { openPty } from './pty.ts';

async function readUntil(link: ByteLink, length: number): Promise<string> {
  let text = '';
  const reading = (async () => {
    for await (const chunk of link.read) {
      text += bytesUtf8(chunk);
      if (text.length >= length) break;
    }
  })();
  await withDeadline(realClock, 3000, 'reading', reading);
  return text;
}

test('octets cross a serial port on a pseudo terminal unchanged, both ways', async () => {
  const pty = openPty({ clock: realClock });
  const port = await openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock });
  const text = `${'0123456789'.repeat(2000)}\r\n\x03\x11\x13\x04\x1a`;
  await port.write(utf8Bytes(text));
  assert.equal(await readUntil(pty.link, text.length), text);
  await pty.link.write(utf8Bytes(text));
  assert.equal(await readUntil(port, text.length), text);
  await port.close();
  await pty.link.close();
});

test('what the line cannot take at once crosses whole and in order', async () => {
  const pty = openPty({ clock: realClock });
  const port = await openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock });
  const text = Array.from({ length: 300_000 }, (_, i) => String(i)).join(' ');
  const written = Promise.all([port.write(utf8Bytes(text)), port.write(utf8Bytes('\r'))]);
  assert.equal(await readUntil(pty.link, text.length + 1), `${text}\r`);
  await written;
  await port.close();
  await pty.link.close();
});

test('clients come and go, the other side stays', async () => {
  const pty = openPty({ clock: realClock });
  for (const text of ['first', 'second']) {
    const port = await openSerialLink({ path: pty.path, baudRate: 9600, clock: realClock });
    await pty.link.write(utf8Bytes(text));
    assert.equal(await readUntil(port, text.length), text);
    await port.close();
  }
  await pty.link.close();
});

test('a port that another client holds is busy, and free when that one is gone', async () => {
  const pty = openPty({ clock: realClock });
  const port = await openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock });
  await assert.rejects(openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock }), (error) =>
    isAgentError(error, 'PORT_BUSY'),
  );
  await port.close();
  await (await openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock })).close();
  await pty.link.close();
});

test('a port that ModemManager holds says so, and what to do', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'owner-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, 'ModemManager');
  await symlink('/bin/sleep', program);
  const pty = openPty({ clock: realClock });
  const port = await openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock });
  const held = await open(pty.path, constants.O_RDWR | constants.O_NOCTTY);
  const child = spawn(program, ['60'], { stdio: [held.fd, 'ignore', 'ignore'] });
  t.after(() => child.kill());
  await once(child, 'spawn');
  await assert.rejects(openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock }), (error) => {
    assert.ok(isAgentError(error, 'PORT_BUSY'));
    assert.equal(error.data['owner'], `ModemManager (process ${child.pid})`);
    assert.equal(error.data['do'], 'stop ModemManager, or have it ignore this port');
    return true;
  });
  child.kill();
  await once(child, 'exit');
  await held.close();
  await port.close();
  await pty.link.close();
});

test('a port that does not exist says what to do', async () => {
  await assert.rejects(
    openSerialLink({ path: '/dev/no-such-port', baudRate: 115200, clock: realClock }),
    (error) => {
      assert.ok(isAgentError(error, 'PORT_MISSING'));
      assert.match(error.message, /by-id/);
      return true;
    },
  );
});

test('what is no serial port fails with its reason', async () => {
  await assert.rejects(openSerialLink({ path: '/dev/null', baudRate: 115200, clock: realClock }), (error) =>
    isAgentError(error, 'PORT_FAILED'),
  );
});

test('a port whose other side vanishes closes, and its reader learns it', async () => {
  const pty = openPty({ clock: realClock });
  const port = await openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock });
  await pty.link.close();
  await withDeadline(realClock, 3000, 'closing', port.closed);
  await assert.rejects(port.write(utf8Bytes('AT\r')), (error) => isAgentError(error, 'LINK_CLOSED'));
});
