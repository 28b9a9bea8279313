// What clients of other makers send that ours does not: other forms of the same command, members of later versions, every
// channel, large numbers (ETSI TS 102 221 7.3 and 10.1; SGP.22 5.7). Octets literally, where the standard fixes them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EMPTY, fromHex, toHex } from '../base/bytes.ts';
import { encodeTlv, readOnly, readTlv, readTlvs, tagText } from '../codec/ber-tlv.ts';
import type { CardSlot } from '../codec/card.ts';
import { encodeIccid } from '../codec/ids.ts';
import { authenticated, authenticateServerRequest, prepareDownloadRequest } from './testing/sm-dp.ts';
import { openIsdR, raw } from './testing/terminal.ts';
import { createWorld, ec, ICCID_A, ICCID_B, sampleMetadata, samplePackage } from './testing/world.ts';

const ISD_R = 'A0000005591010FFFFFFFF8900000100';
const EID_REQUEST = 'BF3E035C015A';
const ICON = new Uint8Array(1024).map((_, i) => i);

const twoProfiles = () =>
  createWorld({
    profiles: [
      {
        upp: samplePackage(ICCID_A),
        metadata: sampleMetadata(ICCID_A, { iconType: 'png', icon: ICON }),
        enabled: true,
      },
      { upp: samplePackage(ICCID_B), metadata: sampleMetadata(ICCID_B), enabled: false },
    ],
  });

const octet = (value: number): string => toHex(Uint8Array.of(value));
/** Classes of a channel: interindustry, and of GlobalPlatform (ISO/IEC 7816-4, 5.4.1). */
const classes = (channel: number): readonly [string, string] =>
  channel < 4
    ? [octet(channel), octet(0x80 | channel)]
    : [octet(0x40 | (channel - 4)), octet(0xc0 | (channel - 4))];

/** One request in one block on a channel with the ISD-R selected; the response is fetched in parts, each with Le 00 or as announced. */
async function ask(slot: CardSlot, channel: number, request: Uint8Array): Promise<Uint8Array> {
  const [plain, proprietary] = classes(channel);
  let response = await raw(slot, `${proprietary}E29100${octet(request.length)}${toHex(request)}`);
  let whole = '';
  for (let part = 0; response.slice(-4, -2) === '61'; part++) {
    whole += response.slice(0, -4);
    const le = part % 2 === 0 ? '00' : response.slice(-2);
    response = await raw(slot, `${part % 3 === 0 ? plain : proprietary}C00000${le}`);
  }
  assert.match(response, /9000$/, toHex(request));
  return fromHex(whole + response.slice(0, -4));
}

const PROFILE_A = encodeTlv(0x5a, encodeIccid(ICCID_A));
const ONLY_A = encodeTlv(0xa0, PROFILE_A);
const tags = (hex: string): Uint8Array => encodeTlv(0x5c, fromHex(hex));
const listOfA = (...members: readonly Uint8Array[]): string =>
  toHex(encodeTlv(0xbf2d, encodeTlv(0xa0, encodeTlv(0xe3, ...members))));

