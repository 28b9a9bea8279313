import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { createVirtualClock, sleep } from '../base/clock.ts';
import { isAgentError, type ErrorCode } from '../base/errors.ts';
import { Secret, silentLog } from '../base/log.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid, parseImei, parseImsi, type Aid } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import { createLinkPair, type ByteLink } from './byte-link.ts';
import type { OpenSession } from './card-sessions.ts';
import { openModem, type Modem } from './modem.ts';
import type { Registration } from './registration.ts';
import type { SimModemOptions } from './sim/sim-modem.ts';
import { TEST_PROFILES } from './sim/test-card.ts';
import { linkTo, openTestingDriver } from './testing-driver.ts';

const IMEI = parseImei('490154203237518');
const ISD_R = encodeAid(AID_ISD_R);

const failsWith =
  (code: ErrorCode, data: Record<string, unknown> = {}) =>
  (error: unknown): boolean => {
    assert.ok(isAgentError(error, code), String(error));
    for (const [key, value] of Object.entries(data)) assert.equal(error.data[key], value);
    return true;
  };

/** Hides commands from the modem, as modems that lack them do. */
function without(...commands: string[]): Partial<SimModemOptions> {
  return { quirks: { missing: commands } };
}

async function echo(modem: Modem, request: Uint8Array): Promise<Uint8Array> {
  const card = await modem.openCard();
  const channel = await card.openChannel(ISD_R);
  let data = new Uint8Array(0);
  for (const command of storeDataCommands(request, card.maxCommandData)) {
    const response = await channel.transmit(encodeCommandApdu(command));
    assert.equal(response.sw, 0x9000);
    data = Uint8Array.from(response.data);
  }
  await channel.close();
  return data;
}

test('it brings the dialogue into order and reads who and where the modem is', async () => {
  const { modem, clock } = await openTestingDriver();
  const identity = await clock.settle(modem.identity());
  assert.deepEqual(identity, {
    imei: IMEI,
    manufacturer: 'euicc-agent',
    model: 'Simulated modem',
    revision: 'SIM-1.0',
  });
  assert.deepEqual(await clock.settle(modem.simState()), { is: 'ready' });
  assert.equal(await clock.settle(modem.readIccid()), TEST_PROFILES[0]?.iccid);
  assert.deepEqual(await clock.settle(modem.registration()), {
    status: 'home',
    domain: 'CEREG',
    registered: true,
    roaming: false,
    areaCode: '1A2B',
    cellId: '01234567',
    accessTechnology: 7,
  });
  assert.deepEqual(await clock.settle(modem.operator()), { name: 'Test operator', accessTechnology: 7 });
  assert.equal(await clock.settle(modem.signalQuality()), 20);
  assert.deepEqual(await clock.settle(modem.command('AT+CMEE?')), ['+CMEE: 1']);
});

for (const [way, hidden] of [
  ['cgla', []],
  ['csim', ['+CCHO', '+CGLA', '+CCHC']],
] as const) {
  test(`a card exchange of any size goes both ways over ${way}`, async () => {
    const { modem, clock, card } = await openTestingDriver({ sim: without(...hidden) });
    for (const octets of [1, 2, 254, 255, 256, 700]) {
      const request = Uint8Array.from({ length: octets }, (_, i) => (i * 7 + 0x20) & 0xff);
      assert.equal(toHex(await clock.settle(echo(modem, request))), toHex(request));
    }
    assert.equal(card.openChannels(), 0);
  });

  test(`an application that is not there is the card's answer, and leaves no channel over ${way}`, async () => {
    const { modem, clock, card } = await openTestingDriver({ sim: without(...hidden) });
    const cardPort = await clock.settle(modem.openCard());
    await assert.rejects(
      clock.settle(cardPort.openChannel(encodeAid('A000000001' as Aid))),
      failsWith('CARD_STATUS', { sw: '6A82' }),
    );
    assert.equal(card.openChannels(), 0);
  });

  test(`several channels are open at once and calls keep their order over ${way}`, async () => {
    const { modem, clock } = await openTestingDriver({ sim: without(...hidden) });
    const card = await clock.settle(modem.openCard());
    const [a, b] = await clock.settle(Promise.all([card.openChannel(ISD_R), card.openChannel(ISD_R)]));
    assert.ok(a && b);
    const answers = await clock.settle(
      Promise.all(
        [a, b, a, b].map((channel, i) => channel.transmit(concat(fromHex('80E2910002A0'), Uint8Array.of(i)))),
      ),
    );
    assert.deepEqual(
      answers.map(({ data }) => toHex(data)),
      ['A000', 'A001', 'A002', 'A003'],
    );
    await clock.settle(card.close());
    await assert.rejects(a.transmit(fromHex('80E2910001A0')), failsWith('LINK_CLOSED'));
  });
}

