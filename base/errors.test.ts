import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AgentError, ERRORS, errorOf, isAgentError } from './errors.ts';

describe('an AgentError', () => {
  test('says in one line what is wrong, with what, and its code', () => {
    const error = new AgentError('PORT_MISSING', { path: '/dev/ttyUSB2', tries: 3, hint: undefined });
    assert.equal(error.message, 'the serial port does not exist: path /dev/ttyUSB2, tries 3 (PORT_MISSING)');
    assert.equal(new AgentError('CLOSED').message, 'the resource is closed (CLOSED)');
    assert.equal(error.retry, 'later');
    assert.equal(error.name, 'AgentError');
  });

  test('keeps what caused it', () => {
    const cause = new Error('below');
    assert.equal(new AgentError('INTERNAL', {}, { cause }).cause, cause);
  });

  test('is told from others by its code', () => {
    const error: unknown = new AgentError('DEADLINE');
    assert.ok(isAgentError(error));
    assert.ok(isAgentError(error, 'CLOSED', 'DEADLINE'));
    assert.ok(!isAgentError(error, 'CLOSED'));
    assert.ok(!isAgentError(new Error('x')));
    assert.ok(!isAgentError({ code: 'DEADLINE' }));
  });
});

describe('the table of errors', () => {
  test('has a plain sentence for each code, none of them twice', () => {
    const texts = Object.values(ERRORS).map(({ text }) => text);
    assert.equal(new Set(texts).size, texts.length);
    for (const [code, { text }] of Object.entries(ERRORS)) {
      assert.match(code, /^[A-Z0-9]+(?:_[A-Z0-9]+)*$/);
      assert.match(text, /^[a-z].*[^.:]$/, code);
    }
  });
});

test('whatever was thrown becomes an Error', () => {
  const own = new TypeError('x');
  assert.equal(errorOf(own), own);
  assert.equal(errorOf('text').message, 'text');
  assert.equal(errorOf(undefined).message, 'undefined');
  assert.equal(errorOf(Symbol('s')).message, 'Symbol(s)');
  assert.ok(errorOf(Object.create(null)) instanceof Error);
});
