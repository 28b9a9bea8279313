// RETRIEVE DATA and SET DATA through the card OS, whole and in blocks (ETSI TS 102 221, 11.3 and annex L).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Euicc } from '../euicc.ts';
import { osCard, osWorld, SELECT_USIM, transcript, VERIFY_1 } from '../testing/os-card.ts';
import { openIsdR, raw, TERMINAL_PROFILE } from '../testing/terminal.ts';
import { ICCID_A } from '../testing/world.ts';
import { DisableProfileRequest } from '../../codec/rsp/profile-management.ts';

const SELECT_FILE = ['00A4000C024F44', '9000'] as const;
const part = (letter: string, octets: number): string => letter.repeat(2 * octets);
/** A1 with 600 octets: 250 of B, 255 of C, 95 of D. */
const FIRST = `80DB0080FEA1820258${part('B', 250)}`;
const NEXT = `80DB0000FF${part('C', 255)}`;
const LAST = `80DB00005F${part('D', 95)}`;
const OBJECT = `A1820258${part('B', 250)}${part('C', 255)}${part('D', 95)}`;

async function tlvCard(): Promise<Euicc> {
  const card = await osCard();
  await transcript(card, SELECT_USIM, SELECT_FILE, VERIFY_1);
  return card;
}

async function withLongObject(): Promise<Euicc> {
  const card = await tlvCard();
  await transcript(card, [FIRST, '63F1'], [NEXT, '63F1'], [LAST, '9000']);
  return card;
}

describe('data objects', () => {
  test('are created, read, listed, replaced and deleted, and outlast a power cut', async () => {
    const world = await osWorld();
    await transcript(
      world.card,
      SELECT_USIM,
      SELECT_FILE,
      ['80CB0080015C00', '5C009000'],
      ['80CB008001A100', '6A88'],
      ['80DB008005A103010203', '6982'],
      VERIFY_1,
      ['80DB008005A103010203', '9000'],
      ['80DB0080047F210155', '9000'],
      ['80DB0080028000', '9000'],
      ['80CB008001A100', 'A1030102039000'],
      ['80CB0080027F2100', '7F2101559000'],
      ['80CB00800180', '6102'],
      ['00C0000002', '80009000'],
      ['80CB0080015C00', '5C04A17F21809000'],
      ['80DB008004A102AABB', '9000'],
    );
    await transcript(
      await world.reopen(),
      SELECT_USIM,
      VERIFY_1,
      ['80CB009301A100', 'A102AABB9000'],
      ['80DB008001A1', '9000'],
      ['80DB008001A1', '6A88'],
      ['80CB008001A100', '6A88'],
      ['80CB0080015C00', '5C037F21809000'],
    );
  });

  test('long ones go in and out in blocks', async () => {
    const card = await withLongObject();
    await transcript(
      card,
      ['80CB008001A100', `${OBJECT.slice(0, 512)}62F1`],
      ['80CB000000', `${OBJECT.slice(512, 1024)}62F1`],
      ['80F2000C00', '9000'],
      ['80CB004000', `${OBJECT.slice(512, 1024)}62F1`],
      ['80CB0000', '6C5C'],
      ['80CB0000FF', '6C5C'],
      ['80CB00005C', `${OBJECT.slice(1024)}9000`],
      ['80CB00405C', `${OBJECT.slice(1024)}9000`],
      ['80CB008001A1', '6100'],
      ['00C0000000', `${OBJECT.slice(0, 512)}62F1`],
      ['80CB008001A103', `${OBJECT.slice(0, 6)}62F1`],
      ['80CB000002', `${OBJECT.slice(6, 10)}62F1`],
    );
  });

  test('a block is sent again where the terminal asks for it', async () => {
    const card = await tlvCard();
    await transcript(
      card,
      ['80DB008004A104FFFF', '63F1'],
      ['80DB004005A20401 02FF', '63F1'],
      ['80DB000001EE', '9000'],
      ['80CB0080015C00', '5C01A29000'],
      ['80DB008003A30401', '63F1'],
      ['80DB0000020203', '63F1'],
      ['80DB0040020A0B', '63F1'],
      ['80DB0000010C', '9000'],
      ['80CB008001A300', 'A304010A0B0C9000'],
    );
  });

  test('another file, or another selection of the same one, ends a transfer; the object stays away', async () => {
    const card = await withLongObject();
    await transcript(
      card,
      ['80CB008001A110', `${OBJECT.slice(0, 32)}62F1`],
      SELECT_FILE,
      ['80CB000000', '6985'],
      [FIRST, '63F1'],
      ['00B2015405', '01020304059000'],
      [NEXT, '6981'],
      SELECT_FILE,
      [NEXT, '6985'],
      ['80CB008001A100', '6A88'],
      ['80CB000000', '6985'],
      [FIRST, '63F1'],
      ['80CB0080015C00', '5C009000'],
      [NEXT, '6985'],
    );
  });

  test('too much of an object, or of all of them, is refused', async () => {
    const card = await withLongObject();
    await transcript(
      card,
      ['80DB008006A2820400 0102', '6A84'],
      ['80DB008004A2010102', '6A80'],
      ['80DB008003A28003', '6A80'],
      ['80DB0080035C01A1', '6A80'],
      ['80DB0080027F21', '6A88'],
      ['80DB008003A20301', '63F1'],
      ['80DB000003020304', '6A80'],
      ['80DB000001FF', '6985'],
      ['80CB0080015C00', '5C01A19000'],
    );
    assert.ok((await raw(card, '80CB008001A100')).startsWith(OBJECT.slice(0, 500)));
  });

  test('each channel has a transfer of its own, and the last to end wins', async () => {
    const card = await tlvCard();
    await transcript(
      card,
      ['0070000001', '019000'],
      ['01A4040C0CA0000000871002FF49FF0589', '9000'],
      ['01A4000C024F44', '9000'],
      ['80DB008004A1040102', '63F1'],
      ['81DB008004A104AABB', '63F1'],
      ['80DB0000020304', '9000'],
      ['81DB000002CCDD', '9000'],
      ['80CB0080015C00', '5C01A19000'],
      ['80CB008001A100', 'A104AABBCCDD9000'],
    );
  });

  test('a waiting proactive command shows in the warnings', async () => {
    const world = await osWorld();
    const { card } = world;
    await transcript(
      card,
      SELECT_USIM,
      SELECT_FILE,
      VERIFY_1,
      [FIRST, '63F1'],
      [NEXT, '63F1'],
      [LAST, '9000'],
    );
    await transcript(card, [TERMINAL_PROFILE, '9000']);
    const isdR = await openIsdR(card);
    await isdR.send(
      DisableProfileRequest.encode({
        profileIdentifier: { is: 'iccid', value: ICCID_A },
        refreshFlag: true,
      }),
    );
    await transcript(card, ['80CB008001A110', `${OBJECT.slice(0, 32)}62F2`], [FIRST, '63F2']);
  });
});

test('a BER-TLV file says in its FCP that lengths are DER, what is reserved and what is used', async () => {
  const card = await tlvCard();
  await transcript(
    card,
    ['80DB008005A103010203', '9000'],
    ['00A40004024F4400', '62208202792183024F44A50784010185020400 8A01058B036F0601800200058801989000'],
  );
});
