import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesUtf8, utf8Bytes } from '../../base/bytes.ts';
import { createVirtualClock, type Clock } from '../../base/clock.ts';
import { createLinkPair, type ByteLink } from '../byte-link.ts';
import { createLinePacer, openSimLine, type SimLine } from './line-pacer.ts';

/** Milliseconds of one +CSIM exchange with N octets of data, counted by hand: 8N1, command, then answer. */
const TABLE: readonly (readonly [baudRate: number, n: number, ms: number])[] = [
  [9600, 120, 302.1],
  [9600, 255, 583.3],
  [115200, 120, 25.2],
  [115200, 255, 48.6],
  [460800, 120, 6.3],
  [460800, 255, 12.2],
  [921600, 120, 3.1],
  [921600, 255, 6.1],
];

const ANSWER = '\r\n+CSIM: 4,"9000"\r\n\r\nOK\r\n';
const commandOf = (n: number): string => {
  const hex = 2 * (5 + n);
  return `AT+CSIM=${hex},"${'0'.repeat(hex)}"\r`;
};

/** Answers each line that arrives. */
async function answerLines(line: SimLine): Promise<void> {
  let typed = '';
  for await (const { bytes, endedUs } of line.arrivals) {
    typed += bytesUtf8(bytes);
    if (!typed.endsWith('\r')) continue;
    typed = '';
    line.send(utf8Bytes(ANSWER), endedUs);
  }
}

async function exchange(link: ByteLink, text: string): Promise<void> {
  await link.write(utf8Bytes(text));
  let got = '';
  for await (const chunk of link.read) {
    got += bytesUtf8(chunk);
    if (got.length === ANSWER.length) break;
  }
  assert.equal(got, ANSWER);
}

async function run(
  clock: Clock,
  mode: 'timed' | 'counted',
  baudRate: number,
  n: number,
  times: number,
): Promise<SimLine> {
  const [link, peer] = createLinkPair();
  const line = openSimLine(peer, clock, { mode, baudRate });
  void answerLines(line);
  for (let i = 0; i < times; i++) await exchange(link, commandOf(n));
  return line;
}

test('added up, an exchange takes what its octets take on the line', async () => {
  for (const [baudRate, n, ms] of TABLE) {
    const line = await run(createVirtualClock(), 'counted', baudRate, n, 10);
    assert.equal((line.elapsedUs() / 10_000).toFixed(1), ms.toFixed(1), `${baudRate} baud, ${n} octets`);
    await line.close();
  }
});

test('by the clock it takes the same', async () => {
  const clock = createVirtualClock();
  await clock.settle(run(clock, 'timed', 9600, 120, 10));
  assert.equal((clock.now() / 10).toFixed(1), '302.1');
});

test('an echo that starts with the first octet costs one octet, after the line it doubles the way', async () => {
  const echoTime = async (late: boolean): Promise<number> => {
    const [link, peer] = createLinkPair();
    const line = openSimLine(peer, createVirtualClock(), { mode: 'counted', baudRate: 9600 });
    await link.write(new Uint8Array(96));
    for await (const { bytes, beganUs } of line.arrivals) {
      line.send(bytes, late ? undefined : beganUs);
      break;
    }
    await line.close();
    return line.elapsedUs();
  };
  assert.equal(Math.round(await echoTime(false)), Math.round((97 * 1e7) / 9600));
  assert.equal(Math.round(await echoTime(true)), Math.round((192 * 1e7) / 9600));
});

test('octets handed over in small pieces lose no time', () => {
  const pacer = createLinePacer(115200);
  let last = 0;
  for (let i = 0; i < 1000; i++) last = pacer.take(1, 0).lastUs;
  assert.equal(Math.round(last), Math.round((1000 * 1e7) / 115200));
});

test('without a rate nothing is delayed or counted', async () => {
  const [link, peer] = createLinkPair();
  const line = openSimLine(peer, createVirtualClock(), { mode: 'none' });
  void answerLines(line);
  await exchange(link, commandOf(255));
  assert.equal(line.elapsedUs(), 0);
  await line.close();
});
