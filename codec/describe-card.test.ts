// What a card and its terminal say to each other, in words: file control, the toolkit, status words, messages, CBOR, and traces.
import { deepEqual, doesNotMatch, equal, match, throws } from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { encodeCbor, type CborValue } from './cbor.ts';
import { describe, type DescribedKind } from './describe.ts';
import { completeEid } from './ids.ts';
import { CONTENT_KINDS, describeContent } from './describe-content.ts';
import { parseTrace } from './trace-lines.ts';
import { upMessages } from './wire.ts';

function lines(hex: string, as?: DescribedKind): string[] {
  return describe(fromHex(hex.replaceAll(' ', '')), as).split('\n');
}

function content(text: string, as?: (typeof CONTENT_KINDS)[number]): string[] {
  return describeContent(utf8Bytes(text), as).text.split('\n');
}

test('the answers to SELECT show file control parameters and information by name', () => {
  deepEqual(
    lines(
      '6229 82027821 83023F00 A50C 800171 8304000FD387 870101 8A0105 8B032F0601 C609 900140 830101 83010A 9000',
    ),
    [
      '0000  response [45]',
      '0000    62 File Control Parameters [41]',
      '0002      82 file descriptor [2] 7821 directory, shareable',
      '0006      83 file identifier [2] 3F00',
      '000A      A5 proprietary information [12]',
      '000C        80 UICC characteristics [1] 71',
      '000F        83 available memory [4] 1037191 octets (000FD387)',
      '0015        87 supported system commands [1] TERMINAL CAPABILITY (01)',
      '0018      8A life cycle status [1] operational, activated (05)',
      '001B      8B security attributes, referenced [3] EF.ARR 2F06 record 1 (2F0601)',
      '0020      C6 PIN status template [9]',
      '0022        90 PIN status [1] enabled: 01000000 (40)',
      '0025        83 key reference [1] PIN of application 1 (01)',
      '0028        83 key reference [1] administrative key (0A)',
      '002B    SW 9000 ok',
    ],
  );
  deepEqual(lines('6219 82054221002601 83022F00 8A0105 8B032F0602 80020026 8800').slice(1, 3), [
    '0002    82 file descriptor [5] 4221002601 linear fixed, records of 38 octets, 1 records, shareable',
    '0009    83 file identifier [2] 2F00',
  ]);
  deepEqual(lines('6F258410A0000005591010FFFFFFFF8900000100A5049F6501FFE0058203020202E10480020640'), [
    '0000  6F File Control Information [37]',
    '0002    84 AID [16] A0000005591010FFFFFFFF8900000100',
    '0014    A5 proprietary data [4]',
    '0016      9F65 maximum length of the data field in a command [1] 255 (FF)',
    '001A    E0 ISD-R proprietary application template [5]',
    '001C      82 SGP.22 version (svn) [3] 2.2.2 (020202)',
    '0021    E1 ISD-R proprietary application template of SGP.32 [4]',
    '0023      80 euiccConfiguration [2] enabledProfile (0640)',
  ]);
  deepEqual(lines('6F0DE1048002FF80E103800100E100').slice(2), [
    '0004      80 euiccConfiguration [2] ipaeSupported (FF80)',
    '0008    E1 ISD-R proprietary application template of SGP.32 [3]',
    '000A      80 euiccConfiguration [1] none (00)',
    '000D    E1 ISD-R proprietary application template of SGP.32 [0]',
  ]);
});

test('a damaged template keeps its name, what came before the fault, and what is left', () => {
  deepEqual(lines('62078202782183023F'), [
    '0000  62 File Control Parameters [7]',
    '0002    82 file descriptor [2] 7821 directory, shareable',
    '0006    83 file identifier [1] 3F',
    '0008      ! expected 2 octets or more',
    '0009    ! 83 says 2 octets, 1 are there',
  ]);
});

test('proactive commands, terminal responses and events are named', () => {
  deepEqual(lines('D009810301010482028182'), [
    '0000  D0 proactive command [9]',
    '0002    81 Command details [3] number 1, REFRESH, UICC reset (010104)',
    '0007    82 Device identities [2] UICC to terminal (8182)',
  ]);
  deepEqual(lines('801400000C810301250082028281830120').slice(4), [
    '0005    81 Command details [3] number 1, SET UP MENU, qualifier 00 (012500)',
    '000A    82 Device identities [2] terminal to UICC (8281)',
    '000E    83 Result [1] the terminal is unable to process the command at present (20)',
  ]);
  deepEqual(lines('80C200000C D60A 990103 02028281 1B0100').slice(4), [
    '0005    D6 EVENT DOWNLOAD [10]',
    '0007      99 Event list [1] location status (03)',
    '000A      02 Device identities [2] terminal to UICC (8281)',
    '000E      1B Location status [1] 00',
  ]);
  // A tag 1F or 9F has one octet here, unlike in BER.
  match(lines('D00C 9F0100 8103012400 82028182').join('\n'), /9F Item icon identifier list \[1\] 00\n/);
  match(
    describe(fromHex('D00681030101047F')),
    /! header is cut off; expected a toolkit object\n[^\n]*\? rest \[1\] 7F/,
  );
});

