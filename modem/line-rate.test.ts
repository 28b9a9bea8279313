// Raising and giving back the rate of a line, with modems and wires that keep to less than they say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid, parseImei } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import type { ByteLink } from './byte-link.ts';
import { offeredRates, pays } from './line-rate.ts';
import { type Modem, openModem } from './modem.ts';
import { createSimModem, type SimModem, type SimModemOptions } from './sim/sim-modem.ts';
import { createTestCard } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';
import { createUart } from './sim/uart.ts';

type Wire = {
  /** What the driver wrote, line by line, with the terminal's rate at that time. */
  readonly lines: string[];
  terminalRate: number;
};

type Rig = {
  readonly sim: SimModem;
  readonly clock: VirtualClock;
  readonly wire: Wire;
  readonly open: (maxBaudRate?: number) => Promise<Modem>;
};

/** A modem on a wire whose ends have rates. `hear` may spoil what the modem is told, `modemRate` what it really does. */
function rig(
  options: {
    sim?: Partial<SimModemOptions>;
    spoil?: (text: string) => string;
    /** What the driver is told instead, whole lines at a time. */
    lie?: (text: string) => string;
    /** The wire carries nothing above this rate. */
    carries?: number;
    baudRate?: number;
  } = {},
): Rig {
  const clock = createVirtualClock();
  const random = createSeededRandom(1);
  const sim = createSimModem({
    card: createTestCard(),
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei('490154203237518'),
    baudRate: 115_200,
    ...options.sim,
  });
  const wire: Wire = { lines: [], terminalRate: 0 };
  const configured = options.baudRate ?? 115_200;
  const openLink = async (): Promise<ByteLink> => {
    wire.terminalRate = configured;
    const modemRate = (): number => (sim.baudRate > (options.carries ?? 4e6) ? -1 : sim.baudRate);
    const { terminal, modem } = createUart({ baudRate: configured, modemRate, random });
    sim.connect(modem);
    return {
      ...terminal,
      read: options.lie === undefined ? terminal.read : lied(terminal.read, options.lie),
      write(bytes) {
        const text = String.fromCharCode(...bytes);
        wire.lines.push(`${wire.terminalRate} ${text.trim()}`);
        return terminal.write(new TextEncoder().encode(options.spoil?.(text) ?? text));
      },
      async setBaudRate(rate) {
        wire.terminalRate = rate;
        await terminal.setBaudRate?.(rate);
      },
    };
  };
  const open = (maxBaudRate?: number): Promise<Modem> => {
    const rate = { baudRate: configured, ...(maxBaudRate === undefined ? {} : { maxBaudRate }) };
    return clock.settle(openModem({ openLink, clock, log: silentLog, rate }));
  };
  return { sim, clock, wire, open };
}

async function* lied(
  read: ByteLink['read'],
  lie: (text: string) => string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let text = '';
  for await (const chunk of read) {
    text += String.fromCharCode(...chunk);
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    text = text.slice(whole.length);
    if (whole !== '') yield Uint8Array.from(lie(whole), (character) => character.charCodeAt(0));
  }
}

/** A long exchange with the card, of real octets. */
async function talk(modem: Modem): Promise<void> {
  const card = await modem.openCard();
  const channel = await card.openChannel(encodeAid(AID_ISD_R));
  const request = Uint8Array.from({ length: 2_000 }, (_, i) => (i === 0 ? 0x30 : i & 0xff));
  let data = new Uint8Array(0);
  for (const command of storeDataCommands(request, card.maxCommandData)) {
    data = Uint8Array.from((await channel.transmit(encodeCommandApdu(command))).data);
  }
  assert.equal(toHex(data), toHex(request));
  await channel.close();
}

const LONG = 60_000;
const ratesOfCard = ({ lines }: Wire): string[] => [
  ...new Set(lines.filter((line) => line.includes('AT+CGLA=')).map((line) => line.split(' ')[0] ?? '')),
];

