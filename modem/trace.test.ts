// A line is recorded, read back and played to the driver again.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { concat, toHex, utf8Bytes } from '../base/bytes.ts';
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { type AgentError, isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { AID_ISD_R, encodeAid, parseImei } from '../codec/ids.ts';
import {
  encodeTraceEntry,
  encodeTraceHeader,
  parseModemTrace,
  type ReadEntry,
  type TraceEntry,
} from '../codec/modem-trace.ts';
import { type ByteLink, createLinkPair } from './byte-link.ts';
import { type Modem, openModem } from './modem.ts';
import { createSimModem, type SimModemOptions } from './sim/sim-modem.ts';
import { createTestCard } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';
import { openTraceFile } from './trace-file.ts';
import { createTraceRecorder } from './trace-recorder.ts';
import { createTraceReplay } from './trace-replay.ts';

const IMEI = parseImei('490154203237518');
const HEADER = { program: 'test' };

function numbered(entries: readonly TraceEntry[]): ReadEntry[] {
  return entries.map((entry, i) => ({ ...entry, line: i + 2 }));
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'trace-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What a driver does on a line: questions, a card, and a restart with a second connection. */
async function work(modem: Modem): Promise<readonly string[]> {
  const seen = [await modem.imei(), String(await modem.signalQuality()), String(await modem.readIccid())];
  const channel = await (await modem.openCard()).openChannel(encodeAid(AID_ISD_R));
  const { data } = await channel.transmit(Uint8Array.of(0x80, 0xe2, 0x91, 0, 3, 1, 2, 3, 0));
  await channel.close();
  await modem.restart();
  seen.push(toHex(data), String((await modem.registration()).registered));
  return seen;
}

async function recorded(sim: Partial<SimModemOptions> = {}) {
  const clock = createVirtualClock();
  const radio = createTestRadio();
  const device = createSimModem({
    card: createTestCard(),
    radio,
    clock,
    log: silentLog,
    imei: IMEI,
    ...sim,
  });
  const entries: TraceEntry[] = [];
  const recorder = createTraceRecorder({ clock, write: (entry) => void entries.push(entry) });
  const openLink = async (): Promise<ByteLink> => {
    const [link, peer] = createLinkPair();
    device.connect(peer);
    return recorder.around(link);
  };
  await clock.advance(5_000);
  const seen = await clock.settle(
    openModem({ openLink, clock, log: silentLog }).then(async (modem) => {
      const found = await work(modem);
      await modem.close();
      return found;
    }),
  );
  return { entries, seen };
}

function played(clock: VirtualClock, entries: readonly ReadEntry[], pace: 'recorded' | 'at-once') {
  const replay = createTraceReplay(entries, { clock, pace });
  const done = openModem({ openLink: () => replay.openLink(), clock, log: silentLog }).then(async (modem) => {
    const seen = await work(modem);
    await modem.close();
    return seen;
  });
  return { replay, seen: () => clock.settle(done) };
}

for (const pace of ['recorded', 'at-once'] as const) {
  test(`a recorded line plays as a modem to the same driver, ${pace}`, async () => {
    const { entries, seen } = await recorded({ quirks: { answerDelay: 30 } });
    const clock = createVirtualClock();
    const { replay, seen: again } = played(clock, numbered(entries), pace);
    assert.deepEqual(await again(), seen);
    replay.finish();
    const took = (entries.at(-1)?.t ?? 0) - (entries[0]?.t ?? 0);
    if (pace === 'recorded') assert.ok(Math.abs(clock.now() - took) < 50, `${clock.now()} of ${took} ms`);
  });
}

test('octets that arrive or are written in other pieces than recorded are the same dialogue', async () => {
  const { entries, seen } = await recorded();
  const single = entries.flatMap((entry): TraceEntry[] =>
    entry.is === 'event'
      ? [entry]
      : [...entry.octets].map((octet) => ({ ...entry, octets: Uint8Array.of(octet) })),
  );
  const { replay, seen: again } = played(createVirtualClock(), numbered(single), 'at-once');
  assert.deepEqual(await again(), seen);
  replay.finish();
  const joined: TraceEntry[] = [];
  for (const entry of entries) {
    const last = joined.at(-1);
    if (entry.is === 'octets' && last?.is === 'octets' && last.dir === entry.dir)
      joined[joined.length - 1] = { ...last, octets: concat(last.octets, entry.octets) };
    else joined.push(entry);
  }
  const other = played(createVirtualClock(), numbered(joined), 'at-once');
  assert.deepEqual(await other.seen(), seen);
  other.replay.finish();
});

test('a driver that does otherwise is told the line, the offset, what was recorded and what came', async () => {
  const { entries } = await recorded();
  const changed = numbered(entries).map((entry) =>
    entry.is === 'octets' && toHex(entry.octets) === toHex(utf8Bytes('AT+CSQ\r'))
      ? { ...entry, octets: utf8Bytes('AT+CESQ\r') }
      : entry,
  );
  const { replay, seen } = played(createVirtualClock(), changed, 'at-once');
  const isIt = (error: unknown): boolean => {
    if (!isAgentError(error, 'TRACE_DIVERGES')) return false;
    const { line, offset, expected, found } = error.data;
    const before = entries
      .slice(0, Number(line) - 2)
      .reduce(
        (sum, entry) => sum + (entry.is === 'octets' && entry.dir === 'out' ? entry.octets.length : 0),
        0,
      );
    assert.equal(offset, before + 'AT+C'.length);
    assert.deepEqual([expected, found], ['"ESQ\\r"', '"SQ\\r"']);
    return true;
  };
  await assert.rejects(seen(), isIt);
  assert.throws(() => replay.finish(), isIt);
  assert.ok(isIt(replay.divergence));
});

test('a driver that ends too early or asks too much diverges too', async () => {
  const clock = createVirtualClock();
  const said = (dir: 'out' | 'in', text: string): TraceEntry => ({
    is: 'octets',
    t: 1,
    dir,
    octets: utf8Bytes(text),
  });
  const entries = numbered([said('out', 'AT\r'), said('in', 'OK\r'), said('out', 'ATI\r')]);
  const early = createTraceReplay(entries, { clock, pace: 'at-once' });
  const link = await early.openLink();
  await link.write(utf8Bytes('AT\rA'));
  assert.throws(
    () => early.finish(),
    (error) =>
      isAgentError(error, 'TRACE_DIVERGES') &&
      error.data['expected'] === '"TI\\r"' &&
      error.data['line'] === 4,
  );
  const much = createTraceReplay(entries, { clock, pace: 'at-once' });
  const longer = await much.openLink();
  await longer.write(utf8Bytes('AT\rATI\r'));
  await assert.rejects(longer.write(utf8Bytes('AT')), (error) => isAgentError(error, 'TRACE_DIVERGES'));
  await assert.rejects(much.openLink(), (error) => isAgentError(error, 'TRACE_DIVERGES'));
});

test('masked octets of a command stand for any', async () => {
  const clock = createVirtualClock();
  const octets = utf8Bytes('AT+CPIN="0000"\r');
  const entries = numbered([{ is: 'octets', t: 0, dir: 'out', octets, masked: [[9, 4]] }]);
  const replay = createTraceReplay(entries, { clock, pace: 'at-once' });
  await (await replay.openLink()).write(utf8Bytes('AT+CPIN="4711"\r'));
  replay.finish();
  const other = createTraceReplay(entries, { clock, pace: 'at-once' });
  const link = await other.openLink();
  await assert.rejects(link.write(utf8Bytes('AT+CPIN=4711"\r')), (error) =>
    isAgentError(error, 'TRACE_DIVERGES'),
  );
});

test('a line that was lost in the recording is lost in the replay, and what was written to it then was never sent', async () => {
  const clock = createVirtualClock();
  const said = (dir: 'out' | 'in', text: string): TraceEntry => ({
    is: 'octets',
    t: 1,
    dir,
    octets: utf8Bytes(text),
  });
  const event = (name: string): TraceEntry => ({ is: 'event', t: 1, event: name, data: {} });
  const entries = numbered([
    event('opened'),
    said('out', 'AT\r'),
    said('in', 'OK\r\n'),
    event('closed'),
    said('out', 'ATI\r'),
    event('error'),
    event('opened'),
    said('out', 'AT\r'),
  ]);
  const replay = createTraceReplay(entries, { clock, pace: 'recorded' });
  const link = await replay.openLink();
  await link.write(utf8Bytes('AT\r'));
  await clock.settle(link.closed);
  const heard: number[] = [];
  for await (const chunk of link.read) heard.push(...chunk);
  assert.deepEqual(heard, [...utf8Bytes('OK\r\n')]);
  await assert.rejects(link.write(utf8Bytes('ATI\r')), (error) => isAgentError(error, 'LINK_CLOSED'));
  assert.equal(replay.divergence, undefined);
  await (await replay.openLink()).write(utf8Bytes('AT\r'));
  replay.finish();
});

test('any entries read back as they were written', () => {
  const octets = fc.uint8Array({ maxLength: 40 });
  const text = fc.string({ maxLength: 30 }).map((value) => utf8Bytes(value));
  const entry = fc.record({
    is: fc.constant('octets' as const),
    t: fc.nat(1_000_000).map((value) => value / 1000),
    dir: fc.constantFrom('out' as const, 'in' as const),
    octets: fc.oneof(octets, text),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
      const lines = [encodeTraceHeader({ ...HEADER, started: 'now' }), ...entries.map(encodeTraceEntry), ''];
      const { sessions, torn } = parseModemTrace(utf8Bytes(lines.join('\n')));
      assert.deepEqual(torn, []);
      assert.deepEqual(sessions[0]?.entries, numbered(entries));
    }),
  );
});

const GOOD = [encodeTraceHeader({ ...HEADER, started: 'now' }), '{"t":1,"dir":"out","text":"AT\\r"}'];

test('a line that a crash cut off is left out, at the end as before the next recording', () => {
  const cut = '{"t":2,"dir":"in","te';
  const end = parseModemTrace(utf8Bytes([...GOOD, cut].join('\n')));
  assert.deepEqual([end.sessions[0]?.entries.length, end.torn], [1, [3]]);
  const middle = parseModemTrace(utf8Bytes([...GOOD, cut, ...GOOD, ''].join('\n')));
  assert.deepEqual([middle.sessions.map(({ entries }) => entries.length), middle.torn], [[1, 1], [3]]);
});

test('what is wrong in a trace is told with its line and what was expected there', () => {
  for (const [line, expected] of [
    ['[]', /JSON object/],
    ['{"t":-1,"dir":"in","text":""}', /"t": milliseconds/],
    ['{"t":1,"dir":"up","text":""}', /"dir"/],
    ['{"t":1,"dir":"in"}', /"text", or "hex"/],
    ['{"t":1,"dir":"in","hex":"0"}', /whole octets/],
    ['{"t":1,"dir":"in","text":"\u00e4"}', /ASCII/],
    ['{"t":1,"dir":"in","text":"ab","masked":[[1,2]]}', /masked/],
    ['{"t":1,"event":1}', /event/],
  ] as const) {
    assert.throws(
      () => parseModemTrace(utf8Bytes([...GOOD, line, '{"t":3,"event":"closed"}', ''].join('\n'))),
      (error) =>
        isAgentError(error, 'TRACE_INVALID') &&
        error.data['line'] === 3 &&
        expected.test(String(error.data['expected'])),
      line,
    );
  }
  for (const first of ['', '{}', '{"trace":"modem line","version":2}', 'AT']) {
    assert.throws(
      () => parseModemTrace(utf8Bytes(first)),
      (error) => isAgentError(error, 'TRACE_INVALID') && error.data['line'] === 1,
      first,
    );
  }
});

test('no octets make the reader throw anything but what is wrong with them', () => {
  const whole = utf8Bytes([...GOOD, ...GOOD].join('\n'));
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.uint8Array({ maxLength: 6 }), (at, damage) => {
      try {
        parseModemTrace(concat(whole.subarray(0, at), damage, whole.subarray(at + damage.length)));
      } catch (error) {
        if (!isAgentError(error, 'TRACE_INVALID')) throw error;
      }
    }),
  );
});

