import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { createTestCard, TEST_PROFILES } from './test-card.ts';
import { IMEI, ISD_R, lines, rig, terminal } from './testing-terminal.ts';

test('it echoes, answers in words, and falls silent or numeric when told', async () => {
  const { type } = await rig();
  assert.equal(await type('AT\r'), 'AT\r\r\nOK\r\n');
  assert.equal(await type('ATE0\r'), 'ATE0\r\r\nOK\r\n');
  assert.equal(await type('AT\r'), '\r\nOK\r\n');
  assert.equal(await type('ATV0\r'), '0\r');
  assert.equal(await type('AT+CFUN?\r'), '+CFUN: 1\r\n0\r');
  assert.equal(await type('AT+NONE\r'), '4\r');
  assert.equal(await type('ATV1Q1\r'), '');
  assert.equal(await type('AT+NONE\r'), '');
  assert.equal(await type('ATZ\r'), '\r\nOK\r\n');
  assert.equal(await type('ATE0\r'), 'ATE0\r\r\nOK\r\n');
});

test('A/ repeats the last line at once, case does not matter, octets before AT do not either', async () => {
  const { type } = await rig();
  await type('ATE0\r');
  assert.equal(await type('\x00xat+cfun?\r'), '\r\n+CFUN: 1\r\n\r\nOK\r\n');
  assert.equal(await type('A/'), '\r\n+CFUN: 1\r\n\r\nOK\r\n');
  assert.equal(await type('+CFUN?\r'), '');
});

test('the terminator, line feed and backspace characters are registers', async () => {
  const { type } = await rig();
  await type('ATE0\r');
  assert.equal(await type('ATS3?S4?S5?\r'), '\r\n013\r\n010\r\n008\r\n\r\nOK\r\n');
  assert.equal(await type('ATX\x08+CFUN?\r'), '\r\n+CFUN: 1\r\n\r\nOK\r\n');
  assert.equal(await type('ATS3=33\r'), '!\nOK!\n');
  assert.equal(await type('AT!'), '!\nOK!\n');
  assert.equal(await type('ATS3=200!'), '!\nERROR!\n');
});

test('commands of a line run in order until one fails', async () => {
  const { at } = await lines();
  assert.equal(await at('+CMEE?;+CFUN?'), '+CMEE: 1|+CFUN: 1|OK');
  assert.equal(await at('+CMEE?;+CSIM=1,"";+CFUN?'), '+CMEE: 1|+CME ERROR: 50');
});

test('errors come plain, as numbers or in words', async () => {
  const { at } = await lines({ modem: { card: undefined } });
  assert.equal(await at('+CMEE=0'), 'OK');
  assert.equal(await at('+CPIN?'), 'ERROR');
  await at('+CMEE=1');
  assert.equal(await at('+CPIN?'), '+CME ERROR: 10');
  await at('+CMEE=2');
  assert.equal(await at('+CPIN?'), '+CME ERROR: SIM not inserted');
  assert.equal(await at('+CMEE=3'), 'ERROR');
  assert.equal(await at('+CMEE=?'), '+CMEE: (0-2)|OK');
});

test('a line that is too long is refused and does not stay in the way', async () => {
  const { type } = await rig();
  await type('ATE0\r');
  assert.equal(await type(`AT${'+'.repeat(20_000)}\r`), '\r\nERROR\r\n');
  assert.equal(await type('AT\r'), '\r\nOK\r\n');
});

test('it tells who it is', async () => {
  const { at } = await lines({ modem: { identity: { manufacturer: 'ACME', model: 'M1', revision: 'R7' } } });
  assert.equal(await at('+CGMI;+CGMM;+CGMR;+CGSN'), `ACME|M1|R7|${IMEI}|OK`);
  assert.equal(await at('+CGSN=1'), `+CGSN: "${IMEI}"|OK`);
  assert.equal(await at('I'), 'ACME|M1|Revision: R7|OK');
});

