// Traces without secrets and identities: what is covered, what stays, and that they still play.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, toHex, utf8Bytes } from '../base/bytes.ts';
import { createVirtualClock } from '../base/clock.ts';
import { Secret, silentLog } from '../base/log.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import {
  AID_ISD_R,
  completeEid,
  completeImei,
  decodeEid,
  decodeIccid,
  decodeImsi,
  encodeAid,
  encodeEid,
  encodeIccid,
  encodeImei,
  encodeImsi,
  luhnDigit,
  parseIccid,
  parseImsi,
} from '../codec/ids.ts';
import { latin1, type TraceEntry } from '../codec/modem-trace.ts';
import { createLinkPair } from './byte-link.ts';
import { openModem } from './modem.ts';
import { createSimModem } from './sim/sim-modem.ts';
import { createTestCard } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';
import { createTraceRecorder } from './trace-recorder.ts';
import { createTraceRedactor } from './trace-redaction.ts';
import { createTraceReplay } from './trace-replay.ts';

const PIN = '4711';
const IMEI = completeImei('35693803564380');
const EID = completeEid('890490320000000000000012345678');
const ICCID_DIGITS = '891234567890123456';
const ICCID = parseIccid(ICCID_DIGITS + luhnDigit(ICCID_DIGITS));
const IMSI = parseImsi('262019876543210');

type How = { readonly identities?: boolean; readonly size?: number };

/** Records a dialogue in lines, `>` to the modem and `<` from it, in pieces of `size` octets. */
async function redacted(lines: readonly string[], how: How = {}): Promise<readonly TraceEntry[]> {
  const { identities = true, size = 1_000 } = how;
  const entries: TraceEntry[] = [];
  const recorder = createTraceRecorder({
    clock: createVirtualClock(),
    write: (entry) => void entries.push(entry),
    redactor: createTraceRedactor({ identities }),
  });
  const [driver, modem] = createLinkPair();
  const link = recorder.around(driver);
  const heard = link.read[Symbol.asyncIterator]();
  for (const line of lines) {
    const octets = utf8Bytes(line.startsWith('>') ? `${line.slice(1)}\r` : `\r\n${line.slice(1)}\r\n`);
    for (let from = 0; from < octets.length; from += size) {
      const piece = octets.subarray(from, from + size);
      if (line.startsWith('>')) await link.write(piece);
      else {
        await modem.write(piece);
        await heard.next();
      }
    }
  }
  recorder.flush();
  return entries;
}

function text(entries: readonly TraceEntry[]): string {
  return entries.map((entry) => (entry.is === 'octets' ? latin1(entry.octets) : '')).join('');
}

async function shown(lines: readonly string[], how: How = {}): Promise<readonly string[]> {
  return text(await redacted(lines, how))
    .split(/[\r\n]+/)
    .filter((line) => line !== '');
}

test('PINs and passwords are covered in every command that has them, and in their echoes', async () => {
  for (const [line, expected] of [
    ['AT+CPIN="4711"', 'AT+CPIN="0000"'],
    ['AT+CPIN=4711', 'AT+CPIN=0000'],
    ['AT+CPIN="12345678","4711"', 'AT+CPIN="00000000","0000"'],
    ['at+cmee=1;+cpin="4711";+csq', 'at+cmee=1;+cpin="0000";+csq'],
    ['AT+CLCK="SC",1,"4711"', 'AT+CLCK="SC",1,"0000"'],
    ['AT+CLCK="SC",2', 'AT+CLCK="SC",2'],
    ['AT+CPWD="SC","4711","8283"', 'AT+CPWD="SC","0000","0000"'],
    ['AT+CGAUTH=1,1,"user","hunter22"', 'AT+CGAUTH=1,1,"0000","00000000"'],
    ['AT+CGAUTH=1,2,"user","hun;er22";+CSQ', 'AT+CGAUTH=1,2,"0000","00000000";+CSQ'],
    ['AT+QICSGP=1,1,"iot.example","user","p;w",2', 'AT+QICSGP=1,1,"00000000000","0000","000",2'],
    ['AT$QCPDPP=1,1,"hunter22","user"', 'AT$QCPDPP=1,1,"00000000","0000"'],
    ['AT+CSIM=26,"002000010834373131FFFFFFFF"', 'AT+CSIM=26,"00200001080000000000000000"'],
    ['AT+CGLA=1,26,"002000010834373131FFFFFFFF"', 'AT+CGLA=1,26,"00200001080000000000000000"'],
    ['AT+CGLA=1,42,"002C00011031323334353637383437', 'AT+CGLA=1,42,"002C00011000000000000000000000'],
    ['AT+CSIM=16,"80D8008103010203"', 'AT+CSIM=16,"80D8008103000000"'],
    ['AT+CGLA=1,16,"80E2910003870102"', 'AT+CGLA=1,16,"80E2910003000000"'],
    ['AT+CGLA=1,22,"80E2910006BF3E035C015A"', 'AT+CGLA=1,22,"80E2910006BF3E035C015A"'],
    ['AT+CSQ', 'AT+CSQ'],
  ] as const) {
    for (const size of [1_000, 3]) {
      const how = { identities: false, size };
      assert.deepEqual(await shown([`>${line}`, `<${line}`, '<OK'], how), [expected, expected, 'OK'], line);
    }
  }
});

