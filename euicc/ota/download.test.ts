// Short messages to the card: which are for it, and how the parts of one packet come together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { packetEnvelopes } from '../../codec/sms-envelope.ts';
import {
  decodeSmsDeliver,
  decodeSmsPpDownload,
  encodeSmsDeliver,
  encodeSmsPpDownload,
} from '../../codec/sms-tpdu.ts';
import { openProofOfReceipt, sealRemoteCommand } from '../../crypto/scp80-host.ts';
import { DisableProfileRequest } from '../../codec/rsp/profile-management.ts';
import { ICCID_A } from '../testing/world.ts';
import { deliver, es10Script, otaWorld, SENDER, sendRemote, TAR, targetOf } from '../testing/ota.ts';
import { exchange, raw, TERMINAL_PROFILE } from '../testing/terminal.ts';
import { transcript } from '../testing/os-card.ts';

const READ_ICCID = '00A40000022FE2 00B000000A';
const ICCID_ANSWER = '029000988812010000000010F9';
const FILES = targetOf(TAR.files);
/** A script that is several messages long: the same update again and again. */
const LONG = concat(...Array.from({ length: 18 }, () => fromHex('00A40000022FE200B000000A00A40000022F00')));

const messageOf = (hex: string, udh = true): string =>
  toHex(encodeSmsPpDownload({ tpdu: fromHex(`${udh ? '44' : '04'}0881214365877FF622705200000000${hex}`) }));
const envelopeOf = (object: string): string =>
  `80C20000${(object.length / 2).toString(16).padStart(2, '0')}${object}`;

test('a packet in one message is executed and answered in the report', async () => {
  const { card } = await otaWorld();
  const por = await sendRemote(card, FILES, 1, READ_ICCID);
  assert.deepEqual(
    { ...por, data: toHex(por.data) },
    { tar: TAR.files, counter: 1, status: 0, data: ICCID_ANSWER, authentic: true },
  );
});

test('the report is announced by 61xx, and answered at once where the card is told to', async () => {
  const { card } = await otaWorld();
  const [envelope] = packetEnvelopes(sealRemoteCommand(FILES, 1, fromHex('00A40000022FE2')), SENDER, 1);
  const command = toHex(
    concat(fromHex('80C20000'), Uint8Array.of(envelope?.data.length ?? 0), envelope?.data ?? fromHex('')),
  );
  assert.equal(await raw(card, command), '6129');
  const report = await raw(card, '00C0000029');
  assert.equal(report.length, 2 * (0x29 + 2));
  const por = openProofOfReceipt(FILES, fromHex(report).subarray(0, -2));
  assert.equal(toHex(por.data), '016118');
});

test('the parts of a long packet may come in any order, twice, and mixed with those of others', async () => {
  const { card } = await otaWorld();
  let counter = 0;
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([0, 1, 1, 2, 2], { minLength: 5 }), async (order) => {
      const parts = packetEnvelopes(sealRemoteCommand(FILES, ++counter, LONG), SENDER, 7);
      assert.equal(parts.length, 3);
      const others = packetEnvelopes(sealRemoteCommand(FILES, 1000, LONG), SENDER, 8);
      const answers: Uint8Array[] = [];
      const seen = new Set<number>();
      for (const index of order) {
        const other = others[index === 2 ? 1 : index];
        const part = parts[index];
        if (other === undefined || part === undefined) assert.fail();
        assert.deepEqual((await exchange(card, other)).data.length, 0);
        seen.add(index);
        const { data, sw } = await exchange(card, part);
        assert.equal(sw, 0x9000);
        if (data.length > 0) answers.push(data);
        if (seen.size === 3) break;
      }
      assert.equal(answers.length, 1);
      const por = openProofOfReceipt(FILES, answers[0] ?? assert.fail());
      assert.deepEqual([por.status, por.counter, toHex(por.data.subarray(0, 2))], [0, counter, '3661']);
    }),
    { numRuns: 12 },
  );
});

test('parts of the same reference from another sender are another message', async () => {
  const { card } = await otaWorld();
  const mine = packetEnvelopes(sealRemoteCommand(FILES, 1, LONG), SENDER, 7);
  const theirs = packetEnvelopes(new Uint8Array(300), { originator: { type: 0x91, digits: '4900' } }, 7);
  for (const [index, part] of mine.entries()) {
    assert.equal((await exchange(card, theirs[index] ?? assert.fail())).data.length, 0);
    const { data } = await exchange(card, part);
    assert.equal(data.length > 0, index === 2);
  }
});