test('status words are told from the table', () => {
  const meanings: readonly (readonly [string, RegExp])[] = [
    ['6985', /conditionsOfUse: conditions of use not satisfied/],
    ['6282', /end of file or record reached/],
    ['63C2', /2 tries left/],
    ['9862', /incorrect MAC/],
    ['9300', /toolkit busy/],
    ['9F10', /16 octets to get/],
    ['6A8A', /DF name already exists/],
    ['6C05', /5 octets are there/],
  ];
  for (const [sw, meaning] of meanings) match(describe(fromHex(sw), 'response'), meaning);
});

test('an SMS-SUBMIT and the parts of a long message are described', () => {
  const submit = lines('550D0B911614261771F000F5A70C0B050423F423F40003010201');
  deepEqual(
    [submit[0], submit[2], submit.at(-1)],
    ['0000  SMS-SUBMIT [26]', '0001    TP-MR 13', '001A    data of this part [0]'],
  );
  match(submit.join('\n'), /concatenated, 8 bit reference part 1 of 2, reference 1 \(010201\)/);
  match(submit.join('\n'), /application port addressing, 16 bit \(23F423F4\)/);
});

test('CBOR, COSE_Sign1 and messages of the wire show their keys by name', () => {
  const octets = (length: number): Uint8Array => new Uint8Array(length).fill(length);
  const message = upMessages.encode({
    is: 'failure',
    id: octets(8),
    transaction: octets(16),
    eid: completeEid('890490321234512345123456789012'),
    command: octets(8),
    code: 'CARD_LOST',
    detail: 'x',
  });
  const plain = describe(message);
  match(plain, /^0000 {2}failure: map \[\d\]/);
  match(plain, / code "CARD_LOST"/);
  match(
    describe(
      encodeCbor(
        new Map<number, CborValue>([
          [0, 7],
          [1, 1],
        ]),
      ),
      'cbor',
    ),
    /0 type 7\n[^]*! no failure: id: missing/,
  );
  const header = encodeCbor(
    new Map<number, CborValue>([
      [1, -7],
      [4, fromHex('AABB')],
    ]),
  );
  const cose = concat(
    fromHex('D2'),
    encodeCbor([header, new Map<number, CborValue>(), message, new Uint8Array(64)]),
  );
  const text = describe(cose);
  match(text, /^0000 {2}tag 18 COSE_Sign1\n0001 {4}array \[4\]\n0002 {6}protected \[\d+\]/);
  match(text, / 1 alg -7\n/);
  match(text, / 4 kid \[2\] AABB\n/);
  match(text, / {8}failure: map/);
  match(text, / signature \[64\]/);
  match(describe(cose.subarray(0, cose.length - 3)), /! says 64 octets, 61 are there\n/);
  deepEqual(lines('9F0102FF', 'cbor'), ['0000  array [2]', '0001    0 1', '0002    1 2']);
  deepEqual(lines('F93C00', 'cbor'), ['0000  half 3C00']);
  equal(lines('81'.repeat(100), 'cbor').filter((line) => line.includes('nested deeper')).length, 1);
});

test('what octets are said to be but are not is told with what was expected, and the octets stay visible', () => {
  deepEqual(lines('80E2910005BF2000', 'command'), [
    '0000  ! Lc says 5 octets, expected them and at most Le behind; 3 are there',
    '0000  ? octets [8] 80E2910005BF2000',
  ]);
  deepEqual(lines('0102', 'response'), [
    '0000  ! expected a status word, 6XXX or 9XXX, at the end',
    '0000  ? octets [2] 0102',
  ]);
  match(describe(fromHex('0102'), 'sms'), /expected an SMS-DELIVER or SMS-SUBMIT/);
});

test('PINs and private keys are shown as a length only', () => {
  doesNotMatch(describe(fromHex('002000010831323334FFFFFFFF')), /31323334/);
  const key = '11'.repeat(32);
  const ecPrivateKey = `30310201010420${key}A00A06082A8648CE3D030107`;
  const pkcs8 = `304D020100301306072A8648CE3D020106082A8648CE3D0301070433${ecPrivateKey}`;
  for (const der of [ecPrivateKey, pkcs8]) {
    match(describe(fromHex(der)), /privateKey \[\d+\] secret/);
    doesNotMatch(describe(fromHex(der)), /1111/);
  }
});