test('GET RESPONSE, 6Cxx and 91xx: the data come whole, the status word as the card gave it', async () => {
  const { modem, clock } = await openTestingDriver();
  const card = await clock.settle(modem.openCard());
  const channel = await clock.settle(card.openChannel(ISD_R));
  assert.deepEqual(await clock.settle(channel.transmit(fromHex('80E2910004BF31010100'))), {
    data: fromHex('BF3103800100'),
    sw: 0x910b,
  });
  await clock.settle(card.basic.transmit(fromHex('00A40004022FE2')));
  assert.deepEqual(await clock.settle(card.basic.transmit(fromHex('00B0000000'))), {
    data: fromHex('989400000000000020F7'),
    sw: 0x9000,
  });
});

test('a way without end of GET RESPONSE is given up, and no answer made up', async () => {
  const { modem, clock } = await openTestingDriver({
    slot: (card) => ({
      ...card,
      transmit: async (apdu) =>
        apdu[1] === 0xe2 || apdu[1] === 0xc0 ? fromHex('6100') : card.transmit(apdu),
      reset: () => card.reset(),
      powerOff: () => card.powerOff(),
    }),
    sim: without('+CCHO'),
  });
  const card = await clock.settle(modem.openCard());
  await assert.rejects(clock.settle(card.openChannel(ISD_R)), failsWith('CARD_LOST'));
});

test('channels that a dead client left open are closed', async () => {
  for (const hidden of [[], ['+CCHO', '+CGLA', '+CCHC']]) {
    const { modem, clock, card, sim } = await openTestingDriver({ sim: without(...hidden) });
    const dead = await clock.settle(modem.openCard());
    for (let i = 0; i < 3; i++) await clock.settle(dead.openChannel(ISD_R));
    assert.equal(card.openChannels(), 3);
    const next = await clock.settle(openModem({ openLink: linkTo(sim), clock, log: silentLog }));
    await clock.settle((await clock.settle(next.openCard())).openChannel(ISD_R));
    assert.equal(card.openChannels(), 1);
  }
});

test('a session that an earlier life wrote down is closed at start, whatever its name', async () => {
  const written: (readonly OpenSession[])[] = [];
  const first = await openTestingDriver({
    modem: { onLearned: (_, { openSessions = [] }) => void written.push(openSessions) },
  });
  const card = await first.clock.settle(first.modem.openCard());
  await first.clock.settle(card.openChannel(ISD_R));
  assert.deepEqual(written.at(-1), [{ way: 'cgla', id: '1' }]);
  const again = await first.clock.settle(
    openModem({
      openLink: linkTo(first.sim),
      clock: first.clock,
      log: silentLog,
      remembered: () => ({ openSessions: written.at(-1) ?? [] }),
      quirks: { card: { sweepSessions: 0 } },
      onLearned: (_, { openSessions = [] }) => void written.push(openSessions),
    }),
  );
  const channel = await first.clock.settle((await again.openCard()).openChannel(ISD_R));
  assert.equal(first.card.openChannels(), 1);
  await first.clock.settle(channel.close());
  assert.deepEqual(written.at(-1), []);
  assert.equal(first.card.openChannels(), 0);
});

test('without any way to the card the error says what each way answered', async () => {
  const { modem, clock } = await openTestingDriver({ sim: without('+CCHO', '+CSIM') });
  const card = await clock.settle(modem.openCard());
  await assert.rejects(
    clock.settle(card.openChannel(ISD_R)),
    failsWith('CARD_ACCESS', { cgla: 'ERROR', csim: 'ERROR' }),
  );
  await assert.rejects(
    clock.settle(card.basic.transmit(fromHex('00A40004023F00'))),
    failsWith('CARD_ACCESS'),
  );
});

