// A card of its own process behind the simulated modem: euicc-card serves it on TCP, and the driver reaches it by AT commands.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { realClock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid, parseImei } from '../codec/ids.ts';
import { GetEuiccDataRequest, GetEuiccDataResponse } from '../codec/rsp/euicc-info.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import { runWell, start, temporaryFolder } from '../card/testing/program.ts';
import { createLinkPair } from '../modem/byte-link.ts';
import { openModem } from '../modem/modem.ts';
import { openRemoteCard } from '../modem/remote-card.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';

const lost = (thrown: unknown): boolean => isAgentError(thrown, 'CARD_LOST');

test('the driver reads the EID of a card that another process serves, through the modem', async (t) => {
  const folder = temporaryFolder(t);
  const card = join(folder, 'a.card');
  await runWell(['issuer', join(folder, 'pki'), '--curve', 'P-256']);
  const made = await runWell([
    'create',
    card,
    '--issuer',
    join(folder, 'pki'),
    '--profile',
    'minimal',
    '--json',
  ]);
  const { eid } = JSON.parse(made) as { eid: string };
  const program = start(t, ['serve', card, '--tcp', '127.0.0.1:0']);
  const { address } = await program.logged('listening');
  const port = Number(String(address).split(':').at(-1));

  const remote = await openRemoteCard({ host: '127.0.0.1', port, clock: realClock });
  const second = await openRemoteCard({ host: '127.0.0.1', port, clock: realClock });
  await assert.rejects(second.reset(), lost);
  await second.close();
  const sim = createSimModem({
    card: remote,
    radio: createTestRadio(),
    clock: realClock,
    log: silentLog,
    imei: parseImei('490154203237518'),
    bootMs: 1,
  });
  const openLink = () => {
    const [near, far] = createLinkPair();
    sim.connect(far);
    return Promise.resolve(near);
  };
  const modem = await openModem({ openLink, clock: realClock, log: silentLog });
  // The card starts in its own time.
  let state = await modem.simState();
  while (state.is === 'busy') {
    await new Promise((resolve) => setImmediate(resolve));
    state = await modem.simState();
  }
  assert.equal(state.is, 'ready');
  const channel = await (await modem.openCard()).openChannel(encodeAid(AID_ISD_R));
  const [command] = storeDataCommands(GetEuiccDataRequest.encode({ tagList: [0x5a] }));
  assert.ok(command !== undefined);
  const { data } = await channel.transmit(encodeCommandApdu(command));
  assert.equal(GetEuiccDataResponse.decode(data).eidValue, eid);
  await modem.close();
  await sim.close();
  await remote.close();
  await assert.rejects(remote.reset(), lost);
});

test('a program that goes away, or answers nonsense, loses the card and nothing else', async (t) => {
  for (const answer of [
    'nonsense\n',
    '{"data":"XX","sw":"9000"}\n',
    '[]\n',
    '{"error":{"code":"INTERNAL"}}\n',
    undefined,
  ]) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => (answer === undefined ? socket.destroy() : socket.write(answer)));
    });
    server.listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const remote = await openRemoteCard({ host: '127.0.0.1', port, clock: realClock, timeoutMs: 2000 });
    await assert.rejects(remote.transmit(fromHex('00A4000C023F00')), lost, answer);
    await remote.close();
    server.close();
    await assert.rejects(openRemoteCard({ host: '127.0.0.1', port, clock: realClock }), lost);
  }
});