describe('a command in another form', () => {
  test('SELECT of the ISD-R with and without Le, for an FCI or for nothing, means the same', async () => {
    const { card } = await twoProfiles();
    const whole = await raw(card, `00A4040410${ISD_R}00`);
    assert.match(whole, new RegExp(`^6F..8410${ISD_R}.*9000$`));
    const length = octet(whole.length / 2 - 2);
    for (const p2 of ['00', '04']) {
      assert.equal(await raw(card, `00A404${p2}10${ISD_R}00`), whole);
      for (const le of ['00', length]) {
        assert.equal(await raw(card, `00A404${p2}10${ISD_R}`), `61${length}`);
        assert.equal(await raw(card, `00C00000${le}`), whole);
      }
    }
    assert.equal(await raw(card, `00A4040C10${ISD_R}`), '9000');
    assert.equal(await raw(card, `00A4040C10${ISD_R}00`), '9000');
  });

  test('MANAGE CHANNEL opens with Le 01 and 00, and closes with and without Le, from either channel', async () => {
    const { card } = await twoProfiles();
    assert.equal(await raw(card, '0070000001'), '019000');
    assert.equal(await raw(card, '0070000000'), '029000');
    assert.equal(await raw(card, '0170800100'), '9000');
    assert.equal(await raw(card, '00708002'), '9000');
    assert.equal(await raw(card, '02A4000C023F00'), '6881');
  });

  test('STORE DATA with and without Le answers the same object, in one block or in many of any size', async () => {
    const { card } = await twoProfiles();
    await raw(card, `00A4040C10${ISD_R}`);
    const whole = await raw(card, `80E2910006${EID_REQUEST}00`);
    assert.match(whole, /^BF3E125A1089.{30}9000$/);
    assert.equal(await raw(card, `80E2910006${EID_REQUEST}`), '6115');
    assert.equal(await raw(card, '80C0000015'), whole);
    assert.equal(await raw(card, `80E2910006${EID_REQUEST}`), '6115');
    assert.equal(await raw(card, '00C0000000'), whole);
    for (let block = 0; block < 5; block++) {
      const le = block % 2 === 0 ? '' : '00';
      const part = EID_REQUEST.slice(block * 2, block * 2 + 2);
      assert.equal(await raw(card, `80E211${octet(block)}01${part}${le}`), '9000');
    }
    assert.equal(await raw(card, `80E2910501${EID_REQUEST.slice(10)}00`), whole);
  });
});

test('a response of a thousand octets comes whole over 61xx on each of the channels 1 to 19', async () => {
  const { card } = await twoProfiles();
  const expected = listOfA(PROFILE_A, encodeTlv(0x93, Uint8Array.of(1)), encodeTlv(0x94, ICON));
  for (let channel = 1; channel <= 19; channel++) {
    assert.equal(await raw(card, '0070000001'), `${octet(channel)}9000`);
    assert.equal(await raw(card, `${classes(channel)[0]}A4040C10${ISD_R}`), '9000');
    const answer = await ask(card, channel, encodeTlv(0xbf2d, ONLY_A, tags('5A9394')));
    assert.equal(toHex(answer), expected, `channel ${channel}`);
  }
});

describe('a request', () => {
  const LATER = fromHex('85010187020000');

  test('with members of a later version is answered as without them', async () => {
    const { card } = await twoProfiles();
    const { channel } = await openIsdR(card);
    for (const tag of [0xbf20, 0xbf22, 0xbf3c, 0xbf43, 0xbf28, 0xbf2b, 0xbf2d, 0xbf55, 0xbf56]) {
      const plain = await ask(card, channel, encodeTlv(tag, EMPTY));
      assert.deepEqual(await ask(card, channel, encodeTlv(tag, LATER)), plain, tagText(tag));
    }
    const answers = [
      [encodeTlv(0xbf3e, tags('5A'), LATER), /^BF3E125A1089/],
      [encodeTlv(0xbf2d, ONLY_A, tags('9F70'), LATER), /^BF2D08A006E3049F700101$/],
      [encodeTlv(0xbf29, PROFILE_A, fromHex('900141'), LATER), /^BF2903800100$/],
      [encodeTlv(0xbf31, ONLY_A, fromHex('810100'), LATER), /^BF3103800102$/],
      [encodeTlv(0xbf32, ONLY_A, fromHex('8101FF'), LATER), /^BF3203800100$/],
      [encodeTlv(0xbf30, fromHex('800109'), LATER), /^BF3003800101$/],
      [encodeTlv(0xbf34, fromHex('82020780'), LATER), /^BF3403800105$/],
    ] as const;
    for (const [request, answer] of answers) {
      const response = toHex(await ask(card, channel, request));
      assert.match(response, answer, toHex(request));
    }
  });

  test('of a later version is authenticated and prepared', async () => {
    const world = await twoProfiles();
    const isdR = await openIsdR(world.card);
    const challenge = readTlv(readOnly(await isdR.es10(fromHex('BF2E00')), 0xbf2e).value).value;
    const asked = authenticateServerRequest(world.pki, challenge);
    const request = encodeTlv(0xbf38, readOnly(asked.request, 0xbf38).value, LATER);
    const { euiccSignature1 } = authenticated(await isdR.es10(request));
    const { transactionId } = asked;
    const prepared = prepareDownloadRequest(world.pki, { transactionId, euiccSignature1 });
    const response = await isdR.es10(encodeTlv(0xbf21, readOnly(prepared.request, 0xbf21).value, LATER));
    assert.match(toHex(response), /^BF21(81..|82....)A0/);
  });

  test('for profiles: without a tag list it tells the members that are there, and tags of nothing add nothing', async () => {
    const { card } = await twoProfiles();
    const { channel } = await openIsdR(card);
    const list = async (...request: readonly Uint8Array[]) =>
      ask(card, channel, encodeTlv(0xbf2d, ...request));
    const found = readOnly(readOnly(await list(ONLY_A), 0xbf2d).value, 0xa0).value;
    assert.deepEqual(
      readTlvs(readOnly(found, 0xe3).value).map(({ tag }) => tagText(tag)),
      ['5A', '4F', '9F70', '91', '92', '93', '94', '95'],
    );
    const state = fromHex('9F700101');
    for (const unknown of ['', '5F7A', 'DF8101', 'CF', '82BF7F', '90']) {
      assert.equal(toHex(await list(ONLY_A, tags(`5A9F70${unknown}`))), listOfA(PROFILE_A, state), unknown);
    }
    assert.equal(toHex(await list(ONLY_A, tags('CF'))), listOfA());
    // A tag list that ends inside a tag is an input that is wrong.
    assert.equal(toHex(await list(ONLY_A, tags('5A9F'))), 'BF2D03810101');
    const nobody = encodeTlv(0xa0, encodeTlv(0x5a, fromHex('98882211000000003404')));
    assert.equal(toHex(await list(nobody)), 'BF2D02A000');
  });
});

