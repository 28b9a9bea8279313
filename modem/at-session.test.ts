import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { isAgentError, type ErrorCode } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { attention, csim, openLogicalChannel, rawLine, registration, serialNumber } from './at-commands.ts';
import { cmeErrorOf, openAtSession, type AtEvent, type AtSession } from './at-session.ts';
import { createLinkPair } from './byte-link.ts';
import { createTestingModem, ok, SYNC_ANSWERS, type TestingModem } from './testing-modem.ts';

type Rig = {
  readonly session: AtSession;
  readonly clock: VirtualClock;
  /** Every command line in order. */
  readonly sent: string[];
  readonly events: AtEvent[];
  /** Sends text as the modem does, at any time. */
  readonly say: TestingModem['say'];
  readonly close: TestingModem['close'];
};

/** A session whose other end answers each line by `answer`; undefined keeps silent. */
function rig(answer: (line: string) => string | undefined): Rig {
  const { link, heard, say, close } = createTestingModem(answer);
  const clock = createVirtualClock();
  const session = openAtSession({ link, clock, log: silentLog });
  const events: AtEvent[] = [];
  session.subscribe((event) => events.push(event));
  return { session, clock, sent: heard, events, say, close };
}

const failsWith =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAgentError(error, code);
const SELECT = fromHex('00A40004023F00');

test('an answer in any spelling is the same answer', async () => {
  const forms = [
    '\r\n+CSIM: 4,"9000"\r\n\r\nOK\r\n',
    '+CSIM:4,"9000"\nOK\n',
    '+CSIM: 4,9000\rOK\r',
    '\r\n+CSIM: 4,9000"\r\n\r\nOK\r\n',
    `AT+CSIM=14,"${toHex(SELECT)}"\r\r\n+CSIM : 4 , "9000"\r\nOK\r\n`,
    '\r\n+CREG: 1\r\n\r\n+CSIM: 4,"9000"\r\n+CMTI: "SM",1\r\nOK\r\n',
  ];
  for (const form of forms) {
    const { session, clock } = rig(() => form);
    assert.deepEqual(await clock.settle(session.run(csim, [SELECT])), {
      data: new Uint8Array(0),
      sw: 0x9000,
    });
  }
});

test('a session id is opaque, with or without its prefix', async () => {
  for (const [form, id] of [
    ['+CCHO: 1', '1'],
    ['1', '1'],
    ['+CCHO:7FFFFFFF00000001', '7FFFFFFF00000001'],
    ['+CCHO: "2"', '2'],
  ] as const) {
    const { session, clock } = rig(() => ok(form));
    assert.equal(await clock.settle(session.run(openLogicalChannel, [SELECT])), id);
  }
});

test('commands run one at a time in the order of the calls', async () => {
  const { session, clock, sent } = rig((line) => ok(`+${line.slice(3)}`));
  const answers = await clock.settle(
    Promise.all(['AT+A', 'AT+B', 'AT+C'].map((line) => session.run(rawLine, [line]))),
  );
  assert.deepEqual(answers, [['+A'], ['+B'], ['+C']]);
  assert.deepEqual(sent, ['AT+A', 'AT+B', 'AT+C']);
});

test('unsolicited lines go to the subscribers, in and outside of answers', async () => {
  const { session, clock, events, say } = rig(() => '\r\n+CEREG: 5\r\n\r\n+CEREG: 2,1\r\n\r\nOK\r\n');
  await say('\r\nRING\r\n');
  assert.equal(await clock.settle(session.run(registration, ['CEREG'])), '1');
  assert.deepEqual(events, [
    { is: 'unsolicited', line: 'RING' },
    { is: 'unsolicited', line: '+CEREG: 5' },
  ]);
});

test('every final result code of the table ends the command', async () => {
  for (const [line, code, number] of [
    ['ERROR', 'ERROR', undefined],
    ['+CME ERROR: 13', 'CME', 13],
    ['+CME ERROR: SIM busy', 'CME', 14],
    ['+CME ERROR: Parameters error', 'CME', 50],
    ['+CMS ERROR: 310', 'CMS', undefined],
    ['NO CARRIER', 'NO CARRIER', undefined],
    ['NO DIALTONE', 'NO DIALTONE', undefined],
    ['BUSY', 'BUSY', undefined],
    ['NO ANSWER', 'NO ANSWER', undefined],
    ['ABORTED', 'ABORTED', undefined],
  ] as const) {
    const { session, clock } = rig(() => `\r\n${line}\r\n`);
    await assert.rejects(clock.settle(session.run(attention, [])), (error) => {
      assert.ok(isAgentError(error, 'AT_ERROR'));
      assert.equal(error.data['code'], code);
      assert.equal(cmeErrorOf(error), number);
      return true;
    });
  }
});

