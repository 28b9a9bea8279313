// The network and the data context of a simulated modem, looked after for hours of virtual time.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { DataSettings } from '../modem/data-context.ts';
import { openTestingDriver } from '../modem/testing-driver.ts';
import { type NetworkRecord, watchNetwork } from './network-watch.ts';
import { readNetworkRecord, writeNetworkRecord } from './state-folder.ts';
import { readStatus, statusText } from './status.ts';

const APN: DataSettings = { cid: 1, apn: 'iot.example', type: 'IP' };

async function rig(data: DataSettings | undefined) {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const { modem, radio } = await openTestingDriver({ clock });
  const records: NetworkRecord[] = [];
  const stop = new AbortController();
  const running = watchNetwork(
    { modem, data, clock, log: silentLog, write: async (record) => void records.push(record) },
    { signal: stop.signal },
  );
  const end = async (): Promise<void> => {
    stop.abort();
    await clock.settle(running);
  };
  return { clock, radio, modem, records, end };
}

test('the network is written down when it changes, and not while it stays', async () => {
  const { clock, radio, records, end } = await rig(undefined);
  await clock.advance(3_600_000);
  assert.deepEqual(
    records.map(({ registration, operator, accessTechnology, signal, contexts }) => [
      registration,
      operator,
      accessTechnology,
      signal.rsrp,
      contexts[0]?.address,
    ]),
    [['home', 'Test operator', 7, -93, '10.20.30.40']],
  );
  radio.setCoverage(false);
  await clock.advance(60_000);
  assert.equal(records.at(-1)?.registration, 'searching');
  assert.equal(records.length, 2);
  await end();
});

test('the context of the configuration is brought up, and again when it went down with the network', async () => {
  const { clock, radio, modem, records, end } = await rig(APN);
  await clock.advance(60_000);
  assert.deepEqual(records.at(-1)?.contexts, [
    { cid: 1, type: 'IP', apn: 'iot.example', active: true, address: '10.20.30.40' },
  ]);
  radio.setCoverage(false);
  await clock.advance(60_000);
  radio.setCoverage(true);
  await clock.advance(60_000);
  assert.deepEqual([...radio.attached.values()], [true]);
  await clock.settle(modem.command('AT+CGACT=0,1'));
  await clock.advance(900_000);
  assert.deepEqual(
    [...radio.attached.values()],
    [true],
    'a context that only went down is seen at the next look',
  );
  await end();
});

test('without a configured context nothing on the modem is changed', async () => {
  const { clock, modem, end } = await rig(undefined);
  await clock.settle(modem.command('AT+CGACT=0,1'));
  await clock.advance(900_000);
  assert.deepEqual(await clock.settle(modem.command('AT+CGDCONT?')), ['+CGDCONT: 1,"IP","","",0,0']);
  assert.deepEqual(await clock.settle(modem.command('AT+CGACT?')), ['+CGACT: 1,0']);
  await end();
});

test('the status tells the network and the address, and passes over a record that is damaged', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'euicc-network-'));
  try {
    await writeNetworkRecord(folder, {
      at: '2026-01-01T00:00:00.000Z',
      registration: 'roaming',
      operator: '26201',
      accessTechnology: 9,
      signal: { rsrp: -100 },
      contexts: [
        { cid: 1, type: 'IP', apn: 'iot.example', active: true, address: '10.0.0.1' },
        { cid: 2, type: 'IP', apn: 'ims', active: false },
      ],
    });
    assert.deepEqual(
      statusText(await readStatus(folder))
        .split('\n')
        .slice(-3),
      [
        'network     roaming, 26201, NB-IoT, since 2026-01-01T00:00:00.000Z',
        'signal      RSRP -100 dBm at that time',
        'data        context 1, IP, iot.example: 10.0.0.1',
      ],
    );
    await writeFile(join(folder, 'network.json'), '{"at":"x","registration":1}');
    assert.equal(await readNetworkRecord(folder), undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
});
