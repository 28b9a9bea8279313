// The driver against modems that answer late, twice, torn, chattering, or in forms of their own: nothing wrong is believed, nothing hangs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import {
  cgla,
  csim,
  functionality,
  manufacturer,
  openLogicalChannel,
  pinState,
  rawLine,
} from './at-commands.ts';
import { type AtSession, openAtSession } from './at-session.ts';
import { createLinkPair } from './byte-link.ts';
import type { CardMemory } from './card-lessons.ts';
import { openModem } from './modem.ts';
import { createTestingModem, ok, SYNC_ANSWERS, type TestingModem } from './testing-modem.ts';

type Talk = { readonly session: AtSession; readonly modem: TestingModem; readonly clock: VirtualClock };

function talk(answer: (line: string) => string | undefined): Talk {
  const clock = createVirtualClock();
  const modem = createTestingModem((line) => answer(line) ?? SYNC_ANSWERS[line]);
  return { clock, modem, session: openAtSession({ link: modem.link, clock, log: silentLog }) };
}

const SELECT = fromHex('00A40004023F00');
const STATUS = fromHex('80F2000000');

/** A command that is never answered in time, and then another whose own answer is 6A82. */
async function late(words: readonly string[], between: 'before' | 'while'): Promise<number> {
  const { session, modem, clock } = talk((line) =>
    line.startsWith('AT+CSIM=14')
      ? undefined
      : line.startsWith('AT+CSIM')
        ? ok('+CSIM: 4,"6A82"')
        : undefined,
  );
  for (let n = 0; n < words.length; n++) {
    const lost = session.run(csim, [SELECT], { timeoutMs: 50 });
    await assert.rejects(clock.settle(lost), (error) => isAgentError(error, 'AT_TIMEOUT'));
  }
  if (between === 'before') for (const word of words) await modem.say(word);
  await clock.advance(1);
  const next = session.run(csim, [STATUS]);
  if (between === 'while') for (const word of words) await modem.say(word);
  return (await clock.settle(next)).sw;
}

test('no late answer is taken for the next command’s: a lone OK, one of the right length, two of them, an error, half of one', async () => {
  const right = ok('+CSIM: 4,"9000"');
  for (const words of [
    ['\r\nOK\r\n'],
    [right],
    [right, right],
    ['\r\n+CME ERROR: 13\r\n'],
    ['\r\nERROR\r\n', right],
    ['\r\n+CSIM: 4,"90'],
    ['00"\r\n\r\nOK\r\n'],
  ]) {
    for (const between of ['before', 'while'] as const)
      assert.equal(await late(words, between), 0x6a82, `${JSON.stringify(words)} ${between}`);
  }
});

test('a late OK does not make a command without an answer succeed', async () => {
  const { session, modem, clock } = talk((line) =>
    line === 'AT+X' ? undefined : line === 'AT+CFUN=1' ? '\r\n+CME ERROR: 3\r\n' : undefined,
  );
  await assert.rejects(clock.settle(session.run(rawLine, ['AT+X'], { timeoutMs: 50 })));
  const next = session.run(functionality, [1]);
  await modem.say('\r\nOK\r\n');
  await assert.rejects(clock.settle(next), (error) => isAgentError(error, 'AT_ERROR'));
});

test('a report in the middle of an answer’s line costs the answer, and is never part of it', async () => {
  for (const answer of [
    '\r\n+CSIM: 4,"90\r\n+CREG: 1\r\n00"\r\n\r\nOK\r\n',
    '\r\n+CSIM: 4,"90+CREG: 1\r\n00"\r\n\r\nOK\r\n',
    '\r\n+CSIM: 12,"9000RING9000"\r\n\r\nOK\r\n',
    '\r\n+CSIM: 4,"9000"\r\n+CSIM: 4,"6A82"\r\n\r\nOK\r\n',
  ]) {
    const { session, clock } = talk((line) => (line.startsWith('AT+CSIM') ? answer : undefined));
    await assert.rejects(clock.settle(session.run(csim, [SELECT])), (error) =>
      isAgentError(error, 'AT_ANSWER'),
    );
  }
});

