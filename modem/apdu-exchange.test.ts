import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { decodeResponseApdu } from '../codec/apdu.ts';
import { exchangeApdu } from './apdu-exchange.ts';

const ASK = fromHex('80E2910003BF2D00');

/** A card that gives these answers in order. */
function card(...answers: readonly string[]) {
  const rest = [...answers];
  return async () => decodeResponseApdu(fromHex(rest.shift() ?? '6F00'));
}

test('what 61xx promises is fetched whole', async () => {
  const { data, sw } = await exchangeApdu(ASK, card('6103', 'BF2D6101', '009000'), { keepLe: false });
  assert.equal(`${toHex(data)} ${sw.toString(16)}`, 'BF2D00 9000');
});

test('a promised response that the card has forgotten is a broken exchange, not the card’s refusal', async () => {
  for (const gone of ['6F00', '6985', '6881']) {
    await assert.rejects(exchangeApdu(ASK, card('6103', gone), { keepLe: false }), (error) =>
      isAgentError(error, 'CARD_LOST'),
    );
  }
  // A warning promises nothing: there may be no data.
  const { sw } = await exchangeApdu(fromHex('00A4040002A00000'), card('6283', '6985'), { keepLe: false });
  assert.equal(sw, 0x6283);
});