test('what a card answers to AUTHENTICATE and to loads is covered, its status word stays', async () => {
  const answers = await shown(
    [
      '>AT+CSIM=78,"008800812211'.repeat(34) + '"',
      '<+CSIM: 4,"6135"',
      '<OK',
      '>AT+CSIM=10,"00C0000035"',
      '<+CSIM: 12,"DB08AABB9000"',
      '<OK',
      '>AT+CSIM=10,"00B0000002"',
      '<+CSIM: 8,"AABB9000"',
      '<OK',
    ],
    { identities: false },
  );
  assert.deepEqual(
    answers.filter((line) => line.startsWith('+CSIM')),
    ['+CSIM: 4,"6135"', '+CSIM: 12,"000000009000"', '+CSIM: 8,"AABB9000"'],
  );
  const chain = await shown(
    [
      '>AT+CGLA=1,16,"80E2110003BF3640"',
      '<+CGLA: 4,"9000"',
      '>AT+CGLA=1,16,"80E2910103010203"',
      '<+CGLA: 8,"AABB9000"',
      '>AT+CGLA=1,16,"80E2110003BF2D01"',
      '<+CGLA: 4,"9000"',
      '>AT+CGLA=1,16,"80E2910103010203"',
      '<+CGLA: 8,"AABB9000"',
    ],
    { identities: false },
  );
  assert.deepEqual(
    chain.map((line) => /"(?:80E2....03)?([^"]*)"/.exec(line)?.[1]),
    ['000000', '9000', '000000', '00009000', 'BF2D01', '9000', '010203', 'AABB9000'],
  );
});

test('identities are replaced by others that are valid, the same by the same, in every spelling', async () => {
  const object = encodeTlv(0xe3, encodeTlv(0x5a, encodeIccid(ICCID)), encodeTlv(0x90, utf8Bytes('name')));
  const eid = encodeTlv(0xbf3e, encodeTlv(0x5a, encodeEid(EID)));
  const answer = (data: Uint8Array): string => `<+CGLA: ${2 * data.length + 4},"${toHex(data)}9000"`;
  const lines = await shown([
    '>AT+CGSN',
    `<${IMEI}`,
    '>AT+CIMI',
    `<${IMSI}`,
    '>AT+QCCID',
    `<+QCCID: ${ICCID}F`,
    '>AT+CRSM=176,12258,0,0,10',
    `<+CRSM: 144,0,"${toHex(encodeIccid(ICCID))}"`,
    '>AT+CRSM=176,28423,0,0,9',
    `<+CRSM: 144,0,"${toHex(encodeImsi(IMSI))}"`,
    '>AT+CGLA=1,10,"00C00000FF"',
    answer(object),
    '>AT+CGLA=1,10,"00B0000000"',
    answer(eid),
    `>AT+CGLA=1,34,"80E291000CBF310A5A0A${toHex(encodeIccid(ICCID))}"`,
    `>AT+CGLA=1,34,"80E291000DBF380A8208${toHex(encodeImei(IMEI))}"`,
  ]);
  const all = lines.join('\n');
  for (const secret of [
    IMEI,
    IMSI,
    ICCID,
    EID,
    ...[encodeIccid(ICCID), encodeImsi(IMSI), encodeEid(EID), utf8Bytes(EID), encodeImei(IMEI)].map(toHex),
  ]) {
    assert.ok(!all.includes(secret), secret);
  }
  const hexIn = (n: number): Uint8Array => {
    const hex = /"([0-9A-F]+)"/.exec(lines[n] ?? '')?.[1] ?? '';
    return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  };
  const imei = lines[1] ?? '';
  assert.equal(luhnDigit(imei.slice(0, 14)), imei[14]);
  const iccid = /\d+/.exec(lines[5] ?? '')?.[0] ?? '';
  assert.equal(iccid.length, ICCID.length);
  assert.equal(decodeIccid(hexIn(7)), iccid);
  assert.equal(decodeImsi(hexIn(9)), lines[3]);
  assert.equal(decodeIccid(hexIn(11).subarray(4, 14)), iccid);
  assert.match(decodeEid(hexIn(13).subarray(5, 21)), /^890{20}/);
  assert.equal(decodeIccid(hexIn(14).subarray(10, 20)), iccid);
  assert.match(lines[15] ?? '', /"80E291000D0{26}"/, 'the request that holds it is covered');
});

