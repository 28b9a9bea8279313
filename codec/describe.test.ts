// The decoder's text: names from the tables, faults with offset and expectation, unknown parts visible, no octets that make it throw.
import { deepEqual, equal, match, ok, throws } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { encodeCommandApdu } from './apdu.ts';
import { encodeTlv } from './ber-tlv.ts';
import { DESCRIBED_KINDS, type DescribedKind, describe } from './describe.ts';
import { describeContent } from './describe-content.ts';
import { BoundProfilePackage, bppSegments } from './rsp/bpp.ts';
import { RSP_OBJECTS } from './rsp/objects.ts';
import { encodeCommandScript, encodeResponseScript } from './script.ts';
import { decodeSpi, encodeCommandPacketHead } from './secured-packet.ts';
import { packetEnvelopes } from './sms-envelope.ts';

const TESTDATA = new URL('../../../shared/testdata/', import.meta.url);

function describeInput(content: Uint8Array): string {
  return describeContent(content).text;
}

function lines(hex: string, as?: DescribedKind): string[] {
  return describe(fromHex(hex), as).split('\n');
}

test('a command is described with the object that it carries', () => {
  deepEqual(lines('81E2910006BF3E035C015A00'), [
    '0000  command STORE DATA [12]',
    '0000    CLA 81 channel 1',
    '0002    P1 P2 9100 block 0, the last',
    '0004    Lc 6',
    '0005    BF3E GetEuiccDataRequest [3]',
    '0008      5C tagList [1] 5A',
    '000B    Le 256',
  ]);
  deepEqual(lines('00A4040010A0000005591010FFFFFFFF8900000100'), [
    '0000  command SELECT [21]',
    '0000    CLA 00 channel 0',
    '0002    P1 P2 0400 by AID',
    '0004    Lc 16',
    '0005    AID ISD-R A0000005591010FFFFFFFF8900000100',
  ]);
});

test('a response is described with its object and what the status word means', () => {
  deepEqual(lines('BF31038001059000'), [
    '0000  response [8]',
    '0000    BF31 EnableProfileResponse [3]',
    '0003      80 enableResult [1] catBusy (05)',
    '0006    SW 9000 ok',
  ]);
  match(describe(fromHex('910B'), 'response'), /SW 910B ok, a proactive command of 11 octets waits/);
  match(describe(fromHex('6A82'), 'response'), /SW 6A82 fileNotFound/);
});

test('requests and responses that share a tag are told apart', () => {
  equal(lines('BF2000')[0], '0000  BF20 GetEuiccInfo1Request [0]');
  equal(lines('BF2105A103800101')[0], '0000  BF21 PrepareDownloadResponse [5]');
  equal(lines('BF2D03810101')[0], '0000  BF2D ProfileInfoListResponse [3]');
});

test('what is missing or wrong is said with its offset and what was expected', () => {
  deepEqual(lines('BF2105A103800101'), [
    '0000  BF21 PrepareDownloadResponse [5]',
    '0003    A1 downloadResponseError [3]',
    '0005      80 transactionId [1] 01',
    '0008      ! expected 81 downloadErrorCode, which is missing',
  ]);
  deepEqual(lines('BF3103800205'), [
    '0000  BF31 EnableProfileResponse [3]',
    '0003    80 enableResult [1] catBusy (05)',
    '0006    ! 80 says 2 octets, 1 are there',
  ]);
  deepEqual(lines('BF2F0A8001028102'), [
    '0000  BF2F NotificationMetadata [5]',
    '0003    80 seqNumber [1] 2 (02)',
    '0006    81 profileManagementOperation [0]',
    '0008      ! not a BIT STRING',
    '0008    ! expected 0C notificationAddress, which is missing',
    '0008    ! 81 says 2 octets, 0 are there',
    '0008  ! BF2F says 10 octets, 5 are there',
  ]);
  deepEqual(lines('BF31038001'), [
    '0000  BF31 EnableProfileResponse [2]',
    '0003    80 enableResult [0]',
    '0005      ! not an INTEGER',
    '0005    ! 80 says 1 octets, 0 are there',
    '0005  ! BF31 says 3 octets, 2 are there',
  ]);
  match(
    describe(fromHex('BF2D0BA009E3075A059858321522')),
    /5A iccid \[5\] 9858321522\n.*! .*\b(octets|not 10 octets)/s,
  );
});

