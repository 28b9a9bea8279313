// Every trace in hil-tests/traces, whoever recorded it, is played to the driver: the outcome must be what it was then. On what simulated
// modems said, which is recorded anew with the driver, it must also write the same.
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

const changed = (steps: Awaited<ReturnType<typeof replayTrace>>): readonly unknown[] =>
  steps.filter(({ recorded, now }) => recorded !== now);

for (const file of FILES) {
  const how = file.startsWith('sim-') ? 'exactly' : 'answers';
  test(`${file} plays as it was recorded`, async () => {
    assert.deepEqual(changed(await replayTrace(content(file), how)), []);
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
  const [only, ...others] = changed(await replayTrace(utf8Bytes(answered)));
  assert.equal((only as { readonly step: string }).step, 'signal');
  assert.deepEqual(others, []);
});

/** Leaves out a command with all that came until the next one. */
function withoutExchange(lines: readonly string[], command: string): readonly string[] {
  let leaving = false;
  return lines.filter((line) => {
    if (!line.includes('"dir":"in"')) leaving = line.includes(`"text":"${command}\\r"`);
    return !leaving;
  });
}

test('what was changed on the card in a recording is changed where a driver plays it by its answers', async () => {
  const files = FILES.filter((name) => name.startsWith('sim-') && name.includes('write'));
  assert.ok(files.length >= 2);
  for (const file of files) {
    const steps = await replayTrace(content(file), 'answers');
    assert.deepEqual(changed(steps), [], file);
    assert.ok(steps.some(({ step, now }) => step === 'switch' && now === 'passed'));
  }
});

test('a driver that asks more, less or in another order than when a trace was recorded finds the same', async () => {
  for (const file of FILES.filter((name) => name.startsWith('sim-') && !name.includes('write'))) {
    const lines = new TextDecoder().decode(content(file)).trimEnd().split('\n');
    const at = (command: string): number =>
      lines.findIndex((line) => line.includes(`"text":"${command}\\r"`));
    const [model, maker, level] = [at('AT+CGMM'), at('AT+CGMI'), at('AT+CSQ')];
    assert.ok(maker > 0 && model > maker && level > model);
    const [first, second] = [lines.slice(maker, model), lines.slice(model, model + 2)];
    const other = [
      ...lines.slice(0, maker),
      ...second,
      ...first,
      '{"t":0,"dir":"out","text":"AT+OLD?\\r"}',
      '{"t":0,"dir":"in","text":"\\r\\nOK\\r\\n"}',
      ...withoutExchange(lines.slice(model + 2), 'AT+CGREG?'),
    ];
    const text = utf8Bytes(`${other.join('\n')}\n`);
    await assert.rejects(replayTrace(text), (error) => isAgentError(error, 'TRACE_DIVERGES'));
    assert.deepEqual(changed(await replayTrace(text, 'answers')), [], file);
    const answered = utf8Bytes(`${other.join('\n').replaceAll(/\+CSQ: \d+,/g, '+CSQ: 77,')}\n`);
    const steps = (await replayTrace(answered, 'answers')).filter(({ recorded, now }) => recorded !== now);
    assert.deepEqual(
      steps.map(({ step }) => step),
      ['signal'],
      file,
    );
  }
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