test('a silent modem costs the deadline of the command and no more', async () => {
  const { session, clock } = rig(() => undefined);
  await assert.rejects(clock.settle(session.run(attention, [])), failsWith('AT_TIMEOUT'));
  assert.equal(clock.now(), 2000);
});

test('a late answer is never taken for the answer of the next command', async () => {
  const { session, clock, say, sent, events } = rig((line) => {
    if (line.startsWith('AT+CSIM=14')) return undefined;
    if (line.startsWith('AT+CSIM')) return ok('+CSIM: 4,"6A82"');
    return SYNC_ANSWERS[line];
  });
  await assert.rejects(clock.settle(session.run(csim, [SELECT], { timeoutMs: 50 })), failsWith('AT_TIMEOUT'));
  const next = session.run(csim, [fromHex('00A40004')]);
  await say(ok('+CSIM: 4,"9000"'));
  assert.equal((await clock.settle(next)).sw, 0x6a82);
  assert.deepEqual(sent.slice(1), ['AT+CMEE?', 'AT+CSIM=8,"00A40004"']);
  assert.deepEqual(events, [{ is: 'unsolicited', line: '+CSIM: 4,"9000"' }]);
});

test('a late answer that comes before anything else was asked is dropped too', async () => {
  const { session, clock, say } = rig(
    (line) => SYNC_ANSWERS[line] ?? (line === 'AT+X' ? undefined : ok('+Y')),
  );
  await assert.rejects(
    clock.settle(session.run(rawLine, ['AT+X'], { timeoutMs: 50 })),
    failsWith('AT_TIMEOUT'),
  );
  await say(ok('+X: late'));
  await clock.advance(10);
  assert.deepEqual(await clock.settle(session.run(rawLine, ['AT+Y'])), ['+Y']);
});

test('late answers to earlier attempts of finding the way back do not count for later ones', async () => {
  const { session, clock, say, sent } = rig((line) =>
    line === 'AT+X' || line === 'AT+CMEE?' ? undefined : (SYNC_ANSWERS[line] ?? ok('+Y')),
  );
  await assert.rejects(
    clock.settle(session.run(rawLine, ['AT+X'], { timeoutMs: 50 })),
    failsWith('AT_TIMEOUT'),
  );
  const next = session.run(rawLine, ['AT+Y']);
  await clock.advance(1000);
  await say(ok('+X: late'));
  assert.deepEqual(await clock.settle(next), ['+Y']);
  assert.deepEqual(sent, ['AT+X', 'AT+CMEE?', 'ATQ0V1E0+CFUN?', 'AT+Y']);
});

test('a modem that stays silent fails the next command instead of hanging it', async () => {
  const { session, clock } = rig(() => undefined);
  await assert.rejects(clock.settle(session.run(attention, [])), failsWith('AT_TIMEOUT'));
  await assert.rejects(clock.settle(session.run(attention, [])), failsWith('AT_TIMEOUT'));
  assert.equal(clock.now(), 2000 + 4 * 2000);
});

test('a modem that answers in numbers, or not at all, is made to answer in words', async () => {
  for (const numeric of ['0\r', '']) {
    let words = false;
    const { session, clock } = rig((line) => {
      words ||= line.startsWith('ATQ0V1');
      if (words) return SYNC_ANSWERS[line] ?? ok('+Y');
      return line === 'AT+CMEE?' && numeric !== '' ? `+CMEE: 0\r\n${numeric}` : numeric;
    });
    await assert.rejects(clock.settle(session.run(attention, [])), failsWith('AT_TIMEOUT'));
    assert.deepEqual(await clock.settle(session.run(rawLine, ['AT+Y'])), ['+Y']);
  }
});

test('a result code that is there twice does not shift the answers', async () => {
  const { session, clock } = rig((line) => {
    if (line === 'AT') return '\r\nOK\r\n\r\nOK\r\n';
    if (line.startsWith('AT+CSIM')) return ok('+CSIM: 4,"6A82"');
    return SYNC_ANSWERS[line];
  });
  await clock.settle(session.run(attention, []));
  await clock.advance(1);
  assert.equal((await clock.settle(session.run(csim, [SELECT]))).sw, 0x6a82);
});

test('an answer that goes on after its result code does not shift the answers', async () => {
  let owed = '\r\nOK\r\n';
  const { session, clock, say } = rig((line) => {
    if (line === 'AT+CGSN') return '\r\nERROR\r\n';
    const text = owed + (SYNC_ANSWERS[line] ?? ok('+CSIM: 4,"6A82"'));
    owed = '';
    return text;
  });
  await assert.rejects(clock.settle(session.run(serialNumber, [])), failsWith('AT_ERROR'));
  await say('\r\n490154203237518\r\n'); // its OK comes when the next command is on its way
  await clock.advance(1);
  assert.equal((await clock.settle(session.run(csim, [SELECT]))).sw, 0x6a82);
});

