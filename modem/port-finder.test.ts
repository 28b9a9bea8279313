import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Bytes } from '../base/bytes.ts';
import { createVirtualClock, sleep, type VirtualClock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { parseImei } from '../codec/ids.ts';
import { type ByteLink, createLinkPair } from './byte-link.ts';
import { openModem } from './modem.ts';
import { describeSound } from './port-ear.ts';
import { createPortFinder, type PortFinder } from './port-finder.ts';
import type { PortEntry } from './port-list.ts';
import type { SimQuirks } from './sim/quirks.ts';
import { createSimModem } from './sim/sim-modem.ts';
import { createTestCard } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';
import { linkTo } from './testing-driver.ts';

const IMEI = '490154203237518';
const OTHER_IMEI = '356938035643809';
const NMEA = utf8Bytes('$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76\r\n');
const QCDM = Uint8Array.of(0x7e, 0x13, 0x41, 0x54, 0x0d, 0xc1, 0x22, 0x7e);

const entry = (path: string, interface_: string, socket = '1-1'): PortEntry => ({
  path,
  names: [`/dev/serial/by-id/usb-Modem-if${interface_}-port0`],
  driver: 'option1',
  usb: { device: '2c7c:0125', socket, interface: interface_ },
});

type Behind = () => Promise<ByteLink>;

function modemBehind(clock: VirtualClock, quirks: Partial<SimQuirks> = {}, imei = IMEI): Behind {
  const sim = createSimModem({
    card: createTestCard(),
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei(imei),
    quirks,
  });
  return linkTo(sim);
}

/** A port that says the same to everything. */
function voiceBehind(says: Uint8Array): Behind {
  return async () => {
    const [link, peer] = createLinkPair();
    void (async () => {
      for await (const heard of peer.read) if (heard.length > 0) await peer.write(says).catch(() => {});
    })();
    return link;
  };
}

type World = { ports: Map<string, { entry: PortEntry; behind: Behind | { readonly owner: string } }> };

function finderIn(world: World, clock: VirtualClock, selector: string, imei?: string): PortFinder {
  return createPortFinder({
    selector,
    ports: async () => [...world.ports.values()].map((port) => port.entry),
    async open(path) {
      const found = world.ports.get(path);
      if (found === undefined) throw new AgentError('PORT_MISSING', { path });
      if (typeof found.behind === 'object') throw new AgentError('PORT_BUSY', { path, ...found.behind });
      return found.behind();
    },
    clock,
    log: silentLog,
    ...(imei === undefined ? {} : { imei }),
  });
}

function worldOf(...ports: readonly (readonly [PortEntry, Behind | { readonly owner: string }])[]): World {
  return { ports: new Map(ports.map(([port, behind]) => [port.path, { entry: port, behind }])) };
}

test('auto takes the port with the card, beside diagnostic, positioning and half-deaf ones', async () => {
  const clock = createVirtualClock();
  const world = worldOf(
    [entry('/dev/ttyUSB0', '00'), voiceBehind(QCDM)],
    [entry('/dev/ttyUSB1', '01'), voiceBehind(NMEA)],
    [entry('/dev/ttyUSB2', '02'), modemBehind(clock, { simPort: 'hangs' })],
    [entry('/dev/ttyUSB3', '03'), modemBehind(clock)],
  );
  const finder = finderIn(world, clock, 'auto');
  await clock.settle(finder.openLink());
  assert.equal(finder.current?.path, '/dev/ttyUSB3');
  assert.deepEqual(await finder.siblings(), ['/dev/ttyUSB0', '/dev/ttyUSB1', '/dev/ttyUSB2']);
});

test('auto without a modem tells what every port said, and who holds one', async () => {
  const clock = createVirtualClock();
  const world = worldOf(
    [entry('/dev/ttyUSB0', '00'), voiceBehind(QCDM)],
    [entry('/dev/ttyUSB1', '01'), voiceBehind(NMEA)],
    [entry('/dev/ttyUSB2', '02'), { owner: 'ModemManager (process 812)' }],
  );
  await assert.rejects(clock.settle(finderIn(world, clock, 'auto').openLink()), (error) => {
    assert.ok(isAgentError(error, 'PORT_MISSING'));
    assert.equal(
      error.data['heard'],
      '/dev/ttyUSB0: frames between 7E: its diagnostic port; /dev/ttyUSB1: NMEA sentences: its positioning port; ' +
        '/dev/ttyUSB2: held by ModemManager (process 812)',
    );
    return true;
  });
});

test('of two modems the one with the IMEI is taken', async () => {
  const clock = createVirtualClock();
  const world = worldOf(
    [entry('/dev/ttyUSB0', '02', '1-1'), modemBehind(clock)],
    [entry('/dev/ttyUSB1', '02', '1-2'), modemBehind(clock, {}, OTHER_IMEI)],
  );
  const finder = finderIn(world, clock, 'auto', OTHER_IMEI);
  await clock.settle(finder.openLink());
  assert.equal(finder.current?.path, '/dev/ttyUSB1');
});

test('a modem that comes back under another number is found, and never the one that took its number', async () => {
  const clock = createVirtualClock();
  const [ours, other] = [modemBehind(clock), modemBehind(clock, {}, OTHER_IMEI)];
  const world = worldOf([entry('/dev/ttyUSB2', '02'), ours]);
  for (const selector of ['/dev/ttyUSB2', 'usb-Modem-if02-port0', 'auto']) {
    world.ports = worldOf([entry('/dev/ttyUSB2', '02'), ours]).ports;
    const finder = finderIn(world, clock, selector);
    const links: ByteLink[] = [];
    const modem = await clock.settle(
      openModem({
        openLink: async () => {
          const link = await finder.openLink();
          links.push(link);
          return link;
        },
        clock,
        log: silentLog,
      }),
    );
    assert.equal(await clock.settle(modem.imei()), IMEI);
    world.ports = worldOf(
      [entry('/dev/ttyUSB2', '02', '1-4'), other],
      [entry('/dev/ttyUSB7', '02'), ours],
    ).ports;
    await links.at(-1)?.close();
    await clock.settle(sleep(clock, 10));
    await clock.settle(modem.signalQuality());
    assert.equal(finder.current?.path, '/dev/ttyUSB7');
    await clock.settle(modem.close());
  }
});

test('another modem behind the same port is refused once it answers', async () => {
  const clock = createVirtualClock();
  const path = '/tmp/modem';
  const world = worldOf([{ path, names: [] }, modemBehind(clock)]);
  const finder = finderIn(world, clock, path);
  const links: ByteLink[] = [];
  const modem = await clock.settle(
    openModem({
      openLink: async () => {
        const link = await finder.openLink();
        links.push(link);
        return link;
      },
      clock,
      log: silentLog,
      returnMs: 5_000,
    }),
  );
  world.ports = worldOf([{ path, names: [] }, modemBehind(clock, {}, OTHER_IMEI)]).ports;
  await links.at(-1)?.close();
  await clock.settle(sleep(clock, 10));
  await assert.rejects(clock.settle(modem.signalQuality()), (error) => isAgentError(error, 'MODEM_OTHER'));
});

test('a wrong port is told with what was heard on it', async () => {
  for (const [says, heard] of [
    [NMEA, 'NMEA sentences: its positioning port'],
    [QCDM, 'frames between 7E: its diagnostic port'],
    [Uint8Array.of(), 'nothing'],
  ] as const) {
    const clock = createVirtualClock();
    const openLink = voiceBehind(says);
    await assert.rejects(clock.settle(openModem({ openLink, clock, log: silentLog })), (error) => {
      assert.ok(isAgentError(error, 'AT_TIMEOUT'));
      assert.equal(error.data['heard'], heard);
      return true;
    });
  }
});

test('what is heard is named', () => {
  assert.equal(
    describeSound(Uint8Array.of(0x7e, 0xff, 0x7d, 0x23, 0xc0, 0x21, 0x7e)),
    'PPP frames: a data call is up on it',
  );
  assert.equal(describeSound(utf8Bytes('AT\r\r\nAT\r')), 'its own echo: nothing behind it answers');
  assert.equal(
    describeSound(Uint8Array.from({ length: 60 }, (_, n) => (n * 37) | 0x80)),
    'noise: perhaps the rate is another one',
  );
  assert.equal(describeSound(utf8Bytes('\r\nlogin: ')), 'text: login: ');
});
