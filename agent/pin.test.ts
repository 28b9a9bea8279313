// The PIN of the configuration over many starts of device and modem: how often it is tried.
import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { parseImei } from '../codec/ids.ts';
import { type Modem, openModem } from '../modem/modem.ts';
import type { SimQuirks } from '../modem/sim/quirks.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestCard } from '../modem/sim/test-card.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { linkTo } from '../modem/testing-driver.ts';
import { enterConfiguredPin } from './pin.ts';
import { readPinRecord, writePinRecord } from './state-folder.ts';

const refused = (error: unknown): boolean => isAgentError(error, 'PIN_REFUSED');

/** A device whose card asks for 1234, with the file that its configuration names. Each start is a new life of the agent. */
async function device(pin: string, quirks: Partial<SimQuirks> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'euicc-pin-'));
  const pinFile = join(folder, 'pin');
  const clock = createVirtualClock();
  const card = createTestCard({ pin: '1234' });
  let verified = 0;
  const sim = createSimModem({
    card: {
      ...card,
      transmit(apdu) {
        if (apdu[1] === 0x20 && apdu.length > 5) verified++;
        return card.transmit(apdu);
      },
    },
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei('490154203237518'),
    quirks,
  });
  const put = async (text: string, at: number): Promise<void> => {
    await writeFile(pinFile, text);
    await utimes(pinFile, at, at);
  };
  await put(`${pin}\n`, 1_000);
  const modem = (): Promise<Modem> =>
    clock.settle(openModem({ openLink: linkTo(sim), clock, log: silentLog }));
  const enter = (over: Modem, write = writePinRecord): Promise<void> =>
    enterConfiguredPin({
      modem: over,
      pinFile,
      clock,
      log: silentLog,
      read: () => readPinRecord(folder),
      write: (record) => write(folder, record),
    });
  const start = async (write = writePinRecord): Promise<string> => {
    const opened = await modem();
    try {
      await clock.settle(enter(opened, write));
      return (await clock.settle(opened.simState())).is;
    } finally {
      await clock.settle(opened.close());
    }
  };
  return {
    modem,
    enter,
    clock,
    sim,
    start,
    put,
    powerCycle: () => clock.settle(sim.powerCycle()),
    tries: () => verified,
    end: () => rm(folder, { recursive: true }),
  };
}

test('the PIN of the configuration is entered at every start that asks for it', async () => {
  const { start, powerCycle, tries, end } = await device('1234');
  assert.equal(await start(), 'ready');
  assert.equal(await start(), 'ready');
  await powerCycle();
  assert.equal(await start(), 'ready');
  assert.equal(tries(), 2);
  await end();
});

test('a card that asks again after a restart of the modem is answered again', async () => {
  const { modem, clock, sim, enter, end } = await device('1234');
  const open = await modem();
  await clock.settle(enter(open));
  await clock.settle(sim.powerCycle());
  await clock.settle(enter(open));
  assert.equal((await clock.settle(open.simState())).is, 'ready');
  await end();
});

test('a wrong PIN is tried once, whatever restarts, until its file is changed', async () => {
  const { start, put, powerCycle, tries, end } = await device('0000');
  await assert.rejects(start(), refused);
  await assert.rejects(start(), refused);
  await powerCycle();
  await assert.rejects(start(), refused);
  assert.equal(tries(), 1);
  await put('1234', 2_000);
  assert.equal(await start(), 'ready');
  assert.equal(tries(), 2);
  await end();
});

test('the last try is left to a person', async () => {
  const { start, put, tries, end } = await device('0000');
  await assert.rejects(start(), refused);
  await put('1111', 2_000);
  await assert.rejects(start(), refused);
  await put('1234', 3_000);
  await assert.rejects(start(), refused);
  assert.equal(tries(), 2);
  await end();
});

for (const missing of [[], ['+CPINR']]) {
  test(`a try that a power cut ended is repeated only where the card lost none by it${missing.length > 0 ? ', asked by VERIFY' : ''}`, async () => {
    const cut = async (folder: string, record: Parameters<typeof writePinRecord>[1]): Promise<void> => {
      if (record?.outcome !== 'trying') throw new AgentError('STATE_FAILED');
      await writePinRecord(folder, record);
    };
    const right = await device('1234', { missing });
    await assert.rejects(right.start(cut), (error) => isAgentError(error, 'STATE_FAILED'));
    await right.powerCycle();
    assert.equal(await right.start(), 'ready');
    await right.end();
    const wrong = await device('0000', { missing });
    await assert.rejects(wrong.start(cut), (error) => isAgentError(error, 'STATE_FAILED'));
    await wrong.powerCycle();
    await assert.rejects(wrong.start(), refused);
    assert.equal(wrong.tries(), 1);
    await wrong.end();
  });
}