test('+CSIM hands APDUs and status words through as they are', async () => {
  const { at, card } = await lines();
  assert.equal(await at('+CSIM=14,"00A40004023F00"'), '+CSIM: 4,"610A"|OK');
  assert.equal(await at('+CSIM=10,"00C000000A"'), '+CSIM: 24,"62088202782184023F009000"|OK');
  assert.equal(await at('+CSIM=14,"00A40004022FE2"'), '+CSIM: 4,"610A"|OK');
  assert.equal(await at('+CSIM=10,"00B0000000"'), '+CSIM: 4,"6C0A"|OK');
  assert.equal(toHex(card.commands.at(-1) ?? new Uint8Array(0)), '00B0000000');
});

test('+CSIM refuses wrong lengths, what is no hex, and authentication in GSM context', async () => {
  const { at } = await lines();
  for (const value of ['10,"00A40004023F00"', '14,"00A40004023F0G"', '6,"00A400"', '8', '"8","00A40004"']) {
    assert.equal(await at(`+CSIM=${value}`), '+CME ERROR: 50', value);
  }
  assert.equal(await at('+CSIM=10,"0088008000"'), '+CME ERROR: 3');
  assert.equal(await at('+CSIM=?'), 'OK');
});

test('+CCHO opens channels, +CGLA puts them into the class, +CCHC closes them', async () => {
  const { at, card } = await lines();
  assert.equal(await at(`+CCHO="${ISD_R}"`), '+CCHO: 1|OK');
  assert.equal(await at(`+CCHO="${ISD_R}"`), '+CCHO: 2|OK');
  assert.equal(await at('+CGLA=2,14,"80E2910002BF20"'), '+CGLA: 4,"6102"|OK');
  assert.equal(toHex(card.commands.at(-1) ?? new Uint8Array(0)), '82E2910002BF20');
  assert.equal(await at('+CGLA=2,10,"00C0000002"'), '+CGLA: 8,"BF209000"|OK');
  assert.equal(await at('+CCHC=1'), 'OK');
  assert.equal(await at('+CCHC=1'), '+CME ERROR: 21');
  assert.equal(await at('+CGLA=1,10,"00C0000002"'), '+CME ERROR: 21');
  assert.equal(card.openChannels(), 1);
  assert.equal(await at(`+CCHO="${ISD_R}"`), '+CCHO: 1|OK');
});

test('+CCHO fails without leaving a channel when there is no such application or no channel', async () => {
  const { at, card } = await lines({ card: { channels: 1 } });
  assert.equal(await at('+CCHO="A000000001"'), '+CME ERROR: 22');
  assert.equal(card.openChannels(), 0);
  await at(`+CCHO="${ISD_R}"`);
  assert.equal(await at(`+CCHO="${ISD_R}"`), '+CME ERROR: 20');
});

test('+CRSM selects by itself and shows the status words', async () => {
  const { at } = await lines();
  assert.equal(await at('+CRSM=176,12258,0,0,10'), '+CRSM: 144,0,"989400000000000010F9"|OK');
  assert.equal(await at('+CRSM=176,28423,0,0,9'), '+CRSM: 144,0,"080910100000000010"|OK');
  assert.equal(await at('+CRSM=192,12258'), '+CRSM: 144,0,"62088202782184022FE2"|OK');
  assert.equal(await at('+CRSM=176,28424,0,0,9'), '+CRSM: 106,130|OK');
  assert.equal(await at('+CRSM=1,12258,0,0,10'), '+CME ERROR: 50');
});

test('the PIN is asked for, counted and unlocks the subscription', async () => {
  const { at, radio } = await lines({ card: { pin: '1234' } });
  assert.equal(await at('+CPIN?'), '+CPIN: SIM PIN|OK');
  assert.equal(await at('+CIMI'), '+CME ERROR: 11');
  assert.equal(await at('+CPIN="0000"'), '+CME ERROR: 16');
  assert.equal(radio.attached.size, 0);
  assert.equal(await at('+CPIN="1234"'), 'OK');
  assert.equal(await at('+CPIN?;+CIMI'), '+CPIN: READY|001010000000001|OK');
  assert.equal(radio.attached.get(TEST_PROFILES[0]?.imsi ?? ('' as never)), true);
});

