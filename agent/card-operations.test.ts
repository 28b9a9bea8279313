import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, fromHex, toHex } from '../base/bytes.ts';
import { decodeResponseApdu } from '../codec/apdu.ts';
import type { CardChannel } from '../codec/card.ts';
import { encodeCommandScript } from '../codec/script.ts';
import { playScript } from './card-operations.ts';

/** A channel that gives these answers in turn and keeps what it was sent. */
function answering(...answers: readonly string[]): CardChannel & { readonly sent: string[] } {
  const sent: string[] = [];
  return {
    sent,
    selectResponse: EMPTY,
    transmit(command) {
      sent.push(toHex(command));
      return Promise.resolve(decodeResponseApdu(fromHex(answers[sent.length - 1] ?? '6F00')));
    },
    close: () => Promise.resolve(),
  };
}

const COMMANDS = [
  '8050300008000102030405060700',
  '848233001000112233445566778899AABBCCDDEEFF',
  '84E2910001FF',
];
const SCRIPT = encodeCommandScript(COMMANDS.map(fromHex));

test('a script goes to the card command by command, as it came', async () => {
  const channel = answering('00119000', '9000', '9110');
  const run = await playScript(channel, SCRIPT);
  assert.deepEqual(channel.sent, COMMANDS);
  assert.deepEqual(run.responses.map(toHex), ['00119000', '9000', '9110']);
  assert.deepEqual([run.total, run.lastSw], [3, 0x9110]);
});

test('a card that refuses the secure channel gets nothing more', async () => {
  for (const refused of ['6300', '6982', '6A88']) {
    const channel = answering('00119000', refused);
    const run = await playScript(channel, SCRIPT);
    assert.deepEqual(channel.sent, COMMANDS.slice(0, 2));
    assert.equal(run.lastSw, Number.parseInt(refused, 16));
  }
});

test('the result of an installation ends the script, also before its last command', async () => {
  const channel = answering('00119000', 'BF370201009000', '9000');
  const run = await playScript(channel, SCRIPT);
  assert.equal(channel.sent.length, 2);
  assert.equal(toHex(run.profileInstallationResult ?? EMPTY), 'BF37020100');
});
