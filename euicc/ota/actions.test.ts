// Scripts that ask something of the terminal: they wait for it, go on or end, and say so in messages (ETSI TS 102 226, 5.2.1.2, 5.2.1.3).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import type { CardSlot } from '../../codec/card.ts';
import { decodeResponseScript } from '../../codec/script.ts';
import { openProofOfReceipt, sealRemoteCommand } from '../../crypto/scp80-host.ts';
import { transcript } from '../testing/os-card.ts';
import { deliver, fetchProof, otaWorld, SENDING_TERMINAL, spiOf, TAR, targetOf } from '../testing/ota.ts';
import { raw } from '../testing/terminal.ts';

const FILES = targetOf(TAR.files);
/** DISPLAY TEXT "Hi", as a script brings it; the number of the command is the card's. */
const DISPLAY = '8103012180 82028102 8D0304 4869'.replaceAll(' ', '');
const FETCHED = /^D0..8103(..)2180820281028D03044869/;
const READ = '2208 00A4000C022FE200 2205 00B0000002'.replaceAll(' ', '');

function template(...objects: readonly string[]): Uint8Array {
  const octets = objects.join('');
  return fromHex(`AA${(octets.length / 2).toString(16).padStart(2, '0')}${octets}`);
}
function object(tag: string, value: string): string {
  return `${tag}${(value.length / 2).toString(16).padStart(2, '0')}${value}`;
}

/** Sends a script; the status word behind its report, and the report. */
async function send(card: CardSlot, counter: number, data: Uint8Array, target = FILES) {
  const { data: report, sw } = await deliver(card, sealRemoteCommand(target, counter, data));
  return { sw, status: report.length === 0 ? undefined : openProofOfReceipt(target, report).status };
}

/** Fetches the DISPLAY TEXT that waits and answers it. */
async function answer(card: CardSlot, sw: number, result: string): Promise<number> {
  const command = await raw(card, `80120000${(sw & 0xff).toString(16).padStart(2, '0')}`);
  const number = FETCHED.exec(command)?.[1];
  assert.ok(number, command);
  const response = await raw(card, `801400000C8103${number}2180820282818301${result}`);
  return Number.parseInt(response, 16);
}

describe('an immediate action', () => {
  test('is fetched by the terminal before the script goes on, and the answer comes in a message', async () => {
    const { card } = await otaWorld();
    await raw(card, SENDING_TERMINAL);
    const { status, sw } = await send(card, 1, template(object('81', DISPLAY), READ));
    assert.equal(status, 0x0b, 'the answer comes in a message');
    const proof = await fetchProof(card, FILES, await answer(card, sw, '00'));
    assert.deepEqual([proof.status, proof.authentic, proof.counter], [0, true, 1]);
    const { executed, responses } = decodeResponseScript(proof.data);
    assert.deepEqual([executed, responses.map(toHex)], [3, ['9000', '98889000']]);
  });

  test('that is not carried out ends the script, and the message says so', async () => {
    for (const result of ['10', '20', '30']) {
      const { card } = await otaWorld();
      await raw(card, SENDING_TERMINAL);
      const { sw } = await send(
        card,
        1,
        template('2204 00A40000'.replace(' ', ''), object('81', DISPLAY), READ),
      );
      const after = await answer(card, sw, result);
      const { data } = await fetchProof(card, FILES, after);
      const { executed, immediateAction, responses } = decodeResponseScript(data);
      assert.deepEqual([executed, immediateAction, responses.length], [2, 1, 1]);
    }
  });

  test('may come more than once', async () => {
    const { card } = await otaWorld();
    await raw(card, SENDING_TERMINAL);
    const twice = template(object('81', DISPLAY), object('81', DISPLAY), READ);
    const { sw } = await send(card, 1, twice);
    const second = await answer(card, sw, '00');
    const { data } = await fetchProof(card, FILES, await answer(card, second, '00'));
    assert.equal(decodeResponseScript(data).executed, 4);
  });

  test('keeps other packets waiting, which are not spent, and a reset ends its script', async () => {
    const { card } = await otaWorld();
    await raw(card, SENDING_TERMINAL);
    const { sw } = await send(card, 1, template(object('81', DISPLAY), READ));
    assert.deepEqual(await send(card, 2, template(READ)), { sw: 0x9300, status: undefined });
    await card.reset();
    assert.equal((await send(card, 1, template(READ))).status, 2, 'its counter is spent');
    assert.equal((await send(card, 2, template(READ))).status, 0);
    assert.equal(sw >> 8, 0x91);
  });

  test('is refused where the terminal cannot, where it could not be answered, and while the toolkit is busy', async () => {
    const refused = async (profile: string, data: string): Promise<void> => {
      const { card } = await otaWorld();
      await raw(card, profile);
      const packet = sealRemoteCommand(FILES, 1, template(object('81', data), READ));
      const { data: report } = await deliver(card, packet);
      const { immediateAction, responses } = decodeResponseScript(openProofOfReceipt(FILES, report).data);
      assert.deepEqual([immediateAction, responses.length], [1, 0], profile);
    };
    await refused('8010000004FFFFFEFF', DISPLAY);
    await refused('8010000003FFFFFF', DISPLAY);
    await refused(SENDING_TERMINAL, DISPLAY.replace('2180', '2600'));
    const { card } = await otaWorld();
    await raw(card, SENDING_TERMINAL);
    const inSubmit = targetOf(TAR.files, { spi: spiOf('1639') });
    await send(card, 1, template(READ), inSubmit);
    const { data } = await deliver(card, sealRemoteCommand(FILES, 2, template('810181', READ)));
    assert.equal(decodeResponseScript(openProofOfReceipt(FILES, data).data).immediateAction, 1);
  });

  test('goes on where no answer is asked for, or only about errors', async () => {
    for (const spi of ['1600', '1602']) {
      const { card } = await otaWorld();
      await raw(card, SENDING_TERMINAL);
      const update = '2207 00A40000022F05 2207 00D60000022121'.replaceAll(' ', '');
      const target = targetOf(TAR.files, { spi: spiOf(spi) });
      const { status, sw } = await send(card, 1, template(object('81', DISPLAY), update), target);
      assert.equal(status, undefined);
      assert.equal(await answer(card, sw, '00'), 0x9000);
    }
  });
});

test('an error action is wanted of the terminal where a command fails, and only there', async () => {
  for (const [commands, wanted] of [
    ['220700A40000022FFF', true],
    [READ, false],
  ] as const) {
    const { card } = await otaWorld();
    await raw(card, SENDING_TERMINAL);
    const { status, sw } = await send(card, 1, template(object('82', DISPLAY), commands));
    assert.equal(status, 0);
    assert.equal(sw >> 8 === 0x91, wanted);
    if (wanted) assert.equal(await answer(card, sw, '00'), 0x9000);
  }
});

test('a later error action takes the place of the one before, an empty one of none', async () => {
  const { card } = await otaWorld();
  await raw(card, SENDING_TERMINAL);
  const { sw } = await send(card, 1, template(object('82', DISPLAY), '8200', '220700A40000022FFF'));
  assert.equal(sw, 0x9000);
  await transcript(card, ['80120000FF', '6985']);
});
