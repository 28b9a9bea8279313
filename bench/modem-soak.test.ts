// A few lives of the modem's soak end as they must, repeat to the octet, and a lie on the way to the card is seen.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { realClock } from '../base/clock.ts';
import { concat, fromHex } from '../base/bytes.ts';
import type { CardSlot } from '../codec/card.ts';
import { createCardWitness } from './card-witness.ts';
import { liveModem } from './modem-life.ts';
import { modemSoak } from './modem-soak.ts';

const SEED = 20_261_128;

describe('the soak of installations over troubled modems', () => {
  test('reaches every bar in a short run', async () => {
    const shown: string[] = [];
    const progress = (line: string): void => void shown.push(line);
    const figures = await modemSoak.run({ clock: realClock, runs: 6, seed: SEED, progress });
    assert.deepEqual(
      figures.filter(({ ok }) => !ok),
      [],
      shown.join('\n'),
    );
  });

  test('repeats a life to the octet from its seed, and lives another one from another seed', async () => {
    const [first, again, other] = [await liveModem(SEED), await liveModem(SEED), await liveModem(SEED + 1)];
    assert.deepEqual(again, first);
    assert.notEqual(other.digest, first.digest);
  });
});

describe('the witness at the card', () => {
  const GET_DATA = fromHex('80CA005A00');
  const answering = (hex: readonly string[]): CardSlot => {
    const answers = hex.map(fromHex);
    return {
      reset: async () => new Uint8Array(0),
      powerOff: async () => {},
      transmit: async () => answers.shift() ?? fromHex('6F00'),
    };
  };
  /** A driver that passes the command on, fetches what is announced, and says `told`. */
  const saying = async (
    hex: readonly string[],
    told: { data: string; sw: number },
  ): Promise<readonly string[]> => {
    const witness = createCardWitness(() => {});
    const slot = witness.slot(answering(hex));
    const card = witness.card({
      openChannel: () => Promise.reject(new Error('not asked')),
      basic: {
        async transmit(command) {
          for (let n = 0; n < hex.length; n++) await slot.transmit(n === 0 ? command : fromHex('00C0000000'));
          return { data: fromHex(told.data), sw: told.sw };
        },
      },
      close: async () => {},
    });
    await card.basic.transmit(GET_DATA);
    return witness.unbelievable;
  };

  test('believes what the card gave at once or in parts', async () => {
    assert.deepEqual(await saying(['01029000'], { data: '0102', sw: 0x9000 }), []);
    assert.deepEqual(await saying(['6102', '01029000'], { data: '0102', sw: 0x9000 }), []);
  });

  test('sees another status word, other data, and an answer of nobody', async () => {
    assert.equal((await saying(['01026982'], { data: '0102', sw: 0x9000 })).length, 1);
    assert.equal((await saying(['01029000'], { data: '0103', sw: 0x9000 })).length, 1);
    assert.equal((await saying([], { data: '', sw: 0x9000 })).length, 1);
  });

  test('counts channels until they are closed or the card is reset', async () => {
    const witness = createCardWitness(() => {});
    const slot = witness.slot(answering(['019000', '029000', '9000']));
    await slot.transmit(fromHex('0070000001'));
    await slot.transmit(fromHex('0070000001'));
    assert.deepEqual(witness.openChannels(), [1, 2]);
    await slot.transmit(concat(fromHex('007080'), Uint8Array.of(1, 0)));
    assert.deepEqual(witness.openChannels(), [2]);
    await slot.reset();
    assert.deepEqual(witness.openChannels(), []);
  });
});
