// Every trace in hil-tests/traces, whoever recorded it, is played to the driver: it must do what it did then, with the same outcome.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { describeContent } from '../codec/describe-content.ts';
import { recordedTraces, replayTrace } from './hil-traces.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'hil-tests', 'traces');
const FILES = readdirSync(FOLDER);
const content = (file: string): Uint8Array => new Uint8Array(readFileSync(join(FOLDER, file)));

test('there are traces, of modems with and without a way by sessions', () => {
  assert.ok(FILES.length >= 10);
  for (const way of ['AT+CGLA=', 'AT+CSIM=']) {
    assert.ok(FILES.some((file) => new TextDecoder().decode(content(file)).includes(way)));
  }
});

for (const file of FILES) {
  test(`${file} plays as it was recorded`, async () => {
    const steps = await replayTrace(content(file));
    assert.ok(steps.length > 0 || !file.startsWith('sim-'));
    assert.deepEqual(
      steps.filter(({ recorded, now }) => recorded !== now),
      [],
    );
  });

  test(`${file} is shown by the decoder without a fault`, () => {
    const { faults, text } = describeContent(content(file));
    assert.equal(faults, 0);
    assert.match(text, /ms {2}> AT\+CGMM[^]*command STORE DATA[^]*ProfileInfoListResponse/);
  });
}

test('a change of what a modem was asked or said makes its trace fail', async () => {
  const text = new TextDecoder().decode(content('sim-generic.jsonl'));
  const asked = text.replace('AT+CSQ\\r', 'AT+CSX\\r');
  assert.notEqual(asked, text);
  await assert.rejects(replayTrace(utf8Bytes(asked)), (error) => isAgentError(error, 'TRACE_DIVERGES'));
  const answered = text.replaceAll(/\+CSQ: \d+,/g, '+CSQ: 77,');
  assert.notEqual(answered, text);
  const steps = await replayTrace(utf8Bytes(answered));
  assert.deepEqual(
    steps.filter(({ recorded, now }) => recorded !== now).map(({ step }) => step),
    ['signal'],
  );
});

test('a recording of something that cannot be done again is refused with what can', async () => {
  const text = new TextDecoder().decode(content('sim-generic.jsonl'));
  await assert.rejects(
    replayTrace(utf8Bytes(text.replace('"program":"hil"', '"program":"minicom"'))),
    (error) => isAgentError(error, 'TRACE_INVALID') && error.data['found'] === 'minicom',
  );
});

test('the recordings of simulated modems are the same at every making', async () => {
  assert.deepEqual(await recordedTraces(), await recordedTraces());
});