test('a trace shows each exchange, chains put together and responses made whole', () => {
  const text = content(
    [
      '{"t":1,"atr":"3B00"}',
      '# a note',
      '> 81E2110003BF3E03',
      '< 9000',
      '> 81E29101035C015A',
      '< 6115',
      '> 01C0000009',
      '< BF3E125A1089049032610C',
      '> 01C000000C',
      '< 1234512345123456789012359000',
    ].join('\n'),
  );
  deepEqual(text, [
    '0000  line 1: ATR [2] 3B00',
    '',
    '0000  line 2 # a note',
    '',
    '0000  line 3',
    '0000  command STORE DATA [8]',
    '0000    CLA 81 channel 1',
    '0002    P1 P2 1100 block 0, more follow',
    '0004    Lc 3',
    '0005    block 0 of a chain [3] BF3E03',
    '0000  response [2]',
    '0000    SW 9000 ok',
    '',
    '0000  line 5',
    '0000  command STORE DATA [8]',
    '0000    CLA 81 channel 1',
    '0002    P1 P2 9101 block 1, the last',
    '0004    Lc 3',
    '0005    block 1 of a chain [3] 5C015A',
    '0000  whole request [6]',
    '0000    BF3E GetEuiccDataRequest [3]',
    '0003      5C tagList [1] 5A',
    '0000  response [2]',
    '0000    SW 6115 21 octets to get',
    '',
    '0000  line 7',
    '0000  command GET RESPONSE [5]',
    '0000    CLA 01 channel 1',
    '0002    P1 P2 0000',
    '0004    Le 9',
    '0000  response [11]',
    '0000    part of the response [9] BF3E125A1089049032',
    '0009    SW 610C 12 octets to get',
    '',
    '0000  line 9',
    '0000  command GET RESPONSE [5]',
    '0000    CLA 01 channel 1',
    '0002    P1 P2 0000',
    '0004    Le 12',
    '0000  response [14]',
    '0000    part of the response [12] 123451234512345678901235',
    '000C    SW 9000 ok',
    '0000  whole response [21]',
    '0000    BF3E GetEuiccDataResponse [18]',
    '0003      5A eidValue [16] 89049032123451234512345678901235',
  ]);
});

test('answers that are no data objects are told by the command that they belong to', () => {
  const update = content(
    [
      '> 80503000081011121314151617',
      '< 611D',
      '> 00C000001D',
      `< 00010203040506070809300370${'AA'.repeat(8)}${'BB'.repeat(8)}9000`,
      '> 00B000000A',
      '< 988812010000000010F79000',
    ].join('\n'),
  );
  for (const line of [
    '000A    key version [1] 30',
    '000C    options (i) [1] 70',
    `000D    card challenge [8] ${'AA'.repeat(8)}`,
    '0000    content [10] 988812010000000010F7',
  ]) {
    equal(update.filter((each) => each === line).length, 1, `${line}\n${update.join('\n')}`);
  }
});

test('a message with a wrong length of its user data is described, with what is wrong', () => {
  // Made by pySim, as its own test data has it.
  const deliver =
    '400881214365877FF6227052000000000302700000201506193535B00011AE733256918D050B87C94FBFE12E4DC402F262C41CF67F2F';
  match(lines(deliver).join('\n'), /TP-UDL 3\n[^\n]*! TP-UDL says 3 octets, 37 are there\n[^]*TAR B00011/);
  match(describe(fromHex('040B911326880736F40000AA0BE832'), 'sms'), /SMS-DELIVER|expected an SMS/);
});

test('a ciphered proof of receipt is no fault', () => {
  const text = describe(fromHex('027100001C12B000119660EBDB81BE189B5E4389E9E7AB2BC0954F963AD869ED7C'));
  match(text, /response packet[^]*TAR B00011/);
  doesNotMatch(text, /!/);
});

