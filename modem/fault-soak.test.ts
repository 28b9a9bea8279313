import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, equalBytes, toHex } from '../base/bytes.ts';
import { createVirtualClock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid, parseImei } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import type { CardQuirks } from './card-way.ts';
import { openModem } from './modem.ts';
import { parseFault } from './sim/faults.ts';
import { createSimModem } from './sim/sim-modem.ts';
import { createTestCard } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';
import { linkTo } from './testing-driver.ts';

const ISD_R = encodeAid(AID_ISD_R);
const ALLOWED = [
  'CARD_LOST',
  'CARD_ACCESS',
  'CARD_STATUS',
  'AT_TIMEOUT',
  'AT_ANSWER',
  'AT_ERROR',
  'LINK_CLOSED',
] as const;

type Run = {
  readonly seed: number;
  readonly answered: number;
  readonly failed: number;
  readonly struck: number;
};

/** Many requests under faults. Each is answered with its own octets or fails with a code, in bounded time. */
async function soak(seed: number, specs: readonly string[], card: CardQuirks): Promise<Run> {
  const clock = createVirtualClock();
  const chip = createTestCard();
  const device = createSimModem({
    card: chip,
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei('490154203237518'),
    faults: specs.map(parseFault),
    seed,
  });
  const settle = <T>(work: Promise<T>): Promise<T> => clock.settle(work, 10 * 3_600_000);
  const retried = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await settle(work());
      } catch (error) {
        assert.ok(isAgentError(error, ...ALLOWED), `seed ${seed}: ${String(error)}`);
        if (attempt === 20) throw error;
      }
    }
  };
  const modem = await retried(() =>
    openModem({ openLink: linkTo(device), clock, log: silentLog, quirks: { card } }),
  );
  let answered = 0;
  let failed = 0;
  for (let n = 0; n < 20; n++) {
    // Every request is unlike all others: an answer to another one would show.
    const octets = concat(
      Uint8Array.of(0xbf, 0x2d, seed & 0xff, n),
      Uint8Array.from({ length: 300 }, (_, i) => (i * n + seed) & 0xff),
    );
    const started = clock.now();
    try {
      const port = await settle(modem.openCard());
      const channel = await settle(port.openChannel(ISD_R));
      let data = new Uint8Array(0);
      for (const command of storeDataCommands(octets, port.maxCommandData)) {
        const response = await settle(channel.transmit(encodeCommandApdu(command)));
        assert.ok(
          [0x9000, 0x6881, 0x6985, 0x6a86, 0x6d00].includes(response.sw),
          `seed ${seed}: sw ${response.sw.toString(16)}`,
        );
        data = Uint8Array.from(response.data);
        if (response.sw !== 0x9000) break;
      }
      await settle(channel.close());
      if (data.length > 0) {
        assert.ok(equalBytes(data, octets), `seed ${seed}, request ${n}: ${toHex(data)}`);
        answered++;
      }
    } catch (error) {
      assert.ok(isAgentError(error, ...ALLOWED), `seed ${seed}: ${String(error)}`);
      failed++;
    }
    assert.ok(clock.now() - started < 900_000, `seed ${seed}: request ${n} took ${clock.now() - started} ms`);
  }
  const struck = Object.values(device.faults.struck).reduce((sum, count) => sum + count, 0);
  return { seed, answered, failed, struck };
}

const MIX = [
  'reset@rate=0.01',
  'reset-after@rate=0.01',
  'card-out=4000@rate=0.005',
  'mute@rate=0.01',
  'cme=13@rate=0.01',
  'stall=2000@rate=0.02',
  'pause=1500@rate=0.01',
  'foreign@rate=0.01',
  'drop-port=3000@rate=0.01',
  'exhaust@rate=0.01',
  'silence@rate=0.01',
  'truncate@rate=0.01',
  'repeat@rate=0.01',
  'urc-storm=4@rate=0.02',
];
/** Not together: an octet lost and one doubled in the same line keep its length, and AT has no check sum. */
const NOISE = [['lose@rate=0.0003', 'tear@rate=0.01'], ['duplicate@rate=0.0003']];

test('under faults of every kind each request gets its own answer or an error, whatever the seed', async () => {
  const runs: Run[] = [];
  for (let seed = 1; seed <= 16; seed++) {
    const noise = NOISE[seed % NOISE.length] ?? [];
    runs.push(await soak(seed, [...MIX, ...noise], { way: seed % 4 < 2 ? 'cgla' : 'csim' }));
  }
  const total = (pick: (run: Run) => number): number => runs.reduce((sum, run) => sum + pick(run), 0);
  assert.ok(total(({ struck }) => struck) > 100, `${total(({ struck }) => struck)} faults`);
  assert.ok(total(({ answered }) => answered) > 80, `${total(({ answered }) => answered)} answered`);
});

test('a clean line fails nothing', async () => {
  assert.deepEqual(await soak(1, [], {}), { seed: 1, answered: 20, failed: 0, struck: 0 });
});

test('a card that falls silent for good fails each request in bounded time', async () => {
  const run = await soak(1, ['card-mute@at=30'], {});
  assert.ok(run.failed > 0 && run.answered > 0, JSON.stringify(run));
});