test('lines around an answer are reports, whatever stands between', async () => {
  const noise = '\r\nRING\r\n\r\n+CMTI: "SM",3\r\n\r\n^RSSI: 20\r\n\r\nSMS DONE\r\n';
  const { session, clock } = talk((line) =>
    line.startsWith('AT+CGLA') ? `${noise}\r\n+CGLA: 4,"9000"\r\n${noise}\r\nOK\r\n${noise}` : undefined,
  );
  const heard: string[] = [];
  session.subscribe((event) => void (event.is === 'unsolicited' && heard.push(event.line)));
  for (let n = 0; n < 3; n++) assert.equal((await clock.settle(session.run(cgla, ['1', STATUS]))).sw, 0x9000);
  await clock.advance(10);
  assert.equal(heard.length, 3 * 3 * 4);
});

test('octets one by one, with odd line ends, flow control and blanks, are the same answer', async () => {
  const forms = [
    '\r\n\r\n+CSIM: 4,"9000"\r\n\n\n\rOK\r\n',
    '\u0011\r\n+CSIM: 4,"9000"\r\n\u0013\u0011\r\nOK\r\n',
    '\r\n+CSIM: 4,"9000"\r\n\r\n OK \r\n',
    '\n+CSIM:4,9000\nOK\n',
    '\u0000\u0000\r\n+CSIM: 4,"9000"\r\n\r\nOK\r\n',
  ];
  for (const form of forms) {
    const clock = createVirtualClock();
    const [link, peer] = createLinkPair();
    const session = openAtSession({ link, clock, log: silentLog });
    void (async () => {
      for await (const heard of peer.read)
        if (heard.length > 0) for (const octet of utf8Bytes(form)) await peer.write(Uint8Array.of(octet));
    })();
    assert.equal((await clock.settle(session.run(csim, [SELECT]))).sw, 0x9000, JSON.stringify(form));
  }
});

test('an error is one in every spelling', async () => {
  for (const line of [
    '+CME ERROR: 14',
    '+CME ERROR:14',
    '+cme error: SIM busy',
    '+CME ERROR: "SIM busy"',
    '+CME ERROR 14',
    ' ERROR',
    '+CME ERROR',
  ]) {
    const { session, clock } = talk((sent) => (sent.startsWith('AT+CSIM') ? `\r\n${line}\r\n` : undefined));
    await assert.rejects(
      clock.settle(session.run(csim, [SELECT])),
      (error) => isAgentError(error, 'AT_ERROR'),
      line,
    );
  }
});

test('a modem that asks for text again and again is told no once a second', async () => {
  const clock = createVirtualClock();
  const [link, peer] = createLinkPair();
  const session = openAtSession({ link, clock, log: silentLog });
  let escapes = 0;
  void (async () => {
    for await (const chunk of peer.read) {
      escapes += chunk.filter((octet) => octet === 0x1b).length;
      await peer.write(utf8Bytes('\r\n> '));
    }
  })();
  await assert.rejects(clock.settle(session.run(rawLine, ['AT+X'], { timeoutMs: 5_000 })));
  assert.ok(escapes >= 1 && escapes <= 6, `${escapes}`);
  await session.close();
});

test('the last +CPIN line counts, and a report is no name of a maker', async () => {
  const { session, clock } = talk((line) =>
    line === 'AT+CPIN?'
      ? ok('+CPIN: NOT READY', '+CPIN: READY')
      : line === 'AT+CGMI'
        ? '\r\nRDY\r\n\r\nPB DONE\r\n\r\nQuectel\r\n\r\nOK\r\n'
        : undefined,
  );
  assert.equal(await clock.settle(session.run(pinState, [])), 'READY');
  assert.equal(await clock.settle(session.run(manufacturer, [])), 'Quectel');
});

