// What the fronts make of any octets and any lines: messages whole however they are cut, one answer a line, never an exception.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, toHex, utf8Bytes } from '../base/bytes.ts';
import { createWorld } from '../euicc/testing/world.ts';
import { createJsonSession } from './json-session.ts';
import { type Line, linesOf } from './lines.ts';
import { createVpcdReader, vpcdFrame } from './vpcd-frames.ts';

/** The octets in pieces, cut at these places. */
function cut(octets: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (octets.length + 1)), octets.length].toSorted(
    (a, b) => a - b,
  );
  return at.slice(1).map((end, i) => octets.subarray(at[i], end));
}

test('messages of a reader come out whole, wherever the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 9 }),
      (messages, places) => {
        const reader = createVpcdReader();
        const pieces = cut(concat(...messages.map(vpcdFrame)), places);
        const read = pieces.flatMap((piece) => reader.push(piece));
        assert.deepEqual(read.map(toHex), messages.map(toHex));
        assert.equal(reader.pending, 0);
      },
    ),
  );
});

test('lines come out whole, wherever the stream is cut, and long ones are told once', async () => {
  const lines = fc.array(fc.stringMatching(/^[a-z ä]{0,30}$/), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(lines, fc.array(fc.nat(), { maxLength: 9 }), async (texts, places) => {
      const octets = utf8Bytes(texts.join('\r\n'));
      const read: Line[] = [];
      const stream = async function* () {
        yield* cut(octets, places);
      };
      for await (const line of linesOf(stream(), 20)) read.push(line);
      const expected = texts
        .map((text, i) => ({ text, octets: utf8Bytes(text).length + (i < texts.length - 1 ? 1 : 0) }))
        .filter(({ text, octets: length }) => text.trim() !== '' || length > 20)
        .map(({ text, octets: length }) => (length > 20 ? 'tooLong' : text));
      assert.deepEqual(
        read.map((line) => (line.is === 'line' ? line.text : line.is)),
        expected,
      );
    }),
  );
});

test('every line of a client is answered by one line of JSON', async () => {
  const { card } = await createWorld();
  const session = createJsonSession(card);
  const value = fc.oneof(
    fc.constantFrom<unknown>(true, false, null, 1, '', '00A4000C023F00', '00A40000023F0', 'zz', [], {}),
    fc.uint8Array({ maxLength: 300 }).map(toHex),
  );
  const request = fc.dictionary(
    fc.constantFrom('id', 'apdu', 'reset', 'powerOff', 'atr', 'type', 'payload', '__proto__'),
    value,
  );
  const lpac = fc.record({
    type: fc.constant('apdu'),
    payload: fc.oneof(
      value,
      fc.record({
        func: fc.constantFrom(
          'connect',
          'disconnect',
          'transmit',
          'logic_channel_open',
          'logic_channel_close',
          'x',
        ),
        param: value,
      }),
    ),
  });
  const line = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.oneof(request, lpac).map((each) => JSON.stringify(each)),
  );
  await fc.assert(
    fc.asyncProperty(line, async (text) => {
      const answer = await session.answer(text);
      assert.ok(!answer.includes('\n'));
      const parsed = JSON.parse(answer) as Record<string, unknown>;
      assert.ok(
        ['error', 'sw', 'atr', 'ok', 'payload'].some((member) => member in parsed),
        answer,
      );
    }),
    { numRuns: 500 },
  );
  await card.close();
});
