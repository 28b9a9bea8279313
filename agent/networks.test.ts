// `euicc-agent modem networks` over TCP.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { realClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { completeImei } from '../codec/ids.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestCard } from '../modem/sim/test-card.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { socketLink } from '../modem/tcp-link.ts';
import { networksText, readNetworks } from './inspect.ts';

test('modem networks tells what is on the air', async (t) => {
  const sim = createSimModem({
    card: createTestCard(),
    radio: createTestRadio(),
    clock: realClock,
    log: silentLog,
    imei: completeImei('35000000000007'),
  });
  const server = createServer((socket) => sim.connect(socketLink(socket)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.close();
    await sim.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const port = `tcp://127.0.0.1:${address.port}`;
  const networks = await readNetworks({ address: { port, baudRate: 115_200, access: 'auto' } });
  assert.deepEqual(networksText(networks).split('\n'), [
    '00101   current    E-UTRAN             Test operator',
    '00102   available  E-UTRAN             Test operator',
  ]);
  assert.equal(networksText([]), 'no networks');
});
