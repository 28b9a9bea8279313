import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseCommandLine, parseParameters, type ParsedCommand } from './command-line.ts';

const command = (name: string, form: ParsedCommand['form'], value = ''): ParsedCommand => ({
  name,
  form,
  value,
});

test('basic, S-register and extended commands share a line', () => {
  assert.deepEqual(
    parseCommandLine('q0V1 e0&f S3=13S4?+cmee=1;+CSIM=8,"00A4 0004";^sysinfo;+CPIN?;+CREG=?;H'),
    [
      command('Q', 'action', '0'),
      command('V', 'action', '1'),
      command('E', 'action', '0'),
      command('&F', 'action'),
      command('S3', 'set', '13'),
      command('S4', 'read'),
      command('+CMEE', 'set', '1'),
      command('+CSIM', 'set', '8,"00A4 0004"'),
      command('^SYSINFO', 'action'),
      command('+CPIN', 'read'),
      command('+CREG', 'test'),
      command('H', 'action'),
    ],
  );
});

test('a dial string goes up to the semicolon, a string constant may hold one', () => {
  assert.deepEqual(parseCommandLine('D*99#;H'), [command('D', 'action', '*99#'), command('H', 'action')]);
  assert.deepEqual(parseCommandLine('+A="x;y";+B'), [command('+A', 'set', '"x;y"'), command('+B', 'action')]);
});

test('what breaks the syntax is refused', () => {
  for (const body of ['0', '+', '+CSIM!?x', '?', 'S', 'S3', ';', '=1', '+CREG?1']) {
    assert.equal(parseCommandLine(body), undefined, body);
  }
});

test('parameters may be missing, bare or quoted', () => {
  assert.deepEqual(parseParameters('1,,"a,b",x'), [
    { text: '1', quoted: false },
    undefined,
    { text: 'a,b', quoted: true },
    { text: 'x', quoted: false },
  ]);
  assert.deepEqual(parseParameters('1,'), [{ text: '1', quoted: false }, undefined]);
  assert.deepEqual(parseParameters(''), []);
  assert.equal(parseParameters('"open'), undefined);
  assert.equal(parseParameters('a"b"'), undefined);
});

test('any text is parsed or refused, and never hangs', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      for (const { value } of parseCommandLine(text) ?? []) parseParameters(value);
    }),
  );
});
