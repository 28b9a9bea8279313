// Which answers of a card prove that it has taken a counter.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../base/log.ts';
import { provedCounter } from './second-layer.ts';

const key = (octet: number): Secret<Uint8Array> => new Secret(new Uint8Array(16).fill(octet));
const KEYS = { enc: key(0x40), mac: key(0x41), dek: key(0x42) };

/** Why an answer with this status word and 32 octets that are nobody's is not believed. */
function why(sw: number): string {
  const found = provedCounter(KEYS, new Uint8Array(8), { data: new Uint8Array(32), sw });
  return found.proved ? '' : found.why;
}

test('an answer under which a proactive command waits is judged by its cryptogram like any other, a refusal by its status word', () => {
  assert.equal(why(0x910b), why(0x9000));
  assert.doesNotMatch(why(0x910b), /answered/);
  assert.equal(why(0x6a88), 'INITIALIZE UPDATE answered 6A88');
});
