import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lines } from './testing-terminal.ts';

test('a search shows what is on the air, and one network is chosen by hand', async () => {
  const { at, radio } = await lines();
  assert.equal(
    await at('+COPS=?'),
    '+COPS: (2,"Test operator","Test ope","00101",7),(1,"Test operator","Test ope","00102",7),,(0-4),(0-2)|OK',
  );
  assert.equal(await at('+COPS=1,2,"00102"'), 'OK');
  assert.equal(await at('+CEREG?;+COPS?'), '+CEREG: 0,2|+COPS: 1|OK');
  assert.equal(await at('+COPS=1,2,"00101"'), 'OK');
  assert.equal(await at('+CEREG?'), '+CEREG: 0,1|OK');
  assert.equal(await at('+COPS=1,2,"26201"'), '+CME ERROR: 30');
  assert.equal(await at('+COPS=1'), '+CME ERROR: 50');
  radio.setCoverage(false);
  assert.equal(await at('+COPS=?'), '+COPS: ,(0-4),(0-2)|OK');
  assert.equal(await at('+CFUN=4;+COPS=?'), '+CME ERROR: 30');
});

test('signal, indicators and the parameters of the context are those of the cell', async () => {
  const { at, radio } = await lines({ modem: { quirks: { vendorCommands: ['+QCSQ'] } } });
  assert.equal(await at('+CSQ;+CESQ'), '+CSQ: 20,99|+CESQ: 99,99,255,255,20,48|OK');
  assert.equal(await at('+QCSQ'), '+QCSQ: "LTE",-73,-93,150,-10|OK');
  assert.equal(await at('+CIND?'), '+CIND: 3,1,0|OK');
  assert.equal(await at('+CGCONTRDP'), '+CGCONTRDP: 1,5,"","10.20.30.40.255.255.255.0"|OK');
  radio.setCoverage(false);
  assert.equal(
    await at('+CESQ;+QCSQ;+CIND?;+CGCONTRDP=1'),
    '+CESQ: 99,99,255,255,255,255|+QCSQ: "NOSERVICE"|+CIND: 0,0,0|OK',
  );
});