test('a reset forgets parts, and unfinished messages push each other out', async () => {
  const { card } = await otaWorld();
  const [first, ...rest] = packetEnvelopes(sealRemoteCommand(FILES, 1, LONG), SENDER, 7);
  if (first === undefined) assert.fail();
  await exchange(card, first);
  await card.reset();
  for (const part of rest) assert.equal((await exchange(card, part)).data.length, 0);
  assert.equal((await exchange(card, first)).data.length > 0, true);
  const [begun, ...left] = packetEnvelopes(sealRemoteCommand(FILES, 2, LONG), SENDER, 8);
  await exchange(card, begun ?? assert.fail());
  for (let reference = 20; reference < 24; reference++) {
    const [part] = packetEnvelopes(sealRemoteCommand(FILES, 3, LONG), SENDER, reference);
    await exchange(card, part ?? assert.fail());
  }
  for (const part of left) assert.equal((await exchange(card, part)).data.length, 0);
});

test('messages for somebody else are acknowledged and nothing happens', async () => {
  const { card } = await otaWorld();
  const packet = sealRemoteCommand(FILES, 1, fromHex('00A40000022FE2'));
  const [envelope] = packetEnvelopes(packet, SENDER, 1);
  const message = decodeSmsDeliver(decodeSmsPpDownload(envelope?.data ?? assert.fail()).tpdu);
  for (const change of [
    { pid: 0x00 },
    { pid: 0x41 },
    { dcs: 0x00 },
    { dcs: 0xf5 },
    { dcs: 0xf2 },
    { dcs: 0x04 },
    { userData: { elements: [], body: packet } },
    { userData: { elements: [{ id: 0x71, data: fromHex('') }], body: packet } },
    { userData: { elements: [{ id: 0x05, data: fromHex('0B840B84') }], body: packet } },
  ]) {
    const other = encodeSmsPpDownload({ tpdu: encodeSmsDeliver({ ...message, ...change }) });
    assert.equal(await raw(card, envelopeOf(toHex(other))), '9000');
  }
  const general = encodeSmsPpDownload({ tpdu: encodeSmsDeliver({ ...message, dcs: 0x16 }) });
  assert.equal(await raw(card, envelopeOf(toHex(general))), '6129');
});

test('what is no message, and no packet, is refused', async () => {
  const { card } = await otaWorld();
  const cases = [
    'D100',
    'D10482028381',
    'D1028B00',
    // An SMS-SUBMIT, a truncated one, a user data header longer than the user data, or of half an element, or of none.
    'D1098B074100000000F600',
    'D1058B0344088 1'.replace(' ', ''),
    messageOf('0202FF'),
    messageOf('03027000'),
    messageOf('050470010000'),
    messageOf('0100'),
    // A packet that is empty, says another length, or a header that is longer than it.
    messageOf('03027000'),
    messageOf('0502700000 0E'.replace(' ', '')),
    messageOf(`13027000000E${'FF'.padEnd(28, '0')}`),
    // Three octets of concatenation where four belong.
    messageOf('0B0708030102017000AABBCC'),
  ];
  for (const object of cases) assert.equal(await raw(card, envelopeOf(object)), '6A80', object);
  assert.equal(await raw(card, '80C20000 03 D10182'.replaceAll(' ', '')), '6A80');
});

test('a toolkit command that waits is told behind the report', async () => {
  const { card } = await otaWorld();
  await transcript(card, [TERMINAL_PROFILE, '9000']);
  const refresh = es10Script(
    DisableProfileRequest.encode({ profileIdentifier: { is: 'iccid', value: ICCID_A }, refreshFlag: true }),
  );
  const response = await deliver(card, sealRemoteCommand(targetOf(TAR.isdR), 1, refresh));
  assert.equal(response.sw, 0x910b);
  const por = openProofOfReceipt(targetOf(TAR.isdR), response.data);
  assert.equal(toHex(por.data), 'AB0D8001012308BF32038001009000');
  await transcript(card, ['801200000B', 'D0098103010104820281829000']);
});
