// The card OS as a terminal meets it: T=0, classes, channels, selection; status words literally.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { encodeIccid } from '../codec/ids.ts';
import { ATR } from './card-os.ts';
import { USIM_AID } from './profile-samples.ts';
import { osCard, SELECT_USIM, transcript } from './testing/os-card.ts';
import { raw } from './testing/terminal.ts';
import { createWorld, ICCID_A } from './testing/world.ts';

test('the ATR is well formed and says eUICC', async () => {
  const card = await osCard();
  assert.deepEqual(await card.reset(), ATR);
  assert.equal(ATR[0], 0x3b);
  assert.equal(
    ATR.slice(1).reduce((check, octet) => check ^ octet, 0),
    0,
  );
  assert.equal((ATR[1] ?? 0) & 0x0f, ATR.length - 8);
});

describe('T=0', () => {
  test('a case 4 command announces its data; GET RESPONSE fetches it on the same channel only, and at once', async () => {
    const card = await osCard();
    const fcp = (await raw(card, '00A40004023F00')).slice(2);
    assert.match(await raw(card, '00A40004023F00'), /^61[0-9A-F]{2}$/);
    const length = fcp;
    assert.match(await raw(card, `00C00000${length}`), /^62.*9000$/);
    await transcript(
      card,
      [`00C00000${length}`, '6F00'],
      ['0070000001', '019000'],
      ['00A40004023F00', `61${length}`],
      [`01C00000${length}`, '6F00'],
      [`00C00000${length}`, '6F00'],
      ['00A40004023F00', `61${length}`],
      ['80F2000C00', '9000'],
      [`00C00000${length}`, '6F00'],
    );
  });

  test('a response longer than asked for comes in parts, a longer Le is corrected', async () => {
    const card = await osCard();
    const length = (await raw(card, '00A40004023F00')).slice(2);
    const whole = Number.parseInt(length, 16);
    const over = toHex(Uint8Array.of(whole + 1));
    assert.equal(await raw(card, `00C00000${over}`), `6C${length}`);
    const first = await raw(card, '00C0000005');
    assert.match(first, new RegExp(`^62.{8}61${toHex(Uint8Array.of(whole - 5))}$`));
    const rest = await raw(card, `00C00000${toHex(Uint8Array.of(whole - 5))}`);
    assert.match(rest, /9000$/);
    const direct = await raw(card, '00A40004023F0000');
    assert.equal(first.slice(0, 10) + rest.slice(0, -4), direct.slice(0, -4));
    const short = await raw(card, '00A40004023F0005');
    assert.equal(short, first);
  });

  test('case 2 with another Le than there is answers 6Cxx and changes nothing', async () => {
    const card = await osCard();
    await transcript(
      card,
      ['00700000', '6C01'],
      ['0070000005', '6C01'],
      ['0070000001', '019000'],
      ['00A4000C022FE2', '9000'],
      ['00B00000', '6C0A'],
      ['00B00000FF', '6C0A'],
      ['00B0000004', `${toHex(encodeIccid(ICCID_A)).slice(0, 8)}9000`],
      ['00B0000000', `${toHex(encodeIccid(ICCID_A))}9000`],
      SELECT_USIM,
      ['00A4000C024F40', '9000'],
      ['00B2000204', '6C05'],
      ['00B2000205', '01020304059000'],
      ['00B2000205', '11121314159000'],
    );
  });

  test('Le 00 and case 4 without Le are choices of the card', async () => {
    const card = await osCard({ withoutLe: 'data', leZero: '6Cxx' });
    await transcript(card, ['00A4000C022FE2', '9000'], ['00B0000000', '6C0A'], ['00700000', '6C01']);
    assert.match(await raw(card, '00A40004023F00'), /^62.*9000$/);
  });

  test('octets that are no short command are a wrong length', async () => {
    const card = await osCard();
    for (const command of ['', '00', '00A404', '00A4000C033F00', '00A4000C0000023F00', '00A40004013F0000']) {
      assert.equal(await raw(card, command), '6700', command);
    }
  });
});

describe('class and instruction', () => {
  test('each wrong one has its status word', async () => {
    await transcript(
      await osCard(),
      ['20A40004023F00', '6E00'],
      ['90F2000000', '6E00'],
      ['B0F2000000', '6E00'],
      ['FFA40004023F00', '6E00'],
      ['10A40004023F00', '6884'],
      ['01A40004023F00', '6881'],
      ['40A40004023F00', '6881'],
      ['04A40004023F00', '6882'],
      ['84F2000000', '6882'],
      ['00FE000000', '6D00'],
      ['80A40004023F00', '6E00'],
      ['00F2000000', '6E00'],
      ['A0A40000023F00', '6E00'],
      ['A010000004FFFFFFFF', '9000'],
    );
  });

  test('what a card without a matching command is told', async () => {
    await transcript(
      await osCard(),
      ['80AA000003A90201', '6A80'],
      ['80AA000005A903810100', '9000'],
      ['80AA000102A900', '6A86'],
      ['80AA0000', '6700'],
      ['8010000003FFFFFF', '9000'],
      ['8110000003FFFFFF', '6881'],
      ['8012000000', '6985'],
      ['801400000C810301010482028281830100', '6985'],
      ['80C2000004D6020100', '9000'],
      ['80C2000004D1020101', '6A80'],
      ['80C2000003D10201', '6A80'],
    );
  });
});

