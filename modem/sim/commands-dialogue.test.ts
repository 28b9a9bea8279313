// The dialogue as terminals of any maker try it: profiles, settings of several numbers, repetition, and lists of forms.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lines, rig } from './testing-terminal.ts';

test('&W writes the settings down, Z and a restart bring them back, &F those of the factory', async () => {
  const { type, modem, clock } = await rig();
  await type('ATE0V1+CMEE=2;+CREG=1;S7=30&W\r');
  await type('ATE1+CMEE=0;+CREG=0;S7=60\r');
  assert.equal(await type('ATZ\r'), 'ATZ\r\r\nOK\r\n');
  assert.equal(await type('AT+CMEE?;+CREG?;S7?\r'), '\r\n+CMEE: 2\r\n+CREG: 1,1\r\n030\r\n\r\nOK\r\n');
  await type('AT+CMEE=1\r');
  const restarted = modem.powerCycle();
  await clock.settle(restarted);
  await clock.advance(100);
  await type('');
  assert.equal(await type('AT+CMEE?\r'), '\r\n+CMEE: 2\r\n\r\nOK\r\n');
  assert.equal(await type('AT&F+CMEE?\r'), '\r\n+CMEE: 0\r\n\r\nOK\r\n');
  assert.equal(
    await type('AT&V\r'),
    'AT&V\r\r\nE1 Q0 V1\r\nS0:000 S3:013 S4:010 S5:008 S6:002 S7:060 S8:002 S10:015\r\n\r\nOK\r\n',
  );
});

test('what stands behind Z on its line is not looked at', async () => {
  const { at } = await lines();
  assert.equal(await at('Z+CMEE=7'), 'OK');
  assert.equal(await at('E0'), 'ATE0\r|OK');
  assert.equal(await at('Z2'), 'ERROR');
});

test('settings of several numbers take all of them, or the first ones, and refuse what they do not know', async () => {
  const { at } = await lines();
  assert.equal(await at('+IFC=2,2;+IFC?;+IFC=?'), '+IFC: 2,2|+IFC: (0-2),(0-2)|OK');
  assert.equal(await at('+IFC=0;+IFC?'), '+IFC: 0,2|OK');
  assert.equal(await at('+ICF=3,3;+ICF?'), '+ICF: 3,3|OK');
  assert.equal(await at('+ICF=1'), 'ERROR');
  assert.equal(await at('+CMER=3,0,0,1;+CMER?'), '+CMER: 3,0,0,1,0|OK');
  assert.equal(await at('+CGEREP=2,1;+CGEREP?'), '+CGEREP: 2,1|OK');
  assert.equal(await at('+CGEREP=2,1,0'), 'ERROR');
});

test('A/ repeats the last line without a terminator, at any time', async () => {
  const { type } = await rig();
  await type('ATE0\r');
  assert.equal(await type('AT+CSQ\r'), '\r\n+CSQ: 20,99\r\n\r\nOK\r\n');
  assert.equal(await type('A/'), '\r\n+CSQ: 20,99\r\n\r\nOK\r\n');
  assert.equal(await type('a/'), '\r\n+CSQ: 20,99\r\n\r\nOK\r\n');
});

test('every command that is listed answers its test form, if it has one, in lines of its own name', async () => {
  const { at } = await lines();
  const named = (await at('+CLAC')).split('|').slice(0, -1);
  for (const line of named) assert.ok(line.startsWith('AT'), line);
  const listed = named.map((line) => line.slice(2)).filter((name) => name.startsWith('+'));
  assert.ok(listed.length > 50, String(listed.length));
  assert.ok(listed.includes('+CLAC'));
  for (const name of listed) {
    const answer = (await at(`${name}=?`)).split('|');
    assert.equal(answer.at(-1), 'OK', name);
    for (const line of answer.slice(0, -1)) {
      const bare = name === '+WS46' || name === '+FCLASS';
      assert.ok(bare || line.startsWith(`${name}: `), `${name}: ${line}`);
    }
  }
});

test('addresses are told of one context, of several, or of all', async () => {
  const { at } = await lines();
  await at('+CGDCONT=2,"IPV4V6","ims"');
  assert.equal(await at('+CGPADDR'), '+CGPADDR: 1,"10.20.30.40"|+CGPADDR: 2|OK');
  assert.equal(await at('+CGPADDR=2,1'), '+CGPADDR: 2|+CGPADDR: 1,"10.20.30.40"|OK');
  assert.equal(await at('+CGPADDR=3'), 'ERROR');
  assert.equal(await at('+CGPADDR=?'), '+CGPADDR: (1,2)|OK');
  assert.equal(await at('+GCAP;+WS46=?'), '+GCAP: +CGSM|(28)|OK');
});

test('a file below the application in use is reached by the path 7FFF', async () => {
  const { at } = await lines();
  assert.equal(await at('+CRSM=176,28423,0,0,9,,"7FFF"'), '+CRSM: 144,0,"080910100000000010"|OK');
  assert.equal(await at('+CRSM=176,28423,0,0,9,,"3F007FFF"'), '+CRSM: 144,0,"080910100000000010"|OK');
  assert.equal(await at('+CRSM=203,28423,0,128,0,"5C"'), '+CRSM: 109,0|OK');
});

test('a stored message is sent from its place, and what is no message is refused', async () => {
  const sent: number[] = [];
  const { at, type } = await lines({ modem: { onShortMessage: (tpdu) => void sent.push(tpdu.length) } });
  const submit = '0001000B919471214365F7000003C8F71D';
  await type('AT+CMGW=16\r');
  assert.match(await type(`${submit}\u001a`), /\+CMGW: 1\r\n\r\nOK/);
  assert.equal(await at('+CMSS=1'), '+CMSS: 1|OK');
  assert.deepEqual(sent, [16]);
  assert.match(await at('+CMGL=3'), /^\+CMGL: 1,3,,16\|/);
  await type('AT+CMGW=2\r');
  await type('00FFFF\u001a');
  assert.equal(await at('+CMSS=2'), '+CMS ERROR: 304');
  assert.equal(await at('+CMSS=9'), '+CMS ERROR: 321');
});