test('a long exchange goes at the highest rate that is offered and allowed, and the rate is given back', async () => {
  const { sim, clock, wire, open } = rig();
  const modem = await open(460_800);
  await clock.settle(modem.hurry(LONG, () => talk(modem)));
  assert.deepEqual(ratesOfCard(wire), ['460800']);
  assert.equal(sim.baudRate, 115_200);
  assert.equal(wire.terminalRate, 115_200);
  assert.equal((await clock.settle(modem.identity())).imei, '490154203237518');
  assert.ok(!wire.lines.some((line) => /&W/i.test(line)), 'nothing is written into the modem for good');
});

test('a modem that tells a rate at which it would never be looked for is not set to it', async () => {
  for (const told of [4_800, 99_999_999]) {
    const { sim, clock, wire, open } = rig({ lie: (text) => text.replace(/\+IPR: \d+/, `+IPR: ${told}`) });
    const modem = await open(460_800);
    await clock.settle(modem.hurry(LONG, () => talk(modem)));
    assert.ok(!wire.lines.some((line) => line.includes(`IPR=${told}`)));
    assert.deepEqual(ratesOfCard(wire), ['460800']);
    assert.equal(sim.baudRate, 115_200);
    assert.equal((await clock.settle(modem.identity())).imei, '490154203237518');
  }
});

test('a modem that follows the terminal follows it again afterwards', async () => {
  const { sim, clock, open } = rig({ sim: { baudRate: 0 } });
  const modem = await open(921_600);
  await clock.settle(
    modem.hurry(LONG, async () => {
      assert.equal(sim.baudRate, 921_600);
      await talk(modem);
    }),
  );
  assert.equal(sim.baudRate, 0);
});

test('the rate stays where raising it does not pay, is not allowed, or is not there', async () => {
  for (const [max, octets, quirks] of [
    [460_800, 500, {}],
    [undefined, LONG, {}],
    [115_200, LONG, {}],
    [460_800, LONG, { missing: ['+IPR'] }],
  ] as const) {
    const { sim, clock, wire, open } = rig({ sim: { quirks } });
    const modem = await open(max);
    await clock.settle(modem.hurry(octets, () => talk(modem)));
    assert.deepEqual(ratesOfCard(wire), ['115200']);
    assert.equal(sim.baudRate, 115_200);
  }
});

test('the test form is not what decides: without it the rate is asked for all the same', async () => {
  const { clock, wire, open } = rig({ spoil: (text) => text.replace('AT+IPR=?', 'AT+IPR=X') });
  const modem = await open(460_800);
  await clock.settle(modem.hurry(LONG, () => talk(modem)));
  assert.deepEqual(ratesOfCard(wire), ['460800']);
});

test('a modem that says OK and stays at its rate costs seconds and no exchange', async () => {
  const { clock, wire, open } = rig({ spoil: (text) => text.replace(/AT\+IPR=\d{6}/, 'AT+CMEE=1') });
  const modem = await open(460_800);
  await clock.settle(modem.hurry(LONG, () => talk(modem)));
  assert.deepEqual(ratesOfCard(wire), ['115200']);
  const tries = (): number => wire.lines.filter((line) => /AT\+IPR=4/.test(line)).length;
  const before = tries();
  await clock.settle(modem.hurry(LONG, () => talk(modem)));
  assert.equal(tries(), before, 'what failed once is not tried again');
});

test('a wire that does not carry the new rate is told in bounded time, and works again once the modem has restarted', async () => {
  const { sim, clock, wire, open } = rig({ carries: 300_000 });
  const modem = await open(460_800);
  await assert.rejects(clock.settle(modem.hurry(LONG, () => talk(modem))), (error) =>
    isAgentError(error, 'AT_TIMEOUT'),
  );
  assert.ok(clock.now() < 300_000, `${clock.now()} ms`);
  await clock.settle(sim.powerCycle());
  await clock.settle(modem.hurry(LONG, () => talk(modem)));
  assert.deepEqual(ratesOfCard(wire), ['115200']);
});