test('a session’s handle comes back as it was, and none is made up', async () => {
  for (const [answer, id] of [
    [ok('+CCHO: 00000000C0FFEE01'), '00000000C0FFEE01'],
    [ok('7'), '7'],
    [ok('+CCHO:  "11"'), '11'],
  ] as const) {
    const { session, modem, clock } = talk((line) =>
      line.startsWith('AT+CCHO') ? answer : line.startsWith('AT+CGLA') ? ok('+CGLA: 4,"9000"') : undefined,
    );
    const found = await clock.settle(session.run(openLogicalChannel, [encodeAid(AID_ISD_R)]));
    assert.equal(found, id);
    await clock.settle(session.run(cgla, [found, STATUS]));
    assert.ok(modem.heard.at(-1)?.startsWith(`AT+CGLA=${id},`));
  }
  for (const answer of ['\r\nOK\r\n', ok('+CCHO:'), ok('+CCHO: 1,2')]) {
    const { session, clock } = talk((line) => (line.startsWith('AT+CCHO') ? answer : undefined));
    await assert.rejects(clock.settle(session.run(openLogicalChannel, [encodeAid(AID_ISD_R)])), (error) =>
      isAgentError(error, 'AT_ANSWER'),
    );
  }
});

/** What a plain modem says, by command; the card's answers come from `card`. */
function plainModem(line: string, card: (apdu: string) => string): string | undefined {
  const answers: Readonly<Record<string, string>> = {
    'AT+CGMI': ok('Maker'),
    'AT+CGMM': ok('Model'),
    'AT+CGMR': ok('1'),
    'AT+CGSN': ok('490154203237518'),
  };
  const apdu = /^AT\+CGLA=1,\d+,"([0-9A-F]+)"$/.exec(line)?.[1];
  if (apdu !== undefined) return card(apdu);
  if (line.startsWith('AT+CCHO')) return ok('+CCHO: 1');
  if (line.startsWith('AT+CSIM')) return '\r\nERROR\r\n';
  return SYNC_ANSWERS[line] ?? answers[line] ?? '\r\nOK\r\n';
}

async function modemOf(
  answer: (line: string) => string | undefined,
  onLearned: (card: CardMemory) => void = () => {},
) {
  const clock = createVirtualClock();
  const made = createTestingModem(answer);
  const modem = await clock.settle(
    openModem({
      openLink: async () => made.link,
      clock,
      log: silentLog,
      onLearned: (_, { card }) => card && onLearned(card),
    }),
  );
  const open = async () => clock.settle((await modem.openCard()).openChannel(encodeAid(AID_ISD_R)));
  return { clock, modem, open, heard: made.heard };
}

test('a modem that says for ever that it has just started is worked with all the same', async () => {
  const { clock, modem, heard } = await modemOf(
    (line) => `\r\nRDY\r\n\r\nAPP RDY\r\n${plainModem(line, () => '\r\nERROR\r\n') ?? ''}`,
  );
  assert.equal(await clock.settle(modem.imei()), '490154203237518');
  const before = heard.length;
  await clock.advance(600_000);
  for (let n = 0; n < 20; n++) await clock.settle(modem.command('AT+CSQ'));
  assert.ok(heard.length - before < 200, `${heard.length - before} lines`);
});

test('inside STORE DATA nothing is sent a second time, whatever the modem or the card says', async () => {
  const BLOCK = `80E2110010${'AA'.repeat(16)}`;
  for (const answer of [
    '\r\nERROR\r\n',
    '\r\n+CME ERROR: 3\r\n',
    '\r\n+CME ERROR: 14\r\n',
    ok('+CGLA: 4,"6C10"'),
    ok('+CGLA: 4,"6601"'),
    ok('+CGLA: 4,"90"'),
    ok(),
    undefined,
  ]) {
    const { clock, open, heard } = await modemOf((line) =>
      line.includes(BLOCK) ? answer : plainModem(line, () => ok('+CGLA: 4,"9000"')),
    );
    const channel = await open();
    await clock.settle(channel.transmit(fromHex(BLOCK)).catch(() => {}));
    await clock.advance(300_000);
    assert.equal(heard.filter((line) => line.includes(BLOCK)).length, 1, String(answer));
  }
});