test('parts without a name stay visible', () => {
  deepEqual(lines('BF3107800100C1020304'), [
    '0000  BF31 EnableProfileResponse [7]',
    '0003    80 enableResult [1] ok (00)',
    '0006    ? C1 unknown [2] 0304',
  ]);
  deepEqual(lines('7F2105E0030C0141'), [
    '0000  ? 7F21 unknown [5]',
    '0003    ? E0 [3]',
    '0005      ? 0C [1] 41',
  ]);
});

test('a form without the tag of its alternative is described as such', () => {
  match(
    describe(fromHex('BF2D0EE30C5A0A98583215220524122410')),
    /profileInfoListOk \(without its tag A0\)[^]*5A iccid/,
  );
});

test('text out of the octets cannot act upon the terminal', () => {
  const text = describe(fromHex('BF3F0680041B5B324A'));
  match(text, /defaultDpAddress \[4\] "\\\\?u001b\[2J"|\\x1B/);
  ok(!text.includes('\u001b'));
  // A distinguished name: commonName = ESC [2J, U+202E.
  const name = fromHex('3012311030 0E0603550403 0C071B5B324AE280AE'.replaceAll(' ', ''));
  const validity = fromHex('301E170D3234303731363039353435385A170D3234303731363039353435385A');
  const algorithm = fromHex('300A06082A8648CE3D040302');
  const key = encodeTlv(0x30, algorithm, fromHex('03020004'));
  const tbs = encodeTlv(0x30, fromHex('020101'), algorithm, name, validity, name, key);
  const certificate = describe(encodeTlv(0x30, tbs, algorithm, fromHex('03020000')));
  match(certificate, /subject \[18\] commonName=\\x1B\[2J\\x202E/);
  ok(!certificate.includes('\u001b') && !certificate.includes('\u202e'));
});

test('scripts show their commands and answers', () => {
  const script = encodeCommandScript([fromHex('80E2910003BF2D00'), fromHex(`8482330010${'00'.repeat(16)}`)]);
  const text = describe(script);
  match(text, /^0000 {2}AA Command Scripting template/);
  match(
    text,
    /command STORE DATA[^]*ProfileInfoListRequest[^]*command EXTERNAL AUTHENTICATE[^]*secure messaging/,
  );
  const answer = describe(encodeResponseScript({ executed: 1, responses: [fromHex('BF30038001009000')] }));
  match(
    answer,
    /AB Response Scripting template[^]*80 number executed[^]*NotificationSentResponse[^]*SW 9000 ok/,
  );
  match(describe(fromHex('AE80220480F200000000')), /AE Command Scripting template[^]*command STATUS/);
});

test('a Bound Profile Package shows its parts; a block of a chain is no object', () => {
  const segment = (tag: number): Uint8Array => encodeTlv(tag, new Uint8Array(24));
  const bpp = BoundProfilePackage.encode({
    initialiseSecureChannelRequest: fromHex('BF2303820101'),
    firstSequenceOf87: [segment(0x87)],
    sequenceOf88: [segment(0x88)],
    sequenceOf86: [segment(0x86)],
  });
  const text = describe(bpp);
  match(
    text,
    /BF36 BoundProfilePackage[^]*remoteOpId \[1\] installBoundProfilePackage[^]*A3 sequenceOf86[^]*86 \[24\]/,
  );
  const [first] = bppSegments(bpp);
  ok(first !== undefined);
  const block = concat(fromHex('80E21100'), Uint8Array.of(first.length), first);
  match(describe(block), /block 0, more follow[^]*block 0 of a chain/);
});

test('secured packets are described, alone and in an SMS in an ENVELOPE', () => {
  // osmocom/pysim, tests/unittests/test_ota.py.
  const packet = '00201506193535B00011AE733256918D050B87C94FBFE12E4DC402F262C41CF67F2F';
  const expected =
    /SPI counter none, ciphered, integrity cc, PoR always, PoR integrity cc, PoR ciphered \(0619\)\n.*KIc key version 3, 2-key 3des[^]*TAR B00011/;
  match(describe(fromHex(packet)), expected);
  match(describe(fromHex(`027000${packet}`)), expected);
  const deliver = `400881214365877FF62270520000000025027000${packet}`;
  match(describe(fromHex(deliver)), expected);
  const tpdu = `8B${(deliver.length / 2).toString(16).padStart(2, '0')}${deliver}`;
  const download = `82028381${tpdu}`;
  const data = `D1${(download.length / 2).toString(16).padStart(2, '0')}${download}`;
  const envelope = `80C20000${(data.length / 2).toString(16).padStart(2, '0')}${data}`;
  match(describe(fromHex(envelope)), expected);
  match(describe(fromHex(`027000${packet}00`), 'packet'), /! CPL says 32 octets, 33 follow/);
});

test('the first part of a long packet shows whom it is for, the others their place', () => {
  const keys = { kic: 0x12, kid: 0x12, tar: fromHex('000001') };
  const head = encodeCommandPacketHead({ ...keys, spi: decodeSpi(0x16, 0x19) }, 8, 320);
  const packet = concat(head, new Uint8Array(320).fill(0xc5));
  const [first = '', second = '', third = ''] = packetEnvelopes(
    packet,
    { originator: { type: 0x91, digits: '49' } },
    3,
  ).map((envelope) => describe(encodeCommandApdu(envelope)));
  match(
    first,
    /part 1 of 3, reference 3[^]*CPL 328[^]*SPI counter higher, ciphered[^]*key version 1, aes[^]*TAR 000001/,
  );
  match(first, /the packet so far \[122\]/);
  match(second, /part 2 of 3, reference 3[^]*data \[134\]/);
  match(third, /part 3 of 3/);
  deepEqual([first, second, third].flatMap(marked), []);
});

test('hex in any layout, base64, PEM and octets are taken; other text is refused', () => {
  const expected = describe(fromHex('BF2000'));
  for (const input of ['BF2000', 'bf 20 00\n', '0xBF:20:00', 'BF\n20\n00', 'vyAA']) {
    equal(describeInput(utf8Bytes(input)), expected);
  }
  equal(describeInput(fromHex('BF2000')), expected);
  equal(describeInput(utf8Bytes('-----BEGIN X-----\nvyAA\n-----END X-----\n')), expected);
  equal(describeInput(utf8Bytes('80F20000\n9000\n')).split('\n\n').length, 2);
  throws(
    () => describeInput(utf8Bytes('BF20zz')),
    (error) => isAgentError(error, 'HEX_INVALID'),
  );
  equal(describe(fromHex('')), '0000  ! no octets');
});

const marked = (text: string): string[] =>
  text.split('\n').filter((line) => /^[0-9A-F]{4,} +[!?]/.test(line));

test('published certificates and profile packages leave nothing unexplained', (t) => {
  if (!existsSync(TESTDATA)) {
    t.skip('the published files are not beside the project');
    return;
  }
  let files = 0;
  for (const folder of [
    'ts48',
    'sgp26/CI',
    'sgp26/EUM',
    'sgp26/eUICC',
    'sgp26/DPauth',
    'sgp26/DPpb',
    'sgp26/brainpool-generated',
  ]) {
    for (const name of readdirSync(new URL(folder, TESTDATA))) {
      if (!name.endsWith('.der') || name.startsWith('SK_')) continue;
      const text = describe(new Uint8Array(readFileSync(new URL(`${folder}/${name}`, TESTDATA))));
      deepEqual(marked(text), [], name);
      match(text, folder === 'ts48' ? /A0 header[^]*usim[^]*ef-imsi/ : /30 Certificate[^]*subject/);
      files++;
    }
  }
  ok(files > 15);
});

test('no octets make the decoder throw, however they are taken', () => {
  const tags = RSP_OBJECTS.map((row) => row.tag);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(...tags), (octets, tag) => {
      equal(typeof describe(octets), 'string');
      equal(typeof describe(encodeTlv(tag, octets)), 'string');
      for (const kind of DESCRIBED_KINDS) equal(typeof describe(octets, kind), 'string');
    }),
    { numRuns: 400 },
  );
});

test('deep nesting ends in hex, not in a full stack', () => {
  let nested = fromHex('0500');
  for (let i = 0; i < 3000; i++) nested = encodeTlv(0x30, nested);
  ok(describe(nested).length > 1000);
  let choice = fromHex('800101');
  for (let i = 0; i < 500; i++) choice = encodeTlv(0xa0, choice);
  ok(describe(encodeTlv(0xbf2d, choice)).length > 100);
});

test('a response packet is known without its header, by its length', () => {
  deepEqual(lines('001C12B000118BB989492C632529326A2F4681FEB37C825BC9021C9F6D0B').slice(0, 4), [
    '0000  response packet [30]',
    '0000    RPL 28',
    '0002    RHL 18 (8 octets of integrity)',
    '0003    TAR B00011',
  ]);
  deepEqual(lines('00100AB0001100000000010009AABBCCDDEE').slice(5, 7), [
    '0006    if not ciphered',
    '000C      status tarUnknown',
  ]);
});
