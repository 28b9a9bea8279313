import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestCard, TEST_PROFILES } from './test-card.ts';
import { ISD_R, lines } from './testing-terminal.ts';

const FIVE_BER = 'A0000005591010FFFFFFFF8900050500';

test('a card with an ISD-R of its own name is found under that name only, over both ways', async () => {
  const { at } = await lines({ modem: { quirks: { isdrAid: FIVE_BER } } });
  assert.equal(await at(`+CCHO="${ISD_R}"`), '+CME ERROR: 22');
  assert.equal(await at(`+CCHO="${FIVE_BER}"`), '+CCHO: 1|OK');
  assert.equal(await at('+CGLA=1,18,"80E2910004BF2D0000"'), '+CGLA: 4,"6104"|OK');
  assert.equal(await at('+CSIM=10,"0070000001"'), '+CSIM: 6,"029000"|OK');
  assert.equal(await at(`+CSIM=42,"02A4040010${ISD_R}"`), '+CSIM: 4,"6A82"|OK');
  assert.match(await at(`+CSIM=42,"02A4040010${FIVE_BER}"`), /^\+CSIM: 4,"61..".*OK$/);
});

test('an SGP.02 card has an ISD-R and nothing of ES10, except under secure messaging', async () => {
  const { at } = await lines({ modem: { quirks: { cardKind: 'sgp02' } } });
  assert.equal(await at(`+CCHO="${ISD_R}"`), '+CCHO: 1|OK');
  assert.equal(await at('+CGLA=1,18,"80E2910004BF2D0000"'), '+CGLA: 4,"6985"|OK');
  assert.equal(await at('+CGLA=1,18,"84E2910004BF2D0000"'), '+CGLA: 4,"6104"|OK');
});

test('a card that enables by AID only does not find a profile by its ICCID', async () => {
  const { at } = await lines({ modem: { quirks: { enableBy: 'aid' } } });
  await at(`+CCHO="${ISD_R}"`);
  const byIccid = 'BF3111A00C5A0A989442000000000000F18101FF';
  assert.equal(await at(`+CGLA=1,50,"80E2910014${byIccid}"`), '+CGLA: 16,"BF31038001019000"|OK');
  const byAid = 'BF3117A0124F10A0000005591010FFFFFFFF89000011008101FF';
  assert.match(await at(`+CGLA=1,62,"80E291001A${byAid}"`), /^\+CGLA: 4,"61..".*OK$/);
});

test('the own LPA of a modem holds a channel from the start of the card on', async () => {
  const { card } = await lines({ modem: { quirks: { ownLpa: true } } });
  assert.equal(card.openChannels(), 1);
  assert.equal((await lines()).card.openChannels(), 0);
});

test('a modem that reverts enables its profile after each restart, and only then', async () => {
  const { at, clock, card } = await lines({
    modem: { quirks: { revertsTo: '98440900000000000091' }, bootMs: 1_000 },
  });
  const enables = (): number =>
    card.commands.filter(([, ins, , , , tag1, tag2]) => ins === 0xe2 && tag1 === 0xbf && tag2 === 0x31)
      .length;
  assert.equal(enables(), 0);
  await at('+CFUN=1,1');
  await clock.advance(2_000);
  assert.equal(enables(), 1);
  await at('E0+CMEE=1');
  await at('+CFUN=0');
  await at('+CFUN=1');
  await clock.advance(2_000);
  assert.equal(enables(), 1);
});

test('where data and card share a slot, IP stops while a channel to the card is open', async () => {
  const { at, radio } = await lines({ modem: { quirks: { cardStopsData: true } } });
  const carries = (): boolean[] => [...radio.attached.values()];
  assert.deepEqual(carries(), [true]);
  await at(`+CCHO="${ISD_R}"`);
  assert.deepEqual(carries(), [false]);
  await at('+CSIM=10,"0070000001"');
  await at('+CCHC=1');
  assert.deepEqual(carries(), [false]);
  await at('+CSIM=10,"0070800200"');
  assert.deepEqual(carries(), [true]);
  await at(`+CCHO="${ISD_R}"`);
  await at('+CFUN=0');
  await at('+CFUN=1');
  assert.deepEqual(carries(), [true]);
});

test('a modem that does not notice another card answers for the old one until it is powered anew', async () => {
  const { at, modem } = await lines({
    modem: { quirks: { cardChange: 'ignored', vendorCommands: ['+ICCID'] } },
  });
  const [first, second] = TEST_PROFILES;
  await modem.equipment.insertCard(createTestCard({ profiles: TEST_PROFILES.slice(1) }));
  assert.equal(await at('+ICCID'), `+ICCID: ${first?.iccid}|OK`);
  assert.equal(await at('+CSIM=10,"0070000001"'), '+CME ERROR: 13');
  await at('+CFUN=0');
  await at('+CFUN=1');
  assert.equal(await at('+ICCID'), `+ICCID: ${second?.iccid}|OK`);
});