describe('the list of notifications', () => {
  test('that is empty is an empty list, whole or by event', async () => {
    const { card } = await twoProfiles();
    const { channel } = await openIsdR(card);
    const answer = async (hex: string): Promise<string> => toHex(await ask(card, channel, fromHex(hex)));
    assert.equal(await answer('BF2800'), 'BF2802A000');
    assert.equal(await answer('BF280481020640'), 'BF2802A000');
    assert.equal(await answer('BF2B00'), 'BF2B02A000');
    assert.equal(await answer('BF2B05A003800101'), 'BF2B03810101');
    assert.equal(await answer('BF3003800101'), 'BF3003800101');
  });

  test('counts past 127 with numbers that stay positive, found, signed and removed by their octets', async () => {
    const { card, pki } = await twoProfiles();
    const { channel } = await openIsdR(card);
    const answer = async (hex: string): Promise<string> => toHex(await ask(card, channel, fromHex(hex)));
    // One notification a round.
    for (let round = 0; round < 129; round++) {
      const tag = round % 2 === 0 ? 'BF32' : 'BF31';
      await answer(`${tag}11A00C${toHex(PROFILE_A)}810100`);
    }
    for (const [number, found] of [
      [127, '80017F'],
      [128, '80020080'],
      [129, '80020081'],
    ] as const) {
      const retrieved = await ask(
        card,
        channel,
        fromHex(`BF2B${octet(2 + found.length / 2)}A0${octet(found.length / 2)}${found}`),
      );
      const [metadata, signature] = readTlvs(
        readOnly(readOnly(readOnly(retrieved, 0xbf2b).value, 0xa0).value, 0x30).value,
      );
      const event = number % 2 === 1 ? '81020520' : '81020640';
      assert.ok(metadata !== undefined && signature !== undefined);
      assert.equal(toHex(metadata.value.subarray(0, found.length / 2 + 4)), found + event);
      const { curve, publicKey } = pki.euicc.pair;
      assert.ok(ec.verify(curve, publicKey, metadata.raw, signature.value), found);
    }
    assert.equal(await answer('BF300480020080'), 'BF3003800100');
    assert.equal(await answer('BF300480020080'), 'BF3003800101');
    assert.equal(await answer('BF300480020081'), 'BF3003800100');
    assert.equal(await answer('BF2B06A00480020081'), 'BF2B03810101');
  });
});
