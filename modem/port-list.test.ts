import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { hasLineRate, isModemPort, isSamePort, listPorts, type PortRoots, siblingsOf } from './port-list.ts';

/** A tree as udev and the kernel make it, with the ports of one modem in one socket. */
async function plugged(
  t: TestContext,
  ports: readonly { name: string; socket: string; interface: string; driver: string; serial?: string }[],
): Promise<PortRoots> {
  const root = await mkdtemp(join(tmpdir(), 'ports-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const roots = { dev: join(root, 'dev'), sys: join(root, 'sys') };
  await mkdir(join(roots.dev, 'serial', 'by-id'), { recursive: true });
  await writeFile(join(roots.dev, 'null'), '');
  for (const { name, socket, interface: number, driver, serial } of ports) {
    await writeFile(join(roots.dev, name), '');
    const device = join(roots.sys, 'devices', 'usb1', socket);
    const own = join(device, `${socket}:1.${Number.parseInt(number, 16)}`, name);
    await mkdir(own, { recursive: true });
    await writeFile(join(device, 'idVendor'), '2c7c\n');
    await writeFile(join(device, 'idProduct'), '0125\n');
    if (serial !== undefined) await writeFile(join(device, 'serial'), `${serial}\n`);
    await writeFile(join(own, '..', 'bInterfaceNumber'), `${number}\n`);
    await mkdir(join(roots.sys, 'bus', driver), { recursive: true });
    await symlink(join(roots.sys, 'bus', driver), join(own, 'driver'));
    const entry = join(roots.sys, 'class', 'tty', name);
    await mkdir(entry, { recursive: true });
    await symlink(own, join(entry, 'device'));
    await symlink(`../../${name}`, join(roots.dev, 'serial', 'by-id', `usb-${socket}-if${number}-port0`));
  }
  return roots;
}

test('a port is listed with its stable name, driver, and place on USB', async (t) => {
  const roots = await plugged(t, [
    { name: 'ttyUSB3', socket: '1-1.2', interface: '02', driver: 'option1', serial: 'A1' },
    { name: 'ttyUSB2', socket: '1-1.2', interface: '00', driver: 'option1', serial: 'A1' },
  ]);
  const ports = await listPorts(roots);
  assert.deepEqual(
    ports.map(({ path }) => path),
    [join(roots.dev, 'ttyUSB2'), join(roots.dev, 'ttyUSB3')],
  );
  assert.deepEqual(ports[1], {
    path: join(roots.dev, 'ttyUSB3'),
    names: [join(roots.dev, 'serial', 'by-id', 'usb-1-1.2-if02-port0')],
    driver: 'option1',
    usb: { device: '2c7c:0125', serial: 'A1', socket: '1-1.2', interface: '02' },
  });
  assert.ok(ports.every(isModemPort));
  const [first, second] = ports;
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(siblingsOf(first, ports), [second]);
});

test('the same port is known again under another number, and its neighbour is not it', async (t) => {
  const before = await listPorts(
    await plugged(t, [
      { name: 'ttyUSB0', socket: '1-1', interface: '00', driver: 'option1' },
      { name: 'ttyUSB1', socket: '1-1', interface: '02', driver: 'option1' },
    ]),
  );
  const after = await listPorts(
    await plugged(t, [
      { name: 'ttyUSB4', socket: '1-1', interface: '00', driver: 'option1' },
      { name: 'ttyUSB5', socket: '1-1', interface: '02', driver: 'option1' },
      { name: 'ttyUSB6', socket: '1-2', interface: '02', driver: 'option1' },
    ]),
  );
  const was = before[1];
  assert.ok(was !== undefined);
  const again = after.filter((port) => isSamePort(port, was));
  assert.deepEqual(
    again.map(({ path }) => path.split('/').at(-1)),
    ['ttyUSB5'],
  );
});

test('a converter is no modem port, and its line has a rate', async (t) => {
  const [port] = await listPorts(
    await plugged(t, [{ name: 'ttyUSB0', socket: '1-3', interface: '00', driver: 'ftdi_sio' }]),
  );
  assert.ok(port !== undefined);
  assert.equal(isModemPort(port), false);
  assert.equal(hasLineRate({ ...port, path: '/dev/ttyUSB0' }), true);
  assert.equal(hasLineRate({ path: '/dev/ttyUSB0', names: [], driver: 'option1' }), false);
  assert.equal(hasLineRate({ path: '/dev/pts/4', names: [] }), false);
});

test('where there is nothing the list is empty', async () => {
  assert.deepEqual(await listPorts({ dev: '/nowhere', sys: '/nowhere' }), []);
});