test('registration is reported in the detail asked for', async () => {
  const { at, radio, type } = await lines();
  assert.equal(await at('+CREG?;+CGREG?;+CEREG?'), '+CREG: 0,1|+CGREG: 0,4|+CEREG: 0,1|OK');
  await at('+CREG=1;+CEREG=2');
  assert.equal(await at('+CEREG?'), '+CEREG: 2,1,"1A2B","01234567",7|OK');
  radio.setCoverage(false);
  assert.equal(await type(''), '\r\n+CREG: 2\r\n\r\n+CEREG: 2\r\n');
  radio.setCoverage(true);
  assert.equal(await type(''), '\r\n+CREG: 1\r\n\r\n+CEREG: 1,"1A2B","01234567",7\r\n');
  assert.equal(await at('+CEREG=6'), 'ERROR');
});

test('a refused subscription shows its cause and does not try for ever', async () => {
  const { at, clock, card } = await lines({ radio: { denied: { '001010000000001': 8 } } });
  await at('+CEREG=3');
  assert.equal(await at('+CEREG?'), '+CEREG: 3,3,,,,0,8|OK');
  const before = card.commands.length;
  await clock.advance(600_000);
  assert.equal(card.commands.length, before);
});

test('without service it looks again by itself', async () => {
  const { at, radio, clock, modem } = await lines({ radio: { denied: { '001010000000001': 15 } } });
  assert.equal(await at('+CEREG?'), '+CEREG: 0,3|OK');
  const states: string[] = [];
  modem.onService((state) => states.push(state.is));
  await clock.advance(31_000);
  assert.deepEqual(states, ['searching', 'denied']);
  assert.equal(radio.attached.size, 0);
});

test('the network authenticates the card and takes its answer', async () => {
  const challenge = { rand: new Uint8Array(16).fill(1), autn: new Uint8Array(16).fill(2) };
  const answer = {
    is: 'success',
    res: fromHex('0102030405060708'),
    ck: new Uint8Array(16),
    ik: new Uint8Array(16),
  } as const;
  const [first] = TEST_PROFILES;
  assert.ok(first);
  const seen: string[] = [];
  const profile = {
    ...first,
    authenticate: (rand: Uint8Array, autn: Uint8Array) => {
      seen.push(toHex(rand), toHex(autn));
      return answer;
    },
  };
  const { radio } = await rig({ card: { profiles: [profile] }, radio: { challenge } });
  assert.deepEqual(seen, [toHex(challenge.rand), toHex(challenge.autn)]);
  assert.deepEqual(radio.lastAnswer, answer);
  assert.equal(radio.attached.size, 1);
  const failed = await rig({
    card: {
      profiles: [
        { ...first, authenticate: () => ({ is: 'synchronisation-failure', auts: fromHex('0102') }) },
      ],
    },
    radio: { challenge },
  });
  assert.deepEqual(failed.radio.lastAnswer, { is: 'synchronisation-failure', auts: fromHex('0102') });
  assert.equal(failed.radio.attached.size, 0);
});

test('radio off detaches, minimum functionality powers the card off too', async () => {
  const { at, radio, type } = await lines();
  assert.equal(await at('+CFUN=4'), 'OK');
  assert.equal(radio.attached.size, 0);
  assert.equal(await at('+CPIN?;+CEREG?;+CSQ'), '+CPIN: READY|+CEREG: 0,0|+CSQ: 99,99|OK');
  assert.equal(await at('+CFUN=1'), 'OK');
  assert.equal(radio.attached.size, 1);
  await at('+CFUN=0');
  assert.equal(await at('+CPIN?'), '+CME ERROR: 10');
  await at('+CFUN=1');
  await type('');
  assert.equal(await at('+CPIN?;+CEREG?'), '+CPIN: READY|+CEREG: 0,1|OK');
});

