import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadlineParser } from '@serialport/parser-readline';
import * as fc from 'fast-check';
import { utf8Bytes } from '../base/bytes.ts';
import { createAtLineSplitter, type AtLineEvent } from './at-lines.ts';

const split = (text: string, max?: number): AtLineEvent[] => createAtLineSplitter(max).push(utf8Bytes(text));
const line = (text: string): AtLineEvent => ({ is: 'line', text });

test('every mix of CR and LF ends a line and empty lines vanish', () => {
  const expected = [line('+CSQ: 20,99'), line('OK')];
  for (const text of [
    '\r\n+CSQ: 20,99\r\n\r\nOK\r\n',
    '+CSQ: 20,99\rOK\r',
    '\n+CSQ: 20,99\nOK\n',
    '\r\r\n+CSQ: 20,99\r\r\nOK\r\n',
  ]) {
    assert.deepEqual(split(text), expected);
  }
});

test('an unfinished line waits for its end', () => {
  const splitter = createAtLineSplitter();
  assert.deepEqual(splitter.push(utf8Bytes('\r\nO')), []);
  assert.deepEqual(splitter.push(utf8Bytes('K\r')), [line('OK')]);
});

test('the prompt is seen without a line end, and only at the start of a line', () => {
  assert.deepEqual(split('\r\n> '), [{ is: 'prompt' }]);
  assert.deepEqual(split('a> \r'), [line('a> ')]);
  assert.deepEqual(split('>x\r'), [line('>x')]);
});

test('control octets and broken UTF-8 make a line garbage, the next line is whole', () => {
  assert.deepEqual(createAtLineSplitter().push(Uint8Array.of(0x4f, 0x01, 0x4b, 13, 0x4f, 0x4b, 13)), [
    { is: 'garbage', octets: 3, why: 'control' },
    line('OK'),
  ]);
  assert.deepEqual(createAtLineSplitter().push(Uint8Array.of(0xff, 0x4b, 13, 0x4f, 0x4b, 13)), [
    { is: 'garbage', octets: 2, why: 'encoding' },
    line('OK'),
  ]);
  assert.deepEqual(split('+COPS: 0,0,"Telefónica"\r'), [line('+COPS: 0,0,"Telefónica"')]);
});

test('NULs in front of a line are told and do not spoil it', () => {
  assert.deepEqual(createAtLineSplitter().push(Uint8Array.of(0, 0, 0x4f, 0x4b, 13)), [
    { is: 'garbage', octets: 2, why: 'control' },
    line('OK'),
  ]);
});

test('a line over the limit is told as garbage in bounded pieces', () => {
  assert.deepEqual(split(`${'x'.repeat(10)}\rOK\r`, 4), [
    { is: 'garbage', octets: 4, why: 'too-long' },
    { is: 'garbage', octets: 4, why: 'too-long' },
    { is: 'garbage', octets: 2, why: 'too-long' },
    line('OK'),
  ]);
  assert.deepEqual(split('abcd\rOK\r', 4), [line('abcd'), line('OK')]);
});

const noise = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 13, 32, 62, 79, 75)), { maxLength: 300 });

test('the same octets give the same events however they are cut', () => {
  fc.assert(
    fc.property(noise, fc.array(fc.nat(40), { maxLength: 40 }), (octets, cuts) => {
      const bytes = Uint8Array.from(octets);
      const splitter = createAtLineSplitter(16);
      const events: AtLineEvent[] = [];
      let at = 0;
      for (const cut of cuts) {
        events.push(...splitter.push(bytes.subarray(at, at + cut)));
        at += cut;
      }
      events.push(...splitter.push(bytes.subarray(at)));
      assert.deepEqual(events, createAtLineSplitter(16).push(bytes));
    }),
  );
});

test('every octet is in a line, a line end, a prompt, flow control or told as garbage', () => {
  fc.assert(
    fc.property(noise, (octets) => {
      const bytes = Uint8Array.from([...octets, 13]);
      let told = 0;
      for (const event of createAtLineSplitter(16).push(bytes)) {
        if (event.is === 'line') told += utf8Bytes(event.text).length;
        else if (event.is === 'prompt') told += 2;
        else told += event.octets;
      }
      assert.equal(told, bytes.filter((octet) => ![13, 10, 0x11, 0x13].includes(octet)).length);
    }),
  );
});

test('4 MB of noise without a line end is done in well under a second', () => {
  const splitter = createAtLineSplitter();
  const chunk = new Uint8Array(4096).fill(0x55);
  const started = process.cpuUsage().user;
  let events = 0;
  for (let i = 0; i < 1024; i++) events += splitter.push(chunk).length;
  assert.equal(events, 255);
  assert.ok(process.cpuUsage(undefined).user - started < 1_000_000);
});

test("well-formed lines come out as the serialport project's own parser gives them, however they are cut", () => {
  const text = fc.string({
    unit: fc.constantFrom('A', 'T', '+', '9', ':', ' ', '"'),
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 9 })),
      (lines, cuts) => {
        const octets = utf8Bytes(lines.map((each) => `${each}\r\n`).join(''));
        const reference: string[] = [];
        const parser = new ReadlineParser({ delimiter: '\r\n' });
        parser.on('data', (each: string) => reference.push(each));
        const splitter = createAtLineSplitter();
        const seen: AtLineEvent[] = [];
        for (let at = 0, i = 0; at < octets.length; i++) {
          const part = octets.subarray(at, at + (cuts[i] ?? 64));
          parser.write(part);
          seen.push(...splitter.push(part));
          at += part.length;
        }
        assert.deepEqual(
          seen.filter(({ is }) => is === 'line'),
          reference.map(line),
        );
      },
    ),
  );
});
