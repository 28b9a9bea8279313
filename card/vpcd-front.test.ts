// The card in a virtual reader: a server that speaks as vpcd does, the whole of ES10 over it, and a reader that misbehaves.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { parseIccid } from '../codec/ids.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { readIssuerFiles } from './issuer-files.ts';
import { serverFrom } from './testing/issuer-server.ts';
import { walkEs10 } from './testing/es10-walk.ts';
import { readerConnection, startFakeReader } from './testing/fake-vpcd.ts';
import { runWell, start } from './testing/program.ts';
import { VPCD_CONTROL, vpcdFrame } from './vpcd-frames.ts';

const ATR = '3B9F96803FC7828031E073FE211F67655549434331300E';
const FIRST = parseIccid('8988211000000000011');
const SECOND = parseIccid('8988211000000000029');
const SELECT_MF = fromHex('00A4000C023F00');

let folder = '';
let card = '';
let eid = '';
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'euicc-card-'));
  card = join(folder, 'a.card');
  await runWell(['issuer', join(folder, 'pki')]);
  const made = await runWell([
    'create',
    card,
    '--issuer',
    join(folder, 'pki'),
    '--profile',
    'minimal',
    '--json',
  ]);
  ({ eid } = JSON.parse(made) as { eid: string });
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('the whole of ES10 works through a reader', async (t) => {
  const reader = await startFakeReader(t);
  const program = start(t, ['serve', card, '--vpcd', `127.0.0.1:${reader.port}`]);
  const slot = await reader.connection();
  assert.equal(toHex(await slot.reset()), ATR);
  const pki = await readIssuerFiles(createNodeEc(), join(folder, 'pki'));
  const server = await serverFrom(pki, join(folder, 'pki'), 'P-256');
  await walkEs10(slot, server, eid, FIRST, SECOND);
  await slot.powerOff();
  assert.equal(await program.stop(), 0);
});

test('a reader may ask for the ATR without power, cut and glue its messages, and send nonsense', async (t) => {
  const reader = await startFakeReader(t);
  start(t, ['serve', card, '--vpcd', `127.0.0.1:${reader.port}`]);
  const slot = await reader.connection();
  slot.send(vpcdFrame(Uint8Array.of(VPCD_CONTROL.atr)));
  assert.equal(toHex(await slot.answer()), ATR);
  // Without power: a command powers the card, as a reader does that lost track.
  assert.equal(toHex(await slot.transmit(SELECT_MF)), '9000');
  for (const octet of vpcdFrame(SELECT_MF)) {
    slot.send(Uint8Array.of(octet));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(toHex(await slot.answer()), '9000');
  const control = (octet: number): Uint8Array => vpcdFrame(Uint8Array.of(octet));
  slot.send(
    concat(
      control(VPCD_CONTROL.reset),
      control(3),
      control(0x77),
      vpcdFrame(new Uint8Array(0)),
      vpcdFrame(fromHex('0000')),
      vpcdFrame(SELECT_MF),
    ),
  );
  assert.equal(toHex(await slot.answer()), '6700');
  assert.equal(toHex(await slot.answer()), '9000');
  const huge = new Uint8Array(65_535).fill(0xff);
  assert.equal((await slot.transmit(huge)).length, 2);
  assert.equal(toHex(await slot.transmit(SELECT_MF)), '9000');
});

test('the card comes back when the reader was away, also in the middle of a message', async (t) => {
  const reader = await startFakeReader(t);
  const { port } = reader;
  const program = start(t, ['serve', card, '--vpcd', `127.0.0.1:${port}`]);
  const slot = await reader.connection();
  slot.send(fromHex('00'));
  slot.socket.destroy();
  const again = await reader.connection();
  assert.equal(toHex(await again.transmit(SELECT_MF)), '9000');
  await reader.close();
  await program.logged('the virtual reader cannot be reached yet');
  const later = await startFakeReader(t, port);
  assert.equal(toHex(await (await later.connection()).transmit(SELECT_MF)), '9000');
  assert.equal(await program.stop('SIGINT'), 0);
});

test('a reader that connects to the card is served too', async (t) => {
  const program = start(t, ['serve', card, '--vpcd-listen', '127.0.0.1:0']);
  const { address } = await program.logged('listening');
  const socket = connect(Number(String(address).split(':').at(-1)), '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  const slot = readerConnection(socket);
  assert.equal(toHex(await slot.reset()), ATR);
  assert.equal(toHex(await slot.transmit(SELECT_MF)), '9000');
  assert.equal(await program.stop(), 0);
});
