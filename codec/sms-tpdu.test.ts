import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import {
  DCS_CLASS2_8BIT,
  decodeSmsAddress,
  decodeSmsDeliver,
  decodeSmsPpDownload,
  decodeSmsSubmit,
  encodeSmsAddress,
  encodeSmsDeliver,
  encodeSmsPpDownload,
  encodeSmsSubmit,
  PID_SIM_DATA_DOWNLOAD,
  type SmsDeliver,
} from './sms-tpdu.ts';
import {
  createMessageAssembler,
  IEI,
  joinUserData,
  packetToUserData,
  splitUserData,
  type UserData,
} from './sms-user-data.ts';

const lower = (bytes: Uint8Array): string => toHex(bytes).toLowerCase();
const invalid = (thrown: unknown): boolean => isAgentError(thrown, 'SMS_INVALID');

// osmocom/pysim tests/unittests/test_sms.py and test_ota.py (commit 597f1e03).
const SUBMIT =
  '550d0b911614261771f000f5a78c0b050423f423f40003010201424547494e3a56434152440d0a56455253494f4e3a322e310d0a4e3a4d650d0a54454c3b505245463b43454c4c3b564f4943453a2b36313431363237313137300d0a54454c3b484f4d453b564f4943453a2b36313339353337303437310d0a54454c3b574f524b3b564f4943453a2b36313339363734373031350d0a454e443a';
const DELIVER = '0408d0e5759a0e7ff6907090307513000824010101bb400101';
// With the user data length that the octets have: the tool counts the header alone.
const OTA_DELIVER =
  '400881214365877ff6227052000000002d02700000281506192222b00011e87cceebb2d93083011ce294f93fc4d8de80da1abae8c37ca3e72ec4432e5058';

test('an SMS-SUBMIT with a port header and a part number is read and written back', () => {
  const message = decodeSmsSubmit(fromHex(SUBMIT));
  assert.deepEqual(message.destination, { type: 0x91, digits: '61416271170' });
  assert.deepEqual([message.reference, message.pid, message.dcs], [13, 0, 0xf5]);
  assert.deepEqual([message.validityFormat, toHex(message.validity)], ['relative', 'A7']);
  assert.deepEqual([message.rejectDuplicates, message.statusReport, message.replyPath], [true, false, false]);
  assert.deepEqual(
    message.userData.elements.map(({ id, data }) => [id, toHex(data)]),
    [
      [5, '23F423F4'],
      [0, '010201'],
    ],
  );
  assert.equal(lower(encodeSmsSubmit(message)), SUBMIT);
});

test('an SMS-DELIVER from an alphanumeric address is read and written back', () => {
  const message = decodeSmsDeliver(fromHex(DELIVER));
  assert.deepEqual(message.originator, { type: 0xd0, digits: '5E57A9E0' });
  assert.deepEqual([message.pid, message.dcs], [PID_SIM_DATA_DOWNLOAD, DCS_CLASS2_8BIT]);
  assert.equal(message.noMoreMessages, true);
  assert.deepEqual([message.userData.elements, lower(message.userData.body)], [[], '24010101bb400101']);
  assert.equal(lower(encodeSmsDeliver(message)), DELIVER);
});

test('an SMS-DELIVER with a secured packet shows the packet behind its header', () => {
  const message = decodeSmsDeliver(fromHex(OTA_DELIVER));
  assert.deepEqual(message.originator, { type: 0x81, digits: '12345678' });
  assert.deepEqual(message.userData.elements, [{ id: IEI.commandPacket, data: new Uint8Array(0) }]);
  assert.equal(lower(message.userData.body).slice(0, 20), '00281506192222b00011');
  assert.equal(lower(encodeSmsDeliver(message)), OTA_DELIVER);
});

type Vectors = {
  userDataHeader: { hex: string; ies: [string, string][]; tail: string }[];
  address: { hex: string; digits: string }[];
};

test('the published user data headers and addresses hold', (t) => {
  const file = '../shared/testdata/vectors/sms-tpdu.json';
  if (!existsSync(file)) return t.skip('no shared test data');
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
  for (const { hex, ies, tail } of vectors.userDataHeader) {
    const { elements, body } = splitUserData(fromHex(hex), true);
    assert.deepEqual(
      elements.map(({ id, data }) => [toHex(Uint8Array.of(id)), lower(data)]),
      ies,
    );
    assert.equal(lower(body), tail);
    assert.equal(lower(joinUserData({ elements, body })), hex);
  }
  for (const { hex, digits } of vectors.address) {
    assert.equal(decodeSmsAddress(fromHex(hex)).digits, digits);
    assert.equal(lower(encodeSmsAddress(decodeSmsAddress(fromHex(hex)))), hex);
  }
});