test('an echo is no part of the answer', async () => {
  const { session, clock } = rig((line) => `${line}\r${ok('+A: 1')}`);
  assert.deepEqual(await clock.settle(session.run(rawLine, ['AT+A'])), ['+A: 1']);
});

test('a torn answer is refused and the next command gets its own', async () => {
  let torn = true;
  const { session, clock } = rig((line) => {
    if (!line.startsWith('AT+CSIM')) return SYNC_ANSWERS[line];
    const text = torn ? ok('+CSIM: 8,"1290') : ok('+CSIM: 4,"9000"');
    torn = false;
    return text;
  });
  await assert.rejects(clock.settle(session.run(csim, [SELECT])), failsWith('AT_ANSWER'));
  assert.equal((await clock.settle(session.run(csim, [SELECT]))).sw, 0x9000);
});

test('what no card can have said is no answer', async () => {
  for (const info of ['+CSIM: 4,"0000"', '+CSIM: 2,"90"', '+CSIM: 5,"90000"', '+CSIM: 0,""']) {
    const { session, clock } = rig(() => ok(info));
    await assert.rejects(clock.settle(session.run(csim, [SELECT])), failsWith('AT_ANSWER'));
  }
});

test('cancelling lets the caller go at once and leaves the next call whole', async () => {
  const { session, clock, say } = rig(
    (line) => SYNC_ANSWERS[line] ?? (line === 'AT+Y' ? ok('+Y') : undefined),
  );
  const stop = new AbortController();
  const cancelled = session.run(rawLine, ['AT+X'], { signal: stop.signal });
  const next = session.run(rawLine, ['AT+Y']);
  const queued = session.run(rawLine, ['AT+Z'], { signal: stop.signal });
  await clock.advance(10);
  stop.abort();
  await assert.rejects(cancelled, failsWith('ABORTED'));
  await assert.rejects(queued, failsWith('ABORTED'));
  await say(ok('+X: 1'));
  assert.deepEqual(await clock.settle(next), ['+Y']);
});

test('closing rejects who waits and all who come later', async () => {
  const { session, clock } = rig(() => undefined);
  const waiting = session.run(attention, []);
  const behind = session.run(attention, []);
  await clock.advance(1);
  await session.close();
  await session.close();
  await assert.rejects(waiting, failsWith('LINK_CLOSED'));
  await assert.rejects(behind, failsWith('LINK_CLOSED'));
  await assert.rejects(session.run(attention, []), failsWith('LINK_CLOSED'));
  await session.closed;
});

test('a line that goes away in mid-answer rejects who waits', async () => {
  const { session, clock, close, say } = rig(() => undefined);
  const waiting = session.run(attention, []);
  await say('\r\n+CSI');
  await clock.advance(1);
  await close();
  await assert.rejects(waiting, failsWith('LINK_CLOSED'));
});

test('an unexpected prompt is left with ESC', async () => {
  const [link, peer] = createLinkPair();
  const session = openAtSession({ link, clock: createVirtualClock(), log: silentLog });
  await peer.write(utf8Bytes('\r\n> '));
  for await (const chunk of peer.read) {
    assert.deepEqual([...chunk], [0x1b]);
    break;
  }
  await session.close();
});

test('the IMEI is taken with or without prefix and version', async () => {
  for (const info of ['490154203237518', '+CGSN: "490154203237518"', '49015420323751800']) {
    const { session, clock } = rig(() => ok(info));
    assert.equal(await clock.settle(session.run(serialNumber, [])), '490154203237518');
  }
});

test('an answer without an end is refused before it fills the memory, and the next command gets its own', async () => {
  const { session, clock } = rig((line) =>
    line === 'AT+X' ? '+X: 1234567890\r\n'.repeat(100_000) : (SYNC_ANSWERS[line] ?? ok('+Y')),
  );
  await assert.rejects(clock.settle(session.run(rawLine, ['AT+X'])), failsWith('AT_ANSWER'));
  assert.deepEqual(await clock.settle(session.run(rawLine, ['AT+Y'])), ['+Y']);
});

test('blanks without end, where patterns allow any number, keep nobody busy', async () => {
  const blanks = ' '.repeat(16_000);
  const { session, clock } = rig((line) => SYNC_ANSWERS[line] ?? `\r\n+CSIM: 4,${blanks}x\r\nOK\r\n`);
  await assert.rejects(clock.settle(session.run(csim, [SELECT])), failsWith('AT_ANSWER'));
});