test('GET RESPONSE ends: without data after rounds, with data at a bound, and 6Cxx is followed once', async () => {
  for (const fetched of ['+CGLA: 4,"6100"', `+CGLA: 514,"${'AB'.repeat(255)}61FF"`, '+CGLA: 4,"6C08"']) {
    const { clock, open, heard } = await modemOf((line) =>
      plainModem(line, (apdu) => ok(apdu.slice(2, 4) === 'C0' ? fetched : '+CGLA: 4,"6108"')),
    );
    const channel = await open();
    await assert.rejects(clock.settle(channel.transmit(fromHex('80E2910003BF2D00'))), (error) =>
      isAgentError(error, 'CARD_LOST'),
    );
    const rounds = heard.filter((line) => /"..C0/.test(line)).length;
    assert.ok(rounds <= 300, `${rounds} rounds of ${fetched.slice(0, 20)}`);
  }
});

test('commands get smaller after the errors that call for it, and not after those of a busy card', async () => {
  const long = fromHex(`80E21100FF${'AA'.repeat(255)}`);
  for (const [answer, expected] of [
    ['\r\nERROR\r\n', 120],
    ['\r\n+CME ERROR: 50\r\n', 120],
    ['\r\n+CME ERROR: Parameters error\r\n', 120],
    [ok('+CGLA: 4,"6601"'), 120],
    ['\r\n+CME ERROR: 14\r\n', 255],
    ['\r\n+CME ERROR: SIM not inserted\r\n', 255],
    ['\r\n+CME ERROR: 30\r\n', 255],
  ] as const) {
    const learned: CardMemory[] = [];
    const { clock, modem, open } = await modemOf(
      (line) => (line.includes('80E21100FF') ? answer : plainModem(line, () => ok('+CGLA: 4,"9000"'))),
      (card) => learned.push(card),
    );
    const channel = await open();
    await assert.rejects(clock.settle(channel.transmit(long)), (error) => isAgentError(error, 'CARD_LOST'));
    assert.equal((await modem.openCard()).maxCommandData, expected, answer);
    assert.equal(learned.at(-1)?.maxCommandData ?? 255, expected, answer);
    assert.equal(toHex(long.subarray(0, 1)), '80');
  }
});

test('a session is written down before anything is sent through it', async () => {
  const order: string[] = [];
  const clock = createVirtualClock();
  const made = createTestingModem((line) => {
    if (line.startsWith('AT+CGLA')) order.push('sent');
    return plainModem(line, () => ok('+CGLA: 4,"9000"'));
  });
  const modem = await clock.settle(
    openModem({
      openLink: async () => made.link,
      clock,
      log: silentLog,
      async onLearned(_, { openSessions = [] }) {
        if (openSessions.length === 0) return;
        await new Promise<void>((resolve) => clock.schedule(5_000, resolve));
        order.push('written');
      },
    }),
  );
  const work = (async () => {
    const channel = await (await modem.openCard()).openChannel(encodeAid(AID_ISD_R));
    await channel.transmit(STATUS);
  })();
  await clock.settle(work);
  assert.deepEqual(order, ['written', 'sent']);
});

test('an answer in a form that nobody knows is told as such, over either way', async () => {
  const unknown = ok('+CGLA: "9000"');
  const odd = await modemOf((line) => plainModem(line, () => unknown));
  const channel = await odd.open();
  await assert.rejects(odd.clock.settle(channel.transmit(fromHex('80E2910003BF2D00'))), (error) => {
    assert.ok(isAgentError(error, 'CARD_LOST'));
    assert.equal(error.data['detail'], 'OK with no answer in a known form');
    return true;
  });
  const mute = await modemOf((line) => (line.startsWith('AT+CCHO') ? ok('') : plainModem(line, () => '')));
  await assert.rejects(mute.open(), (error) => {
    assert.ok(isAgentError(error, 'CARD_ACCESS'));
    assert.equal(error.data['cgla'], 'OK with no answer in a known form');
    assert.equal(error.data['csim'], 'ERROR');
    return true;
  });
});