test('an exchange that broke at the raised rate is made at the line’s own the next time', async () => {
  const { clock, wire, open } = rig();
  const modem = await open(460_800);
  const broken = modem.hurry(LONG, () => Promise.reject(new AgentError('CARD_LOST')));
  await assert.rejects(clock.settle(broken), (error) => isAgentError(error, 'CARD_LOST'));
  await clock.settle(modem.hurry(LONG, () => talk(modem)));
  assert.deepEqual(ratesOfCard(wire), ['115200']);
});

test('a modem that a killed program left at the raised rate is found at the next start, and brought back', async () => {
  const { sim, clock, wire, open } = rig();
  const first = await open(921_600);
  void first.hurry(LONG, () => new Promise<never>(() => {}));
  await clock.advance(5_000);
  assert.equal(sim.baudRate, 921_600);
  const second = await open();
  await clock.settle(talk(second));
  assert.equal(sim.baudRate, 115_200);
  assert.equal(wire.terminalRate, 115_200);
});

test('a modem that restarts in the middle of a raised exchange is heard again at its own rate', async () => {
  const { sim, clock, wire, open } = rig();
  const modem = await open(921_600);
  await assert.rejects(
    clock.settle(
      modem.hurry(LONG, async () => {
        await sim.powerCycle();
        await talk(modem);
      }),
    ),
    (error) => isAgentError(error),
  );
  await clock.settle(talk(modem));
  assert.equal(ratesOfCard(wire).at(-1), '115200');
  assert.equal(wire.terminalRate, 115_200);
});

test('work that fails leaves the line at its own rate', async () => {
  const { sim, clock, open } = rig();
  const modem = await open(460_800);
  const work = modem.hurry(LONG, () => Promise.reject(new AgentError('CARD_STATUS')));
  await assert.rejects(clock.settle(work), (error) => isAgentError(error, 'CARD_STATUS'));
  assert.equal(sim.baudRate, 115_200);
});

test('a modem that is set to another rate than the configuration says is found, and used at its own where it has no other', async () => {
  const found = rig({ sim: { baudRate: 9600 } });
  await found.clock.settle(talk(await found.open()));
  assert.equal(found.sim.baudRate, 115_200);
  const stubborn = rig({ sim: { baudRate: 57_600, quirks: { missing: ['+IPR'] } } });
  await stubborn.clock.settle(talk(await stubborn.open()));
  assert.equal(stubborn.wire.terminalRate, 57_600);
});

test('the exchange takes the time of the raised rate', async () => {
  const timing = { mode: 'counted', baudRate: 9600 } as const;
  const took = async (max: number | undefined): Promise<number> => {
    const { sim, clock, open } = rig({ sim: { baudRate: 9600, timing }, baudRate: 9600 });
    const modem = await open(max);
    let before = 0;
    let after = 0;
    await clock.settle(
      modem.hurry(LONG, async () => {
        before = sim.elapsedUs();
        await talk(modem);
        after = sim.elapsedUs();
      }),
    );
    return after - before;
  };
  const [slow, fast] = [await took(undefined), await took(115_200)];
  assert.ok(Math.abs(slow / fast - 12) < 0.5, `${slow} and ${fast} microseconds`);
});

test('rates are read from lists, ranges and both, and only a gain of seconds is one', () => {
  assert.deepEqual(offeredRates('(0,9600),(19200,115200)'), [115_200, 19_200, 9600]);
  assert.deepEqual(offeredRates('(),(300-460800)').slice(0, 3), [460_800, 230_400, 115_200]);
  assert.deepEqual(offeredRates('(0),()'), []);
  assert.equal(pays(60_000, 115_200, 460_800), true);
  assert.equal(pays(10_000, 115_200, 921_600), false);
  assert.equal(pays(10_000, 9600, 115_200), true);
  assert.equal(pays(60_000, 460_800, 115_200), false);
});