test('a file that is full is put aside, what is kept is bounded, and nothing is lost between', (t) => {
  const path = join(folder(t), 'trace');
  const file = openTraceFile({
    path,
    clock: createVirtualClock(),
    header: HEADER,
    maxBytes: 1_000,
    keep: 2,
    onFailure: (error) => assert.fail(error),
  });
  for (let n = 0; n < 100; n++) file.write({ is: 'event', t: n, event: 'step', data: { name: `step ${n}` } });
  file.close();
  const names = readdirSync(join(path, '..')).toSorted();
  assert.deepEqual(names, ['trace', 'trace.1', 'trace.2']);
  const told = ['.2', '.1', ''].flatMap((end) => {
    const content = new Uint8Array(readFileSync(path + end));
    assert.ok(content.length <= 1_000, `${content.length} octets`);
    return parseModemTrace(content).sessions.flatMap(({ entries }) => entries.map(({ t: at }) => at));
  });
  assert.deepEqual(
    told,
    Array.from({ length: told.length }, (_, i) => 100 - told.length + i),
  );
  assert.equal(statSync(path).mode & 0o077, 0, 'closed to others');
});

test('a recording goes on after one that a crash cut off, and a disk that is full ends it without harm', (t) => {
  const path = join(folder(t), 'trace');
  writeFileSync(path, [...GOOD, '{"t":2,"di'].join('\n'));
  const options = { path, clock: createVirtualClock(), header: HEADER, maxBytes: 10_000, keep: 1 };
  const file = openTraceFile({ ...options, onFailure: (error) => assert.fail(error) });
  file.write({ is: 'event', t: 1, event: 'opened', data: {} });
  file.close();
  const { sessions, torn } = parseModemTrace(new Uint8Array(readFileSync(path)));
  assert.deepEqual([sessions.map(({ entries }) => entries.length), torn], [[1, 1], [3]]);

  assert.throws(
    () => openTraceFile({ ...options, path: '/dev/full', onFailure: (error) => assert.fail(error) }),
    (error) => isAgentError(error, 'FILE_FAILED'),
  );
  const failures: AgentError[] = [];
  const gone = mkdtempSync(join(folder(t), 'gone-'));
  const lost = openTraceFile({
    ...options,
    path: join(gone, 'trace'),
    maxBytes: 200,
    onFailure: (error) => void failures.push(error),
  });
  rmSync(gone, { recursive: true });
  for (let n = 0; n < 20; n++) lost.write({ is: 'event', t: n, event: 'opened', data: {} });
  assert.deepEqual(
    failures.map(({ code }) => code),
    ['FILE_FAILED'],
  );
});