test('after a lost answer nothing is sent again and the channel must be opened anew', async () => {
  let slow = false;
  const clock = createVirtualClock();
  const { modem, card } = await openTestingDriver({
    clock,
    slot: (inner) => ({
      reset: () => inner.reset(),
      powerOff: () => inner.powerOff(),
      async transmit(apdu) {
        if (slow && apdu[1] === 0xe2) await sleep(clock, 40_000);
        return inner.transmit(apdu);
      },
    }),
  });
  const port = await clock.settle(modem.openCard());
  const channel = await clock.settle(port.openChannel(ISD_R));
  slow = true;
  const storeData = (): number => card.commands.filter((apdu) => apdu[1] === 0xe2).length;
  await assert.rejects(
    clock.settle(channel.transmit(fromHex('80E211000130'))),
    failsWith('CARD_LOST', { why: 'AT_TIMEOUT' }),
  );
  slow = false;
  await clock.advance(20_000);
  await assert.rejects(clock.settle(channel.transmit(fromHex('80E2910101A0'))), failsWith('CARD_LOST'));
  assert.equal(storeData(), 1);
  const next = await clock.settle(port.openChannel(ISD_R));
  assert.equal(toHex((await clock.settle(next.transmit(fromHex('80E2910001A1')))).data), 'A1');
});

test('when no channel is free those that nobody owns are closed, and our own stay', async () => {
  for (const hidden of [[], ['+CCHO', '+CGLA', '+CCHC']]) {
    const { modem, clock, card } = await openTestingDriver({ sim: without(...hidden) });
    const port = await clock.settle(modem.openCard());
    const ours = await clock.settle(port.openChannel(ISD_R));
    const leak = hidden.length === 0 ? `AT+CCHO="${AID_ISD_R}"` : 'AT+CSIM=10,"0070000001"';
    for (let i = 0; i < 2; i++) await clock.settle(modem.command(leak));
    assert.equal(card.openChannels(), 3);
    await clock.settle(port.openChannel(ISD_R));
    assert.equal(card.openChannels(), 2);
    assert.equal(toHex((await clock.settle(ours.transmit(fromHex('80E2910001A0')))).data), 'A0');
  }
});

test('cancelling an exchange lets the caller go and loses the channel only', async () => {
  const { modem, clock } = await openTestingDriver();
  const port = await clock.settle(modem.openCard());
  const channel = await clock.settle(port.openChannel(ISD_R));
  const stop = new AbortController();
  const cancelled = channel.transmit(fromHex('80E2910001A0'), { signal: stop.signal });
  stop.abort();
  await assert.rejects(clock.settle(cancelled), failsWith('ABORTED'));
  const next = await clock.settle(port.openChannel(ISD_R));
  assert.equal(toHex((await clock.settle(next.transmit(fromHex('80E2910001A0')))).data), 'A0');
});

test('a profile switch is seen without any help when the card asks for its reset', async () => {
  const { modem, clock, radio } = await openTestingDriver();
  const seen: Registration[] = [];
  modem.onRegistration((registration) => seen.push(registration));
  const [, next] = TEST_PROFILES;
  assert.ok(next);
  const card = await clock.settle(modem.openCard());
  const channel = await clock.settle(card.openChannel(ISD_R));
  await clock.settle(channel.transmit(fromHex('80E2910004BF310101')));
  const outcome = await clock.settle(modem.awaitProfile(next.iccid));
  assert.equal(outcome.seen, true);
  assert.deepEqual(
    outcome.steps.map(({ step }) => step),
    ['refresh'],
  );
  await clock.advance(100);
  assert.deepEqual([...radio.attached.keys()], [next.imsi]);
  assert.equal(seen.at(-1)?.registered, true);
  assert.ok(seen.some(({ registered }) => !registered));
});

test('where the modem ignores REFRESH the radio is switched off and on', async () => {
  const { modem, clock } = await openTestingDriver({ sim: { quirks: { proactive: 'ignored' } } });
  const [, next] = TEST_PROFILES;
  assert.ok(next);
  const card = await clock.settle(modem.openCard());
  const channel = await clock.settle(card.openChannel(ISD_R));
  await clock.settle(channel.transmit(fromHex('80E2910004BF310101')));
  const outcome = await clock.settle(modem.awaitProfile(next.iccid));
  assert.equal(outcome.seen, true);
  assert.deepEqual(
    outcome.steps.map(({ step }) => step),
    ['refresh', 'radio-cycle'],
  );
  assert.equal(outcome.steps[0]?.iccid, TEST_PROFILES[0]?.iccid);
});

