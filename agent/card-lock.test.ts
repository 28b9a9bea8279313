// One program at a card: ports of one modem that nothing but the modem's own identity tells apart.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { realClock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { completeImei, type Imei } from '../codec/ids.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestCard } from '../modem/sim/test-card.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { socketLink } from '../modem/tcp-link.ts';
import { acquireModemLock } from './card-lock.ts';
import { openModemAt } from './modem-port.ts';

/** An IMEI that no other run on this machine uses at the same time. */
const imei: Imei = completeImei(`35${String(process.pid).padStart(12, '0')}`);

/** Two ports of one modem, told apart by nothing but their addresses. */
async function twoPorts(t: TestContext): Promise<readonly string[]> {
  const ports: string[] = [];
  for (let n = 0; n < 2; n++) {
    const sim = createSimModem({
      card: createTestCard(),
      radio: createTestRadio(),
      clock: realClock,
      log: silentLog,
      imei,
    });
    const server = createServer((socket) => sim.connect(socketLink(socket)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(async () => {
      server.close();
      await sim.close();
    });
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    ports.push(`tcp://127.0.0.1:${address.port}`);
  }
  return ports;
}

test('one program works with the card of a modem, on whichever of its ports; the others hear who it is', async (t) => {
  const [first = '', second = ''] = await twoPorts(t);
  const open = (port: string) =>
    openModemAt(
      { port, baudRate: 115_200, access: 'auto' },
      { clock: realClock, log: silentLog, isPhysical: () => true },
    );
  const [one, other] = [await open(first), await open(second)];
  await Promise.all([one.openCard(), one.openCard()]);
  // What only asks the modem is free to all.
  assert.equal(await other.imei(), imei);
  await assert.rejects(other.openCard(), (error) => {
    assert.ok(isAgentError(error, 'CARD_LOCKED'));
    assert.match(String(error.data['holder']), new RegExp(`process ${process.pid}`));
    return true;
  });
  await one.close();
  await other.openCard();
  await other.close();
  await (await acquireModemLock(imei)).release();
});
