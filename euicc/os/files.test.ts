// Files and PINs through the card OS: bounds, records, access rules, counters; status words literally.
import { describe, test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { encodeImsi } from '../../codec/ids.ts';
import { USIM_AID } from '../profile-samples.ts';
import { osCard, osWorld, PIN, SELECT_USIM, transcript, VERIFY_1, VERIFY_LOCAL } from '../testing/os-card.ts';
import { IMSI_A } from '../testing/world.ts';

describe('files', () => {
  test('transparent files are read and updated within their bounds', async () => {
    await transcript(
      await osCard(),
      SELECT_USIM,
      ['00D6000001FF', '6986'],
      ['00A4000C024F42', '9000'],
      ['00B0000001', '6982'],
      VERIFY_1,
      ['00B0000000', `${'AA'.repeat(256)}9000`],
      ['00B0010000', `${'AA'.repeat(44)}9000`],
      ['00B001002D', '6C2C'],
      ['00B0012C01', '6B00'],
      ['00D6000002BBCC', '6982'],
      VERIFY_LOCAL,
      ['00D6000102BBCC', '9000'],
      ['00B0000004', 'AABBCCAA9000'],
      ['00D6012B02BBCC', '6700'],
      ['00D6012C01BB', '6B00'],
      ['00D60000', '6700'],
      ['00D69C0301DD', '9000'],
      ['00B09C0202', 'CCDD9000'],
      ['00B0870009', `${toHex(encodeImsi(IMSI_A))}9000`],
      ['00B09F0009', '6A86'],
      ['00B09D0009', '6A82'],
      ['00B0E00009', '6A86'],
      ['00A4000C024F43', '9000'],
      ['00B0000004', '6982'],
      ['00B2010405', '6981'],
    );
  });

  test('changes outlast a reset and a power cut', async () => {
    const world = await osWorld();
    await transcript(
      world.card,
      SELECT_USIM,
      VERIFY_1,
      ['00A4000C024F40', '9000'],
      ['00DC020405 5152535455', '9000'],
    );
    await transcript(await world.reopen(), SELECT_USIM, ['00B2025405', '51525354559000']);
  });

  test('linear fixed records: absolute, next, previous, by short identifier', async () => {
    await transcript(
      await osCard(),
      SELECT_USIM,
      ['00B2015405', '01020304059000'],
      ['00B2000405', '6A83'],
      ['00B2000205', '01020304059000'],
      ['00B2000205', '11121314159000'],
      ['00B2000405', '11121314159000'],
      ['00B2000305', '01020304059000'],
      ['00B2000305', '6A83'],
      ['00B2040405', '6A83'],
      ['00B2010205', '6A86'],
      ['00B2010105', '6A86'],
      ['00B00000', '6981'],
      ['00DC01040501', '6700'],
      ['00DC0104056162636465', '6982'],
      VERIFY_1,
      ['00DC010404616263 64', '6700'],
      ['00DC0104056162636465', '9000'],
      ['00B2010405', '61626364659000'],
      ['00DC0404056162636465', '6A83'],
    );
  });

  test('SEARCH RECORD finds forwards, backwards and from an offset', async () => {
    await transcript(
      await osCard(),
      SELECT_USIM,
      ['00A2015401 1300', '02039000'],
      ['00A2035501 1300', '03029000'],
      ['00A2010401 9900', '6282'],
      ['00A2040401 1300', '6A83'],
      ['00A2010403 04021300', '6282'],
      ['00A2010603 04021300', '02039000'],
      ['00A2010603 04031300', '6282'],
      ['00A2010603 0C21132400', '6700'],
      ['00A2010604 0C22132400', '039000'],
      ['00A2010602 0402', '6700'],
      ['00A2010603 020213', '6A80'],
    );
  });

  test('cyclic files push their oldest record out; INCREASE adds to the newest', async () => {
    await transcript(
      await osCard(),
      SELECT_USIM,
      ['00A4000C024F41', '9000'],
      ['8032000003000001', '9850'],
      VERIFY_1,
      ['00DC000303000005', '9000'],
      ['00DC010403000005', '6A86'],
      ['803200000300000100', '0000060000019000'],
      ['00B2010403', '0000069000'],
      ['00B2020403', '0000059000'],
      ['00B2000303', '0000059000'],
      ['00B2000203', '0000069000'],
      ['00B2000203', '0000059000'],
      ['00B2000203', '0000069000'],
      ['8032000004000000 01', '6700'],
      ['8032010003000001', '6A86'],
    );
  });

  test('a deactivated file is announced and not read', async () => {
    await transcript(
      await osCard(),
      SELECT_USIM,
      ['00A4000C024F40', '9000'],
      ['00040000', '6982'],
      [`0020000A08${PIN}`, '9000'],
      ['00040000', '9000'],
      ['00A4000C024F40', '6283'],
      ['00B2010405', '6984'],
      ['00A2010401AA', '6984'],
      ['00DC010405AABBCCDDEE', '6982'],
      ['00440000', '9000'],
      ['00A4000C024F40', '9000'],
      ['00B2010405', '01020304059000'],
    );
  });
});

describe('PINs', () => {
  test('the counter goes down, blocks, and the PUK brings it back', async () => {
    const wrong = '39393939FFFFFFFF';
    const world = await osWorld();
    await transcript(
      world.card,
      ['00200001', '63C3'],
      [`0020000108${wrong}`, '63C2'],
      [`0020000108${PIN}`, '9000'],
      ['00200001', '63C3'],
      [`0020000108${wrong}`, '63C2'],
      [`0020000108${wrong}`, '63C1'],
    );
    await transcript(
      await world.reopen(),
      ['00200001', '63C1'],
      [`0020000108${wrong}`, '63C0'],
      ['00200001', '6983'],
      [`0020000108${PIN}`, '6983'],
      ['002C0001', '63CA'],
      [`002C000110${wrong}35353535FFFFFFFF`, '63C9'],
      ['002C00011038383838383838383535FFFFFFFFFFFF', '6A80'],
      ['002C000110383838383838383835353535FFFFFFFF', '9000'],
      ['002C0001', '63CA'],
      ['002000010835353535FFFFFFFF', '9000'],
      ['00200002', '6A88'],
      ['00200102', '6A86'],
      ['00200001043132', '6700'],
      ['0020000104 31323334', '6700'],
      ['002C000A', '6A88'],
    );
  });

  test('a PIN is changed, disabled and enabled; a disabled PIN satisfies its conditions', async () => {
    await transcript(
      await osCard(),
      SELECT_USIM,
      ['00B0870009', '6982'],
      [`0024000110${PIN}36363636FFFFFFFF`, '9000'],
      [`0024000110${PIN}36363636FFFFFFFF`, '63C2'],
      ['002600010836363636FFFFFFFF', '9000'],
      ['002600010836363636FFFFFFFF', '6985'],
      ['00B0870009', `${toHex(encodeImsi(IMSI_A))}9000`],
      ['002000010836363636FFFFFFFF', '6984'],
      ['002800010836363636FFFFFFFF', '9000'],
      ['002800010836363636FFFFFFFF', '6985'],
      ['00B0870009', `${toHex(encodeImsi(IMSI_A))}9000`],
    );
  });

  test('what one channel verified counts on another, and a reset forgets it', async () => {
    const card = await osCard();
    await transcript(
      card,
      SELECT_USIM,
      ['0070000001', '019000'],
      [`01A4040C0C${USIM_AID}`, '9000'],
      ['01B0870009', '6982'],
      VERIFY_1,
      ['01B0870009', `${toHex(encodeImsi(IMSI_A))}9000`],
    );
    await card.reset();
    await transcript(card, SELECT_USIM, ['00B0870009', '6982']);
  });
});
