// A terminal that sends anything at any time: the simulated modem stays whole, answers in bounds, and starts anew as it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { realClock } from '../../base/clock.ts';
import { isAgentError } from '../../base/errors.ts';
import { ISD_R, lines, rig, terminal } from './testing-terminal.ts';

const PIECES = [
  'AT',
  'at',
  'A/',
  '\r',
  '\n',
  ';',
  '"',
  '=?',
  '?',
  '=',
  ',',
  '1',
  '0',
  'E0',
  'E1',
  'V0',
  'Q1',
  'S3=65',
  'S5=13',
  '&F',
  'Z',
  'D*99#',
  '\u001a',
  '\u001b',
  '\b',
  '\u0000',
  'é',
  `+CCHO="${ISD_R}"`,
  '+CGLA=1,18,"80E2910004BF2D0000"',
  '+CGLA=1,4,"00"',
  '+CSIM=10,"0070000001"',
  '+CSIM=8,"00',
  '+CCHC=1',
  '+CRSM=176,12258,0,0,10',
  '+CMGS=20',
  '+CMGW=20',
  '+CMGL=4',
  '+CFUN=0',
  '+CFUN=1',
  '+CFUN=1,1',
  '+CPIN="1234"',
  '+CLCK="SC",1,"1234"',
  '+COPS=?',
  '+COPS=1,2,"00102"',
  '+CREG=2',
  '+CGACT=0,1',
  '+CLAC',
  '+CMEE=2',
] as const;

test('whatever a terminal sends, and when, the modem answers again after a restart', async () => {
  const octets = fc.uint8Array({ maxLength: 40 }).map((bytes) => String.fromCharCode(...bytes));
  const line = fc
    .array(fc.constantFrom(...PIECES), { maxLength: 12 })
    .map((parts) => `AT${parts.join('')}\r`);
  const mixed = fc.array(fc.constantFrom(...PIECES), { maxLength: 20 }).map((parts) => parts.join(''));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(octets, line, mixed), { maxLength: 30 }), async (typed) => {
      const { modem, clock, type } = await rig({ modem: { bootMs: 100 } });
      for (const text of typed) {
        const said = await type(text);
        assert.ok(said.length < 400_000, `${said.length} octets for ${JSON.stringify(text)}`);
      }
      await clock.advance(1_000);
      await clock.settle(modem.powerCycle());
      await clock.advance(1_000);
      const next = terminal(modem, clock);
      assert.equal(await next('AT+CMEE?\r'), 'AT+CMEE?\r\r\n+CMEE: 0\r\n\r\nOK\r\n');
    }),
    { numRuns: 150 },
  );
});

test('a line of a megabyte is refused in its time and forgotten', async () => {
  const { type } = await rig();
  await type('ATE0\r');
  const began = realClock.now();
  assert.equal(await type('AT+CSIM=8,"'), '');
  for (let n = 0; n < 16; n++) assert.equal(await type('0'.repeat(65_536)), '');
  assert.equal(await type('"\r'), '\r\nERROR\r\n');
  assert.ok(realClock.now() - began < 2_000);
  assert.equal(await type('AT\r'), '\r\nOK\r\n');
});

test('a thousand commands in one line are all executed, and an answer without end is cut with ERROR', async () => {
  const { at } = await lines();
  const many = await at(Array(1_000).fill('+CFUN?').join(';'));
  assert.equal(many, `${'+CFUN: 1|'.repeat(1_000)}OK`);
  assert.equal(await at('E0'.repeat(5_000)), 'OK');
  const endless = await at(Array(2_000).fill('+CLAC').join(';'));
  assert.match(endless, /\|ERROR$/);
  assert.ok(endless.length < 400_000, `${endless.length}`);
});

test('more lines at once than a modem can keep are dropped, and the next one is served', async () => {
  const { type } = await rig();
  await type('ATE0\r');
  const said = await type('AT+CSQ\r'.repeat(5_000));
  const served = said.split('OK').length - 1;
  assert.ok(served > 0 && served <= 5_000, `${served}`);
  assert.equal(await type('AT\r'), '\r\nOK\r\n');
});

test('a message that is asked for and never ends holds back a bounded number of reports', async () => {
  const { at, type, radio, clock } = await lines();
  await at('+CREG=1');
  await type('AT+CMGW=20\r');
  for (let n = 0; n < 2_000; n++) {
    radio.setCoverage(n % 2 === 1);
    await clock.advance(1);
  }
  const said = await type('\u001b');
  assert.ok(said.length < 20_000, `${said.length} octets`);
  assert.match(said, /OK/);
});

test('clients come one after another: sessions, settings and half a line are as the last one left them', async () => {
  const { at, modem, clock, card, type } = await lines();
  assert.equal(await at(`+CCHO="${ISD_R}"`), '+CCHO: 1|OK');
  await at('+CREG=1');
  await type('AT+CM');
  const second = terminal(modem, clock);
  assert.equal(await second('EE?\r'), '\r\n+CMEE: 1\r\n\r\nOK\r\n');
  assert.equal(await second('AT+CREG?\r'), '\r\n+CREG: 1,1\r\n\r\nOK\r\n');
  assert.equal(await second('AT+CGLA=1,18,"80E2910004BF2D0000"\r'), '\r\n+CGLA: 4,"6104"\r\n\r\nOK\r\n');
  await assert.rejects(type('AT\r'), (error) => isAgentError(error, 'LINK_CLOSED'));
  const third = terminal(modem, clock);
  assert.equal(await third('AT+CCHC=1\r'), '\r\nOK\r\n');
  assert.equal(card.openChannels(), 0);
});

test('what was asked by a client that left is answered to the next one, as on any serial line', async () => {
  const { clock, modem, type } = await lines({ modem: { quirks: { answerDelay: 500 } } });
  await type('AT+CSIM=14,"00A40004022FE2"\r');
  const next = terminal(modem, clock);
  await clock.advance(600);
  assert.equal(await next(''), '\r\n+CSIM: 4,"610A"\r\n\r\nOK\r\n');
});
