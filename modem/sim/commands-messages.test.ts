import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { encodeSmsDeliver, encodeSmsSubmit } from '../../codec/sms-tpdu.ts';
import { lines } from './testing-terminal.ts';

const body = (text: string) => ({ elements: [], body: Uint8Array.from(text, (c) => c.charCodeAt(0)) });
const SUBMIT = encodeSmsSubmit({
  reference: 0,
  destination: { type: 0x91, digits: '49123456' },
  pid: 0,
  dcs: 4,
  validity: new Uint8Array(0),
  validityFormat: 'none',
  userData: body('hello'),
  rejectDuplicates: false,
  statusReport: false,
  replyPath: false,
});
const deliver = (pid: number, dcs: number): Uint8Array =>
  encodeSmsDeliver({
    originator: { type: 0x91, digits: '49123456' },
    pid,
    dcs,
    timestamp: new Uint8Array(7),
    userData: body('data'),
    noMoreMessages: true,
    statusReport: false,
    replyPath: false,
  });

test('a message is prompted for, checked against its length, and sent', async () => {
  const sent: Uint8Array[] = [];
  const { at, type } = await lines({ modem: { onShortMessage: (tpdu) => void sent.push(tpdu) } });
  assert.equal(await type(`AT+CMGS=${SUBMIT.length}\r`), '\r\n> ');
  assert.equal(await type(`00${toHex(SUBMIT)}\u001a`), '\r\n+CMGS: 1\r\n\r\nOK\r\n');
  assert.deepEqual(sent.map(toHex), [toHex(SUBMIT)]);
  assert.equal(await type(`AT+CMGS=${SUBMIT.length}\r`), '\r\n> ');
  assert.equal(await type('00FF\u001b'), '\r\nOK\r\n');
  assert.equal(sent.length, 1);
  await type('AT+CMGS=10\r');
  assert.equal(await type(`00${toHex(SUBMIT)}\u001a`), '\r\n+CMS ERROR: 304\r\n');
  assert.equal(await at('+CMGS=0'), '+CMS ERROR: 304');
  await at('+COPS=2');
  await type(`AT+CMGS=${SUBMIT.length}\r`);
  assert.equal(await type(`00${toHex(SUBMIT)}\u001a`), '\r\n+CMS ERROR: 331\r\n');
});

test('what arrives is stored, told as asked for, read, listed and deleted', async () => {
  const { at, modem, type } = await lines();
  const tpdu = deliver(0, 4);
  assert.deepEqual(await modem.deliver(tpdu), { is: 'stored', index: 1 });
  assert.equal(await type(''), '');
  assert.equal(await at('+CNMI=2,1'), 'OK');
  assert.deepEqual(await modem.deliver(tpdu), { is: 'stored', index: 2 });
  assert.equal(await type(''), '\r\n+CMTI: "ME",2\r\n');
  assert.equal(await at('+CPMS?'), '+CPMS: "ME",2,20,"ME",2,20,"ME",2,20|OK');
  const shown = `00${toHex(tpdu)}`;
  assert.equal(await at('+CMGR=1'), `+CMGR: 0,,${tpdu.length}|${shown}|OK`);
  assert.equal(await at('+CMGL'), `+CMGL: 2,0,,${tpdu.length}|${shown}|OK`);
  assert.equal(
    await at('+CMGL=4;+CMGR=9'),
    `+CMGL: 1,1,,${tpdu.length}|${shown}|+CMGL: 2,1,,${tpdu.length}|${shown}|+CMS ERROR: 321`,
  );
  assert.equal(await at('+CMGD=1'), 'OK');
  assert.equal(await at('+CMGD=1'), '+CMS ERROR: 321');
  assert.equal(await at('+CMGD=1,4;+CPMS="ME"'), '+CPMS: 0,20,0,20,0,20|OK');
  assert.equal(await at('+CNMI=2,2'), 'OK');
  assert.deepEqual(await modem.deliver(tpdu), { is: 'shown' });
  assert.equal(await type(''), `\r\n+CMT: ,${tpdu.length}\r\n${shown}\r\n`);
});

test('a full store and a modem without service take nothing', async () => {
  const { at, modem } = await lines();
  for (let n = 0; n < 20; n++) await modem.deliver(deliver(0, 4));
  assert.deepEqual(await modem.deliver(deliver(0, 4)), { is: 'lost', why: 'no room' });
  await at('+COPS=2');
  assert.deepEqual(await modem.deliver(deliver(0, 4)), { is: 'lost', why: 'no service' });
});

test('data download goes to the card as an ENVELOPE, not to the store', async () => {
  const { at, modem, card } = await lines();
  const arrival = await modem.deliver(deliver(0x7f, 0xf6));
  assert.equal(arrival.is, 'card');
  const envelope = card.commands.map(toHex).find((hex) => hex.startsWith('80C20000'));
  assert.ok(envelope?.includes(toHex(deliver(0x7f, 0xf6))), envelope);
  assert.equal(await at('+CMGL=4'), 'OK');
  // Without the class of the card it is an ordinary message.
  assert.equal((await modem.deliver(deliver(0x7f, 0x04))).is, 'stored');
  await assert.rejects(modem.deliver(fromHex('FF')));
});

test('while a text is asked for, lines are no commands and nothing interrupts', async () => {
  const { at, modem, type } = await lines();
  await at('+CNMI=2,1');
  await type('AT+CMGW=20\r');
  await modem.deliver(deliver(0, 4));
  assert.equal(await type('AT+CSQ\r'), '');
  assert.equal(await type('\u001a'), '\r\n+CMS ERROR: 304\r\n\r\n+CMTI: "ME",1\r\n');
  assert.equal(await at(''), 'OK');
});

test('a restart gives up the text that was asked for', async () => {
  const { at, clock, modem, type } = await lines({ modem: { bootMs: 1_000 } });
  await type('AT+CMGW=20\r');
  const restarted = modem.powerCycle();
  await clock.advance(2_000);
  await restarted;
  assert.equal(await type('ATE0\r'), 'ATE0\r\r\nOK\r\n');
  assert.equal(await at('+CMGL=4'), 'OK');
});