test('a switch that never shows is told with all that was tried', async () => {
  const { modem, clock } = await openTestingDriver();
  const [, next] = TEST_PROFILES;
  assert.ok(next);
  const outcome = await clock.settle(modem.awaitProfile(next.iccid, { stepMs: 5000 }));
  assert.equal(outcome.seen, false);
  assert.deepEqual(
    outcome.steps.map(({ step }) => step),
    ['refresh', 'radio-cycle', 'restart'],
  );
});

test('the ICCID is read where +CRSM is missing', async () => {
  for (const hidden of [['+CRSM'], ['+CRSM', '+QCCID']]) {
    const { modem, clock } = await openTestingDriver({
      sim: { quirks: { missing: hidden, vendorCommands: ['+QCCID'] } },
    });
    assert.equal(await clock.settle(modem.readIccid()), TEST_PROFILES[0]?.iccid);
  }
});

test('a restart brings the modem back with reports switched on again', async () => {
  const { modem, clock, radio } = await openTestingDriver();
  await clock.settle(modem.restart());
  await clock.settle(modem.registration());
  const seen: Registration[] = [];
  modem.onRegistration((registration) => seen.push(registration));
  radio.setCoverage(false);
  await clock.advance(10);
  assert.equal(seen.at(-1)?.status, 'searching');
});

test('a line that went away comes back by itself at the next call', async () => {
  const { modem, clock, links } = await openTestingDriver();
  const card = await clock.settle(modem.openCard());
  const channel = await clock.settle(card.openChannel(ISD_R));
  await links[0]?.close();
  await assert.rejects(
    clock.settle(channel.transmit(fromHex('80E2910001A0'))),
    failsWith('CARD_LOST', { why: 'LINK_CLOSED' }),
  );
  assert.equal(await clock.settle(modem.imei()), IMEI);
  assert.equal(toHex(await clock.settle(echo(modem, fromHex('A0A1')))), 'A0A1');
  await links[1]?.close();
  await clock.advance(1);
  assert.equal(toHex(await clock.settle(echo(modem, fromHex('A0A1')))), 'A0A1');
  assert.equal(links.length, 3);
});

test('a port that answers nothing fails with a hint, within its deadlines', async () => {
  const clock = createVirtualClock();
  const openLink = async (): Promise<ByteLink> => createLinkPair()[0];
  await assert.rejects(
    clock.settle(openModem({ openLink, clock, log: silentLog })),
    failsWith('AT_TIMEOUT', { do: 'another port of the modem may be the right one' }),
  );
  assert.ok(clock.now() < 30_000);
});

test('a PIN is tried once, never a second time', async () => {
  const { modem, clock } = await openTestingDriver({ card: { pin: '1234' } });
  assert.deepEqual(await clock.settle(modem.simState()), { is: 'pin-required' });
  await assert.rejects(clock.settle(modem.enterPin(new Secret('0000'))), failsWith('PIN_REFUSED'));
  await assert.rejects(clock.settle(modem.enterPin(new Secret('1234'))), failsWith('PIN_REFUSED'));
  const right = await openTestingDriver({ card: { pin: '1234' } });
  await right.clock.settle(right.modem.enterPin(new Secret('1234')));
  assert.deepEqual(await right.clock.settle(right.modem.simState()), { is: 'ready' });
  await right.clock.settle(right.modem.enterPin(new Secret('9999')));
});

test('any length and split of a request comes back whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 400 }),
      fc.constantFrom<readonly string[]>([], ['+CCHO']),
      async (bytes, hidden) => {
        bytes[0] = 0x30; // no profile switch
        const { modem, clock } = await openTestingDriver({ sim: without(...hidden) });
        assert.equal(toHex(await clock.settle(echo(modem, bytes))), toHex(bytes));
      },
    ),
    { numRuns: 20 },
  );
});

test('the subscriber that the card names is the one that attaches', async () => {
  const imsi = parseImsi('310410123456789');
  const { radio } = await openTestingDriver({ card: { profiles: [{ ...TEST_PROFILES[0]!, imsi }] } });
  assert.deepEqual([...radio.attached], [[imsi, true]]);
});
