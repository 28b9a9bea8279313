// Anything at all in an ENVELOPE: the card answers a status word, soon, keeps no more than it has room for, and goes on working.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex, uintBytes } from '../../base/bytes.ts';
import { decodeResponseApdu, encodeCommandApdu } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { packetEnvelopes } from '../../codec/sms-envelope.ts';
import { encodeSmsPpDownload } from '../../codec/sms-tpdu.ts';
import { sealRemoteCommand } from '../../crypto/scp80-host.ts';
import { deliver, KEYSETS, otaWorld, sendRemote, TAR, targetOf } from '../testing/ota.ts';
import { exchange } from '../testing/terminal.ts';

const FILES = targetOf(TAR.files);
const READ = '00A40000022FE2 00B0000002';
const STATUS_WORDS = new Set([0x9000, 0x6a80, 0x6700, 0x9300]);

const envelope = (data: Uint8Array): Uint8Array =>
  encodeCommandApdu({ cla: 0x80, ins: 0xc2, p1: 0, p2: 0, data: data.subarray(0, 255) });
const headed = (userData: Uint8Array, udl = userData.length): Uint8Array =>
  encodeSmsPpDownload({
    tpdu: concat(fromHex('440881214365877FF622705200000000'), uintBytes(udl & 0xff, 1), userData),
  });

async function stillWorks(card: Parameters<typeof deliver>[0], counter: number): Promise<void> {
  assert.equal((await sendRemote(card, FILES, counter, READ)).status, 0);
}

test('random octets, in the message and around it', async () => {
  const { card } = await otaWorld();
  const bytes = fc.uint8Array({ maxLength: 160 });
  await fc.assert(
    fc.asyncProperty(bytes, fc.nat(255), fc.nat(4), async (noise, octet, how) => {
      const data = [
        noise,
        encodeTlv(0xd1, noise),
        encodeTlv(0xd1, encodeTlv(0x8b, noise)),
        headed(noise, octet),
        headed(concat(Uint8Array.of(octet), noise)),
      ][how];
      const { sw } = decodeResponseApdu(await card.transmit(envelope(data ?? noise)));
      assert.ok(STATUS_WORDS.has(sw) || sw >> 8 === 0x61, sw.toString(16));
    }),
    { numRuns: 400 },
  );
  await stillWorks(card, 1);
});

test('packets with any header for any application', async () => {
  const { card } = await otaWorld();
  const tars = fc.constantFrom(...Object.values(TAR), fromHex('B0FFFF'));
  const header = fc.uint8Array({ minLength: 4, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      tars,
      header,
      fc.uint8Array({ maxLength: 100 }),
      fc.nat(40),
      async (tar, how, body, chl) => {
        const after = concat(uintBytes(chl, 1), how, tar, body);
        const { sw } = await deliver(card, concat(uintBytes(after.length, 2), after));
        assert.ok(STATUS_WORDS.has(sw), sw.toString(16));
      },
    ),
    { numRuns: 400 },
  );
  await stillWorks(card, 1);
});

test('a good packet that is cut, damaged or longer than it was is refused and spends nothing', async () => {
  const { card } = await otaWorld();
  const packet = sealRemoteCommand(FILES, 1, fromHex(READ.replaceAll(' ', '')));
  for (let length = 0; length < packet.length; length++) {
    assert.equal((await deliver(card, packet.subarray(0, length))).sw, 0x6a80, `${length}`);
  }
  assert.equal((await deliver(card, concat(packet, fromHex('00')))).sw, 0x6a80);
  for (let at = 2; at < packet.length; at++) {
    const bad = Uint8Array.from(packet, (octet, i) => (i === at ? octet ^ 0x40 : octet));
    const { data } = await deliver(card, bad);
    assert.equal(data.length === 0 || data.at(-1) !== 0, true, `octet ${at}`);
  }
  await stillWorks(card, 1);
});

test('scripts of any octets under good keys', async () => {
  const { card } = await otaWorld();
  let counter = 0;
  const target = fc.constantFrom(FILES, targetOf(TAR.usim), targetOf(TAR.domain), targetOf(TAR.isdR));
  const start = fc.constantFrom('', 'AA', 'AE80', '00A4', '80E29100', 'AA812207', 'AA0B22');
  await fc.assert(
    fc.asyncProperty(target, start, fc.uint8Array({ maxLength: 110 }), async (to, first, more) => {
      counter++;
      const { status, authentic } = await sendRemote(card, to, counter, concat(fromHex(first), more));
      assert.equal(authentic, true);
      assert.ok(status === 0 || status === 0x0b);
    }),
    { numRuns: 400 },
  );
  await stillWorks(card, 1000);
});

test('a thousand unfinished messages leave room for one that is whole', async () => {
  const { card } = await otaWorld();
  for (let i = 0; i < 1000; i++) {
    const sender = { originator: { type: 0x91, digits: String(i) } };
    const [, part] = packetEnvelopes(new Uint8Array(134 * 20), sender, i & 0xff);
    assert.equal((await exchange(card, part ?? assert.fail())).sw, 0x9000);
  }
  await stillWorks(card, 1);
  assert.equal((await deliver(card, sealRemoteCommand(FILES, 2, new Uint8Array(30_000)))).sw, 0x9000);
  await stillWorks(card, 3);
});

test('no answer shows a key', async () => {
  const { card } = await otaWorld();
  const answers: string[] = [];
  const secrets = Object.values(KEYSETS).flatMap(({ kic, kid }) => [
    toHex(kic.key.reveal()),
    toHex(kid.key.reveal()),
  ]);
  let counter = 0;
  for (const tar of [TAR.domain, TAR.files, TAR.isdR]) {
    const target = targetOf(tar);
    for (const apdu of [
      '80CA00E000',
      '80CA006600',
      '80F2800202 4F0000',
      '80E29100 03 BF2200 00',
      '00B0000000',
    ]) {
      const por = await sendRemote(card, target, ++counter, apdu);
      answers.push(toHex(por.data));
    }
  }
  assert.equal(
    answers.some((answer) => secrets.some((secret) => answer.includes(secret))),
    false,
  );
});
