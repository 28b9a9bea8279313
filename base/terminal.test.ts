// Octets of strangers on the way to a terminal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { visible } from './terminal.ts';

test('nothing that a modem or a card says steers a terminal, and JSON stays the same JSON', () => {
  const nasty = 'a\x1b[2J\x07\x9b31m\x7f\r\n\tä';
  assert.equal(visible(nasty), 'a\\u001b[2J\\u0007\\u009b31m\\u007f\\u000d\n\tä');
  const json = JSON.stringify({ name: nasty });
  assert.deepEqual(JSON.parse(visible(json)), JSON.parse(json));
});
