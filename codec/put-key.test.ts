import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { deleteKeyCommand, type PutKey, putKeyCommand, readDeleteKey, readPutKey } from './put-key.ts';

const octets = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const field = fc.constantFrom(16, 24, 32).chain((length) =>
  fc.record(
    {
      type: fc.integer({ min: 0, max: 0xff }),
      length: fc.constant(length),
      encrypted: octets(Math.ceil(length / 16) * 16),
      checkValue: fc.oneof(octets(0), octets(3)),
    },
    { noNullPrototype: true },
  ),
);
const putKey: fc.Arbitrary<PutKey> = fc.record(
  {
    replaces: fc.integer({ min: 0, max: 0x7f }),
    version: fc.integer({ min: 0, max: 0x7f }),
    identifier: fc.integer({ min: 0, max: 0x7f }),
    keys: fc.array(field, { minLength: 1, maxLength: 3 }),
  },
  { noNullPrototype: true },
);

test('a command has the layout of the standard', () => {
  const key = {
    type: 0x88,
    length: 16,
    encrypted: new Uint8Array(16).fill(0xee),
    checkValue: fromHex('504A77'),
  };
  const { data, p1, p2 } = putKeyCommand({ replaces: 0x30, version: 0x31, identifier: 1, keys: [key, key] });
  const one = `881110${'EE'.repeat(16)}03504A77`;
  assert.deepEqual([p1, p2, toHex(data)], [0x30, 0x81, `31${one}${one}`]);
  assert.equal(toHex(deleteKeyCommand(0x30).data), 'D20130');
});

test('what is written is read', () => {
  fc.assert(fc.property(putKey, (given) => assert.deepEqual(readPutKey(putKeyCommand(given)), given)));
});

test('a command that is cut, or any octets, are read or end in an AgentError', () => {
  const total = (read: () => unknown): boolean => {
    try {
      read();
      return true;
    } catch (error) {
      return isAgentError(error);
    }
  };
  fc.assert(
    fc.property(putKey, fc.nat(), (given, cut) => {
      const command = putKeyCommand(given);
      const data = command.data.subarray(0, cut % command.data.length);
      return total(() => readPutKey({ ...command, data }));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array(), fc.integer({ min: 0, max: 0xff }), (data, p2) => {
      return total(() => readPutKey({ p1: 0, p2, data })) && total(() => readDeleteKey(data));
    }),
  );
});
