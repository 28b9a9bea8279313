import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lines } from './testing-terminal.ts';

test('the PIN is switched off and on, and asked for after a restart only where it is on', async () => {
  const { at, clock } = await lines({ card: { pin: '1234' }, modem: { bootMs: 1_000 } });
  const restart = async (): Promise<void> => {
    await at('+CFUN=1,1');
    await clock.advance(2_000);
    await at('E0+CMEE=1');
  };
  assert.equal(await at('+CLCK=?'), '+CLCK: ("SC")|OK');
  assert.equal(await at('+CLCK="SC",2'), '+CLCK: 1|OK');
  assert.equal(await at('+CLCK="SC",0,"1234"'), '+CME ERROR: 11');
  assert.equal(await at('+CPIN="1234"'), 'OK');
  assert.equal(await at('+CLCK="SC",0,"1234"'), 'OK');
  assert.equal(await at('+CLCK="SC",2'), '+CLCK: 0|OK');
  await restart();
  assert.equal(await at('+CPIN?'), '+CPIN: READY|OK');
  assert.equal(await at('+CLCK="SC",1,"1234"'), 'OK');
  await restart();
  assert.equal(await at('+CPIN?'), '+CPIN: SIM PIN|OK');
  assert.equal(await at('+CLCK="FD",2'), '+CME ERROR: 4');
  assert.equal(await at('+CLCK="SC"'), '+CME ERROR: 50');
});

test('a PIN is changed by the one who knows it, and tries that are left are told', async () => {
  const { at } = await lines({ card: { pin: '1234' } });
  assert.equal(await at('+CPIN="1234"'), 'OK');
  assert.equal(await at('+CPWD=?'), '+CPWD: ("SC",8)|OK');
  assert.equal(await at('+CPWD="SC","1234","5678"'), 'OK');
  assert.equal(await at('+CPWD="SC","1234","9999"'), '+CME ERROR: 16');
  assert.equal(await at('+CPWD="P2","1234","9999"'), '+CME ERROR: 4');
  assert.equal(await at('+CPWD="SC","12","9999"'), '+CME ERROR: 16');
  assert.equal(await at('+CLCK="SC",0,"5678"'), 'OK');
});

test('three wrong tries block the card, whichever command they came by', async () => {
  const { at } = await lines({ card: { pin: '1234' } });
  assert.equal(await at('+CPINR="SIM PIN"'), '+CPINR: SIM PIN,3|OK');
  assert.equal(await at('+CPIN="1234"'), 'OK');
  assert.equal(await at('+CPWD="SC","0000","1111"'), '+CME ERROR: 16');
  assert.equal(await at('+CLCK="SC",0,"0000"'), '+CME ERROR: 16');
  assert.equal(await at('+CPWD="SC","0000","1111"'), '+CME ERROR: 12');
  assert.equal(await at('+CPIN?'), '+CPIN: SIM PUK|OK');
  assert.equal(await at('+CPINR="SIM PIN"'), '+CPINR: SIM PIN,0|OK');
});