test('a restart forgets the settings and the sessions, and says nothing while it boots', async () => {
  const { at, type, clock, card, radio } = await lines();
  await at(`+CCHO="${ISD_R}"`);
  assert.equal(await at('+CFUN=1,1'), 'OK');
  assert.equal(await type('AT\r'), '');
  assert.equal(radio.attached.size, 0);
  await clock.advance(2_000);
  assert.equal(await type('AT\r'), 'AT\r\r\nOK\r\n');
  assert.equal(card.openChannels(), 0);
  assert.equal(radio.attached.size, 1);
});

test('operator, contexts and address are those of the network', async () => {
  const { at, radio } = await lines();
  assert.equal(await at('+COPS?'), '+COPS: 0,0,"Test operator",7|OK');
  await at('+COPS=3,2');
  assert.equal(await at('+COPS?'), '+COPS: 0,2,"00101",7|OK');
  assert.equal(await at('+CGACT?;+CGPADDR=1'), '+CGACT: 1,1|+CGPADDR: 1,"10.20.30.40"|OK');
  assert.equal(await at('+CGACT=0,1'), 'OK');
  assert.deepEqual([...radio.attached.values()], [false]);
  assert.equal(await at('+CGPADDR=1'), '+CGPADDR: 1|OK');
  assert.equal(await at('+CGACT=1,1'), 'OK');
  assert.equal(await at('+CGDCONT=1,"IP","internet"'), 'OK');
  assert.equal(await at('+CGDCONT?'), '+CGDCONT: 1,"IP","internet","10.20.30.40",0,0|OK');
  assert.equal(await at('+COPS=2'), 'OK');
  assert.equal(await at('+CEREG?;+COPS?'), '+CEREG: 0,0|+COPS: 2|OK');
  assert.equal(await at('+COPS=0'), 'OK');
  assert.equal(await at('+CGATT?'), '+CGATT: 1|OK');
});

test('after 91xx it fetches the REFRESH, resets the card and attaches as the new subscriber', async () => {
  const { at, card, radio, type } = await lines();
  await at('+CEREG=1');
  await at(`+CCHO="${ISD_R}"`);
  assert.equal(await at('+CGLA=1,18,"80E2910004BF310101"'), '+CGLA: 4,"6106"|OK');
  assert.equal(
    await at('+CGLA=1,10,"00C0000006"'),
    '+CGLA: 16,"BF3103800100910B"|OK|+CEREG: 0|+CEREG: 2|+CEREG: 1',
  );
  assert.equal(await type(''), '');
  assert.equal(card.openChannels(), 0);
  assert.equal(await at('+CGLA=1,10,"00C0000006"'), '+CME ERROR: 21');
  assert.deepEqual([...radio.attached.keys()], ['001020000000002']);
  assert.equal(await at('+CIMI'), '001020000000002|OK');
  const sent = card.commands.map(toHex);
  assert.ok(sent.includes('801200000B'));
  assert.ok(!sent.some((hex) => hex.startsWith('8014')), 'no TERMINAL RESPONSE after a UICC reset');
});

test('state lives on when a terminal leaves and another comes', async () => {
  const { at, modem, clock, card } = await lines();
  await at(`+CCHO="${ISD_R}"`);
  const next = terminal(modem, clock);
  assert.equal(await next('AT+CMEE?\r'), '\r\n+CMEE: 1\r\n\r\nOK\r\n');
  assert.equal(card.openChannels(), 1);
});

test('a card that is taken out or changed is noticed', async () => {
  const { at, modem, radio } = await lines();
  await modem.equipment.insertCard(undefined);
  assert.equal(await at('+CPIN?'), '+CME ERROR: 10');
  assert.equal(radio.attached.size, 0);
  await modem.equipment.insertCard(createTestCard({ profiles: TEST_PROFILES.slice(1) }));
  assert.equal(await at('+CIMI'), '001020000000002|OK');
});
