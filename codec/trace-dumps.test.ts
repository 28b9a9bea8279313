// Logs of other programs that spread a message over lines: the debug log of OpenSC, opensc-tool, scriptor, pySim.
import { deepEqual, doesNotMatch, match } from 'node:assert/strict';
import { test } from 'node:test';
import { toHex, utf8Bytes } from '../base/bytes.ts';
import { describeContent } from './describe-content.ts';
import { parseTrace } from './trace-lines.ts';

/** Commands and responses of a log, each with its line. */
function steps(...lines: readonly string[]): readonly string[] {
  return (parseTrace(lines.join('\n')) ?? []).flatMap((step) =>
    step.is === 'note' ? [] : [`${step.line} ${step.is} ${toHex(step.octets)}`],
  );
}

test('the debug log of OpenSC: as many octets as it says, whatever their characters look like', () => {
  deepEqual(
    steps(
      "P:1; T:0x1 12:00:00.000 [opensc-tool] reader-pcsc.c:325:pcsc_transmit: reader 'Virtual PCD 00 00'",
      'Outgoing APDU (7 bytes):',
      '00 A4 00 04 02 3F 00 .....?.',
      '',
      'P:1; T:0x1 12:00:00.000 [opensc-tool] reader-pcsc.c:335:pcsc_transmit: ',
      'Incoming APDU (48 bytes):',
      '62 2C 82 02 78 21 83 02 3F 00 A5 0C 80 01 71 83 b,..x!..?.....q.',
      '04 00 0F B8 4B 87 01 01 8A 01 05 8B 03 2F 06 01 AA BB CC DD EE 0',
      'C6 0C 90 01 60 83 01 01 83 01 0A 83 01 0B 90 00 ....`...........',
      '',
      'Outgoing APDU data [    5 bytes] =====================================',
      '00 C0 00 00 2E .....',
      'Incoming APDU data [    2 bytes] =====================================',
      '6F 00',
      'C6 0C 90 00',
    ),
    [
      '2 command 00A40004023F00',
      '6 response 622C8202782183023F00A50C8001718304000FB84B8701018A01058B032F0601C60C90016083010183010A83010B9000',
      '11 command 00C000002E',
      '13 response 6F00',
    ],
  );
});

test('scriptor: a response breaks after sixteen octets and ends with the meaning of its status word', () => {
  deepEqual(
    steps(
      'Using T=0 protocol',
      '> 00 A4 00 04 02 3F 00',
      '< 61 12 : 0x12 bytes of response still available.',
      '> 00 C0 00 00 12',
      '< 62 10 82 02 78 21 83 02 3F 00 A5 0C 80 01 71 83 ',
      '04 00 90 00 : Normal processing.',
      '> 00 B0 00 00 0E',
      '< 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 90 00 ',
      '> 00 84 00 00 08',
    ),
    [
      '2 command 00A40004023F00',
      '3 response 6112',
      '4 command 00C0000012',
      '5 response 62108202782183023F00A50C8001718304009000',
      '7 command 00B000000E',
      '8 response 0102030405060708090A0B0C0D0E9000',
      '9 command 0084000008',
    ],
  );
});

test('pySim: the status word stands in front of the data', () => {
  deepEqual(
    steps('-> 00a4000402 3f00', '<- 9000: 62058202782190', '-> 00b0000000 ', '<- 6982: ', '-- RESET'),
    ['1 command 00A40004023F00', '2 response 620582027821909000', '3 command 00B0000000', '4 response 6982'],
  );
});

test('opensc-tool: the status word, then the data', () => {
  deepEqual(
    steps(
      'Sending: 80 CA 9F 7F 00 ',
      'Received (SW1=0x90, SW2=0x00):',
      '9F 7F 02 00 00 .....',
      'Sending: 00 B0 00 00 ',
      'Received (SW1=0x69, SW2=0x82)',
    ),
    ['1 command 80CA9F7F00', '2 response 9F7F0200009000', '4 command 00B00000', '5 response 6982'],
  );
});

test('a PIN in such a log is not shown', () => {
  const log = [
    'Outgoing APDU (13 bytes):',
    '00 20 00 01 08 31 32 33 34 FF FF FF FF ....1234....',
    'Incoming APDU (2 bytes):',
    '90 00 ..',
  ];
  const { text } = describeContent(utf8Bytes(log.join('\n')));
  match(text, /PIN \[8\] secret/);
  doesNotMatch(text, /31 ?32 ?33 ?34|1234/);
});

test('nor is a part of it, where the log or a line of it was cut', () => {
  for (const log of [
    'Outgoing APDU (13 bytes):\n00 20 00 01 08 31 32 33 3',
    'Outgoing APDU (13 bytes):\n00 20 00 01 08 31 32 33 34\nnext line\n> 00A40000',
    '> 00 24 00 01 10 31 32 33 34 FF FF\n< 6700',
    '{"apdu":"002C0001103132333435363738"}',
  ]) {
    const { text } = describeContent(utf8Bytes(log));
    match(text, /command \[\d+\] 002[0-9C]0001, then secret/, log);
    doesNotMatch(text, /31 ?32 ?33/, log);
  }
});