describe('logical channels', () => {
  test('up to nineteen are opened, each with a selection of its own, and closed', async () => {
    const card = await osCard();
    for (let n = 1; n <= 19; n++)
      assert.equal(await raw(card, '0070000001'), `${toHex(Uint8Array.of(n))}9000`);
    await transcript(
      card,
      ['0070000001', '6A81'],
      ['01A4000C022FE2', '9000'],
      ['4FA4000C022F00', '9000'],
      ['00B000000A', '6986'],
      ['01B000000A', `${toHex(encodeIccid(ICCID_A))}9000`],
      ['4FB000000A', '6981'],
      ['00708001', '9000'],
      ['01B000000A', '6881'],
      ['00708001', '6200'],
      ['4F708000', '9000'],
      ['4FB000000A', '6881'],
      ['0070800000', '6A86'],
      ['0070000500', '6A81'],
      ['00700001', '9000'],
      ['0070000101', '6A81'],
      ['00700014', '6A86'],
      ['00704000', '6A86'],
    );
  });

  test('a channel opened from another one begins where that is, one from the basic channel at the MF', async () => {
    await transcript(
      await osCard(),
      SELECT_USIM,
      ['0070000001', '019000'],
      ['80F2000100', '840CA0000000871002FF49FF05899000'],
      ['81F2000100', '9000'],
      [`01A4040C0C${USIM_AID}`, '9000'],
      ['0170000001', '029000'],
      ['82F2000100', '840CA0000000871002FF49FF05899000'],
    );
  });
});

describe('selection', () => {
  test('by identifier, path, parent and AID; what is not there is 6A82', async () => {
    await transcript(
      await osCard(),
      ['00A4000C023F00', '9000'],
      ['00A4000C', '9000'],
      ['00A4000C026F07', '6A82'],
      ['00A4000C02 7FD0', '6A82'],
      SELECT_USIM,
      ['00A4000C026F07', '9000'],
      ['00A4000C027FFF', '9000'],
      ['00A4000C023F00', '9000'],
      ['00A4080C047FFF6F07', '9000'],
      ['00A4080C043F002FE2', '9000'],
      ['00A4080C063F007FFF6F07', '9000'],
      ['00A4080C043F003F00', '6A82'],
      ['00A4080C022FE2', '9000'],
      ['00A4080C046F07', '6700'],
      ['00A4080C047FD06F07', '6A82'],
      ['00A4090C02 6F07', '6A82'],
      ['00A4010C027F10', '6A82'],
      ['00A4030C', '6A82'],
      ['00A4020C023F00', '6A86'],
      ['00A4008C023F00', '6A86'],
      ['00A40008023F00', '6A86'],
      ['00A4000C013F', '6700'],
      ['00A40480', '6A86'],
      ['00A4040C05A000000087', '9000'],
      ['00A4030C', '9000'],
      ['00A4040C05A000000088', '6A82'],
      ['00A4042C07A0000000871002', '6A86'],
    );
  });

  test('a partial AID walks through the applications that match', async () => {
    const card = await osCard();
    const isdR = '6F1A8410A0000005591010FFFFFFFF8900000100';
    await transcript(
      card,
      ['00A4040C07A0000000871002', '9000'],
      ['00A4040E07A0000000871002', '6A82'],
      ['00A4040D07A0000000871002', '9000'],
    );
    assert.ok((await raw(card, '00A4040005A00000055900')).startsWith(isdR.slice(0, 2)));
    assert.ok((await raw(card, '00A4040005A00000055900')).includes('8900000100'));
    assert.ok((await raw(card, '00A4040205A00000055900')).includes('8900000200'));
    assert.ok((await raw(card, '00A4040205A00000055900')).includes('8900001000'));
    assert.equal(await raw(card, '00A4040205A00000055900'), '6A82');
    assert.ok((await raw(card, '00A4040305A00000055900')).includes('8900000200'));
    await transcript(
      card,
      [`00A4044C0C${USIM_AID}`, '6A82'],
      SELECT_USIM,
      [`00A4044C0C${USIM_AID}`, '9000'],
      ['80F2000100', '9000'],
    );
  });

  test('the ISD-R answers the FCI, and file commands there are unknown', async () => {
    await transcript(
      await osCard(),
      [
        '00A4040010A0000005591010FFFFFFFF890000010000',
        '6F258410A0000005591010FFFFFFFF8900000100A5049F6501FFE0058203020202E104800206409000',
      ],
      ['00B0000000', '6E00'],
      ['80B0000000', '6D00'],
      ['80F2000100', '8410A0000005591010FFFFFFFF89000001009000'],
      ['00A4000C022FE2', '9000'],
      ['80E2910003BF2000', '6D00'],
    );
  });

  test('FCPs have the layout of real cards', async () => {
    const card = await osCard();
    assert.match(
      await raw(card, '00A40004023F0000'),
      /^62298202782183023F00A50C8001718304[0-9A-F]{8}8701018A01058B032F06..C6099001C083010183010A9000$/,
    );
    await transcript(
      card,
      SELECT_USIM,
      ['00A40004026F0700', '62178202412183026F078A01058B036F060280020009880138 9000'],
      ['00A40004024F4000', '621A82054221000503 83024F408A01058B036F06018002000F880150 9000'],
      ['00A40004024F4300', '62178202412183024F438A01058B036F0604800200048801189000'],
    );
  });
});

test('a card without an enabled profile has an MF, an empty EF.DIR, no EF.ICCID, and its ISD-R', async () => {
  const { card } = await createWorld({ profiles: [] });
  await transcript(
    card,
    ['00A4000C023F00', '9000'],
    ['00A4000C022FE2', '6A82'],
    ['00A4000C022F00', '9000'],
    ['00B2010426', `${'FF'.repeat(38)}9000`],
    [`00DC010426${'FF'.repeat(38)}`, '6982'],
    ['00A4040C07A0000000871002', '6A82'],
    ['00A4040C10A0000005591010FFFFFFFF8900000100', '9000'],
    ['80E2910003BF2D00', '6105'],
    ['80C0000005', 'BF2D02A0009000'],
  );
});