test('a 7-bit body is measured in septets and stays packed', () => {
  // "hellohello" of TS 23.038 packing: 10 septets in 9 octets.
  const hello = fromHex(`00048121430000${'00'.repeat(7)}0AE8329BFD4697D9EC37`);
  const message = decodeSmsDeliver(hello);
  assert.equal(toHex(message.userData.body), 'E8329BFD4697D9EC37');
  assert.deepEqual(encodeSmsDeliver(message), hello);
});

test('malformed messages are refused', () => {
  const good = fromHex(OTA_DELIVER);
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => decodeSmsDeliver(good.subarray(0, length)), invalid, `cut at ${length}`);
  }
  assert.throws(() => decodeSmsDeliver(concat(good, Uint8Array.of(0))), invalid);
  assert.throws(() => decodeSmsDeliver(fromHex(SUBMIT)), invalid);
  assert.throws(() => decodeSmsSubmit(good), invalid);
  assert.throws(() => decodeSmsDeliver(fromHex(`0015${'11'.repeat(40)}`)), invalid, 'too many digits');
  for (const header of ['', '00', '01', '0170', '027001', '03700201', '05']) {
    assert.throws(() => splitUserData(fromHex(header), true), invalid, header);
  }
  assert.throws(() => encodeSmsAddress({ type: 0x91, digits: '12x' }), invalid);
  const message = decodeSmsDeliver(good);
  assert.throws(() => encodeSmsDeliver({ ...message, timestamp: new Uint8Array(6) }), invalid);
  const body = new Uint8Array(141);
  assert.throws(() => encodeSmsDeliver({ ...message, userData: { elements: [], body } }), invalid);
  assert.throws(
    () => encodeSmsSubmit({ ...decodeSmsSubmit(fromHex(SUBMIT)), validity: new Uint8Array(2) }),
    invalid,
  );
});

test('random octets end in a message or in SMS_INVALID', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (const decode of [decodeSmsDeliver, decodeSmsSubmit, decodeSmsAddress]) {
        try {
          decode(bytes);
        } catch (thrown) {
          assert.ok(invalid(thrown), String(thrown));
        }
      }
    }),
    { numRuns: 500 },
  );
});

const element = fc.record({ id: fc.integer({ min: 0, max: 255 }), data: fc.uint8Array({ maxLength: 5 }) });
const userData = fc.record({
  elements: fc.array(element, { maxLength: 3 }),
  body: fc.uint8Array({ maxLength: 100 }),
});
const octetsOnly = (data: { elements: { id: number; data: Uint8Array }[]; body: Uint8Array }): UserData => ({
  elements: data.elements.map(({ id, data: value }) => ({ id, data: Uint8Array.from(value) })),
  body: Uint8Array.from(data.body),
});

test('any message survives writing and reading', () => {
  const digits = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 20 }).map((each) => each.join(''));
  fc.assert(
    fc.property(userData, digits, fc.boolean(), (data, number, flag) => {
      const deliver: SmsDeliver = {
        originator: { type: 0x91, digits: number },
        pid: PID_SIM_DATA_DOWNLOAD,
        dcs: DCS_CLASS2_8BIT,
        timestamp: new Uint8Array(7).fill(0x42),
        userData: octetsOnly(data),
        noMoreMessages: flag,
        statusReport: !flag,
        replyPath: flag,
      };
      assert.deepEqual(decodeSmsDeliver(encodeSmsDeliver(deliver)), deliver);
      const submit = {
        reference: 7,
        destination: deliver.originator,
        pid: 0,
        dcs: 4,
        validity: new Uint8Array(7),
        validityFormat: 'absolute' as const,
        userData: deliver.userData,
        rejectDuplicates: flag,
        statusReport: flag,
        replyPath: !flag,
      };
      assert.deepEqual(decodeSmsSubmit(encodeSmsSubmit(submit)), submit);
    }),
  );
});