test('traces of other programs are understood', () => {
  const command = '00A4000C023F00';
  const spaced = '00 A4 00 0C 02 3F 00';
  const forms = [
    `AT+CSIM=14,"${command}"\n+CSIM: 4,"9000"`,
    `AT+CGLA=1,14,"${command}"\r\n+CGLA: 4,"9000"\r\nOK`,
    `-> ${command}\n<- 9000`,
    `=> ${spaced}\n<= 90 00`,
    `>>> ${command}\n<<< 9000`,
    `[12:00:01.5] C-APDU: ${command}\n[12:00:01.6] R-APDU: 9000`,
    `00000012 [139] APDU: ${spaced} \n00000034 [139] SW: 90 00 `,
    `Sending: ${spaced}\nReceived (SW1=0x90, SW2=0x00)`,
    `{"id":1,"apdu":"${command}"}\n{"id":1,"data":"","sw":"9000"}`,
    `{"t":1,"apdu":"${command}","data":"","sw":"9000"}`,
    `{"type":"apdu","payload":{"func":"transmit","param":"${command}"}}\n{"type":"apdu","payload":{"ecode":0,"data":"9000"}}`,
  ];
  for (const form of forms) {
    const steps = (parseTrace(form) ?? []).flatMap((step) =>
      step.is === 'note' ? [] : [[step.is, toHex(step.octets)]],
    );
    deepEqual(
      steps,
      [
        ['command', command],
        ['response', '9000'],
      ],
      form,
    );
  }
  const dumped = parseTrace(
    `Sending: ${spaced}\nReceived (SW1=0x61, SW2=0x02):\n${'41 '.repeat(16)}AAAAAAAAAAAAAAAA\n42 43 BC\n> ${command}`,
  );
  deepEqual(
    dumped?.map((step) => (step.is === 'note' ? step.text : toHex(step.octets))),
    [command, `${'41'.repeat(16)}42436102`, command],
  );
  equal(parseTrace('nothing of the kind\n42'), undefined);
  deepEqual(content(`${command}\n9000`, 'trace').slice(0, 2), ['0000  line 1', '0000  command SELECT [7]']);
  throws(
    () => content('no trace', 'trace'),
    (thrown) => isAgentError(thrown, 'HEX_INVALID'),
  );
});

test('a trace of a modem’s line is shown as its dialogue, with times, and its APDUs in words', () => {
  const lines = [
    '{"trace":"modem line","version":1,"started":"2026-01-02T03:04:05Z","program":"euicc-agent","redacted":["secrets"]}',
    '{"t":0.5,"event":"opened"}',
    '{"t":1,"dir":"out","text":"AT+CPIN=\\"4711\\"\\r"}',
    '{"t":2,"dir":"in","text":"AT+CPIN=\\"4711\\"\\r\\r\\nO"}',
    '{"t":3,"dir":"in","text":"K\\r\\n"}',
    '{"t":4.25,"dir":"out","text":"AT+CGLA=1,22,\\"80E29100"}',
    '{"t":4.5,"dir":"out","text":"06BF3E035C015A\\"\\r"}',
    '{"t":9,"dir":"in","text":"\\r\\n+CGLA: 46,\\"BF3E125A10890490320000000000000000000001869000\\"\\r\\n\\r\\nOK\\r\\n"}',
    '{"t":10,"event":"closed","by":"driver"}',
    '{"t":11,"di',
  ];
  const shown = content(lines.join('\n'));
  deepEqual(
    shown.filter((line) => line.includes(' ms') || line.includes('  line')),
    [
      '0000  line 1 euicc-agent, 2026-01-02T03:04:05Z, without secrets',
      '0000  line 2 0.5 ms  -- opened',
      '0000  line 3 1.0 ms  > AT+CPIN="****"',
      '0000  line 4 2.0 ms  < OK',
      '0000  line 6 4.3 ms  > AT+CGLA=1,22',
      '0000  line 8 9.0 ms  < +CGLA: 46',
      '0000  line 9 10.0 ms  -- closed by driver',
      '0000  line 10 cut off',
    ],
  );
  match(shown.join('\n'), /GetEuiccDataRequest[^]*eidValue \[16\] 8904903200/);
  throws(
    () => content([lines[0], '{"t":"now"}', '{"t":1,"event":"closed"}', ''].join('\n')),
    (thrown) => isAgentError(thrown, 'TRACE_INVALID') && thrown.data['line'] === 2,
  );
});

test('no text makes the decoder throw anything but that it is no octets', () => {
  const piece = fc.constantFrom(
    '> ',
    '< ',
    '{"apdu":"',
    '"}',
    '\n',
    '80E2',
    '9000',
    'AT+CSIM=4,"',
    '"',
    'Received (SW1=0x90, SW2=0x00):\n',
    ' ',
    'zz',
    '-----BEGIN X-----',
    '-----END X-----',
    '6110',
    'MAA=',
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      fc.constantFrom(undefined, ...CONTENT_KINDS),
      (pieces, as) => {
        try {
          equal(typeof describeContent(utf8Bytes(pieces.join('')), as).text, 'string');
        } catch (thrown) {
          if (!isAgentError(thrown, 'HEX_INVALID')) throw thrown;
        }
      },
    ),
    { numRuns: 1500 },
  );
});
