import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentError } from '../../base/errors.ts';
import { createSeededRandom } from '../../base/random.ts';
import { createFaults, parseFault } from './faults.ts';

const faults = (seed: number, ...specs: string[]) =>
  createFaults(specs.map(parseFault), createSeededRandom(seed));

test('a specification names the fault, its argument and its time', () => {
  assert.deepEqual(parseFault('reset@at=37'), { kind: 'reset', argument: 5, when: { at: 37 } });
  assert.deepEqual(parseFault('stall=500@every=3'), { kind: 'stall', argument: 500, when: { every: 3 } });
  assert.deepEqual(parseFault('lose@rate=0.001'), { kind: 'lose', argument: 5, when: { rate: 0.001 } });
  assert.equal(parseFault('cme@at=1').argument, 13);
  for (const spec of [
    'reset',
    'none@at=1',
    'reset@at=0',
    'reset@at=1.5',
    'lose@rate=2',
    'reset=1@at=1',
    'stall=x@at=1',
  ]) {
    assert.throws(
      () => parseFault(spec),
      (error) => isAgentError(error, 'CONFIG_INVALID'),
      spec,
    );
  }
});

test('a scripted fault strikes once at its place, a recurring one each time', () => {
  const once = faults(1, 'reset@at=3');
  assert.deepEqual(
    [1, 2, 3, 4].map(() => once.nextApdu()?.kind),
    [undefined, undefined, 'reset', undefined],
  );
  const often = faults(1, 'mute@every=2');
  assert.deepEqual(
    [1, 2, 3, 4].map(() => often.nextApdu()?.kind),
    [undefined, 'mute', undefined, 'mute'],
  );
  assert.deepEqual(often.struck, { mute: 2 });
});

test('the same seed spoils the same octets, about as many as its rate says', () => {
  const bytes = new Uint8Array(20_000).fill(0x41);
  const spoiled = faults(7, 'flip@rate=0.01').octets(bytes);
  assert.deepEqual(spoiled, faults(7, 'flip@rate=0.01').octets(bytes));
  assert.notDeepEqual(spoiled, faults(8, 'flip@rate=0.01').octets(bytes));
  const changed = spoiled.filter((octet) => octet !== 0x41).length;
  assert.ok(changed > 150 && changed < 250, String(changed));
  const lost = 20_000 - faults(7, 'lose@rate=0.01').octets(bytes).length;
  assert.ok(lost > 150 && lost < 250, String(lost));
  assert.ok(faults(7, 'duplicate@rate=0.01').octets(bytes).length > 20_150);
});

test('answers are lost, cut, torn, repeated and flooded', () => {
  const text = '\r\n+CSIM: 4,"9000"\r\n\r\nOK\r\n';
  assert.equal(faults(1, 'silence@at=1').answer(text).text, '');
  assert.equal(faults(1, 'repeat@at=1').answer(text).text, text + text);
  assert.ok(text.startsWith(faults(1, 'truncate@at=1').answer(text).text));
  const torn = faults(3, 'tear@at=1').answer(text).text;
  assert.ok(torn.length < text.length);
  const storm = faults(3, 'urc-storm=4@at=1').answer(text).text;
  assert.ok(storm.length >= text.length + 4 * 8);
  assert.equal(faults(1, 'silence@at=2').answer(text).text, text);
});