test('a packet of 137 octets goes in one message, one more in two, and no part is over 140 octets', () => {
  const sizes = (length: number): number[] =>
    packetToUserData(new Uint8Array(length), 9).map((part) => joinUserData(part).length);
  assert.deepEqual(sizes(137), [140]);
  assert.deepEqual(sizes(138), [140, 12]);
  assert.deepEqual(sizes(132 + 134), [140, 140]);
  assert.deepEqual(sizes(132 + 134 + 1), [140, 140, 7]);
  const [first, second] = packetToUserData(new Uint8Array(200), 9);
  assert.equal(toHex(joinUserData(first ?? assert.fail()).subarray(0, 8)), '0700030902017000');
  assert.equal(toHex(joinUserData(second ?? assert.fail()).subarray(0, 6)), '050003090202');
  assert.throws(() => packetToUserData(new Uint8Array(132 + 254 * 134 + 1), 9), invalid);
});

test('parts come together in any order, mixed with others and repeated', () => {
  const packet = Uint8Array.from({ length: 500 }, (_, i) => i & 0xff);
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (order) => {
      const assembler = createMessageAssembler();
      const parts = packetToUserData(packet, 3, IEI.responsePacket);
      const stranger = packetToUserData(packet, 3);
      const answers = order.flatMap((i) => {
        assert.equal(assembler.add('other', stranger[i === 3 ? 2 : i] ?? assert.fail()), undefined);
        const part = parts[i] ?? assert.fail();
        const answer = assembler.add('12345', part);
        return answer === undefined ? [] : [answer];
      });
      assert.deepEqual(answers, [
        { elements: [{ id: IEI.responsePacket, data: new Uint8Array(0) }], body: packet },
      ]);
      assert.equal(assembler.pending, 1);
    }),
  );
});

test('a message of its own passes through, and unfinished ones do not pile up', () => {
  const assembler = createMessageAssembler(2);
  const single: UserData = { elements: [], body: utf8Bytes('x') };
  assert.equal(assembler.add('a', single), single);
  for (let reference = 0; reference < 10; reference++) {
    const [part] = packetToUserData(new Uint8Array(200), reference);
    assert.equal(assembler.add('a', part ?? assert.fail()), undefined);
    assert.ok(assembler.pending <= 2);
  }
  const last = packetToUserData(new Uint8Array(200), 9)[1] ?? assert.fail();
  assert.equal(assembler.add('a', last)?.body.length, 200);
});

test('a part that comes again with other octets does not replace the first', () => {
  const assembler = createMessageAssembler();
  const [first, second] = packetToUserData(new Uint8Array(200), 1) as [UserData, UserData];
  assembler.add('a', first);
  assembler.add('a', { ...first, body: new Uint8Array(first.body.length).fill(0xff) });
  assert.deepEqual(assembler.add('a', second)?.body, new Uint8Array(200));
});

test('concatenation with 16-bit references counts too, and nonsense in it is a message of its own', () => {
  const part = (data: string): UserData => ({
    elements: [{ id: data.length === 8 ? IEI.concatenated16 : IEI.concatenated8, data: fromHex(data) }],
    body: fromHex('AA'),
  });
  const assembler = createMessageAssembler();
  assert.equal(assembler.add('a', part('01020201')), undefined);
  assert.equal(toHex(assembler.add('a', part('01020202'))?.body ?? assert.fail()), 'AAAA');
  for (const nonsense of ['010000', '010200', '010203']) {
    assert.equal(toHex(assembler.add('a', part(nonsense))?.body ?? assert.fail()), 'AA');
  }
  assert.throws(() => assembler.add('a', part('0102')), invalid);
});

test('the envelope of a data download keeps message and service centre', () => {
  const tpdu = fromHex(OTA_DELIVER);
  const serviceCentre = fromHex('911234F5');
  for (const download of [{ tpdu }, { tpdu, serviceCentre }]) {
    assert.deepEqual(decodeSmsPpDownload(encodeSmsPpDownload(download)), download);
  }
  const envelope = toHex(encodeSmsPpDownload({ tpdu: fromHex('00'), serviceCentre }));
  assert.equal(envelope, 'D10D820283818604911234F58B0100');
  assert.equal(toHex(decodeSmsPpDownload(fromHex('D107020283810B0100')).tpdu), '00');
  assert.throws(
    () => decodeSmsPpDownload(fromHex('D10402028381')),
    (thrown) => isAgentError(thrown, 'TLV_MISSING'),
  );
  assert.throws(() => decodeSmsPpDownload(fromHex('D0020B00')), AgentError);
});