test('an identity that is cut between two parts of a response is found', async () => {
  const whole = toHex(concat(encodeTlv(0x5a, encodeEid(EID)), Uint8Array.of(0x81, 1, 0)));
  for (const cut of [2, 4, 10, 34]) {
    const lines = await shown([
      `>AT+CSIM=10,"00C00000FF"`,
      `<+CSIM: 99,"${whole.slice(0, cut)}6110"`,
      '<OK',
      '>AT+CSIM=10,"00C0000010"',
      `<+CSIM: 99,"${whole.slice(cut)}9000"`,
      '<OK',
    ]);
    const hex = lines.flatMap((line) => /^\+CSIM: 99,"(.*)....","?/.exec(`${line},"`)?.[1] ?? []).join('');
    assert.equal(hex.length, whole.length);
    assert.notEqual(hex, whole);
    assert.ok(hex.startsWith('5A10890000') && hex.endsWith('810100'), hex);
  }
});

test('area and cell are covered with the identities, in answers and reports', async () => {
  assert.deepEqual(
    await shown(['>AT+CEREG?', '<+CEREG: 2,1,"1A2B","01234567",7', '<+CREG: 1,"00FF","AB12"', '<+CREG: 0,1']),
    ['AT+CEREG?', '+CEREG: 2,1,"0000","00000000",7', '+CREG: 1,"0000","0000"', '+CREG: 0,1'],
  );
});

test('without being asked for, identities stay', async () => {
  assert.deepEqual(await shown(['>AT+CGSN', `<${IMEI}`], { identities: false }), ['AT+CGSN', IMEI]);
});

test('a report is covered like the trace', async () => {
  const redactor = createTraceRedactor({ identities: true });
  const said = `IMEI ${IMEI}, ICCID ${ICCID}, EID ${EID}`;
  const covered = redactor.text(said);
  assert.equal(covered.length, said.length);
  for (const secret of [IMEI, ICCID, EID]) assert.ok(!covered.includes(secret));
  assert.equal(redactor.text(covered), covered, 'what stands for an identity is none itself');
});

test('whatever is on the line, as many octets are left as there were, and what stands for others is marked', () => {
  const piece = fc.constantFrom(
    'AT+CSIM=10,"',
    'AT+CGLA=1,10,"',
    '+CGLA: 46,"',
    '+CRSM: 144,0,"',
    '5A0A98214365870921436587',
    '00200001083437313100FFFFFF',
    '80E2910003870102',
    '0088008110',
    '9000"',
    '6110',
    '\r\n',
    '\r',
    ICCID,
    IMSI,
    EID,
    ',',
    '"',
    '+CPIN="1234',
    '+CREG: 1,"',
    '\u0000\u00ff',
  );
  const entry = fc.record({
    is: fc.constant('octets' as const),
    t: fc.constant(0),
    dir: fc.constantFrom('out' as const, 'in' as const),
    octets: fc
      .array(piece, { maxLength: 6 })
      .map((pieces) => Uint8Array.from(pieces.join(''), (character) => character.charCodeAt(0))),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), fc.boolean(), (entries, identities) => {
      const redactor = createTraceRedactor({ identities });
      const once = redactor.redact(entries);
      const lengths = (list: readonly TraceEntry[]) =>
        list.map((each) => (each.is === 'octets' ? each.octets.length : 0));
      assert.deepEqual(lengths(once), lengths(entries));
      for (const [i, each] of once.entries()) {
        const before = entries[i];
        if (each.is !== 'octets' || before === undefined) continue;
        const masked = new Set(
          (each.masked ?? []).flatMap(([from, n]) => Array.from({ length: n }, (_, k) => from + k)),
        );
        assert.ok([...masked].every((at) => at < each.octets.length));
        assert.ok(each.octets.every((octet, at) => octet === before.octets[at] || masked.has(at)));
      }
    }),
  );
});

test('a session with a PIN, recorded without secrets and identities, plays to a driver with another PIN', async () => {
  const clock = createVirtualClock();
  const card = createTestCard({ pin: PIN });
  const device = createSimModem({ card, radio: createTestRadio(), clock, log: silentLog, imei: IMEI });
  const entries: TraceEntry[] = [];
  const redactor = createTraceRedactor({ identities: true });
  const recorder = createTraceRecorder({ clock, write: (entry) => void entries.push(entry), redactor });
  const [link, peer] = createLinkPair();
  device.connect(peer);
  await clock.advance(5_000);
  const session = async (open: Parameters<typeof openModem>[0]['openLink'], pin: string) => {
    const modem = await openModem({ openLink: open, clock, log: silentLog });
    await modem.enterPin(new Secret(pin));
    const imei = await modem.imei();
    const channel = await (await modem.openCard()).openChannel(encodeAid(AID_ISD_R));
    await channel.transmit(Uint8Array.of(0x80, 0xe2, 0x91, 0, 4, 0x87, 2, 3, 4, 0));
    await modem.close();
    return imei;
  };
  await clock.settle(session(async () => recorder.around(link), PIN));
  recorder.flush();
  assert.ok(!text(entries).includes(PIN) && !text(entries).includes(IMEI));
  const replay = createTraceReplay(
    entries.map((entry, i) => ({ ...entry, line: i + 2 })),
    { clock, pace: 'at-once' },
  );
  assert.equal(await clock.settle(session(() => replay.openLink(), '0815')), completeImei('00000000000001'));
  replay.finish();
});
