import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import {
  decodeCompactResponse,
  encodeCompactResponse,
  isExpanded,
  readRemoteScript,
  splitCompactCommands,
} from './remote-commands.ts';
import { BAD_FORMAT, decodeResponseScript, encodeCommandScript, encodeResponseScript } from './script.ts';

const read = (hex: string) => {
  const { form, objects, badFormat } = readRemoteScript(fromHex(hex.replaceAll(' ', '')));
  const shown = objects.map(
    (object) => `${object.is} ${toHex('apdu' in object ? object.apdu : object.value)}`,
  );
  return { form, shown, ...(badFormat === undefined ? {} : { badFormat }) };
};

// osmocom/pysim tests/unittests/test_ota.py: ExpandedCmdTestCase and ExpandedRespTestCase.
test('published scripts are read and built in both forms', () => {
  assert.deepEqual(read('AA14 2208 80F24002024F0000 2208 00A40004023F0000'), {
    form: 'definite',
    shown: ['command 80F24002024F0000', 'command 00A40004023F0000'],
  });
  assert.equal(
    toHex(encodeCommandScript([fromHex('80F24002024F0000')])).toLowerCase(),
    'aa0a220880f24002024f0000',
  );
  assert.deepEqual(read('AE80 2205 80CAFF2100 0000'), { form: 'indefinite', shown: ['command 80CAFF2100'] });
  const registry = Uint8Array.from({ length: 198 }, (_, i) => i);
  const response = { executed: 1, responses: [concat(registry, fromHex('9000'))] };
  assert.equal(toHex(encodeResponseScript(response).subarray(0, 9)), 'AB81CE8001012381C8');
  assert.deepEqual(decodeResponseScript(encodeResponseScript(response)), response);
  const status = { executed: 1, responses: [fromHex('6132')] };
  assert.equal(toHex(encodeResponseScript(status)), 'AB0780010123026132');
});

test('published refusals of scripts are built and read', () => {
  const refusals = [
    ['AB06800101900101', { executed: 1, responses: [], badFormat: 1 }],
    ['AB06800101810101', { executed: 1, responses: [], immediateAction: 1 }],
    ['AB06800101830102', { executed: 1, responses: [], chaining: 2 }],
    ['AB06800100900102', { executed: 0, responses: [], badFormat: 2 }],
  ] as const;
  for (const [hex, response] of refusals) {
    assert.equal(toHex(encodeResponseScript(response)), hex);
    assert.deepEqual(decodeResponseScript(fromHex(hex)), response);
  }
  const indefinite = { executed: 2, responses: [fromHex('9000'), fromHex('6D00')] };
  const octets = encodeResponseScript(indefinite, 'indefinite');
  assert.equal(toHex(octets), 'AF802302900023026D000000');
  assert.deepEqual(decodeResponseScript(octets), indefinite);
});

test('actions and chaining keep their place, and the comprehension bit of a command is nothing', () => {
  assert.deepEqual(read('AA0F 830101 810182 820100 A20400A40000'), {
    form: 'definite',
    shown: ['chaining 01', 'immediateAction 82', 'errorAction 00', 'command 00A40000'],
  });
});

test('what is no script is told: its tag, its length, a length that is not there', () => {
  const { lengthNotFound, unknownTag, wrongLength } = BAD_FORMAT;
  const cases = [
    ['AA', lengthNotFound, 0],
    ['AA82', lengthNotFound, 0],
    ['AA0322', wrongLength, 0],
    ['AA80 2204 00A40000 0000', wrongLength, 0],
    ['AA85 0000000001 00', wrongLength, 0],
    ['AA08 2204 00A40000 2304', unknownTag, 1],
    ['AA08 2204 00A40000 2204', wrongLength, 1],
    ['AA07 2204 00A40000 22', lengthNotFound, 1],
    ['AE80 2204 00A40000', lengthNotFound, 1],
    ['AE80 2204 00A40000 00', wrongLength, 1],
    ['AE80 2204 00A40000 000000', wrongLength, 1],
  ] as const;
  for (const [hex, badFormat, count] of cases) {
    const { badFormat: found, shown } = read(hex);
    assert.deepEqual([found, shown.length], [badFormat, count], hex);
  }
});

test('a compact string falls into its commands', () => {
  const split = (hex: string): string[] => splitCompactCommands(fromHex(hex)).map(toHex);
  assert.deepEqual(split('00A40004023F00'), ['00A40004023F00']);
  assert.deepEqual(split('00A40000022FE200B000000A'), ['00A40000022FE2', '00B000000A']);
  assert.deepEqual(split('00A40000022F0000B2010400'), ['00A40000022F00', '00B2010400']);
  assert.deepEqual(split('00A40004023F0000C0000000'), ['00A40004023F00', '00C0000000']);
  // Le of the last command of case 4, and P3 of a command of case 1.
  assert.deepEqual(split('00A40004023F0000'), ['00A40004023F0000']);
  assert.deepEqual(split('0044000000002000010000'), ['00440000', '00200001', '00']);
  assert.deepEqual(split('00D6000003AABB'), ['00D6000003AABB']);
  assert.deepEqual(split(''), []);
});

test('compact responses are written and read', () => {
  const response = { executed: 1, sw: 0x6132, data: new Uint8Array(0) };
  assert.equal(toHex(encodeCompactResponse(response)), '016132');
  assert.deepEqual(decodeCompactResponse(fromHex('016132')), response);
  assert.equal(encodeCompactResponse({ ...response, executed: 300 })[0], 255);
  assert.throws(
    () => decodeCompactResponse(fromHex('0161')),
    (thrown) => isAgentError(thrown, 'PACKET_INVALID'),
  );
});

test('any octets are taken apart without loss or error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom('AA', 'AE', 'AE80', ''), (bytes, head) => {
      const data = concat(fromHex(head), bytes);
      const { objects } = readRemoteScript(data);
      const octets = objects.reduce(
        (sum, object) => sum + ('apdu' in object ? object.apdu : object.value).length,
        0,
      );
      assert.ok(octets <= data.length);
      const commands = splitCompactCommands(data);
      assert.ok(commands.length <= data.length);
      assert.ok(commands.reduce((sum, { length }) => sum + length, 0) <= data.length);
      assert.equal(isExpanded(data), data[0] === 0xaa || data[0] === 0xae);
    }),
  );
});

test('every script that is built is read again, and no part of it is whole', () => {
  const apdu = fc.uint8Array({ minLength: 4, maxLength: 300 });
  fc.assert(
    fc.property(fc.array(apdu, { minLength: 1, maxLength: 5 }), fc.nat(), (apdus, cut) => {
      const script = encodeCommandScript(apdus);
      const { badFormat, objects } = readRemoteScript(script);
      assert.equal(badFormat, undefined);
      assert.deepEqual(
        objects.map((object) => 'apdu' in object && Array.from(object.apdu)),
        apdus.map((each) => Array.from(each)),
      );
      assert.notEqual(
        readRemoteScript(script.subarray(0, 1 + (cut % (script.length - 1)))).badFormat,
        undefined,
      );
    }),
  );
});
