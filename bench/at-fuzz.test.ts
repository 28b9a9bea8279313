// The driver's fuzz run finds nothing in a short run, and sees what it looks for.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { realClock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import { atFuzz, wrongError } from './at-fuzz.ts';

describe('the fuzz of the AT driver', () => {
  test('reaches every bar in a short run', async () => {
    const shown: string[] = [];
    const figures = await atFuzz.run({
      clock: realClock,
      runs: 3000,
      seed: 20_261_124,
      progress: (line) => void shown.push(line),
    });
    assert.deepEqual(
      figures.filter(({ ok }) => !ok),
      [],
      shown.join('\n'),
    );
  });

  test('takes an AgentError for an answer, and any other error for a fault, also behind an AgentError', () => {
    assert.equal(wrongError(new AgentError('AT_TIMEOUT')), undefined);
    const nested = new AgentError('LINK_CLOSED', {}, { cause: new AgentError('QUEUE_FULL') });
    assert.equal(wrongError(nested), undefined);
    const hidden = new AgentError('LINK_CLOSED', {}, { cause: new TypeError('no') });
    assert.match(wrongError(hidden) ?? '', /TypeError/);
    assert.match(wrongError(new RangeError('no')) ?? '', /RangeError/);
  });
});
