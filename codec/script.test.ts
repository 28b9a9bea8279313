// Scripting templates of TS 102 226: both length forms, and what is not understood is refused rather than left out.
import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import {
  decodeCommandScript,
  decodeResponseScript,
  encodeCommandScript,
  encodeResponseScript,
} from './script.ts';

test('commands are C-APDU objects in a Command Scripting template', () => {
  const script = encodeCommandScript([fromHex('00A40004023F00'), fromHex('80F20000')]);
  equal(toHex(script), 'AA0F220700A40004023F00220480F20000');
  deepEqual(decodeCommandScript(script).map(toHex), ['00A40004023F00', '80F20000']);
});

test('the indefinite form is read too', () => {
  deepEqual(decodeCommandScript(fromHex('AE80220480F200000000')).map(toHex), ['80F20000']);
  deepEqual(decodeResponseScript(fromHex('AF80800101230290000000')), {
    executed: 1,
    responses: [fromHex('9000')],
  });
});

test('a response tells how many commands ran and what each answered', () => {
  const response = encodeResponseScript({ executed: 2, responses: [fromHex('9000'), fromHex('AABB6A80')] });
  equal(toHex(response), 'AB0D800102230290002304AABB6A80');
  deepEqual(decodeResponseScript(response), {
    executed: 2,
    responses: [fromHex('9000'), fromHex('AABB6A80')],
  });
  const bad = encodeResponseScript({ executed: 0, responses: [], badFormat: 2 });
  equal(toHex(bad), 'AB06800100900102');
  equal(decodeResponseScript(bad).badFormat, 2);
  equal(toHex(encodeResponseScript({ executed: 128, responses: [] })), 'AB0480020080');
});

test('objects that change what a script does are refused, and so are cut and wrong templates', () => {
  for (const hex of [
    'AA03810181',
    'AA05220380F200',
    'AB00',
    'AA00FF',
    '2200',
    'AE80220480F20000',
    'AE800000FF',
  ]) {
    throws(
      () => decodeCommandScript(fromHex(hex)),
      (error) => isAgentError(error),
      hex,
    );
  }
  throws(
    () => decodeResponseScript(fromHex('AB0423029000')),
    (error) => isAgentError(error, 'TLV_MISSING'),
  );
});

const apdus = fc.array(fc.uint8Array({ minLength: 4, maxLength: 300 }), { maxLength: 8 });

test('scripts survive a round trip, every prefix is refused, random octets are harmless', () => {
  fc.assert(
    fc.property(apdus, fc.uint8Array({ maxLength: 40 }), fc.nat(), (commands, noise, cut) => {
      const script = encodeCommandScript(commands);
      deepEqual(decodeCommandScript(script), commands);
      const response = encodeResponseScript({ executed: commands.length, responses: commands });
      deepEqual(decodeResponseScript(response), { executed: commands.length, responses: commands });
      throws(
        () => decodeCommandScript(script.subarray(0, cut % script.length)),
        (error) => isAgentError(error),
      );
      for (const octets of [noise, fromHex(`AE80${toHex(noise)}`), fromHex(`AF80${toHex(noise)}`)]) {
        for (const decode of [decodeCommandScript, decodeResponseScript]) {
          try {
            decode(octets);
          } catch (error) {
            if (!isAgentError(error)) throw error;
          }
        }
      }
    }),
    { numRuns: 200 },
  );
});
